/* SPDX-License-Identifier: MIT
 *
 * futex.c: the system call, and a lock made of it.
 *
 * Words   word    of a lock: 0 free, 1 held, 2 held and somebody may sleep; whoever moves it from 0
 *                 holds the lock
 * Always  L1  a holder that finds 2 wakes one sleeper; a sleeper that wakes takes the lock as 2, for
 *             it can't know whether others sleep
 * Orders  K1  leave  word  swap release -> K2     what was done inside before the lock is free
 *         K2  enter  word  CAS or swap acquire <- K1
 * The lock is Drepper's second mutex (Futexes Are Tricky, 2011, section 6). */
#include "base/futex.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <filch/base.h>

int fl_futex_wait(fl_atomic(uint32_t) * word, uint32_t expected, int64_t deadline)
{
    struct timespec at;
    int saved = errno;
    int status = 0;

    if (deadline != INT64_MAX) {
        if (deadline < 0)
            deadline = 0;
        at.tv_sec = (time_t)(deadline / 1000000000);
        at.tv_nsec = (long)(deadline % 1000000000);
    }
    if (syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                deadline != INT64_MAX ? &at : NULL, NULL, FUTEX_BITSET_MATCH_ANY) != 0 &&
        errno == ETIMEDOUT)
        status = FILCH_ETIMEDOUT;
    errno = saved;
    return status;
}

void fl_futex_wake(fl_atomic(uint32_t) * word, int n)
{
    int saved = errno;

    syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, n, NULL, NULL, 0);
    errno = saved;
}

void fl_lock_enter(struct fl_lock *l)
{
    uint32_t seen = 0;

    if (fl_cas(&l->word, &seen, 1, acquire, relaxed)) /* K2; count: a held lock orders nothing */
        return;
    while (fl_swap(&l->word, 2, acquire) != 0) /* K2 */
        fl_futex_wait(&l->word, 2, INT64_MAX);
}

void fl_lock_leave(struct fl_lock *l)
{
    if (fl_swap(&l->word, 0, release) == 2) /* K1 */
        fl_futex_wake(&l->word, 1);
}
