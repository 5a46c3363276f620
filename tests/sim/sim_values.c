/* SPDX-License-Identifier: MIT
 *
 * sim_values.c: who owns a result and an argument: of all who take, release, cancel, set and run at the
 * same time one has it, and it is destroyed once, by whoever has it last. A value is a block of the
 * simulated heap: destroyed twice, or used after it, it is found out; never destroyed, it is a leak. */
#include "sim/pools.h"

enum {
    VALUE = 7
};

struct value {
    int content; /* plain */
};

static filch_future *f;
static fl_atomic(int) destroyed;
static fl_atomic(int) arg_destroyed;
static fl_atomic(int) ran;
static int taken[3]; /* by each thread of a scenario */

static void reset(void)
{
    fl_init(&destroyed, 0);
    fl_init(&arg_destroyed, 0);
    fl_init(&ran, 0);
    memset(taken, 0, sizeof taken);
}

static struct value *value_create(void)
{
    struct value *v = sim_alloc(sizeof *v, alignof(struct value));

    v->content = VALUE;
    return v;
}

static void value_free(void *value, void *arg)
{
    struct value *v = value;

    sim_check(arg == &destroyed && v->content == VALUE);
    v->content = 0;
    sim_free(v);
    fl_add(&destroyed, 1, relaxed);
}

static int count_destroyed(void)
{
    return fl_load(&destroyed, relaxed);
}

/* ---- promises ---- */

/* One reference for each holder. */
static void owning_promise(int holders)
{
    filch_promise_options o = {.size = sizeof o, .value_dtor = value_free, .dtor_arg = &destroyed};

    reset();
    sim_solo_begin();
    sim_check(filch_promise_create_with(&f, &o) == 0);
    while (--holders > 0)
        filch_future_retain(f);
    sim_solo_end();
}

static void set(void)
{
    sim_check(filch_promise_set_result(f, value_create()) == 0);
}

/* Takes, and destroys what it has got; others have their references. */
static void takes(void *mine)
{
    void *value = NULL;
    int status = filch_future_take(f, FILCH_FOREVER, &value);

    sim_check(status == 0 || status == FILCH_ESTATE);
    filch_future_release(f);
    if (status == 0) {
        *(int *)mine = 1;
        sim_check(((struct value *)value)->content == VALUE);
        sim_free(value);
    }
}

static void releases(void *arg)
{
    (void)arg;
    filch_future_release(f);
}

static void sets_and_releases(void *arg)
{
    set();
    releases(arg);
}

SCENARIO(of_two_takers_at_once_one_has_the_value)
{
    owning_promise(3);
    set();
    sim_spawn(takes, &taken[0]);
    sim_spawn(takes, &taken[1]);
    sim_join_all();
    sim_check(taken[0] + taken[1] == 1);
    sim_check(filch_future_result(f, FILCH_NOW, NULL) == FILCH_ESTATE);
    filch_future_release(f);
    sim_check(count_destroyed() == 0);
}

SCENARIO(of_a_taker_and_the_last_release_one_has_the_value)
{
    owning_promise(2);
    set();
    sim_spawn(takes, &taken[0]);
    releases(NULL);
    sim_join_all();
    sim_check(taken[0] == 1 && count_destroyed() == 0);
}

SCENARIO(two_who_release_at_once_destroy_a_value_once)
{
    owning_promise(2);
    set();
    sim_spawn(releases, NULL);
    releases(NULL);
    sim_join_all();
    sim_check(count_destroyed() == 1);
}

SCENARIO(a_taker_that_waits_has_the_value_of_whoever_sets_it, .spurious = 1)
{
    owning_promise(2);
    sim_spawn(sets_and_releases, NULL);
    takes(&taken[0]);
    sim_join_all();
    sim_check(taken[0] == 1 && count_destroyed() == 0);
}

