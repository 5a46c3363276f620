/* SPDX-License-Identifier: MIT
 *
 * test_bad_input.c: what every function that takes an array, a window or a future makes of what is
 * unusual or wrong: nothing at all, one twice, one that is missing, more than any array holds, a future
 * that waits for itself, one that is ended twice. Each has one answer, and nothing else happens. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

/* For the compiler to know nothing of. */
static volatile size_t beyond = SIZE_MAX;

enum {
    MANY = 100
};

/* Every place of the array in turn is missing. */
static void make(filch_future *f[MANY])
{
    for (int i = 0; i < MANY; i++)
        f[i] = promise();
}

static void check_pending_and_release(filch_future *f[MANY])
{
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(filch_future_state(f[i]), FILCH_PENDING);
        filch_future_release(f[i]);
    }
}

/* ---- Arrays of futures ---- */

typedef int combine_fn(filch_future *const *futures, size_t n, filch_future **out);

static combine_fn *const combine[] = {filch_all, filch_any, filch_any_success, filch_race};

enum {
    COMBINE = sizeof combine / sizeof combine[0]
};

static const enum filch_return_when whens[] = {FILCH_ALL_COMPLETED, FILCH_FIRST_COMPLETED,
                                               FILCH_FIRST_EXCEPTION, FILCH_FIRST_SUCCESS};

TEST(a_future_that_is_missing_in_an_array_is_einval_wherever_it_is)
{
    int64_t before = blocks_now();
    filch_future *f[MANY];

    make(f);
    for (int i = 0; i < MANY; i += 33) {
        filch_future *missing[MANY];
        filch_completion *it = NULL;
        filch_future *out = NULL;

        memcpy(missing, f, sizeof f);
        missing[i] = NULL;
        for (int k = 0; k < 4; k++)
            assert_int_equal(filch_wait(missing, MANY, whens[k], FILCH_FOREVER), FILCH_EINVAL);
        for (int k = 0; k < MANY; k++)
            assert_ptr_equal(missing[k], k == i ? NULL : f[k]); /* as it was */
        assert_int_equal(filch_as_completed(&it, missing, MANY, FILCH_FOREVER), FILCH_EINVAL);
        for (int k = 0; k < COMBINE; k++)
            assert_int_equal(combine[k](missing, MANY, &out), FILCH_EINVAL);
        assert_null(it);
        assert_null(out);
    }
    check_pending_and_release(f);
    assert_int_equal(blocks_now(), before);
}

TEST(no_array_of_some_futures_is_einval)
{
    filch_completion *it = NULL;
    filch_future *out = NULL;

    for (size_t n = 1; n <= 33; n += 32) {
        for (int k = 0; k < 4; k++)
            assert_int_equal(filch_wait(NULL, n, whens[k], FILCH_FOREVER), FILCH_EINVAL);
        assert_int_equal(filch_as_completed(&it, NULL, n, FILCH_FOREVER), FILCH_EINVAL);
        for (int k = 0; k < COMBINE; k++)
            assert_int_equal(combine[k](NULL, n, &out), FILCH_EINVAL);
    }
    assert_null(it);
    assert_null(out);
}

TEST(more_futures_than_any_array_holds_are_refused_without_a_look_at_them)
{
    int64_t before = blocks_now();
    filch_future *f[1] = {promise()};
    filch_completion *it = NULL;
    filch_future *out = NULL;

    for (size_t n = beyond; n > beyond / 16; n = n / 2 + 1) {
        for (int k = 0; k < 4; k++)
            assert_int_equal(filch_wait(f, n, whens[k], FILCH_FOREVER), FILCH_EINVAL);
        assert_int_equal(filch_as_completed(&it, f, n, FILCH_FOREVER), FILCH_ENOMEM);
        for (int k = 0; k < COMBINE; k++)
            assert_int_equal(combine[k](f, n, &out), FILCH_ENOMEM);
    }
    assert_null(it);
    assert_null(out);
    filch_future_release(f[0]);
    assert_int_equal(blocks_now(), before);
}

