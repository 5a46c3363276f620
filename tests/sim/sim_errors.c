/* SPDX-License-Identifier: MIT
 *
 * sim_errors.c: what a failure says, against those who read it, release it and fail at the same time;
 * without memory the code stands alone, and a detail goes all the same. */
#include "sim/pools.h"

enum {
    CODE = 5
};

static filch_future *f;
static fl_atomic(int) destroyed;

static void reset(void)
{
    fl_init(&destroyed, 0);
}

/* A block of the simulated heap; where there is none, no detail. */
static int *detail_create(void)
{
    int *detail;

    detail = sim_alloc(sizeof *detail, alignof(int));
    if (detail != NULL)
        *detail = CODE;
    return detail;
}

static void detail_free(void *detail)
{
    sim_check(*(int *)detail == CODE);
    *(int *)detail = 0;
    sim_free(detail);
    fl_add(&destroyed, 1, relaxed);
}

static int count_destroyed(void)
{
    return fl_load(&destroyed, relaxed);
}

static void a_promise(int holders)
{
    reset();
    sim_solo_begin();
    sim_check(filch_promise_create(&f) == 0);
    while (--holders > 0)
        filch_future_retain(f);
    sim_solo_end();
}

static void fails(void *arg)
{
    int status;

    (void)arg;
    status = filch_promise_set_error_with(f, CODE, "five", detail_create(), detail_free);
    sim_check(status == 0 || status == FILCH_ESTATE);
    filch_future_release(f);
}

static void reads(void *arg)
{
    filch_error error;

    (void)arg;
    sim_check(filch_future_error(f, FILCH_FOREVER, &error) == 0 && error.code == CODE);
    sim_check(strcmp(error.message, "five") == 0 && *(int *)error.detail == CODE);
    filch_future_release(f);
}

SCENARIO(a_detail_is_whole_for_each_reader_and_goes_with_the_last)
{
    a_promise(3);
    sim_spawn(reads, NULL);
    sim_spawn(reads, NULL);
    fails(NULL);
    sim_join_all();
    sim_check(count_destroyed() == 1);
}

SCENARIO(of_two_who_fail_at_once_no_detail_is_left)
{
    a_promise(2);
    sim_spawn(fails, NULL);
    fails(NULL);
    sim_join_all();
    sim_check(count_destroyed() == 2);
}

static int task_fails(void *arg, void **result)
{
    (void)arg, (void)result;
    sim_check(filch_fail(CODE, "first", detail_create(), detail_free) == CODE);
    return filch_fail(CODE, "five", detail_create(), detail_free);
}

/* By a worker of the scenario's own. */
static void runs(void *arg)
{
    struct fl_worker *w = act_as_worker(0);
    struct fl_task *task = fl_deque_pop(&w->deque);

    (void)arg;
    fl_worker_run(w, task);
    act_as_nobody();
}

static void queue_one(filch_task_fn *fn)
{
    reset();
    make_pool_by_hand(1, 0);
    sim_solo_begin();
    act_as_worker(0);
    sim_check(fl_pool_submit(pool, fn, NULL, &f) == 0);
    act_as_nobody();
    sim_solo_end();
}

SCENARIO(what_a_task_says_is_there_for_whoever_waits)
{
    queue_one(task_fails);
    sim_spawn(runs, NULL);
    reads(NULL);
    sim_join_all();
    sim_check(count_destroyed() == 2);
    free_pool_by_hand();
}

SCENARIO(what_a_task_says_without_memory_is_its_code, .alloc_faults = 2)
{
    filch_error error;

    queue_one(task_fails);
    sim_spawn(runs, NULL);
    sim_check(filch_future_error(f, FILCH_FOREVER, &error) == 0 && error.code == CODE);
    sim_check(strcmp(error.message, "five") == 0 ||
              strcmp(error.message, "the task returned its own error") == 0);
    filch_future_release(f);
    sim_join_all();
    free_pool_by_hand(); /* and no detail is left */
}

/* ---- what nobody reads ---- */

static fl_atomic(int) told;

static void note(const filch_unobserved *info, void *arg)
{
    sim_check(arg == &told && info->error.code == CODE);
    sim_check(strcmp(info->error.message, "five") == 0 && *(int *)info->error.detail == CODE);
    fl_add(&told, 1, relaxed);
}

