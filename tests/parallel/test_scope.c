/* SPDX-License-Identifier: MIT
 *
 * test_scope.c: scopes: what they return under each policy, who may spawn, what cancels them, and that
 * a join waits for all of it and runs nothing else. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <sys/wait.h>
#include <unistd.h>

static filch_scope *scope_with(filch_executor *ex, filch_scope_options o)
{
    filch_scope *s = NULL;

    o.size = sizeof o;
    test_check(filch_scope_open(&s, ex, &o) == 0);
    test_check(s != NULL);
    return s;
}

static filch_scope *scope_of(filch_executor *ex, enum filch_scope_policy policy)
{
    return scope_with(ex, (filch_scope_options){.policy = policy});
}

static void spawn(filch_scope *s, filch_task_fn *fn, void *arg)
{
    test_check(filch_scope_spawn(s, fn, arg) == 0);
}

static const enum filch_scope_policy policies[] = {FILCH_SCOPE_ALL, FILCH_SCOPE_FIRST_ERROR,
                                                   FILCH_SCOPE_FIRST_SUCCESS};
enum {
    POLICIES = 3
};

/* Runs the test from outside, and as a task of the only worker, however that may help. */
static void everywhere(filch_task_fn *fn)
{
    static const enum filch_help helps[] = {FILCH_HELP_DESCENDANTS, FILCH_HELP_ANY,
                                            FILCH_HELP_NONE};

    for (size_t i = 0; i < sizeof helps / sizeof helps[0]; i++) {
        for (unsigned workers = 1; workers <= 2; workers++) {
            filch_executor *ex = pool_with((filch_options){.workers = workers, .help = helps[i]});
            int64_t before = blocks_now();

            test_check(fn(ex, NULL) == 0);
            test_check(finish(submit(ex, fn, ex)) == 0);
            test_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == 0);
            test_check(blocks_now() == before);
            filch_executor_destroy(ex);
        }
    }
}

/* ---- What a join returns ---- */

static int run_counted(void *ex, void **result)
{
    (void)result;
    for (size_t p = 0; p < POLICIES; p++) {
        for (unsigned n = 0; n < 40; n += 13) {
            filch_scope *s = scope_of(ex, policies[p]);
            counter ran = 0;
            unsigned spawned = 0;

            while (spawned < n && filch_scope_spawn(s, task_count, &ran) == 0)
                spawned++;
            test_check(filch_scope_join(s) == 0);
            test_check(policies[p] == FILCH_SCOPE_FIRST_SUCCESS || count_of(&ran) == n);
            test_check(count_of(&ran) <= n && (n == 0 || count_of(&ran) >= 1));
        }
    }
    return 0;
}

TEST(a_join_returns_when_all_have_run)
{
    everywhere(run_counted);
}

static int run_all_fail(void *ex, void **result)
{
    (void)result;
    for (size_t p = 0; p < POLICIES; p++) {
        filch_scope *s = scope_of(ex, policies[p]);
        int status = 0;

        for (int i = 0; i < 20 && status == 0; i++)
            status = filch_scope_spawn(s, task_fail, number(7));
        test_check(status == 0 ||
                   (status == FILCH_ECANCELED && policies[p] == FILCH_SCOPE_FIRST_ERROR));
        test_check(filch_scope_join(s) == 7);
    }
    return 0;
}

TEST(a_scope_whose_tasks_all_fail_fails_under_every_policy)
{
    everywhere(run_all_fail);
}

static int run_one_of_each(void *ex, void **result)
{
    (void)result;
    for (size_t p = 0; p < POLICIES; p++) {
        filch_scope *s = scope_of(ex, policies[p]);
        counter ran = 0;
        int status[3] = {filch_scope_spawn(s, task_fail, number(7)),
                         filch_scope_spawn(s, task_count, &ran),
                         filch_scope_spawn(s, task_count, &ran)};
        int joined = filch_scope_join(s);

        for (int i = 0; i < 3; i++)
            test_check(status[i] == 0 || status[i] == FILCH_ECANCELED);
        if (policies[p] == FILCH_SCOPE_FIRST_SUCCESS)
            test_check(joined == 0 && count_of(&ran) >= 1);
        else
            test_check(joined == 7 || (joined == FILCH_ECANCELED && status[0] != 0));
        if (policies[p] == FILCH_SCOPE_ALL)
            test_check(joined == 7 && count_of(&ran) == 2);
    }
    return 0;
}