/* Plain reads of the value too: it is whole for a reader, who is the last to know of it. */
static void reads(void *arg)
{
    void *value = NULL;

    (void)arg;
    sim_check(filch_future_result(f, FILCH_FOREVER, &value) == 0);
    sim_check(((struct value *)value)->content == VALUE);
    filch_future_release(f);
}

SCENARIO(a_value_is_whole_for_each_reader_and_goes_with_the_last)
{
    owning_promise(3);
    sim_spawn(reads, NULL);
    sim_spawn(reads, NULL);
    sets_and_releases(NULL);
    sim_join_all();
    sim_check(count_destroyed() == 1);
}

/* The outcome stands, and what came too late is gone. */
static void tries_to_set(void *arg)
{
    int status = filch_promise_set_result(f, value_create());

    (void)arg;
    sim_check(status == 0 || status == FILCH_ESTATE);
    filch_future_release(f);
}

static void cancels(void *arg)
{
    (void)arg;
    filch_future_cancel(f);
    filch_future_release(f);
}

SCENARIO(of_two_values_set_at_once_none_is_left)
{
    owning_promise(2);
    sim_spawn(tries_to_set, NULL);
    tries_to_set(NULL);
    sim_join_all();
    sim_check(count_destroyed() == 2);
}

SCENARIO(a_value_set_while_its_promise_is_cancelled_is_not_left)
{
    owning_promise(2);
    sim_spawn(cancels, NULL);
    tries_to_set(NULL);
    sim_join_all();
    sim_check(count_destroyed() == 1);
}

/* ---- one future as another ---- */

static filch_future *out;

static void takes_from_out(void *mine)
{
    void *value = NULL;
    int status = filch_future_take(out, FILCH_FOREVER, &value);

    filch_future_release(out);
    sim_check(status == 0 || status == FILCH_ESTATE);
    if (status == 0) {
        *(int *)mine = 1;
        sim_check(((struct value *)value)->content == VALUE);
        sim_free(value);
    }
}

static void followed(int holders)
{
    owning_promise(holders);
    sim_check(filch_then(f, NULL, 0, NULL, NULL, &out) == 0);
}

SCENARIO(a_value_that_goes_on_is_kept_by_the_future_that_it_was_set_in)
{
    void *value = NULL;

    followed(1);
    sim_spawn(sets_and_releases, NULL);
    sim_check(filch_future_result(out, FILCH_FOREVER, &value) == 0);
    sim_check(((struct value *)value)->content == VALUE);
    sim_join_all();
    sim_check(count_destroyed() == 0);
    filch_future_release(out);
    sim_check(count_destroyed() == 1);
}

SCENARIO(a_value_that_went_on_is_taken_from_one_of_both)
{
    followed(2);
    sim_spawn(takes, &taken[0]);
    sim_spawn(takes_from_out, &taken[1]);
    sets_and_releases(NULL);
    sim_join_all();
    sim_check(taken[0] + taken[1] == 1 && count_destroyed() == 0);
}

/* ---- arguments ---- */

static void arg_free(void *arg, void *dtor_arg)
{
    struct value *v = arg;

    sim_check(dtor_arg == &destroyed && v->content == VALUE);
    v->content = 0;
    sim_free(v);
    fl_add(&arg_destroyed, 1, relaxed);
}

static int use_arg(void *arg, void **result)
{
    sim_check(((struct value *)arg)->content == VALUE);
    fl_add(&ran, 1, relaxed);
    *result = value_create();
    return 0;
}

static void submit_owning(filch_future **future)
{
    filch_task_options o = {
        .size = sizeof o, .value_dtor = value_free, .arg_dtor = arg_free, .dtor_arg = &destroyed};

    sim_check(fl_pool_submit_with(pool, &o, use_arg, value_create(), future) == 0);
}

/* A task with an argument of its own, on the deque of a worker that nobody plays yet. */
static void queue_one(void)
{
    reset();
    make_pool_by_hand(1, 0);
    sim_solo_begin();
    act_as_worker(0);
    submit_owning(&f);
    act_as_nobody();
    sim_solo_end();
}

