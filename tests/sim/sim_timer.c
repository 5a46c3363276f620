/* SPDX-License-Identifier: MIT
 *
 * sim_timer.c: a pool's clock: who adds, who takes out, and the keeper between them; tasks that wait for
 * a time, once and periodically; futures with a deadline; and how a pool with all of these ends. */
#include "future/timed.h"
#include "sim/pools.h"

static int64_t soon(int64_t ns)
{
    return sim_clock() + ns;
}

static const int64_t LATE = INT64_C(1000000000);

/* ---- timers alone, on a pool without workers ---- */

struct probe {
    struct fl_timer timer;
    fl_atomic(int) timed_out;
    fl_atomic(int) ended; /* otherwise */
    int data; /* plain: what was written before it was added is known to whoever ends it */
    bool not_beyond_late; /* it is ended before the clock has gone that far */
};

static struct probe probes[2];
static int64_t late;

static bool probe_end(struct fl_timer *t, int status)
{
    struct probe *probe = fl_container_of(t, struct probe, timer);

    sim_check(probe->data == 1);
    if (status != FILCH_ETIMEDOUT) {
        fl_add(&probe->ended, 1, release);
        return true;
    }
    sim_check(sim_clock() >= t->node.when);
    sim_check(!probe->not_beyond_late || sim_clock() < late);
    fl_add(&probe->timed_out, 1, release);
    return true;
}

static const struct fl_timer_ops probe_ops = {NULL, probe_end, NULL, false, false};

static void start(void)
{
    make_pool_by_hand(1, 0);
    watch(NULL);
    late = soon(LATE);
    memset(probes, 0, sizeof probes);
    for (int i = 0; i < 2; i++)
        probes[i].timer.ops = &probe_ops;
}

static int add_probe(int i, int64_t when)
{
    probes[i].data = 1;
    probes[i].timer.node.when = when;
    return fl_timer_add(pool, &probes[i].timer);
}

static void end_keeper(void)
{
    if (fl_timers_stop(pool))
        fl_thread_join(&pool->timers.keeper);
}

static void finish(void)
{
    end_keeper();
    free_pool_by_hand();
}

static int outcomes(int i)
{
    return fl_load(&probes[i].timed_out, acquire) + fl_load(&probes[i].ended, acquire);
}

SCENARIO(a_timer_is_ended_once_its_time_has_come_and_not_before, .spurious = 1)
{
    start();
    sim_check(add_probe(0, soon(5000)) == 0);
    SIM_AWAIT(fl_load(&probes[0].timed_out, acquire) == 1);
    finish();
    sim_check(outcomes(0) == 1);
}

static void add_soon(void *arg)
{
    (void)arg;
    sim_check(add_probe(1, soon(5000)) == 0);
}

SCENARIO(a_timer_that_comes_late_and_is_earlier_is_not_late)
{
    start();
    probes[1].not_beyond_late = true;
    sim_check(add_probe(0, late) == 0);
    add_soon(NULL);
    SIM_AWAIT(fl_load(&probes[1].timed_out, acquire) == 1);
    finish();
    sim_check(fl_load(&probes[0].ended, acquire) == 1);
}

SCENARIO(two_first_timers_have_one_keeper_and_are_both_in_time)
{
    start();
    probes[1].not_beyond_late = true;
    sim_spawn(add_soon, NULL);
    sim_check(add_probe(0, late) == 0);
    SIM_AWAIT(fl_load(&probes[1].timed_out, acquire) == 1);
    sim_join_all();
    finish();
    sim_check(fl_load(&probes[0].ended, acquire) == 1);
}

SCENARIO(a_timer_that_is_due_when_it_comes_is_ended_at_once)
{
    start();
    probes[0].not_beyond_late = true;
    sim_check(add_probe(0, 1) == 0);
    SIM_AWAIT(fl_load(&probes[0].timed_out, acquire) == 1);
    finish();
}

static fl_atomic(int) removed;

