/* SPDX-License-Identifier: MIT
 *
 * test_copy.c: arguments that are copied: every length, whoever drops them. */
#include "sched/work.h"

/* ---- An allocator that knows what it has handed out ---- */

/* Words   blocks, bytes   counts */
struct purse {
    fl_atomic(int64_t) blocks;
    fl_atomic(int64_t) bytes;
};

static void *purse_alloc(void *ctx, size_t size, size_t align)
{
    struct purse *p = ctx;
    void *block = NULL;

    if (posix_memalign(&block, align < sizeof(void *) ? sizeof(void *) : align, size) != 0)
        return NULL;
    fl_add(&p->blocks, 1, relaxed);            /* count */
    fl_add(&p->bytes, (int64_t)size, relaxed); /* count */
    return block;
}

static void purse_free(void *ctx, void *block, size_t size, size_t align)
{
    struct purse *p = ctx;

    (void)align;
    fl_sub(&p->blocks, 1, relaxed);            /* count */
    fl_sub(&p->bytes, (int64_t)size, relaxed); /* count */
    free(block);
}

static filch_executor *pool_on(struct purse *p, unsigned workers)
{
    filch_allocator a = {.alloc = purse_alloc, .free = purse_free, .ctx = p};

    return pool_with((filch_options){.workers = workers, .allocator = &a});
}

static void check_empty(struct purse *p)
{
    assert_int_equal(fl_load(&p->blocks, relaxed), 0); /* count */
    assert_int_equal(fl_load(&p->bytes, relaxed), 0);  /* count */
}

/* ---- Copies of every length ---- */

static const size_t lengths[] = {0,   1,    7,    8,    16, 39,  40,  41,   63,   64,    65,    127,
                                 128, 4095, 4096, 4097, 50, 100, 200, 1000, 9999, 65536, 100000};
enum {
    LENGTHS = sizeof lengths / sizeof lengths[0],
    LONGEST = 1 << 20
};

static unsigned char source[LONGEST];

/* What the one task that runs next has to find. */
static struct {
    size_t length;
    unsigned char seed;
    bool is_real; /* the source itself, not a copy */
    counter ran;
} expected;

static void fill_source(size_t length, unsigned seed)
{
    for (size_t i = 0; i < length; i++)
        source[i] = (unsigned char)(i * 31 + seed);
    expected.length = length;
    expected.seed = (unsigned char)seed;
    expected.is_real = false;
}

static int task_check_copy(void *arg, void **result)
{
    unsigned char *bytes = arg;

    test_check((bytes == source) == expected.is_real);
    test_check((uintptr_t)bytes % 8 == 0);
    for (size_t i = 0; i < expected.length; i++)
        test_check(bytes[i] == (unsigned char)(i * 31 + expected.seed));
    if (!expected.is_real)
        memset(bytes, 0xFF, expected.length); /* it is the task's own */
    count_one(&expected.ran);
    *result = NULL;
    return 0;
}

static void check_copy(filch_executor *ex, size_t length, bool wanted)
{
    struct hold hold = {0};
    filch_future *f = NULL;
    uint64_t before = count_of(&expected.ran);

    fill_source(length, (unsigned)length + wanted);
    hold_worker(&hold, ex);
    assert_int_equal(filch_submit_copy(ex, task_check_copy, source, length, wanted ? &f : NULL), 0);
    memset(source, 0, length); /* what the caller does to his own is none of the task's business */
    let_go(&hold);
    if (wanted)
        assert_int_equal(finish(f), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&expected.ran), before + 1);
}

TEST(a_copy_is_whole_aligned_and_the_tasks_own)
{
    struct purse purse = {0};
    filch_executor *ex = pool_on(&purse, 1);

    for (size_t i = 0; i < LENGTHS; i++) {
        check_copy(ex, lengths[i], true);
        check_copy(ex, lengths[i], false);
    }
    check_copy(ex, LONGEST, true);
    check_copy(ex, LONGEST, false);
    filch_executor_destroy(ex);
    check_empty(&purse);
}

TEST(every_length_around_what_fits_beside_the_task_is_copied)
{
    struct purse purse = {0};
    filch_executor *ex = pool_on(&purse, 1);

    for (size_t length = 0; length < 150; length++)
        check_copy(ex, length, length % 2 == 0);
    filch_executor_destroy(ex);
    check_empty(&purse);
}

