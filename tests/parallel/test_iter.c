/* SPDX-License-Identifier: MIT
 *
 * test_iter.c: filch_map: results of one function over a source, one by one: in order or as they come,
 * never more arguments on the way than the window holds, and each of them either called with or
 * dropped, once, whatever ends the map. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include "base/clock.h"

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Sources ---- */

enum {
    MOST = 20000
};

/* Gives n arguments, and keeps account of each: an argument is its own entry in the account. */
struct source {
    size_t n; /* SIZE_MAX: without an end, taken round */
    size_t given;
    size_t dropped;
    bool is_dry; /* has said that there are no more */
    struct item {
        fl_atomic(uint32_t) called;
        uint32_t dropped;
        struct source *source;
    } item[MOST];
};

static struct source src;

static struct source *source_of(size_t n)
{
    memset(&src, 0, sizeof src);
    src.n = n;
    for (size_t i = 0; i < MOST; i++)
        src.item[i].source = &src;
    return &src;
}

static bool next_item(void *source, void **arg)
{
    struct source *s = source;

    test_check(!s->is_dry);
    if (s->given == s->n) {
        s->is_dry = true;
        return false;
    }
    *arg = &s->item[s->given++ % MOST];
    return true;
}

static void drop_item(void *source, void *arg)
{
    struct source *s = source;
    struct item *item = arg;

    test_check(item->source == s);
    item->dropped++;
    s->dropped++;
}

static intptr_t index_of(const struct item *item)
{
    return item - item->source->item;
}

static int call(void *arg, void **result)
{
    struct item *item = arg;

    fl_add(&item->called, 1, relaxed); /* count */
    *result = item;
    return 0;
}

/* What was given has been called with once, or dropped once. For an executor that is at rest. */
static void check_account(const struct source *s)
{
    size_t dropped = 0;

    for (size_t i = 0; i < s->given; i++) {
        const struct item *item = &s->item[i];

        test_check(fl_load(&item->called, relaxed) + item->dropped == 1); /* count */
        dropped += item->dropped;
    }
    for (size_t i = s->given; i < MOST; i++)
        test_check(fl_load(&s->item[i].called, relaxed) + s->item[i].dropped == 0); /* count */
    test_check(dropped == s->dropped);
}

static size_t calls_made(const struct source *s)
{
    return s->given - s->dropped;
}

static filch_map_iter *map_with(filch_executor *ex, filch_task_fn *fn, struct source *s,
                                filch_map_options o)
{
    filch_map_iter *it = NULL;

    o.size = sizeof o;
    o.drop = drop_item;
    test_check(filch_map(ex, fn, next_item, s, &o, &it) == 0);
    test_check(it != NULL);
    return it;
}

static void check_end(filch_map_iter *it)
{
    void *result = &src;

    for (int i = 0; i < 3; i++)
        test_check(filch_map_next(it, &result) == FILCH_EEND);
    test_check(result == &src);
}

static intptr_t next_index(filch_map_iter *it)
{
    void *result = NULL;

    test_check(filch_map_next(it, &result) == 0);
    return index_of(result);
}

/* ---- Order ---- */

TEST(r28_m1_results_come_in_the_order_of_the_arguments)
{
    static const size_t windows[] = {0, 1, 2, 7, 100, FILCH_MAP_ALL};
    static const size_t chunks[] = {0, 1, 3, 8, 1000};

    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool_of(workers);

        for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
            for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
                size_t n = test_scaled(300);
                struct source *s = source_of(n);
                filch_map_iter *it = map_with(
                    ex, call, s, (filch_map_options){.window = windows[w], .chunk = chunks[c]});

                for (size_t i = 0; i < n; i++)
                    assert_int_equal(next_index(it), i);
                check_end(it);
                filch_map_close(it);
                check_account(s);
                assert_int_equal(s->dropped, 0);
            }
        }
        filch_executor_destroy(ex);
    }
}