static void remove_probe(void *arg)
{
    (void)arg;
    if (fl_timer_remove(pool, &probes[0].timer)) {
        probes[0].data = 2; /* it is ours alone */
        fl_add(&removed, 1, release);
    }
}

SCENARIO(a_timer_is_removed_or_ended_and_never_both)
{
    start();
    fl_init(&removed, 0);
    sim_check(add_probe(0, soon(5000)) == 0);
    sim_spawn(remove_probe, NULL);
    remove_probe(NULL);
    sim_join_all();
    SIM_AWAIT(fl_load(&removed, acquire) + outcomes(0) == 1);
    finish();
    sim_check(fl_load(&removed, acquire) + outcomes(0) == 1);
}

static void end_all(void *arg)
{
    (void)arg;
    fl_timers_end(fl_timers_close(pool, true), FILCH_ECANCELED);
}

SCENARIO(a_timer_that_comes_as_the_clock_is_closed_is_refused_or_ended)
{
    int status;

    start();
    sim_spawn(end_all, NULL);
    status = add_probe(0, late);
    sim_check(status == 0 || status == FILCH_ESHUTDOWN);
    sim_join_all();
    sim_check(fl_load(&probes[0].ended, acquire) == (status == 0));
    finish();
    sim_check(outcomes(0) == (status == 0));
}

SCENARIO(what_is_left_when_the_keeper_ends_is_told)
{
    start();
    sim_check(add_probe(0, soon(5000)) == 0);
    sim_check(add_probe(1, late) == 0);
    finish();
    sim_check(outcomes(0) == 1 && fl_load(&probes[1].ended, acquire) == 1);
}

SCENARIO(without_a_keeper_nothing_is_kept_and_the_next_one_tries_again, .thread_faults = 1,
         .alloc_faults = 1)
{
    int status;

    sim_solo_begin();
    start();
    sim_solo_end();
    status = add_probe(0, soon(5000));
    sim_check(status == 0 || status == FILCH_EAGAIN || status == FILCH_ENOMEM);
    if (status != 0) {
        sim_check(!fl_wheel_has(&probes[0].timer.node));
        status = add_probe(0, soon(5000));
    }
    if (status == 0)
        SIM_AWAIT(fl_load(&probes[0].timed_out, acquire) == 1);
    finish();
    sim_check(outcomes(0) == (status == 0));
}

/* ---- tasks that wait for their time ---- */

static fl_atomic(int) ran;
static int plain; /* a run's, and whoever's knows that there will be no more */
static int64_t not_before;

static int work(void *arg, void **result)
{
    (void)arg, (void)result;
    sim_check(sim_clock() >= not_before);
    plain++;
    fl_add(&ran, 1, relaxed);
    return 0;
}

static void reset(void)
{
    fl_init(&ran, 0);
    plain = 0;
    not_before = 0;
}

/* The calling thread is the pool's worker: it runs what is queued until the future is over. */
static void run_until_over(filch_future *f)
{
    struct fl_worker *w = act_as_worker(0);

    while (!filch_future_done(f)) {
        struct fl_task *task = fl_take_from_lanes(w);

        if (task != NULL)
            fl_worker_run(w, task);
        else
            sim_pause();
    }
    act_as_nobody();
}

static void drain_by_hand(void)
{
    struct fl_task *task;

    while ((task = fl_take_any(pool)) != NULL)
        task->ops->drop(task, FILCH_ECANCELED);
}

SCENARIO(a_task_is_queued_once_its_time_has_come)
{
    filch_future *f;

    start();
    reset();
    not_before = soon(5000);
    sim_check(fl_pool_submit_at(pool, not_before, work, NULL, &f) == 0);
    run_until_over(f);
    sim_check(filch_future_result(f, FILCH_NOW, NULL) == 0 && plain == 1);
    sim_check(!fl_timers_are_awaited(pool));
    filch_future_release(f);
    finish();
}

static void cancel(void *f)
{
    filch_future_cancel(f);
    filch_future_release(f);
}

