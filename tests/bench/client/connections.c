/* Connections to 127.0.0.1, all watched by one epoll, and what else every mode needs. */

#include "client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

enum { FIRST_BUFFER = 4096 };

int poller;
struct epoll_event events[BATCH];

void die(const char *format, ...) {
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t cpu_ns(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return ((uint64_t)u.ru_utime.tv_sec + (uint64_t)u.ru_stime.tv_sec) * 1000000000u +
           ((uint64_t)u.ru_utime.tv_usec + (uint64_t)u.ru_stime.tv_usec) * 1000u;
}

void watch(Conn *conn, int port) {
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

void write_all(Conn *conn, const char *data, size_t length) {
    while (length) {
        ssize_t done = send(conn->fd, data, length, MSG_NOSIGNAL);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0) die("send: %s", strerror(errno));
        data += done;
        length -= (size_t)done;
    }
}

/* Append what has arrived; a message may still be incomplete after it. */
void receive(Conn *conn) {
    if (conn->used + 1 >= conn->size) {
        conn->size = conn->size ? conn->size * 2 : FIRST_BUFFER;
        if (!(conn->data = realloc(conn->data, conn->size))) die("out of memory");
    }
    ssize_t got = recv(conn->fd, conn->data + conn->used, conn->size - conn->used - 1, 0);
    if (got <= 0) die("the server closed a connection: %s", got ? strerror(errno) : "end of file");
    conn->used += (size_t)got;
    conn->data[conn->used] = 0;
}

void consume(Conn *conn, size_t length) {
    conn->used -= length;
    memmove(conn->data, conn->data + length, conn->used + 1);
}

Records read_records(const char *path) {
    Records records;
    FILE *file = fopen(path, "rb");
    long size;
    if (!file || fseek(file, 0, SEEK_END) || (size = ftell(file)) <= 0) die("nothing in %s", path);
    rewind(file);
    records.next = malloc((size_t)size);
    if (!records.next || fread(records.next, 1, (size_t)size, file) != (size_t)size)
        die("short read");
    fclose(file);
    records.end = records.next + size;
    return records;
}

/* The next record, or NULL. */
const char *next_record(Records *records) {
    if (records->next >= records->end) return NULL;
    const char *record = records->next;
    records->next += sizeof(uint32_t) + record_length(record);
    return record;
}

uint32_t record_length(const char *record) {
    uint32_t length;
    memcpy(&length, record, sizeof length);
    return length;
}

const char *record_text(const char *record) { return record + sizeof(uint32_t); }

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void sort_ns(uint64_t *values, size_t count) { qsort(values, count, sizeof *values, ascending); }

uint64_t percentile_ns(const uint64_t *sorted, size_t count, int percent) {
    return count ? sorted[count * (size_t)percent / 100] : 0;
}
