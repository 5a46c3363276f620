/* SPDX-License-Identifier: MIT
 *
 * test_cq.c: what is over comes out of the queue it was given to: in order, once for each time it was
 * given, with a reference of its own, by take, by next and by the descriptor. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free -Wl,--wrap=fl_notify_ring -Wl,--wrap=fl_notify_drain -Wl,--wrap=fl_futex_wake */
#include "future/blocks.h"

#include "base/clock.h"
#include "base/compiler.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- What a completion costs ---- */

static counter rings;
static counter futex_wakes;

void __real_fl_notify_ring(int fd);
void __wrap_fl_notify_ring(int fd);
void __real_fl_futex_wake(fl_atomic(uint32_t) * word, int n);
void __wrap_fl_futex_wake(fl_atomic(uint32_t) * word, int n);

void __wrap_fl_notify_ring(int fd)
{
    count_one(&rings);
    __real_fl_notify_ring(fd);
}

void __wrap_fl_futex_wake(fl_atomic(uint32_t) * word, int n)
{
    count_one(&futex_wakes);
    __real_fl_futex_wake(word, n);
}

/* What happens right after the next time that a descriptor is drained; once. */
static void (*after_drain)(void);

void __real_fl_notify_drain(int fd);
void __wrap_fl_notify_drain(int fd);

void __wrap_fl_notify_drain(int fd)
{
    void (*then)(void) = after_drain;

    __real_fl_notify_drain(fd);
    after_drain = NULL;
    if (then != NULL)
        then();
}

/* ---- Queues ---- */

static filch_cq *queue(void)
{
    filch_cq *cq = NULL;

    test_check(filch_cq_create(&cq) == 0);
    test_check(cq != NULL);
    return cq;
}

static void add(filch_cq *cq, filch_future *f)
{
    test_check(filch_cq_add(cq, f) == 0);
}

static void end(filch_future *f, int status)
{
    if (status == 0)
        test_check(filch_promise_set_result(f, f) == 0);
    else if (status == FILCH_ECANCELED)
        test_check(filch_future_cancel(f));
    else
        test_check(filch_promise_set_error(f, status, NULL) == 0);
}

/* Exactly these come, in this order, and nothing else. */
static void check_come(filch_cq *cq, filch_future *const *f, size_t n)
{
    filch_future *done[64];

    assert_int_equal(filch_cq_take(cq, done, 64), n);
    for (size_t i = 0; i < n; i++) {
        assert_ptr_equal(done[i], f[i]);
        assert_true(filch_future_done(done[i]));
        filch_future_release(done[i]);
    }
}

static bool is_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    test_check(poll(&p, 1, 0) >= 0);
    return (p.revents & POLLIN) != 0;
}

/* ---- Order, and how often ---- */

TEST(futures_come_out_in_the_order_in_which_they_end_however_they_end)
{
    static const int order[] = {3, 0, 5, 1, 4, 2};
    static const int ends[] = {0, 7, FILCH_ECANCELED, 0, FILCH_ENOMEM, FILCH_ECANCELED};
    filch_cq *cq = queue();
    filch_future *f[6];
    filch_future *expected[6];

    for (int i = 0; i < 6; i++) {
        f[i] = promise();
        add(cq, f[i]);
    }
    check_come(cq, NULL, 0);
    for (int i = 0; i < 6; i++) {
        expected[i] = f[order[i]];
        end(f[order[i]], ends[order[i]]);
    }
    check_come(cq, expected, 6);
    check_come(cq, NULL, 0);
    for (int i = 0; i < 6; i++) {
        assert_int_equal(outcome(f[i]), ends[i]);
        filch_future_release(f[i]);
    }
    filch_cq_destroy(cq);
}

TEST(what_is_over_when_it_is_added_comes_at_once)
{
    static const int ends[] = {0, 3, FILCH_ECANCELED};
    filch_cq *cq = queue();
    filch_future *f[3];
    filch_future *done = NULL;

    for (int i = 0; i < 3; i++) {
        f[i] = promise();
        end(f[i], ends[i]);
        add(cq, f[i]);
    }
    check_come(cq, f, 3);
    for (int i = 0; i < 3; i++) {
        add(cq, f[i]);
        assert_int_equal(filch_cq_next(cq, FILCH_NOW, &done), 0);
        assert_ptr_equal(done, f[i]);
        filch_future_release(done);
        filch_future_release(f[i]);
    }
    filch_cq_destroy(cq);
}