TEST(m4_unordered_each_result_comes_once)
{
    static const size_t windows[] = {0, 1, 7, FILCH_MAP_ALL};
    static const size_t chunks[] = {0, 3, 1000};
    static bool seen[MOST];

    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool_of(workers);

        for (size_t w = 0; w < sizeof windows / sizeof windows[0]; w++) {
            for (size_t c = 0; c < sizeof chunks / sizeof chunks[0]; c++) {
                size_t n = test_scaled(300);
                struct source *s = source_of(n);
                filch_map_iter *it = map_with(ex, call, s,
                                              (filch_map_options){.window = windows[w],
                                                                  .chunk = chunks[c],
                                                                  .flags = FILCH_MAP_UNORDERED});

                memset(seen, 0, sizeof seen);
                for (size_t i = 0; i < n; i++) {
                    intptr_t index = next_index(it);

                    assert_false(seen[index]);
                    seen[index] = true;
                }
                check_end(it);
                filch_map_close(it);
                check_account(s);
            }
        }
        filch_executor_destroy(ex);
    }
}

/* A call that stops at the gate if it is the first. */
static struct gate gate;

static int call_first_stops(void *arg, void **result)
{
    if (index_of(arg) == 0)
        gate_pass(&gate);
    return call(arg, result);
}

TEST(m4_unordered_a_slow_call_holds_up_no_other)
{
    filch_executor *ex = pool_of(2);
    struct source *s = source_of(100);

    gate = (struct gate){0};
    filch_map_iter *it = map_with(ex, call_first_stops, s,
                                  (filch_map_options){.window = 4, .flags = FILCH_MAP_UNORDERED});
    for (int i = 1; i < 100; i++)
        assert_true(next_index(it) != 0);
    gate_open(&gate);
    assert_int_equal(next_index(it), 0);
    check_end(it);
    filch_map_close(it);
    check_account(s);
    filch_executor_destroy(ex);
}

TEST(m1_ordered_a_slow_call_holds_the_source_up_at_the_window)
{
    filch_executor *ex = pool_of(2);
    struct source *s = source_of(100);

    gate = (struct gate){0};
    filch_map_iter *it = map_with(ex, call_first_stops, s,
                                  (filch_map_options){.window = 4, .deadline = filch_in_ms(20)});
    gate_await(&gate, 1);
    assert_int_equal(filch_map_next(it, NULL), FILCH_ETIMEDOUT);
    assert_int_equal(s->given, 4);
    gate_open(&gate);
    filch_map_close(it);
    filch_executor_destroy(ex);
    check_account(s);
}

TEST(of_no_arguments_the_end_comes_at_once)
{
    filch_executor *ex = pool_of(1);

    for (unsigned flags = 0; flags <= 3; flags++) {
        struct source *s = source_of(0);
        filch_map_iter *it = map_with(ex, call, s, (filch_map_options){.flags = flags});

        assert_true(s->is_dry);
        check_end(it);
        filch_map_close(it);
    }
    filch_map_close(NULL);
    assert_int_equal(stats_of(ex).submitted, 0);
    filch_executor_destroy(ex);
}

/* ---- The window ---- */

TEST(r32_m2_for_each_result_one_argument_is_taken_and_the_window_stays_full)
{
    static const size_t windows[] = {1, 2, 5, 64};

    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(2);

        for (size_t w = 0; w < 4; w++) {
            enum {
                N = 200
            };
            struct source *s = source_of(N);
            filch_map_iter *it =
                map_with(ex, call, s, (filch_map_options){.window = windows[w], .flags = flags});

            for (size_t i = 0; i < N; i++) {
                size_t expected = i + windows[w];

                assert_int_equal(s->given, expected < N ? expected : N);
                next_index(it);
            }
            check_end(it);
            filch_map_close(it);
            check_account(s);
        }
        filch_executor_destroy(ex);
    }
}

TEST(r32_by_default_the_window_is_four_chunks_for_each_worker)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        for (size_t chunk = 1; chunk <= 3; chunk += 2) {
            filch_executor *ex = pool_of(workers);
            struct source *s = source_of(100);
            filch_map_iter *it = map_with(ex, call, s, (filch_map_options){.chunk = chunk});

            for (size_t i = 0; i < 20; i++) {
                assert_int_equal(s->given, (4 * workers + i / chunk) * chunk);
                assert_int_equal(next_index(it), i);
            }
            filch_map_close(it);
            filch_executor_destroy(ex);
            check_account(s);
        }
    }
}