TEST(one_failure_fails_a_scope_unless_one_success_is_all_it_wants)
{
    everywhere(run_one_of_each);
}

TEST(a_failure_that_a_task_hands_on_is_the_scopes_as_it_is)
{
    static const int statuses[] = {1,          INT_MAX, FILCH_ETIMEDOUT, FILCH_ECANCELED,
                                   FILCH_EEND, -1,      INT_MIN};
    filch_executor *ex = pool_of(1);

    for (size_t i = 0; i < sizeof statuses / sizeof statuses[0]; i++) {
        filch_scope *s = scope_of(ex, FILCH_SCOPE_ALL);

        spawn(s, task_fail, number(statuses[i]));
        spawn(s, task_echo, NULL);
        assert_int_equal(filch_scope_join(s), statuses[i]);
    }
    filch_executor_destroy(ex);
}

/* One worker and a gate before them: they run in the order spawned, in one go. */
struct held_scope {
    filch_executor *ex;
    filch_scope *s;
    struct hold hold;
};

static struct held_scope held_scope(enum filch_scope_policy policy)
{
    struct held_scope h = {.ex = pool_of(1)};

    h.s = scope_of(h.ex, policy);
    return h;
}

static int join_and_destroy(struct held_scope *h)
{
    let_go(&h->hold);
    int status = filch_scope_join(h->s);

    filch_executor_destroy(h->ex);
    return status;
}

TEST(under_first_error_what_follows_a_failure_does_not_start)
{
    struct held_scope h = held_scope(FILCH_SCOPE_FIRST_ERROR);
    counter ran = 0;

    hold_worker(&h.hold, h.ex);
    spawn(h.s, task_count, &ran);
    spawn(h.s, task_fail, number(7));
    spawn(h.s, task_count, &ran);
    spawn(h.s, task_fail, number(8));
    assert_int_equal(join_and_destroy(&h), 7);
    assert_int_equal(count_of(&ran), 1);
}

TEST(under_first_success_what_follows_a_success_does_not_start)
{
    struct held_scope h = held_scope(FILCH_SCOPE_FIRST_SUCCESS);
    counter ran = 0;

    hold_worker(&h.hold, h.ex);
    spawn(h.s, task_fail, number(7));
    spawn(h.s, task_count, &ran);
    spawn(h.s, task_count, &ran);
    spawn(h.s, task_fail, number(8));
    assert_int_equal(join_and_destroy(&h), 0);
    assert_int_equal(count_of(&ran), 1);
}

TEST(under_all_the_first_failure_counts_and_everything_runs)
{
    struct held_scope h = held_scope(FILCH_SCOPE_ALL);
    counter ran = 0;

    hold_worker(&h.hold, h.ex);
    spawn(h.s, task_count, &ran);
    spawn(h.s, task_fail, number(7));
    spawn(h.s, task_count, &ran);
    spawn(h.s, task_fail, number(8));
    assert_int_equal(join_and_destroy(&h), 7);
    assert_int_equal(count_of(&ran), 2);
}

/* ---- Cancelling ---- */

TEST(a_scope_that_is_cancelled_starts_nothing_more_and_says_so)
{
    for (size_t p = 0; p < POLICIES; p++) {
        struct held_scope h = held_scope(policies[p]);
        counter ran = 0;

        hold_worker(&h.hold, h.ex);
        spawn(h.s, task_count, &ran);
        filch_scope_cancel(h.s);
        assert_int_equal(filch_scope_spawn(h.s, task_count, &ran), FILCH_ECANCELED);
        filch_scope_cancel(h.s);
        assert_int_equal(join_and_destroy(&h), FILCH_ECANCELED);
        assert_int_equal(count_of(&ran), 0);
    }
}

