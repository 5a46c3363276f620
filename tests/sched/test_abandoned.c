/* SPDX-License-Identifier: MIT
 *
 * test_abandoned.c: a function of the user's ends its thread instead of returning: its future and those
 * below it on the stack are over, what waits for them is told, and the pool has as many threads as
 * before. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* What clang compiles can't end a thread a second time while its stack is unwound: submit.h. */
#if defined(__clang__)
enum {
    MAY_END_TWICE = 0
};
#else
enum {
    MAY_END_TWICE = 1
};
#endif

static int task_exits(void *arg, void **result)
{
    (void)result;
    pthread_exit(arg);
}

static int task_cancels_itself(void *arg, void **result)
{
    (void)arg, (void)result;
    pthread_cancel(pthread_self());
    pthread_testcancel();
    return 0;
}

static void await_threads_of(filch_executor *ex, uint64_t n)
{
    while (stats_of(ex).workers != n)
        sched_yield();
}

TEST(a_task_that_ends_its_thread_is_abandoned)
{
    filch_executor *ex = pool_of(2);

    for (int i = 0; i < 100; i++) {
        assert_int_equal(finish(submit(ex, task_exits, NULL)), FILCH_EABANDONED);
        assert_int_equal(finish(submit(ex, task_cancels_itself, NULL)), FILCH_EABANDONED);
    }
    for (int i = 0; i < 100; i++)
        assert_int_equal(filch_submit(ex, task_exits, NULL, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    await_threads_of(ex, 2);
    assert_int_equal(stats_of(ex).submitted, 301);
    filch_executor_destroy(ex);
}

struct two_children {
    filch_executor *ex;
    counter n;
    struct {
        struct two_children *of;
        uint64_t place;
    } child[2];
};

static int task_child(void *arg, void **result)
{
    struct two_children *f = *(struct two_children **)arg;
    uint64_t place = count_of(&f->n);

    (void)result;
    count_one(&f->n);
    for (int i = 0; i < 2; i++) {
        if (arg == &f->child[i])
            f->child[i].place = place;
    }
    return 0;
}

static int task_with_two(void *arg, void **result)
{
    struct two_children *f = arg;

    (void)result;
    for (int i = 0; i < 2; i++) {
        f->child[i].of = f;
        test_check(filch_submit(f->ex, task_child, &f->child[i], NULL) == 0);
    }
    return 0;
}

TEST(who_has_taken_the_place_of_another_takes_the_youngest_of_its_own_first)
{
    struct two_children f = {.ex = pool_of(1)};

    assert_int_equal(finish(submit(f.ex, task_exits, NULL)), FILCH_EABANDONED);
    assert_int_equal(finish(submit(f.ex, task_with_two, &f)), 0);
    assert_int_equal(filch_executor_wait_idle(f.ex, FILCH_FOREVER), 0);
    filch_executor_destroy(f.ex);
    assert_int_equal(f.child[1].place, 0);
    assert_int_equal(f.child[0].place, 1);
}

TEST(copied_arguments_of_any_size_are_freed)
{
    filch_executor *ex = pool_of(1);
    char large[1000] = {0};
    filch_future *f = NULL;

    assert_int_equal(filch_submit_copy(ex, task_exits, large, sizeof large, &f), 0);
    assert_int_equal(finish(f), FILCH_EABANDONED);
    assert_int_equal(filch_submit_copy(ex, task_exits, large, 8, &f), 0);
    assert_int_equal(finish(f), FILCH_EABANDONED);
    assert_int_equal(filch_submit_copy(ex, task_exits, large, sizeof large, NULL), 0);
    filch_executor_destroy(ex);
}

struct child {
    filch_executor *ex;
    filch_future *f; /* the test's: its parent may not come to release it */
};

static int task_waits_for_one_that_exits(void *arg, void **result)
{
    struct child *child = arg;

    (void)result;
    child->f = submit(child->ex, task_exits, NULL);
    return outcome(child->f);
}

/* On one worker the parent runs its child itself, or a spare does. */
TEST(a_task_below_one_that_ends_the_thread_is_over_too)
{
    filch_executor *ex = pool_of(1);

    for (int i = 0; i < 50; i++) {
        struct child child = {ex, NULL};

        assert_int_equal(finish(submit(ex, task_waits_for_one_that_exits, &child)),
                         FILCH_EABANDONED);
        assert_int_equal(finish(child.f), FILCH_EABANDONED);
    }
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    filch_executor_destroy(ex);
}

struct pair {
    filch_executor *ex;
    filch_future *f[2]; /* the test's: the task may not come to release them */
};

static int task_waits_for_many(void *arg, void **result)
{
    struct pair *pair = arg;
    filch_future *f[2];

    (void)result;
    f[0] = pair->f[0] = submit(pair->ex, task_echo, NULL);
    f[1] = pair->f[1] = submit(pair->ex, task_exits, NULL);
    test_check(filch_wait(f, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 2);
    return 0;
}

TEST(a_wait_for_many_in_which_the_thread_ends_leaves_nothing_registered)
{
    filch_executor *ex = pool_of(1);

    for (int i = 0; i < 20; i++) {
        struct pair pair = {ex, {NULL, NULL}};
        int status = finish(submit(ex, task_waits_for_many, &pair));

        assert_true(status == 0 || status == FILCH_EABANDONED);
        assert_int_equal(finish(pair.f[0]), 0);
        assert_int_equal(finish(pair.f[1]), FILCH_EABANDONED);
    }
    filch_executor_destroy(ex);
}

TEST(a_scope_counts_off_a_child_that_ends_its_thread)
{
    filch_executor *ex = pool_of(2);

    for (int i = 0; i < 50; i++) {
        filch_scope *scope = NULL;

        assert_int_equal(filch_scope_open(&scope, ex, NULL), 0);
        assert_int_equal(filch_scope_spawn(scope, task_echo, NULL), 0);
        assert_int_equal(filch_scope_spawn(scope, task_exits, NULL), 0);
        assert_int_equal(filch_scope_spawn(scope, task_echo, NULL), 0);
        assert_int_equal(filch_scope_join(scope), FILCH_EABANDONED);
    }
    filch_executor_destroy(ex);
}

/* ---- Who waits for several, and runs one that ends the thread ---- */

struct family {
    filch_executor *ex;
    struct gate gate; /* of the one that another worker has */
    counter over;
    void *args[40];
};

static int child_is_slow(void *arg, void **result)
{
    struct family *family = arg;

    (void)result;
    gate_pass(&family->gate);
    for (int i = 0; i < 100; i++)
        sched_yield();
    count_one(&family->over);
    return 0;
}

static int child_opens_and_exits(void *arg, void **result)
{
    struct family *family = arg;

    (void)result;
    gate_await(&family->gate, 1);
    gate_open(&family->gate);
    pthread_exit(NULL);
}

/* What its children were lent is on its stack: they are over when that is given up. */
static void check_family(void *arg)
{
    struct family *family = arg;

    test_check(count_of(&family->over) == 1);
}

static int task_joins(void *arg, void **result)
{
    struct family *family = arg;
    filch_scope *scope = NULL;
    int status;

    (void)result;
    test_check(filch_scope_open(&scope, family->ex, NULL) == 0);
    pthread_cleanup_push(check_family, family);
    test_check(filch_scope_spawn(scope, child_is_slow, family) == 0);
    gate_await(&family->gate, 1);
    test_check(filch_scope_spawn(scope, child_opens_and_exits, family) == 0);
    status = filch_scope_join(scope);
    test_check(status == FILCH_EABANDONED);
    pthread_cleanup_pop(1);
    return 0;
}

TEST(a_join_in_which_the_thread_ends_waits_for_the_others_and_frees_the_scope)
{
    int64_t before = blocks_now();

    for (int i = 0; i < 30; i++) {
        struct family family = {.ex = pool_of(2)};
        int status = finish(submit(family.ex, task_joins, &family));

        assert_true(status == 0 || status == FILCH_EABANDONED);
        filch_executor_destroy(family.ex);
        assert_int_equal(blocks_now(), before);
    }
}

static int second_is_slow_and_the_others_exit(void *arg, void **result)
{
    struct family *family = *(void **)arg;

    return arg == (void *)&family->args[1] ? child_is_slow(family, result)
                                           : child_opens_and_exits(family, result);
}

static int task_maps(void *arg, void **result)
{
    struct family *family = arg;
    void *args[40];
    int status;

    (void)result;
    for (int i = 0; i < 40; i++) {
        args[i] = &family->args[i];
        family->args[i] = family;
    }
    pthread_cleanup_push(check_family, family);
    status = filch_map_array(family->ex, second_is_slow_and_the_others_exit, args, NULL, 40);
    test_check(status == FILCH_EABANDONED);
    pthread_cleanup_pop(1);
    return 0;
}

TEST(a_map_in_which_the_thread_ends_waits_for_the_other_calls_and_gives_them_back)
{
    int64_t before = blocks_now();

    for (int i = 0; i < 30; i++) {
        struct family family = {.ex = pool_of(2)};
        int status = finish(submit(family.ex, task_maps, &family));

        assert_true(status == 0 || status == FILCH_EABANDONED);
        filch_executor_destroy(family.ex);
        assert_int_equal(blocks_now(), before);
    }
}

struct many {
    filch_executor *ex;
    filch_future *f[100];
};

static int task_waits_for_a_hundred(void *arg, void **result)
{
    struct many *many = arg;
    filch_future *f[100];

    (void)result;
    for (int i = 0; i < 100; i++)
        f[i] = many->f[i] = submit(many->ex, task_exits, NULL);
    test_check(filch_wait(f, 100, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 100);
    return 0;
}

TEST(a_wait_for_a_hundred_in_which_the_thread_ends_leaves_no_memory)
{
    int64_t before = blocks_now();

    for (int i = 0; i < 20; i++) {
        struct many many = {.ex = pool_of(1)};
        int status = finish(submit(many.ex, task_waits_for_a_hundred, &many));

        assert_true(status == 0 || status == FILCH_EABANDONED);
        for (int j = 0; j < 100; j++)
            assert_int_equal(finish(many.f[j]), FILCH_EABANDONED);
        filch_executor_destroy(many.ex);
        assert_int_equal(blocks_now(), before);
    }
}

static int task_exits_at_odd(void *arg, void **result)
{
    if ((intptr_t)arg % 2 != 0)
        pthread_exit(NULL);
    *result = arg;
    return 0;
}

TEST(a_map_goes_on_behind_a_call_that_ends_its_thread)
{
    filch_executor *ex = pool_of(2);
    void *args[6];
    void *results[6];

    for (intptr_t i = 0; i < 6; i++)
        args[i] = number(i);
    assert_int_equal(filch_map_array(ex, task_exits_at_odd, args, results, 6), FILCH_EABANDONED);
    for (intptr_t i = 0; i < 6; i += 2)
        assert_ptr_equal(results[i], number(i));
    filch_executor_destroy(ex);
}

struct numbers {
    intptr_t next, end;
    counter dropped;
};

static bool next_number(void *source, void **arg)
{
    struct numbers *n = source;

    if (n->next == n->end)
        return false;
    *arg = number(n->next++);
    return true;
}

static void drop_number(void *source, void *arg)
{
    (void)arg;
    count_one(&((struct numbers *)source)->dropped);
}

TEST(an_iterated_map_drops_what_no_call_was_made_with_and_nothing_else)
{
    filch_executor *ex = pool_of(2);
    struct numbers numbers = {0, 8, 0};
    filch_map_options o = {.size = sizeof o, .chunk = 4, .drop = drop_number};
    filch_map_iter *it = NULL;
    void *result;
    int status;
    int told = 0;

    assert_int_equal(filch_map(ex, task_exits_at_odd, next_number, &numbers, &o, &it), 0);
    while (told < 8) {
        status = filch_map_next(it, &result);
        assert_int_equal(status, FILCH_EABANDONED);
        told++;
    }
    assert_int_equal(filch_map_next(it, &result), FILCH_EEND);
    filch_map_close(it);
    assert_int_equal(count_of(&numbers.dropped), 4); /* of each chunk, the two behind the second */
    filch_executor_destroy(ex);
}

static int call_exits_at_the_gate(void *arg, void **result)
{
    (void)result;
    gate_pass(arg);
    pthread_exit(NULL);
}

static bool next_gate(void *source, void **arg)
{
    void **gate = source;

    *arg = *gate;
    *gate = NULL;
    return *arg != NULL;
}

TEST(a_map_that_is_closed_before_its_call_ends_the_thread_leaves_no_memory)
{
    int64_t before = blocks_now();

    for (int i = 0; i < 20; i++) {
        filch_executor *ex = pool_of(1);
        struct gate gate = {0};
        void *source = &gate;
        filch_map_iter *it = NULL;

        assert_int_equal(filch_map(ex, call_exits_at_the_gate, next_gate, &source, NULL, &it), 0);
        gate_await(&gate, 1);
        filch_map_close(it);
        gate_open(&gate);
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}

static void *opens_later(void *gate)
{
    for (int i = 0; i < 100; i++)
        sched_yield();
    gate_open(gate);
    return NULL;
}

TEST(a_close_that_waits_for_a_call_that_ends_the_thread_drops_what_was_not_called)
{
    int64_t before = blocks_now();

    for (int i = 0; i < 20; i++) {
        filch_executor *ex = pool_of(1);
        struct gate gate = {0};
        struct numbers numbers = {(intptr_t)&gate, (intptr_t)&gate + 3, 0};
        filch_map_options o = {
            .size = sizeof o, .chunk = 3, .flags = FILCH_MAP_CLOSE_WAITS, .drop = drop_number};
        filch_map_iter *it = NULL;
        pthread_t thread;

        assert_int_equal(filch_map(ex, call_exits_at_the_gate, next_number, &numbers, &o, &it), 0);
        gate_await(&gate, 1);
        assert_int_equal(pthread_create(&thread, NULL, opens_later, &gate), 0);
        filch_map_close(it);
        assert_int_equal(count_of(&numbers.dropped), 2);
        assert_int_equal(pthread_join(thread, NULL), 0);
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}

static int continuation_exits(filch_future *f, void *arg, void **result)
{
    (void)f, (void)arg, (void)result;
    pthread_exit(NULL);
}

TEST(a_continuation_that_ends_its_thread_is_abandoned)
{
    filch_executor *ex = pool_of(2);

    for (int i = 0; i < 20; i++) {
        struct hold hold = {0};
        filch_future *here = NULL;
        filch_future *there = NULL;

        hold.f = submit(ex, task_gate, &hold.gate);
        gate_await(&hold.gate, 1);
        assert_int_equal(filch_then(hold.f, NULL, 0, continuation_exits, NULL, &here), 0);
        assert_int_equal(filch_then(hold.f, ex, 0, continuation_exits, NULL, &there), 0);
        let_go(&hold);
        assert_int_equal(finish(here), FILCH_EABANDONED);
        assert_int_equal(finish(there), FILCH_EABANDONED);
    }
    filch_executor_destroy(ex);
}

static void callback_exits(filch_future *f, void *user)
{
    (void)f;
    count_one(user);
    pthread_exit(NULL);
}

static void callback_counts(filch_future *f, void *user)
{
    (void)f;
    count_one(user);
}

TEST(callbacks_behind_one_that_ends_the_thread_are_called)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter calls = 0;

    hold_worker(&hold, ex);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(filch_future_add_done_callback(hold.f, callback_counts, &calls), 0);
        assert_int_equal(
            filch_future_add_done_callback(
                hold.f, i == 0 || MAY_END_TWICE ? callback_exits : callback_counts, &calls),
            0);
    }
    assert_int_equal(filch_future_add_done_callback(hold.f, callback_counts, &calls), 0);
    let_go(&hold); /* it has returned: the outcome stands */
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&calls), 7);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    filch_executor_destroy(ex);
}

TEST(a_callback_on_an_executor_that_ends_the_thread_leaves_nothing_behind)
{
    int64_t before = blocks_now();
    filch_executor *ex = pool_of(1);
    counter calls = 0;

    for (int i = 0; i < 20; i++) {
        filch_future *f = promise();

        assert_int_equal(filch_future_add_done_callback_on(f, ex, callback_exits, &calls), 0);
        assert_int_equal(filch_promise_set_result(f, NULL), 0);
        filch_future_release(f);
    }
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&calls), 20);
    assert_int_equal(blocks_now(), before);
}

