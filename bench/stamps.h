/* What the provider and the readers share: the clock whose time each chunk carries, and the mark before it. */
#include <stdint.h>
#include <time.h>

#define MARK '~'
#define STAMP_DIGITS 12 /* hexadecimal: nanoseconds of the monotonic clock, modulo three days */

static inline uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

/* How long ago, in microseconds, the time `stamp` was. */
static inline double age_us(uint64_t now, uint64_t stamp) {
    return (double)((now - stamp) & (((uint64_t)1 << 4 * STAMP_DIGITS) - 1)) / 1000;
}