TEST(a_scope_that_is_cancelled_after_all_has_run_is_none_the_worse)
{
    filch_executor *ex = pool_of(1);
    filch_scope *s = scope_of(ex, FILCH_SCOPE_ALL);

    spawn(s, task_echo, NULL);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    filch_scope_cancel(s);
    assert_int_equal(filch_scope_join(s), 0);
    s = scope_of(ex, FILCH_SCOPE_ALL);
    filch_scope_cancel(s);
    assert_int_equal(filch_scope_join(s), 0); /* nothing was to run */
    filch_executor_destroy(ex);
}

static int task_sees_cancel(void *arg, void **result)
{
    (void)result;
    gate_pass(arg);
    while (!filch_cancel_requested())
        sched_yield();
    return 0;
}

TEST(a_cancelled_scope_waits_for_what_runs_and_that_is_told)
{
    filch_executor *ex = pool_of(1);
    filch_scope *s = scope_of(ex, FILCH_SCOPE_ALL);
    struct gate gate = {0};
    counter ran = 0;

    spawn(s, task_sees_cancel, &gate);
    spawn(s, task_count, &ran);
    gate_await(&gate, 1);
    gate_open(&gate);
    filch_scope_cancel(s);
    assert_int_equal(filch_scope_join(s), FILCH_ECANCELED);
    assert_int_equal(count_of(&ran), 0);
    filch_executor_destroy(ex);
}

TEST(a_parent_token_cancels_a_scope_and_outlives_it)
{
    filch_executor *ex = pool_of(1);
    filch_token *parent = NULL;

    assert_int_equal(filch_token_create(&parent, NULL, FILCH_FOREVER), 0);
    filch_scope *s = scope_with(ex, (filch_scope_options){.parent = parent});
    spawn(s, task_echo, NULL);
    assert_int_equal(filch_scope_join(s), 0);
    s = scope_with(ex, (filch_scope_options){.parent = parent});
    filch_scope *other = scope_of(ex, FILCH_SCOPE_ALL);
    filch_token_cancel(parent);
    filch_token_release(parent); /* the scope has one */
    assert_int_equal(filch_scope_spawn(s, task_echo, NULL), FILCH_ECANCELED);
    spawn(other, task_echo, NULL);
    assert_int_equal(filch_scope_join(s), FILCH_ECANCELED);
    assert_int_equal(filch_scope_join(other), 0);
    filch_executor_destroy(ex);
}

TEST(cancelling_a_scope_leaves_its_parent_alone)
{
    filch_executor *ex = pool_of(1);
    filch_token *parent = NULL;

    assert_int_equal(filch_token_create(&parent, NULL, FILCH_FOREVER), 0);
    filch_scope *s = scope_with(ex, (filch_scope_options){.parent = parent});
    filch_scope_cancel(s);
    assert_int_equal(filch_scope_join(s), 0);
    assert_false(filch_token_is_cancelled(parent));
    filch_token_release(parent);
    filch_executor_destroy(ex);
}

TEST(a_deadline_cancels_a_scope)
{
    static const filch_deadline past[] = {INT64_MIN, -1, 1};
    filch_executor *ex = pool_of(1);
    struct gate gate = {0};

    for (size_t i = 0; i < sizeof past / sizeof past[0]; i++) {
        filch_scope *s = scope_with(ex, (filch_scope_options){.deadline = past[i]});

        assert_int_equal(filch_scope_spawn(s, task_echo, NULL), FILCH_ECANCELED);
        assert_int_equal(filch_scope_join(s), FILCH_ECANCELED);
    }
    filch_deadline soon = filch_in_ms(2);
    filch_scope *s = scope_with(ex, (filch_scope_options){.deadline = soon});
    gate_open(&gate);
    int status = filch_scope_spawn(s, task_sees_cancel, &gate);
    assert_true(status == 0 || status == FILCH_ECANCELED);
    status = filch_scope_join(s);
    assert_true(status == 0 || status == FILCH_ECANCELED); /* it may have come too late to start */
    assert_true(filch_in_ns(0) >= soon);
    s = scope_with(ex, (filch_scope_options){.deadline = FILCH_FOREVER});
    spawn(s, task_echo, NULL);
    assert_int_equal(filch_scope_join(s), 0);
    filch_executor_destroy(ex);
}

/* ---- Tasks that spawn, scopes within scopes ---- */

