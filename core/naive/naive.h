/* SPDX-License-Identifier: MIT
 *
 * naive.h: what the rivals share: where their futures live, their threads, one task's run and who gets
 * its handle, how it is waited for by a word or by the C library's means.
 *
 * A rival is measured, so it takes no detour that a plain pool would not take: memory comes straight
 * from the allocator, uncounted, in one block for a task, its future and its argument. */
#ifndef FL_NAIVE_NAIVE_H
#define FL_NAIVE_NAIVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "base/atomic.h"
#include "base/thread.h"
#include "future/future.h"
#include "sched/executor.h"

/* Words   refs   one for the pool, one for each future; naive.c */
struct fl_naive_home {
    struct fl_home base;
    void (*free_pool)(void *pool); /* with the home: whoever holds a future may touch the pool */
    void *pool;
    fl_atomic(uint64_t) refs;
};

/* 0, FILCH_ENOMEM, FILCH_ENOTSUP. The pool is set by whoever creates one. */
int fl_naive_home_open(struct fl_naive_home **out, const filch_allocator *allocator,
                       const struct fl_home_ops *ops);

/* For whoever has one already, or a future there. */
void fl_naive_home_retain(struct fl_naive_home *home);

/* The last one frees pool and home and destroys the allocator. */
void fl_naive_home_release(struct fl_naive_home *home);

/* For a create that fails: the allocator stays the caller's. */
void fl_naive_home_abandon(struct fl_naive_home *home);

/* NULL: out of memory. */
void *fl_naive_alloc(struct fl_naive_home *home, size_t size, size_t align);
void fl_naive_free(struct fl_naive_home *home, void *p, size_t size, size_t align);

/* What goes into a record. from NULL: fn gets arg as it is; otherwise a copy of len bytes. */
struct fl_naive_call {
    filch_task_fn *fn;
    void *arg;
    const void *from;
    size_t len;
    bool with_copy;
    /* The queue's reference alone; otherwise one for the submitter too, which keeps the pool there
     * while it wakes a worker, and which the user has afterwards, or nobody. */
    bool for_queue_only;
};

static inline struct fl_naive_call fl_naive_call_with(filch_task_fn *fn, void *arg)
{
    return (struct fl_naive_call){.fn = fn, .arg = arg};
}

static inline struct fl_naive_call fl_naive_call_copy(filch_task_fn *fn, const void *from,
                                                      size_t len)
{
    return (struct fl_naive_call){.fn = fn, .from = from, .len = len, .with_copy = true};
}

/* The i-th of a batch; args NULL: all get NULL. */
static inline struct fl_naive_call fl_naive_call_of(filch_task_fn *fn, void *const args[], size_t i)
{
    return fl_naive_call_with(fn, args != NULL ? args[i] : NULL);
}

/* A record of record_bytes (a multiple of 8), which begins with a struct filch_future: PENDING.
 * NULL: out of memory. */
void *fl_naive_task_create(struct fl_naive_home *home, size_t record_bytes,
                           const struct fl_naive_call *call);

/* The last reference has gone. */
void fl_naive_task_free(struct fl_naive_home *home, filch_future *f, size_t record_bytes);

/* The queue's reference goes with each of these. */
void fl_naive_run(filch_future *f);
void fl_naive_drop(filch_future *f, int status);

/* Whether the calling thread is running f. */
bool fl_naive_runs_here(filch_future *f);

/* The submitter's reference, when he has done: the user's, or nobody's. */
static inline void fl_naive_hand_over(filch_future *f, filch_future **to)
{
    if (to != NULL)
        *to = f;
    else
        filch_future_release(f);
}

/* Of a task: 0, then 1 when it is over. Wait and wake as in struct fl_home_ops. */
struct fl_naive_told {
    fl_atomic(uint32_t) word;
};

void fl_naive_told_open(struct fl_naive_told *told);
int fl_naive_told_wait(struct fl_naive_told *told, filch_future *f, filch_deadline deadline);
void fl_naive_told_wake(struct fl_naive_told *told);

/* What forbids a shutdown: FILCH_EINVAL, FILCH_EFORKED; or 0. */
int fl_naive_refuse_shutdown(const struct fl_naive_home *home, unsigned flags);

/* The threads of a rival. Set up by start, then only read. */
struct fl_naive_crew {
    struct fl_naive_home *home;
    struct fl_thread *threads;
    unsigned asked;
    unsigned count; /* started */
    char name[9];
    int (*on_start)(void *);
    void (*on_stop)(void *);
    void *hook_arg;
    fl_atomic(unsigned) numbered;
};

/* How many workers the options ask for. */
unsigned fl_naive_crew_size(const filch_options *options);

/* Starts asked threads in main(arg). 0 if all run, or some with FILCH_BEST_EFFORT_THREADS;
 * FILCH_ENOMEM with none; FILCH_EAGAIN with count of them running, to be stopped and joined. */
int fl_naive_crew_start(struct fl_naive_crew *crew, struct fl_naive_home *home,
                        const filch_options *options, void *(*main)(void *), void *arg);

/* A worker's first and last act: the name and the hooks. False: the start hook failed. */
bool fl_naive_crew_enter(struct fl_naive_crew *crew);
void fl_naive_crew_leave(struct fl_naive_crew *crew);

bool fl_naive_crew_has_self(const struct fl_naive_crew *crew);
void fl_naive_crew_join(struct fl_naive_crew *crew);
void fl_naive_crew_detach(struct fl_naive_crew *crew);
void fl_naive_crew_free(struct fl_naive_crew *crew);

/* A deadline other than FILCH_FOREVER, for the system's calls. */
struct timespec fl_naive_timespec(filch_deadline deadline);

/* A condition variable whose clock is this library's. Wait returns for any reason; false: it has not waited, for
 * the deadline has passed. */
void fl_naive_cond_open(pthread_cond_t *cond);
bool fl_naive_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, filch_deadline deadline);

#endif /* FL_NAIVE_NAIVE_H */
