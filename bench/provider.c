/* A model provider on the loopback that is never the bottleneck: ready bytes, one thread, one write a chunk.
 *
 * Each delta is " ~" and the time of its sending, so that whoever reads a service's stream, in whatever format, can
 * count the chunks that arrived and tell the age of each. Every POST is answered with a stream;
 * GET /pace/CHUNKS/INTERVAL_US/DELAY_US says what the next ones are like. Interval 0: as fast as the reader reads.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stamps.h"

#define MOST_CONNECTIONS 16384
#define REQUEST_BYTES (1 << 18)
#define BURST 16 /* chunks in one write where there is no interval */
#define GOLDEN 0.6180339887 /* of an interval, between two answers' phases: real ones do not march in step */

#define CHUNK_BEGIN                                                                                                 \
    "data: {\"id\":\"chatcmpl-BqT7xK2mYc4VnR8sLwZpD1eHjF0aU\",\"object\":\"chat.completion.chunk\","                \
    "\"created\":1763790000,\"model\":\"bench-model-2025-11-22\",\"service_tier\":\"default\","                     \
    "\"system_fingerprint\":\"fp_560af6e559\",\"choices\":[{\"index\":0,\"delta\":"
#define CHUNK_END(reason) ",\"logprobs\":null,\"finish_reason\":" reason "}],\"usage\":null,\"obfuscation\":\"aB3dE9\"}\n\n"
#define FIRST CHUNK_BEGIN "{\"role\":\"assistant\",\"content\":\"\",\"refusal\":null}" CHUNK_END("null")
#define STAMPED CHUNK_BEGIN "{\"content\":\" ~000000000000\"}" CHUNK_END("null")
#define STAMP_AT (sizeof(CHUNK_BEGIN "{\"content\":\" ~") - 1)
#define LAST CHUNK_BEGIN "{}" CHUNK_END("\"stop\"")
#define USAGE                                                                                                       \
    "data: {\"id\":\"chatcmpl-BqT7xK2mYc4VnR8sLwZpD1eHjF0aU\",\"object\":\"chat.completion.chunk\","                \
    "\"created\":1763790000,\"model\":\"bench-model-2025-11-22\",\"choices\":[],"                                   \
    "\"usage\":{\"prompt_tokens\":40,\"completion_tokens\":200,\"total_tokens\":240}}\n\n"
#define HEAD                                                                                                        \
    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n"

struct connection {
    int socket;
    int streaming;
    int read;         /* bytes of the request so far */
    long sent;        /* chunks */
    uint64_t due;     /* ns */
    int unsent;       /* bytes that wait in `out` for a reader that is behind */
    char out[16384];
    char in[REQUEST_BYTES];
};

static struct connection *connections[MOST_CONNECTIONS];
static int count, fast; /* connections; those that stream without an interval */
static long pace_chunks = 200, pace_interval_us = 20000, pace_delay_us = 0, answers;
static int events;

/* `data` as a chunk of HTTP/1.1, at `to`; the bytes written. */
static int frame(char *to, const char *data, int size) {
    int head = sprintf(to, "%x\r\n", size);
    memcpy(to + head, data, size);
    memcpy(to + head + size, "\r\n", 2);
    return head + size + 2;
}

static int stamped(char *to) {
    int head = frame(to, STAMPED, sizeof STAMPED - 1) - (int)(sizeof STAMPED - 1) - 2;
    static const char digits[] = "0123456789abcdef";
    uint64_t stamp = now_ns();
    for (int i = STAMP_DIGITS - 1; i >= 0; i--, stamp >>= 4) to[head + STAMP_AT + i] = digits[stamp & 15];
    return head + (int)sizeof STAMPED - 1 + 2;
}

static int ending(char *to) {
    int size = frame(to, LAST, sizeof LAST - 1);
    size += frame(to + size, USAGE, sizeof USAGE - 1);
    size += frame(to + size, "data: [DONE]\n\n", 14);
    memcpy(to + size, "0\r\n\r\n", 5);
    return size + 5;
}

static void watch(struct connection *each, int for_room) {
    struct epoll_event event = {.events = EPOLLIN | (for_room ? EPOLLOUT : 0), .data.ptr = each};
    epoll_ctl(events, EPOLL_CTL_MOD, each->socket, &event);
}

/* Send what waits; what does not fit goes on waiting. */
static void push(struct connection *each) {
    ssize_t sent = send(each->socket, each->out, each->unsent, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) sent = 0; /* a broken connection is seen where it is read */
    each->unsent -= (int)sent;
    memmove(each->out, each->out + sent, each->unsent);
    watch(each, each->unsent > 0);
}

