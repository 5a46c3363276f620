/* SPDX-License-Identifier: MIT
 *
 * sim_cq.c: the completion queue and the iterator over what is over, against those who complete. */
#include "sim/sim.h"

#include <filch/filch.h>

static filch_future *f[3];
static filch_cq *cq;

static void promises(int n)
{
    sim_solo_begin();
    for (int i = 0; i < n; i++)
        sim_check(filch_promise_create(&f[i]) == 0);
    sim_solo_end();
}

static void release_all(int n)
{
    for (int i = 0; i < n; i++)
        filch_future_release(f[i]);
}

static void set(void *future)
{
    filch_promise_set_result(future, future);
}

static void set_and_release(void *future)
{
    filch_promise_set_result(future, future);
    filch_future_release(future);
}

static void cancel(void *future)
{
    filch_future_cancel(future);
}

static void queue_with(int n)
{
    sim_solo_begin();
    sim_check(filch_cq_create(&cq) == 0);
    for (int i = 0; i < n; i++)
        sim_check(filch_cq_add(cq, f[i]) == 0);
    sim_solo_end();
}

/* Bits of those taken; each once. */
static unsigned seen;

static void see(filch_future *done)
{
    for (unsigned i = 0; i < 3; i++) {
        if (f[i] == done) {
            sim_check((seen & 1U << i) == 0);
            seen |= 1U << i;
        }
    }
    sim_check(filch_future_done(done));
}

static void next_until(unsigned all)
{
    seen = 0;
    while (seen != all) {
        filch_future *done = NULL;

        sim_check(filch_cq_next(cq, FILCH_FOREVER, &done) == 0);
        see(done);
        filch_future_release(done);
    }
}

SCENARIO(whoever_waits_gets_what_two_threads_complete, .spurious = 1)
{
    promises(2);
    queue_with(2);
    sim_spawn(set, f[0]);
    sim_spawn(cancel, f[1]);
    next_until(3);
    sim_join_all();
    filch_cq_destroy(cq);
    release_all(2);
}

SCENARIO(the_queue_alone_keeps_a_future_that_nobody_else_has)
{
    filch_future *done = NULL;

    promises(1);
    queue_with(1);
    sim_spawn(set_and_release, f[0]);
    sim_check(filch_cq_next(cq, FILCH_FOREVER, &done) == 0);
    sim_check(filch_future_done(done));
    filch_future_release(done);
    sim_join_all();
    filch_cq_destroy(cq);
}

static void take_all_by_fd(unsigned all)
{
    int fd = filch_cq_fd(cq);

    seen = 0;
    while (seen != all) {
        filch_future *done[1];

        SIM_AWAIT(sim_fd_is_readable(fd));
        while (filch_cq_take(cq, done, 1) == 1) {
            see(done[0]);
            filch_future_release(done[0]);
        }
    }
}

SCENARIO(an_event_loop_that_sleeps_on_the_descriptor_misses_nothing)
{
    promises(2);
    queue_with(2);
    sim_spawn(set, f[0]);
    sim_spawn(set, f[1]);
    take_all_by_fd(3);
    sim_join_all();
    filch_cq_destroy(cq);
    release_all(2);
}

SCENARIO(a_descriptor_that_is_asked_for_late_tells_of_what_was_there)
{
    filch_future *done = NULL;

    promises(2);
    queue_with(2);
    sim_spawn(set, f[0]);
    sim_spawn(set, f[1]);
    if (filch_cq_next(cq, FILCH_NOW, &done) == 0) {
        filch_future_release(done);
        take_all_by_fd(done == f[0] ? 2 : 1);
    } else {
        take_all_by_fd(3);
    }
    sim_join_all();
    filch_cq_destroy(cq);
    release_all(2);
}

SCENARIO(what_one_take_leaves_keeps_the_descriptor_readable)
{
    filch_future *done[1];
    int fd;

    promises(2);
    queue_with(2);
    fd = filch_cq_fd(cq);
    sim_spawn(set, f[0]);
    sim_spawn(set, f[1]);
    for (int taken = 0; taken < 2;) {
        SIM_AWAIT(sim_fd_is_readable(fd));
        if (filch_cq_take(cq, done, 1) == 1) {
            filch_future_release(done[0]);
            taken++;
        }
    }
    sim_join_all();
    filch_cq_destroy(cq);
    release_all(2);
}

SCENARIO(a_queue_that_is_destroyed_lets_go_of_everything)
{
    promises(2);
    queue_with(2);
    sim_check(filch_cq_fd(cq) >= 0);
    sim_spawn(set, f[0]);
    sim_spawn(set, f[1]);
    filch_cq_destroy(cq);
    sim_join_all();
    release_all(2);
}

static void add(void *future)
{
    sim_check(filch_cq_add(cq, future) == 0);
}

SCENARIO(a_future_that_is_over_while_it_is_added_comes_once)
{
    promises(1);
    queue_with(0);
    sim_spawn(add, f[0]);
    sim_spawn(set, f[0]);
    next_until(1);
    sim_join_all();
    filch_cq_destroy(cq);
    release_all(1);
}

