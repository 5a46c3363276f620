/* SPDX-License-Identifier: MIT
 *
 * queue.h: a queue of futures that are over, from many settlers to one consumer. queue.c tells how. */
#ifndef FL_FUTURE_QUEUE_H
#define FL_FUTURE_QUEUE_H

#include "future/waiter.h"

struct fl_queue {
    struct fl_listener listener;
    fl_atomic(struct fl_waiter *) done; /* a stack, youngest first, or a mark */
    fl_atomic(uint32_t) rings;          /* a futex: how often an armed consumer was rung for */
    fl_atomic(int) fd;                  /* -1: none */
    fl_atomic(uint32_t) fd_refs;        /* the consumer's, and whoever is to ring */
    struct fl_waiter *ready;            /* the consumer's: taken, oldest first */
};

/* An empty queue with one reference, the consumer's. */
void fl_queue_open(struct fl_queue *q, void (*free)(struct fl_listener *l));

/* The consumer's: the oldest, with a reference to its future that is the caller's, or NULL. */
filch_future *fl_queue_take(struct fl_queue *q);

/* The consumer's: whether take would give something. */
bool fl_queue_has(struct fl_queue *q);

/* The consumer's: sleeps until it has something. 0 or FILCH_ETIMEDOUT. */
int fl_queue_sleep(struct fl_queue *q, filch_deadline deadline);

/* The consumer's: what comes next rings the descriptor. False: something has come. */
bool fl_queue_arm(struct fl_queue *q);

/* The consumer's, when take has given nothing: leaves what comes to the descriptor, if there is one.
 * False: something has come meanwhile. */
bool fl_queue_is_empty_now(struct fl_queue *q);

/* The consumer's, last: what is in it is let go, what comes later is turned away. Gives up the
 * consumer's reference. */
void fl_queue_close(struct fl_queue *q);

/* Has f put at once: it is over, and takes no node any more. 0 or FILCH_ENOMEM. */
int fl_queue_put_over(struct fl_queue *q, filch_future *f);

/* Makes a descriptor, or gives the one there is; or FILCH_EMFILE, FILCH_ENOMEM. The consumer's. */
int fl_queue_fd(struct fl_queue *q);

/* For fl_await (wait.h). */
bool fl_queue_has_some(const void *queue);
int fl_queue_sleep_on(void *queue, filch_deadline deadline);

#endif /* FL_FUTURE_QUEUE_H */
