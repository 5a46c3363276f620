/* SPDX-License-Identifier: MIT
 *
 * spawn.c: no pool at all: a thread for each task, which ends with it. What a pool is for shows beside it.
 *
 * Nothing is ever queued: a task starts at once, however many run, so it can wait for others as deep as
 * there are threads. If the system has none to give, whoever submits runs the task itself, so that a batch
 * is never half submitted. Each thread calls the start hook and the stop hook. The number of workers is
 * asked for and told, and means nothing. The threads are detached: the last ones may still be about to end
 * when the pool has been destroyed, and keep its memory until they have. */
#include "naive/spawn.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdio.h>

#include "naive/naive.h"

struct spawn_pool;

struct task {
    filch_future future;
    struct spawn_pool *pool;
    struct fl_naive_told told;
};

/* A thread that runs a task, on its own stack: the task may be gone before it has ended. */
struct life {
    struct life *next;
    struct life **link;
    pthread_t self;
};

/* Everything below lock is under it. */
struct spawn_pool {
    filch_executor base;
    struct fl_naive_home *home;
    struct fl_thread_options how;
    unsigned workers;
    char name[9];
    int (*on_start)(void *);
    void (*on_stop)(void *);
    void *hook_arg;
    pthread_mutex_t lock;
    pthread_cond_t quiet; /* nothing is left */
    struct life *living;
    size_t left; /* tasks accepted and not ended */
    bool stopping;
    bool orphaned; /* the handle is gone: the last task frees the pool */
    const char *broken;
};

static struct spawn_pool *pool_of(filch_executor *ex)
{
    return fl_container_of(ex, struct spawn_pool, base);
}

/* ---- futures */

static void future_free(struct fl_home *home, filch_future *f)
{
    fl_naive_task_free(fl_container_of(home, struct fl_naive_home, base), f, sizeof(struct task));
}

static int future_wait(struct fl_home *home, filch_future *f, filch_deadline deadline)
{
    (void)home;
    if (fl_naive_runs_here(f))
        return FILCH_EDEADLK;
    return fl_naive_told_wait(&fl_container_of(f, struct task, future)->told, f, deadline);
}

/* Whoever has settled f holds a reference, so that f is still there. */
static void future_wake(struct fl_home *home, filch_future *f)
{
    (void)home;
    fl_naive_told_wake(&fl_container_of(f, struct task, future)->told);
}

static const struct fl_home_ops home_ops = {
    .free = future_free,
    .wait = future_wait,
    .wake = future_wake,
};

/* ---- tasks */

static struct task *task_create(struct spawn_pool *p, const struct fl_naive_call *call)
{
    struct task *t = fl_naive_task_create(p->home, sizeof *t, call);

    if (t == NULL)
        return NULL;
    t->pool = p;
    fl_naive_told_open(&t->told);
    return t;
}

/* Whether the calling thread runs a task of this pool. */
static bool is_inside(struct spawn_pool *p)
{
    bool found = false;

    pthread_mutex_lock(&p->lock);
    for (struct life *life = p->living; life != NULL && !found; life = life->next)
        found = pthread_equal(life->self, pthread_self());
    pthread_mutex_unlock(&p->lock);
    return found;
}

static void begin(struct spawn_pool *p, struct life *life)
{
    fl_naive_home_retain(p->home); /* the task's is there */
    life->self = pthread_self();
    pthread_mutex_lock(&p->lock);
    life->next = p->living;
    if (life->next != NULL)
        life->next->link = &life->next;
    life->link = &p->living;
    p->living = life;
    pthread_mutex_unlock(&p->lock);
}

static void end(struct spawn_pool *p, struct life *life)
{
    pthread_mutex_lock(&p->lock);
    *life->link = life->next;
    if (life->next != NULL)
        life->next->link = life->link;
    p->left--;
    bool last = p->left == 0 && p->orphaned;
    if (p->left == 0)
        pthread_cond_broadcast(&p->quiet);
    pthread_mutex_unlock(&p->lock);
    if (last)
        fl_naive_home_release(p->home); /* the handle's */
    fl_naive_home_release(p->home);
}

