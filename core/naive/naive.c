/* SPDX-License-Identifier: MIT
 *
 * naive.c: what the rivals share. A home counts its futures one by one; a crew is an array of
 * threads.
 *
 * Words   refs      of a home: the pool and its futures; whoever takes the last one frees it
 *         numbered  of a crew: how many workers have a number
 *         floor     of a future, while it runs: the thread that runs it. future.c leaves it to the
 *                   executor until the future is over
 *         word      of a task that is waited for by it: see naive.h. The outcome is read after fl_future_expect,
 *                   which has the order
 * Orders  N1  release  refs  sub acq_rel <-> N1    what each holder did before the home goes */
#include "naive/naive.h"

#include "base/clock.h"
#include "base/futex.h"
#include "future/running.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <string.h>

int fl_naive_home_open(struct fl_naive_home **out, const filch_allocator *allocator,
                       const struct fl_home_ops *ops)
{
    struct fl_heap heap;
    int saved = errno;

    fl_heap_open(&heap, allocator);
    struct fl_naive_home *home =
        heap.with.alloc(heap.with.ctx, sizeof *home, alignof(struct fl_naive_home));
    errno = saved;
    if (home == NULL)
        return FILCH_ENOMEM;

    fl_heap_open(&home->base.heap, allocator);
    home->base.ops = ops;
    home->free_pool = NULL;
    home->pool = NULL;
    fl_init(&home->refs, 1);
    int status = fl_forked_open(&home->base.forked);
    if (status != 0)
        fl_naive_free(home, home, sizeof *home, alignof(struct fl_naive_home));
    else
        *out = home;
    return status;
}

void fl_naive_home_retain(struct fl_naive_home *home)
{
    fl_add(&home->refs, 1, relaxed); /* count: the caller's own is there */
}

void fl_naive_home_release(struct fl_naive_home *home)
{
    if (fl_sub(&home->refs, 1, acq_rel) != 1) /* N1 */
        return;

    if (home->free_pool != NULL)
        home->free_pool(home->pool);
    filch_allocator with = home->base.heap.with;
    int saved = errno;
    fl_forked_close(&home->base.forked);
    with.free(with.ctx, home, sizeof *home, alignof(struct fl_naive_home));
    if (with.destroy != NULL)
        with.destroy(with.ctx);
    errno = saved;
}

void fl_naive_home_abandon(struct fl_naive_home *home)
{
    home->base.heap.with.destroy = NULL;
    fl_naive_home_release(home);
}

void *fl_naive_alloc(struct fl_naive_home *home, size_t size, size_t align)
{
    const filch_allocator *with = &home->base.heap.with;
    int saved = errno;
    void *p = with->alloc(with->ctx, size, align);

    errno = saved;
    return p;
}

void fl_naive_free(struct fl_naive_home *home, void *p, size_t size, size_t align)
{
    const filch_allocator *with = &home->base.heap.with;
    int saved = errno;

    with->free(with->ctx, p, size, align);
    errno = saved;
}

/* Behind a record that carries a copy stand its length and the bytes. */
enum {
    LENGTH_BYTES = 8
};
_Static_assert(sizeof(size_t) <= LENGTH_BYTES, "a length fits, and 8 keeps the copy aligned");

void *fl_naive_task_create(struct fl_naive_home *home, size_t record_bytes,
                           const struct fl_naive_call *call)
{
    size_t size = record_bytes;

    if (call->with_copy && __builtin_add_overflow(size + LENGTH_BYTES, call->len, &size))
        return NULL;
    filch_future *f = fl_naive_alloc(home, size, alignof(max_align_t));
    if (f == NULL)
        return NULL;

    void *arg = call->arg;
    if (call->with_copy) {
        char *length = (char *)f + record_bytes;

        memcpy(length, &call->len, sizeof call->len);
        arg = length + LENGTH_BYTES;
        if (call->len != 0)
            memcpy(arg, call->from, call->len);
    }
    fl_add(&home->refs, 1, relaxed); /* count: the pool's own reference is there */
    fl_future_init(f, NULL, &home->base, call->with_copy ? FL_KIND_COPY : FL_KIND_TASK, call->fn,
                   arg, call->for_queue_only ? 1 : 2);
    return f;
}

void fl_naive_task_free(struct fl_naive_home *home, filch_future *f, size_t record_bytes)
{
    size_t size = record_bytes;

    if (f->kind == FL_KIND_COPY) {
        size_t len;

        memcpy(&len, (char *)f + record_bytes, sizeof len);
        size += LENGTH_BYTES + len;
    }
    fl_naive_free(home, f, size, alignof(max_align_t));
    fl_naive_home_release(home);
}

static uint64_t this_thread(void)
{
    return (uint64_t)pthread_self();
}

void fl_naive_run(filch_future *f)
{
    if (fl_future_claim(f)) {
        struct fl_running running;
        struct fl_failure *failure;
        void *result = NULL;

        /* own word of the running thread: nobody else asks whether it is this one. */
        fl_store(&f->floor, this_thread(), relaxed);
        fl_running_begin(&running, NULL, NULL);
        int status = f->fn(f->u.arg, &result);
        failure = fl_running_end(&running, status);
        fl_future_finish(f, status, status == 0 ? result : failure);
    }
    filch_future_release(f);
}