TEST(without_options_a_map_has_every_default)
{
    filch_executor *ex = pool_of(1);
    struct source *s = source_of(30);
    filch_map_iter *it = NULL;

    assert_int_equal(filch_map(ex, call, next_item, s, NULL, &it), 0);
    for (size_t i = 0; i < 30; i++) {
        assert_int_equal(s->given, i + 4 < 30 ? i + 4 : 30);
        assert_int_equal(next_index(it), i);
    }
    check_end(it);
    filch_map_close(it);
    filch_executor_destroy(ex);
}

TEST(r28_a_window_without_an_end_takes_every_argument_at_once)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    struct source *s = source_of(MOST);
    filch_map_iter *it = map_with(ex, call, s, (filch_map_options){.window = FILCH_MAP_ALL});
    assert_true(s->is_dry);
    assert_int_equal(s->given, MOST);
    assert_int_equal(stats_of(ex).pending, MOST);
    let_go(&hold);
    for (size_t i = 0; i < MOST; i++)
        assert_int_equal(next_index(it), i);
    check_end(it);
    filch_map_close(it);
    filch_executor_destroy(ex);
    check_account(s);
}

TEST(r32_a_source_without_an_end_is_mapped_as_far_as_one_likes)
{
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(2);
        struct source *s = source_of(SIZE_MAX);
        size_t asked = test_scaled(15000);
        filch_map_iter *it =
            map_with(ex, call, s, (filch_map_options){.window = 10, .flags = flags});

        for (size_t i = 0; i < asked; i++)
            next_index(it);
        assert_int_equal(s->given, asked + 10);
        assert_false(s->is_dry);
        filch_map_close(it);
        filch_executor_destroy(ex);
        check_account(s);
    }
}

TEST(memory_is_that_of_the_window_and_no_more)
{
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(1);
        struct source *s = source_of(MOST);
        int64_t before = blocks_now();
        filch_map_iter *it =
            map_with(ex, call, s, (filch_map_options){.window = 16, .chunk = 4, .flags = flags});

        for (size_t i = 0; i < MOST; i++) {
            next_index(it);
            /* The iterator; for each call a chunk, and unordered a node; and a chunk of before. */
            test_check(blocks_now() - before <= 1 + 2 * 16 + 1);
        }
        filch_map_close(it);
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}

/* ---- Chunks ---- */

static _Thread_local const struct item *last_called; /* by this thread */
static counter followed; /* calls that came right after the one before */

static int call_in_line(void *arg, void **result)
{
    const struct item *item = arg;

    if (last_called != NULL && item == last_called + 1)
        count_one(&followed);
    last_called = item;
    return call(arg, result);
}

TEST(m3_as_many_calls_as_a_chunk_says_are_one_task)
{
    enum {
        N = 1000,
        CHUNK = 10
    };
    static const size_t windows[] = {CHUNK, 2 * CHUNK, 4 * CHUNK + 3, FILCH_MAP_ALL};

    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        for (size_t w = 0; w < 4; w++) {
            filch_executor *ex = pool_of(1);
            struct source *s = source_of(N);
            filch_map_iter *it =
                map_with(ex, call_in_line, s,
                         (filch_map_options){.window = windows[w], .chunk = CHUNK, .flags = flags});

            for (size_t i = 0; i < N; i++) {
                next_index(it);
                assert_in_range(s->given, 0, windows[w] == FILCH_MAP_ALL ? N : i + 1 + windows[w]);
            }
            check_end(it);
            filch_map_close(it);
            check_account(s);
            uint64_t tasks = stats_of(ex).submitted;
            filch_executor_destroy(ex);
            /* One or two may be cut short where a window is no multiple of a chunk. */
            assert_in_range(tasks, N / CHUNK, 2 * N / CHUNK);
        }
    }
}