/* Whoever cancels it in time gets its memory back at once: it is in no wheel and in no queue. */
SCENARIO(a_task_is_cancelled_before_its_time_or_queued)
{
    filch_future *f;

    start();
    reset();
    sim_check(fl_pool_submit_at(pool, soon(5000), work, NULL, &f) == 0);
    sim_spawn(cancel, filch_future_retain(f));
    run_until_over(f);
    sim_join_all();
    sim_check(filch_future_cancelled(f) == (fl_load(&ran, relaxed) == 0));
    filch_future_release(f);
    end_keeper();
    drain_by_hand();
    sim_check(!fl_timers_are_awaited(pool));
    free_pool_by_hand();
}

SCENARIO(a_cancelled_task_leaves_the_wheel_and_its_memory_goes)
{
    filch_future *f;

    start();
    reset();
    sim_check(fl_pool_submit_at(pool, late, work, NULL, &f) == 0);
    sim_check(filch_future_cancel(f));
    sim_check(fl_load(&f->refs, relaxed) == 1);
    sim_check(fl_wheel_next(pool->timers.wheel) == INT64_MAX);
    filch_future_release(f);
    finish();
    sim_check(fl_load(&ran, relaxed) == 0);
}

SCENARIO(a_task_whose_queue_has_no_memory_is_queued_later, .alloc_faults = 1)
{
    filch_future *f;
    int status;

    sim_solo_begin();
    start();
    sim_solo_end();
    reset();
    status = fl_pool_submit_at(pool, soon(5000), work, NULL, &f);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    if (status == 0) {
        run_until_over(f);
        sim_check(filch_future_result(f, FILCH_NOW, NULL) == 0);
        filch_future_release(f);
    }
    finish();
    sim_check(fl_load(&ran, relaxed) == (status == 0));
}

/* ---- periodic ones ---- */

SCENARIO(a_periodic_task_that_is_cancelled_runs_no_more_once_it_is_over)
{
    filch_future *f;

    start();
    reset();
    sim_check(fl_pool_submit_every(pool, soon(2000), 5000, work, NULL, &f) == 0);
    sim_spawn(cancel, filch_future_retain(f));
    run_until_over(f);
    plain = 7; /* nobody else uses it any more */
    sim_check(filch_future_cancelled(f));
    sim_join_all();
    end_keeper();
    drain_by_hand();
    sim_check(!fl_timers_are_awaited(pool));
    sim_check(fl_load(&f->refs, relaxed) == 1);
    sim_check(fl_wheel_next(pool->timers.wheel) == INT64_MAX && plain == 7);
    filch_future_release(f);
    free_pool_by_hand();
}

static fl_atomic(int) is_over;

static void be_the_worker(void *f)
{
    struct fl_worker *w = act_as_worker(0);
    struct fl_task *task;

    while (!filch_future_done(f) || fl_load(&is_over, acquire) == 0) {
        if ((task = fl_take_from_lanes(w)) != NULL)
            fl_worker_run(w, task);
        else
            sim_pause();
    }
    act_as_nobody();
}

SCENARIO(whoever_cancels_a_periodic_task_and_waits_has_its_argument_alone)
{
    filch_future *f;

    start();
    reset();
    fl_init(&is_over, 0);
    sim_check(fl_pool_submit_every(pool, 1, LATE, work, NULL, &f) == 0);
    sim_spawn(be_the_worker, f);
    SIM_AWAIT(fl_load(&ran, relaxed) != 0); /* a hint that tells nothing of what it wrote */
    sim_check(filch_future_cancel(f));
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == FILCH_ECANCELED);
    plain = 7;
    fl_store(&is_over, 1, release);
    sim_join_all();
    filch_future_release(f);
    end_keeper();
    drain_by_hand();
    free_pool_by_hand();
}

