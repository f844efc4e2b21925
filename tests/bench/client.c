/* The load client of the benchmarks: one thread, one epoll, many connections to 127.0.0.1.
 *
 *   client sockets PORT PATH COUNT [SUBPROTOCOL]
 *       Opens COUNT WebSockets, prints {"ready": COUNT, ...}, then reads commands on stdin:
 *       "round TIMEOUT_MS MARKER" waits until every socket got a frame that contains MARKER.
 *   client requests PORT COUNT SECONDS FILE
 *       Sends the HTTP requests of FILE (each after its length as a 32-bit number), one at a time
 *       on each of COUNT kept-alive connections, until SECONDS are over or FILE is used up.
 *
 * Every answer is one line of JSON. Times are CLOCK_MONOTONIC in ns, as time.monotonic_ns() has
 * them. During a round the client polls without sleeping: a sender on the same machine has to wake
 * a sleeping reader, which can double the price of a frame, and does so the more the slower the
 * sender is. "busy_ns" is how long it was not waiting, to show that it is not the limit. */

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 1024, CONNECTING_AT_ONCE = 128, FIRST_BUFFER = 4096, PATIENCE_MS = 60000 };

typedef struct {
    int fd;
    int open;          /* the WebSocket handshake is over */
    int delivered;     /* this round's marker has been seen */
    char *data;        /* received and not yet understood */
    size_t used, size;
    uint64_t sent_ns;  /* when the HTTP request in flight was written */
} Conn;

static int poller;
static struct epoll_event events[BATCH];
static int command_waiting; /* stdin, watched with a null pointer, has a line or its end */

static void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t cpu_ns(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) * 1000000000u +
           ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000u;
}

static void watch(Conn *conn, int port) {
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = conn};
    int on = 1;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    conn->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (conn->fd < 0 || connect(conn->fd, (struct sockaddr *)&to, sizeof to))
        die("connect: %s", strerror(errno));
    setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (epoll_ctl(poller, EPOLL_CTL_ADD, conn->fd, &event)) die("epoll: %s", strerror(errno));
}

static void write_all(Conn *conn, const char *data, size_t length) {
    while (length) {
        ssize_t done = send(conn->fd, data, length, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) die("send: %s", strerror(errno));
        data += done;
        length -= (size_t)done;
    }
}

/* Append what has arrived; a message may still be incomplete after it. */
static void receive(Conn *conn) {
    if (conn->used + 1 >= conn->size) {
        conn->size = conn->size ? conn->size * 2 : FIRST_BUFFER;
        if (!(conn->data = realloc(conn->data, conn->size))) die("out of memory");
    }
    ssize_t got = recv(conn->fd, conn->data + conn->used, conn->size - conn->used - 1, 0);
    if (got <= 0) die("the server closed a connection: %s", got ? strerror(errno) : "end of file");
    conn->used += (size_t)got;
    conn->data[conn->used] = 0;
}

static void consume(Conn *conn, size_t length) {
    conn->used -= length;
    memmove(conn->data, conn->data + length, conn->used + 1);
}

/* ---- WebSockets ---------------------------------------------------------------------------- */

static struct {
    char marker[256];
    int missing;
    uint64_t first_ns, last_ns, frames, other_frames, bytes, busy_ns;
} round_;

/* The payload of the first whole frame; returns the frame's length, 0 while it is incomplete. */
static size_t whole_frame(const Conn *conn, char **payload, size_t *length) {
    const unsigned char *p = (unsigned char *)conn->data;
    size_t head = 2;
    if (conn->used < 2) return 0;
    *length = p[1] & 127;
    if (*length == 126) head = 4;
    if (*length == 127) head = 10;
    if (conn->used < head) return 0;
    if (head > 2) *length = 0;
    for (size_t i = 2; i < head; i++) *length = *length << 8 | p[i];
    *payload = conn->data + head;
    return conn->used < head + *length ? 0 : head + *length;
}

