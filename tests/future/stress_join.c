/* SPDX-License-Identifier: MIT
 *
 * stress_join.c: trees of forks of every shape, on workers and outside, with waits, submits and joins in any
 * order between: each node runs once, and each join has what its node has found. */
#include "sched/work.h"

enum {
    ROOTS = 4,
    TURNS = 60,
    FORKS = 5,
    NODES = 4000
};

static filch_executor *ex;
static counter ran;

struct node {
    filch_task task;
    uint64_t seed;
    unsigned budget; /* nodes of the tree, this one among them */
    unsigned found;
    bool is_forked;
};

static int walk(void *arg, void **result);

/* Something that shows forks, or puts tasks on top of them. */
static void disturb(uint64_t *seed)
{
    filch_future *f = NULL;

    switch (random_next(seed) % 12) {
    case 0:
        if (filch_submit(ex, task_count, &ran, &f) == 0 && finish(f) == 0)
            fl_sub(&ran, 1, relaxed); /* count */
        break;
    case 1:
        f = promise();
        test_check(filch_future_result(f, filch_in_us(1), NULL) == FILCH_ETIMEDOUT);
        filch_future_release(f);
        break;
    default:
        break;
    }
}

static unsigned walk_children(struct node *of)
{
    struct node child[FORKS];
    unsigned left = of->budget - 1;
    unsigned found = 1;
    unsigned n = 0;

    memset(child, 0xA5, sizeof child);
    while (left != 0 && n < FORKS) {
        struct node *c = &child[n++];

        c->seed = random_next(&of->seed);
        c->budget = n == FORKS ? left : 1 + (unsigned)(random_next(&of->seed) % left);
        c->found = 0;
        left -= c->budget;
        c->is_forked = random_next(&of->seed) % 8 != 0;
        if (c->is_forked)
            filch_fork(&c->task, walk, c);
        else
            test_check(walk(c, NULL) == 0);
        disturb(&of->seed);
    }
    if (n > 1 && random_next(&of->seed) % 4 == 0) { /* the oldest first */
        void *value = NULL;

        if (child[0].is_forked)
            test_check(filch_join(&child[0].task, &value) == 0 && value == &child[0]);
        child[0].is_forked = false;
    }
    for (unsigned i = n; i-- > 0;) {
        void *value = NULL;

        if (child[i].is_forked)
            test_check(filch_join(&child[i].task, &value) == 0 && value == &child[i]);
        found += child[i].found;
    }
    return found;
}

static int walk(void *arg, void **result)
{
    struct node *node = arg;
    unsigned budget = node->budget;

    count_one(&ran);
    node->found = budget > 1 ? walk_children(node) : 1;
    test_check(node->found == budget);
    if (result != NULL)
        *result = node;
    return 0;
}

FILCH_FORKABLE_2(uint64_t, count_to, uint64_t, from, uint64_t, n)
{
    count_to_task left;
    uint64_t right;

    if (n == 1) {
        count_one(&ran);
        return from;
    }
    count_to_fork(&left, from, n / 2);
    right = count_to(from + n / 2, n - n / 2);
    return count_to_join(&left) + right;
}

static int root(void *arg, void **result)
{
    uint64_t seed = (uint64_t)(uintptr_t)arg;
    uint64_t n = 1 + seed % NODES;
    struct node node = {.seed = seed | 1, .budget = (unsigned)n};

    (void)result;
    test_check(walk(&node, NULL) == 0);
    test_check(count_to(0, n) == n * (n - 1) / 2);
    return 0;
}

static uint64_t nodes_of(uint64_t seed)
{
    return 2 * (1 + seed % NODES);
}

static fl_atomic(uint32_t) over;

static void meddle(unsigned i, void *arg)
{
    uint64_t seed = random_from(test_seed(), 1000 + i);
    filch_future *f[ROOTS];

    if (i == 0) {
        uint64_t expected = 0;

        for (size_t turn = 0; turn < test_scaled(TURNS); turn++) {
            for (int k = 0; k < ROOTS; k++) {
                uint64_t s = random_next(&seed) >> 8;

                f[k] = submit(ex, root, (void *)(uintptr_t)s);
                expected += nodes_of(s);
            }
            for (int k = 0; k < ROOTS; k++)
                test_check(finish(f[k]) == 0);
            test_check(count_of(&ran) == expected);
        }
        fl_store(&over, 1, relaxed); /* hint */
        return;
    }
    while (fl_load(&over, relaxed) == 0) { /* hint */
        if (arg == NULL) {
            sched_yield();
            continue;
        }
        test_check(filch_executor_pause(ex) == 0);
        sched_yield();
        test_check(filch_executor_resume(ex) == 0);
        for (int k = 0; k < 50; k++)
            sched_yield();
    }
}

static void run_all(unsigned workers, void *with_pauses)
{
    fl_store(&ran, 0, relaxed);  /* own word: nobody else is there */
    fl_store(&over, 0, relaxed); /* own word */
    ex = pool_of(workers);
    test_threads(with_pauses != NULL ? 2 : 1, meddle, with_pauses);
    filch_executor_destroy(ex);
}

TEST(each_node_of_a_tree_of_forks_runs_once)
{
    for (unsigned workers = 1; workers <= 4; workers++)
        run_all(workers, NULL);
}

TEST(each_node_runs_once_though_the_executor_pauses)
{
    run_all(2, &over);
}

static void outside(unsigned i, void *arg)
{
    uint64_t seed = random_from(test_seed(), i);
    struct node node = {.seed = seed | 1, .budget = NODES};

    (void)arg;
    test_check(walk(&node, NULL) == 0);
}

TEST(threads_outside_fork_each_for_itself)
{
    fl_store(&ran, 0, relaxed); /* own word */
    ex = pool_of(1);
    test_threads(3, outside, NULL);
    assert_int_equal(count_of(&ran), 3 * NODES);
    filch_executor_destroy(ex);
}