TEST(a_future_that_is_added_twice_comes_twice)
{
    filch_cq *cq = queue();
    filch_cq *other = queue();
    filch_future *f = promise();
    filch_future *twice[] = {f, f};

    add(cq, f);
    add(other, f);
    add(cq, f);
    end(f, 0);
    check_come(cq, twice, 2);
    check_come(other, twice, 1);
    add(cq, f);
    add(cq, f);
    check_come(cq, twice, 2);
    filch_future_release(f);
    filch_cq_destroy(other);
    filch_cq_destroy(cq);
}

TEST(take_gives_no_more_than_it_is_asked_for_and_keeps_the_order)
{
    enum {
        N = 10
    };
    static const size_t asked[] = {0, 1, 3, 0, 2, 4, 5};
    static const size_t given[] = {0, 1, 3, 0, 2, 4, 0};
    filch_cq *cq = queue();
    filch_future *f[N];
    size_t next = 0;

    for (int i = 0; i < N; i++) {
        f[i] = promise();
        add(cq, f[i]);
        end(f[i], 0);
    }
    for (size_t t = 0; t < sizeof asked / sizeof asked[0]; t++) {
        filch_future *done[5] = {NULL, NULL, NULL, NULL, NULL};

        assert_int_equal(filch_cq_take(cq, done, asked[t]), given[t]);
        for (size_t i = 0; i < given[t]; i++) {
            assert_ptr_equal(done[i], f[next++]);
            filch_future_release(done[i]);
        }
        assert_true(given[t] == 5 || done[given[t]] == NULL);
    }
    assert_int_equal(next, N);
    for (int i = 0; i < N; i++)
        filch_future_release(f[i]);
    filch_cq_destroy(cq);
}

/* What comes between two takes goes behind what the first one left. */
TEST(what_a_take_has_left_comes_before_what_ends_later)
{
    filch_cq *cq = queue();
    filch_future *f[6];
    filch_future *done[2];

    for (int i = 0; i < 6; i++) {
        f[i] = promise();
        add(cq, f[i]);
    }
    for (int i = 0; i < 3; i++)
        end(f[i], 0);
    assert_int_equal(filch_cq_take(cq, done, 1), 1);
    assert_ptr_equal(done[0], f[0]);
    filch_future_release(done[0]);
    for (int i = 3; i < 6; i++)
        end(f[i], 0);
    check_come(cq, f + 1, 5);
    for (int i = 0; i < 6; i++)
        filch_future_release(f[i]);
    filch_cq_destroy(cq);
}

TEST(ten_thousand_futures_come_in_order)
{
    enum {
        N = 10000
    };
    static filch_future *f[N];
    filch_cq *cq = queue();

    for (size_t i = 0; i < N; i++) {
        f[i] = promise();
        add(cq, f[i]);
    }
    for (size_t i = 0; i < N; i++)
        end(f[N - 1 - i], i % 3 == 0 ? FILCH_ECANCELED : (int)(i % 3) - 1);
    for (size_t i = 0; i < N; i++) {
        filch_future *done = NULL;

        assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
        assert_ptr_equal(done, f[N - 1 - i]);
        filch_future_release(done);
        filch_future_release(f[N - 1 - i]);
    }
    check_come(cq, NULL, 0);
    filch_cq_destroy(cq);
}

/* ---- References ---- */