static bool enter(struct spawn_pool *p, struct task *t)
{
    char name[16];

    snprintf(name, sizeof name, "%s-task", p->name);
    fl_thread_name(name);
    if (p->on_start == NULL || p->on_start(p->hook_arg) == 0)
        return true;
    pthread_mutex_lock(&p->lock);
    p->broken = "a thread's start hook failed";
    pthread_mutex_unlock(&p->lock);
    fl_naive_drop(&t->future, FILCH_EBROKEN);
    return false;
}

static void live(struct spawn_pool *p, struct task *t, bool with_hooks)
{
    struct life life;

    begin(p, &life);
    if (!with_hooks) {
        fl_naive_run(&t->future);
    } else if (enter(p, t)) {
        fl_naive_run(&t->future);
        if (p->on_stop != NULL)
            p->on_stop(p->hook_arg);
    }
    end(p, &life);
}

static void *thread_main(void *arg)
{
    struct task *t = arg;

    live(t->pool, t, true);
    return NULL;
}

/* The caller holds a reference to t, or to one that is still to be started. */
static void start(struct spawn_pool *p, struct task *t)
{
    struct fl_thread thread;

    if (fl_thread_start(&thread, thread_main, t, &p->how) == 0)
        fl_thread_detach(&thread);
    else
        live(p, t, false);
}

/* Lets n tasks in, or says why not. */
static int let_in(struct spawn_pool *p, size_t n)
{
    int status = 0;

    pthread_mutex_lock(&p->lock);
    if (p->broken != NULL)
        status = FILCH_EBROKEN;
    else if (p->stopping)
        status = FILCH_ESHUTDOWN;
    else
        p->left += n;
    pthread_mutex_unlock(&p->lock);
    return status;
}

/* ---- the handle */

static int submit_call(struct spawn_pool *p, const struct fl_naive_call *call,
                       filch_future **future)
{
    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    struct task *t = task_create(p, call);
    if (t == NULL)
        return FILCH_ENOMEM;

    int status = let_in(p, 1);
    if (status != 0) {
        future_free(&p->home->base, &t->future);
        return status;
    }
    start(p, t);
    fl_naive_hand_over(&t->future, future);
    return 0;
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

static void free_all(struct spawn_pool *p, struct task **tasks, size_t n, size_t made)
{
    for (size_t i = 0; i < made; i++)
        future_free(&p->home->base, &tasks[i]->future);
    fl_naive_free(p->home, tasks, n * sizeof *tasks, alignof(struct task *));
}

static int submit_batch(filch_executor *ex, filch_task_fn *fn, void *const args[], size_t n,
                        filch_future *futures[])
{
    struct spawn_pool *p = pool_of(ex);

    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    if (n == 0)
        return 0;
    if (n > PTRDIFF_MAX / sizeof(struct task *))
        return FILCH_ENOMEM;
    struct task **tasks = fl_naive_alloc(p->home, n * sizeof *tasks, alignof(struct task *));
    if (tasks == NULL)
        return FILCH_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        struct fl_naive_call call = fl_naive_call_of(fn, args, i);

        tasks[i] = task_create(p, &call);
        if (tasks[i] == NULL) {
            free_all(p, tasks, n, i);
            return FILCH_ENOMEM;
        }
    }
    int status = let_in(p, n);
    if (status != 0) {
        free_all(p, tasks, n, n);
        return status;
    }
    for (size_t i = 0; i < n; i++)
        start(p, tasks[i]);
    /* The last reference may be the pool's too, so the array goes first. */
    struct task *last = tasks[n - 1];
    for (size_t i = 0; i < n; i++) {
        if (futures != NULL)
            futures[i] = &tasks[i]->future;
        else if (i + 1 < n)
            filch_future_release(&tasks[i]->future);
    }
    fl_naive_free(p->home, tasks, n * sizeof *tasks, alignof(struct task *));
    if (futures == NULL)
        filch_future_release(&last->future);
    return 0;
}

