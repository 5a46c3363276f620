/* SPDX-License-Identifier: MIT
 *
 * oom_process.c: whichever request for memory, a memory file, a socket or a descriptor fails, whoever has asked is told,
 * nothing is left, and the executor goes on. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_heap_alloc -Wl,--wrap=fl_file_create */
/* link: -Wl,--wrap=fl_socket_pair -Wl,--wrap=fl_notify_open -Wl,--wrap=fl_thread_start */
/* seconds: 120 */

#include "process/jobs.h"

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/thread.h"

/* Of this process: its workers are refused nothing. */
static fl_atomic(int64_t) asked;
static fl_atomic(int64_t) refused_one = INT64_MAX;

static bool is_refused(void)
{
    return fl_add(&asked, 1, relaxed) == fl_load(&refused_one, relaxed); /* count */
}

void *__real_fl_malloc(size_t size);
void *__wrap_fl_malloc(size_t size);
void *__real_fl_heap_alloc(struct fl_heap *h, size_t size, size_t align);
void *__wrap_fl_heap_alloc(struct fl_heap *h, size_t size, size_t align);
int __real_fl_file_create(const char *name, size_t bytes, void **map);
int __wrap_fl_file_create(const char *name, size_t bytes, void **map);
int __real_fl_socket_pair(int fd[2]);
int __wrap_fl_socket_pair(int fd[2]);
int __real_fl_notify_open(void);
int __wrap_fl_notify_open(void);
int __real_fl_thread_start(struct fl_thread *t, void *(*main)(void *), void *arg,
                           const struct fl_thread_options *options);
int __wrap_fl_thread_start(struct fl_thread *t, void *(*main)(void *), void *arg,
                           const struct fl_thread_options *options);

void *__wrap_fl_malloc(size_t size)
{
    return is_refused() ? NULL : __real_fl_malloc(size);
}

void *__wrap_fl_heap_alloc(struct fl_heap *h, size_t size, size_t align)
{
    return is_refused() ? NULL : __real_fl_heap_alloc(h, size, align);
}

int __wrap_fl_file_create(const char *name, size_t bytes, void **map)
{
    return is_refused() ? FILCH_ENOMEM : __real_fl_file_create(name, bytes, map);
}

int __wrap_fl_socket_pair(int fd[2])
{
    return is_refused() ? FILCH_EMFILE : __real_fl_socket_pair(fd);
}

int __wrap_fl_notify_open(void)
{
    return is_refused() ? FILCH_EMFILE : __real_fl_notify_open();
}

int __wrap_fl_thread_start(struct fl_thread *t, void *(*main)(void *), void *arg,
                           const struct fl_thread_options *options)
{
    return is_refused() ? FILCH_EAGAIN : __real_fl_thread_start(t, main, arg, options);
}

static void refuse(int64_t k)
{
    fl_store(&asked, 0, relaxed);       /* count */
    fl_store(&refused_one, k, relaxed); /* count */
}

/* Whether anything was, or would have been. */
static bool end_refusing(void)
{
    bool was = fl_load(&asked, relaxed) > fl_load(&refused_one, relaxed); /* count */

    fl_store(&refused_one, INT64_MAX, relaxed); /* count */
    return was;
}

TEST(a_create_that_fails_leaves_nothing_and_says_why)
{
    filch_process_options options = {
        .size = sizeof options, .workers = 2, .start_timeout_ns = START_TIMEOUT_NS};
    unsigned fds = count_in("/proc/self/fd");
    int64_t k = 0;
    bool was_refused;

    do {
        filch_executor *ex = NULL;
        int status;

        refuse(k++);
        status = filch_process_executor_create(&ex, &options);
        was_refused = end_refusing();
        if (status == 0) {
            filch_executor_destroy(ex);
        } else {
            assert_true(was_refused);
            assert_true(status == FILCH_ENOMEM || status == FILCH_EMFILE || status == FILCH_EAGAIN);
        }
        assert_int_equal(count_in("/proc/self/fd"), fds);
    } while (was_refused);
    assert_true(k > 10);
}

/* Of so many bytes there and back, with the k-th request refused. True: one was. */
static bool try_job(filch_executor *ex, const unsigned char *bytes, size_t len, int64_t k)
{
    filch_future *f = NULL;
    void *result;
    int status;
    bool was_refused;

    refuse(k);
    status = filch_submit_job(ex, "echo", bytes, len, &f);
    if (status == 0) {
        status = filch_future_result(f, FILCH_FOREVER, &result);
        was_refused = end_refusing();
        if (status == 0) {
            assert_int_equal(((const filch_buffer *)result)->len, len);
            assert_memory_equal(((const filch_buffer *)result)->data, bytes, len);
        }
        filch_future_release(f);
    } else {
        was_refused = end_refusing();
        assert_null(f);
    }
    assert_true(status == 0 || (was_refused && status == FILCH_ENOMEM));
    return was_refused;
}

TEST(a_job_that_can_not_be_had_fails_alone)
{
    static const size_t lengths[] = {0, 8, 3000, 100000};
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 16384});
    unsigned char *bytes = calloc(1, 100000);
    unsigned fds;

    assert_non_null(bytes);
    expect_echo(ex, bytes, 10);
    fds = count_in("/proc/self/fd");
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        int64_t k = 0;

        while (try_job(ex, bytes, lengths[i], k))
            k++;
        expect_echo(ex, bytes, lengths[i]);
    }
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0); /* the last has let go */
    assert_int_equal(count_in("/proc/self/fd"), fds);
    assert_int_equal(stats_of(ex).crashed, 0);
    filch_executor_destroy(ex);
    free(bytes);
}

TEST(what_waits_for_a_worker_that_can_not_be_had_waits_on)
{
    filch_executor *ex = processes(1);
    bool was_refused;
    int64_t k = 0;

    do {
        filch_future *bad;
        filch_future *f[5];

        expect_echo(ex, "x", 1);
        bad = submit(ex, "segv", NULL, 0);
        for (int i = 0; i < 5; i++)
            f[i] = submit(ex, "echo", &i, sizeof i);
        refuse(k++);
        assert_int_equal(status_of(bad), FILCH_ECRASHED);
        for (int i = 0; i < 5; i++) {
            int status = status_of(f[i]);

            assert_true(status == 0 || status == FILCH_ENOMEM);
        }
        was_refused = end_refusing();
    } while (was_refused && k < 40);
    expect_echo(ex, "y", 1);
    filch_executor_destroy(ex);
}
