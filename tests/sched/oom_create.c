/* SPDX-License-Identifier: MIT
 *
 * oom_create.c: whatever the system refuses while an executor is made, the caller gets a status and
 * nothing else: no memory, no thread, no mapping is left behind. */
/* link: -Wl,--wrap=pthread_create -Wl,--wrap=mmap -Wl,--wrap=munmap -Wl,--wrap=madvise */
#include "sched/work.h"

#include "base/compiler.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

/* ---- An allocator that refuses ---- */

/* In front of each block, so that free can tell what was asked for. */
struct stamp {
    size_t size;
    size_t align;
};

struct ration {
    fl_atomic(int64_t) until; /* requests to serve before one is refused */
    bool for_good;            /* all later ones are refused too */
    counter refused;
    counter destroyed;
    fl_atomic(int64_t) blocks; /* out */
    fl_atomic(int64_t) bytes;
    filch_allocator as_allocator;
};

static size_t room_before(size_t align)
{
    return align > sizeof(struct stamp) ? align : sizeof(struct stamp);
}

static void *ration_alloc(void *ctx, size_t size, size_t align)
{
    struct ration *r = ctx;
    int64_t until = fl_sub(&r->until, 1, relaxed); /* count */
    size_t room = room_before(align);
    void *p;

    if (until == 0 || (until < 0 && r->for_good)) {
        count_one(&r->refused);
        return NULL;
    }
    test_check(align >= 1 && (align & (align - 1)) == 0);
    test_check(posix_memalign(&p, room, room + size) == 0);
    struct stamp *stamp = (struct stamp *)(void *)((char *)p + room) - 1;
    *stamp = (struct stamp){size, align};
    fl_add(&r->blocks, 1, relaxed);            /* count */
    fl_add(&r->bytes, (int64_t)size, relaxed); /* count */
    return (char *)p + room;
}

static void ration_free(void *ctx, void *p, size_t size, size_t align)
{
    struct ration *r = ctx;
    const struct stamp *stamp = (struct stamp *)p - 1;

    test_check(count_of(&r->destroyed) == 0);
    test_check(stamp->size == size && stamp->align == align);
    fl_sub(&r->blocks, 1, relaxed);            /* count */
    fl_sub(&r->bytes, (int64_t)size, relaxed); /* count */
    free((char *)p - room_before(align));
}

static void ration_destroy(void *ctx)
{
    struct ration *r = ctx;

    test_check(fl_load(&r->blocks, relaxed) == 0); /* count */
    count_one(&r->destroyed);
}

enum {
    PLENTY = 1 << 30
};

static void open_ration(struct ration *r, int64_t until, bool for_good)
{
    memset(r, 0, sizeof *r);
    fl_init(&r->until, until);
    r->for_good = for_good;
    r->as_allocator = (filch_allocator){ration_alloc, ration_free, ration_destroy, r};
}

static void check_nothing_is_out(struct ration *r)
{
    assert_int_equal(fl_load(&r->blocks, relaxed), 0); /* count */
    assert_int_equal(fl_load(&r->bytes, relaxed), 0);  /* count */
}

/* ---- A system that refuses ---- */

/* The n-th call from now fails with that error; 0: none does. */
struct refusal {
    fl_atomic(int) at;
    int error;
};

static struct refusal thread_refusal, mmap_refusal, madvise_refusal;
static fl_atomic(int) mappings; /* that the library has and has not given back */

static void refuse(struct refusal *x, int nth, int error)
{
    x->error = error;
    fl_store(&x->at, nth, relaxed); /* settled by the create that follows in this thread */
}

/* Whether this call is the one. */
static bool is_refused(struct refusal *x)
{
    int at = fl_load(&x->at, relaxed); /* count: the CAS decides */

    while (at > 0) {
        if (fl_cas_weak(&x->at, &at, at - 1, relaxed, relaxed)) /* count */
            return at == 1;
    }
    return false;
}

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg)
{
    return is_refused(&thread_refusal) ? thread_refusal.error
                                       : __real_pthread_create(thread, attr, main, arg);
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
    if (is_refused(&mmap_refusal)) {
        errno = mmap_refusal.error;
        return MAP_FAILED;
    }
    fl_add(&mappings, 1, relaxed); /* count */
    return __real_mmap(at, size, protection, flags, fd, offset);
}

