/* SPDX-License-Identifier: MIT
 *
 * test_nested.c: tasks that wait for tasks: as deep as one likes, on few workers and small stacks;
 * and what a waiting worker runs on top of the task that waits, and what never. */
#include <unistd.h>

#include "sched/work.h"

/* ---- Depth ---- */

/* The executor of the running test. */
static filch_executor *pool;

/* Waits for one that is less deep by one; the results count the way back up. */
static int task_deeper(void *arg, void **result)
{
    const intptr_t left = (intptr_t)arg;
    filch_future *child;
    void *below = NULL;
    int status = 0;

    if (left > 0) {
        child = submit(pool, task_deeper, number(left - 1));
        status = filch_future_result(child, FILCH_FOREVER, &below);
        filch_future_release(child);
    }
    *result = number((intptr_t)below + 1);
    return status;
}

static void go_down(filch_options options, size_t depth)
{
    void *result = NULL;

    pool = pool_with(options);
    filch_future *f = submit(pool, task_deeper, number((intptr_t)depth));
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    assert_int_equal((intptr_t)result, depth + 1);
    filch_future_release(f);

    filch_executor_stats s = stats_of(pool);
    unsigned allowed = options.max_spares != 0 ? options.max_spares : 256;
    assert_in_range(s.workers, options.workers, options.workers + allowed);
    filch_executor_destroy(pool);
}

TEST(ten_thousand_waits_on_top_of_each_other_end)
{
    go_down((filch_options){.workers = 1}, 10000);
    go_down((filch_options){.workers = 2}, 10000);
}

TEST(ten_thousand_waits_that_help_with_anything_end)
{
    go_down((filch_options){.workers = 1, .help = FILCH_HELP_ANY}, 10000);
    go_down((filch_options){.workers = 2, .help = FILCH_HELP_ANY}, 10000);
}

TEST(two_hundred_waits_that_run_nothing_end)
{
    go_down((filch_options){.workers = 1, .help = FILCH_HELP_NONE}, 200);
    go_down((filch_options){.workers = 2, .help = FILCH_HELP_NONE}, 200);
}

TEST(a_thousand_waits_end_on_small_stacks)
{
    const size_t kib = FL_TSAN ? 2048 : 64; /* its runtime keeps 790 KiB at the end of each stack */
    filch_options o = {.stack_size = kib * 1024, .max_spares = FILCH_MAX_SPARES};

    for (o.workers = 1; o.workers <= 2; o.workers++)
        go_down(o, 1000);
}

/* The first stack takes its part, the spare's the next; then there is only the rest of it. */
TEST(when_no_spare_can_be_had_waits_go_deeper_on_the_stack_they_have)
{
    go_down((filch_options){.workers = 1, .max_spares = 1}, 5000);
}

/* ---- Breadth ---- */

struct sum {
    unsigned n;
    uint64_t value;
};

static int task_fib(void *arg, void **result)
{
    struct sum *s = arg;

    s->value = s->n;
    if (s->n >= 2) {
        struct sum left = {s->n - 1, 0};
        struct sum right = {s->n - 2, 0};
        filch_future *f[2] = {submit(pool, task_fib, &left), submit(pool, task_fib, &right)};

        test_check(finish(f[0]) == 0);
        test_check(finish(f[1]) == 0);
        s->value = left.value + right.value;
    }
    *result = s;
    return 0;
}

