/* SPDX-License-Identifier: MIT
 *
 * test_deadlock.c: tasks that wait for each other in a circle: whoever closes it is told, across workers
 * and executors; what is no circle is never told to be one. */
#include "sched/work.h"

enum {
    MOST = 6,
    KNOWN = 32, /* tasks of a circle that a hook is told, at most */
    LONG = KNOWN + 8
};

/* Each task waits for the next one, when all of them run. */
struct ring {
    filch_executor *ex[MOST];
    filch_future *f[MOST];
    unsigned n;
    struct gate gate;
    int (*wait)(struct ring *r, unsigned next);
    counter told;
    counter timed_out;
};

struct place {
    struct ring *ring;
    unsigned i;
};

static int wait_by_result(struct ring *r, unsigned next)
{
    return filch_future_result(r->f[next], FILCH_FOREVER, NULL);
}

static int wait_by_error(struct ring *r, unsigned next)
{
    filch_error error;

    return filch_future_error(r->f[next], FILCH_FOREVER, &error);
}

static int wait_for_one_of_one(struct ring *r, unsigned next)
{
    filch_future *only = r->f[next];
    ptrdiff_t over = filch_wait(&only, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER);

    return over < 0 ? (int)over : 0;
}

static int wait_a_moment(struct ring *r, unsigned next)
{
    return filch_future_result(r->f[next], filch_in_ms(20), NULL);
}

static int take_part(void *arg, void **result)
{
    struct place *p = arg;
    struct ring *r = p->ring;
    int status;

    (void)result;
    gate_pass(&r->gate);
    status = r->wait(r, (p->i + 1) % r->n);
    test_check(status == 0 || status == FILCH_EDEADLK || status == FILCH_ETIMEDOUT);
    if (status == FILCH_EDEADLK)
        count_one(&r->told);
    if (status == FILCH_ETIMEDOUT)
        count_one(&r->timed_out);
    return 0;
}

static void run_ring(struct ring *r)
{
    struct place p[MOST];

    r->gate = (struct gate){0};
    for (unsigned i = 0; i < r->n; i++) {
        p[i] = (struct place){r, i};
        r->f[i] = submit(r->ex[i], take_part, &p[i]);
    }
    gate_await(&r->gate, r->n);
    gate_open(&r->gate);
    for (unsigned i = 0; i < r->n; i++)
        assert_int_equal(outcome(r->f[i]), 0);
    for (unsigned i = 0; i < r->n; i++)
        filch_future_release(r->f[i]);
}

TEST(in_a_circle_within_one_executor_somebody_is_told)
{
    for (unsigned n = 2; n <= MOST; n++) {
        filch_executor *ex = pool_of(n);
        int (*ways[])(struct ring *, unsigned) = {wait_by_result, wait_by_error,
                                                  wait_for_one_of_one};

        for (size_t way = 0; way < 3; way++) {
            struct ring r = {.n = n, .wait = ways[way]};

            for (unsigned i = 0; i < n; i++)
                r.ex[i] = ex;
            run_ring(&r);
            assert_in_range(count_of(&r.told), 1, n);
        }
        filch_executor_destroy(ex);
    }
}

TEST(in_a_circle_across_executors_somebody_is_told)
{
    for (unsigned n = 2; n <= MOST; n++) {
        struct ring r = {.n = n, .wait = wait_by_result};

        for (unsigned i = 0; i < n; i++)
            r.ex[i] = pool_of(1);
        for (size_t turn = test_scaled(20); turn > 0; turn--) {
            fl_store(&r.told, 0, relaxed); /* own word: nobody runs yet */
            run_ring(&r);
            assert_in_range(count_of(&r.told), 1, n);
        }
        for (unsigned i = 0; i < n; i++)
            filch_executor_destroy(r.ex[i]);
    }
}

TEST(a_circle_of_waits_with_a_deadline_lasts_until_it_and_nobody_is_told)
{
    struct ring r = {.n = 3, .wait = wait_a_moment};
    filch_executor *ex = pool_of(3);

    for (unsigned i = 0; i < 3; i++)
        r.ex[i] = ex;
    run_ring(&r);
    assert_int_equal(count_of(&r.told), 0);
    assert_in_range(count_of(&r.timed_out), 1, 3);
    filch_executor_destroy(ex);
}

/* ---- Parents and children ---- */

struct family {
    filch_executor *ex;
    filch_future *parent;
    struct gate known; /* the parent's future */
    bool waits_back;
    counter told;
};

static int child_of(void *arg, void **result)
{
    struct family *family = arg;
    int status;

    (void)result;
    gate_pass(&family->known);
    status = filch_future_result(family->parent, FILCH_FOREVER, NULL);
    test_check(status == 0 || status == FILCH_EDEADLK);
    if (status == FILCH_EDEADLK)
        count_one(&family->told);
    return 0;
}