static bool wheel_is_empty(void)
{
    int64_t next;

    fl_lock_enter(&pool->timers.lock);
    next = fl_wheel_next(pool->timers.wheel);
    fl_lock_leave(&pool->timers.lock);
    return next == INT64_MAX;
}

/* Whoever cancels it looks in the wheel, and whoever puts it back there looks whether it is over. */
SCENARIO(a_periodic_task_that_is_cancelled_as_it_goes_back_is_in_no_wheel)
{
    filch_future *f;

    start();
    reset();
    sim_check(fl_pool_submit_every(pool, 1, LATE, work, NULL, &f) == 0);
    sim_spawn(cancel, filch_future_retain(f));
    run_until_over(f);
    sim_join_all();
    sim_check(wheel_is_empty());
    filch_future_release(f);
    end_keeper();
    drain_by_hand();
    free_pool_by_hand();
}

static filch_future *mine;

static int cancel_mine(void *arg, void **result)
{
    (void)arg, (void)result;
    sim_check(filch_future_running(mine));
    sim_check(filch_future_cancel(mine) && filch_future_cancel(mine));
    sim_check(!filch_future_done(mine));
    fl_add(&ran, 1, relaxed);
    return 0;
}

SCENARIO(a_periodic_task_that_cancels_itself_is_over_after_that_run)
{
    start();
    reset();
    sim_check(fl_pool_submit_every(pool, soon(2000), 5000, cancel_mine, NULL, &mine) == 0);
    run_until_over(mine);
    sim_check(filch_future_cancelled(mine) && fl_load(&ran, relaxed) == 1);
    filch_future_release(mine);
    finish();
}

static int fail_at_last(void *arg, void **result)
{
    (void)arg, (void)result;
    return fl_add(&ran, 1, relaxed) == 1 ? 9 : 0;
}

SCENARIO(a_periodic_task_that_fails_is_over)
{
    filch_future *f;

    start();
    reset();
    sim_check(fl_pool_submit_every(pool, soon(2000), 5000, fail_at_last, NULL, &f) == 0);
    run_until_over(f);
    sim_check(filch_future_result(f, FILCH_NOW, NULL) == 9 && fl_load(&ran, relaxed) == 2);
    filch_future_release(f);
    finish();
}

SCENARIO(a_periodic_task_that_is_closed_in_a_run_is_over_after_it)
{
    filch_future *f;

    start();
    reset();
    sim_check(fl_pool_submit_every(pool, soon(2000), 5000, work, NULL, &f) == 0);
    sim_spawn(end_all, NULL);
    run_until_over(f);
    sim_check(filch_future_cancelled(f));
    sim_join_all();
    filch_future_release(f);
    end_keeper();
    drain_by_hand();
    free_pool_by_hand();
}

/* ---- the pool's end ---- */

/* The calling thread is the pool's worker, and ends it. */
SCENARIO(what_is_on_its_way_from_the_wheel_to_a_lane_is_waited_for)
{
    struct fl_worker *w;
    struct fl_task *task;

    start();
    reset();
    sim_check(fl_pool_submit_at(pool, soon(1000), work, NULL, NULL) == 0);
    sim_check(fl_timers_close(pool, false) == NULL);
    fl_or(&pool->mode, FL_CLOSING, seq_cst);
    w = act_as_worker(0);
    SIM_AWAIT(!fl_timers_are_awaited(pool));
    fl_stop_poll(pool);
    while ((task = fl_take_from_lanes(w)) != NULL)
        fl_worker_run(w, task);
    fl_stop_poll(pool);
    act_as_nobody();
    fl_thread_join(&pool->timers.keeper);
    sim_check(fl_load(&ran, relaxed) == 1);
    free_pool_by_hand();
}

static int submit_soon(filch_future **f)
{
    return fl_pool_submit_at(pool, soon(5000), work, NULL, f);
}

SCENARIO(a_drained_pool_has_run_what_was_waiting_for_its_time)
{
    reset();
    START(.workers = 1);
    sim_check(submit_soon(NULL) == 0);
    end_pool();
    sim_check(fl_load(&ran, relaxed) == 1);
}