struct tree {
    filch_scope *s;
    unsigned depth;
    counter *ran;
};

static int task_tree(void *arg, void **result)
{
    struct tree *t = arg;

    (void)result;
    count_one(t->ran);
    for (int i = 0; t->depth > 0 && i < 2; i++) {
        struct tree *under = malloc(sizeof *under);

        test_check(under != NULL);
        *under = (struct tree){t->s, t->depth - 1, t->ran};
        spawn(t->s, task_tree, under);
    }
    free(t);
    return 0;
}

static int run_tree(void *ex, void **result)
{
    struct tree *top = malloc(sizeof *top);
    counter ran = 0;
    filch_scope *s = scope_of(ex, FILCH_SCOPE_ALL);

    (void)result;
    test_check(top != NULL);
    *top = (struct tree){s, 9, &ran};
    spawn(s, task_tree, top);
    test_check(filch_scope_join(s) == 0);
    test_check(count_of(&ran) == 1023);
    return 0;
}

TEST(tasks_of_a_scope_may_spawn_and_the_join_waits_for_those_too)
{
    everywhere(run_tree);
}

struct level {
    filch_executor *ex;
    unsigned depth;
    counter *ran;
};

static int task_level(void *arg, void **result)
{
    const struct level *l = arg;
    struct level under = {l->ex, l->depth - 1, l->ran};
    filch_scope *s;

    (void)result;
    count_one(l->ran);
    if (l->depth == 0)
        return 0;
    s = scope_of(l->ex, FILCH_SCOPE_ALL);
    spawn(s, task_level, &under); /* on this very stack: the join keeps it */
    spawn(s, task_level, &under);
    return filch_scope_join(s);
}

static int run_levels(void *ex, void **result)
{
    counter ran = 0;
    struct level top = {ex, 7, &ran};

    test_check(task_level(&top, result) == 0);
    test_check(count_of(&ran) == 255);
    return 0;
}

TEST(scopes_within_scopes_borrow_from_the_stacks_of_those_who_wait)
{
    everywhere(run_levels);
}

struct nested {
    filch_executor *ex;
    struct gate gate;
    int spawned, joined;
    bool asked;
};

static int task_opens_scope(void *arg, void **result)
{
    struct nested *n = arg;
    filch_scope *s = scope_of(n->ex, FILCH_SCOPE_ALL);

    (void)result;
    gate_pass(&n->gate);
    n->spawned = filch_scope_spawn(s, task_echo, NULL);
    n->joined = filch_scope_join(s);
    n->asked = filch_cancel_requested();
    return 0;
}

TEST(a_scope_that_a_task_opens_is_under_that_tasks_own)
{
    filch_executor *ex = pool_of(2);
    struct nested n = {.ex = ex};
    filch_scope *s = scope_of(ex, FILCH_SCOPE_ALL);

    spawn(s, task_opens_scope, &n);
    gate_await(&n.gate, 1);
    filch_scope_cancel(s);
    gate_open(&n.gate);
    assert_int_equal(filch_scope_join(s), 0); /* what ran was the only one */
    assert_int_equal(n.spawned, FILCH_ECANCELED);
    assert_int_equal(n.joined, FILCH_ECANCELED);
    assert_true(n.asked);
    filch_executor_destroy(ex);
}

static int task_is_asked(void *arg, void **result)
{
    (void)result;
    *(bool *)arg = filch_cancel_requested();
    return 0;
}

struct outer {
    filch_executor *ex;
    filch_token *own_token;
    bool own, inner;
};

static int task_with_free_scope(void *arg, void **result)
{
    struct outer *o = arg;
    filch_token *free_one = NULL;

    (void)result;
    filch_token_cancel(o->own_token);
    test_check(filch_token_create(&free_one, NULL, FILCH_FOREVER) == 0);
    filch_scope *inner = scope_with(o->ex, (filch_scope_options){.parent = free_one});
    spawn(inner, task_is_asked, &o->inner);
    test_check(filch_scope_join(inner) == 0);
    o->own = filch_cancel_requested();
    filch_token_release(free_one);
    return 0;
}