static int parent_of(void *arg, void **result)
{
    struct family *family = arg;
    filch_future *child = submit(family->ex, child_of, family);

    if (family->waits_back) {
        int status = filch_future_result(child, FILCH_FOREVER, NULL);

        test_check(status == 0 || status == FILCH_EDEADLK);
        if (status == FILCH_EDEADLK)
            count_one(&family->told);
    }
    *result = child;
    return 0;
}

static uint64_t run_family(bool waits_back)
{
    struct family family = {.ex = pool_of(2), .waits_back = waits_back};
    void *child;

    family.parent = submit(family.ex, parent_of, &family);
    gate_open(&family.known);
    assert_int_equal(filch_future_result(family.parent, FILCH_FOREVER, &child), 0);
    assert_int_equal(finish(child), 0);
    filch_executor_destroy(family.ex);
    filch_future_release(family.parent);
    return count_of(&family.told);
}

TEST(a_child_may_wait_for_a_parent_that_does_not_wait_for_it)
{
    for (int i = 0; i < 50; i++)
        assert_int_equal(run_family(false), 0);
}

TEST(a_child_and_a_parent_that_wait_for_each_other_are_a_circle)
{
    for (int i = 0; i < 50; i++)
        assert_in_range(run_family(true), 1, 2);
}

/* ---- Tasks in the caller's memory ---- */

struct pair {
    filch_task t[2];
    struct gate gate;
    counter told;
};

struct half {
    struct pair *pair;
    int other;
};

static int wait_for_the_other(void *arg, void **result)
{
    struct half *half = arg;
    int status;

    (void)result;
    gate_pass(&half->pair->gate);
    status = filch_task_result(&half->pair->t[half->other], FILCH_FOREVER, NULL);
    test_check(status == 0 || status == FILCH_EDEADLK);
    if (status == FILCH_EDEADLK)
        count_one(&half->pair->told);
    return 0;
}

/* ---- Who can not leave tells another ---- */

struct trapped {
    filch_future *parent;
    struct gate known; /* the parent's future */
    struct gate taken;
    filch_executor *ex;
};

static int wait_for_the_trapped(void *arg, void **result)
{
    struct trapped *t = arg;

    (void)result;
    gate_pass(&t->taken);
    return filch_future_result(t->parent, FILCH_FOREVER, NULL);
}

static int fork_into_a_trap(void *arg, void **result)
{
    struct trapped *t = arg;
    filch_task fork;

    (void)result;
    gate_pass(&t->known);
    filch_fork(&fork, wait_for_the_trapped, t);
    while (fl_load(&t->taken.arrived, acquire) == 0) { /* <- gate_pass */
        filch_task other;

        filch_fork(&other, task_echo, NULL);
        sched_yield();
        test_check(filch_join(&other, NULL) == 0);
    }
    gate_open(&t->taken);
    return filch_join(&fork, NULL);
}

static int map_into_a_trap(void *arg, void **result)
{
    struct trapped *t = arg;
    void *args[] = {t};

    (void)result;
    gate_pass(&t->known);
    gate_open(&t->taken);
    return filch_map_array(t->ex, wait_for_the_trapped, args, NULL, 1);
}

/* The parent may be the last to close the circle, or the other; or it runs the other itself. */
static void trap(filch_task_fn *fn, unsigned workers)
{
    filch_executor *ex = pool_with((filch_options){.workers = workers, .spin_ns = -1});

    for (size_t turn = test_scaled(100); turn > 0; turn--) {
        struct trapped t = {.ex = ex};

        t.parent = submit(ex, fn, &t);
        gate_await(&t.known, 1);
        gate_open(&t.known);
        assert_int_equal(finish(t.parent), FILCH_EDEADLK);
    }
    filch_executor_destroy(ex);
}

TEST(in_a_circle_through_a_join_the_fork_is_told)
{
    trap(fork_into_a_trap, 2);
}

TEST(in_a_circle_through_a_map_of_an_array_the_call_is_told)
{
    trap(map_into_a_trap, 2);
    trap(map_into_a_trap, 1);
}

TEST(tasks_in_the_caller_s_memory_that_wait_for_each_other_are_a_circle)
{
    filch_executor *ex = pool_of(2);
    struct pair pair = {.told = 0};
    struct half half[2] = {{&pair, 1}, {&pair, 0}};

    for (int i = 0; i < 2; i++)
        assert_int_equal(filch_submit_task(ex, &pair.t[i], wait_for_the_other, &half[i]), 0);
    gate_await(&pair.gate, 2);
    gate_open(&pair.gate);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(filch_task_result(&pair.t[i], FILCH_FOREVER, NULL), 0);
    assert_in_range(count_of(&pair.told), 1, 2);
    filch_executor_destroy(ex);
}

/* ---- What is not followed ---- */

static int wait_for_several(struct ring *r, unsigned next)
{
    filch_future *f[2] = {r->f[next], r->f[next]};
    ptrdiff_t over = filch_wait(f, 2, FILCH_ALL_COMPLETED, filch_in_ms(20));

    test_check(over == 0 || over == 2);
    return over == 2 ? 0 : FILCH_ETIMEDOUT;
}

