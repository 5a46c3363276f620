/* SPDX-License-Identifier: MIT
 *
 * thread.h: threads: start, name, stack, signals; and what each thread keeps for filch. */
#ifndef FL_BASE_THREAD_H
#define FL_BASE_THREAD_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <filch/fork.h>

#include "base/spin.h"

/* What filch keeps in thread-local storage: all that is its own, in one place. */
struct fl_self {
    void *worker;           /* the struct fl_worker that this thread is, or NULL */
    uintptr_t stack_begin;  /* a worker's: where its stack begins, and grows down from */
    uintptr_t stack_bottom; /* the lowest address of it; 0: nobody has asked yet */
    size_t stack_eighth;    /* an eighth of its size */
    uint32_t lane;          /* where this thread last submitted from outside: a hint */
    uint32_t nohelp;        /* depth of filch_nohelp_begin */
    void *running;          /* the struct fl_running of the function that runs, or NULL */
    void *context;          /* its filch_context, or NULL */
    uint32_t telling;       /* futures that this thread is in the middle of telling: waiter.c */
    void *untold;           /* ... and those that wait until it is done, oldest first */
    void *untold_last;
    void *lent;                /* what a callback without a context finds: fl_lend (alloc.h) */
    void *keeper;              /* the struct fl_pool whose clock this thread watches, or NULL */
    struct fl_spinner spinner; /* what waiting was like */
};

struct fl_self *fl_self(void);

/* ... and beside it FILCH_FORKS, which code that was compiled elsewhere uses: <filch/fork.h>. The word
 * that says that nobody asks, of a thread whose forks are its own affair. */
const uint32_t *fl_forks_unasked(void);

struct fl_thread {
    pthread_t handle;
};

struct fl_thread_options {
    size_t stack_size; /* 0: the system's default; raised to the system's minimum */
    bool keep_signals; /* false: all signals blocked but those of a crash, a trap and a profiler */
};

/* Starts main(arg). Returns 0, FILCH_EAGAIN (the system has no thread to give) or FILCH_ENOMEM. */
int fl_thread_start(struct fl_thread *t, void *(*main)(void *), void *arg,
                    const struct fl_thread_options *options);
void fl_thread_join(struct fl_thread *t);
void fl_thread_detach(struct fl_thread *t);

/* Of the calling thread; at most 15 bytes count. */
void fl_thread_name(const char *name);

/* First in a worker's thread: its stack is what lies below here. */
void fl_stack_begin(void);

/* Whether the calling worker has more than so many eighths of its stack left. */
bool fl_stack_has_eighths(unsigned n);

/* Gives the rest of the time slice away. */
void fl_thread_yield(void);

#endif /* FL_BASE_THREAD_H */