static void *cancels_with_a_callback_that_exits(void *f)
{
    filch_future_cancel(f);
    return "not reached";
}

TEST(a_thread_of_the_users_may_end_in_a_callback)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter calls = 0;
    filch_future *f;
    pthread_t thread;
    void *end = &calls;

    hold_worker(&hold, ex);
    f = submit(ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(f, callback_exits, &calls), 0);
    assert_int_equal(filch_future_add_done_callback(f, callback_counts, &calls), 0);
    assert_int_equal(pthread_create(&thread, NULL, cancels_with_a_callback_that_exits, f), 0);
    assert_int_equal(pthread_join(thread, &end), 0);
    assert_null(end);
    assert_int_equal(count_of(&calls), 2);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    let_go(&hold);
    filch_executor_destroy(ex);
}

static void *continues_with_what_is_over(void *f)
{
    filch_future *out = NULL;
    int status = filch_then(f, NULL, 0, continuation_exits, NULL, &out);

    test_check(status != 0);
    return "not reached";
}

static void *adds_to_what_is_over_on_a_pool_that_ended(void *both)
{
    void **at = both;
    int status = filch_future_add_done_callback_on(at[0], at[1], callback_exits, at[2]);

    test_check(status != 0);
    return "not reached";
}

TEST(a_thread_of_the_users_that_ends_in_what_is_called_at_once_leaves_nothing_behind)
{
    int64_t before = blocks_now();
    filch_executor *ex = pool_of(1);
    filch_future *f = promise();
    counter calls = 0;
    void *both[] = {f, ex, &calls};
    pthread_t thread;

    assert_int_equal(filch_promise_set_result(f, NULL), 0);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(pthread_create(&thread, NULL, continues_with_what_is_over, f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(pthread_create(&thread, NULL, adds_to_what_is_over_on_a_pool_that_ended, both),
                     0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(count_of(&calls), 1);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

static void *shuts_down(void *ex)
{
    int status = filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW);

    test_check(status != 0);
    return "not reached";
}

static void *cancels_all(void *ex)
{
    test_check(filch_executor_cancel_all(ex) < 0);
    return "not reached";
}

/* The pool counts what was cancelled there, and ends; what it had taken out is cancelled. */
static void end_in_a_callback_of(void *(*cancels)(void *ex))
{
    int64_t before = blocks_now();
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter calls = 0;
    filch_future *f[3];
    pthread_t thread;

    hold_worker(&hold, ex);
    for (int i = 0; i < 3; i++)
        f[i] = submit(ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(f[0], callback_exits, &calls), 0);
    assert_int_equal(pthread_create(&thread, NULL, cancels, ex), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(count_of(&calls), 1);
    let_go(&hold);
    assert_int_equal(finish(f[0]), FILCH_ECANCELED);
    for (int i = 1; i < 3; i++) {
        int status = finish(f[i]);

        assert_true(status == 0 || status == FILCH_ECANCELED);
    }
    assert_int_equal(stats_of(ex).tombstones, 0);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

TEST(an_executor_ends_if_the_thread_that_shuts_it_down_ends_in_a_callback)
{
    end_in_a_callback_of(shuts_down);
}

TEST(an_executor_goes_on_and_ends_if_the_thread_that_cancels_all_ends_in_a_callback)
{
    end_in_a_callback_of(cancels_all);
}

static void *waits_idle(void *ex)
{
    int status = filch_executor_wait_idle(ex, FILCH_FOREVER);

    test_check(status == 0);
    return NULL;
}

TEST(who_waits_for_quiet_is_told_by_a_thread_that_ends_while_it_cancels)
{
    for (int i = 0; i < 2; i++) {
        filch_executor *ex = pool_of(1);
        counter calls = 0;
        filch_future *f;
        pthread_t waiting;
        pthread_t cancelling;

        await_parked(ex, 1); /* or it takes the task, and only then sees the pause */
        assert_int_equal(filch_executor_pause(ex), 0);
        f = submit(ex, task_echo, NULL);
        assert_int_equal(filch_future_add_done_callback(f, callback_exits, &calls), 0);
        assert_int_equal(pthread_create(&waiting, NULL, waits_idle, ex), 0);
        for (int j = 0; j < 1000; j++)
            sched_yield();
        assert_int_equal(pthread_create(&cancelling, NULL, i == 0 ? cancels_all : shuts_down, ex),
                         0);
        assert_int_equal(pthread_join(cancelling, NULL), 0);
        assert_int_equal(pthread_join(waiting, NULL), 0);
        filch_future_release(f);
        filch_executor_destroy(ex);
    }
}

static void hook_exits(const filch_unobserved *info, void *arg)
{
    (void)info;
    count_one(arg);
    pthread_exit(NULL);
}

static int task_says_why(void *arg, void **result)
{
    (void)arg, (void)result;
    return filch_fail(3, "why", NULL, NULL);
}

static void *releases(void *f)
{
    filch_future_release(f);
    return "not reached";
}

TEST(a_hook_that_ends_the_thread_leaves_nothing_of_the_failure)
{
    int64_t before = blocks_now();
    counter calls = 0;
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .on_unobserved = hook_exits, .hook_arg = &calls});
    filch_future *f = submit(ex, task_says_why, NULL);
    pthread_t thread;

    assert_int_equal(filch_submit(ex, task_says_why, NULL, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(pthread_create(&thread, NULL, releases, f), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&calls), 2);
    assert_int_equal(blocks_now(), before);
}

static void dtor_exits(void *value, void *arg)
{
    (void)value;
    count_one(arg);
    pthread_exit(NULL);
}

static int task_sets_and_fails(void *arg, void **result)
{
    *result = arg;
    return 4;
}

TEST(a_dtor_of_a_task_that_ends_the_thread_fails_its_future)
{
    filch_executor *ex = pool_of(1);
    counter calls = 0;
    filch_task_options value = {.size = sizeof value, .value_dtor = dtor_exits, .dtor_arg = &calls};
    filch_task_options argument = {
        .size = sizeof argument, .arg_dtor = dtor_exits, .dtor_arg = &calls};
    filch_future *f = NULL;

    assert_int_equal(filch_submit_with(ex, &value, task_sets_and_fails, &calls, &f), 0);
    assert_int_equal(finish(f), FILCH_EABANDONED);
    assert_int_equal(filch_submit_with(ex, &argument, task_echo, NULL, &f), 0);
    assert_int_equal(finish(f), FILCH_EABANDONED);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&calls), 2);
}

static int task_asks_for_its_end_and_returns(void *arg, void **result)
{
    gate_pass(arg);
    *result = arg;
    pthread_cancel(pthread_self());
    return 0;
}

static void *destroys(void *ex)
{
    pthread_cancel(pthread_self());
    filch_executor_destroy(ex);
    pthread_testcancel();
    return "not reached";
}

TEST(an_executor_is_destroyed_by_a_thread_that_is_about_to_end)
{
    size_t threads = threads_now();

    for (int i = 0; i < 20; i++) {
        filch_executor *ex = pool_of(2);
        pthread_t thread;
        void *end = NULL;

        assert_int_equal(pthread_create(&thread, NULL, destroys, ex), 0);
        assert_int_equal(pthread_join(thread, &end), 0);
        assert_ptr_equal(end, PTHREAD_CANCELED);
    }
    await_threads_at_most(threads);
}

static void *shuts_down_and_ends(void *ex)
{
    pthread_cancel(pthread_self());
    return filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER) == 0 ? NULL : ex;
}

TEST(an_executor_that_a_thread_has_shut_down_that_is_about_to_end_can_be_destroyed)
{
    filch_executor *ex = pool_of(2);
    pthread_t thread;
    void *end = &thread;

    assert_int_equal(pthread_create(&thread, NULL, shuts_down_and_ends, ex), 0);
    assert_int_equal(pthread_join(thread, &end), 0);
    assert_null(end); /* it has gone through to its end */
    filch_executor_destroy(ex);
}

/* No cancellation point lies between the function and whoever is told. */
TEST(an_event_loop_is_rung_for_by_a_thread_that_is_about_to_end)
{
    for (int i = 0; i < 3; i++) {
        filch_executor *ex = pool_of(1);
        struct gate gate = {0};
        filch_future *f = submit(ex, task_asks_for_its_end_and_returns, &gate);
        filch_future *done = NULL;
        filch_cq *cq = NULL;
        struct pollfd fd = {.events = POLLIN};

        assert_int_equal(filch_cq_create(&cq), 0);
        assert_int_equal(filch_cq_add(cq, f), 0);
        fd.fd = filch_cq_fd(cq);
        assert_true(fd.fd >= 0);
        assert_int_equal(filch_cq_take(cq, &done, 1), 0);
        gate_await(&gate, 1);
        gate_open(&gate);
        assert_int_equal(poll(&fd, 1, -1), 1);
        assert_int_equal(filch_cq_take(cq, &done, 1), 1);
        assert_ptr_equal(done, f);
        filch_future_release(done);
        assert_int_equal(finish(f), 0);
        filch_cq_destroy(cq);
        filch_executor_destroy(ex);
    }
}

static int start_exits(void *arg)
{
    count_one(arg);
    pthread_exit(NULL);
}

TEST(a_start_hook_that_ends_its_thread_has_failed)
{
    counter calls = 0;
    filch_executor *ex = pool_with(
        (filch_options){.workers = 2, .on_thread_start = start_exits, .hook_arg = &calls});

    while (filch_executor_broken(ex) == NULL)
        sched_yield();
    assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), FILCH_EBROKEN);
    filch_executor_destroy(ex);
    assert_in_range(count_of(&calls), 1, 2);
}