TEST(the_callers_reference_may_go_before_the_future_is_over)
{
    filch_executor *ex = pool_of(1);
    int64_t before = blocks_now();
    filch_cq *cq = queue();
    struct hold hold = {0};
    filch_future *done = NULL;
    void *result = NULL;

    hold_worker(&hold, ex);
    filch_future *f = submit(ex, task_echo, number(5));
    add(cq, f);
    filch_future_release(f);
    let_go(&hold);
    assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
    assert_int_equal(filch_future_result(done, FILCH_NOW, &result), 0);
    assert_int_equal((intptr_t)result, 5);
    filch_future_release(done);

    f = promise();
    add(cq, f);
    end(f, 0);
    filch_future_release(f); /* the queue has the only one now */
    assert_int_equal(filch_cq_take(cq, &done, 1), 1);
    assert_int_equal(outcome(done), 0);
    filch_future_release(done);
    filch_cq_destroy(cq);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

TEST(a_future_that_everybody_gives_up_undecided_never_comes)
{
    int64_t before = blocks_now();
    filch_cq *cq = queue();
    filch_future *f = promise();

    add(cq, f);
    filch_future_release(f);
    check_come(cq, NULL, 0);
    filch_cq_destroy(cq);
    assert_int_equal(blocks_now(), before);
}

TEST(a_queue_that_is_destroyed_lets_go_of_what_is_in_it)
{
    int64_t before = blocks_now();
    filch_cq *cq = queue();

    filch_cq_destroy(cq);
    assert_int_equal(blocks_now(), before);
    for (int taken = 0; taken < 3; taken++) {
        filch_future *f[4] = {promise(), promise(), promise(), promise()};
        filch_future *done[2];

        cq = queue();
        end(f[3], 0);
        for (int i = 0; i < 4; i++)
            add(cq, f[i]);
        end(f[1], 4);
        end(f[0], FILCH_ECANCELED);
        assert_int_equal(filch_cq_take(cq, done, (size_t)taken), taken);
        for (int i = 0; i < taken; i++)
            filch_future_release(done[i]);
        for (int i = 0; i < 4; i++)
            filch_future_release(i != 2 ? f[i] : NULL);
        filch_cq_destroy(cq);
        end(f[2], 0); /* goes nowhere */
        assert_int_equal(finish(f[2]), 0);
        assert_int_equal(blocks_now(), before);
    }
}

TEST(nothing_that_was_given_to_a_destroyed_queue_keeps_others_from_being_told)
{
    filch_cq *gone = queue();
    filch_cq *cq = queue();
    filch_future *f = promise();

    add(gone, f);
    add(cq, f);
    add(gone, f);
    filch_cq_destroy(gone);
    end(f, 0);
    check_come(cq, &f, 1);
    filch_future_release(f);
    filch_cq_destroy(cq);
}

TEST(a_destroyed_queue_gives_its_descriptor_back_though_futures_are_still_to_come)
{
    size_t files = files_now();
    filch_future *f = promise();

    for (int i = 0; i < 3; i++) {
        filch_cq *cq = queue();

        assert_true(filch_cq_fd(cq) >= 0);
        add(cq, f);
        filch_cq_destroy(cq);
    }
    assert_int_equal(files_now(), files);
    end(f, 0);
    assert_int_equal(finish(f), 0);
    assert_int_equal(files_now(), files);
}

/* ---- Time ---- */

TEST(next_does_not_time_out_before_its_deadline_and_leaves_done_alone)
{
    filch_cq *cq = queue();
    filch_future *f = promise();
    filch_future *done = f;

    add(cq, f);
    for (int ms = 0; ms < 4; ms++) {
        filch_deadline deadline = filch_in_ms(ms);

        assert_int_equal(filch_cq_next(cq, deadline, &done), FILCH_ETIMEDOUT);
        assert_true(fl_now() >= deadline);
    }
    assert_int_equal(filch_cq_next(cq, FILCH_NOW, &done), FILCH_ETIMEDOUT);
    assert_int_equal(filch_cq_next(cq, -1, &done), FILCH_ETIMEDOUT);
    assert_ptr_equal(done, f);
    end(f, 0);
    assert_int_equal(filch_cq_next(cq, -1, &done), 0); /* what is there comes whatever the time */
    assert_ptr_equal(done, f);
    filch_future_release(done);
    filch_future_release(f);
    filch_cq_destroy(cq);
}

struct later {
    filch_future *f;
    filch_cq *cq;
};

static void next_or_end(unsigned i, void *arg)
{
    const struct later *l = arg;
    filch_future *done = NULL;

    if (i == 0) {
        end(l->f, 0);
        return;
    }
    test_check(filch_cq_next(l->cq, FILCH_FOREVER, &done) == 0);
    test_check(done == l->f);
    filch_future_release(done);
}

TEST(whoever_waits_is_woken_with_a_descriptor_and_without)
{
    for (int with_fd = 0; with_fd < 2; with_fd++) {
        struct later l = {NULL, queue()};

        assert_true(!with_fd || filch_cq_fd(l.cq) >= 0);
        for (size_t turn = test_scaled(200); turn > 0; turn--) {
            l.f = promise();
            add(l.cq, l.f);
            test_threads(2, next_or_end, &l);
            filch_future_release(l.f);
        }
        check_come(l.cq, NULL, 0);
        filch_cq_destroy(l.cq);
    }
}

/* ---- Executors ---- */

TEST(tasks_of_two_executors_and_promises_come_out_of_one_queue)
{
    enum {
        N = 900
    };
    filch_executor *ex[2] = {pool_of(1), pool_of(2)};
    filch_cq *cq = queue();
    intptr_t sum = 0;
    intptr_t expected = 0;

    for (intptr_t i = 0; i < N; i++) {
        filch_future *f = i % 3 == 2 ? promise() : submit(ex[i % 3], task_echo, number(i));

        add(cq, f);
        if (i % 3 == 2)
            test_check(filch_promise_set_result(f, number(i)) == 0);
        filch_future_release(f);
        expected += i;
    }
    for (int i = 0; i < N; i++) {
        filch_future *done = NULL;
        void *result = NULL;

        assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
        assert_int_equal(filch_future_result(done, FILCH_NOW, &result), 0);
        sum += (intptr_t)result;
        filch_future_release(done);
    }
    assert_int_equal(sum, expected);
    check_come(cq, NULL, 0);
    filch_executor_destroy(ex[0]);
    filch_executor_destroy(ex[1]);
    filch_cq_destroy(cq);
}

TEST(e1_what_a_shutdown_cancels_comes_out)
{
    enum {
        N = 20
    };
    filch_executor *ex = pool_of(1);
    filch_cq *cq = queue();
    struct hold hold = {0};
    filch_future *f[N];
    filch_future *done[N + 1];

    hold_worker(&hold, ex);
    for (int i = 0; i < N; i++) {
        f[i] = submit(ex, task_echo, NULL);
        add(cq, f[i]);
    }
    assert_true(filch_future_cancel(f[0]));
    assert_int_equal(filch_cq_take(cq, done, N), 1);
    filch_future_release(done[0]);
    assert_int_equal(
        filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_FOREVER), 0);
    assert_int_equal(filch_cq_take(cq, done, N + 1), N - 1);
    for (int i = 0; i < N - 1; i++) {
        assert_true(filch_future_cancelled(done[i]));
        filch_future_release(done[i]);
    }
    for (int i = 0; i < N; i++)
        filch_future_release(f[i]);
    let_go(&hold);
    filch_executor_destroy(ex);
    filch_cq_destroy(cq);
}