void fl_naive_drop(filch_future *f, int status)
{
    fl_future_drop(f, status);
    filch_future_release(f);
}

bool fl_naive_runs_here(filch_future *f)
{
    return fl_future_phase(f) == FL_RUNNING &&
           fl_load(&f->floor, relaxed) == this_thread(); /* own word: if it is I, I wrote it */
}

void fl_naive_told_open(struct fl_naive_told *told)
{
    fl_init(&told->word, 0);
}

int fl_naive_told_wait(struct fl_naive_told *told, filch_future *f, filch_deadline deadline)
{
    while (fl_future_expect(f)) {
        if (fl_futex_wait(&told->word, 0, deadline) == FILCH_ETIMEDOUT)
            return fl_future_expect(f) ? FILCH_ETIMEDOUT : 0;
    }
    return 0;
}

void fl_naive_told_wake(struct fl_naive_told *told)
{
    fl_store(&told->word, 1, relaxed); /* hint: the outcome is read by fl_future_expect's order */
    fl_futex_wake(&told->word, INT32_MAX);
}

int fl_naive_refuse_shutdown(const struct fl_naive_home *home, unsigned flags)
{
    if ((flags & ~(unsigned)(FILCH_CANCEL_PENDING | FILCH_NO_WAIT)) != 0)
        return FILCH_EINVAL;
    return fl_forked(&home->base.forked) ? FILCH_EFORKED : 0;
}

unsigned fl_naive_crew_size(const filch_options *options)
{
    return options->workers != 0 ? options->workers : filch_cpu_budget();
}

int fl_naive_crew_start(struct fl_naive_crew *crew, struct fl_naive_home *home,
                        const filch_options *options, void *(*main)(void *), void *arg)
{
    struct fl_thread_options how = {
        .stack_size = options->stack_size,
        .keep_signals = (options->flags & FILCH_KEEP_SIGNALS) != 0,
    };
    const char *name = options->name != NULL ? options->name : "filch";

    crew->home = home;
    crew->asked = fl_naive_crew_size(options);
    crew->count = 0;
    snprintf(crew->name, sizeof crew->name, "%s", name);
    crew->on_start = options->on_thread_start;
    crew->on_stop = options->on_thread_stop;
    crew->hook_arg = options->hook_arg;
    fl_init(&crew->numbered, 0);
    crew->threads =
        fl_naive_alloc(home, crew->asked * sizeof *crew->threads, alignof(struct fl_thread));
    if (crew->threads == NULL)
        return FILCH_ENOMEM;

    while (crew->count < crew->asked) {
        int status = fl_thread_start(&crew->threads[crew->count], main, arg, &how);

        if (status != 0 && crew->count > 0 && (options->flags & FILCH_BEST_EFFORT_THREADS) != 0)
            return 0;
        if (status != 0)
            return status;
        crew->count++;
    }
    return 0;
}

bool fl_naive_crew_enter(struct fl_naive_crew *crew)
{
    char name[32];

    snprintf(name, sizeof name, "%s-w%u", crew->name,
             fl_add(&crew->numbered, 1, relaxed)); /* count */
    fl_thread_name(name);
    return crew->on_start == NULL || crew->on_start(crew->hook_arg) == 0;
}

void fl_naive_crew_leave(struct fl_naive_crew *crew)
{
    if (crew->on_stop != NULL)
        crew->on_stop(crew->hook_arg);
}

bool fl_naive_crew_has_self(const struct fl_naive_crew *crew)
{
    pthread_t self = pthread_self();

    for (unsigned i = 0; i < crew->count; i++) {
        if (pthread_equal(crew->threads[i].handle, self))
            return true;
    }
    return false;
}

void fl_naive_crew_join(struct fl_naive_crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++)
        fl_thread_join(&crew->threads[i]);
}

void fl_naive_crew_detach(struct fl_naive_crew *crew)
{
    for (unsigned i = 0; i < crew->count; i++)
        fl_thread_detach(&crew->threads[i]);
}

void fl_naive_crew_free(struct fl_naive_crew *crew)
{
    if (crew->threads != NULL)
        fl_naive_free(crew->home, crew->threads, crew->asked * sizeof *crew->threads,
                      alignof(struct fl_thread));
}

struct timespec fl_naive_timespec(filch_deadline deadline)
{
    if (deadline < 0)
        deadline = 0;
    return (struct timespec){
        .tv_sec = (time_t)(deadline / 1000000000),
        .tv_nsec = (long)(deadline % 1000000000),
    };
}

void fl_naive_cond_open(pthread_cond_t *cond)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(cond, &attr);
    pthread_condattr_destroy(&attr);
}

bool fl_naive_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex, filch_deadline deadline)
{
    if (deadline == FILCH_FOREVER) {
        pthread_cond_wait(cond, mutex);
        return true;
    }
    if (fl_now() >= deadline)
        return false;
    struct timespec at = fl_naive_timespec(deadline);
    pthread_cond_timedwait(cond, mutex, &at);
    return true;
}