static void stop_exits(void *arg)
{
    count_one(arg);
    pthread_exit(NULL);
}

TEST(a_stop_hook_may_end_its_thread)
{
    counter calls = 0;
    filch_executor *ex =
        pool_with((filch_options){.workers = 3, .on_thread_stop = stop_exits, .hook_arg = &calls});

    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    if (MAY_END_TWICE)
        assert_int_equal(finish(submit(ex, task_exits, NULL)), FILCH_EABANDONED);
    filch_executor_destroy(ex);
    assert_in_range(count_of(&calls), 3, 4); /* the end may come before the next thread */
}

TEST(an_executor_ends_in_spite_of_tasks_that_end_their_threads)
{
    for (int round = 0; round < 50; round++) {
        filch_executor *ex = pool_of(3);

        for (int i = 0; i < 10; i++)
            assert_int_equal(filch_submit(ex, task_exits, NULL, NULL), 0);
        filch_executor_destroy(ex);
    }
}

static int task_destroys_and_exits(void *arg, void **result)
{
    (void)result;
    filch_executor_destroy(arg);
    pthread_exit(NULL);
}

TEST(a_task_may_destroy_its_executor_and_end_its_thread)
{
    size_t threads = threads_now();

    for (int round = 0; round < 20; round++) {
        filch_executor *ex = pool_of(2);

        assert_int_equal(filch_submit(ex, task_destroys_and_exits, ex, NULL), 0);
    }
    await_threads_at_most(threads);
}