int __real_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size);
int __wrap_munmap(void *at, size_t size)
{
    fl_sub(&mappings, 1, relaxed); /* count */
    return __real_munmap(at, size);
}

int __real_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice);
int __wrap_madvise(void *at, size_t size, int advice)
{
    if (is_refused(&madvise_refusal)) {
        errno = madvise_refusal.error;
        return -1;
    }
    return __real_madvise(at, size, advice);
}

/* ---- The process before and after ---- */

struct baseline {
    size_t threads;
    size_t files;
    int mappings;
};

/* ThreadSanitizer brings a thread of its own along with the first of the process: it counts too. */
static struct baseline baseline_now(void)
{
    static size_t threads;

    if (threads == 0) {
        threads = threads_now() + FL_TSAN;
        filch_executor_destroy(pool_of(1));
        await_threads_at_most(threads);
    }
    return (struct baseline){threads, files_now(), fl_load(&mappings, relaxed)}; /* count */
}

static void check_baseline(const struct baseline *before)
{
    await_threads_at_most(before->threads);
    assert_int_equal(files_now(), before->files);
    assert_int_equal(fl_load(&mappings, relaxed), before->mappings); /* count */
}

enum {
    ERRNO_BEFORE = 7777
};

/* What create says; an executor that it should not have made is a failure. */
static int refused_create(filch_options options, struct ration *r)
{
    filch_executor *ex = NULL;
    int status;

    options.size = sizeof options;
    options.allocator = &r->as_allocator;
    errno = ERRNO_BEFORE;
    status = filch_executor_create(&ex, &options);
    assert_int_equal(errno, ERRNO_BEFORE);
    assert_int_not_equal(status, 0);
    assert_null(ex);
    check_nothing_is_out(r);
    assert_int_equal(count_of(&r->destroyed), 0); /* nobody took the allocator over */
    return status;
}

static filch_executor *granted_create(filch_options options, struct ration *r)
{
    options.allocator = &r->as_allocator;
    return pool_with(options);
}

static void destroy_and_check(filch_executor *ex, struct ration *r)
{
    filch_executor_destroy(ex);
    check_nothing_is_out(r);
    assert_int_equal(count_of(&r->destroyed), 1);
}

/* ---- Memory ---- */

/* Each request that create makes is refused in turn, until it makes no more. */
static void refuse_each(filch_options options, bool for_good, int64_t at_least)
{
    struct baseline before = baseline_now();
    struct ration r;
    int64_t k;

    for (k = 0;; k++) {
        filch_executor *ex = NULL;
        int status;

        open_ration(&r, k, for_good);
        options.size = sizeof options;
        options.allocator = &r.as_allocator;
        status = filch_executor_create(&ex, &options);
        if (status == 0) {
            assert_int_equal(count_of(&r.refused), 0);
            fl_store(&r.until, PLENTY, relaxed); /* settled by the submit that follows */
            assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
            destroy_and_check(ex, &r);
            break;
        }
        assert_int_equal(status, FILCH_ENOMEM);
        assert_null(ex);
        assert_true(count_of(&r.refused) >= 1);
        check_nothing_is_out(&r);
        assert_int_equal(count_of(&r.destroyed), 0);
        check_baseline(&before);
    }
    check_baseline(&before);
    assert_true(k >= at_least);
}

TEST(e5_whichever_request_fails_an_executor_is_made_whole_or_not_at_all)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        for (int for_good = 0; for_good <= 1; for_good++) {
            filch_options plain = {.workers = workers};
            filch_options traced = {.workers = workers, .trace_events = 64};

            /* the handle, the pool; of each worker itself, its deque and its ring */
            refuse_each(plain, for_good != 0, 2 + 2 * (int64_t)workers);
            refuse_each(traced, for_good != 0, 2 + 3 * (int64_t)workers);
        }
    }
}

TEST(e5_best_effort_is_about_threads_and_not_about_memory)
{
    refuse_each((filch_options){.workers = 2, .flags = FILCH_BEST_EFFORT_THREADS}, false, 6);
    refuse_each((filch_options){.workers = 2, .flags = FILCH_FORK_RESTART}, false, 6);
}