static void check_fib(filch_options options)
{
    struct sum s = {18, 0};

    pool = pool_with(options);
    assert_int_equal(finish(submit(pool, task_fib, &s)), 0);
    assert_int_equal(s.value, 2584);
    assert_int_equal(filch_executor_wait_idle(pool, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(pool).executed, 8361);
    filch_executor_destroy(pool);
}

TEST(fibonacci_of_18_by_fork_and_join_is_2584)
{
    for (unsigned workers = 1; workers <= 4; workers *= 2) {
        check_fib((filch_options){.workers = workers});
        check_fib((filch_options){.workers = workers, .help = FILCH_HELP_ANY});
    }
}

/* ---- What runs on top ---- */

enum {
    ROOTS = 20,
    HEIGHT = 4,
    NODES_OF_ROOT = 121,
    STRANGERS_OF_ROOT = 121 /* three of each node that has children, and one beside */
};

/* A task that knows who has submitted it, and outlives it. */
struct node {
    const struct node *parent;
    unsigned height;
};

/* Words   nodes_used, nodes_ran, strangers_ran   counts */
static struct node nodes[ROOTS * (NODES_OF_ROOT + STRANGERS_OF_ROOT)];
static counter nodes_used;
static counter nodes_ran;
static counter strangers_ran;

/* What the task that waits on this thread waits for; of several, the one on top. */
static _Thread_local const struct node *awaited;

static struct node *make_node(const struct node *parent, unsigned height)
{
    struct node *n = &nodes[fl_add(&nodes_used, 1, relaxed)]; /* count */

    *n = (struct node){parent, height};
    return n;
}

/* Whether nothing here waits, or for n or for what has submitted it. */
static bool may_run_here(const struct node *n)
{
    while (awaited != NULL && n != NULL && n != awaited)
        n = n->parent;
    return n == awaited || awaited == NULL;
}

static int task_stranger(void *arg, void **result)
{
    test_check(may_run_here(arg));
    count_one(&strangers_ran);
    *result = arg;
    return 0;
}

/* Nobody waits for it. */
static void submit_stranger(const struct node *parent)
{
    test_check(filch_submit(pool, task_stranger, make_node(parent, 0), NULL) == 0);
}

static int task_node(void *arg, void **result)
{
    const struct node *n = arg;
    const struct node *before = awaited;
    struct node *children[3];
    filch_future *f[3];

    test_check(may_run_here(n));
    count_one(&nodes_ran);
    *result = arg;
    if (n->height == 0)
        return 0;
    for (int i = 0; i < 3; i++) {
        children[i] = make_node(n, n->height - 1);
        submit_stranger(n);
        f[i] = submit(pool, task_node, children[i]);
    }
    for (int i = 0; i < 3; i++) {
        awaited = children[i];
        test_check(filch_future_result(f[i], FILCH_FOREVER, NULL) == 0);
        awaited = before;
        filch_future_release(f[i]);
    }
    return 0;
}

static void grow_trees(unsigned workers)
{
    filch_future *f[ROOTS];

    fl_store(&nodes_used, 0, relaxed);    /* own word: nothing runs */
    fl_store(&nodes_ran, 0, relaxed);     /* own word: likewise */
    fl_store(&strangers_ran, 0, relaxed); /* own word: likewise */
    pool = pool_of(workers);
    for (int i = 0; i < ROOTS; i++) {
        submit_stranger(NULL);
        f[i] = submit(pool, task_node, make_node(NULL, HEIGHT));
    }
    for (int i = 0; i < ROOTS; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(pool);
    assert_int_equal(count_of(&nodes_ran), ROOTS * NODES_OF_ROOT);
    assert_int_equal(count_of(&strangers_ran), ROOTS * STRANGERS_OF_ROOT);
}

TEST(by_default_only_what_is_waited_for_and_what_it_submits_runs_on_top_of_a_waiting_task)
{
    for (size_t turn = test_scaled(20); turn > 0; turn--) {
        for (unsigned workers = 1; workers <= 4; workers++)
            grow_trees(workers);
    }
}

/* ---- Who runs a stranger ---- */

struct favour {
    filch_future *promise;
    bool on_top;
};

static int task_favour(void *arg, void **result)
{
    struct favour *s = arg;

    s->on_top = awaited != NULL;
    test_check(filch_promise_set_result(s->promise, s) == 0);
    *result = s;
    return 0;
}

static int task_await_favour(void *arg, void **result)
{
    static const struct node somebody = {NULL, 0};
    struct favour *s = arg;
    int status;

    test_check(filch_submit(pool, task_favour, s, NULL) == 0);
    awaited = &somebody;
    status = filch_future_result(s->promise, FILCH_FOREVER, result);
    awaited = NULL;
    return status;
}

static bool runs_a_stranger_on_top(enum filch_help help)
{
    struct favour s = {promise(), false};

    pool = pool_with((filch_options){.workers = 1, .help = help});
    assert_int_equal(finish(submit(pool, task_await_favour, &s)), 0);
    assert_int_equal(filch_executor_wait_idle(pool, FILCH_FOREVER), 0);
    assert_int_equal(stats_of(pool).spares, s.on_top ? 0 : 1);
    filch_executor_destroy(pool);
    filch_future_release(s.promise);
    return s.on_top;
}

TEST(a_stranger_runs_on_top_of_a_waiting_task_only_where_any_help_is_asked_for)
{
    assert_false(runs_a_stranger_on_top(FILCH_HELP_DESCENDANTS));
    assert_true(runs_a_stranger_on_top(FILCH_HELP_ANY));
    assert_false(runs_a_stranger_on_top(FILCH_HELP_NONE));
}

/* ---- nobody to stand in: the one spare there may be has the place of the first that waits */

static filch_future *kept;
static fl_atomic(uint32_t) waits;

static int task_waits_for_a_time(void *arg, void **result)
{
    filch_future *f;
    int status;

    (void)arg;
    (void)result;
    test_check(filch_submit_at(pool, filch_in_ms(30), task_echo, NULL, &f) == 0);
    fl_store(&waits, 1, release);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    filch_future_release(f);
    return status;
}

static int task_waits_for_a_promise(void *arg, void **result)
{
    (void)arg;
    fl_store(&waits, 1, release);
    return filch_future_result(kept, FILCH_FOREVER, result);
}

/* Runs nothing meanwhile: the spare comes, and runs fn. */
static int task_waits_outside(void *arg, void **result)
{
    filch_task_fn **fn = arg;
    filch_future *f;
    int status;

    (void)result;
    filch_nohelp_begin();
    f = submit(pool, *fn, NULL);
    status = filch_future_result(f, FILCH_FOREVER, NULL);
    filch_nohelp_end();
    filch_future_release(f);
    return status;
}

static int task_keeps(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return filch_promise_set_result(kept, NULL);
}

static filch_future *wait_alone(enum filch_help help, filch_task_fn **fn)
{
    filch_future *f;

    fl_store(&waits, 0, relaxed);
    pool = pool_with((filch_options){.workers = 1, .max_spares = 1, .help = help});
    f = submit(pool, task_waits_outside, fn);
    while (fl_load(&waits, acquire) == 0)
        sched_yield();
    return f;
}

TEST(who_waits_for_a_time_and_has_no_stand_in_runs_what_was_to_run_then)
{
    filch_task_fn *fn = task_waits_for_a_time;
    filch_future *f = wait_alone(FILCH_HELP_DESCENDANTS, &fn);

    assert_int_equal(finish(f), 0);
    filch_executor_destroy(pool);
}

TEST(who_may_run_anything_and_has_no_stand_in_runs_what_comes_later)
{
    filch_task_fn *fn = task_waits_for_a_promise;
    filch_future *f;

    assert_int_equal(filch_promise_create(&kept), 0);
    f = wait_alone(FILCH_HELP_ANY, &fn);
    usleep(30000); /* it sleeps by now: if not, this shows nothing */
    assert_int_equal(filch_submit(pool, task_keeps, NULL, NULL), 0);
    assert_int_equal(finish(f), 0);
    filch_future_release(kept);
    filch_executor_destroy(pool);
}