/* ---- In a forked child ---- */

struct forker {
    filch_executor *ex;
    pid_t parent;
    struct gate gate;
    int ending;
};

/* A task that is still queued when its parent forks: it is the parent's alone. */
static int task_of_the_parent(void *forker, void **result)
{
    struct forker *t = forker;

    (void)result;
    if (getpid() != t->parent)
        _exit(9);
    return 0;
}

static void leave(void)
{
    _exit(7);
}

static int task_forks_and_exits_in_the_child(void *forker, void **result)
{
    struct forker *t = forker;
    pid_t child;

    gate_pass(&t->gate);
    child = fork();
    if (child == 0) {
        alarm(20);
        signal(SIGSEGV, SIG_DFL);
        test_check(atexit(leave) == 0);
        pthread_exit(NULL);
    }
    test_check(waitpid(child, &t->ending, 0) == child);
    (void)result;
    return 0;
}

/* The child's last thread ends, and with it the child; the pool is the parent's. */
TEST(in_a_child_no_other_thread_goes_on)
{
    struct forker t = {.ex = pool_of(1), .parent = getpid()};
    filch_future *f;

    if (FL_TSAN || FL_ASAN)
        test_skip("what a sanitizer does as a child's last thread ends is its own");
    f = submit(t.ex, task_forks_and_exits_in_the_child, &t);
    gate_await(&t.gate, 1);
    assert_int_equal(filch_submit(t.ex, task_of_the_parent, &t, NULL), 0);
    gate_open(&t.gate);
    assert_int_equal(finish(f), 0);
    assert_true(WIFEXITED(t.ending));
    assert_int_equal(WEXITSTATUS(t.ending), 7);
    filch_executor_destroy(t.ex);
}
