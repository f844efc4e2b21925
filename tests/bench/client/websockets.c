/* Many WebSockets: their handshakes, and their frames in and out. */

#include "client.h"

enum { CONNECTING_AT_ONCE = 128 };

int command_waiting;
uint64_t busy_ns;

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

static void take_frames(Conn *conn, TakeText *take) {
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
            take(conn, payload, length);
        }
        consume(conn, whole);
    }
}

/* Of at most 65,535 bytes; masked with zeros like a pong. */
void write_text(Conn *conn, const char *text, size_t length) {
    static char frame[8 + 65535];
    size_t head = length < 126 ? 2 : 4;
    frame[0] = (char)0x81;
    frame[1] = (char)(0x80 | (length < 126 ? length : 126));
    if (head == 4) {
        frame[2] = (char)(length >> 8);
        frame[3] = (char)length;
    }
    memset(frame + head, 0, 4);
    memcpy(frame + head + 4, text, length);
    write_all(conn, frame, head + 4 + length);
}

static int take_handshake(Conn *conn, TakeText *take) {
    char *end = strstr(conn->data, "\r\n\r\n");
    if (!end) return 0;
    if (strncmp(conn->data, "HTTP/1.1 101", 12)) die("no WebSocket: %s", conn->data);
    conn->open = 1;
    if (conn->opening) write_all(conn, record_text(conn->opening), record_length(conn->opening));
    consume(conn, (size_t)(end + 4 - conn->data));
    take_frames(conn, take);
    return 1;
}

/* Serve whatever arrives within `wait_ms`; returns how many handshakes were completed. */
int serve_sockets(int wait_ms, TakeText *take) {
    int count = epoll_wait(poller, events, BATCH, wait_ms), opened = 0;
    uint64_t start = now_ns();
    for (int i = 0; i < count; i++) {
        Conn *conn = events[i].data.ptr;
        if (!conn) {
            command_waiting = 1;
            continue;
        }
        receive(conn);
        if (conn->open) take_frames(conn, take);
        else opened += take_handshake(conn, take);
    }
    if (count > 0) busy_ns += now_ns() - start;
    return opened;
}

void open_sockets(Conn *conns, int count, int port, const char *path, TakeText *take) {
    char request[4096];
    int started = 0, opened = 0;
    uint64_t deadline = now_ns() + (uint64_t)PATIENCE_MS * 1000000u;
    snprintf(request, sizeof request,
             "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nConnection: Upgrade\r\n"
             "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
             path, port);
    while (opened < count) {
        while (started < count && started - opened < CONNECTING_AT_ONCE) {
            watch(&conns[started], port);
            write_all(&conns[started++], request, strlen(request));
        }
        opened += serve_sockets(100, take);
        if (now_ns() > deadline) die("only %d of %d WebSockets opened", opened, count);
    }
}