TEST(a_window_is_at_least_as_large_as_a_chunk)
{
    filch_executor *ex = pool_of(1);
    struct source *s = source_of(100);
    filch_map_iter *it = map_with(ex, call, s, (filch_map_options){.window = 2, .chunk = 30});

    assert_int_equal(s->given, 30);
    assert_int_equal(stats_of(ex).submitted, 1);
    for (int i = 0; i < 100; i++)
        assert_int_equal(next_index(it), i);
    check_end(it);
    filch_map_close(it);
    filch_executor_destroy(ex);
}

/* ---- Failures ---- */

static const int codes[] = {0, 3, 0, FILCH_ETIMEDOUT, FILCH_EEND, 0, FILCH_ECANCELED, INT_MAX};

static int call_with_code(void *arg, void **result)
{
    call(arg, result);
    return codes[index_of(arg) % 8];
}

TEST(r30_m5_after_a_call_that_failed_the_next_one_comes)
{
    static const size_t chunks[] = {1, 3, 100};

    for (size_t c = 0; c < 3; c++) {
        filch_executor *ex = pool_of(2);
        struct source *s = source_of(80);
        filch_map_iter *it = map_with(
            ex, call_with_code, s,
            (filch_map_options){.window = 7, .chunk = chunks[c], .deadline = filch_in_s(1000)});

        for (int i = 0; i < 80; i++) {
            void *result = &src;

            assert_int_equal(filch_map_next(it, &result), codes[i % 8]);
            assert_ptr_equal(result, codes[i % 8] == 0 ? (void *)&s->item[i] : NULL);
        }
        check_end(it);
        filch_map_close(it);
        check_account(s);
        assert_int_equal(s->dropped, 0);
        filch_executor_destroy(ex);
    }
}

TEST(results_need_not_be_asked_for)
{
    filch_executor *ex = pool_of(1);
    struct source *s = source_of(16);
    filch_map_iter *it = map_with(ex, call_with_code, s, (filch_map_options){.window = 3});

    for (int i = 0; i < 16; i++)
        assert_int_equal(filch_map_next(it, NULL), codes[i % 8]);
    check_end(it);
    filch_map_close(it);
    filch_executor_destroy(ex);
}

/* ---- Time ---- */

TEST(r29_at_the_deadline_what_has_not_started_is_cancelled_and_the_end_comes)
{
    static const size_t chunks[] = {1, 3};

    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        for (size_t c = 0; c < 2; c++) {
            filch_executor *ex = pool_of(1);
            struct source *s = source_of(30);
            filch_deadline deadline = filch_in_ms(10);

            gate = (struct gate){0};
            filch_map_iter *it = map_with(
                ex, call_first_stops, s,
                (filch_map_options){
                    .window = 9, .chunk = chunks[c], .flags = flags, .deadline = deadline});
            gate_await(&gate, 1);
            void *result = &src;
            assert_int_equal(filch_map_next(it, &result), FILCH_ETIMEDOUT);
            assert_true(fl_now() >= deadline);
            assert_ptr_equal(result, &src);
            assert_int_equal(s->given, 9);
            assert_int_equal(s->dropped, 9 - chunks[c]); /* all but the task that runs */
            check_end(it);
            assert_int_equal(s->given, 9);
            filch_map_close(it);
            assert_int_equal(s->dropped, 9 - chunks[c]);
            gate_open(&gate);
            filch_executor_destroy(ex);
            check_account(s);
        }
    }
}

TEST(r29_what_is_over_comes_after_the_deadline_too)
{
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(1);
        struct source *s = source_of(5);
        filch_map_iter *it =
            map_with(ex, call, s,
                     (filch_map_options){.window = FILCH_MAP_ALL, .flags = flags, .deadline = 1});

        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        for (int i = 0; i < 5; i++)
            assert_int_equal(next_index(it), i);
        check_end(it);
        filch_map_close(it);
        check_account(s);
        filch_executor_destroy(ex);
    }
}

