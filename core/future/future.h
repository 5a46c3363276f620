/* SPDX-License-Identifier: MIT
 *
 * future.h: a task and its future in one record of 64 bytes. future.c tells how it is decided. */
#ifndef FL_FUTURE_FUTURE_H
#define FL_FUTURE_FUTURE_H

#include <stdbool.h>
#include <stdint.h>

#include <filch/submit.h>

#include "base/atomic.h"
#include "sched/executor.h"
#include "sched/task.h"

enum {
    /* A future's phase, the low bits of its state. From FL_OVER on it is decided. */
    FL_PENDING = 0,
    FL_RUNNING = 1,
    FL_SETTLING = 2, /* a promise whose outcome is being written; users see it as running */
    FL_OVER = 3,
    FL_FINISHED = 3,
    FL_FAILED = 4,
    FL_CANCELLED = 5,
    FL_PHASE = 7,
    FL_WAITED = 8, /* somebody sleeps on state, or means to */
    FL_TAKEN = 16, /* FINISHED, and the result has been moved out */
    FL_ALIKE = 32, /* FAILED with the domain of its code: as a task has, or as another future did */
    FL_OBSERVED = 64, /* FAILED, and somebody has read it */
    FL_STOP = 128, /* a periodic one that runs: it is over, cancelled, after this run (timed.c) */
    FL_NUDGE =
        256 /* from here on: how often a sleeper was told to look at something else (deadlock.c) */
};

enum fl_future_kind {
    FL_KIND_TASK,     /* queued, run by an executor */
    FL_KIND_COPY,     /* the same, with its argument behind the record */
    FL_KIND_COPY_FAR, /* the same, with its argument in the heap */
    FL_KIND_PROMISE,
    FL_KIND_OWN,     /* a task in the caller's memory: task.c */
    FL_KIND_TIMED,   /* queued once its time has come, with its timer behind the record: timed.c */
    FL_KIND_PERIODIC /* the same, again and again */
};

struct fl_failure;
struct fl_running;
struct fl_waiter;

struct filch_future {
    struct fl_task task;
    fl_atomic(uint32_t) state; /* phase, and the bits beside it */
    union {
        fl_atomic(uint32_t) refs;
        uint32_t epoch; /* of a fork: its forker's */
        int said_of;    /* ... that has run: the code of what it has said */
    };
    union {
        fl_atomic(struct fl_waiter *) waiters; /* a stack, youngest first, then CLOSED for ever */
        filch_future *below;       /* of a fork that nobody has seen: the one before it */
        struct fl_running *forker; /* ... that was shown: the function that it is part of */
        struct fl_failure *said;   /* ... that has run: what goes with a failure; or NULL */
    };
    filch_task_fn *fn;
    union {
        void *arg;                  /* until it runs */
        void *result;               /* once FINISHED */
        struct fl_failure *failure; /* once FAILED: error.h; or NULL */
    } u;
    struct fl_home *home; /* NULL: a promise, from malloc */
    /* While RUNNING on a worker: the index from where on that worker's deque holds what this task
     * has submitted. Once told: the nodes, freed with the future. */
    fl_atomic(uint64_t) floor;
    int32_t status;             /* once over: 0, or what filch_future_result returns */
    fl_atomic(uint16_t) runner; /* 0, or 1 + the index of the worker that runs it */
    uint8_t kind;               /* enum fl_future_kind */
    uint8_t has_extra;          /* something is behind the record: enum fl_behind */
};

enum fl_behind {
    FL_NOTHING,
    FL_EXTRA, /* a struct fl_extra */
    FL_TIMER, /* a timer, in a struct fl_timed */
    FL_FORK   /* nothing, but in the record is whose part it is: forkjoin.c */
};

/* What few futures have: the head of what is behind their record. */
struct fl_extra {
    const char *name; /* static, or NULL */
    void (*value_dtor)(void *value, void *dtor_arg);
    void *dtor_arg;
};

/* ... and of a promise's. */
struct fl_promise_extra {
    struct fl_extra base;
    void (*on_unobserved)(const filch_unobserved *info, void *arg);
    void *unobserved_arg;
    /* Once it is over: the future whose result this one's is, or with which the failure began. */
    filch_future *source;
};