struct inside {
    filch_executor *ex;
    filch_cq *cq;
};

static int task_next(void *arg, void **result)
{
    const struct inside *in = arg;

    for (intptr_t i = 0; i < 10; i++) {
        filch_future *f = submit(in->ex, task_echo, number(i));
        filch_future *done = NULL;

        add(in->cq, f);
        test_check(filch_cq_next(in->cq, FILCH_FOREVER, &done) == 0);
        test_check(done == f);
        filch_future_release(done);
        filch_future_release(f);
    }
    *result = NULL;
    return 0;
}

TEST(a_task_that_waits_on_a_queue_leaves_its_place_to_another_thread)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        struct inside in = {pool_with((filch_options){.workers = 1, .help = (enum filch_help)help}),
                            queue()};

        assert_int_equal(finish(submit(in.ex, task_next, &in)), 0);
        filch_executor_destroy(in.ex);
        filch_cq_destroy(in.cq);
    }
}

/* ---- Callbacks ---- */

static void add_again(filch_future *f, void *cq)
{
    add(cq, f);
}

static void take_here(filch_future *f, void *cq)
{
    filch_future *done[2] = {NULL, NULL};

    test_check(filch_cq_take(cq, done, 2) == 1);
    test_check(done[0] == f);
    filch_future_release(done[0]);
}

