/* SPDX-License-Identifier: MIT
 *
 * wait.h: waiting for anything, as whoever waits here does: spins for a moment, helps if it is a
 * worker, brings in a stand-in and sleeps. wait.c tells how. */
#ifndef FL_FUTURE_WAIT_H
#define FL_FUTURE_WAIT_H

#include "future/future.h"

struct fl_worker;

struct fl_awaited {
    bool (*is_over)(const void *what);
    /* Sleeps until it is over: 0, or FILCH_ETIMEDOUT. */
    int (*sleep)(void *what, filch_deadline deadline);
    void *what;
    filch_future **futures; /* what a worker may help with meanwhile; NULL: none any more */
    size_t n;
    /* ... or what it may do otherwise; false: nothing. NULL: there is nothing else. */
    bool (*help)(struct fl_worker *w, void *what);
    int64_t spin_ns;    /* how long to watch before it sleeps; 0: as long as a wake costs */
    filch_future *only; /* the one future for whose end alone it waits; NULL: there are others */
};

/* For help: runs something that brings f nearer to its end. The caller holds a reference to f. */
bool fl_help_with_future(struct fl_worker *w, filch_future *f);

/* 0, FILCH_ETIMEDOUT, FILCH_EFORKED: the caller helped, and this is the child; FILCH_EDEADLK: the end of
 * only would never come. */
int fl_await(const struct fl_awaited *a, filch_deadline deadline);

/* Before a wait for f, by worker w, or NULL. What forbids it, if it is not over: FILCH_EDEADLK,
 * FILCH_EFORKED; 0: nothing, and if it was queued without waking anybody, somebody looks. */
int fl_await_objection(struct fl_worker *w, filch_future *f);

/* Whether whoever would tell the end of f, before the deadline, is the caller himself, in a callback: FILCH_EDEADLK.
 * fl_await asks for what it has in futures. */
bool fl_await_is_for_itself(const filch_future *f, filch_deadline deadline);

/* The wait is not begun because of that: tells whoever wants to know. Returns status. */
int fl_await_refused(struct fl_worker *w, const filch_future *f, int status);

#endif /* FL_FUTURE_WAIT_H */