TEST(a_scope_with_a_parent_of_its_own_is_not_cancelled_with_the_task_that_opens_it)
{
    filch_executor *ex = pool_of(1);
    struct outer o = {.ex = ex};
    filch_token *t = NULL;
    filch_future *f = NULL;

    assert_int_equal(filch_token_create(&t, NULL, FILCH_FOREVER), 0);
    filch_task_options options = {.size = sizeof options, .token = t};
    o.own_token = t;
    assert_int_equal(filch_submit_with(ex, &options, task_with_free_scope, &o, &f), 0);
    assert_int_equal(finish(f), 0);
    assert_false(o.inner);
    assert_true(o.own);
    filch_token_release(t);
    filch_executor_destroy(ex);
}

/* ---- What a joining worker runs ---- */

/* Held by the thread that joins, or by nobody. */
static _Thread_local bool has_lock;

struct locked {
    filch_executor *ex;
    counter ran, on_top;
    filch_future *stranger;
};

static int task_wants_lock(void *arg, void **result)
{
    struct locked *l = arg;

    (void)result;
    if (has_lock)
        count_one(&l->on_top);
    return 0;
}

static int task_joins_with_lock(void *arg, void **result)
{
    struct locked *l = arg;
    filch_scope *s = scope_of(l->ex, FILCH_SCOPE_ALL);

    (void)result;
    for (int i = 0; i < 4; i++)
        spawn(s, task_count, &l->ran);
    l->stranger = submit(l->ex, task_wants_lock, l);
    for (int i = 0; i < 4; i++)
        spawn(s, task_count, &l->ran);
    has_lock = true;
    test_check(filch_scope_join(s) == 0);
    has_lock = false;
    return 0;
}

TEST(e12_a_join_runs_nothing_that_is_not_the_scopes)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        for (int i = 0; i < 20; i++) {
            struct locked l = {.ex = pool_of(workers)};

            assert_int_equal(finish(submit(l.ex, task_joins_with_lock, &l)), 0);
            assert_int_equal(finish(l.stranger), 0);
            assert_int_equal(count_of(&l.ran), 8);
            assert_int_equal(count_of(&l.on_top), 0);
            filch_executor_destroy(l.ex);
        }
    }
}

/* ---- Shutdown, destroy, fork ---- */