/* With the lock held: 0 once nothing is left, or FILCH_ETIMEDOUT. */
static int await_quiet(struct spawn_pool *p, filch_deadline deadline)
{
    while (p->left > 0) {
        if (!fl_naive_cond_wait(&p->quiet, &p->lock, deadline))
            return FILCH_ETIMEDOUT;
    }
    return 0;
}

static int shut_down(filch_executor *ex, unsigned flags, filch_deadline deadline)
{
    struct spawn_pool *p = pool_of(ex);
    int status = fl_naive_refuse_shutdown(p->home, flags);

    if (status != 0)
        return status;
    bool inside = is_inside(p);

    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    if ((flags & FILCH_NO_WAIT) == 0)
        status = inside ? FILCH_EDEADLK : await_quiet(p, deadline);
    pthread_mutex_unlock(&p->lock);
    return status;
}

static void destroy(filch_executor *ex)
{
    struct spawn_pool *p = pool_of(ex);

    if (fl_forked(&p->home->base.forked))
        return; /* its threads and the state of its lock stayed in the parent */
    if (is_inside(p)) {
        pthread_mutex_lock(&p->lock);
        p->stopping = true;
        p->orphaned = true;
        pthread_mutex_unlock(&p->lock);
        return;
    }
    shut_down(ex, FILCH_DRAIN, FILCH_FOREVER);
    fl_naive_home_release(p->home);
}

static int wait_idle(filch_executor *ex, filch_deadline deadline)
{
    struct spawn_pool *p = pool_of(ex);

    if (fl_forked(&p->home->base.forked))
        return FILCH_EFORKED;
    if (is_inside(p))
        return FILCH_EDEADLK;
    pthread_mutex_lock(&p->lock);
    int status = await_quiet(p, deadline);
    pthread_mutex_unlock(&p->lock);
    return status;
}

static unsigned workers(const filch_executor *ex)
{
    return fl_container_of(ex, struct spawn_pool, base)->workers;
}

static const char *broken(const filch_executor *ex)
{
    struct spawn_pool *p = fl_container_of(ex, struct spawn_pool, base);

    if (fl_forked(&p->home->base.forked))
        return NULL;
    pthread_mutex_lock(&p->lock);
    const char *why = p->broken;
    pthread_mutex_unlock(&p->lock);
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

/* With its home. */
static void pool_free(void *pool)
{
    struct spawn_pool *p = pool;

    pthread_cond_destroy(&p->quiet);
    pthread_mutex_destroy(&p->lock);
    fl_naive_free(p->home, p, sizeof *p, alignof(struct spawn_pool));
}

int fl_spawn_pool_create(filch_executor **out, const filch_options *options)
{
    struct fl_naive_home *home;
    int status = fl_naive_home_open(&home, options->allocator, &home_ops);

    if (status != 0)
        return status;
    struct spawn_pool *p = fl_naive_alloc(home, sizeof *p, alignof(struct spawn_pool));
    if (p == NULL) {
        fl_naive_home_abandon(home);
        return FILCH_ENOMEM;
    }
    *p = (struct spawn_pool){
        .base.ops = &ops,
        .home = home,
        .how = {.stack_size = options->stack_size,
                .keep_signals = (options->flags & FILCH_KEEP_SIGNALS) != 0},
        .workers = fl_naive_crew_size(options),
        .on_start = options->on_thread_start,
        .on_stop = options->on_thread_stop,
        .hook_arg = options->hook_arg,
    };
    snprintf(p->name, sizeof p->name, "%s", options->name != NULL ? options->name : "filch");
    home->free_pool = pool_free;
    home->pool = p;
    pthread_mutex_init(&p->lock, NULL);
    fl_naive_cond_open(&p->quiet);
    *out = &p->base;
    return 0;
}
