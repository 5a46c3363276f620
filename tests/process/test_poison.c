/* SPDX-License-Identifier: MIT
 *
 * test_poison.c: what it takes to know a long input again keeps nobody waiting: the hash over it is computed without
 * the executor's lock. */
/* link: -Wl,--wrap=fl_poison_hash -Wl,--wrap=fl_file_map_private */
#include "process/jobs.h"

#include "base/atomic.h"
#include "process/pool.h"

enum {
    RING = 1 << 16,
    NEAR = 10000,
    FAR = 1000000
};

/* Whoever is about to hash asks the executor something, for which it takes its lock: if he has it, he never ends. */
static fl_atomic(filch_executor *) asked;
static fl_atomic(uint32_t) hashes, maps;

static void ask(fl_atomic(uint32_t) * count)
{
    filch_executor *ex = fl_load(&asked, acquire);
    filch_process_stats stats = {.size = sizeof stats};

    if (ex == NULL)
        return; /* a worker, which maps what it is given */
    fl_add(count, 1, relaxed);
    test_check(filch_process_stats_read(ex, &stats) == 0);
}

uint64_t __real_fl_poison_hash(const struct fl_processes *p, uint32_t job, const void *bytes,
                               size_t len);
uint64_t __wrap_fl_poison_hash(const struct fl_processes *p, uint32_t job, const void *bytes,
                               size_t len);
void *__real_fl_file_map_private(int fd, size_t bytes);
void *__wrap_fl_file_map_private(int fd, size_t bytes);

uint64_t __wrap_fl_poison_hash(const struct fl_processes *p, uint32_t job, const void *bytes,
                               size_t len)
{
    ask(&hashes);
    return __real_fl_poison_hash(p, job, bytes, len);
}

void *__wrap_fl_file_map_private(int fd, size_t bytes)
{
    ask(&maps);
    return __real_fl_file_map_private(fd, bytes);
}

static void crash_by(size_t len)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .ring_bytes = RING, .max_crashes = 2});
    unsigned char *bytes = calloc(1, len);
    filch_future *f;

    assert_non_null(bytes);
    bytes[len - 1] = 7;
    fl_store(&asked, ex, release);
    assert_int_equal(status_of(submit(ex, "segv", bytes, len)), FILCH_EPOISON);
    assert_int_equal(filch_submit_job(ex, "segv", bytes, len, &f), FILCH_EPOISON);
    expect_echo(ex, bytes, len);
    bytes[len - 1]++;
    assert_int_equal(status_of(submit(ex, "segv", bytes, len)), FILCH_EPOISON);
    fl_store(&asked, NULL, release);
    filch_executor_destroy(ex);
    free(bytes);
}

TEST(an_input_is_hashed_without_the_lock)
{
    crash_by(NEAR);
    assert_true(fl_load(&hashes, relaxed) >= 3);
    assert_int_equal(fl_load(&maps, relaxed), 0);
}

TEST(an_input_that_is_in_a_file_is_hashed_without_the_lock)
{
    crash_by(FAR);
    assert_int_equal(fl_load(&maps, relaxed), 2);
}

TEST(an_executor_that_is_closed_says_so_of_poison_too)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .max_crashes = 2});
    filch_future *f;

    assert_int_equal(status_of(submit(ex, "segv", "x", 1)), FILCH_EPOISON);
    assert_int_equal(filch_submit_job(ex, "segv", "x", 1, &f), FILCH_EPOISON);
    assert_int_equal(filch_executor_shutdown(ex, 0, FILCH_FOREVER), 0);
    assert_int_equal(filch_submit_job(ex, "segv", "x", 1, &f), FILCH_ESHUTDOWN);
    filch_executor_destroy(ex);
}