static void watched(int holders)
{
    filch_promise_options o = {.size = sizeof o, .on_unobserved = note, .unobserved_arg = &told};

    reset();
    fl_init(&told, 0);
    sim_solo_begin();
    sim_check(filch_promise_create_with(&f, &o) == 0);
    while (--holders > 0)
        filch_future_retain(f);
    sim_solo_end();
}

static void releases(void *arg)
{
    (void)arg;
    filch_future_release(f);
}

static void check_told(int times)
{
    sim_check(fl_load(&told, relaxed) == times);
    sim_check(count_destroyed() == 1);
}

SCENARIO(a_failure_that_two_release_unread_is_told_once)
{
    watched(3);
    sim_spawn(releases, NULL);
    sim_spawn(releases, NULL);
    fails(NULL);
    sim_join_all();
    check_told(1);
}

SCENARIO(a_failure_that_one_reads_and_two_release_is_not_told)
{
    watched(3);
    sim_spawn(releases, NULL);
    sim_spawn(reads, NULL);
    fails(NULL);
    sim_join_all();
    check_told(0);
}

SCENARIO(a_failure_that_two_read_at_once_is_not_told)
{
    watched(2);
    filch_future_retain(f);
    fails(NULL);
    sim_spawn(reads, NULL);
    reads(NULL);
    sim_join_all();
    check_told(0);
}

/* Reads it if it is there. */
static bool looked;

static void looks(void *arg)
{
    filch_snapshot s;

    (void)arg;
    sim_check(filch_future_snapshot(f, &s) == 0);
    looked = s.state == FILCH_FAILED;
    sim_check(!looked || *(int *)s.error.detail == CODE);
    filch_future_release(f);
}

SCENARIO(a_failure_is_read_by_a_look_that_comes_in_time_or_is_told)
{
    watched(3);
    looked = false;
    sim_spawn(looks, NULL);
    sim_spawn(releases, NULL);
    fails(NULL);
    sim_join_all();
    check_told(!looked);
}

static void note_status(const filch_unobserved *info, void *arg)
{
    sim_check(arg == &told && info->fn == task_fails && info->error.code == CODE);
    fl_add(&told, 1, relaxed);
}

SCENARIO(a_task_s_failure_is_told_once_by_whoever_lets_go_last)
{
    queue_one(task_fails);
    fl_init(&told, 0);
    pool->on_unobserved = note_status;
    pool->hook_arg = &told;
    sim_spawn(runs, NULL);
    filch_future_release(f);
    sim_join_all();
    sim_check(fl_load(&told, relaxed) == 1 && fl_load(&pool->unobserved, relaxed) == 1);
    sim_check(count_destroyed() == 2);
    free_pool_by_hand();
}

/* Passed on while it is released, and then read or not by whoever has the other one. */
static void passed_on(bool is_read)
{
    filch_future *out;

    queue_one(task_fails);
    fl_init(&told, 0);
    pool->on_unobserved = note_status;
    pool->hook_arg = &told;
    sim_spawn(runs, NULL);
    sim_check(filch_then(f, NULL, 0, NULL, NULL, &out) == 0);
    filch_future_release(f);
    if (is_read)
        sim_check(filch_future_result(out, FILCH_FOREVER, NULL) == CODE);
    filch_future_release(out);
    sim_join_all();
    sim_check(fl_load(&told, relaxed) == !is_read);
    sim_check(count_destroyed() == 2);
    free_pool_by_hand();
}

SCENARIO(a_failure_that_is_passed_on_and_not_read_is_told_once)
{
    passed_on(false);
}

SCENARIO(a_failure_that_is_passed_on_and_read_is_not_told)
{
    passed_on(true);
}

/* The one that it would be passed on to is cancelled meanwhile: it is told, from wherever it is then. */
SCENARIO(a_failure_whose_continuation_is_cancelled_is_told_once)
{
    filch_future *out;

    queue_one(task_fails);
    fl_init(&told, 0);
    pool->on_unobserved = note_status;
    pool->hook_arg = &told;
    sim_solo_begin();
    sim_check(filch_then(f, NULL, 0, NULL, NULL, &out) == 0);
    sim_solo_end();
    sim_spawn(runs, NULL);
    filch_future_cancel(out);
    filch_future_release(out);
    filch_future_release(f);
    sim_join_all();
    sim_check(fl_load(&told, relaxed) == 1);
    sim_check(count_destroyed() == 2);
    free_pool_by_hand();
}