TEST(a_shutdown_that_cancels_ends_an_open_scope)
{
    struct held_scope h = held_scope(FILCH_SCOPE_ALL);
    counter ran = 0;

    hold_worker(&h.hold, h.ex);
    for (int i = 0; i < 5; i++)
        spawn(h.s, task_count, &ran);
    assert_int_equal(filch_executor_shutdown(h.ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    assert_int_equal(filch_scope_spawn(h.s, task_count, &ran), FILCH_ESHUTDOWN);
    assert_int_equal(join_and_destroy(&h), FILCH_ECANCELED);
    assert_int_equal(count_of(&ran), 0);
}

TEST(a_shutdown_that_drains_runs_what_an_open_scope_has_spawned)
{
    struct held_scope h = held_scope(FILCH_SCOPE_ALL);
    counter ran = 0;

    hold_worker(&h.hold, h.ex);
    for (int i = 0; i < 5; i++)
        spawn(h.s, task_count, &ran);
    assert_int_equal(filch_executor_shutdown(h.ex, FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_int_equal(filch_scope_spawn(h.s, task_count, &ran), FILCH_ESHUTDOWN);
    assert_int_equal(join_and_destroy(&h), 0);
    assert_int_equal(count_of(&ran), 5);
}

TEST(a_scope_may_be_joined_after_its_executor_is_gone)
{
    filch_executor *ex = pool_of(2);
    filch_scope *s = scope_of(ex, FILCH_SCOPE_ALL);
    counter ran = 0;

    for (int i = 0; i < 5; i++)
        spawn(s, task_count, &ran);
    filch_executor_destroy(ex);
    assert_int_equal(filch_scope_join(s), 0);
    assert_int_equal(count_of(&ran), 5);
}

static int failing_hook(void *arg)
{
    gate_pass(arg);
    return 1;
}

TEST(what_a_broken_executor_drops_fails_its_scope)
{
    struct gate gate = {0};
    filch_executor *ex = pool_with(
        (filch_options){.workers = 1, .on_thread_start = failing_hook, .hook_arg = &gate});
    filch_scope *s = scope_of(ex, FILCH_SCOPE_ALL);
    counter ran = 0;
    int status = filch_scope_spawn(s, task_count, &ran);

    assert_int_equal(status, 0);
    gate_open(&gate);
    assert_int_equal(filch_scope_join(s), FILCH_EBROKEN);
    assert_int_equal(count_of(&ran), 0);
    filch_executor_destroy(ex);
}

/* 0: the child has ended well. */
static int status_of_fork(int (*child)(void *arg), void *arg)
{
    int status;
    pid_t pid = fork();

    test_check(pid >= 0);
    if (pid == 0)
        _exit(child(arg));
    test_check(waitpid(pid, &status, 0) == pid);
    return status;
}

static int child_of_open_scope(void *scope)
{
    filch_scope *s = scope;

    if (filch_scope_spawn(s, task_echo, NULL) != FILCH_EFORKED)
        return 1;
    filch_scope_cancel(s);
    for (int i = 0; i < 2; i++) {
        if (filch_scope_join(s) != FILCH_EFORKED)
            return 2;
    }
    return 0;
}

TEST(k1_in_a_forked_child_a_scope_of_the_parents_says_so)
{
    filch_executor *ex = pool_of(1);
    filch_scope *s = scope_of(ex, FILCH_SCOPE_ALL);
    struct hold hold = {0};

    hold_worker(&hold, ex);
    spawn(s, task_echo, NULL);
    assert_int_equal(status_of_fork(child_of_open_scope, s), 0);
    let_go(&hold);
    assert_int_equal(filch_scope_join(s), 0);
    filch_executor_destroy(ex);
}

/* ---- Bad input ---- */

TEST(what_makes_no_sense_is_refused)
{
    filch_executor *ex = pool_of(1);
    filch_scope *s = NULL;
    filch_scope_options no_size = {.policy = FILCH_SCOPE_ALL};
    filch_scope_options unknown = {.size = sizeof unknown, .policy = (enum filch_scope_policy)3};
    filch_scope_options minus = {.size = sizeof minus, .policy = (enum filch_scope_policy) - 1};
    struct {
        filch_scope_options options;
        uint64_t more;
    } later = {{.size = sizeof later}, 1};

    assert_int_equal(filch_scope_open(&s, ex, &no_size), FILCH_EINVAL);
    assert_int_equal(filch_scope_open(&s, ex, &unknown), FILCH_EINVAL);
    assert_int_equal(filch_scope_open(&s, ex, &minus), FILCH_EINVAL);
    assert_int_equal(filch_scope_open(&s, ex, &later.options), FILCH_E2BIG);
    assert_int_equal(filch_scope_open(NULL, ex, NULL), FILCH_EINVAL);
    assert_int_equal(filch_scope_open(&s, NULL, NULL), FILCH_EINVAL);
    assert_null(s);
    later.more = 0;
    assert_int_equal(filch_scope_open(&s, ex, &later.options), 0);
    assert_int_equal(filch_scope_spawn(s, NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_scope_spawn(NULL, task_echo, NULL), FILCH_EINVAL);
    filch_scope_cancel(NULL);
    assert_int_equal(filch_scope_join(NULL), FILCH_EINVAL);
    assert_int_equal(filch_scope_join(s), 0);
    filch_executor_destroy(ex);
}

TEST(a_rival_has_no_scopes)
{
    static const enum filch_backend backends[] = {FILCH_BACKEND_MUTEX, FILCH_BACKEND_CK,
                                                  FILCH_BACKEND_GLOBAL, FILCH_BACKEND_SPAWN};

    for (size_t i = 0; i < sizeof backends / sizeof backends[0]; i++) {
        filch_options options = {.size = sizeof options, .workers = 1, .backend = backends[i]};
        filch_executor *ex = NULL;
        filch_scope *s = NULL;
        int status = filch_executor_create(&ex, &options);

        if (status == FILCH_ENOTSUP)
            continue;
        assert_int_equal(status, 0);
        assert_int_equal(filch_scope_open(&s, ex, NULL), FILCH_ENOTSUP);
        assert_null(s);
        filch_executor_destroy(ex);
    }
}
