/* SPDX-License-Identifier: MIT
 *
 * sim_context.c: a context is kept for each task that has it, and goes with the last of them, whichever
 * thread that is over in. It is a block of the simulated heap, freed by whoever lets go of it last. */
#include "sim/pools.h"

struct context {
    filch_context base;
    fl_atomic(int) refs;
};

static filch_future *f;
static fl_atomic(int) ran;

static void retain(filch_context *context)
{
    fl_add(&((struct context *)context)->refs, 1, relaxed);
}

static void release(filch_context *context)
{
    struct context *c = (struct context *)context;

    if (fl_sub(&c->refs, 1, acq_rel) == 1)
        sim_free(c);
}

static struct context *context_create(void)
{
    struct context *c = sim_alloc(sizeof *c, alignof(struct context));

    c->base = (filch_context){retain, release};
    fl_init(&c->refs, 1);
    fl_init(&ran, 0);
    return c;
}

static int looks(void *arg, void **result)
{
    struct context *c = (struct context *)filch_context_current();

    (void)arg, (void)result;
    sim_check(c != NULL && fl_load(&c->refs, relaxed) >= 1);
    fl_add(&ran, 1, relaxed);
    return 0;
}

/* The caller's hold on it goes when it has submitted. */
static void submit(filch_task_fn *fn, filch_future **future)
{
    struct context *c = context_create();
    filch_task_options o = {.size = sizeof o, .context = &c->base};

    sim_check(fl_pool_submit_with(pool, &o, fn, NULL, future) == 0);
    release(&c->base);
}

/* The pool may be closed by then: what is refused is one task fewer. */
static int spawns(void *arg, void **result)
{
    if (fl_pool_submit(pool, looks, NULL, NULL) != 0)
        fl_add(&ran, 1, relaxed);
    return looks(arg, result);
}

SCENARIO(a_context_outlives_the_task_that_handed_it_on)
{
    START(.workers = 1);
    submit(spawns, &f);
    filch_future_release(f);
    end_pool();
    sim_check(fl_load(&ran, relaxed) == 2);
}

SCENARIO(a_context_goes_with_the_last_of_two_workers_tasks)
{
    START(.workers = 2);
    submit(spawns, NULL);
    end_pool();
    sim_check(fl_load(&ran, relaxed) == 2);
}

static void pops(void *arg)
{
    struct fl_worker *w = act_as_worker(0);
    struct fl_task *task = fl_deque_pop(&w->deque);

    (void)arg;
    fl_worker_run(w, task);
    act_as_nobody();
}

SCENARIO(a_context_goes_once_whoever_is_first_the_canceller_or_the_worker)
{
    bool was_cancelled;

    make_pool_by_hand(1, 0);
    sim_solo_begin();
    act_as_worker(0);
    submit(looks, &f);
    act_as_nobody();
    sim_solo_end();
    sim_spawn(pops, NULL);
    was_cancelled = filch_future_cancel(f);
    filch_future_release(f);
    sim_join_all();
    sim_check(fl_load(&ran, relaxed) == !was_cancelled);
    free_pool_by_hand();
}

static int looks_then(filch_future *before, void *arg, void **result)
{
    (void)before;
    return looks(arg, result);
}

static int continues(void *promise, void **result)
{
    filch_future *out;

    sim_check(filch_then(promise, NULL, 0, looks_then, NULL, &out) == 0);
    filch_future_release(out);
    return looks(NULL, result);
}

static void keeps(void *promise)
{
    filch_promise_set_result(promise, NULL);
    filch_future_release(promise);
}

/* Told by a thread that has no context of its own. */
SCENARIO(a_continuation_has_the_context_of_whoever_made_it)
{
    struct context *c = context_create();
    filch_task_options o = {.size = sizeof o, .context = &c->base};
    filch_future *promise;

    sim_solo_begin();
    sim_check(filch_promise_create(&promise) == 0);
    sim_solo_end();
    make_pool_by_hand(1, 0);
    act_as_worker(0);
    filch_future_retain(promise);
    sim_check(fl_pool_submit_with(pool, &o, continues, promise, NULL) == 0);
    act_as_nobody();
    release(&c->base);
    sim_spawn(keeps, promise);
    pops(NULL);
    sim_join_all();
    sim_check(fl_load(&ran, relaxed) == 2);
    filch_future_release(promise);
    free_pool_by_hand();
}
