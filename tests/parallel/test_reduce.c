/* SPDX-License-Identifier: MIT
 *
 * test_reduce.c: a reduction is what one thread would make of the range; fixed, it is the same to the last
 * bit, and in order; and each accumulator that was made is combined once, whatever happens. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"
#include "parallel/loops.h"

#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- Sums ---- */

static int fold_sum(size_t begin, size_t end, void *accumulator, void *arg)
{
    uint64_t *sum = accumulator;

    (void)arg;
    for (size_t i = begin; i < end; i++)
        *sum += i;
    return 0;
}

static void combine_sum(void *left, void *right, void *arg)
{
    (void)arg;
    *(uint64_t *)left += *(uint64_t *)right;
}

static int run_sums(void *ex, void **result)
{
    static const size_t sizes[] = {0, 1, 2, 1023, 1024, 1025, 50000};

    (void)result;
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++) {
        for (unsigned flags = 0; flags <= FILCH_REDUCE_FIXED; flags++) {
            for (size_t grain = 0; grain <= 50; grain += 25) {
                filch_reduction how = {.size = sizeof how,
                                       .accumulator_bytes = sizeof(uint64_t),
                                       .fold = fold_sum,
                                       .combine = combine_sum,
                                       .grain = grain,
                                       .flags = flags};
                uint64_t n = sizes[s];
                uint64_t sum = 77;

                test_check(filch_parallel_reduce(ex, 5, 5 + n, &how, &sum, NULL) == 0);
                test_check(sum == 5 * n + n * (n - 1) / 2);
            }
        }
    }
    return 0;
}

TEST(a_reduction_is_what_one_thread_would_make_of_it)
{
    int64_t before = blocks_now();

    for (unsigned workers = 1; workers <= 4; workers++) {
        filch_executor *ex = pool_of(workers);

        from_both(ex, run_sums);
        filch_executor_destroy(ex);
    }
    filch_executor *rival =
        pool_with((filch_options){.workers = 2, .backend = FILCH_BACKEND_MUTEX});
    from_both(rival, run_sums);
    filch_executor_destroy(rival);
    assert_int_equal(blocks_now(), before);
}

/* ---- Fixed ---- */

enum {
    NUMBERS = 20000
};
static double numbers[NUMBERS];

static int fold_floats(size_t begin, size_t end, void *accumulator, void *arg)
{
    const double *x = arg;

    for (size_t i = begin; i < end; i++)
        *(double *)accumulator += x[i];
    return 0;
}

static void combine_floats(void *left, void *right, void *arg)
{
    (void)arg;
    *(double *)left += *(double *)right;
}

static double float_sum(filch_executor *ex, size_t grain)
{
    filch_reduction how = {.size = sizeof how,
                           .accumulator_bytes = sizeof(double),
                           .fold = fold_floats,
                           .combine = combine_floats,
                           .grain = grain,
                           .flags = FILCH_REDUCE_FIXED};
    double sum;

    test_check(filch_parallel_reduce(ex, 0, NUMBERS, &how, &sum, numbers) == 0);
    return sum;
}

struct same {
    filch_executor *ex;
    size_t grain;
    double sum;
};

static int sum_inside(void *arg, void **result)
{
    struct same *same = arg;

    (void)result;
    same->sum = float_sum(same->ex, same->grain);
    return 0;
}

TEST(a_fixed_reduction_of_floats_is_the_same_bit_by_bit_at_every_number_of_workers)
{
    static const unsigned workers[] = {1, 2, 3, 8};
    uint64_t x = random_from(test_seed(), 0);

    for (size_t i = 0; i < NUMBERS; i++)
        numbers[i] = (double)(int64_t)random_next(&x) / (double)(1 + i * i);
    for (size_t grain = 0; grain <= 100; grain += 25) {
        filch_executor *serial =
            pool_with((filch_options){.workers = 1, .backend = FILCH_BACKEND_MUTEX});
        double expected = float_sum(serial, grain);

        filch_executor_destroy(serial);
        for (size_t w = 0; w < sizeof workers / sizeof workers[0]; w++) {
            struct same same = {pool_of(workers[w]), grain, 0};

            for (int turn = 0; turn < 5; turn++) {
                same.sum = float_sum(same.ex, grain);
                assert_memory_equal(&same.sum, &expected, sizeof expected);
                same.sum = 0;
                assert_int_equal(finish(submit(same.ex, sum_inside, &same)), 0);
                assert_memory_equal(&same.sum, &expected, sizeof expected);
            }
            filch_executor_destroy(same.ex);
        }
    }
}

