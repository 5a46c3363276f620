/* SPDX-License-Identifier: MIT
 *
 * stress_loop.c: loops by the thousand, from many threads, tasks and callbacks at once, inside of each other,
 * stopped by failures and tokens, while their executor is paused, narrowed and shut down: each index is given
 * once, or never after a stop, and what ranges did is known when the loop returns. */
#include "parallel/loops.h"

enum {
    THREADS = 5,
    MOST = 700
};

struct stage {
    filch_executor *ex;
    size_t turns;
    counter loops;
    counter stopped;
    fl_atomic(bool) is_over;
};

struct one {
    struct stage *stage;
    uint32_t times[MOST]; /* plain */
    size_t n;
    size_t fails_at;
    uint64_t work; /* of one index in so many, much */
    filch_token *token;
    bool nests;
};

static uint64_t busy(uint64_t x, uint64_t turns)
{
    while (turns-- > 0)
        random_next(&x);
    return x;
}

static int count_inner(size_t begin, size_t end, void *arg)
{
    uint8_t *times = arg;

    for (size_t i = begin; i < end; i++)
        times[i]++;
    return 0;
}

static int one_range(size_t begin, size_t end, void *arg)
{
    struct one *one = arg;

    for (size_t i = begin; i < end; i++) {
        one->times[i]++;
        if (i % 50 == one->work && busy(i + 1, 3000) == 0)
            return 1;
        if (one->nests && i % 16 == 0) {
            uint8_t times[20] = {0};

            int status = filch_parallel_for(one->stage->ex, 0, 20, i % 3, count_inner, times);
            test_check(status == 0 || status == FILCH_ECANCELED); /* it was asked to stop */
            for (int k = 0; k < 20; k++)
                test_check(times[k] <= 1 && (times[k] == 1 || status != 0));
        }
        if (i == one->fails_at) {
            if (one->token == NULL)
                return 8;
            filch_token_cancel(one->token);
        }
    }
    return 0;
}

static void one_loop(struct stage *s, uint64_t x)
{
    struct one one = {.stage = s,
                      .n = (x >> 8) % MOST,
                      .fails_at = (x & 7) == 0 ? (x >> 20) % MOST : SIZE_MAX,
                      .work = (x >> 30) % 60,
                      .nests = (x >> 40) % 4 == 0};
    filch_loop_options o = {.size = sizeof o, .grain = (x >> 50) % 5};
    size_t given = 0;
    int status;

    if ((x & 15) == 0)
        test_check(filch_token_create(&one.token, NULL, FILCH_FOREVER) == 0);
    o.token = one.token;
    status = filch_parallel_for_with(s->ex, 0, one.n, &o, one_range, &one);
    for (size_t i = 0; i < one.n; i++) {
        test_check(one.times[i] <= 1);
        given += one.times[i];
    }
    if (one.fails_at >= one.n)
        test_check(status == 0);
    else if (one.token == NULL)
        test_check(status == 8);
    else
        test_check(status == 0 || status == FILCH_ECANCELED);
    if (status == 0)
        test_check(given == one.n);
    else
        count_one(&s->stopped);
    filch_token_release(one.token);
    count_one(&s->loops);
}

struct from_task {
    struct stage *stage;
    uint64_t x;
    struct gate told; /* the callback has been */
};

static int task_loops(void *arg, void **result)
{
    const struct from_task *t = arg;

    (void)result;
    one_loop(t->stage, t->x);
    return 0;
}

static void callback_loops(filch_future *f, void *arg)
{
    struct from_task *t = arg;

    (void)f;
    one_loop(t->stage, t->x + 1);
    gate_open(&t->told);
}

static void play(unsigned i, void *arg)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t turn = 0; turn < s->turns; turn++) {
        struct from_task t = {.stage = s, .x = random_next(&x)};
        filch_future *f;

        switch (random_next(&x) % 3) {
        case 0:
            one_loop(s, t.x);
            break;
        case 1:
            test_check(finish(submit(s->ex, task_loops, &t)) == 0);
            break;
        default:
            f = submit(s->ex, task_loops, &t);
            test_check(filch_future_add_done_callback(f, callback_loops, &t) == 0);
            test_check(finish(f) == 0);
            gate_pass(&t.told);
            break;
        }
    }
}

static void play_on(filch_options o, size_t turns)
{
    struct stage s = {.ex = pool_with(o), .turns = test_scaled(turns)};

    test_threads(THREADS, play, &s);
    assert_int_equal(filch_executor_wait_idle(s.ex, FILCH_FOREVER), 0);
    filch_executor_stats stats = stats_of(s.ex);
    assert_int_equal(stats.tombstones, 0);
    assert_int_equal(stats.submitted, stats.ended);
    filch_executor_destroy(s.ex);
}

TEST(each_index_of_each_loop_is_given_once_or_left_out)
{
    play_on((filch_options){.workers = 1}, 1500);
    play_on((filch_options){.workers = 2}, 1500);
    play_on((filch_options){.workers = 4, .help = FILCH_HELP_ANY}, 1500);
    play_on((filch_options){.workers = 3, .help = FILCH_HELP_NONE}, 1500);
}

TEST(loops_go_on_while_threads_come_and_go)
{
    play_on((filch_options){.workers = 4, .min_workers = 1, .idle_timeout_ns = 100000}, 1500);
}

/* ---- A pool that is paused, narrowed and cancelled meanwhile ---- */

static void disturb(unsigned i, void *arg)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), 100);

    if (i != 0) {
        for (size_t turn = 0; turn < s->turns; turn++) {
            one_loop(s, random_next(&x) ^ i);
            if (turn + 1 == s->turns && i == 1)
                fl_store(&s->is_over, true, relaxed); /* hint */
        }
        return;
    }
    while (!fl_load(&s->is_over, relaxed)) { /* hint */
        switch (random_next(&x) % 4) {
        case 0:
            test_check(filch_executor_pause(s->ex) == 0);
            break;
        case 1:
            test_check(filch_executor_set_active(s->ex, 1 + (unsigned)(x >> 33) % 3) == 0);
            break;
        case 2:
            test_check(filch_executor_cancel_all(s->ex) >= 0);
            break;
        default:
            break;
        }
        sched_yield();
        test_check(filch_executor_resume(s->ex) == 0);
    }
}

TEST(a_pool_that_is_paused_narrowed_and_cancelled_gives_each_index_once)
{
    struct stage s = {.ex = pool_of(3), .turns = test_scaled(4000)};

    test_threads(THREADS, disturb, &s);
    assert_int_equal(filch_executor_wait_idle(s.ex, FILCH_FOREVER), 0);
    filch_executor_destroy(s.ex);
}

static void shut_down_beside(unsigned i, void *arg)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), 200 + i);

    for (size_t turn = 0; turn < s->turns; turn++) {
        one_loop(s, random_next(&x));
        if (i == 0 && turn == s->turns / 2)
            test_check(filch_executor_shutdown(s->ex,
                                               (x & 1) != 0 ? FILCH_DRAIN : FILCH_CANCEL_PENDING,
                                               FILCH_FOREVER) == 0);
    }
}

TEST(a_pool_that_is_shut_down_meanwhile_gives_each_index_once)
{
    for (size_t turn = 0; turn < test_scaled(100); turn++) {
        struct stage s = {.ex = pool_of(2), .turns = 20};

        test_threads(3, shut_down_beside, &s);
        filch_executor_destroy(s.ex);
    }
}