TEST(a_wait_for_several_is_part_of_no_circle_and_lasts_until_its_deadline)
{
    struct ring r = {.n = 2, .wait = wait_for_several};
    filch_executor *ex = pool_of(2);

    r.ex[0] = r.ex[1] = ex;
    run_ring(&r);
    assert_int_equal(count_of(&r.told), 0);
    filch_executor_destroy(ex);
}

/* ---- Who is in it ---- */

static const char *const names[] = {"zero", "one", "two", "three", "four", "five"};

struct named {
    filch_future *f[LONG];
    unsigned n;
    struct gate gate;
    counter told, reported;
};

struct member {
    struct named *of;
    unsigned i;
};

static int wait_for_the_next(void *arg, void **result)
{
    struct member *m = arg;
    struct named *of = m->of;
    int status;

    (void)result;
    gate_pass(&of->gate);
    status = filch_future_result(of->f[(m->i + 1) % of->n], FILCH_FOREVER, NULL);
    test_check(status == 0 || status == FILCH_EDEADLK);
    if (status == FILCH_EDEADLK)
        count_one(&of->told);
    return 0;
}

/* The first may be any of them; each is followed by the one that it waits for. */
static void see_circle(const filch_deadlock *info, void *arg)
{
    struct named *of = arg;

    test_check(info->n == of->n);
    test_check(info->known == (of->n < KNOWN ? of->n : KNOWN));
    for (size_t k = 0; k < info->known; k++)
        test_check(info->tasks[k].fn == wait_for_the_next);
    for (size_t k = 0; k < info->known && of->n <= MOST; k++) {
        const char *next = info->tasks[(k + 1) % info->n].name;

        for (unsigned i = 0; i < of->n; i++)
            test_check(info->tasks[k].name != names[i] || next == names[(i + 1) % of->n]);
    }
    count_one(&of->reported);
}

static void run_named(unsigned n)
{
    struct named of = {.n = n};
    struct member m[LONG];
    filch_executor *ex =
        pool_with((filch_options){.workers = n, .on_deadlock = see_circle, .hook_arg = &of});

    for (unsigned i = 0; i < n; i++) {
        filch_task_options o = {.size = sizeof o, .name = n <= MOST ? names[i] : NULL};

        m[i] = (struct member){&of, i};
        assert_int_equal(filch_submit_with(ex, &o, wait_for_the_next, &m[i], &of.f[i]), 0);
    }
    gate_await(&of.gate, n);
    gate_open(&of.gate);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(outcome(of.f[i]), 0);
    assert_in_range(count_of(&of.told), 1, n);
    assert_int_equal(count_of(&of.reported), count_of(&of.told));
    for (unsigned i = 0; i < n; i++)
        filch_future_release(of.f[i]);
    filch_executor_destroy(ex);
}

TEST(w5_a_hook_is_told_who_is_in_a_circle_in_the_order_of_the_waits)
{
    for (unsigned n = 2; n <= MOST; n++)
        run_named(n);
}

TEST(w5_of_a_long_circle_a_hook_is_told_the_first_and_how_many_there_are)
{
    run_named(LONG);
}

struct selfish {
    filch_future *f;
    filch_future *over;
    struct gate known;
    counter reported;
};

static void see_one(const filch_deadlock *info, void *arg)
{
    struct selfish *s = arg;

    test_check(info->n == 1 && info->known == 1 && info->tasks[0].name == names[1]);
    count_one(&s->reported);
}

static int wait_for_myself(void *arg, void **result)
{
    struct selfish *s = arg;
    filch_future *both[2];
    filch_completion *it;

    gate_pass(&s->known);
    both[0] = s->f;
    both[1] = s->over;
    test_check(filch_future_result(s->f, FILCH_FOREVER, result) == FILCH_EDEADLK);
    test_check(filch_wait(both, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == FILCH_EDEADLK);
    test_check(filch_as_completed(&it, both, 2, FILCH_FOREVER) == FILCH_EDEADLK);
    test_check(count_of(&s->reported) == 3);
    test_check(filch_wait(both, 2, FILCH_FIRST_COMPLETED, FILCH_FOREVER) == 1);
    test_check(filch_future_result(s->over, FILCH_FOREVER, result) == 0);
    test_check(count_of(&s->reported) == 3); /* nothing was wrong with these */
    return 0;
}

TEST(w5_a_hook_is_told_of_a_task_that_waits_for_itself)
{
    struct selfish s = {.reported = 0};
    filch_executor *ex =
        pool_with((filch_options){.workers = 1, .on_deadlock = see_one, .hook_arg = &s});
    filch_task_options o = {.size = sizeof o, .name = names[1]};

    assert_int_equal(filch_promise_create(&s.over), 0);
    assert_int_equal(filch_promise_set_result(s.over, NULL), 0);
    assert_int_equal(filch_submit_with(ex, &o, wait_for_myself, &s, &s.f), 0);
    gate_open(&s.known);
    assert_int_equal(finish(s.f), 0);
    filch_future_release(s.over);
    filch_executor_destroy(ex);
}
