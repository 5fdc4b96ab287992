/* The readers: send many requests at once, count what arrives, and tell how old each chunk is by then.
 *
 *     readers PORT CONNECTIONS RAMP_MS SECONDS CHUNKS [REPEAT …] < requests
 *
 * Standard input holds the requests, each after a line with its length in bytes; a connection sends its next one when
 * it has the whole answer to the last. The first requests are spread over RAMP_MS. An answer is whole with status 200
 * and CHUNKS marks (provider.c); lines that begin with a REPEAT say once more what was said, and are not counted.
 * What came is printed as one JSON object; times in milliseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stamps.h"

enum { CLOSED, CONNECTING, HEAD, LENGTH, DATA, AFTER_DATA, TRAILER, TO_THE_END };

struct reader {
    int socket, state, status, is_sized, line, repeats, is_data, mark;
    long left, chunks;
    uint64_t began, begins_at, stamp, first_stamp;
    int head_size;
    char head[4096];
};
struct times {
    double *values;
    size_t count, room;
};

static struct reader *readers;
static char **requests;
static size_t *sizes;
static long total, issued, ended, failed, chunks_each, chunks, data_lines;
static char failure[160];
static char **repeats; /* each shorter than 64 */
static int repeat_count;
static struct times ages, first_ages, first_waits, wholes, paces;
static int events;
static struct sockaddr_in service = {.sin_family = AF_INET};

static void note(struct times *times, double us) {
    if (times->count == times->room) times->values = realloc(times->values, (times->room = times->room * 2 + 1024) * sizeof us);
    times->values[times->count++] = us / 1000;
}

static int by_size(const void *a, const void *b) {
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

static void print_times(const char *name, struct times *times) {
    qsort(times->values, times->count, sizeof(double), by_size);
    for (int i = 0; i < 2; i++) {
        double share = i ? 0.99 : 0.5;
        double value = times->count ? times->values[(size_t)(share * (double)(times->count - 1))] : 0;
        printf(",\"%s_p%d\":%.4f", name, i ? 99 : 50, value);
    }
}

static void send_next(struct reader *each) {
    each->state = HEAD;
    each->status = each->head_size = each->line = each->repeats = each->is_data = 0;
    each->mark = -1;
    each->chunks = 0;
    each->began = now_ns();
    long number = issued++;
    if (send(each->socket, requests[number], sizes[number], MSG_NOSIGNAL) != (ssize_t)sizes[number]) each->status = -1;
}

static void open_reader(struct reader *each) {
    int yes = 1;
    each->socket = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(each->socket, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    each->state = CONNECTING;
    connect(each->socket, (void *)&service, sizeof service);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = each};
    epoll_ctl(events, EPOLL_CTL_ADD, each->socket, &event);
}

/* The answer is over, whole or not; on with the next request, on the same connection if it is good. */
static void finish(struct reader *each, int is_whole) {
    int is_good = is_whole && each->status == 200 && each->chunks == chunks_each;
    if (is_good) {
        note(&wholes, (double)(now_ns() - each->began) / 1000);
        note(&paces, age_us(each->stamp, each->first_stamp));
    } else if (!failed++)
        snprintf(failure, sizeof failure, "status %d, %s after %ld of %ld chunks", each->status,
                 is_whole ? "ended" : "broke off", each->chunks, chunks_each);
    ended++;
    int keeps = is_good && each->state != TO_THE_END;
    if (keeps && issued < total) {
        send_next(each);
        return;
    }
    close(each->socket);
    each->state = CLOSED;
    if (issued < total) open_reader(each);
}

static void take_stamp(struct reader *each, uint64_t now) {
    double age = age_us(now, each->stamp);
    if (!each->chunks++) {
        each->first_stamp = each->stamp;
        note(&first_ages, age);
        note(&first_waits, (double)(now - each->began) / 1000);
    }
    chunks++;
    note(&ages, age);
}

/* A piece of the body: marks and `data:` lines, which may be torn anywhere. */
static void scan(struct reader *each, const char *bytes, long size, uint64_t now) {
    for (long i = 0; i < size; i++) {
        char byte = bytes[i];
        if (byte == '\n') {
            each->line = 0;
            each->mark = -1;
            continue;
        }
        if (each->line < 64) { /* at a line's beginning: is it data, does it repeat? */
            if (!each->line) {
                each->is_data = 1;
                each->repeats = (1 << repeat_count) - 1; /* those that the line may still begin with */
            }
            if (each->line < 5) each->is_data = each->is_data && byte == "data:"[each->line];
            int is_repeat = 0;
            for (int r = 0; r < repeat_count; r++) {
                if (!(each->repeats >> r & 1)) continue;
                if (!repeats[r][each->line]) is_repeat = 1;
                else if (byte != repeats[r][each->line]) each->repeats &= ~(1 << r);
            }
            each->line = is_repeat ? 1 << 20 : each->line + 1; /* known: look no further */
        }
        if (each->line == 1 << 20) {
            const char *end = memchr(bytes + i, '\n', size - i);
            if (!end) return;
            i = end - bytes - 1;
            continue;
        }
        if (byte == MARK) {
            each->mark = 0;
            each->stamp = 0;
        } else if (each->mark >= 0) {
            int digit = byte >= '0' && byte <= '9' ? byte - '0' : byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
            if (digit < 0) each->mark = -1;
            else {
                each->stamp = each->stamp << 4 | (uint64_t)digit;
                if (++each->mark == STAMP_DIGITS) {
                    if (each->is_data) {
                        data_lines++;
                        each->is_data = 0; /* once a line, however many marks it has */
                    }
                    take_stamp(each, now);
                    each->mark = -1;
                }
            }
        }
    }
}

/* Read the head as far as it has come; how many of `size` bytes belonged to it, or -1 when it is not whole. */
static long read_head(struct reader *each, const char *bytes, long size) {
    int old = each->head_size, room = (int)sizeof each->head - 1 - old;
    int taken = size < room ? (int)size : room;
    memcpy(each->head + old, bytes, taken);
    each->head_size += taken;
    each->head[each->head_size] = 0;
    char *end = strstr(each->head, "\r\n\r\n");
    if (!end) return -1;
    *end = 0;
    each->status = atoi(each->head + 9);
    char *length = strcasestr(each->head, "\r\ncontent-length:");
    each->left = length ? atol(length + 17) : 0;
    each->state = strcasestr(each->head, "\r\ntransfer-encoding: chunked") ? LENGTH : length ? DATA : TO_THE_END;
    if (each->state == LENGTH) each->left = 0;
    each->is_sized = length ? 1 : 0; /* a body with a length has one piece */
    return end + 4 - each->head - old;
}

/* What came on a connection; 1 when the answer is whole. */
static int feed(struct reader *each, const char *bytes, long size, uint64_t now) {
    if (each->state == HEAD) {
        long used = read_head(each, bytes, size);
        if (used < 0) return 0;
        bytes += used;
        size -= used;
    }
    while (size > 0) switch (each->state) {
        case LENGTH:
            if (*bytes == '\n') each->state = each->left ? DATA : TRAILER;
            else if (*bytes != '\r') each->left = each->left * 16 + (*bytes <= '9' ? *bytes - '0' : (*bytes | 32) - 'a' + 10);
            bytes++, size--;
            break;
        case DATA: {
            long some = size < each->left ? size : each->left;
            scan(each, bytes, some, now);
            bytes += some, size -= some, each->left -= some;
            if (!each->left && each->is_sized) return 1;
            if (!each->left) each->state = AFTER_DATA;
            break;
        }
        case AFTER_DATA:
            if (*bytes == '\n') each->state = LENGTH;
            bytes++, size--;
            break;
        case TRAILER: /* the empty line after the last piece */
            if (*bytes++ == '\n') return 1;
            size--;
            break;
        default:
            scan(each, bytes, size, now);
            return 0;
        }
    return 0;
}

static void hear(struct reader *each) {
    static char bytes[1 << 18];
    if (each->state == CONNECTING) {
        int error = 0;
        socklen_t size = sizeof error;
        getsockopt(each->socket, SOL_SOCKET, SO_ERROR, &error, &size);
        if (error) {
            issued++;
            each->status = -error;
            each->chunks = 0;
            finish(each, 0);
        } else if (issued < total) send_next(each);
        else {
            close(each->socket);
            each->state = CLOSED;
        }
        return;
    }
    while (each->state != CLOSED && each->state != CONNECTING) {
        ssize_t got = recv(each->socket, bytes, sizeof bytes, MSG_DONTWAIT);
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            finish(each, got == 0 && each->state == TO_THE_END);
            return;
        }
        if (feed(each, bytes, got, now_ns())) finish(each, 1);
    }
}