TEST(a_copy_of_nothing_needs_no_source)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = NULL;
    counter ran = 0;

    fill_source(0, 0);
    assert_int_equal(filch_submit_copy(ex, task_check_copy, NULL, 0, &f), 0);
    assert_int_equal(finish(f), 0);
    assert_int_equal(filch_submit_copy(ex, task_check_copy, NULL, 0, NULL), 0);
    f = NULL;
    assert_int_equal(filch_submit_copy(ex, task_count, NULL, 1, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_copy(ex, task_count, NULL, SIZE_MAX, NULL), FILCH_EINVAL);
    assert_int_equal(filch_submit_copy(ex, NULL, &ran, 1, &f), FILCH_EINVAL);
    assert_null(f);
    filch_executor_destroy(ex);
}

TEST(a_copy_larger_than_any_memory_is_refused_and_nothing_is_queued)
{
    struct purse purse = {0};
    filch_executor *ex = pool_on(&purse, 1);
    filch_future *f = NULL;
    volatile size_t beyond = SIZE_MAX; /* for the compiler to know nothing of */

    for (size_t less = 0; less < 16; less++)
        assert_int_equal(filch_submit_copy(ex, task_echo, source, beyond - less, &f), FILCH_ENOMEM);
    assert_null(f);
    assert_int_equal(stats_of(ex).submitted, 0);
    filch_executor_destroy(ex);
    check_empty(&purse);
}

/* ---- From inside a task ---- */

static int task_sum(void *arg, void **result)
{
    const unsigned char *bytes = arg;
    uintptr_t sum = 0;

    for (size_t i = 0; i < bytes[0]; i++)
        sum += bytes[i];
    *result = number((intptr_t)sum);
    return 0;
}

static int task_copies(void *arg, void **result)
{
    filch_executor *ex = arg;

    for (unsigned length = 1; length <= 192; length++) {
        unsigned char bytes[192];
        filch_future *f = NULL;
        void *sum = NULL;

        memset(bytes, 3, sizeof bytes);
        bytes[0] = (unsigned char)length;
        test_check(filch_submit_copy(ex, task_sum, bytes, length, &f) == 0);
        memset(bytes, 0, sizeof bytes);
        test_check(filch_future_result(f, FILCH_FOREVER, &sum) == 0);
        test_check((uintptr_t)sum == length + 3 * (length - 1));
        filch_future_release(f);
    }
    *result = NULL;
    return 0;
}

TEST(a_task_may_submit_copies_of_its_own_variables)
{
    for (unsigned workers = 1; workers <= 2; workers++) {
        struct purse purse = {0};
        filch_executor *ex = pool_on(&purse, workers);

        assert_int_equal(finish(submit(ex, task_copies, ex)), 0);
        filch_executor_destroy(ex);
        check_empty(&purse);
    }
}

/* ---- Copies that nobody gets ---- */

static int task_never(void *arg, void **result)
{
    (void)arg;
    (void)result;
    test_check(false);
    return 1;
}

TEST(a_copy_goes_with_its_cancelled_task)
{
    struct purse purse = {0};
    filch_executor *ex = pool_on(&purse, 1);
    struct hold hold = {0};
    filch_future *f[LENGTHS];

    hold_worker(&hold, ex);
    for (size_t i = 0; i < LENGTHS; i++) {
        assert_int_equal(filch_submit_copy(ex, task_never, source, lengths[i], &f[i]), 0);
        assert_true(filch_future_cancel(f[i]));
        if (i % 2 == 0)
            filch_future_release(f[i]); /* the queue's reference is the last one, or ours is */
    }
    let_go(&hold);
    filch_executor_destroy(ex);
    for (size_t i = 1; i < LENGTHS; i += 2) {
        assert_int_equal(outcome(f[i]), FILCH_ECANCELED);
        filch_future_release(f[i]);
    }
    check_empty(&purse);
}

