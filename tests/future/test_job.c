/* SPDX-License-Identifier: MIT
 *
 * test_job.c: jobs by name: their names, the bytes that go in and come out, and that nothing is left of one that
 * fails, is cancelled or ends its thread. And buffers by themselves. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "future/job.h"
#include "sched/executor.h"

/* ---- Jobs ---- */

static int twice(const void *in, size_t len, filch_buffer *out)
{
    test_check((uintptr_t)in % 16 == 0);
    if (filch_buffer_append(out, in, len) != 0)
        return 1;
    return filch_buffer_append(out, in, len) != 0;
}

static int nothing(const void *in, size_t len, filch_buffer *out)
{
    (void)in, (void)len, (void)out;
    return 0;
}

/* Fails with its first byte, having written a lot. */
static int fail_with(const void *in, size_t len, filch_buffer *out)
{
    test_check(len == 1);
    test_check(filch_buffer_extend(out, 5000) != NULL);
    return filch_fail(*(const unsigned char *)in, "as it was told", NULL, NULL);
}

static int hand_on(const void *in, size_t len, filch_buffer *out)
{
    (void)in, (void)len, (void)out;
    return FILCH_ETIMEDOUT;
}

static int leave(const void *in, size_t len, filch_buffer *out)
{
    test_check(filch_buffer_append(out, in, len) == 0);
    test_check(filch_buffer_extend(out, 5000) != NULL);
    pthread_exit(NULL);
}

static counter counted;

static int count(const void *in, size_t len, filch_buffer *out)
{
    (void)in, (void)len, (void)out;
    count_one(&counted);
    return 0;
}

static void register_all(void)
{
    assert_int_equal(filch_job_register("twice", twice), 0);
    assert_int_equal(filch_job_register("nothing", nothing), 0);
    assert_int_equal(filch_job_register("fail", fail_with), 0);
    assert_int_equal(filch_job_register("hand_on", hand_on), 0);
    assert_int_equal(filch_job_register("leave", leave), 0);
    assert_int_equal(filch_job_register("count", count), 0);
}

static filch_future *submit_job(filch_executor *ex, const char *name, const void *bytes, size_t len)
{
    filch_future *f = NULL;

    assert_int_equal(filch_submit_job(ex, name, bytes, len, &f), 0);
    assert_non_null(f);
    return f;
}

static const filch_buffer *result_of(filch_future *f)
{
    void *result = NULL;

    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
    assert_non_null(result);
    return result;
}

/* Bytes that tell where they stand. */
static void fill_in(unsigned char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i * 7 + i / 256);
}

/* ---- Names ---- */

TEST(a_name_has_one_function_for_as_long_as_the_process_lives)
{
    char name[] = "a name of the test's own";

    assert_int_equal(filch_job_register(name, nothing), 0);
    assert_int_equal(filch_job_register(name, nothing), 0);
    assert_int_equal(filch_job_register(name, count), FILCH_EINVAL);
    name[0] = 'A'; /* it was copied */
    assert_null(fl_job_find(name));
    assert_true(fl_job_find("a name of the test's own") == nothing);
    assert_int_equal(filch_job_register(name, count), 0);
    assert_true(fl_job_find("a name of the test's own") == nothing);
    assert_true(fl_job_find(name) == count);
}

TEST(a_name_is_neither_empty_nor_longer_than_is_said)
{
    char name[FILCH_JOB_NAME_MAX + 2];

    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(filch_job_register(name, nothing), FILCH_EINVAL);
    assert_int_equal(filch_job_register("", nothing), FILCH_EINVAL);
    assert_int_equal(filch_job_register(NULL, nothing), FILCH_EINVAL);
    assert_int_equal(filch_job_register("null", NULL), FILCH_EINVAL);
    assert_null(fl_job_find("null"));
    name[FILCH_JOB_NAME_MAX] = '\0';
    assert_int_equal(filch_job_register(name, nothing), 0);
    assert_true(fl_job_find(name) == nothing);
}

static size_t index_of(const char *name)
{
    size_t i = 0;

    while (fl_job_name(i) != NULL && strcmp(fl_job_name(i), name) != 0)
        i++;
    return i;
}

TEST(names_are_kept_in_the_order_of_registration)
{
    char name[32];
    size_t first = 0;

    while (fl_job_name(first) != NULL)
        first++;
    for (size_t i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "in order %zu", i);
        assert_int_equal(filch_job_register(name, i % 2 != 0 ? twice : nothing), 0);
    }
    for (size_t i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "in order %zu", i);
        assert_string_equal(fl_job_name(first + i), name);
        assert_true(fl_job_fn_at(first + i) == (i % 2 != 0 ? twice : nothing));
    }
    assert_null(fl_job_name(first + 300));
    assert_null(fl_job_fn_at(first + 300));
    assert_null(fl_job_name(SIZE_MAX));
}