static void destroy_here(filch_future *f, void *cq)
{
    (void)f;
    filch_cq_destroy(cq);
}

TEST(a_callback_may_add_take_and_destroy)
{
    int64_t before = blocks_now();
    filch_cq *cq = queue();
    filch_cq *gone = queue();
    filch_future *f = promise();

    add(gone, f);
    add(cq, f);
    assert_int_equal(filch_future_add_done_callback(f, take_here, cq), 0);
    assert_int_equal(filch_future_add_done_callback(f, add_again, cq), 0);
    assert_int_equal(filch_future_add_done_callback(f, destroy_here, gone), 0);
    add(gone, f);
    end(f, 0);
    check_come(cq, &f, 1);
    filch_future_release(f);
    filch_cq_destroy(cq);
    assert_int_equal(blocks_now(), before);
}

struct nested {
    filch_cq *cq;
    filch_future *f[20];
    int length;
};

/* The last of them adds one of its own and takes what it has ended. */
static void end_next_or_take(filch_future *f, void *user)
{
    const struct nested *n = user;
    filch_future *own;
    filch_future *done = NULL;
    int i = 0;

    while (n->f[i] != f)
        i++;
    if (i + 1 < n->length) {
        end(n->f[i + 1], 0);
        return;
    }
    own = promise();
    add(n->cq, own);
    end(own, 0);
    test_check(filch_cq_take(n->cq, &done, 1) == 1);
    test_check(done == own);
    filch_future_release(done);
    filch_future_release(own);
}

TEST(a_callback_may_take_what_it_has_ended_however_deep_it_is)
{
    for (int length = 1; length <= 20; length++) {
        struct nested n = {.cq = queue(), .length = length};

        for (int i = 0; i < length; i++) {
            n.f[i] = promise();
            assert_int_equal(filch_future_add_done_callback(n.f[i], end_next_or_take, &n), 0);
        }
        end(n.f[0], 0);
        for (int i = 0; i < length; i++)
            filch_future_release(n.f[i]);
        filch_cq_destroy(n.cq);
    }
}

/* ---- The descriptor ---- */