TEST(nothing_at_all_is_over_at_once)
{
    filch_future *f[1] = {NULL};
    filch_future *out = NULL;
    filch_completion *it = NULL;

    for (int given = 0; given < 2; given++) {
        filch_future **none = given != 0 ? f : NULL;

        for (int k = 0; k < 4; k++)
            assert_int_equal(filch_wait(none, 0, whens[k], FILCH_FOREVER), 0);
        assert_int_equal(filch_as_completed(&it, none, 0, FILCH_FOREVER), 0);
        assert_int_equal(filch_completion_next(it, &out), FILCH_EEND);
        filch_completion_close(it);
        for (int k = 0; k < COMBINE; k++) {
            assert_int_equal(combine[k](none, 0, &out), 0);
            assert_true(filch_future_done(out));
            assert_int_equal(finish(out), combine[k] == filch_all ? 0 : FILCH_EINVAL);
        }
    }
}

TEST(a_future_that_is_given_twice_counts_as_its_function_says)
{
    filch_future *f = promise();
    filch_future *other = promise();
    filch_future *twice[4] = {f, other, f, f};
    filch_completion *it = NULL;
    filch_future *made[COMBINE];
    filch_future *next = NULL;

    assert_int_equal(filch_as_completed(&it, twice, 4, FILCH_FOREVER), 0);
    for (int k = 0; k < COMBINE; k++)
        assert_int_equal(combine[k](twice, 4, &made[k]), 0);
    assert_int_equal(filch_wait(twice, 4, FILCH_ALL_COMPLETED, FILCH_NOW), 0);
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    /* the race is over by now and has cancelled the other one, and so all is over, too */
    assert_true(filch_future_cancelled(other));
    assert_int_equal(filch_wait(twice, 4, FILCH_ALL_COMPLETED, FILCH_FOREVER), 4);
    for (int i = 0; i < 2; i++)
        assert_int_equal(filch_completion_next(it, &next), 0); /* each once */
    assert_int_equal(filch_completion_next(it, &next), FILCH_EEND);
    filch_completion_close(it);
    for (int k = 0; k < COMBINE; k++)
        assert_int_equal(finish(made[k]), combine[k] == filch_all ? FILCH_ECANCELED : 0);
    filch_future_release(f);
    filch_future_release(other);
}

/* ---- Queues ---- */

TEST(a_future_in_two_queues_and_twice_in_one_comes_that_often)
{
    int64_t before = blocks_now();
    filch_cq *cq[2] = {NULL, NULL};
    filch_future *f = promise();

    for (int i = 0; i < 2; i++) {
        assert_int_equal(filch_cq_create(&cq[i]), 0);
        for (int k = 0; k <= i; k++)
            assert_int_equal(filch_cq_add(cq[i], f), 0);
    }
    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    filch_future_release(f);
    for (int i = 0; i < 2; i++) {
        filch_future *done[4] = {NULL};

        assert_int_equal(filch_cq_take(cq[i], done, beyond), (size_t)i + 1); /* there is no more */
        for (int k = 0; k <= i; k++) {
            assert_ptr_equal(done[k], f);
            filch_future_release(done[k]);
        }
        assert_int_equal(filch_cq_take(cq[i], done, 0), 0);
        filch_cq_destroy(cq[i]);
    }
    assert_int_equal(blocks_now(), before);
}

TEST(what_is_missing_of_a_queue_is_einval_and_takes_nothing)
{
    filch_cq *cq = NULL;
    filch_future *f = promise();
    filch_future *done = NULL;

    assert_int_equal(filch_cq_create(NULL), FILCH_EINVAL);
    assert_int_equal(filch_cq_create(&cq), 0);
    assert_int_equal(filch_cq_add(NULL, f), FILCH_EINVAL);
    assert_int_equal(filch_cq_add(cq, NULL), FILCH_EINVAL);
    assert_int_equal(filch_cq_next(NULL, FILCH_FOREVER, &done), FILCH_EINVAL);
    assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, NULL), FILCH_EINVAL);
    assert_int_equal(filch_cq_take(NULL, &done, 1), 0);
    assert_int_equal(filch_cq_take(cq, NULL, beyond), 0);
    assert_int_equal(filch_cq_fd(NULL), FILCH_EINVAL);
    filch_cq_destroy(NULL);
    assert_int_equal(filch_cq_next(cq, FILCH_NOW, &done), FILCH_ETIMEDOUT);
    assert_null(done);
    filch_cq_destroy(cq);
    filch_future_release(f);
}

/* ---- Batches and maps over arrays ---- */