TEST(a1_memory_goes_back_to_its_allocator_and_the_allocator_with_the_last_of_it)
{
    struct ration r;

    open_ration(&r, PLENTY, false);
    filch_executor *ex = granted_create((filch_options){.workers = 3, .trace_events = 64}, &r);
    assert_int_equal(filch_executor_name_function(ex, task_echo, "echo"), 0);
    for (int i = 0; i < 2000; i++) {
        char text[200] = "copied";

        assert_int_equal(filch_submit(ex, task_echo, NULL, NULL), 0);
        assert_int_equal(filch_submit_copy(ex, task_echo, text, i % 2 ? 8 : 200, NULL), 0);
    }
    assert_int_equal(count_of(&r.destroyed), 0);
    destroy_and_check(ex, &r);
}

TEST(a1_futures_that_outlive_the_executor_keep_the_allocator_until_the_last_has_gone)
{
    enum {
        KEPT = 9
    };
    struct baseline before = baseline_now();
    struct ration r;
    filch_future *f[KEPT];
    char text[200] = "copied";

    open_ration(&r, PLENTY, false);
    filch_executor *ex = granted_create((filch_options){.workers = 2}, &r);
    for (int i = 0; i < KEPT; i += 3) {
        f[i] = submit(ex, task_echo, number(i));
        assert_int_equal(filch_submit_copy(ex, task_echo, text, 8, &f[i + 1]), 0);
        assert_int_equal(filch_submit_copy(ex, task_echo, text, sizeof text, &f[i + 2]), 0);
    }
    filch_executor_destroy(ex);
    for (int i = 0; i < KEPT; i++) {
        assert_int_equal(count_of(&r.destroyed), 0);
        assert_true(fl_load(&r.bytes, relaxed) > 0); /* count */
        assert_int_equal(outcome(f[i]), 0);
        filch_future_release(f[i]);
    }
    check_nothing_is_out(&r);
    assert_int_equal(count_of(&r.destroyed), 1);
    check_baseline(&before);
}

TEST(a1_cancelled_futures_that_outlive_the_executor_keep_the_allocator_too)
{
    struct ration r;
    struct hold hold = {0};
    filch_future *f[2];
    char text[200] = "copied";

    open_ration(&r, PLENTY, false);
    filch_executor *ex = granted_create((filch_options){.workers = 1}, &r);
    hold_worker(&hold, ex);
    assert_int_equal(filch_submit_copy(ex, task_echo, text, sizeof text, &f[0]), 0);
    f[1] = submit(ex, task_echo, NULL);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_NOW),
                     0);
    let_go(&hold);
    filch_executor_destroy(ex);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(count_of(&r.destroyed), 0);
        assert_int_equal(finish(f[i]), FILCH_ECANCELED);
    }
    check_nothing_is_out(&r);
    assert_int_equal(count_of(&r.destroyed), 1);
}

/* ---- Threads ---- */

enum {
    WORKERS = 4
};

TEST(e4_whichever_thread_fails_create_fails_and_leaves_no_thread)
{
    static const struct {
        int error;
        int status;
    } cases[] = {{EAGAIN, FILCH_EAGAIN}, {EPERM, FILCH_EAGAIN}, {ENOMEM, FILCH_ENOMEM}};
    struct baseline before = baseline_now();
    struct ration r;

    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        for (int k = 1; k <= WORKERS; k++) {
            open_ration(&r, PLENTY, false);
            refuse(&thread_refusal, k, cases[c].error);
            assert_int_equal(refused_create((filch_options){.workers = WORKERS}, &r),
                             cases[c].status);
            check_baseline(&before);
        }
    }
    open_ration(&r, PLENTY, false);
    refuse(&thread_refusal, WORKERS + 1, EAGAIN);
    destroy_and_check(granted_create((filch_options){.workers = WORKERS}, &r), &r);
    refuse(&thread_refusal, 0, 0);
    check_baseline(&before);
}

static int count_start(void *counts)
{
    count_one(&((counter *)counts)[0]);
    return 0;
}

static void count_stop(void *counts)
{
    count_one(&((counter *)counts)[1]);
}

