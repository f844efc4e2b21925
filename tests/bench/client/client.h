/* What the parts of the load client share: connections, WebSockets, scripts, time. */

#ifndef CLIENT_H
#define CLIENT_H

#define _GNU_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum { BATCH = 1024, PATIENCE_MS = 60000 };

typedef struct {
    int fd;
    int open;             /* the WebSocket handshake is over */
    int greeted;          /* it has been sent something */
    int delivered;        /* this round's marker has been seen */
    const char *opening;  /* a record of frames to send once it is open, or NULL */
    char *data;           /* received and not yet understood */
    size_t used, size;
    uint64_t sent_ns;     /* when the request in flight was written */
} Conn;

/* Connections. */
extern int poller;
extern struct epoll_event events[BATCH];

void die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
uint64_t now_ns(void);
uint64_t cpu_ns(void);
void watch(Conn *conn, int port);
void write_all(Conn *conn, const char *data, size_t length);
void receive(Conn *conn);
void consume(Conn *conn, size_t length);

/* Records: a file of texts, each after its length as a 32-bit number. */
typedef struct {
    char *next, *end;
} Records;

Records read_records(const char *path);
const char *next_record(Records *records);
uint32_t record_length(const char *record);
const char *record_text(const char *record);

void sort_ns(uint64_t *values, size_t count);
uint64_t percentile_ns(const uint64_t *sorted, size_t count, int percent);

/* WebSockets. */
typedef void TakeText(Conn *conn, const char *payload, size_t length);

extern int command_waiting;    /* stdin, watched with a null pointer, has a line or its end */
extern uint64_t busy_ns;       /* how long it was reading, not waiting for more to read */

void open_sockets(Conn *conns, int count, int port, const char *path, TakeText *take);
int serve_sockets(int wait_ms, TakeText *take);
void write_text(Conn *conn, const char *text, size_t length);

/* The modes. */
int run_sockets(int argc, char **argv);
int run_requests(int argc, char **argv);
int run_sync(int argc, char **argv);

#endif