TEST(e7_the_deadline_counts_from_the_call)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    struct source *s = source_of(5);
    filch_deadline deadline = filch_in_ms(10);
    filch_map_iter *it = map_with(ex, call, s, (filch_map_options){.deadline = deadline});
    while (fl_now() < deadline)
        sched_yield();
    assert_int_equal(filch_map_next(it, NULL), FILCH_ETIMEDOUT);
    assert_int_equal(s->dropped, s->given);
    let_go(&hold);
    filch_map_close(it);
    check_account(s);
    filch_executor_destroy(ex);
}

/* ---- Closing early ---- */

TEST(r31_e3_closed_early_what_has_not_started_is_cancelled_and_dropped)
{
    static const size_t chunks[] = {1, 3};

    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        for (size_t c = 0; c < 2; c++) {
            filch_executor *ex = pool_of(1);
            struct source *s = source_of(100);

            gate = (struct gate){0};
            filch_map_iter *it =
                map_with(ex, call_first_stops, s,
                         (filch_map_options){.window = 12, .chunk = chunks[c], .flags = flags});
            gate_await(&gate, 1);
            filch_map_close(it); /* does not wait for the call that runs */
            assert_int_equal(s->given, 12);
            assert_int_equal(s->dropped, 12 - chunks[c]);
            gate_open(&gate);
            filch_executor_destroy(ex);
            check_account(s);
        }
    }
}

TEST(r31_e3_closed_between_two_results_nothing_is_lost)
{
    for (unsigned flags = 0; flags <= 3; flags++) {
        for (size_t chunk = 1; chunk <= 5; chunk += 2) {
            for (size_t come = 0; come <= 20; come++) {
                int64_t before = blocks_now();
                filch_executor *ex = pool_of(2);
                struct source *s = source_of(20);
                filch_map_iter *it = map_with(
                    ex, call, s, (filch_map_options){.window = 6, .chunk = chunk, .flags = flags});

                for (size_t i = 0; i < come; i++)
                    next_index(it);
                filch_map_close(it);
                filch_executor_destroy(ex);
                check_account(s);
                assert_true(calls_made(s) >= come);
                assert_int_equal(blocks_now(), before);
            }
        }
    }
}

struct closing {
    filch_executor *ex;
    filch_map_iter *it;
    struct source *s;
};

static void close_or_open(unsigned i, void *arg)
{
    const struct closing *c = arg;

    if (i == 1) {
        gate_open(&gate);
        return;
    }
    filch_map_close(c->it);
    test_check(fl_load(&gate.open, relaxed) == 1); /* settled by the call that has passed it */
    check_account(c->s);                           /* though the executor lives */
}

TEST(m5_close_waits_for_the_calls_that_run_if_it_is_told_to)
{
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        for (size_t turn = test_scaled(20); turn > 0; turn--) {
            struct closing c = {.ex = pool_of(1), .s = source_of(20)};

            gate = (struct gate){0};
            c.it = map_with(c.ex, call_first_stops, c.s,
                            (filch_map_options){
                                .window = 5, .chunk = 2, .flags = flags | FILCH_MAP_CLOSE_WAITS});
            gate_await(&gate, 1);
            test_threads(2, close_or_open, &c);
            assert_in_range(c.s->dropped, 0, 3); /* the gate may be open before the close is */
            filch_executor_destroy(c.ex);
        }
    }
}

TEST(without_a_drop_a_map_may_be_closed_early_too)
{
    int64_t before = blocks_now();
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_map_iter *it = NULL;

    hold_worker(&hold, ex);
    assert_int_equal(filch_map(ex, call, next_item, source_of(10), NULL, &it), 0);
    filch_map_close(it);
    let_go(&hold);
    filch_executor_destroy(ex);
    assert_int_equal(src.dropped, 0);
    assert_int_equal(blocks_now(), before);
}

/* ---- Shutdown ---- */

