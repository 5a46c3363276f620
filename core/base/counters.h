/* SPDX-License-Identifier: MIT
 *
 * counters.h: counters with one writer and many readers: an addition without a locked instruction.
 *
 * Words   any counter   only its owner writes it; readers add them up
 * Orders  C1  fl_count_shown  counter  release -> C2    what was counted is done
 *         C2  fl_count_read   counter  acquire <- C1 */
#ifndef FL_BASE_COUNTERS_H
#define FL_BASE_COUNTERS_H

#include <stdint.h>

#include "base/atomic.h"

typedef fl_atomic(uint64_t) fl_counter;

static inline void fl_count(fl_counter *c)
{
    fl_store(c, fl_load(c, relaxed) + 1, relaxed); /* own word */
}

static inline void fl_count_add(fl_counter *c, uint64_t n)
{
    fl_store(c, fl_load(c, relaxed) + n, relaxed); /* own word */
}

/* The last step of what it counts. */
static inline void fl_count_shown(fl_counter *c)
{
    fl_store(c, fl_load(c, relaxed) + 1, release); /* C1; own word */
}

static inline uint64_t fl_count_read(fl_counter *c)
{
    return fl_load(c, acquire); /* C2 */
}

#endif /* FL_BASE_COUNTERS_H */
