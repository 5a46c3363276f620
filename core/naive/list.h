/* SPDX-License-Identifier: MIT
 *
 * list.h: a pool whose queue is one linked list behind one lock; for mutex.c and global.c, which say
 * what the lock is, what one sleeps on, and how a future is waited for.
 *
 * Before it is included there are
 *
 *     struct list_lock     lock_open lock_close lock_enter lock_leave
 *     struct list_cond     cond_open cond_close cond_signal cond_broadcast; cond_wait, which is false
 *                          once the deadline has passed
 *     struct list_over     of a task: over_open over_close; over_wait and over_wake, as in struct
 *                          fl_home_ops
 *     look_again           until when a worker sleeps at most
 *
 * and afterwards there is list_pool_create, static. A worker ends one task and takes the next under one
 * hold of the lock, nobody is signalled who does not sleep, no signal is sent with the lock held. What such
 * a pool can't do by its nature: a task that waits for another holds its worker, so nested waits deeper
 * than the pool is wide never end. */
#ifndef FL_NAIVE_LIST_H
#define FL_NAIVE_LIST_H

#include <stdalign.h>
#include <stdbool.h>

#include "naive/naive.h"

struct task {
    filch_future future;
    struct task *next;
    struct list_over over;
};

/* Everything below lock is under it. */
struct list_pool {
    filch_executor base;
    struct fl_naive_home *home;
    struct fl_naive_crew crew;
    struct list_lock lock;
    struct list_cond work;  /* something is queued, or the pool stops */
    struct list_cond quiet; /* nothing is left, or a worker has ended */
    struct task *head;
    struct task **tail;
    size_t left;       /* tasks accepted and not ended */
    unsigned sleepers; /* on work */
    unsigned alive;    /* workers */
    bool stopping;
    bool orphaned; /* the handle is gone: the last worker frees the pool */
    const char *broken;
};

static struct list_pool *pool_of(filch_executor *ex)
{
    return fl_container_of(ex, struct list_pool, base);
}

/* ---- futures */

static struct task *task_create(struct list_pool *p, const struct fl_naive_call *call)
{
    struct task *t = fl_naive_task_create(p->home, sizeof *t, call);

    if (t == NULL)
        return NULL;
    t->next = NULL;
    over_open(&t->over);
    return t;
}

static void future_free(struct fl_home *home, filch_future *f)
{
    struct task *t = fl_container_of(f, struct task, future);

    over_close(&t->over);
    fl_naive_task_free(fl_container_of(home, struct fl_naive_home, base), f, sizeof *t);
}

static int future_wait(struct fl_home *home, filch_future *f, filch_deadline deadline)
{
    (void)home;
    if (fl_naive_runs_here(f))
        return FILCH_EDEADLK;
    return over_wait(&fl_container_of(f, struct task, future)->over, f, deadline);
}

/* Whoever has settled f holds a reference, so that f is still there. */
static void future_wake(struct fl_home *home, filch_future *f)
{
    (void)home;
    over_wake(&fl_container_of(f, struct task, future)->over);
}

static const struct fl_home_ops home_ops = {
    .free = future_free,
    .wait = future_wait,
    .wake = future_wake,
};

/* ---- the queue */

/* Queues the n tasks from first to last, of which the caller holds the last one: they may have ended
 * and destroyed the pool before somebody is woken here. Returns 0, or why not. */
static int enqueue(struct list_pool *p, struct task *first, struct task *last, size_t n)
{
    bool wake = false;
    int status = 0;

    lock_enter(&p->lock);
    if (p->broken != NULL)
        status = FILCH_EBROKEN;
    else if (p->stopping)
        status = FILCH_ESHUTDOWN;
    if (status == 0) {
        *p->tail = first;
        p->tail = &last->next;
        p->left += n;
        wake = p->sleepers > 0;
    }
    lock_leave(&p->lock);

    if (wake && n == 1)
        cond_signal(&p->work);
    else if (wake)
        cond_broadcast(&p->work);
    return status;
}

/* With the lock held. */
static void end_tasks(struct list_pool *p, size_t n)
{
    p->left -= n;
    if (p->left == 0)
        cond_broadcast(&p->quiet);
}

/* With the lock held: the whole queue. */
static struct task *take_all(struct list_pool *p)
{
    struct task *first = p->head;

    p->head = NULL;
    p->tail = &p->head;
    return first;
}

