/* SPDX-License-Identifier: MIT
 *
 * clock.h: monotonic nanoseconds, and no other clock. */
#ifndef FL_BASE_CLOCK_H
#define FL_BASE_CLOCK_H

#include <stdint.h>

/* CLOCK_MONOTONIC in nanoseconds: > 0 and never smaller than before. */
int64_t fl_now(void);

/* a + b, held at the ends of the range. */
int64_t fl_saturating_add(int64_t a, int64_t b);

#endif /* FL_BASE_CLOCK_H */