static inline struct fl_extra *fl_extra_of(const filch_future *f)
{
    return f->has_extra == FL_EXTRA ? (struct fl_extra *)(uintptr_t)(f + 1) : NULL;
}

/* Fills in a new record: PENDING. */
void fl_future_init(filch_future *f, const struct fl_task_ops *ops, struct fl_home *home,
                    enum fl_future_kind kind, filch_task_fn *fn, void *arg, uint32_t refs);

/* PENDING -> RUNNING: the caller runs it and calls finish. False: it is cancelled or claimed. */
bool fl_future_claim(filch_future *f);

/* The claimer's: decides the outcome by what the task returned, and tells everyone. value is the
 * result, or if status is not 0 the struct fl_failure that the future will free, or NULL. The caller
 * holds a reference of its own throughout. */
void fl_future_finish(filch_future *f, int status, void *value);

/* The same for a record in the caller's memory: showing the outcome is the last touch. */
void fl_future_finish_own(filch_future *f, uint32_t outcome, int status, void *value);

/* ... with a further bit beside the phase. */
void fl_future_finish_with(filch_future *f, int status, void *value, uint32_t bit);

/* A periodic one's RUNNING -> PENDING, until its next time. False: it is to stop instead. The caller has
 * claimed it and holds a reference of its own, here and below. */
bool fl_future_rest(filch_future *f);

/* ... RUNNING -> CANCELLED, if it is to stop, or FAILED with what this takes over; and tells everyone. */
void fl_future_end_runs(filch_future *f, int status, struct fl_failure *failure);

/* PENDING -> CANCELLED for FILCH_ECANCELED, FAILED for any other status, and tells everyone. The
 * caller holds a reference of its own. False: it was not pending. */
bool fl_future_drop(filch_future *f, int status);

/* A promise's PENDING -> RUNNING, or PENDING or RUNNING -> SETTLING: 1, 0 if it is cancelled, or
 * FILCH_ESTATE. Whoever has moved it to SETTLING finishes it. */
int fl_promise_move(filch_future *f, uint32_t to);

/* A promise that was started by the caller ends as cancelled all the same. 0 or FILCH_ESTATE. */
int fl_promise_cancel_started(filch_future *f);

/* A promise that comes after another future fails with a code, and with what this takes over, or NULL. 0
 * or FILCH_ESTATE. */
int fl_promise_fail(filch_future *f, filch_future *after, int code, struct fl_failure *failure);

/* If f has failed, somebody has read it. */
void fl_future_observe(filch_future *f);

/* A promise fails by filch itself. 0 or FILCH_ESTATE. */
int fl_promise_fail_by_filch(filch_future *f, int code);

/* A promise fails as from has, domain and all. 0 or FILCH_ESTATE. */
int fl_promise_fail_as(filch_future *f, filch_future *from);

/* A promise that can finish as another future does. */
int fl_promise_create_follower(filch_future **out);

/* Such a one finishes with the result of from, which goes on owning it: it is kept for as long. 0 or
 * FILCH_ESTATE. */
int fl_promise_finish_as(filch_future *f, filch_future *from, void *result);

/* The future that owns f's result, or with which its failure began: f, or its source. f is over. */
filch_future *fl_future_owner(const filch_future *f);

/* Says that the caller is about to sleep until f is over. False: it is over. */
bool fl_future_expect(filch_future *f);

/* An acquire load of the phase. */
uint32_t fl_future_phase(const filch_future *f);

/* The outcome of a future that is over. */
int fl_future_outcome(const filch_future *f, void **result);

/* Blocks until f is over: 0, FILCH_ETIMEDOUT, FILCH_EDEADLK, FILCH_EFORKED. */
int fl_future_await(filch_future *f, filch_deadline deadline);

/* For whoever can not go on as long as f runs: sleeps even if that closes a circle of workers. Others
 * who close it are told. 0; FILCH_EDEADLK: f is on this very stack; FILCH_EFORKED. */
int fl_future_await_end(filch_future *f);

#endif /* FL_FUTURE_FUTURE_H */