/* Without the lock: ends tasks that were taken from the queue. */
static void drop_all(struct list_pool *p, struct task *first, int status)
{
    size_t n = 0;

    while (first != NULL) {
        struct task *next = first->next;

        fl_naive_drop(&first->future, status);
        first = next;
        n++;
    }
    if (n == 0)
        return;
    lock_enter(&p->lock);
    end_tasks(p, n);
    lock_leave(&p->lock);
}

/* With the lock held. NULL: the pool stops, and nothing is queued. */
static struct task *next_task(struct list_pool *p)
{
    while (p->head == NULL && !p->stopping) {
        p->sleepers++;
        cond_wait(&p->work, &p->lock, look_again());
        p->sleepers--;
    }

    struct task *t = p->head;
    if (t != NULL) {
        p->head = t->next;
        if (p->head == NULL)
            p->tail = &p->head;
    }
    return t;
}

/* With its home. */
static void pool_free(void *pool)
{
    struct list_pool *p = pool;

    cond_close(&p->quiet);
    cond_close(&p->work);
    lock_close(&p->lock);
    fl_naive_crew_free(&p->crew);
    fl_naive_free(p->home, p, sizeof *p, alignof(struct list_pool));
}

/* ---- workers */

static void break_pool(struct list_pool *p)
{
    lock_enter(&p->lock);
    p->broken = "a worker's start hook failed";
    struct task *queued = take_all(p);
    lock_leave(&p->lock);
    drop_all(p, queued, FILCH_EBROKEN);
}

static void work(struct list_pool *p)
{
    struct task *t;

    lock_enter(&p->lock);
    while ((t = next_task(p)) != NULL) {
        lock_leave(&p->lock);
        fl_naive_run(&t->future);
        lock_enter(&p->lock);
        end_tasks(p, 1);
    }
    lock_leave(&p->lock);
}

static void *worker_main(void *arg)
{
    struct list_pool *p = arg;

    if (fl_naive_crew_enter(&p->crew)) {
        work(p);
        fl_naive_crew_leave(&p->crew);
    } else {
        break_pool(p);
    }

    lock_enter(&p->lock);
    p->alive--;
    bool last = p->alive == 0 && p->orphaned;
    cond_broadcast(&p->quiet);
    lock_leave(&p->lock);
    if (last)
        fl_naive_home_release(p->home);
    return NULL;
}

/* ---- the handle */

static int submit_call(struct list_pool *p, const struct fl_naive_call *call, filch_future **future)
{
    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    struct task *t = task_create(p, call);
    if (t == NULL)
        return FILCH_ENOMEM;

    int status = enqueue(p, t, t, 1);
    if (status != 0)
        future_free(&p->home->base, &t->future);
    else
        fl_naive_hand_over(&t->future, future);
    return status;
}

static int submit(filch_executor *ex, filch_task_fn *fn, void *arg, filch_future **future)
{
    struct fl_naive_call call = fl_naive_call_with(fn, arg);

    return submit_call(pool_of(ex), &call, future);
}

static int submit_copy(filch_executor *ex, filch_task_fn *fn, const void *arg, size_t len,
                       filch_future **future)
{
    struct fl_naive_call call = fl_naive_call_copy(fn, arg, len);

    return submit_call(pool_of(ex), &call, future);
}

static void free_unqueued(struct list_pool *p, struct task *t)
{
    while (t != NULL) {
        struct task *next = t->next;

        future_free(&p->home->base, &t->future);
        t = next;
    }
}

static int submit_batch(filch_executor *ex, filch_task_fn *fn, void *const args[], size_t n,
                        filch_future *futures[])
{
    struct list_pool *p = pool_of(ex);
    struct task *first = NULL;
    struct task **tail = &first;
    struct task *last = NULL;

    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    for (size_t i = 0; i < n; i++) {
        struct fl_naive_call call = fl_naive_call_of(fn, args, i);

        call.for_queue_only = futures == NULL && i + 1 < n;
        last = task_create(p, &call);
        if (last == NULL) {
            free_unqueued(p, first);
            return FILCH_ENOMEM;
        }
        *tail = last;
        tail = &last->next;
        if (futures != NULL)
            futures[i] = &last->future;
    }
    if (n == 0)
        return 0;
    int status = enqueue(p, first, last, n);
    if (status != 0)
        free_unqueued(p, first);
    else if (futures == NULL)
        filch_future_release(&last->future);
    return status;
}

