/* SPDX-License-Identifier: MIT
 *
 * test_callbacks.c: callbacks of jobs: which thread runs them, and what they may wait for there. */
/* link: -Wl,--wrap=fl_future_finish */
#include <pthread.h>

#include "process/jobs.h"
#include "process/two_words.h"

#include "base/atomic.h"
#include "future/future.h"

/* ---- in the executor's thread */

struct asked {
    filch_executor *ex;
    filch_future *open[2]; /* not over while it is asked */
    int one, look, soon, all, looks, next, map, unordered, idle;
    bool is_first_over;
    fl_atomic(uint32_t) is_done;
};

static bool next_gate(void *source, const void **bytes, size_t *len)
{
    struct gate **g = source;

    if (*g == NULL)
        return false;
    *bytes = (*g)->names;
    *len = (*g)->len;
    *g = NULL;
    return true;
}

static int first_of_map(filch_executor *ex, struct gate *g, unsigned flags)
{
    filch_map_options options = {.size = sizeof options, .window = 1, .flags = flags};
    struct gate *source = g;
    filch_job_map *map;
    int status = filch_map_jobs(ex, "gate", next_gate, &source, &options, &map);

    if (status != 0)
        return status;
    status = filch_job_map_next(map, NULL, NULL);
    filch_job_map_close(map);
    return status;
}

static struct gate the_gate;

static void ask(filch_future *f, void *user)
{
    struct asked *a = user;
    filch_future *futures[3] = {a->open[0], f, a->open[1]};
    filch_completion *it;
    filch_future *done;

    a->one = filch_future_result(a->open[0], FILCH_FOREVER, NULL);
    a->look = filch_future_result(a->open[0], FILCH_NOW, NULL);
    a->soon = filch_future_result(a->open[0], filch_in_s(3600), NULL);
    a->all = (int)filch_wait(futures, 3, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    a->looks = (int)filch_wait(futures, 3, FILCH_ALL_COMPLETED, FILCH_NOW);
    a->next = filch_as_completed(&it, futures, 3, FILCH_FOREVER);
    if (a->next == 0) {
        a->is_first_over = filch_completion_next(it, &done) == 0 && done == f;
        a->next = filch_completion_next(it, &done);
        filch_completion_close(it);
    }
    a->map = first_of_map(a->ex, &the_gate, 0);
    a->unordered = first_of_map(a->ex, &the_gate, FILCH_MAP_UNORDERED);
    a->idle = filch_executor_wait_idle(a->ex, FILCH_FOREVER);
    fl_store(&a->is_done, 1, release);
}

TEST(a_callback_that_would_wait_for_what_its_own_thread_tells_is_told_so)
{
    filch_executor *ex = processes(3);
    struct asked a = {.ex = ex};
    struct gate g = gate_make();
    filch_future *over;

    the_gate = gate_make();
    a.open[0] = submit(ex, "gate", the_gate.names, the_gate.len);
    gate_await(&the_gate);
    a.open[1] = submit(ex, "gate", the_gate.names, the_gate.len);
    over = submit(ex, "gate", g.names, g.len);
    assert_int_equal(filch_future_add_done_callback(over, ask, &a), 0);
    gate_open(&g); /* now: it would be asked in this thread otherwise */
    while (fl_load(&a.is_done, acquire) == 0)
        usleep(100);
    gate_open(&the_gate);
    assert_int_equal(a.one, FILCH_EDEADLK);
    assert_int_equal(a.look, FILCH_ETIMEDOUT); /* to look is not to wait */
    assert_int_equal(a.soon, FILCH_EDEADLK);
    assert_int_equal(a.all, FILCH_EDEADLK);
    assert_int_equal(a.looks, 1);
    assert_true(a.is_first_over);
    assert_int_equal(a.next, FILCH_EDEADLK);
    assert_int_equal(a.map, FILCH_EDEADLK);
    assert_int_equal(a.unordered, FILCH_EDEADLK);
    assert_int_equal(a.idle, FILCH_EDEADLK);
    filch_future_release(over);
    assert_int_equal(status_of(a.open[0]), 0);
    assert_int_equal(status_of(a.open[1]), 0);
    filch_executor_destroy(ex);
    gate_remove(&the_gate);
    gate_remove(&g);
}

/* ---- added late */

static fl_atomic(
    filch_future *) late; /* gets a callback as the thread that waits for it is about to tell it */
static pthread_t waiter;
static bool was_late;
static fl_atomic(uint32_t) is_told;
static pthread_t teller;

static void note_teller(filch_future *f, void *user)
{
    (void)f;
    (void)user;
    teller = pthread_self();
    fl_store(&is_told, 1, release);
}

void __real_fl_future_finish(filch_future *f, int status, void *value);
void __wrap_fl_future_finish(filch_future *f, int status, void *value);

void __wrap_fl_future_finish(filch_future *f, int status, void *value)
{
    if (f == fl_load(&late, relaxed) && pthread_equal(pthread_self(), waiter)) {
        was_late = true;
        test_check(filch_future_add_done_callback(f, note_teller, NULL) == 0);
    }
    __real_fl_future_finish(f, status, value);
}

TEST(a_callback_that_is_added_late_is_not_run_by_a_thread_that_waits)
{
    filch_executor *ex;

    need_two_words();
    ex = processes(1);
    waiter = pthread_self();
    while (!was_late) {
        filch_future *f = submit_ns(ex, "sleep", 1000000);

        fl_store(&late, f, relaxed);
        assert_int_equal(filch_future_result(f, FILCH_FOREVER, NULL), 0);
        fl_store(&late, NULL, relaxed);
        filch_future_release(f);
    }
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(fl_load(&is_told, acquire), 1);
    assert_false(pthread_equal(teller, waiter));
    filch_executor_destroy(ex);
}