TEST(e4_threads_that_had_started_by_then_end_as_any_worker_does)
{
    for (int k = 2; k <= WORKERS; k++) {
        counter counts[2] = {0, 0};
        struct ration r;

        open_ration(&r, PLENTY, false);
        refuse(&thread_refusal, k, EAGAIN);
        assert_int_equal(refused_create((filch_options){.workers = WORKERS,
                                                        .on_thread_start = count_start,
                                                        .on_thread_stop = count_stop,
                                                        .hook_arg = counts},
                                        &r),
                         FILCH_EAGAIN);
        assert_int_equal(count_of(&counts[0]), k - 1);
        assert_int_equal(count_of(&counts[1]), k - 1);
    }
}

static int task_nested(void *ex, void **result)
{
    filch_future *f[3];

    for (int i = 0; i < 3; i++)
        f[i] = submit(ex, task_echo, NULL);
    test_check(filch_wait(f, 3, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 3);
    for (int i = 0; i < 3; i++)
        test_check(finish(f[i]) == 0);
    *result = NULL;
    return 0;
}

static void use(filch_executor *ex)
{
    counter ran = 0;
    filch_future *nested[20];

    for (int i = 0; i < 1000; i++)
        assert_int_equal(filch_submit(ex, task_count, &ran, NULL), 0);
    for (int i = 0; i < 20; i++)
        nested[i] = submit(ex, task_nested, ex);
    for (int i = 0; i < 20; i++)
        assert_int_equal(finish(nested[i]), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&ran), 1000);
}

TEST(e4_best_effort_works_with_as_many_threads_as_there_are)
{
    static const enum filch_help helps[] = {FILCH_HELP_DESCENDANTS, FILCH_HELP_ANY,
                                            FILCH_HELP_NONE};
    struct baseline before = baseline_now();

    for (int k = 2; k <= WORKERS + 1; k++) {
        for (size_t h = 0; h < sizeof helps / sizeof helps[0]; h++) {
            struct ration r;

            open_ration(&r, PLENTY, false);
            refuse(&thread_refusal, k, EAGAIN);
            filch_executor *ex = granted_create((filch_options){.workers = WORKERS,
                                                                .flags = FILCH_BEST_EFFORT_THREADS,
                                                                .help = helps[h]},
                                                &r);
            refuse(&thread_refusal, 0, 0);
            assert_int_equal(filch_executor_workers(ex), k - 1);
            assert_int_equal(stats_of(ex).workers, k - 1);
            use(ex);
            destroy_and_check(ex, &r);
            check_baseline(&before);
        }
    }
}

TEST(e4_best_effort_fails_if_there_is_no_thread_at_all)
{
    struct baseline before = baseline_now();

    for (unsigned workers = 1; workers <= WORKERS; workers += WORKERS - 1) {
        struct ration r;
        filch_options o = {.workers = workers, .flags = FILCH_BEST_EFFORT_THREADS};

        open_ration(&r, PLENTY, false);
        refuse(&thread_refusal, 1, EAGAIN);
        assert_int_equal(refused_create(o, &r), FILCH_EAGAIN);
        refuse(&thread_refusal, 1, ENOMEM);
        assert_int_equal(refused_create(o, &r), FILCH_ENOMEM);
        check_baseline(&before);
    }
}

/* ---- The page that tells a fork ---- */

TEST(k1_without_a_page_that_a_fork_wipes_no_executor_is_made)
{
    struct baseline before = baseline_now();
    struct ration r;

    open_ration(&r, PLENTY, false);
    refuse(&mmap_refusal, 1, ENOMEM);
    assert_int_equal(refused_create((filch_options){.workers = 2}, &r), FILCH_ENOMEM);
    check_baseline(&before);
    refuse(&madvise_refusal, 1, EINVAL);
    assert_int_equal(refused_create((filch_options){.workers = 2}, &r), FILCH_ENOTSUP);
    check_baseline(&before);
    filch_executor *ex = granted_create((filch_options){.workers = 2}, &r);
    assert_int_equal(fl_load(&mappings, relaxed), before.mappings + 1); /* count */
    destroy_and_check(ex, &r);
    check_baseline(&before);
}
