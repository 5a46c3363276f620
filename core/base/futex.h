/* SPDX-License-Identifier: MIT
 *
 * futex.h: sleep while a word holds a value; wake n sleepers.
 *
 * A wait returns for any reason or none, so it stands in a loop that looks at the word again. A wake
 * uses the address alone and touches no memory: the word may be gone by then. */
#ifndef FL_BASE_FUTEX_H
#define FL_BASE_FUTEX_H

#include <stdint.h>

#include "base/atomic.h"

/* Words   any futex word: its owner's file says who writes it; the kernel compares it under a lock
 *         of its own, so that a change before the comparison is seen and one after it wakes. */

/* Sleeps while *word == expected, until woken, interrupted, or the deadline (absolute monotonic ns,
 * INT64_MAX: none) has passed. Returns 0, or FILCH_ETIMEDOUT. Keeps errno. */
int fl_futex_wait(fl_atomic(uint32_t) * word, uint32_t expected, int64_t deadline);

/* Wakes up to n sleepers on word. Keeps errno. */
void fl_futex_wake(fl_atomic(uint32_t) * word, int n);

/* A lock for what is rare and short: creation, names, joining. Never held while user code runs. */
struct fl_lock {
    fl_atomic(uint32_t) word; /* 0 free, 1 held, 2 held and somebody may sleep */
};

void fl_lock_enter(struct fl_lock *l);
void fl_lock_leave(struct fl_lock *l);

#endif /* FL_BASE_FUTEX_H */