TEST(e2_after_a_shutdown_what_is_on_the_way_comes_and_then_one_says_why)
{
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(1);
        struct source *s = source_of(100);
        filch_map_iter *it =
            map_with(ex, call, s, (filch_map_options){.window = 5, .flags = flags});

        for (int i = 0; i < 3; i++)
            assert_int_equal(next_index(it), i);
        assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
        for (int i = 3; i < 8; i++)
            assert_int_equal(next_index(it), i);
        void *result = &src;
        assert_int_equal(filch_map_next(it, &result), FILCH_ESHUTDOWN);
        assert_ptr_equal(result, &src);
        check_end(it);
        assert_int_equal(s->given, 9);
        assert_int_equal(s->dropped, 1); /* the one that could not be submitted */
        filch_map_close(it);
        check_account(s);
        filch_executor_destroy(ex);
    }
}

TEST(e2_a_shutdown_that_cancels_is_told_call_by_call)
{
    static const size_t chunks[] = {1, 2};

    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        for (size_t c = 0; c < 2; c++) {
            filch_executor *ex = pool_of(1);
            struct source *s = source_of(100);
            size_t cancelled = 6 - chunks[c];

            gate = (struct gate){0};
            filch_map_iter *it =
                map_with(ex, call_first_stops, s,
                         (filch_map_options){.window = 6, .chunk = chunks[c], .flags = flags});
            gate_await(&gate, 1);
            assert_int_equal(
                filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_FOREVER),
                0);
            gate_open(&gate);
            if (flags == 0) {
                for (size_t i = 0; i < chunks[c]; i++)
                    assert_int_equal(next_index(it), i);
            }
            for (size_t i = 0; i < cancelled; i++)
                assert_int_equal(filch_map_next(it, NULL), FILCH_ECANCELED);
            if (flags != 0) {
                for (size_t i = 0; i < chunks[c]; i++)
                    assert_int_equal(next_index(it), i);
            }
            assert_int_equal(filch_map_next(it, NULL), FILCH_ESHUTDOWN);
            check_end(it);
            filch_map_close(it);
            check_account(s);
            assert_int_equal(calls_made(s), chunks[c]);
            filch_executor_destroy(ex);
        }
    }
}

TEST(e2_a_map_that_is_begun_after_the_shutdown_says_so_once)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        struct source *s = source_of(100);
        filch_map_iter *it =
            map_with(ex, call, s, (filch_map_options){.window = 6, .chunk = 2, .flags = flags});

        assert_int_equal(filch_map_next(it, NULL), FILCH_ESHUTDOWN);
        check_end(it);
        filch_map_close(it);
        check_account(s);
        assert_int_equal(calls_made(s), 0);
    }
    filch_executor_destroy(ex);
}

static int start_badly(void *arg)
{
    (void)arg;
    return 1;
}

TEST(r6_a_broken_executor_makes_no_call_and_each_argument_is_dropped)
{
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex =
            pool_with((filch_options){.workers = 1, .on_thread_start = start_badly});
        struct source *s = source_of(20);
        filch_map_iter *it =
            map_with(ex, call, s, (filch_map_options){.window = 6, .flags = flags});
        int status;

        while ((status = filch_map_next(it, NULL)) != FILCH_EEND)
            assert_int_equal(status, FILCH_EBROKEN);
        filch_map_close(it);
        check_account(s);
        assert_int_equal(calls_made(s), 0);
        filch_executor_destroy(ex);
    }
}

/* ---- From inside a task ---- */

struct inside {
    filch_executor *ex;
    unsigned flags;
    size_t n;
    size_t chunk;
};

static int task_map(void *arg, void **result)
{
    const struct inside *in = arg;
    struct source *s = source_of(in->n);
    filch_map_iter *it = map_with(
        in->ex, call, s, (filch_map_options){.window = 8, .chunk = in->chunk, .flags = in->flags});

    for (size_t i = 0; i < in->n; i++) {
        intptr_t index = next_index(it);

        test_check(in->flags != 0 || index == (intptr_t)i);
    }
    check_end(it);
    filch_map_close(it);
    check_account(s);
    *result = NULL;
    return 0;
}