static void take_data(Conn *conn, const char *payload, size_t length) {
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

static void take_frames(Conn *conn) {
    char *payload;
    size_t length, whole;
    while ((whole = whole_frame(conn, &payload, &length))) {
        int opcode = conn->data[0] & 15;
        if (opcode == 8) die("the server closed a WebSocket: %.*s", (int)length, payload);
        if (opcode == 9) { /* a pong is masked with zeros, so its payload stays as it is */
            char pong[6 + 125] = {(char)0x8a, (char)(0x80 | length)};
            memcpy(pong + 6, payload, length);
            write_all(conn, pong, 6 + length);
        } else if (opcode != 10) {
            take_data(conn, payload, length);
        }
        consume(conn, whole);
    }
}

static int take_handshake(Conn *conn) {
    char *end = strstr(conn->data, "\r\n\r\n");
    if (!end) return 0;
    if (strncmp(conn->data, "HTTP/1.1 101", 12)) die("no WebSocket: %s", conn->data);
    conn->open = 1;
    consume(conn, (size_t)(end + 4 - conn->data));
    take_frames(conn);
    return 1;
}

/* Serve whatever arrives within `wait_ms`; returns how many handshakes were completed. */
static int serve_sockets(int wait_ms) {
    int count = epoll_wait(poller, events, BATCH, wait_ms), opened = 0;
    uint64_t start = now_ns();
    for (int i = 0; i < count; i++) {
        Conn *conn = events[i].data.ptr;
        if (!conn) {
            command_waiting = 1;
            continue;
        }
        receive(conn);
        if (conn->open) take_frames(conn);
        else opened += take_handshake(conn);
    }
    if (count > 0) round_.busy_ns += now_ns() - start;
    return opened;
}

static void open_sockets(Conn *conns, int count, int port, const char *request) {
    int started = 0, opened = 0;
    uint64_t deadline = now_ns() + (uint64_t)PATIENCE_MS * 1000000u;
    while (opened < count) {
        while (started < count && started - opened < CONNECTING_AT_ONCE) {
            watch(&conns[started], port);
            write_all(&conns[started++], request, strlen(request));
        }
        opened += serve_sockets(100);
        if (now_ns() > deadline) die("only %d of %d WebSockets opened", opened, count);
    }
}

static void run_round(Conn *conns, int count, int timeout_ms) {
    uint64_t deadline = now_ns() + (uint64_t)timeout_ms * 1000000u;
    for (int i = 0; i < count; i++) conns[i].delivered = 0;
    round_.first_ns = round_.last_ns = round_.frames = round_.other_frames = round_.bytes = 0;
    round_.busy_ns = 0;
    round_.missing = count;
    printf("{\"armed\": true}\n");
    while (round_.missing && now_ns() < deadline) serve_sockets(0);
    printf("{\"first_ns\": %lu, \"last_ns\": %lu, \"frames\": %lu, \"other_frames\": %lu, "
           "\"bytes\": %lu, \"missing\": %d, \"busy_ns\": %lu}\n",
           round_.first_ns, round_.last_ns, round_.frames, round_.other_frames, round_.bytes,
           round_.missing, round_.busy_ns);
    round_.missing = 0;
}

static int sockets(int port, const char *path, int count, const char *subprotocol) {
    Conn *conns = calloc((size_t)count, sizeof *conns);
    struct epoll_event command = {.events = EPOLLIN, .data.ptr = NULL};
    char request[4096], line[512];
    int timeout_ms;
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\n"
             "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s%s%s\r\n",
             path, port, subprotocol ? "Sec-WebSocket-Protocol: " : "",
             subprotocol ? subprotocol : "", subprotocol ? "\r\n" : "");
    open_sockets(conns, count, port, request);
    printf("{\"ready\": %d}\n", count);
    epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &command);
    for (;;) { /* between rounds pings are answered and late frames are read */
        serve_sockets(-1);
        if (!command_waiting) continue;
        command_waiting = 0;
        if (!fgets(line, sizeof line, stdin)) return 0;
        if (sscanf(line, "round %d %255[^\n]", &timeout_ms, round_.marker) != 2)
            die("not a command: %s", line);
        run_round(conns, count, timeout_ms);
    }
}

/* ---- HTTP ---------------------------------------------------------------------------------- */