TEST(batches_of_nothing_are_nothing_and_of_too_much_enomem)
{
    static const enum filch_backend backends[] = {FILCH_BACKEND_STEAL, FILCH_BACKEND_MUTEX,
                                                  FILCH_BACKEND_CK, FILCH_BACKEND_GLOBAL,
                                                  FILCH_BACKEND_SPAWN};
    void *arg = NULL;
    void *result = &arg;

    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        filch_options o = {.size = sizeof o, .workers = 1, .backend = backends[i]};
        filch_executor *ex = NULL;
        filch_future *f = NULL;
        int status = filch_executor_create(&ex, &o);

        if (status == FILCH_ENOTSUP)
            continue;
        assert_int_equal(status, 0);
        assert_int_equal(filch_submit_batch(ex, task_echo, NULL, 0, NULL), 0);
        assert_int_equal(filch_submit_batch(ex, task_echo, &arg, 0, &f), 0);
        assert_int_equal(filch_map_array(ex, task_echo, NULL, NULL, 0), 0);
        assert_int_equal(filch_map_array(ex, task_echo, &arg, &result, 0), 0);
        for (size_t n = beyond; n > beyond / 16; n = n / 2 + 1) {
            assert_int_equal(filch_submit_batch(ex, task_echo, NULL, n, NULL), FILCH_ENOMEM);
            assert_int_equal(filch_submit_batch(ex, task_echo, &arg, n, &f), FILCH_ENOMEM);
            assert_int_equal(filch_map_array(ex, task_echo, &arg, &result, n), FILCH_ENOMEM);
        }
        assert_int_equal(filch_submit_batch(NULL, task_echo, &arg, 1, &f), FILCH_EINVAL);
        assert_int_equal(filch_submit_batch(ex, NULL, &arg, 1, &f), FILCH_EINVAL);
        assert_int_equal(filch_map_array(NULL, task_echo, &arg, &result, 1), FILCH_EINVAL);
        assert_int_equal(filch_map_array(ex, NULL, &arg, &result, 1), FILCH_EINVAL);
        assert_null(f);
        assert_ptr_equal(result, &arg);
        filch_executor_destroy(ex);
    }
}

TEST(an_argument_that_is_null_is_one_like_any_other)
{
    filch_executor *ex = pool_of(1);
    void *args[3] = {NULL, ex, NULL};
    void *results[3] = {ex, NULL, ex};

    assert_int_equal(filch_map_array(ex, task_echo, args, results, 3), 0);
    assert_memory_equal(results, args, sizeof args);
    assert_int_equal(filch_map_array(ex, task_echo, args, NULL, 3), 0);
    assert_int_equal(filch_map_array(ex, task_echo, NULL, results, 3), 0);
    for (int i = 0; i < 3; i++)
        assert_null(results[i]);
    filch_executor_destroy(ex);
}

/* ---- Windows ---- */

struct source {
    size_t n, given, dropped;
};

static bool next_arg(void *source, void **arg)
{
    struct source *s = source;

    *arg = s;
    return s->given < s->n && ++s->given > 0;
}

static void drop_arg(void *source, void *arg)
{
    struct source *s = source;

    (void)arg;
    s->dropped++;
}

TEST(a_window_of_0_is_the_default_and_one_without_an_end_takes_all)
{
    static const struct {
        size_t window, chunk, at_once;
    } cases[] = {
        {0, 0, 4},         {0, 1, 4},
        {1, 0, 1},         {1, 7, 7},
        {SIZE_MAX, 0, 50}, {0, 50, 50},
        {3, 2, 2},         {SIZE_MAX - 1, 0, 50},
        {SIZE_MAX, 3, 50}, {SIZE_MAX / 2, 1, 50},
        {50, 1, 50},       {0, 20, 50},
    };
    static const unsigned flags[] = {0, FILCH_MAP_UNORDERED};
    filch_executor *ex = pool_of(1);

    for (size_t i = 0; i < 2 * sizeof cases / sizeof cases[0]; i++) {
        struct source s = {.n = 50};
        filch_map_iter *it = NULL;
        filch_map_options o = {.size = sizeof o,
                               .window = cases[i / 2].window,
                               .chunk = cases[i / 2].chunk,
                               .flags = flags[i % 2],
                               .drop = drop_arg};

        assert_int_equal(filch_map(ex, task_echo, next_arg, &s, &o, &it), 0);
        assert_int_equal(s.given, cases[i / 2].at_once);
        for (int k = 0; k < 50; k++)
            assert_int_equal(filch_map_next(it, NULL), 0);
        assert_int_equal(filch_map_next(it, NULL), FILCH_EEND);
        filch_map_close(it);
        assert_int_equal(s.given, 50);
        assert_int_equal(s.dropped, 0);
    }
    filch_executor_destroy(ex);
}