TEST(e6_a_task_may_map_on_its_own_executor)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        for (unsigned workers = 1; workers <= 2; workers++) {
            for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
                for (size_t chunk = 1; chunk <= 3; chunk += 2) {
                    struct inside in = {pool_with((filch_options){.workers = workers,
                                                                  .help = (enum filch_help)help}),
                                        flags, 200, chunk};

                    assert_int_equal(finish(submit(in.ex, task_map, &in)), 0);
                    filch_executor_destroy(in.ex);
                }
            }
        }
    }
}

TEST(e6_the_only_worker_makes_the_calls_of_its_own_map_itself)
{
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        struct inside in = {pool_of(1), flags, 200, 1};

        assert_int_equal(finish(submit(in.ex, task_map, &in)), 0);
        filch_executor_stats stats = stats_of(in.ex);
        filch_executor_destroy(in.ex);
        assert_int_equal(stats.helped, 200);
        assert_int_equal(stats.spares, 0);
    }
}

/* A map whose calls map, and so on down. */
struct plane {
    filch_executor *ex;
    unsigned height;
    unsigned flags;
    int left;
};

static bool next_plane(void *source, void **arg)
{
    struct plane *p = source;

    *arg = p;
    return p->left-- > 0;
}

static int map_below(void *arg, void **result)
{
    const struct plane *p = arg;
    struct plane below = {p->ex, p->height - 1, p->flags, 3};
    filch_map_options o = {.size = sizeof o, .window = 2, .flags = p->flags};
    filch_map_iter *it = NULL;
    intptr_t sum = 0;
    void *one = NULL;
    int status;

    *result = number(1);
    if (p->height == 0)
        return 0;
    test_check(filch_map(p->ex, map_below, next_plane, &below, &o, &it) == 0);
    while ((status = filch_map_next(it, &one)) == 0)
        sum += (intptr_t)one;
    filch_map_close(it);
    *result = number(sum);
    return status == FILCH_EEND ? 0 : 1;
}

TEST(maps_of_maps_end_on_one_worker)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
            struct plane p = {pool_of(workers), 5, flags, 0};
            filch_future *f = submit(p.ex, map_below, &p);
            void *sum = NULL;

            assert_int_equal(filch_future_result(f, FILCH_FOREVER, &sum), 0);
            assert_int_equal((intptr_t)sum, 243);
            filch_future_release(f);
            filch_executor_destroy(p.ex);
        }
    }
}

static int task_close_early(void *arg, void **result)
{
    const struct inside *in = arg;
    struct source *s = source_of(100);
    filch_map_iter *it =
        map_with(in->ex, call, s, (filch_map_options){.window = 8, .flags = in->flags});

    for (int i = 0; i < 5; i++)
        next_index(it);
    filch_map_close(it);
    *result = NULL;
    return 0;
}

TEST(e3_a_task_may_close_its_map_early)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        for (unsigned flags = 0; flags <= 3; flags++) {
            struct inside in = {.ex = pool_of(workers), .flags = flags};

            assert_int_equal(finish(submit(in.ex, task_close_early, &in)), 0);
            filch_executor_destroy(in.ex);
            check_account(&src);
        }
    }
}

/* A call of the map that asks for the map's next result would wait for itself. */
static filch_map_iter *own;
static fl_atomic(int) own_status;

static int call_next_of_own(void *arg, void **result)
{
    gate_pass(&gate);
    fl_store(&own_status, filch_map_next(own, NULL), relaxed); /* settled by the result */
    return call(arg, result);
}

TEST(a_call_that_would_wait_for_itself_is_told_so)
{
    filch_executor *ex = pool_of(1);
    struct source *s = source_of(1);

    gate = (struct gate){0};
    own = map_with(ex, call_next_of_own, s, (filch_map_options){.window = 1});
    gate_open(&gate);
    assert_int_equal(next_index(own), 0);
    assert_int_equal(fl_load(&own_status, relaxed), FILCH_EDEADLK); /* settled by the result */
    check_end(own);
    filch_map_close(own);
    filch_executor_destroy(ex);
}

/* ---- Rivals ---- */

