/* SPDX-License-Identifier: MIT
 *
 * oom_timer.c: whichever request for memory or for a thread fails in a call that has to do with a time,
 * the call says so and nothing has happened, and the same call succeeds afterwards; and what was
 * accepted runs, though there is no memory for its queue when its time comes. */
/* link: -Wl,--wrap=malloc -Wl,--wrap=pthread_create -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <errno.h>
#include <pthread.h>

/* ---- What refuses ---- */

static fl_atomic(int64_t) until =
    -1; /* requests of anybody to serve before one is refused; -1: all */
static fl_atomic(bool) none_is_served;
static _Thread_local bool is_served; /* whatever the others are */
static counter refused;
static fl_atomic(int64_t) blocks; /* of the allocator's */
static fl_atomic(bool) no_threads;

static bool is_refused(void)
{
    int64_t left = fl_load(&until, relaxed); /* count */

    if (is_served)
        return false;
    if (!fl_load(&none_is_served, relaxed) &&          /* settled by what the test waits for */
        (left < 0 || fl_sub(&until, 1, relaxed) != 0)) /* count */
        return false;
    count_one(&refused);
    return true;
}

static void *ration_alloc(void *ctx, size_t size, size_t align)
{
    void *p;

    (void)ctx;
    if (is_refused())
        return NULL;
    test_check(posix_memalign(&p, align < sizeof p ? sizeof p : align, size) == 0);
    fl_add(&blocks, 1, relaxed); /* count */
    return p;
}

static void ration_free(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx, (void)size, (void)align;
    fl_sub(&blocks, 1, relaxed); /* count */
    free(p);
}

static const filch_allocator ration = {.alloc = ration_alloc, .free = ration_free};

static _Thread_local bool counts_malloc; /* this thread's are requests like any other */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    if (counts_malloc && is_refused()) {
        errno = ENOMEM;
        return NULL;
    }
    return __real_malloc(size);
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg)
{
    if (fl_load(&no_threads, relaxed)) /* settled: set by the same thread */
        return EAGAIN;
    return __real_pthread_create(thread, attr, main, arg);
}

/* ---- Calls ---- */

enum {
    SOON = 50 /* ms: it has not come when the call looks */
};

static filch_future *source;
static counter ran;

static int by_at(filch_executor *ex, filch_future **f)
{
    return filch_submit_at(ex, filch_in_ms(SOON), task_count, &ran, f);
}

static int by_at_without(filch_executor *ex, filch_future **f)
{
    (void)f;
    return filch_submit_at(ex, filch_in_ms(SOON), task_count, &ran, NULL);
}

static int by_every(filch_executor *ex, filch_future **f)
{
    return filch_submit_every(ex, filch_in_ms(SOON), INT64_C(3600000000000), task_count, &ran, f);
}

static int by_timeout(filch_executor *ex, filch_future **f)
{
    return filch_timeout(source, ex, filch_in_ms(SOON), 0, f);
}

static int (*const ways[])(filch_executor *ex, filch_future **f) = {by_at, by_at_without, by_every,
                                                                    by_timeout};

enum {
    WAYS = sizeof ways / sizeof ways[0]
};

/* Refuses the k-th request of the call. False: there is no k-th. */
static bool refuse_in_call(size_t way, int64_t k)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .allocator = &ration});
    int64_t before = blocks_now();
    uint64_t had = count_of(&refused);
    filch_future *f = NULL;
    bool was_refused;
    int status;

    source = promise();
    fl_store(&ran, 0, relaxed);
    errno = 4711;
    counts_malloc = true;
    fl_store(&until, k, relaxed);
    status = ways[way](ex, &f);
    fl_store(&until, -1, relaxed);
    counts_malloc = false;
    was_refused = count_of(&refused) != had;
    if (status != 0) {
        assert_true(was_refused);
        assert_int_equal(status, FILCH_ENOMEM);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&ran), 0);
        assert_null(f);
        assert_int_equal(ways[way](ex, &f), 0);
    }
    assert_int_equal(errno, 4711);
    if (way == 3)
        assert_int_equal(finish(f), FILCH_ETIMEDOUT);
    else if (f != NULL && way != 2)
        assert_int_equal(finish(f), 0);
    else if (f != NULL) {
        assert_true(filch_future_cancel(f));
        filch_future_release(f);
    }
    filch_future_release(source);
    filch_executor_destroy(ex);
    if (way != 2) /* a periodic one was cancelled before its time or after */
        assert_int_equal(count_of(&ran), way != 3);
    assert_int_equal(fl_load(&blocks, relaxed), 0); /* count */
    assert_int_equal(blocks_now(), before);
    return was_refused;
}

TEST(whichever_request_fails_the_call_says_so_and_nothing_is_kept)
{
    for (size_t way = 0; way < WAYS; way++) {
        int64_t k = 0;

        while (refuse_in_call(way, k))
            k++;
        assert_true(k >= 2);
    }
}

TEST(without_a_thread_to_watch_the_clock_the_call_says_so)
{
    for (size_t way = 0; way < WAYS; way++) {
        filch_executor *ex = pool_with((filch_options){.workers = 1, .allocator = &ration});
        filch_future *f = NULL;

        source = promise();
        fl_store(&no_threads, true, relaxed);
        assert_int_equal(ways[way](ex, &f), FILCH_EAGAIN);
        assert_null(f);
        /* What has come needs no clock. */
        assert_int_equal(filch_submit_at(ex, FILCH_NOW, task_echo, NULL, &f), 0);
        assert_int_equal(finish(f), 0);
        fl_store(&no_threads, false, relaxed);
        f = NULL;
        assert_int_equal(ways[way](ex, &f), 0);
        filch_future_release(f);
        filch_future_release(source);
        filch_executor_destroy(ex);
        assert_int_equal(fl_load(&blocks, relaxed), 0); /* count */
    }
}

TEST(a_task_for_whose_queue_there_is_no_memory_runs_when_there_is_some)
{
    enum {
        FULL = 64 /* slots that a deque begins with */
    };
    filch_executor *ex = pool_with((filch_options){.workers = 1, .allocator = &ration});
    struct hold h = {0};
    filch_future *f;
    uint64_t had;

    fl_store(&ran, 0, relaxed);
    /* The clock has its thread then, and that has queued nothing: it could still hold the one lane, and we got another. */
    assert_int_equal(filch_submit_at(ex, filch_in_s(3600), task_echo, NULL, &f), 0);
    assert_true(filch_future_cancel(f));
    filch_future_release(f);
    hold_worker(&h, ex);
    for (int i = 0; i < FULL; i++)
        assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
    had = count_of(&refused);
    fl_store(&none_is_served, true, relaxed); /* before its time can have come */
    is_served = true;
    assert_int_equal(filch_submit_at(ex, filch_in_ms(500), task_count, &ran, &f), 0);
    while (count_of(&refused) < had + 3)
        sched_yield(); /* it is tried again and again */
    assert_int_equal(filch_future_state(f), FILCH_PENDING);
    fl_store(&none_is_served, false, relaxed);
    is_served = false;
    let_go(&h);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&ran), 1);
    assert_int_equal(fl_load(&blocks, relaxed), 0); /* count */
}
