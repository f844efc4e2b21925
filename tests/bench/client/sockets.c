/* Sockets that take what a server sends to all of them.
 *
 * During a round the client polls without sleeping: a sender on the same machine has to wake a
 * sleeping reader, which can double the price of a frame, and does so the more the slower the
 * sender is. "busy_ns" is how long it was not waiting, to show that it is not the limit. */

#include "client.h"

static struct {
    char marker[256];
    int missing;
    uint64_t first_ns, last_ns, frames, other_frames, bytes;
} round_;

static int greeted;

static void take_text(Conn *conn, const char *payload, size_t length) {
    if (!conn->greeted++) greeted++;
    round_.bytes += length;
    if (!round_.missing || conn->delivered ||
        !memmem(payload, length, round_.marker, strlen(round_.marker))) {
        round_.other_frames++;
        return;
    }
    conn->delivered = 1;
    round_.last_ns = now_ns();
    if (!round_.frames++) round_.first_ns = round_.last_ns;
    round_.missing--;
}

static void run_round(Conn *conns, int count, int timeout_ms) {
    uint64_t deadline = now_ns() + (uint64_t)timeout_ms * 1000000u;
    for (int i = 0; i < count; i++) conns[i].delivered = 0;
    round_.first_ns = round_.last_ns = round_.frames = round_.other_frames = round_.bytes = 0;
    busy_ns = 0;
    round_.missing = count;
    printf("{\"armed\": true}\n");
    while (round_.missing && now_ns() < deadline) serve_sockets(0, take_text);
    printf("{\"first_ns\": %lu, \"last_ns\": %lu, \"frames\": %lu, \"other_frames\": %lu, "
           "\"bytes\": %lu, \"missing\": %d, \"busy_ns\": %lu}\n",
           round_.first_ns, round_.last_ns, round_.frames, round_.other_frames, round_.bytes,
           round_.missing, busy_ns);
    round_.missing = 0;
}

/* PORT PATH COUNT [OPENINGS] */
int run_sockets(int argc, char **argv) {
    int port = atoi(argv[0]), count = atoi(argv[2]), timeout_ms;
    Conn *conns = calloc((size_t)count, sizeof *conns);
    struct epoll_event command = {.events = EPOLLIN, .data.ptr = NULL};
    char line[512];
    Records openings = {0};
    if (argc > 3) openings = read_records(argv[3]);
    for (int i = 0; i < count; i++) conns[i].opening = next_record(&openings);
    open_sockets(conns, count, port, argv[1], take_text);
    while (argc > 3 && greeted < count) serve_sockets(100, take_text);
    printf("{\"ready\": %d}\n", count);
    epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &command);
    for (;;) { /* between rounds pings are answered and late frames are read */
        serve_sockets(-1, take_text);
        if (!command_waiting) continue;
        command_waiting = 0;
        if (!fgets(line, sizeof line, stdin)) return 0;
        if (sscanf(line, "round %d %255[^\n]", &timeout_ms, round_.marker) != 2)
            die("not a command: %s", line);
        run_round(conns, count, timeout_ms);
    }
}