TEST(a_map_runs_on_the_rivals_too)
{
    for (int backend = FILCH_BACKEND_MUTEX; backend <= FILCH_BACKEND_SPAWN; backend++) {
        filch_options o = {.size = sizeof o, .workers = 2, .backend = (enum filch_backend)backend};
        filch_executor *ex = NULL;

        int status = filch_executor_create(&ex, &o);
        if (status == FILCH_ENOTSUP)
            continue;
        assert_int_equal(status, 0);
        for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
            struct source *s = source_of(500);
            filch_map_iter *it =
                map_with(ex, call, s, (filch_map_options){.window = 9, .chunk = 2, .flags = flags});

            for (int i = 0; i < 450; i++) {
                intptr_t index = next_index(it);

                assert_true(flags != 0 || index == i);
            }
            filch_map_close(it);
            assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
            check_account(s);
        }
        filch_executor_destroy(ex);
    }
}

/* ---- Arguments ---- */

TEST(what_is_missing_or_unknown_is_refused_and_nothing_is_taken)
{
    int64_t before = blocks_now();
    filch_executor *ex = pool_of(1);
    struct source *s = source_of(10);
    filch_map_iter *it = NULL;
    struct later {
        filch_map_options known;
        uint64_t unknown;
    } later = {.known = {.size = sizeof later}};
    filch_map_options o = {.size = sizeof o};

    assert_int_equal(filch_map(NULL, call, next_item, s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, NULL, next_item, s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, call, NULL, s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, call, next_item, s, NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_map_next(NULL, NULL), FILCH_EINVAL);
    o.flags = 4;
    assert_int_equal(filch_map(ex, call, next_item, s, &o, &it), FILCH_EINVAL);
    o.flags = 0;
    o.size = 0;
    assert_int_equal(filch_map(ex, call, next_item, s, &o, &it), FILCH_EINVAL);
    o.size = sizeof o;
    o.chunk = SIZE_MAX;
    assert_int_equal(filch_map(ex, call, next_item, s, &o, &it), FILCH_EINVAL);
    later.unknown = 1;
    assert_int_equal(filch_map(ex, call, next_item, s, &later.known, &it), FILCH_E2BIG);
    assert_null(it);
    assert_int_equal(s->given, 0);
    later.unknown = 0;
    assert_int_equal(filch_map(ex, call, next_item, s, &later.known, &it), 0);
    assert_int_equal(next_index(it), 0);
    filch_map_close(it);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

TEST(errno_is_left_alone)
{
    filch_executor *ex = pool_of(1);
    struct source *s = source_of(50);

    errno = 4711;
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        source_of(50);
        filch_map_iter *it = map_with(ex, call, s, (filch_map_options){.flags = flags});
        for (int i = 0; i < 20; i++)
            next_index(it);
        filch_map_close(it);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0); /* no call is left */
    }
    assert_int_equal(errno, 4711);
    filch_executor_destroy(ex);
}

/* ---- Fork ---- */

static void be_child(filch_executor *ex, filch_map_iter *it)
{
    filch_map_iter *own_map = NULL;

    test_check(filch_map_next(it, NULL) == FILCH_EFORKED);
    test_check(filch_map(ex, call, next_item, source_of(3), NULL, &own_map) == 0);
    test_check(filch_map_next(own_map, NULL) == FILCH_EFORKED);
    check_end(own_map);
    filch_map_close(own_map);
    filch_map_close(it);
}

TEST(k1_in_a_forked_child_a_map_says_so_and_the_parents_goes_on)
{
    int status[2] = {0, 0};

    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(1);
        struct source *s = source_of(30);

        gate = (struct gate){0};
        filch_map_iter *it =
            map_with(ex, call_first_stops, s, (filch_map_options){.window = 5, .flags = flags});
        gate_await(&gate, 1);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(10);
            be_child(ex, it);
            _exit(0);
        }
        while (waitpid(child, &status[flags], 0) < 0)
            assert_int_equal(errno, EINTR);
        gate_open(&gate);
        for (int i = 0; i < 30; i++)
            assert_int_equal(next_index(it), i);
        check_end(it);
        filch_map_close(it);
        check_account(s);
        filch_executor_destroy(ex);
    }
    assert_int_equal(status[0], 0);
    assert_int_equal(status[1], 0);
}