/* A stretch of indices: two can be combined only if one follows the other. */
struct stretch {
    size_t from, to; /* empty: both 0 */
};

static int fold_stretch(size_t begin, size_t end, void *accumulator, void *arg)
{
    struct stretch *s = accumulator;

    (void)arg;
    test_check(s->to == 0 || s->to == begin);
    if (s->to == 0)
        s->from = begin;
    s->to = end;
    return 0;
}

static void combine_stretches(void *left, void *right, void *arg)
{
    struct stretch *l = left;
    const struct stretch *r = right;

    (void)arg;
    test_check(l->to != 0 && l->to == r->from);
    l->to = r->to;
}

static int run_in_order(void *ex, void **result)
{
    (void)result;
    for (size_t n = 1; n < 6000; n = n * 3 + 1) {
        filch_reduction how = {.size = sizeof how,
                               .accumulator_bytes = sizeof(struct stretch),
                               .fold = fold_stretch,
                               .combine = combine_stretches,
                               .flags = FILCH_REDUCE_FIXED};
        struct stretch s;

        test_check(filch_parallel_reduce(ex, 7, 7 + n, &how, &s, NULL) == 0);
        test_check(s.from == 7 && s.to == 7 + n);
    }
    return 0;
}

TEST(a_fixed_reduction_combines_in_the_order_of_the_range)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool_of(workers);

        from_both(ex, run_in_order);
        filch_executor_destroy(ex);
    }
}

/* ---- Accumulators ---- */

/* Each holds a token of the user's from init on; combine gives the right one's back. */
struct holder {
    uint64_t indices;
    bool is_made;
    char rest[9000]; /* no small one */
};

struct holders {
    counter made;
    counter combined;
    size_t fails_at;
    fl_atomic(uint32_t) here;
};

static void make_holder(void *accumulator, void *arg)
{
    struct holder *h = accumulator;
    struct holders *all = arg;

    memset(h, 0, sizeof *h);
    h->is_made = true;
    count_one(&all->made);
}

static int fold_holder(size_t begin, size_t end, void *accumulator, void *arg)
{
    struct holder *h = accumulator;
    const struct holders *all = arg;

    test_check(h->is_made);
    if (begin <= all->fails_at && all->fails_at < end)
        return 6;
    h->indices += end - begin;
    h->rest[sizeof h->rest - 1] = 1;
    return 0;
}

static void combine_holders(void *left, void *right, void *arg)
{
    struct holder *l = left;
    struct holder *r = right;
    struct holders *all = arg;

    test_check(l->is_made && r->is_made);
    r->is_made = false;
    l->indices += r->indices;
    count_one(&all->combined);
}

static filch_reduction of_holders(unsigned flags)
{
    return (filch_reduction){.size = sizeof(filch_reduction),
                             .accumulator_bytes = sizeof(struct holder),
                             .init = make_holder,
                             .fold = fold_holder,
                             .combine = combine_holders,
                             .grain = 3,
                             .flags = flags};
}

static int run_holders(void *ex, void **result)
{
    (void)result;
    for (unsigned flags = 0; flags <= FILCH_REDUCE_FIXED; flags++) {
        for (size_t at = 0; at <= 1200; at += 300) {
            filch_reduction how = of_holders(flags);
            struct holders all = {.fails_at = at};
            struct holder sum;
            int status = filch_parallel_reduce(ex, 0, 1000, &how, &sum, &all);

            test_check(status == (at < 1000 ? 6 : 0));
            test_check(count_of(&all.made) == count_of(&all.combined) + 1);
            test_check(sum.is_made);
            test_check(at < 1000 ? sum.indices < 1000 : sum.indices == 1000);
        }
    }
    return 0;
}