TEST(the_descriptor_is_readable_exactly_while_there_is_something_to_take)
{
    filch_cq *cq = queue();
    int fd = filch_cq_fd(cq);
    filch_future *f[3] = {promise(), promise(), promise()};
    filch_future *done[4];

    assert_true(fd >= 0);
    assert_int_equal(filch_cq_fd(cq), fd);
    assert_true((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_false(is_readable(fd));
    for (int i = 0; i < 3; i++)
        add(cq, f[i]);
    assert_false(is_readable(fd));
    for (int turn = 0; turn < 2; turn++) {
        for (int i = 0; i < 3; i++) {
            if (turn == 0)
                end(f[i], i);
            else
                add(cq, f[i]); /* over already */
            assert_true(is_readable(fd));
        }
        for (int i = 0; i < 3; i++) {
            assert_true(is_readable(fd));
            assert_int_equal(filch_cq_take(cq, done, 1), 1);
            filch_future_release(done[0]);
        }
        assert_int_equal(filch_cq_take(cq, done, 1), 0);
        assert_false(is_readable(fd));
        assert_int_equal(filch_cq_take(cq, done, 1), 0);
    }
    for (int i = 0; i < 3; i++)
        filch_future_release(f[i]);
    filch_cq_destroy(cq);
}

TEST(a_descriptor_that_is_asked_for_late_tells_of_what_was_there)
{
    for (int before = 0; before < 3; before++) {
        filch_cq *cq = queue();
        filch_future *f = promise();
        filch_future *done = NULL;

        add(cq, f);
        if (before == 1) /* the taker has slept, and so armed it */
            assert_int_equal(filch_cq_next(cq, filch_in_us(100), &done), FILCH_ETIMEDOUT);
        if (before == 2)
            check_come(cq, NULL, 0);
        end(f, 0);
        int fd = filch_cq_fd(cq);
        assert_true(is_readable(fd));
        check_come(cq, &f, 1);
        assert_false(is_readable(fd));
        filch_future_release(f);
        filch_cq_destroy(cq);
    }
}

TEST(a_descriptor_that_is_asked_for_while_armed_tells_of_what_comes)
{
    filch_cq *cq = queue();
    filch_future *f = promise();
    filch_future *done = NULL;

    add(cq, f);
    assert_int_equal(filch_cq_next(cq, filch_in_us(100), &done), FILCH_ETIMEDOUT);
    int fd = filch_cq_fd(cq);
    assert_false(is_readable(fd));
    end(f, 0);
    assert_true(is_readable(fd));
    check_come(cq, &f, 1);
    filch_future_release(f);
    filch_cq_destroy(cq);
}

/* Next may leave the descriptor readable, but never the other way round. */
TEST(what_next_leaves_keeps_the_descriptor_readable)
{
    filch_cq *cq = queue();
    int fd = filch_cq_fd(cq);
    filch_future *f[2] = {promise(), promise()};
    filch_future *done = NULL;

    for (int i = 0; i < 2; i++)
        add(cq, f[i]);
    end(f[0], 0);
    end(f[1], 0);
    assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
    filch_future_release(done);
    assert_true(is_readable(fd));
    assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
    filch_future_release(done);
    add(cq, f[0]); /* the taker has not found it empty yet */
    assert_true(is_readable(fd));
    check_come(cq, f, 1);
    assert_false(is_readable(fd));
    assert_int_equal(filch_cq_next(cq, filch_in_us(100), &done), FILCH_ETIMEDOUT);
    assert_false(is_readable(fd));
    add(cq, f[1]);
    assert_true(is_readable(fd));
    for (int i = 0; i < 2; i++)
        filch_future_release(f[i]);
    filch_cq_destroy(cq);
}

TEST(a_descriptor_that_is_asked_for_between_two_results_tells_of_the_second)
{
    filch_cq *cq = queue();
    filch_future *f[2] = {promise(), promise()};
    filch_future *done = NULL;

    for (int i = 0; i < 2; i++) {
        add(cq, f[i]);
        end(f[i], 0);
    }
    assert_int_equal(filch_cq_next(cq, FILCH_NOW, &done), 0);
    filch_future_release(done);
    int fd = filch_cq_fd(cq);
    assert_true(is_readable(fd));
    check_come(cq, f + 1, 1);
    assert_false(is_readable(fd));
    for (int i = 0; i < 2; i++)
        filch_future_release(f[i]);
    filch_cq_destroy(cq);
}

static filch_future *late[2];

static void end_late(void)
{
    end(late[0], 0);
    end(late[1], 0);
}

/* The taker has found it empty, drains the descriptor, and only then finds that it was wrong. */
TEST(what_ends_while_the_taker_drains_is_taken_or_keeps_the_descriptor_readable)
{
    for (size_t most = 1; most <= 4; most++) {
        filch_cq *cq = queue();
        int fd = filch_cq_fd(cq);
        filch_future *f = promise();
        filch_future *done[4];
        size_t n;

        late[0] = promise();
        late[1] = promise();
        add(cq, f);
        add(cq, late[0]);
        add(cq, late[1]);
        end(f, 0);
        after_drain = end_late;
        n = filch_cq_take(cq, done, most);
        assert_int_equal(n, most < 3 ? most : 3);
        for (size_t i = 0; i < n; i++)
            filch_future_release(done[i]);
        if (after_drain != NULL) { /* it was asked for no more than it had */
            assert_int_equal(most, 1);
            assert_int_equal(filch_cq_take(cq, done, 1), 1);
            filch_future_release(done[0]);
            n++;
        }
        assert_true(n == 3 || is_readable(fd));
        check_come(cq, late + (n - 1), 3 - n);
        assert_false(is_readable(fd));
        filch_future_release(f);
        filch_future_release(late[0]);
        filch_future_release(late[1]);
        filch_cq_destroy(cq);
    }
}

TEST(what_ends_while_next_goes_to_sleep_comes_and_keeps_the_descriptor_readable)
{
    filch_cq *cq = queue();
    int fd = filch_cq_fd(cq);
    filch_future *done = NULL;

    late[0] = promise();
    late[1] = promise();
    add(cq, late[0]);
    add(cq, late[1]);
    after_drain = end_late;
    assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
    assert_ptr_equal(done, late[0]);
    filch_future_release(done);
    assert_true(is_readable(fd));
    check_come(cq, late + 1, 1);
    filch_future_release(late[0]);
    filch_future_release(late[1]);
    filch_cq_destroy(cq);
}

/* A loop that takes until nothing comes may watch for edges, too. */
TEST(an_event_loop_hears_of_each_batch_level_or_edge)
{
    for (int edge = 0; edge < 2; edge++) {
        filch_cq *cq = queue();
        int loop = epoll_create1(EPOLL_CLOEXEC);
        struct epoll_event event = {.events = EPOLLIN | (edge ? (uint32_t)EPOLLET : 0U)};
        filch_future *f[8];

        assert_true(loop >= 0);
        assert_int_equal(epoll_ctl(loop, EPOLL_CTL_ADD, filch_cq_fd(cq), &event), 0);
        for (int batch = 1; batch <= 8; batch++) {
            assert_int_equal(epoll_wait(loop, &event, 1, 0), 0);
            for (int i = 0; i < batch; i++) {
                f[i] = promise();
                add(cq, f[i]);
                end(f[i], 0);
            }
            assert_int_equal(epoll_wait(loop, &event, 1, 0), 1);
            check_come(cq, f, (size_t)batch);
            for (int i = 0; i < batch; i++)
                filch_future_release(f[i]);
        }
        close(loop);
        filch_cq_destroy(cq);
    }
}

TEST(only_the_first_completion_after_the_taker_found_it_empty_costs_a_call)
{
    enum {
        N = 50
    };
    filch_cq *cq = queue();
    filch_future *f[N];
    filch_future *done[N];

    assert_true(filch_cq_fd(cq) >= 0);
    for (int turn = 0; turn < 3; turn++) {
        uint64_t rung = count_of(&rings);
        uint64_t woken = count_of(&futex_wakes);

        for (int i = 0; i < N; i++) {
            f[i] = promise();
            add(cq, f[i]);
            end(f[i], 0);
        }
        assert_int_equal(count_of(&rings), rung + 1);
        assert_in_range(count_of(&futex_wakes) - woken, 0, 1);
        /* Taken to the last one, but not found empty: nobody is rung for. */
        assert_int_equal(filch_cq_take(cq, done, N), N);
        for (int i = 0; i < N; i++) {
            filch_future_release(done[i]);
            add(cq, f[i]);
        }
        assert_int_equal(count_of(&rings), rung + 1);
        assert_in_range(count_of(&futex_wakes) - woken, 0, 1);
        check_come(cq, f, N);
        for (int i = 0; i < N; i++)
            filch_future_release(f[i]);
    }
    filch_cq_destroy(cq);
}

TEST(without_a_descriptor_and_without_a_sleeper_a_completion_makes_no_call)
{
    filch_cq *cq = queue();
    uint64_t rung = count_of(&rings);
    uint64_t woken = count_of(&futex_wakes);
    filch_future *done = NULL;

    for (int turn = 0; turn < 10; turn++) {
        filch_future *f = promise();

        add(cq, f);
        end(f, 0);
        assert_int_equal(filch_cq_next(cq, FILCH_NOW, &done), 0);
        filch_future_release(done);
        filch_future_release(f);
        check_come(cq, NULL, 0);
    }
    assert_int_equal(count_of(&rings), rung);
    assert_int_equal(count_of(&futex_wakes), woken);
    filch_cq_destroy(cq);
}

TEST(without_a_file_to_be_had_the_descriptor_is_refused_and_the_queue_works_on)
{
    filch_cq *cq = queue();
    filch_future *f = promise();
    struct rlimit limit;
    struct rlimit none;

    add(cq, f);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    errno = 77;
    int fd = filch_cq_fd(cq);
    int saved = errno;
    end(f, 0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(fd, FILCH_EMFILE);
    assert_int_equal(saved, 77);
    fd = filch_cq_fd(cq);
    assert_true(is_readable(fd));
    check_come(cq, &f, 1);
    assert_false(is_readable(fd));
    filch_future_release(f);
    filch_cq_destroy(cq);
}

/* ---- Arguments ---- */

TEST(what_is_missing_is_refused)
{
    filch_cq *cq = queue();
    filch_future *f = promise();

    assert_int_equal(filch_cq_create(NULL), FILCH_EINVAL);
    assert_int_equal(filch_cq_add(NULL, f), FILCH_EINVAL);
    assert_int_equal(filch_cq_add(cq, NULL), FILCH_EINVAL);
    assert_int_equal(filch_cq_fd(NULL), FILCH_EINVAL);
    assert_int_equal(filch_cq_next(NULL, FILCH_NOW, &f), FILCH_EINVAL);
    assert_int_equal(filch_cq_next(cq, FILCH_NOW, NULL), FILCH_EINVAL);
    assert_int_equal(filch_cq_take(NULL, &f, 1), 0);
    assert_int_equal(filch_cq_take(cq, NULL, 1), 0);
    filch_cq_destroy(NULL);
    filch_future_release(f);
    filch_cq_destroy(cq);
}

TEST(errno_is_left_alone)
{
    errno = 4711;
    filch_cq *cq = queue();
    filch_future *f = promise();
    filch_future *done = NULL;

    test_check(filch_cq_fd(cq) >= 0);
    add(cq, f);
    test_check(filch_cq_next(cq, filch_in_us(100), &done) == FILCH_ETIMEDOUT);
    end(f, 0);
    test_check(filch_cq_take(cq, &done, 1) == 1);
    test_check(filch_cq_take(cq, &done, 1) == 0);
    filch_future_release(f);
    filch_future_release(f);
    filch_cq_destroy(cq);
    assert_int_equal(errno, 4711);
}

/* ---- Fork ---- */

struct parents {
    filch_cq *cq;
    int fd;
    filch_future *open;
    filch_future *over; /* in the queue */
};

/* A queue of the child's own works as any; the parent's promises are as they were. */
static void use_own_queue(struct parents *p)
{
    filch_cq *own = queue();
    filch_future *done = NULL;

    add(own, p->open);
    test_check(filch_cq_next(own, FILCH_NOW, &done) == FILCH_ETIMEDOUT);
    end(p->open, 0);
    test_check(filch_cq_next(own, FILCH_FOREVER, &done) == 0 && done == p->open);
    filch_future_release(done);
    add(own, p->over);
    test_check(is_readable(filch_cq_fd(own)));
    test_check(filch_cq_take(own, &done, 1) == 1 && done == p->over);
    filch_future_release(done);
    filch_cq_destroy(own);
}

static void be_child(struct parents *p)
{
    filch_future *done = NULL;

    test_check(filch_cq_add(p->cq, p->open) == FILCH_EFORKED);
    test_check(filch_cq_add(p->cq, p->over) == FILCH_EFORKED);
    test_check(filch_cq_fd(p->cq) == FILCH_EFORKED);
    test_check(filch_cq_take(p->cq, &done, 1) == 0);
    test_check(filch_cq_next(p->cq, FILCH_NOW, &done) == FILCH_EFORKED);
    test_check(filch_cq_next(p->cq, FILCH_FOREVER, &done) == FILCH_EFORKED);
    use_own_queue(p);
    filch_cq_destroy(p->cq);
    filch_future_release(p->open);
    filch_future_release(p->over);
}

TEST(in_a_forked_child_a_queue_says_so_and_the_parent_notices_nothing)
{
    for (int with_fd = 0; with_fd < 2; with_fd++) {
        struct parents p = {queue(), -1, promise(), promise()};
        filch_future *both[2] = {p.over, p.open};
        int status = 0;

        if (with_fd)
            p.fd = filch_cq_fd(p.cq);
        add(p.cq, p.open);
        add(p.cq, p.over);
        end(p.over, 0);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(30);
            be_child(&p);
            _exit(0);
        }
        while (waitpid(child, &status, 0) < 0)
            assert_int_equal(errno, EINTR);
        assert_int_equal(status, 0);
        assert_int_equal(filch_future_state(p.open), FILCH_PENDING);
        assert_true(!with_fd || is_readable(p.fd));
        check_come(p.cq, both, 1);
        end(p.open, 0);
        assert_true(!with_fd || is_readable(p.fd));
        check_come(p.cq, both + 1, 1);
        filch_future_release(p.open);
        filch_future_release(p.over);
        filch_cq_destroy(p.cq);
    }
}