SCENARIO(adding_without_memory_adds_nothing, .alloc_faults = 1)
{
    filch_future *done = NULL;
    int status;

    promises(1);
    queue_with(0);
    sim_spawn(set, f[0]);
    status = filch_cq_add(cq, f[0]);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    sim_join_all();
    if (status == 0) {
        sim_check(filch_cq_next(cq, FILCH_NOW, &done) == 0);
        filch_future_release(done);
    }
    sim_check(filch_cq_next(cq, FILCH_NOW, &done) == FILCH_ETIMEDOUT);
    filch_cq_destroy(cq);
    release_all(1);
}

SCENARIO(a_wait_that_times_out_loses_nothing, .timeouts = 1)
{
    filch_future *done = NULL;
    int status;

    promises(1);
    queue_with(1);
    sim_spawn(set, f[0]);
    status = filch_cq_next(cq, sim_clock() + 1000, &done);
    if (status == FILCH_ETIMEDOUT)
        sim_check(filch_cq_next(cq, FILCH_FOREVER, &done) == 0);
    filch_future_release(done);
    sim_join_all();
    filch_cq_destroy(cq);
    release_all(1);
}

/* The consumer polls: whoever is stopped may owe it a wake (C5). */
SCENARIO(a_settler_that_stops_for_ever_stops_no_other, .freezes = true)
{
    filch_future *done[2];
    size_t taken = 0;

    promises(2);
    queue_with(2);
    sim_spawn(set, f[0]);
    sim_spawn(set, f[1]);
    sim_join_all();
    while (taken < (sim_frozen() < 0 ? 2 : 1))
        taken += filch_cq_take(cq, done, 2);
    if (sim_frozen() >= 0)
        return;
    filch_cq_destroy(cq);
    release_all(2);
    release_all(2);
}

/* ---- the iterator ---- */

SCENARIO(each_future_comes_once_in_the_order_of_completion)
{
    filch_completion *it;
    filch_future *all[3];
    filch_future *done;

    promises(2);
    all[0] = f[0];
    all[1] = f[1];
    all[2] = f[0];
    sim_solo_begin();
    sim_check(filch_as_completed(&it, all, 3, FILCH_FOREVER) == 0);
    sim_solo_end();
    sim_spawn(set, f[0]);
    sim_spawn(cancel, f[1]);
    seen = 0;
    while (filch_completion_next(it, &done) == 0)
        see(done);
    sim_check(seen == 3);
    sim_check(filch_completion_next(it, &done) == FILCH_EEND);
    filch_completion_close(it);
    sim_join_all();
    release_all(2);
}

SCENARIO(what_is_over_while_the_iterator_is_made_comes_once)
{
    filch_completion *it;
    filch_future *done;

    promises(2);
    sim_spawn(set, f[1]);
    sim_check(filch_as_completed(&it, f, 2, FILCH_FOREVER) == 0);
    seen = 0;
    sim_check(filch_completion_next(it, &done) == 0);
    see(done);
    sim_check(seen == 2);
    filch_completion_close(it);
    sim_join_all();
    filch_promise_set_result(f[0], NULL);
    release_all(2);
}

SCENARIO(an_iterator_that_is_closed_leaves_no_trace)
{
    filch_completion *it;
    filch_completion *again;
    filch_future *done;

    promises(2);
    sim_solo_begin();
    sim_check(filch_as_completed(&it, f, 2, FILCH_FOREVER) == 0);
    sim_solo_end();
    sim_spawn(set, f[0]);
    filch_completion_close(it);
    sim_check(filch_as_completed(&again, f, 1, FILCH_FOREVER) == 0);
    sim_check(filch_completion_next(again, &done) == 0 && done == f[0]);
    filch_completion_close(again);
    sim_join_all();
    release_all(2);
}

SCENARIO(an_iterator_whose_time_is_up_still_gives_what_is_over, .timeouts = 1)
{
    filch_completion *it;
    filch_future *done;
    int status;

    promises(1);
    sim_check(filch_as_completed(&it, f, 1, sim_clock() + 1000) == 0);
    sim_spawn(set, f[0]);
    status = filch_completion_next(it, &done);
    sim_check(status == 0 || status == FILCH_ETIMEDOUT);
    sim_join_all();
    sim_check(filch_completion_next(it, &done) == (status == 0 ? FILCH_EEND : 0));
    filch_completion_close(it);
    release_all(1);
}

SCENARIO(an_iterator_for_which_there_is_no_memory_leaves_no_trace, .alloc_faults = 1)
{
    filch_completion *it;
    int status;

    promises(2);
    sim_spawn(set, f[0]);
    status = filch_as_completed(&it, f, 2, FILCH_FOREVER);
    sim_check(status == 0 || status == FILCH_ENOMEM);
    if (status == 0)
        filch_completion_close(it);
    sim_join_all();
    release_all(2);
}