TEST(each_accumulator_that_is_made_is_combined_once_also_after_a_failure)
{
    int64_t before = blocks_now();

    for (unsigned workers = 1; workers <= 3; workers++) {
        filch_executor *ex = pool_of(workers);

        from_both(ex, run_holders);
        filch_executor_destroy(ex);
    }
    assert_int_equal(blocks_now(), before);
}

/* Returns when two threads are in it, or have been. */
static int fold_together(size_t begin, size_t end, void *accumulator, void *arg)
{
    struct holders *all = arg;

    fl_add(&all->here, 1, relaxed); /* count */
    fl_futex_wake(&all->here, INT_MAX);
    while (fl_load(&all->here, relaxed) < 2) /* count */
        fl_futex_wait(&all->here, 1, INT64_MAX);
    return fold_holder(begin, end, accumulator, arg);
}

TEST(what_a_helper_has_folded_is_combined)
{
    filch_executor *ex = pool_of(1);
    filch_reduction how = of_holders(0);
    struct holders all = {.fails_at = SIZE_MAX};
    struct holder sum;

    await_asleep(ex, 1);
    how.fold = fold_together;
    assert_int_equal(filch_parallel_reduce(ex, 0, 6, &how, &sum, &all), 0);
    assert_int_equal(sum.indices, 6);
    assert_int_equal(count_of(&all.made), 2);
    filch_executor_destroy(ex);
}

static int exit_in_fold(size_t begin, size_t end, void *accumulator, void *arg)
{
    (void)fold_together(begin, end, accumulator, arg);
    if (begin != 0)
        return 0;
    pthread_exit(NULL);
}

static void exit_in_combine(void *left, void *right, void *arg)
{
    (void)left, (void)right, (void)arg;
    pthread_exit(NULL);
}

struct exits {
    filch_executor *ex;
    filch_reduction how;
    struct holders all;
};

static int reduce_and_exit(void *arg, void **result)
{
    struct exits *x = arg;
    struct holder sum;

    (void)result;
    (void)!filch_parallel_reduce(x->ex, 0, 6, &x->how, &sum, &x->all);
    test_check(false);
    return 0;
}

TEST(a_reduction_whose_caller_ends_its_thread_leaves_nothing_behind)
{
    int64_t before = blocks_now();

    for (int i = 0; i < 3; i++) {
        struct exits x = {.ex = pool_of(2), .how = of_holders(0), .all = {.fails_at = SIZE_MAX}};

        x.how.fold = i == 1 ? fold_together : exit_in_fold;
        x.how.combine = i == 1 ? exit_in_combine : combine_holders;
        x.how.flags = i == 2 ? FILCH_REDUCE_FIXED : 0;
        await_asleep(x.ex, 2);
        assert_int_equal(finish(submit(x.ex, reduce_and_exit, &x)), FILCH_EABANDONED);
        assert_int_equal(finish(submit(x.ex, task_echo, NULL)), 0);
        filch_executor_destroy(x.ex);
    }
    assert_int_equal(blocks_now(), before);
}

struct forking {
    struct gate gate; /* of the helper, in the middle of its range */
    counter combined;
    pid_t child;
};

static int fork_beside_a_helper(size_t begin, size_t end, void *accumulator, void *arg)
{
    struct forking *x = arg;

    (void)end, (void)accumulator;
    if (begin != 0) {
        gate_pass(&x->gate);
        return 0;
    }
    gate_await(&x->gate, 1);
    x->child = fork();
    if (x->child == 0) {
        alarm(30);
        return 4;
    }
    gate_open(&x->gate);
    return 0;
}

static void count_combined(void *left, void *right, void *arg)
{
    (void)left, (void)right;
    count_one(&((struct forking *)arg)->combined);
}

