/* SPDX-License-Identifier: MIT
 *
 * deque.h: the owner works at the bottom, any thief takes from the top. deque.c tells how. */
#ifndef FL_QUEUE_DEQUE_H
#define FL_QUEUE_DEQUE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "base/atomic.h"

struct fl_task; /* a deque never looks inside */

/* Where the indices begin. Any value works; tests choose those before a wrap. */
#ifndef FL_DEQUE_START
#    define FL_DEQUE_START 0
#endif

/* The first array's length, a power of two; a model checks growth with 2. */
#ifndef FL_DEQUE_SLOTS
#    define FL_DEQUE_SLOTS 64
#endif

struct fl_slots {
    uint64_t mask;
    struct fl_slots *older; /* replaced, but a thief may still read it */
    fl_atomic(struct fl_task *) slot[];
};

/* A line for the owner and a line for the thieves: what both need stands on both. */
struct fl_deque {
    alignas(FL_LINE_PAIR) fl_atomic(uint64_t) bottom;
    struct fl_slots *own; /* the same as slots */
    uint64_t top_seen;    /* a top read earlier; the real one is there or beyond */
    struct fl_heap *heap;
    alignas(FL_LINE_PAIR) fl_atomic(uint64_t) top;
    fl_atomic(uint64_t) bottom_seen; /* shift: a bottom that a thief has read */
    fl_atomic(struct fl_slots *) slots;
};

int fl_deque_open(struct fl_deque *d, struct fl_heap *heap); /* 0, FILCH_ENOMEM */
void fl_deque_close(struct fl_deque *d);                     /* nobody uses it any more */

/* The owner's. Room for n more pushes. 0, FILCH_ENOMEM. */
int fl_deque_reserve(struct fl_deque *d, size_t n);

/* The owner's, after a reserve: shows the task to thieves. A look at another word may follow. */
void fl_deque_push(struct fl_deque *d, struct fl_task *task);
void fl_deque_push_many(struct fl_deque *d, struct fl_task *const *tasks, size_t n);

/* The owner's: the youngest, or NULL. */
struct fl_task *fl_deque_pop(struct fl_deque *d);

/* The owner's: whether pop would give this task, were there no thieves. */
bool fl_deque_is_last(struct fl_deque *d, const struct fl_task *task);

/* The owner's: takes this task out, wherever it lies; what lies above it moves down by one, or stays. False:
 * it is not there any more. Whoever has looked meanwhile may not have seen the others. */
bool fl_deque_take(struct fl_deque *d, const struct fl_task *task);

/* Anybody's: the oldest, or NULL if there is none. */
struct fl_task *fl_deque_steal(struct fl_deque *d);

/* Anybody's, of a deque whose owner never pops: as steal, and mostly without reading the owner's
 * line. */
struct fl_task *fl_deque_shift(struct fl_deque *d);

/* Anybody's: the oldest, if its index is at least floor and only_if(arg) holds while it is there. */
struct fl_task *fl_deque_steal_if(struct fl_deque *d, uint64_t floor, bool (*only_if)(void *arg),
                                  void *arg);

/* Anybody's: whether something is there. After a store-then-look it misses nothing shown before. */
bool fl_deque_looks_empty(struct fl_deque *d);

/* The owner's: the index of the next push. */
uint64_t fl_deque_bottom(struct fl_deque *d);

#endif /* FL_QUEUE_DEQUE_H */