static struct {
    char *next, *end;           /* the requests that are left */
    uint32_t statuses[600];
    uint64_t *latencies;
    size_t done, in_flight;
} load;

static void send_next(Conn *conn) {
    uint32_t length;
    memcpy(&length, load.next, sizeof length);
    conn->sent_ns = now_ns();
    write_all(conn, load.next + sizeof length, length);
    load.next += sizeof length + length;
    load.in_flight++;
}

/* Whether a whole response has arrived. Only responses with a Content-Length are understood. */
static int take_response(Conn *conn) {
    char *body = strstr(conn->data, "\r\n\r\n");
    int status;
    if (!body) return 0;
    char *length = strcasestr(conn->data, "content-length:");
    if (!length || length > body) die("no Content-Length: %s", conn->data);
    size_t whole = (size_t)(body + 4 - conn->data) + strtoul(length + 15, NULL, 10);
    if (conn->used < whole) return 0;
    if (sscanf(conn->data, "HTTP/1.1 %3d", &status) != 1) die("not HTTP: %s", conn->data);
    load.statuses[status % 600]++;
    load.latencies[load.done++] = now_ns() - conn->sent_ns;
    load.in_flight--;
    consume(conn, whole);
    return 1;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void read_requests(const char *path) {
    FILE *file = fopen(path, "rb");
    long size;
    size_t count = 0;
    uint32_t length;
    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) <= 0) die("no requests: %s", path);
    rewind(file);
    load.next = malloc((size_t)size);
    if (!load.next || fread(load.next, 1, (size_t)size, file) != (size_t)size) die("short read");
    fclose(file);
    load.end = load.next + size;
    for (char *p = load.next; p < load.end; p += sizeof length + length, count++)
        memcpy(&length, p, sizeof length);
    load.latencies = calloc(count, sizeof *load.latencies);
}

static void print_load(uint64_t took_ns) {
    const char *comma = "";
    qsort(load.latencies, load.done, sizeof *load.latencies, ascending);
    printf("{\"done\": %zu, \"took_ns\": %lu, \"p50_ns\": %lu, \"p99_ns\": %lu, \"left\": %d, "
           "\"cpu_ns\": %lu, \"statuses\": {",
           load.done, took_ns, load.latencies[load.done / 2],
           load.latencies[load.done * 99 / 100], load.next < load.end, cpu_ns());
    for (int status = 0; status < 600; status++) {
        if (!load.statuses[status]) continue;
        printf("%s\"%d\": %u", comma, status, load.statuses[status]);
        comma = ", ";
    }
    printf("}}\n");
}

static int requests(int port, int count, double seconds, const char *path) {
    Conn *conns = calloc((size_t)count, sizeof *conns);
    read_requests(path);
    for (int i = 0; i < count; i++) watch(&conns[i], port);
    uint64_t start = now_ns(), deadline = start + (uint64_t)(seconds * 1e9);
    for (int i = 0; i < count && load.next < load.end; i++) send_next(&conns[i]);
    while (load.in_flight) {
        int ready = epoll_wait(poller, events, BATCH, PATIENCE_MS);
        if (ready <= 0) die("no answer within %d ms", PATIENCE_MS);
        for (int i = 0; i < ready; i++) {
            Conn *conn = events[i].data.ptr;
            receive(conn);
            if (take_response(conn) && load.next < load.end && now_ns() < deadline) send_next(conn);
        }
    }
    print_load(now_ns() - start);
    return 0;
}

int main(int argc, char **argv) {
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    setvbuf(stdout, NULL, _IOLBF, 0);
    if ((poller = epoll_create1(0)) < 0) die("epoll: %s", strerror(errno));
    if (argc >= 5 && !strcmp(argv[1], "sockets"))
        return sockets(atoi(argv[2]), argv[3], atoi(argv[4]), argc > 5 ? argv[5] : NULL);
    if (argc == 6 && !strcmp(argv[1], "requests"))
        return requests(atoi(argv[2]), atoi(argv[3]), atof(argv[4]), argv[5]);
    die("usage: client sockets PORT PATH COUNT [SUBPROTOCOL] | requests PORT COUNT SECONDS FILE");
}
