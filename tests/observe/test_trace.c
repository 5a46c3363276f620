/* SPDX-License-Identifier: MIT
 *
 * test_trace.c: the trace tells what each worker did, in order, by name, and what it had no room
 * for. */
#include "sched/work.h"

enum {
    WORKERS = 8, /* and spares: as many as a test looks at */
    DEEPEST = 64
};

static filch_executor *traced(unsigned workers, size_t events)
{
    return pool_with((filch_options){.workers = workers, .trace_events = events});
}

TEST(without_trace_events_there_is_no_trace)
{
    filch_executor *ex = pool_of(1);
    filch_trace_event event;

    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(filch_executor_trace_next(ex, &event), FILCH_ENOTSUP);
    assert_int_equal(filch_executor_name_function(ex, task_echo, "echo"), 0);
    assert_int_equal(stats_of(ex).trace_dropped, 0);
    filch_executor_destroy(ex);
}

TEST(kinds_have_names)
{
    assert_string_equal(filch_trace_kind_name(FILCH_TRACE_START), "start");
    assert_string_equal(filch_trace_kind_name(FILCH_TRACE_END), "end");
    assert_string_equal(filch_trace_kind_name(FILCH_TRACE_STEAL), "steal");
    assert_string_equal(filch_trace_kind_name(FILCH_TRACE_PARK), "park");
    assert_string_equal(filch_trace_kind_name(FILCH_TRACE_UNPARK), "unpark");
    assert_null(filch_trace_kind_name(0));
    assert_null(filch_trace_kind_name(FILCH_TRACE_UNPARK + 1));
    assert_null(filch_trace_kind_name(UINT32_MAX));
}

/* ---- What a worker's events tell, one after the other ---- */

struct story {
    uint64_t kinds[FILCH_TRACE_UNPARK + 1];
    struct {
        int64_t time_ns;
        bool parked;
        unsigned depth;
        filch_task_fn *running[DEEPEST];
    } worker[WORKERS];
};

static void hear(struct story *s, const filch_trace_event *e)
{
    assert_in_range(e->kind, FILCH_TRACE_START, FILCH_TRACE_UNPARK);
    assert_in_range(e->worker, 0, WORKERS - 1);
    s->kinds[e->kind]++;
    assert_true(e->time_ns > 0 && e->time_ns >= s->worker[e->worker].time_ns);
    s->worker[e->worker].time_ns = e->time_ns;
    assert_int_equal(s->worker[e->worker].parked, e->kind == FILCH_TRACE_UNPARK);
    if (e->kind == FILCH_TRACE_PARK || e->kind == FILCH_TRACE_UNPARK) {
        assert_null(e->fn);
        assert_null(e->name);
        s->worker[e->worker].parked = e->kind == FILCH_TRACE_PARK;
        return;
    }
    assert_non_null((void *)(uintptr_t)e->fn);
    if (e->kind == FILCH_TRACE_START) {
        assert_in_range(s->worker[e->worker].depth, 0, DEEPEST - 1);
        s->worker[e->worker].running[s->worker[e->worker].depth++] = e->fn;
    } else if (e->kind == FILCH_TRACE_END) {
        assert_in_range(s->worker[e->worker].depth, 1, DEEPEST);
        assert_true(s->worker[e->worker].running[--s->worker[e->worker].depth] == e->fn);
    }
}

static void hear_all(struct story *s, filch_executor *ex)
{
    filch_trace_event event;
    int status;

    while ((status = filch_executor_trace_next(ex, &event)) == 0)
        hear(s, &event);
    assert_int_equal(status, FILCH_EEND);
}

/* Nothing has been dropped: what was told is all there was. */
static void check_whole(const struct story *s, filch_executor *ex)
{
    filch_executor_stats stats = stats_of(ex);

    assert_int_equal(stats.trace_dropped, 0);
    assert_int_equal(s->kinds[FILCH_TRACE_START], stats.executed);
    assert_int_equal(s->kinds[FILCH_TRACE_END], stats.executed);
    assert_int_equal(s->kinds[FILCH_TRACE_PARK], stats.parks);
    assert_int_equal(s->kinds[FILCH_TRACE_UNPARK], stats.wakes);
    assert_int_equal(s->kinds[FILCH_TRACE_STEAL], stats.stolen);
    for (int i = 0; i < WORKERS; i++) {
        assert_int_equal(s->worker[i].depth, 0);
        assert_false(s->worker[i].parked);
    }
}

struct branch {
    filch_executor *ex;
    unsigned height;
};

static int task_leaf(void *arg, void **result)
{
    return task_echo(arg, result);
}

