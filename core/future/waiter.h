/* SPDX-License-Identifier: MIT
 *
 * waiter.h: who wants to be told that a future is over. waiter.c tells how. */
#ifndef FL_FUTURE_WAITER_H
#define FL_FUTURE_WAITER_H

#include <filch/wait.h>

#include "base/atomic.h"
#include "future/future.h"

/* One thread that waits for many futures. */
struct fl_group {
    fl_atomic(uint32_t) fired; /* 0, then 1: a futex */
    fl_atomic(uint32_t) refs;
    fl_atomic(size_t) left; /* futures that have not told, and the one who registers */
    enum filch_return_when when;
};

struct fl_waiter;

/* A group with one reference, the caller's, and left == 1, for the caller to take away when all are
 * registered. NULL: out of memory. */
struct fl_group *fl_group_create(enum filch_return_when when);
void fl_group_release(struct fl_group *g);

/* Counts f off: it is over. f NULL: the registering one's turn. */
void fl_group_tell(struct fl_group *g, const filch_future *f);

/* Has f tell g. 0 with *node set, or with *node NULL if f is over and nothing is registered; or
 * FILCH_ENOMEM. */
int fl_waiter_join(filch_future *f, struct fl_group *g, struct fl_waiter **node);

/* g is not interested any more. */
void fl_waiter_leave(struct fl_waiter *node, struct fl_group *g);

/* The settler's: takes the list, tells everyone in the order of arrival. */
void fl_waiters_tell(filch_future *f);

/* The last holder's. */
void fl_waiters_free(filch_future *f);

#endif /* FL_FUTURE_WAITER_H */