TEST(a_forked_child_has_the_names_and_may_have_more)
{
    int status = -1;

    register_all();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(10);
        test_check(fl_job_find("twice") == twice);
        test_check(filch_job_register("of the child", count) == 0);
        test_check(fl_job_find("of the child") == count);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_int_equal(status, 0);
    assert_null(fl_job_find("of the child"));
}

/* ---- In and out ---- */

TEST(a_job_gets_a_copy_of_its_bytes_and_what_it_writes_comes_back)
{
    static unsigned char bytes[20000];
    filch_executor *ex = pool_of(2);

    register_all();
    for (size_t n = 0; n <= sizeof bytes; n = n < 200 ? n + 1 : n * 3 / 2) {
        int64_t before = blocks_now();

        fill_in(bytes, n);
        filch_future *f = submit_job(ex, "twice", n != 0 ? bytes : NULL, n);
        memset(bytes, 0xee, n);
        const filch_buffer *b = result_of(f);
        assert_int_equal(b->len, 2 * n);
        assert_true((uintptr_t)b->data % 16 == 0);
        fill_in(bytes, n);
        if (n != 0) {
            assert_memory_equal(b->data, bytes, n);
            assert_memory_equal((char *)b->data + n, bytes, n);
        }
        filch_future_release(f);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(blocks_now(), before);
    }
    filch_executor_destroy(ex);
}