static int task_branch(void *arg, void **result)
{
    struct branch *b = arg;
    struct branch below = {b->ex, b->height - 1};
    filch_task_fn *fn = below.height == 0 ? task_leaf : task_branch;
    filch_future *f[2] = {submit(b->ex, fn, &below), submit(b->ex, fn, &below)};

    test_check(finish(f[0]) == 0);
    *result = NULL;
    return finish(f[1]);
}

TEST(starts_and_ends_nest_and_sleeps_alternate_on_each_worker)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_executor *ex = traced(workers, 100000);
        struct branch b = {ex, 8};
        static struct story s;

        s = (struct story){0};
        for (int i = 0; i < 5; i++) {
            assert_int_equal(finish(submit(ex, task_branch, &b)), 0);
            assert_int_equal(finish(submit(ex, task_fail, number(1))), 1);
            hear_all(&s, ex);
        }
        assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
        hear_all(&s, ex);
        check_whole(&s, ex);
        assert_int_equal(s.kinds[FILCH_TRACE_START], 5 * (511 + 1));
        filch_executor_destroy(ex);
    }
}

TEST(a_cancelled_task_is_not_in_the_trace)
{
    filch_executor *ex = traced(1, 1000);
    struct hold hold = {0};
    static struct story s;

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_leaf, NULL);
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    let_go(&hold);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    hear_all(&s, ex);
    assert_int_equal(s.kinds[FILCH_TRACE_START], 1);
    check_whole(&s, ex);
    filch_executor_destroy(ex);
}

/* ---- Sleeping ---- */

static void await_all_parked(filch_executor *ex, unsigned workers)
{
    filch_executor_stats s;

    do {
        sched_yield();
        s = stats_of(ex);
    } while (s.parks - s.wakes != workers);
}

TEST(falling_asleep_and_waking_up_are_told)
{
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .trace_events = 1000, .spin_ns = -1});
    static struct story s;

    for (uint64_t i = 1; i <= 10; i++) {
        await_all_parked(ex, 1);
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        hear_all(&s, ex);
        assert_in_range(s.kinds[FILCH_TRACE_UNPARK], i, UINT64_MAX);
        assert_int_equal(s.kinds[FILCH_TRACE_START], i);
    }
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    hear_all(&s, ex);
    check_whole(&s, ex);
    filch_executor_destroy(ex);
}

/* ---- Stealing ---- */

struct theft {
    filch_executor *ex;
    struct gate gate;
};

static int task_open(void *arg, void **result)
{
    gate_open(arg);
    *result = NULL;
    return 0;
}

static int task_be_robbed(void *arg, void **result)
{
    struct theft *t = arg;

    test_check(filch_submit(t->ex, task_open, &t->gate, NULL) == 0);
    gate_pass(&t->gate); /* until another worker has run what lies on this one's deque */
    *result = NULL;
    return 0;
}