TEST(a_chunk_that_no_memory_holds_is_einval_or_enomem_and_takes_no_argument)
{
    filch_executor *ex = pool_of(1);
    struct source s = {.n = 3};
    filch_map_iter *it = NULL;

    for (size_t chunk = beyond; chunk > beyond / 16; chunk = chunk / 2 + 1) {
        filch_map_options o = {.size = sizeof o, .chunk = chunk};

        assert_int_equal(filch_map(ex, task_echo, next_arg, &s, &o, &it), FILCH_EINVAL);
    }
    assert_null(it);
    assert_int_equal(s.given, 0);
    filch_executor_destroy(ex);
}

TEST(a_map_over_nothing_is_at_its_end)
{
    static const size_t windows[] = {0, 1, SIZE_MAX};
    filch_executor *ex = pool_of(1);

    for (size_t i = 0; i < sizeof windows / sizeof windows[0]; i++) {
        struct source s = {.n = 0};
        filch_map_iter *it = NULL;
        filch_map_options o = {.size = sizeof o, .window = windows[i], .drop = drop_arg};
        void *result = &s;

        assert_int_equal(filch_map(ex, task_echo, next_arg, &s, &o, &it), 0);
        for (int k = 0; k < 3; k++)
            assert_int_equal(filch_map_next(it, &result), FILCH_EEND);
        filch_map_close(it);
        assert_ptr_equal(result, &s);
        assert_int_equal(s.dropped, 0);
    }
    filch_map_close(NULL);
    assert_int_equal(filch_map_next(NULL, NULL), FILCH_EINVAL);
    filch_executor_destroy(ex);
}

TEST(what_is_missing_of_a_map_is_einval)
{
    filch_executor *ex = pool_of(1);
    struct source s = {.n = 3};
    filch_map_iter *it = NULL;

    assert_int_equal(filch_map(NULL, task_echo, next_arg, &s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, NULL, next_arg, &s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, task_echo, NULL, &s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map(ex, task_echo, next_arg, &s, NULL, NULL), FILCH_EINVAL);
    assert_null(it);
    assert_int_equal(s.given, 0);
    filch_executor_destroy(ex);
}

/* ---- A future that is waited for by its own task ---- */

struct own {
    filch_future *f;
    struct gate known;
};

static int task_waits_for_itself(void *arg, void **result)
{
    struct own *own = arg;
    filch_future *f[2];
    filch_completion *it = NULL;
    filch_error error;

    gate_pass(&own->known);
    f[0] = own->f;
    f[1] = own->f;
    test_check(filch_future_result(own->f, FILCH_FOREVER, result) == FILCH_EDEADLK);
    test_check(filch_future_result(own->f, filch_in_ms(1), result) == FILCH_EDEADLK);
    test_check(filch_future_error(own->f, FILCH_FOREVER, &error) == FILCH_EDEADLK);
    for (int k = 0; k < 4; k++) {
        test_check(filch_wait(f, 1, whens[k], FILCH_FOREVER) == FILCH_EDEADLK);
        test_check(filch_wait(f, 2, whens[k], FILCH_FOREVER) == FILCH_EDEADLK);
    }
    test_check(filch_as_completed(&it, f, 2, FILCH_FOREVER) == FILCH_EDEADLK);
    test_check(it == NULL);
    test_check(!filch_future_cancel(own->f));
    return 0;
}

TEST(a_task_that_waits_for_itself_is_told_so_by_every_way_of_waiting)
{
    filch_executor *ex = pool_of(1);
    struct own own = {0};

    own.f = submit(ex, task_waits_for_itself, &own);
    gate_open(&own.known);
    assert_int_equal(finish(own.f), 0);
    filch_executor_destroy(ex);
}

/* ---- Ended twice, cancelled in every state ---- */

enum state_made {
    PENDING,
    STARTED,
    WITH_RESULT,
    WITH_ERROR,
    CANCELLED,
    STATES
};

static filch_future *in_state(enum state_made state)
{
    filch_future *f = promise();

    switch (state) {
    case STARTED:
        test_check(filch_promise_start(f) == 1);
        break;
    case WITH_RESULT:
        test_check(filch_promise_set_result(f, f) == 0);
        break;
    case WITH_ERROR:
        test_check(filch_promise_set_error(f, 3, "three") == 0);
        break;
    case CANCELLED:
        test_check(filch_future_cancel(f));
        break;
    case PENDING:
    case STATES:
        break;
    }
    return f;
}

TEST(a_promise_is_ended_once_and_whatever_comes_later_changes_nothing)
{
    static const int outcomes[STATES] = {FILCH_ETIMEDOUT, FILCH_ETIMEDOUT, 0, 3, FILCH_ECANCELED};

    for (int made = 0; made < STATES; made++) {
        bool is_open = made <= STARTED;
        filch_future *f = in_state((enum state_made)made);

        assert_int_equal(filch_promise_set_error(f, 0, NULL), FILCH_EINVAL);
        assert_int_equal(filch_future_result(f, FILCH_NOW, NULL), outcomes[made]);
        assert_int_equal(filch_promise_set_result(f, NULL), is_open ? 0 : FILCH_ESTATE);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(filch_promise_set_result(f, &i), FILCH_ESTATE);
            assert_int_equal(filch_promise_set_error(f, 8, "eight"), FILCH_ESTATE);
            assert_int_equal(filch_future_result(f, FILCH_NOW, NULL), is_open ? 0 : outcomes[made]);
        }
        filch_future_release(f);
    }
}

