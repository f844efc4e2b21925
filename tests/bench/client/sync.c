/* Convex clients, each with at most one mutation in flight.
 *
 * A mutation is over when a client's promise resolves: its response has come, and after it a
 * transition that ends at the commit's timestamp or later. What clients watch, in the first query
 * of a transition, is a number that every commit makes larger. */

#include "client.h"

#include <time.h>

typedef struct {
    double value;
    uint64_t at_ns; /* of CLOCK_REALTIME, like timestamps of commits */
} Moment;

typedef struct {
    Moment *moments;
    size_t count, size;
} Moments;

typedef struct {
    const char *mutation;
    uint64_t request_id;
    uint64_t awaited_ts;  /* of the commit whose transition is awaited, or 0 */
    int is_ready, is_busy;
    Moments seen;
} Client;

static Conn *conns;
static Client *clients;
static int ready, in_flight;
static double rate;
static uint64_t deadline;
static uint64_t *latencies;
static size_t done, room;
static Moments commits;

static uint64_t realtime_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void note(Moments *moments, double value, uint64_t at_ns) {
    if (moments->count == moments->size) {
        moments->size = moments->size ? moments->size * 2 : 256;
        moments->moments = realloc(moments->moments, moments->size * sizeof *moments->moments);
        if (!moments->moments) die("out of memory");
    }
    moments->moments[moments->count++] = (Moment){value, at_ns};
}

/* What stands behind the text, or NULL. */
static const char *behind(const char *text, const char *from, const char *end) {
    const char *found = memmem(from, (size_t)(end - from), text, strlen(text));
    return found ? found + strlen(text) : NULL;
}

/* The next timestamp: eight bytes, the lowest first, in base64. */
static uint64_t find_ts(const char *from, const char *end) {
    const char *text = behind("\"ts\":\"", from, end);
    uint64_t ts = 0;
    unsigned char bytes[9];
    if (!text || end - text < 12) die("no timestamp: %.*s", (int)(end - from), from);
    for (int i = 0; i < 12; i += 4) {
        uint32_t bits = 0;
        for (int j = i; j < i + 4; j++) {
            char c = text[j];
            uint32_t six = c >= 'a' ? (uint32_t)(c - 'a') + 26 : c >= 'A' ? (uint32_t)(c - 'A')
                         : c >= '0' ? (uint32_t)(c - '0') + 52 : c == '+' ? 62 : 63;
            bits = bits << 6 | (c == '=' ? 0 : six);
        }
        for (int j = 0; j < 3; j++) bytes[i / 4 * 3 + j] = (unsigned char)(bits >> (16 - 8 * j));
    }
    for (int i = 7; i >= 0; i--) ts = ts << 8 | bytes[i];
    return ts;
}

static void send_mutation(Conn *conn) {
    static char text[65536];
    Client *client = &clients[conn - conns];
    int head = snprintf(text, sizeof text, "{\"type\":\"Mutation\",\"requestId\":%lu,",
                        client->request_id++);
    size_t length = record_length(client->mutation);
    if ((size_t)head + length > 65535) die("too long a mutation");
    memcpy(text + head, record_text(client->mutation), length);
    conn->sent_ns = now_ns();
    write_text(conn, text, (size_t)head + length);
    client->is_busy = 1;
    in_flight++;
}

static void resolve(Conn *conn) {
    Client *client = &clients[conn - conns];
    client->awaited_ts = 0;
    client->is_busy = 0;
    in_flight--;
    if (done == room) {
        room = room ? room * 2 : 4096;
        if (!(latencies = realloc(latencies, room * sizeof *latencies))) die("out of memory");
    }
    uint64_t now = now_ns();
    latencies[done++] = now - conn->sent_ns;
    if (!rate && now < deadline) send_mutation(conn);
}

static void take_response(Client *client, const char *text, const char *end) {
    if (!behind("\"success\":true", text, end)) die("%.*s", (int)(end - text), text);
    client->awaited_ts = find_ts(text, end);
    const char *result = behind("\"result\":", text, end);
    if (rate && result) note(&commits, strtod(result, NULL), client->awaited_ts);
}

static void take_transition(Conn *conn, const char *text, const char *end) {
    Client *client = &clients[conn - conns];
    const char *version = behind("\"endVersion\":", text, end);
    if (!version || behind("\"QueryFailed\"", text, end)) die("%.*s", (int)(end - text), text);
    const char *value = behind("\"value\":", version, end);
    if (rate && value) note(&client->seen, strtod(value, NULL), realtime_ns());
    if (!client->is_ready) {
        client->is_ready = 1;
        ready++;
    }
    if (client->awaited_ts && find_ts(version, end) >= client->awaited_ts) resolve(conn);
}

