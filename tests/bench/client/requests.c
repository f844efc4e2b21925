/* HTTP requests, one at a time on each of many kept-alive connections. */

#include "client.h"

static struct {
    Records left;
    uint32_t statuses[600];
    uint64_t *latencies;
    size_t done, in_flight;
} load;

static int is_used_up(void) { return load.left.next >= load.left.end; }

static void send_next(Conn *conn) {
    const char *request = next_record(&load.left);
    conn->sent_ns = now_ns();
    write_all(conn, record_text(request), record_length(request));
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

static void print_load(uint64_t took_ns) {
    const char *comma = "";
    sort_ns(load.latencies, load.done);
    printf("{\"done\": %zu, \"took_ns\": %lu, \"p50_ns\": %lu, \"p99_ns\": %lu, \"left\": %d, "
           "\"cpu_ns\": %lu, \"statuses\": {",
           load.done, took_ns, percentile_ns(load.latencies, load.done, 50),
           percentile_ns(load.latencies, load.done, 99), !is_used_up(), cpu_ns());
    for (int status = 0; status < 600; status++) {
        if (!load.statuses[status]) continue;
        printf("%s\"%d\": %u", comma, status, load.statuses[status]);
        comma = ", ";
    }
    printf("}}\n");
}

/* PORT COUNT SECONDS FILE */
int run_requests(int argc, char **argv) {
    int port = atoi(argv[0]), count = atoi(argv[1]);
    Conn *conns = calloc((size_t)count, sizeof *conns);
    size_t records = 0;
    (void)argc;
    load.left = read_records(argv[3]);
    for (Records all = load.left; next_record(&all);) records++;
    load.latencies = calloc(records, sizeof *load.latencies);
    for (int i = 0; i < count; i++) watch(&conns[i], port);
    uint64_t start = now_ns(), deadline = start + (uint64_t)(atof(argv[2]) * 1e9);
    for (int i = 0; i < count && !is_used_up(); i++) send_next(&conns[i]);
    while (load.in_flight) {
        int ready = epoll_wait(poller, events, BATCH, PATIENCE_MS);
        if (ready <= 0) die("no answer within %d ms", PATIENCE_MS);
        for (int i = 0; i < ready; i++) {
            Conn *conn = events[i].data.ptr;
            receive(conn);
            if (take_response(conn) && !is_used_up() && now_ns() < deadline) send_next(conn);
        }
    }
    print_load(now_ns() - start);
    return 0;
}