TEST(a_forked_child_combines_nothing_that_others_were_folding)
{
    for (unsigned flags = 0; flags <= FILCH_REDUCE_FIXED; flags++) {
        filch_executor *ex = pool_of(1);
        filch_reduction how = {.size = sizeof how,
                               .accumulator_bytes = sizeof(uint64_t),
                               .fold = fork_beside_a_helper,
                               .combine = count_combined,
                               .grain = 1,
                               .flags = flags};
        struct forking x = {.child = -1};
        uint64_t sum;
        int ending = 0;
        int status;

        await_asleep(ex, 1);
        fflush(NULL);
        status = filch_parallel_reduce(ex, 0, 2, &how, &sum, &x);
        if (x.child == 0)
            _exit(status == FILCH_EFORKED && count_of(&x.combined) == 0 ? 0 : 1);
        assert_int_equal(status, 0);
        assert_int_equal(count_of(&x.combined), 1);
        assert_int_equal(waitpid(x.child, &ending, 0), x.child);
        assert_true(WIFEXITED(ending) && WEXITSTATUS(ending) == 0);
        filch_executor_destroy(ex);
    }
}

static void init_nothing(void *accumulator, void *arg)
{
    (void)accumulator, (void)arg;
}

TEST(a_fixed_reduction_of_more_bytes_than_there_are_numbers_for_has_no_memory)
{
    filch_executor *ex = pool_of(1);
    filch_reduction how = {.size = sizeof how,
                           .init = init_nothing,
                           .fold = fold_sum,
                           .combine = combine_sum,
                           .grain = 1,
                           .flags = FILCH_REDUCE_FIXED};
    size_t few = SIZE_MAX / 255 - 1; /* 255 of them, and a byte each, are SIZE_MAX */
    size_t n[] = {few, SIZE_MAX, SIZE_MAX / 2};
    uint64_t sum = 7;

    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++) {
        how.accumulator_bytes = n[i];
        assert_int_equal(filch_parallel_reduce(ex, 0, 255, &how, &sum, NULL), FILCH_ENOMEM);
        assert_int_equal(sum, 7);
    }
    filch_executor_destroy(ex);
}

TEST(what_is_no_reduction_is_refused)
{
    filch_executor *ex = pool_of(1);
    filch_reduction good = of_holders(0);
    filch_reduction how = good;
    struct holders all = {0};
    struct holder sum;

    assert_int_equal(filch_parallel_reduce(NULL, 0, 1, &how, &sum, &all), FILCH_EINVAL);
    assert_int_equal(filch_parallel_reduce(ex, 1, 0, &how, &sum, &all), FILCH_EINVAL);
    assert_int_equal(filch_parallel_reduce(ex, 0, 1, NULL, &sum, &all), FILCH_EINVAL);
    assert_int_equal(filch_parallel_reduce(ex, 0, 1, &how, NULL, &all), FILCH_EINVAL);
    how.size = 0;
    assert_int_equal(filch_parallel_reduce(ex, 0, 1, &how, &sum, &all), FILCH_EINVAL);
    how = good;
    how.accumulator_bytes = 0;
    assert_int_equal(filch_parallel_reduce(ex, 0, 1, &how, &sum, &all), FILCH_EINVAL);
    how = good;
    how.fold = NULL;
    assert_int_equal(filch_parallel_reduce(ex, 0, 1, &how, &sum, &all), FILCH_EINVAL);
    how = good;
    how.combine = NULL;
    assert_int_equal(filch_parallel_reduce(ex, 0, 1, &how, &sum, &all), FILCH_EINVAL);
    how = good;
    how.flags = 2;
    assert_int_equal(filch_parallel_reduce(ex, 0, 1, &how, &sum, &all), FILCH_EINVAL);
    how = good;
    how.flags = FILCH_REDUCE_FIXED;
    how.accumulator_bytes = SIZE_MAX - 10;
    how.init = NULL;
    assert_int_equal(count_of(&all.made), 0);
    filch_executor_destroy(ex);
}