static void pops(void *arg)
{
    struct fl_worker *w = act_as_worker(0);
    struct fl_task *task = fl_deque_pop(&w->deque);

    (void)arg;
    fl_worker_run(w, task);
    act_as_nobody();
}

static void check_ran_or_cancelled(void)
{
    int runs = fl_load(&ran, relaxed);

    sim_check(fl_load(&arg_destroyed, relaxed) == 1);
    sim_check(runs <= 1 && count_destroyed() == runs);
    sim_check(fl_load(&pool->tombstones, relaxed) == 0);
    free_pool_by_hand();
}

SCENARIO(an_argument_goes_once_whoever_is_first_the_canceller_or_the_worker)
{
    bool was_cancelled;

    queue_one();
    sim_spawn(pops, NULL);
    was_cancelled = filch_future_cancel(f);
    sim_check(!was_cancelled || fl_load(&arg_destroyed, relaxed) == 1);
    filch_future_release(f);
    sim_join_all();
    sim_check(fl_load(&ran, relaxed) == !was_cancelled);
    check_ran_or_cancelled();
}

static void cancels_and_looks(void *arg)
{
    (void)arg;
    filch_future_cancel(f);
    filch_future_release(f);
}

SCENARIO(an_argument_goes_once_though_two_cancel_and_a_worker_is_at_it)
{
    queue_one();
    filch_future_retain(f);
    sim_spawn(pops, NULL);
    sim_spawn(cancels_and_looks, NULL);
    cancels_and_looks(NULL);
    sim_join_all();
    check_ran_or_cancelled();
}

static void drops(void *arg)
{
    struct fl_task *task = fl_take_any(pool);

    (void)arg;
    if (task != NULL)
        task->ops->drop(task, FILCH_ECANCELED);
}

SCENARIO(an_argument_goes_once_though_a_shutdown_drops_what_is_cancelled)
{
    queue_one();
    sim_spawn(drops, NULL);
    cancels_and_looks(NULL);
    sim_join_all();
    check_ran_or_cancelled();
}

/* Whoever has waited for a task finds its argument gone. */
SCENARIO(an_argument_is_gone_when_the_outcome_is_told)
{
    queue_one();
    sim_spawn(pops, NULL);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    sim_check(fl_load(&arg_destroyed, relaxed) == 1);
    filch_future_release(f);
    sim_join_all();
    check_ran_or_cancelled();
}

SCENARIO(a_canceller_that_stops_for_ever_keeps_no_worker, .freezes = true)
{
    queue_one();
    sim_spawn(cancels_and_looks, NULL);
    pops(NULL);
    sim_join_all();
    if (sim_frozen() >= 0)
        return;
    check_ran_or_cancelled();
}

SCENARIO(of_a_task_that_nobody_asks_for_nothing_is_left)
{
    reset();
    make_pool_by_hand(1, 0);
    act_as_worker(0);
    submit_owning(NULL);
    submit_owning(NULL);
    act_as_nobody();
    sim_spawn(drops, NULL);
    pops(NULL);
    sim_join_all();
    sim_check(fl_load(&arg_destroyed, relaxed) == 2);
    sim_check(fl_load(&ran, relaxed) == count_destroyed() && count_destroyed() >= 1);
    free_pool_by_hand();
}

static void shuts_down(void *arg)
{
    (void)arg;
    sim_check(fl_pool_shutdown(pool, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW) == 0);
}

SCENARIO(an_argument_goes_once_in_a_pool_that_is_shut_down)
{
    reset();
    START(.workers = 1);
    submit_owning(&f);
    sim_spawn(shuts_down, NULL);
    cancels_and_looks(NULL);
    sim_join_all();
    end_pool();
    sim_check(fl_load(&arg_destroyed, relaxed) == 1);
    sim_check(count_destroyed() == fl_load(&ran, relaxed));
}
