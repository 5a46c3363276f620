/* SPDX-License-Identifier: MIT
 *
 * waiter.h: who wants to be told that a future is over. waiter.c tells how. */
#ifndef FL_FUTURE_WAITER_H
#define FL_FUTURE_WAITER_H

#include <filch/wait.h>

#include "base/atomic.h"
#include "future/future.h"

struct fl_waiter;

/* Whoever is told through a node: a thread that waits for many futures, a queue of what is over. It
 * has a reference for each node that points to it. */
struct fl_listener {
    /* f is over. The caller gives the node's reference back afterwards. */
    void (*tell)(struct fl_listener *l, filch_future *f, struct fl_waiter *node);
    void (*free)(struct fl_listener *l); /* the last reference has gone */
    fl_atomic(uint32_t) refs;
};

struct fl_waiter {
    struct fl_waiter *next;   /* the older one */
    struct fl_waiter *newer;  /* the settler's */
    struct fl_waiter *queued; /* a completion queue's, from when it is told; before, the teller's */
    filch_future *f;          /* whose node it is */
    fl_atomic(struct fl_listener *) target;
    filch_callback_fn *callback; /* NULL: target is it */
    void *user;
    struct fl_waiter *first;    /* of this future: its very first node */
    fl_atomic(uint64_t) vacant; /* the first node's: a stack of those that were left */
    fl_atomic(struct fl_waiter *) next_vacant;
};

/* One thread that waits for many futures. */
struct fl_group {
    struct fl_listener listener;
    fl_atomic(uint32_t) fired; /* 0, then 1: a futex */
    fl_atomic(size_t) left;    /* futures that have not told, and the one who registers */
    fl_atomic(size_t) missing; /* FILCH_AT_LEAST: set by whoever has made it, before it registers */
    enum filch_return_when when;
};

void fl_listener_open(struct fl_listener *l,
                      void (*tell)(struct fl_listener *l, filch_future *f, struct fl_waiter *node),
                      void (*free)(struct fl_listener *l)); /* one reference, the caller's */
void fl_listener_release(struct fl_listener *l);

/* A group with one reference, the caller's, and left == 1, for the caller to take away when all are
 * registered. NULL: out of memory. */
struct fl_group *fl_group_create(enum filch_return_when when);
void fl_group_release(struct fl_group *g);

/* Counts f off: it is over. f NULL: the registering one's turn. */
void fl_group_tell(struct fl_group *g, const filch_future *f);

/* Has f tell l. 0 with *node set, or with *node NULL if f is over and nothing is registered; or
 * FILCH_ENOMEM. */
int fl_waiter_join(filch_future *f, struct fl_listener *l, struct fl_waiter **node);

/* l is not interested any more. False: f has told it, or is telling it. */
bool fl_waiter_leave(struct fl_waiter *node, struct fl_listener *l);

/* The settler's: takes the list, tells everyone in the order of arrival; from deep inside of another
 * telling that is put off until the outermost is done. */
void fl_waiters_tell(filch_future *f);

/* Before this thread waits: tells what it has put off. */
void fl_waiters_catch_up(void);

/* Whom this thread would tell between the two, another is to tell, by the third: from the second it has the list, or
 * NULL for nobody, with a reference to each future. */
struct fl_withheld {
    struct fl_waiter *untold, *untold_last; /* from before */
};
void fl_waiters_withhold(struct fl_withheld *before);
struct fl_waiter *fl_waiters_withheld(const struct fl_withheld *before);
void fl_waiters_tell_withheld(struct fl_waiter *oldest);

/* The last holder's. */
void fl_waiters_free(filch_future *f);

#endif /* FL_FUTURE_WAITER_H */