static void take_text(Conn *conn, const char *text, size_t length) {
    const char *end = text + length, *type = behind("\"type\":\"", text, end);
    if (!type) die("%.*s", (int)length, text);
    if (!strncmp(type, "Transition\"", 11)) take_transition(conn, text, end);
    else if (!strncmp(type, "MutationResponse\"", 17))
        take_response(&clients[conn - conns], text, end);
    else if (strncmp(type, "Ping\"", 5)) die("%.*s", (int)length, text);
}

static void open_clients(int port, const char *path, int count, Records script) {
    uint64_t patience = now_ns() + (uint64_t)PATIENCE_MS * 1000000u;
    for (int i = 0; i < count; i++) {
        conns[i].opening = next_record(&script);
        clients[i].mutation = next_record(&script);
        if (!clients[i].mutation) die("a script for %d clients only", i);
    }
    open_sockets(conns, count, port, path, take_text);
    while (ready < count) {
        serve_sockets(100, take_text);
        if (now_ns() > patience) die("only %d of %d clients are ready", ready, count);
    }
}

static void mutate(int count) {
    uint64_t start = now_ns(), begun = 0, patience = deadline + (uint64_t)PATIENCE_MS * 1000000u;
    if (!rate)
        for (int i = 0; i < count; i++) send_mutation(&conns[i]);
    while (in_flight || now_ns() < deadline) {
        uint64_t now = now_ns();
        if (rate && now < deadline && !clients[0].is_busy &&
            now >= start + (uint64_t)((double)begun / rate * 1e9)) {
            send_mutation(&conns[0]);
            begun++;
        }
        serve_sockets(rate ? 1 : 100, take_text);
        if (now_ns() > patience) die("no answer within %d ms", PATIENCE_MS);
    }
}

static int has_all(const Client *client) {
    size_t seen = client->seen.count;
    return !commits.count || (seen && client->seen.moments[seen - 1].value >=
                                          commits.moments[commits.count - 1].value);
}

/* Fill `waits` with how long each client waited for each commit; returns how many that were. */
static size_t applied(int count, uint64_t *waits) {
    size_t filled = 0;
    uint64_t patience = now_ns() + (uint64_t)PATIENCE_MS * 1000000u;
    for (int i = 0; i < count; i++) {
        Moments *seen = &clients[i].seen;
        while (!has_all(&clients[i])) {
            serve_sockets(100, take_text);
            if (now_ns() > patience) die("client %d was not told of the last commit", i);
        }
        for (size_t j = 0, k = 0; j < commits.count; j++) {
            while (seen->moments[k].value < commits.moments[j].value) k++;
            uint64_t at_ns = seen->moments[k].at_ns, from_ns = commits.moments[j].at_ns;
            if (at_ns + 100000000u < from_ns) die("the server's clock is ahead of ours");
            waits[filled++] = at_ns > from_ns ? at_ns - from_ns : 0;
        }
    }
    sort_ns(waits, filled);
    return filled;
}

/* PORT PATH COUNT FILE */
int run_sync(int argc, char **argv) {
    int count = atoi(argv[2]);
    double seconds;
    (void)argc;
    conns = calloc((size_t)count, sizeof *conns);
    clients = calloc((size_t)count, sizeof *clients);
    open_clients(atoi(argv[0]), argv[1], count, read_records(argv[3]));
    printf("{\"ready\": %d}\n", count);
    if (scanf("mutate %lf %lf", &seconds, &rate) != 2) die("not a command");
    uint64_t start = now_ns(), cpu = cpu_ns();
    deadline = start + (uint64_t)(seconds * 1e9);
    mutate(count);
    uint64_t took = now_ns() - start, used = cpu_ns() - cpu;
    uint64_t *waits = calloc((size_t)count * (commits.count + 1), sizeof *waits);
    size_t waited = rate ? applied(count, waits) : 0;
    sort_ns(latencies, done);
    printf("{\"done\": %zu, \"took_ns\": %lu, \"p50_ns\": %lu, \"p99_ns\": %lu, \"cpu_ns\": %lu, "
           "\"applied\": %zu, \"applied_p50_ns\": %lu, \"applied_p99_ns\": %lu, "
           "\"applied_max_ns\": %lu}\n",
           done, took, percentile_ns(latencies, done, 50), percentile_ns(latencies, done, 99), used,
           waited, percentile_ns(waits, waited, 50), percentile_ns(waits, waited, 99),
           waited ? waits[waited - 1] : 0);
    return 0;
}