static void take_requests(void) {
    size_t size;
    while (scanf("%zu", &size) == 1 && getchar() == '\n') {
        requests = realloc(requests, (total + 1) * sizeof *requests);
        sizes = realloc(sizes, (total + 1) * sizeof *sizes);
        requests[total] = malloc(size);
        sizes[total] = fread(requests[total], 1, size, stdin);
        total++;
    }
}

int main(int count, char **arguments) {
    if (count < 6) return 2;
    service.sin_port = htons(atoi(arguments[1]));
    service.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    long connections = atol(arguments[2]), opened = 0;
    double ramp = atof(arguments[3]) * 1e6, seconds = atof(arguments[4]);
    chunks_each = atol(arguments[5]);
    repeats = arguments + 6;
    repeat_count = count > 6 ? count - 6 : 0;
    take_requests();
    if (connections > total) connections = total;
    readers = calloc(connections, sizeof *readers);
    events = epoll_create1(0);
    struct epoll_event ready[1024];
    uint64_t began = now_ns(), now = began;
    while (ended < total && (double)(now - began) < seconds * 1e9) {
        for (; opened < connections && (double)(now - began) >= ramp * (double)opened / (double)connections; opened++)
            open_reader(&readers[opened]);
        int happened = epoll_wait(events, ready, 1024, opened < connections ? 1 : 100);
        for (int i = 0; i < happened; i++) hear(ready[i].data.ptr);
        now = now_ns();
    }
    if (ended < total && !failed) snprintf(failure, sizeof failure, "not over after %g s", seconds);
    printf("{\"failures\":%ld,\"failure\":\"%s\",\"answers\":%ld,\"chunks\":%ld,\"events\":%ld,\"seconds\":%.4f",
           failed + total - ended, failure, total, chunks, data_lines, (double)(now - began) / 1e9);
    print_times("age", &ages);
    print_times("first_age", &first_ages);
    print_times("first_wait", &first_waits);
    print_times("whole", &wholes);
    print_times("pace", &paces);
    printf("}\n");
    return 0;
}