TEST(a_job_that_writes_nothing_gives_an_empty_buffer)
{
    filch_executor *ex = pool_of(1);

    register_all();
    filch_future *f = submit_job(ex, "nothing", "in", 2);
    assert_int_equal(result_of(f)->len, 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

TEST(a_result_that_is_taken_outlives_its_future_and_its_executor)
{
    filch_executor *ex = pool_of(1);
    void *result = NULL;

    register_all();
    int64_t before = blocks_now();
    filch_future *f = submit_job(ex, "twice", "ab", 2);
    assert_int_equal(filch_future_take(f, FILCH_FOREVER, &result), 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
    filch_buffer *b = result;
    assert_int_equal(filch_buffer_append(b, b->data, b->len), 0);
    assert_int_equal(b->len, 8);
    assert_memory_equal(b->data, "abababab", 8);
    filch_buffer_free(b);
    filch_buffer_free(NULL);
    assert_int_equal(blocks_now(), before);
}

TEST(a_short_job_asks_for_two_blocks)
{
    filch_executor *ex = pool_of(1);

    register_all();
    uint64_t before = count_of(&blocks_asked);
    filch_future *f = submit_job(ex, "twice", "ab", 2);
    result_of(f);
    assert_int_equal(count_of(&blocks_asked) - before, 2);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

/* ---- Failures ---- */

TEST(a_job_that_fails_has_its_code_and_its_message_and_nothing_of_its_bytes)
{
    filch_executor *ex = pool_of(1);
    filch_error error;
    void *result = &error;

    register_all();
    int64_t before = blocks_now();
    filch_future *f = submit_job(ex, "fail", "*", 1);
    assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), '*');
    assert_ptr_equal(result, &error); /* as it was */
    assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
    assert_string_equal(error.message, "as it was told");
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(blocks_now() - before, 1); /* the message */
    filch_future_release(f);
    assert_int_equal(finish(submit_job(ex, "hand_on", NULL, 0)), FILCH_ETIMEDOUT);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

static filch_unobserved told;
static char told_name[32];

static void keep_unobserved(const filch_unobserved *info, void *arg)
{
    (void)arg;
    told = *info;
    snprintf(told_name, sizeof told_name, "%s", info->name != NULL ? info->name : "");
}

TEST(without_a_future_a_job_runs_and_its_failure_is_told_by_its_name)
{
    filch_executor *ex = pool_with((filch_options){.workers = 1, .on_unobserved = keep_unobserved});
    char name[] = "fail";

    register_all();
    int64_t before = blocks_now();
    fl_store(&counted, 0, relaxed); /* count */
    told_name[0] = '\0';
    assert_int_equal(filch_submit_job(ex, "count", NULL, 0, NULL), 0);
    assert_int_equal(filch_submit_job(ex, "twice", "ab", 2, NULL), 0);
    assert_int_equal(filch_submit_job(ex, name, "!", 1, NULL), 0);
    memset(name, 'x', sizeof name - 1);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&counted), 1);
    assert_string_equal(told_name, "fail");
    assert_int_equal(told.error.code, '!');
    assert_int_equal(blocks_now(), before);
    filch_executor_destroy(ex);
}

TEST(a_job_that_ends_its_thread_is_abandoned_and_leaves_nothing)
{
    filch_executor *ex = pool_of(2);

    register_all();
    int64_t before = blocks_now();
    for (int i = 0; i < 50; i++)
        assert_int_equal(finish(submit_job(ex, "leave", "bytes", 5)), FILCH_EABANDONED);
    for (int i = 0; i < 50; i++)
        assert_int_equal(filch_submit_job(ex, "leave", "bytes", 5, NULL), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

TEST(a_job_that_is_cancelled_before_it_ran_gives_its_copy_back_in_the_canceller)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};

    register_all();
    hold_worker(&hold, ex);
    int64_t before = blocks_now();
    fl_store(&counted, 0, relaxed); /* count */
    filch_future *f = submit_job(ex, "count", "bytes", 5);
    assert_int_equal(blocks_now() - before, 1);
    assert_true(filch_future_cancel(f));
    assert_int_equal(blocks_now(), before);
    let_go(&hold);
    assert_int_equal(finish(f), FILCH_ECANCELED);
    filch_executor_destroy(ex);
    assert_int_equal(count_of(&counted), 0);
}

/* ---- What is refused ---- */

TEST(a_job_that_can_not_be_submitted_says_why_and_leaves_nothing)
{
    static volatile size_t beyond = SIZE_MAX;
    char name[FILCH_JOB_NAME_MAX + 2];
    filch_executor *ex = pool_of(1);
    filch_future *f = NULL;

    register_all();
    int64_t before = blocks_now();
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    assert_int_equal(filch_submit_job(NULL, "twice", "ab", 2, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_job(ex, NULL, "ab", 2, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_job(ex, "twice", NULL, 2, &f), FILCH_EINVAL);
    assert_int_equal(filch_submit_job(ex, "none", "ab", 2, &f), FILCH_ENOENT);
    assert_int_equal(filch_submit_job(ex, "", "ab", 2, &f), FILCH_ENOENT);
    assert_int_equal(filch_submit_job(ex, name, "ab", 2, &f), FILCH_ENOENT);
    for (size_t less = 0; less < 64; less++) {
        assert_int_equal(filch_submit_job(ex, "twice", "ab", beyond - less, &f), FILCH_ENOMEM);
        assert_int_equal(filch_submit_job(ex, "twice", "ab", beyond / 2 - less % 16, &f),
                         FILCH_ENOMEM);
    }
    assert_int_equal(filch_executor_shutdown(ex, FILCH_DRAIN, FILCH_FOREVER), 0);
    assert_int_equal(filch_submit_job(ex, "twice", "ab", 2, &f), FILCH_ESHUTDOWN);
    filch_executor_destroy(ex);
    assert_null(f);
    assert_int_equal(blocks_now(), before);
}

TEST(a_rival_runs_no_jobs)
{
    filch_options o = {.size = sizeof o, .workers = 1, .backend = FILCH_BACKEND_MUTEX};
    filch_executor *ex = NULL;
    filch_future *f = NULL;

    register_all();
    assert_int_equal(filch_executor_create(&ex, &o), 0);
    assert_int_equal(filch_submit_job(ex, "twice", "ab", 2, &f), FILCH_ENOTSUP);
    assert_int_equal(filch_submit_job(ex, "none", "ab", 2, &f), FILCH_ENOTSUP);
    assert_null(f);
    filch_executor_destroy(ex);
}

/* ---- An executor that takes jobs itself ---- */

static struct fl_job seen;

static int take_job(filch_executor *ex, const struct fl_job *job, filch_future **future)
{
    (void)ex, (void)future;
    seen = *job;
    return FILCH_EPOISON;
}

TEST(an_executor_that_takes_jobs_gets_them_as_they_are_whether_this_process_knows_them_or_not)
{
    static const struct fl_executor_ops ops = {.submit_job = take_job};
    filch_executor ex = {&ops};
    char name[] = "twice";
    char unknown[] = "known elsewhere";
    filch_future *f = NULL;

    register_all();
    assert_int_equal(filch_submit_job(&ex, name, "ab", 2, &f), FILCH_EPOISON);
    assert_true(seen.fn == twice);
    assert_ptr_equal(seen.name, fl_job_name(index_of("twice"))); /* it stays */
    assert_memory_equal(seen.bytes, "ab", 2);
    assert_int_equal(seen.len, 2);
    assert_false(seen.is_chunk);
    assert_int_equal(filch_submit_job(&ex, unknown, NULL, 0, &f), FILCH_EPOISON);
    assert_true(seen.fn == NULL);
    assert_string_equal(seen.name, unknown);
}

/* ---- Buffers ---- */

TEST(a_buffer_grows_by_doubling_and_keeps_its_bytes_aligned)
{
    int64_t before = blocks_now();
    uint64_t asked = count_of(&blocks_asked);
    filch_buffer *b = fl_buffer_create(0);

    assert_non_null(b);
    for (uint32_t i = 0; i < 100000; i++) {
        assert_int_equal(filch_buffer_append(b, &i, 1), 0);
        test_check(b->len == i + 1 && (uintptr_t)b->data % 16 == 0);
    }
    for (uint32_t i = 0; i < 100000; i++)
        test_check(((unsigned char *)b->data)[i] == (unsigned char)i);
    assert_in_range(count_of(&blocks_asked) - asked, 2, 20);
    filch_buffer_free(b);
    assert_int_equal(blocks_now(), before);
}

TEST(a_buffer_of_a_length_has_it)
{
    for (size_t n = 0; n < 300; n++) {
        filch_buffer *b = fl_buffer_create(n);

        assert_non_null(b);
        assert_int_equal(b->len, n);
        assert_true(b->data != NULL && (uintptr_t)b->data % 16 == 0);
        memset(b->data, 1, n);
        filch_buffer_free(b);
    }
}

TEST(a_buffer_may_be_appended_to_itself)
{
    filch_buffer *b = fl_buffer_create(0);

    assert_non_null(b);
    assert_int_equal(filch_buffer_append(b, "abc", 3), 0);
    for (int i = 0; i < 12; i++)
        assert_int_equal(filch_buffer_append(b, b->data, b->len), 0);
    assert_int_equal(b->len, 3 << 12);
    for (size_t i = 0; i < b->len; i++)
        test_check(((char *)b->data)[i] == "abc"[i % 3]);
    assert_int_equal(filch_buffer_append(b, (char *)b->data + 1, b->len - 1), 0);
    assert_int_equal(((char *)b->data)[3 << 12], 'b');
    filch_buffer_free(b);
}

TEST(a_buffer_that_can_not_grow_so_far_is_as_it_was)
{
    static volatile size_t beyond = SIZE_MAX;
    filch_buffer *b = fl_buffer_create(0);

    assert_non_null(b);
    assert_int_equal(filch_buffer_append(b, "abc", 3), 0);
    for (size_t less = 0; less < 8; less++) {
        assert_null(filch_buffer_extend(b, beyond - less));
        assert_null(filch_buffer_extend(b, beyond / 2 - less % 3));
        assert_int_equal(filch_buffer_append(b, "abc", beyond - less), FILCH_ENOMEM);
    }
    assert_int_equal(b->len, 3);
    assert_memory_equal(b->data, "abc", 3);
    assert_null(fl_buffer_create(beyond));
    assert_null(fl_buffer_create(beyond / 2));
    assert_int_equal(filch_buffer_append(b, NULL, 0), 0);
    assert_non_null(filch_buffer_extend(b, 0));
    assert_int_equal(b->len, 3);
    filch_buffer_free(b);
}

/* Memory of somebody else's, with an end. */
static char lent[256];
static size_t lent_most;

static bool lend(filch_buffer *b, size_t room)
{
    if (room > lent_most)
        return false;
    b->data = lent;
    b->_[FL_BUFFER_ROOM] = room;
    return true;
}

static void take_back(filch_buffer *b)
{
    b->data = NULL;
}

TEST(a_buffer_that_can_not_double_takes_what_it_needs)
{
    static const struct fl_buffer_ops ops = {lend, take_back};
    filch_buffer b;

    lent_most = 200;
    fl_buffer_open(&b, &ops);
    assert_null(b.data);
    assert_int_equal(b.len, 0);
    assert_non_null(filch_buffer_extend(&b, 0)); /* NULL would say that there is no memory */
    assert_int_equal(b.len, 0);
    for (int i = 0; i < 200; i++)
        assert_int_equal(filch_buffer_append(&b, "x", 1), 0);
    assert_int_equal(filch_buffer_append(&b, "x", 1), FILCH_ENOMEM);
    assert_int_equal(b.len, 200);
    filch_buffer_free(&b);
    assert_null(b.data);
}