TEST(a_copy_goes_when_a_shutdown_cancels_its_task)
{
    struct purse purse = {0};
    filch_executor *ex = pool_on(&purse, 1);
    struct hold hold = {0};
    filch_future *f[LENGTHS];

    hold_worker(&hold, ex);
    for (size_t i = 0; i < LENGTHS; i++) {
        assert_int_equal(filch_submit_copy(ex, task_never, source, lengths[i], &f[i]), 0);
        assert_int_equal(filch_submit_copy(ex, task_never, source, lengths[i], NULL), 0);
    }
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    for (size_t i = 0; i < LENGTHS; i++) {
        assert_true(filch_future_cancelled(f[i]));
        filch_future_release(f[i]);
    }
    let_go(&hold);
    filch_executor_destroy(ex);
    check_empty(&purse);
}

TEST(a_copy_that_a_shut_down_executor_refuses_is_given_back)
{
    struct purse purse = {0};
    filch_executor *ex = pool_on(&purse, 1);
    filch_future *f = NULL;

    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    for (size_t i = 0; i < LENGTHS; i++)
        assert_int_equal(filch_submit_copy(ex, task_never, source, lengths[i], &f),
                         FILCH_ESHUTDOWN);
    assert_null(f);
    filch_executor_destroy(ex);
    check_empty(&purse);
}

TEST(a_large_copy_goes_before_its_future_does)
{
    struct purse purse = {0};
    filch_executor *ex = pool_on(&purse, 1);
    filch_future *f = NULL;

    fill_source(LONGEST, 1);
    assert_int_equal(filch_submit_copy(ex, task_check_copy, source, LONGEST, &f), 0);
    assert_int_equal(outcome(f), 0);
    assert_in_range(fl_load(&purse.bytes, relaxed), 1, LONGEST); /* count */
    filch_future_release(f);
    filch_executor_destroy(ex);
    check_empty(&purse);
}

/* ---- Options ---- */

TEST(task_options_copy_as_submit_copy_does)
{
    struct purse purse = {0};
    filch_executor *ex = pool_on(&purse, 1);
    filch_task_options o = {.size = sizeof o};

    for (size_t i = 0; i < LENGTHS; i++) {
        struct hold hold = {0};
        filch_future *f = NULL;

        o.copy_bytes = lengths[i];
        fill_source(lengths[i], 5);
        expected.is_real = lengths[i] == 0; /* no copy is asked for */
        hold_worker(&hold, ex);
        assert_int_equal(filch_submit_with(ex, &o, task_check_copy, source, &f), 0);
        memset(source, 0, lengths[i]);
        let_go(&hold);
        assert_int_equal(finish(f), 0);
    }
    filch_executor_destroy(ex);
    check_empty(&purse);
}

TEST(task_options_that_are_missing_or_short_copy_nothing)
{
    filch_executor *ex = pool_of(1);
    filch_task_options o = {.size = offsetof(filch_task_options, copy_bytes), .copy_bytes = 8};
    filch_future *f = NULL;

    fill_source(8, 6);
    expected.is_real = true;
    assert_int_equal(filch_submit_with(ex, NULL, task_check_copy, source, &f), 0);
    assert_int_equal(finish(f), 0);
    assert_int_equal(filch_submit_with(ex, &o, task_check_copy, source, &f), 0);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
}

TEST(task_options_of_a_later_version_may_ask_for_nothing_new)
{
    filch_executor *ex = pool_of(1);
    filch_future *f = NULL;
    struct {
        filch_task_options now;
        unsigned char tail[24];
    } later = {.now = {.size = sizeof later, .copy_bytes = 8}};

    fill_source(8, 7);
    assert_int_equal(filch_submit_with(ex, &later.now, task_check_copy, source, &f), 0);
    assert_int_equal(finish(f), 0);
    for (size_t i = 0; i < sizeof later.tail; i++) {
        f = NULL;
        later.tail[i] = 1;
        assert_int_equal(filch_submit_with(ex, &later.now, task_never, source, &f), FILCH_E2BIG);
        assert_null(f);
        later.tail[i] = 0;
    }
    for (size_t size = 0; size < sizeof(size_t); size++) {
        later.now.size = size;
        assert_int_equal(filch_submit_with(ex, &later.now, task_never, source, &f), FILCH_EINVAL);
        assert_null(f);
    }
    later.now.size = sizeof later;
    assert_int_equal(filch_submit_with(ex, &later.now, task_never, NULL, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_with(ex, &later.now, NULL, source, &f), FILCH_EINVAL);
    assert_null(f);
    filch_executor_destroy(ex);
}