static int shut_down(filch_executor *ex, unsigned flags, filch_deadline deadline)
{
    struct list_pool *p = pool_of(ex);
    struct task *queued = NULL;
    int status = fl_naive_refuse_shutdown(p->home, flags);

    if (status != 0)
        return status;

    lock_enter(&p->lock);
    p->stopping = true;
    if ((flags & FILCH_CANCEL_PENDING) != 0)
        queued = take_all(p);
    cond_broadcast(&p->work);
    lock_leave(&p->lock);

    drop_all(p, queued, FILCH_ECANCELED);
    if ((flags & FILCH_NO_WAIT) != 0)
        return 0;
    if (fl_naive_crew_has_self(&p->crew))
        return FILCH_EDEADLK;

    lock_enter(&p->lock);
    while (status == 0 && (p->alive > 0 || p->left > 0)) {
        if (!cond_wait(&p->quiet, &p->lock, deadline))
            status = FILCH_ETIMEDOUT;
    }
    lock_leave(&p->lock);
    return status;
}

/* By one of its own tasks: nobody is there to join the workers. */
static void orphan(struct list_pool *p)
{
    lock_enter(&p->lock);
    fl_naive_crew_detach(&p->crew);
    p->orphaned = true;
    p->stopping = true;
    cond_broadcast(&p->work);
    lock_leave(&p->lock);
}

static void destroy(filch_executor *ex)
{
    struct list_pool *p = pool_of(ex);

    if (fl_forked(&p->home->base.forked))
        return; /* its threads and the state of its locks stayed in the parent */
    if (fl_naive_crew_has_self(&p->crew)) {
        orphan(p);
        return;
    }
    shut_down(ex, FILCH_DRAIN, FILCH_FOREVER);
    fl_naive_crew_join(&p->crew);
    fl_naive_home_release(p->home);
}

static int wait_idle(filch_executor *ex, filch_deadline deadline)
{
    struct list_pool *p = pool_of(ex);
    int status = 0;

    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    if (fl_naive_crew_has_self(&p->crew))
        return FILCH_EDEADLK;
    lock_enter(&p->lock);
    while (status == 0 && p->left > 0) {
        if (!cond_wait(&p->quiet, &p->lock, deadline))
            status = FILCH_ETIMEDOUT;
    }
    lock_leave(&p->lock);
    return status;
}

static unsigned workers(const filch_executor *ex)
{
    return fl_container_of(ex, struct list_pool, base)->crew.count;
}

static const char *broken(const filch_executor *ex)
{
    struct list_pool *p = fl_container_of(ex, struct list_pool, base);

    if (fl_forked(&p->home->base.forked))
        return NULL;
    lock_enter(&p->lock);
    const char *why = p->broken;
    lock_leave(&p->lock);
    return why;
}

static const struct fl_executor_ops ops = {
    .submit = submit,
    .submit_copy = submit_copy,
    .submit_batch = submit_batch,
    .shutdown = shut_down,
    .destroy = destroy,
    .wait_idle = wait_idle,
    .workers = workers,
    .broken = broken,
};

/* Some threads did not start: the others end, and nothing is left. */
static void undo(struct list_pool *p)
{
    shut_down(&p->base, FILCH_DRAIN, FILCH_FOREVER);
    fl_naive_crew_join(&p->crew);
    fl_naive_home_abandon(p->home);
}

static int list_pool_create(filch_executor **out, const filch_options *options)
{
    struct fl_naive_home *home;
    int status = fl_naive_home_open(&home, options->allocator, &home_ops);

    if (status != 0)
        return status;
    struct list_pool *p = fl_naive_alloc(home, sizeof *p, alignof(struct list_pool));
    if (p == NULL) {
        fl_naive_home_abandon(home);
        return FILCH_ENOMEM;
    }

    *p = (struct list_pool){.base.ops = &ops, .home = home};
    home->free_pool = pool_free;
    home->pool = p;
    lock_open(&p->lock);
    cond_open(&p->work);
    cond_open(&p->quiet);
    p->tail = &p->head;
    p->alive = fl_naive_crew_size(options);

    status = fl_naive_crew_start(&p->crew, home, options, worker_main, p);
    lock_enter(&p->lock);
    p->alive -= p->crew.asked - p->crew.count;
    lock_leave(&p->lock);
    if (status != 0)
        undo(p);
    else
        *out = &p->base;
    return status;
}

#endif /* FL_NAIVE_LIST_H */
