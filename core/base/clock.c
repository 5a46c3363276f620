/* SPDX-License-Identifier: MIT
 *
 * clock.c: the one clock, and deadlines that saturate instead of wrapping. */
#include "base/clock.h"

#include <time.h>

#include <filch/base.h>

int64_t fl_now(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts); /* fails only for a clock that does not exist */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t fl_saturating_add(int64_t a, int64_t b)
{
    int64_t sum;

    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

static filch_deadline in_units(int64_t n, int64_t unit_ns)
{
    int64_t ns;

    if (__builtin_mul_overflow(n, unit_ns, &ns))
        ns = n > 0 ? INT64_MAX : INT64_MIN;
    return fl_saturating_add(fl_now(), ns);
}

filch_deadline filch_in_ns(int64_t ns)
{
    return in_units(ns, 1);
}

filch_deadline filch_in_us(int64_t us)
{
    return in_units(us, 1000);
}

filch_deadline filch_in_ms(int64_t ms)
{
    return in_units(ms, 1000000);
}

filch_deadline filch_in_s(int64_t s)
{
    return in_units(s, 1000000000);
}