static int accepted;

static void submit_one(void *arg)
{
    (void)arg;
    accepted = submit_soon(NULL);
}

SCENARIO(what_is_accepted_as_the_pool_is_drained_runs)
{
    reset();
    START(.workers = 1);
    sim_spawn(submit_one, NULL);
    sim_check(fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER) == 0);
    sim_join_all();
    sim_check(accepted == 0 || accepted == FILCH_ESHUTDOWN);
    sim_check(fl_load(&ran, relaxed) == (accepted == 0));
    end_pool();
}

SCENARIO(what_is_cancelled_with_the_pool_is_over_or_has_run)
{
    filch_future *f;

    reset();
    START(.workers = 1);
    sim_check(submit_soon(&f) == 0);
    sim_clock_advance(4000); /* about now */
    sim_check(fl_pool_shutdown(pool, FILCH_CANCEL_PENDING, FILCH_FOREVER) == 0);
    sim_check(filch_future_done(f));
    sim_check(filch_future_cancelled(f) == (fl_load(&ran, relaxed) == 0));
    filch_future_release(f);
    end_pool();
}

/* ---- everything cancelled, and the pool goes on ---- */

static void cancel_all(void *arg)
{
    (void)arg;
    sim_check(fl_pool_cancel_all(pool) >= 0);
}

/* It is in the wheel, in the keeper's hand, in a lane, in a run or on its way back. */
SCENARIO(a_periodic_task_is_over_with_all_the_rest_wherever_it_is)
{
    filch_future *f;

    start();
    reset();
    fl_init(&is_over, 1);
    sim_check(fl_pool_submit_every(pool, sim_clock(), LATE, work, NULL, &f) == 0);
    sim_spawn(be_the_worker, f);
    cancel_all(NULL);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == FILCH_ECANCELED);
    sim_check(sim_clock() < late && fl_load(&ran, relaxed) <= 1);
    sim_join_all();
    filch_future_release(f);
    end_keeper();
    drain_by_hand();
    sim_check(fl_load(&pool->tombstones, relaxed) == 0);
    free_pool_by_hand();
}

SCENARIO(what_is_cancelled_with_all_the_rest_is_over_or_has_run)
{
    filch_future *f;

    reset();
    START(.workers = 1);
    sim_check(submit_soon(&f) == 0);
    sim_clock_advance(4000); /* about now */
    cancel_all(NULL);
    filch_future_result(f, FILCH_FOREVER, NULL);
    sim_check(filch_future_cancelled(f) == (fl_load(&ran, relaxed) == 0));
    filch_future_release(f);
    end_pool();
}

SCENARIO(what_is_submitted_as_all_is_cancelled_is_accepted)
{
    reset();
    START(.workers = 1);
    sim_spawn(submit_one, NULL);
    cancel_all(NULL);
    sim_join_all();
    sim_check(accepted == 0);
    end_pool();
    sim_check(fl_load(&ran, relaxed) <= 1);
}

SCENARIO(a_closed_pool_ends_when_all_that_it_waits_for_is_cancelled)
{
    reset();
    START(.workers = 1);
    late = soon(LATE);
    sim_check(fl_pool_submit_at(pool, late, work, NULL, NULL) == 0);
    sim_check(fl_pool_shutdown(pool, FILCH_NO_WAIT, FILCH_FOREVER) == 0);
    cancel_all(NULL);
    end_pool();
    sim_check(fl_load(&ran, relaxed) == 0 && sim_clock() < late);
}

SCENARIO(cancelling_what_a_pool_waits_for_lets_it_end)
{
    filch_future *f;
    int64_t when;

    reset();
    START(.workers = 1);
    when = soon(LATE);
    sim_check(fl_pool_submit_at(pool, when, work, NULL, &f) == 0);
    sim_spawn(cancel, f);
    sim_check(fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER) == 0);
    sim_check(sim_clock() < when && fl_load(&ran, relaxed) == 0);
    sim_join_all();
    end_pool();
}

