/* The load client of the benchmarks: one thread, one epoll, many connections to 127.0.0.1.
 *
 *   client sockets PORT PATH COUNT [OPENINGS]
 *       Opens COUNT WebSockets; on each sends the frames that OPENINGS, a record for each, has for
 *       it, and waits until all are answered. Prints {"ready": COUNT, ...}, then reads commands on
 *       stdin: "round TIMEOUT_MS MARKER" waits until every socket got a frame that contains MARKER.
 *   client requests PORT COUNT SECONDS FILE
 *       Sends the HTTP requests of FILE, a record each, one at a time on each of COUNT kept-alive
 *       connections, until SECONDS are over or FILE is used up.
 *   client sync PORT PATH COUNT FILE
 *       Speaks for COUNT Convex clients. FILE has two records for each: the frames to open with,
 *       and the JSON of its mutation behind the request's id. When all have been answered it prints
 *       {"ready": COUNT} and reads one command on stdin: "mutate SECONDS RATE". For so long every
 *       client sends its mutation again and again; or, if RATE is not 0, the first one alone does,
 *       so many times a second, and it is told how soon all of them had what it wrote.
 *
 * A record is a text after its length as a 32-bit number. Every answer is one line of JSON. Times
 * are CLOCK_MONOTONIC in ns, as time.monotonic_ns() has them. */

#include "client.h"

#include <sys/resource.h>

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if ((poller = epoll_create1(0)) < 0) die("epoll");
    if (argc >= 5 && !strcmp(argv[1], "sockets")) return run_sockets(argc - 2, argv + 2);
    if (argc == 6 && !strcmp(argv[1], "requests")) return run_requests(argc - 2, argv + 2);
    if (argc == 6 && !strcmp(argv[1], "sync")) return run_sync(argc - 2, argv + 2);
    die("usage: client sockets PORT PATH COUNT [OPENINGS] | requests PORT COUNT SECONDS FILE | "
        "sync PORT PATH COUNT FILE");
}