static void give(struct connection *each, int size) {
    each->unsent = size;
    ssize_t sent = send(each->socket, each->out, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent == size) {
        each->unsent = 0;
        return;
    }
    if (sent > 0) {
        each->unsent = size - (int)sent;
        memmove(each->out, each->out + sent, each->unsent);
    }
    watch(each, 1);
}

/* The next chunk (with none left, the end); the head comes with the first, so that its stamp is the first byte's. */
static void step(struct connection *each) {
    int size = 0;
    if (each->sent == 0) {
        memcpy(each->out, HEAD, sizeof HEAD - 1);
        size = sizeof HEAD - 1;
        size += frame(each->out + size, FIRST, sizeof FIRST - 1);
    }
    for (int i = 0; i < (pace_interval_us ? 1 : BURST) && each->sent < pace_chunks; i++, each->sent++)
        size += stamped(each->out + size);
    if (size == 0 || (pace_interval_us == 0 && each->sent == pace_chunks)) {
        size += ending(each->out + size);
        each->streaming = 0;
        fast -= pace_interval_us == 0;
    }
    each->due += (uint64_t)pace_interval_us * 1000;
    give(each, size);
}

static void answer(struct connection *each) {
    if (sscanf(each->in, "GET /pace/%ld/%ld/%ld", &pace_chunks, &pace_interval_us, &pace_delay_us) == 3 ||
        strncmp(each->in, "GET", 3) == 0) {
        answers = 0;
        give(each, sprintf(each->out, "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"));
        return;
    }
    double phase = answers++ * GOLDEN;
    phase = (phase - (long)phase) * (double)pace_interval_us * 1000;
    each->streaming = 1;
    each->sent = 0;
    each->due = now_ns() + (uint64_t)pace_delay_us * 1000 + (pace_delay_us ? (uint64_t)phase : 0);
    fast += pace_interval_us == 0;
}

static void hang_up(struct connection *each) {
    if (each->streaming) fast -= pace_interval_us == 0;
    close(each->socket);
    each->socket = -1; /* swept below */
}

static void hear(struct connection *each) {
    ssize_t got = recv(each->socket, each->in + each->read, REQUEST_BYTES - 1 - each->read, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        hang_up(each);
        return;
    }
    each->read += (int)got;
    each->in[each->read] = 0;
    char *body = strstr(each->in, "\r\n\r\n");
    if (!body) return;
    char *length = strcasestr(each->in, "\r\ncontent-length:");
    long wanted = length && length < body ? atol(length + 17) : 0;
    if (each->in + each->read - (body + 4) < wanted) return;
    each->read = 0;
    answer(each);
}

static void admit(int listening) {
    int socket, yes = 1;
    while ((socket = accept4(listening, 0, 0, SOCK_NONBLOCK)) >= 0) {
        if (count == MOST_CONNECTIONS) {
            close(socket);
            continue;
        }
        setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
        struct connection *each = malloc(sizeof *each);
        each->socket = socket;
        each->streaming = each->read = each->unsent = 0;
        connections[count++] = each;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = each};
        epoll_ctl(events, EPOLL_CTL_ADD, socket, &event);
    }
}

/* Whatever is due; connections that are gone are forgotten. */
static void sweep(void) {
    uint64_t now = now_ns();
    int kept = 0;
    for (int i = 0; i < count; i++) {
        struct connection *each = connections[i];
        if (each->socket < 0) {
            free(each);
            continue;
        }
        connections[kept++] = each;
        if (each->streaming && !each->unsent && each->due <= now) step(each);
    }
    count = kept;
}

int main(void) {
    signal(SIGPIPE, SIG_IGN);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (bind(listening, (void *)&at, sizeof at) || listen(listening, 4096) || getsockname(listening, (void *)&at, &size)) {
        perror("cannot listen");
        return 1;
    }
    printf("ready: http://127.0.0.1:%d\n", ntohs(at.sin_port));
    fflush(stdout);
    events = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = 0}, ready[1024];
    epoll_ctl(events, EPOLL_CTL_ADD, listening, &event);
    uint64_t swept = 0;
    for (;;) {
        int happened = epoll_wait(events, ready, 1024, fast ? 0 : 1);
        for (int i = 0; i < happened; i++) {
            struct connection *each = ready[i].data.ptr;
            if (!each) admit(listening);
            else {
                if (each->socket >= 0 && ready[i].events & EPOLLOUT) push(each);
                if (each->socket >= 0 && ready[i].events & ~EPOLLOUT) hear(each);
            }
        }
        if (fast || now_ns() - swept > 500000) { /* each half a millisecond, whoever else keeps it busy */
            swept = now_ns();
            sweep();
        }
    }
}