SCENARIO(what_never_comes_and_what_comes_again_ends_with_the_pool)
{
    filch_future *never, *again;

    reset();
    START(.workers = 1);
    sim_check(fl_pool_submit_at(pool, FILCH_FOREVER, work, NULL, &never) == 0);
    sim_check(fl_pool_submit_every(pool, soon(5000), LATE, work, NULL, &again) == 0);
    sim_check(fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER) == 0);
    sim_check(filch_future_cancelled(never) && filch_future_cancelled(again));
    sim_check(fl_load(&ran, relaxed) <= 1);
    filch_future_release(never);
    filch_future_release(again);
    end_pool();
}

static int destroy_from_inside(void *arg, void **result)
{
    (void)arg, (void)result;
    fl_pool_destroy(pool);
    return 0;
}

SCENARIO(a_task_that_waited_for_its_time_may_destroy_its_pool)
{
    filch_future *f;

    reset();
    START(.workers = 1);
    watch(NULL);
    sim_check(fl_pool_submit_at(pool, soon(5000), destroy_from_inside, NULL, &f) == 0);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
}

/* ---- a future with a deadline ---- */

static filch_future *promise;

static void complete_promise(void *arg)
{
    (void)arg;
    filch_promise_set_result(promise, &plain);
    filch_future_release(promise);
}

/* By hand: no worker is needed. */
static filch_future *timeout_of(filch_future *f, int64_t deadline, unsigned flags)
{
    filch_future *out = NULL;

    sim_check(fl_pool_timeout(pool, f, deadline, flags, &out) == 0);
    return out;
}

static void start_promise(void)
{
    start();
    reset();
    sim_check(filch_promise_create(&promise) == 0);
}

SCENARIO(a_future_is_in_time_or_its_time_is_up)
{
    filch_future *out;
    void *result = NULL;
    int status;

    start_promise();
    out = timeout_of(promise, soon(5000), 0);
    sim_spawn(complete_promise, NULL);
    status = filch_future_result(out, FILCH_FOREVER, &result);
    sim_check(status == 0 || status == FILCH_ETIMEDOUT);
    sim_check(status != 0 || result == &plain);
    filch_future_release(out);
    sim_join_all();
    finish();
}

/* The node that the first one has left is taken for the second, and may be told before that knows of it. */
SCENARIO(a_deadline_may_take_over_a_node_as_its_future_is_told)
{
    filch_future *first;
    filch_future *out;

    start_promise();
    filch_future_retain(promise);
    first = timeout_of(promise, late, 0);
    sim_check(filch_future_cancel(first));
    filch_future_release(first);
    sim_spawn(complete_promise, NULL);
    out = timeout_of(promise, late, 0);
    sim_check(filch_future_result(out, FILCH_FOREVER, NULL) == 0);
    filch_future_release(out);
    sim_join_all();
    filch_future_release(promise);
    finish();
}

SCENARIO(what_is_in_time_takes_its_timer_along)
{
    filch_future *out;

    start_promise();
    out = timeout_of(promise, late, 0);
    complete_promise(NULL);
    sim_check(filch_future_result(out, FILCH_NOW, NULL) == 0);
    sim_check(fl_wheel_next(pool->timers.wheel) == INT64_MAX);
    filch_future_release(out);
    finish();
}

static void cancel_out(void *out)
{
    filch_future_cancel(out);
}

SCENARIO(of_completion_time_and_cancellation_one_decides)
{
    filch_future *out;
    int status;

    start_promise();
    out = timeout_of(promise, soon(5000), 0);
    sim_spawn(complete_promise, NULL);
    sim_spawn(cancel_out, out);
    status = filch_future_result(out, FILCH_FOREVER, NULL);
    sim_check(status == 0 || status == FILCH_ETIMEDOUT || status == FILCH_ECANCELED);
    sim_join_all();
    sim_check(filch_future_result(out, FILCH_NOW, NULL) == status);
    filch_future_release(out);
    finish();
}