TEST(a_theft_is_told_by_the_thief_with_what_it_took)
{
    struct theft t = {.ex = traced(2, 1000)};
    filch_trace_event event;
    unsigned steals = 0;
    uint32_t victim = WORKERS;
    uint32_t thief = WORKERS;

    assert_int_equal(finish(submit(t.ex, task_be_robbed, &t)), 0);
    assert_int_equal(filch_executor_shutdown(t.ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    while (filch_executor_trace_next(t.ex, &event) == 0) {
        if (event.fn == task_be_robbed)
            victim = event.worker;
        if (event.kind != FILCH_TRACE_STEAL)
            continue;
        steals++;
        thief = event.worker;
        assert_true(event.fn == task_open);
    }
    assert_int_equal(steals, 1);
    assert_in_range(victim, 0, 1);
    assert_int_equal(thief, 1 - victim);
    filch_executor_destroy(t.ex);
}

/* A waits for B, which another worker runs; A takes from B's deque what opens B's gate. */
struct leap {
    filch_executor *ex;
    struct gate begun;
    struct gate done;
};

static int task_b(void *arg, void **result)
{
    struct leap *l = arg;

    test_check(filch_submit(l->ex, task_open, &l->done, NULL) == 0);
    gate_open(&l->begun);
    gate_pass(&l->done);
    *result = NULL;
    return 0;
}

static int task_a(void *arg, void **result)
{
    struct leap *l = arg;
    filch_future *f = submit(l->ex, task_b, l);

    gate_pass(&l->begun); /* until the other worker has taken it */
    *result = NULL;
    return finish(f);
}

TEST(a_theft_of_a_worker_that_helps_is_told_too)
{
    struct leap l = {.ex = traced(2, 1000)};
    static struct story s;

    assert_int_equal(finish(submit(l.ex, task_a, &l)), 0);
    assert_int_equal(filch_executor_shutdown(l.ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(l.ex).stolen, 2);
    hear_all(&s, l.ex);
    check_whole(&s, l.ex);
    filch_executor_destroy(l.ex);
}

/* ---- Names ---- */

/* The name that the trace gives each of the two functions; run once each. */
static void read_names(filch_executor *ex, const char **echo, const char **leaf)
{
    filch_trace_event event;

    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(finish(submit(ex, task_leaf, NULL)), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    while (filch_executor_trace_next(ex, &event) == 0) {
        if (event.fn == task_echo)
            *echo = event.name;
        else if (event.fn == task_leaf)
            *leaf = event.name;
        else
            assert_null(event.name);
    }
}

TEST(a_function_is_called_by_the_last_name_it_was_given)
{
    filch_executor *ex = traced(1, 1000);
    const char *echo = "unset";
    const char *leaf = "unset";
    char own[] = "a name that is not copied";

    read_names(ex, &echo, &leaf);
    assert_null(echo);
    assert_null(leaf);

    assert_int_equal(filch_executor_name_function(ex, task_echo, "echo"), 0);
    read_names(ex, &echo, &leaf);
    assert_string_equal(echo, "echo");
    assert_null(leaf);

    assert_int_equal(filch_executor_name_function(ex, task_leaf, "leaf"), 0);
    assert_int_equal(filch_executor_name_function(ex, task_echo, own), 0);
    read_names(ex, &echo, &leaf);
    assert_ptr_equal(echo, own);
    assert_string_equal(leaf, "leaf");

    assert_int_equal(filch_executor_name_function(ex, NULL, "none"), FILCH_EINVAL);
    assert_int_equal(filch_executor_name_function(ex, task_leaf, NULL), FILCH_EINVAL);
    read_names(ex, &echo, &leaf);
    assert_string_equal(leaf, "leaf");
    filch_executor_destroy(ex);
}

TEST(two_executors_may_call_a_function_differently)
{
    filch_executor *a = traced(1, 1000);
    filch_executor *b = traced(1, 1000);
    const char *names[2] = {NULL, NULL};
    const char *leaf = NULL;

    assert_int_equal(filch_executor_name_function(a, task_echo, "a's"), 0);
    assert_int_equal(filch_executor_name_function(b, task_echo, "b's"), 0);
    read_names(a, &names[0], &leaf);
    read_names(b, &names[1], &leaf);
    assert_string_equal(names[0], "a's");
    assert_string_equal(names[1], "b's");
    filch_executor_destroy(a);
    filch_executor_destroy(b);
}

static void name_and_run(unsigned i, void *arg)
{
    static const char *const names[] = {"zero", "one", "two", "three"};

    for (size_t n = test_scaled(2000); n > 0; n--) {
        test_check(
            filch_executor_name_function(arg, n % 2 == 0 ? task_echo : task_leaf, names[i]) == 0);
        test_check(finish(submit(arg, n % 2 == 0 ? task_echo : task_leaf, NULL)) == 0);
    }
}

TEST(four_threads_may_name_functions_at_once)
{
    filch_executor *ex = traced(2, 100);
    const char *echo = NULL;
    const char *leaf = NULL;
    filch_trace_event event;

    test_threads(4, name_and_run, ex);
    while (filch_executor_trace_next(ex, &event) == 0)
        continue;
    read_names(ex, &echo, &leaf);
    assert_non_null(echo);
    assert_non_null(leaf);
    filch_executor_destroy(ex);
}

/* ---- A full ring ---- */

TEST(events_that_find_their_ring_full_are_dropped_and_counted)
{
    static const size_t rooms[] = {1, 2, 5, 64};

    for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
        filch_executor *ex = traced(1, rooms[i]);
        filch_trace_event event;
        uint64_t heard = 0;

        for (int n = 0; n < 200; n++)
            assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_in_range(stats_of(ex).trace_dropped, 1, UINT64_MAX);
        while (filch_executor_trace_next(ex, &event) == 0)
            heard++;
        assert_in_range(heard, rooms[i], UINT64_MAX);

        /* There is room again. */
        assert_int_equal(finish(submit(ex, task_leaf, NULL)), 0);
        assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
        while (filch_executor_trace_next(ex, &event) == 0)
            heard++;
        filch_executor_stats s = stats_of(ex);
        assert_int_equal(heard + s.trace_dropped, 2 * s.executed + s.parks + s.wakes + s.stolen);
        assert_int_equal(s.executed, 201);
        filch_executor_destroy(ex);
    }
}

TEST(a_reader_that_keeps_up_loses_nothing)
{
    filch_executor *ex = traced(1, 64);
    static struct story s;

    for (int i = 0; i < 500; i++) {
        assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
        hear_all(&s, ex);
    }
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    hear_all(&s, ex);
    check_whole(&s, ex);
    filch_executor_destroy(ex);
}