TEST(cancel_is_true_for_what_is_cancelled_now_or_was_and_false_for_all_else)
{
    for (int made = 0; made < STATES; made++) {
        filch_future *f = in_state((enum state_made)made);
        bool cancels = made == PENDING || made == CANCELLED;
        enum filch_state before = filch_future_state(f);

        for (int i = 0; i < 3; i++)
            assert_int_equal(filch_future_cancel(f), cancels);
        assert_int_equal(filch_future_state(f), cancels ? FILCH_CANCELLED : before);
        assert_int_equal(filch_promise_start(f), cancels ? 0 : FILCH_ESTATE);
        filch_future_release(f);
    }
    assert_false(filch_future_cancel(NULL));
}

TEST(a_task_is_no_promise_in_any_state)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_future *f[4];

    hold_worker(&hold, ex);
    f[0] = hold.f;
    f[1] = submit(ex, task_echo, NULL);
    f[2] = submit(ex, task_fail, number(4));
    f[3] = submit(ex, task_echo, NULL);
    assert_true(filch_future_cancel(f[3]));
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 4; i++) {
            assert_int_equal(filch_promise_set_result(f[i], NULL), FILCH_ESTATE);
            assert_int_equal(filch_promise_set_error(f[i], 1, NULL), FILCH_ESTATE);
            /* a cancelled one is cancelled, whoever asks */
            int started = filch_promise_start(f[i]);
            assert_true(started == FILCH_ESTATE || (i == 3 && started == 0));
        }
        if (turn == 0) {
            filch_future_retain(hold.f);
            let_go(&hold);
            assert_int_equal(outcome(f[2]), 4);
        }
    }
    for (int i = 0; i < 4; i++)
        filch_future_release(f[i]);
    filch_executor_destroy(ex);
}

/* ---- Continuations ---- */

static int then_null(filch_future *before, void *arg, void **result)
{
    (void)before;
    (void)arg;
    (void)result;
    return 0;
}

TEST(what_is_missing_of_a_continuation_is_einval)
{
    filch_future *f = promise();
    filch_future *out = NULL;

    assert_int_equal(filch_then(NULL, NULL, 0, then_null, NULL, &out), FILCH_EINVAL);
    assert_int_equal(filch_then(f, NULL, 0, then_null, NULL, NULL), FILCH_EINVAL);
    for (unsigned flag = 4; flag != 0; flag <<= 1)
        assert_int_equal(filch_then(f, NULL, flag, then_null, NULL, &out), FILCH_EINVAL);
    assert_null(out);
    assert_int_equal(filch_future_add_done_callback(NULL, NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_future_add_done_callback(f, NULL, NULL), FILCH_EINVAL);
    filch_future_release(f);
}