SCENARIO(when_the_time_is_up_the_old_future_is_cancelled_if_that_was_asked_for)
{
    filch_future *out;

    start_promise();
    out = timeout_of(promise, soon(5000), FILCH_TIMEOUT_CANCEL);
    sim_check(filch_future_result(promise, FILCH_FOREVER, NULL) == FILCH_ECANCELED);
    sim_check(filch_future_result(out, FILCH_NOW, NULL) == FILCH_ETIMEDOUT);
    filch_future_release(promise);
    filch_future_release(out);
    finish();
}

SCENARIO(a_deadline_without_memory_or_a_keeper_is_none, .alloc_faults = 1, .thread_faults = 1)
{
    filch_future *out = NULL;
    int status;

    sim_solo_begin();
    start_promise();
    sim_solo_end();
    status = fl_pool_timeout(pool, promise, late, 0, &out);
    sim_check(status == 0 || status == FILCH_ENOMEM || status == FILCH_EAGAIN);
    sim_check((out != NULL) == (status == 0));
    filch_promise_set_result(promise, NULL);
    if (out != NULL)
        sim_check(filch_future_result(out, FILCH_NOW, NULL) == 0);
    filch_future_release(promise);
    filch_future_release(out);
    finish();
}

SCENARIO(a_deadline_is_told_when_its_pool_ends_first)
{
    filch_future *out;
    int status;

    reset();
    START(.workers = 1);
    sim_check(filch_promise_create(&promise) == 0);
    out = timeout_of(promise, soon(LATE), 0);
    sim_spawn(complete_promise, NULL);
    sim_check(fl_pool_shutdown(pool, FILCH_DRAIN, FILCH_FOREVER) == 0);
    status = filch_future_result(out, FILCH_FOREVER, NULL); /* or it is being completed */
    sim_check(status == 0 || status == FILCH_ESHUTDOWN);
    sim_join_all();
    end_pool();
    filch_future_release(out); /* it keeps the memory, and frees it */
}

static void destroy_pool(filch_future *f, void *arg)
{
    (void)f, (void)arg;
    fl_pool_destroy(pool);
}

SCENARIO(whoever_is_told_that_the_time_is_up_may_destroy_the_pool)
{
    filch_future *out;

    reset();
    START(.workers = 1);
    watch(NULL);
    sim_check(filch_promise_create(&promise) == 0);
    out = timeout_of(promise, soon(5000), FILCH_TIMEOUT_CANCEL);
    sim_check(filch_future_add_done_callback(out, destroy_pool, NULL) == 0);
    sim_check(filch_future_result(promise, FILCH_FOREVER, NULL) == FILCH_ECANCELED);
    filch_future_release(promise);
    filch_future_release(out);
}

static fl_atomic(int) has_shut_down;

static void destroy_after_shutdown(filch_future *f, void *arg)
{
    SIM_AWAIT(fl_load(&has_shut_down, acquire) == 1); /* two calls on one handle are not at once */
    destroy_pool(f, arg);
}

/* The keeper tells what is left before the workers may end (stop.c, Q3). */
SCENARIO(whoever_is_told_that_the_pool_has_ended_may_destroy_it)
{
    filch_future *out;

    reset();
    START(.workers = 1);
    watch(NULL);
    sim_check(filch_promise_create(&promise) == 0);
    out = timeout_of(promise, soon(LATE), 0);
    fl_init(&has_shut_down, 0);
    sim_check(filch_future_add_done_callback(out, destroy_after_shutdown, NULL) == 0);
    sim_check(fl_pool_shutdown(pool, FILCH_NO_WAIT, FILCH_NOW) == 0);
    fl_store(&has_shut_down, 1, release);
    sim_check(filch_future_result(out, FILCH_FOREVER, NULL) == FILCH_ESHUTDOWN);
    filch_future_release(promise);
    filch_future_release(out);
}
