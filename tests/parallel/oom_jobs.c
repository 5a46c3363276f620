/* SPDX-License-Identifier: MIT
 *
 * oom_jobs.c: whichever request for memory fails in a job or in a map of jobs, whoever has made it is told, each
 * input has one outcome at most, and nothing is left. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "sched/work.h"

#include "future/job.h"
#include "future/pack.h"

/* The requests of all threads are counted: those from the first refused one on are refused, or it alone. */
static fl_atomic(int64_t) asked;
static fl_atomic(int64_t) first_refused = INT64_MAX;
static fl_atomic(int64_t) last_refused;
static fl_atomic(int64_t) blocks_out;

void *__real_fl_malloc(size_t size);
void *__wrap_fl_malloc(size_t size);
void __real_fl_free(void *p);
void __wrap_fl_free(void *p);

void *__wrap_fl_malloc(size_t size)
{
    int64_t i = fl_add(&asked, 1, relaxed); /* count */
    void *p;

    if (i >= fl_load(&first_refused, relaxed) && i <= fl_load(&last_refused, relaxed)) /* hint */
        return NULL;
    p = __real_fl_malloc(size);
    if (p != NULL)
        fl_add(&blocks_out, 1, relaxed); /* count */
    return p;
}

void __wrap_fl_free(void *p)
{
    if (p != NULL)
        fl_sub(&blocks_out, 1, relaxed); /* count */
    __real_fl_free(p);
}

static int64_t blocks_now(void)
{
    return fl_load(&blocks_out, relaxed); /* count */
}

static void refuse(int64_t k, bool and_all)
{
    fl_store(&asked, 0, relaxed);                              /* nobody asks now */
    fl_store(&last_refused, and_all ? INT64_MAX : k, relaxed); /* ... */
    fl_store(&first_refused, k, relaxed);                      /* ... */
}

/* Whether any was, or would have been. */
static bool end_refusing(void)
{
    bool refused = fl_load(&asked, relaxed) > fl_load(&first_refused, relaxed); /* count */

    fl_store(&first_refused, INT64_MAX, relaxed); /* nobody asks now */
    return refused;
}

/* Writes a thousand times what it was given, and hands on what that returns. */
static int repeat(const void *in, size_t len, filch_buffer *out)
{
    for (int i = 0; i < 1000; i++) {
        int status = filch_buffer_append(out, in, len);

        if (status != 0)
            return status;
    }
    return 0;
}

static bool refuse_in_job(int64_t k, bool and_all)
{
    filch_executor *ex = pool_of(1);
    int64_t before = blocks_now();
    filch_future *f = NULL;
    void *result = NULL;
    int status;

    refuse(k, and_all);
    status = filch_submit_job(ex, "repeat", "ab", 2, &f);
    if (status == 0)
        status = filch_future_result(f, FILCH_FOREVER, &result);
    test_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == 0);
    bool refused = end_refusing();
    if (status == 0)
        assert_int_equal(((const filch_buffer *)result)->len, 2000);
    else
        assert_int_equal(status, FILCH_ENOMEM);
    assert_true(refused || status == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
    return refused;
}

TEST(e5_whichever_request_of_a_job_fails_it_is_told_and_nothing_is_left)
{
    assert_int_equal(filch_job_register("repeat", repeat), 0);
    for (int and_all = 0; and_all < 2; and_all++) {
        int64_t k = 0;

        while (refuse_in_job(k, and_all != 0))
            k++;
        assert_in_range(k, 3, 20); /* copy, buffer, and its growth */
    }
}

TEST(e5_a_name_that_there_is_no_memory_for_is_not_there)
{
    refuse(0, true);
    int status = filch_job_register("no memory", repeat);
    end_refusing();
    assert_int_equal(status, FILCH_ENOMEM);
    assert_null(fl_job_find("no memory"));
    assert_int_equal(filch_job_register("no memory", repeat), 0);
    assert_true(fl_job_find("no memory") == repeat);
}

/* ---- Maps ---- */

enum {
    ITEMS = 20
};

static int given;

static bool next_input(void *source, const void **bytes, size_t *len)
{
    (void)source;
    if (given == ITEMS)
        return false;
    given++;
    *bytes = &given;
    *len = sizeof given;
    return true;
}

static bool refuse_in_map(size_t chunk, unsigned flags, int64_t k, bool and_all)
{
    filch_map_options o = {.size = sizeof o, .window = 6, .chunk = chunk, .flags = flags};
    filch_executor *ex = pool_of(1);
    int64_t before = blocks_now();
    filch_job_map *it = NULL;
    const void *bytes = NULL;
    bool seen[ITEMS + 1] = {false};
    size_t len = 0;
    int outcomes = 0;
    int status;

    given = 0;
    refuse(k, and_all);
    status = filch_map_jobs(ex, "repeat", next_input, NULL, &o, &it);
    while (status != FILCH_EEND && it != NULL) {
        status = filch_job_map_next(it, &bytes, &len);
        if (status == 0) {
            int first;

            test_check(len == 1000 * sizeof first);
            memcpy(&first, bytes, sizeof first);
            test_check(first >= 1 && first <= ITEMS && !seen[first]);
            seen[first] = true;
        } else if (status != FILCH_EEND) {
            test_check(status == FILCH_ENOMEM || status == FILCH_ECANCELED);
        }
        outcomes += status != FILCH_EEND;
    }
    filch_job_map_close(it);
    test_check(filch_executor_wait_idle(ex, FILCH_FOREVER) == 0);
    bool refused = end_refusing();
    assert_true(it != NULL || status == FILCH_ENOMEM);
    assert_true(outcomes <= given + 1);
    assert_true(refused || outcomes == ITEMS);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
    return refused;
}

TEST(e5_whichever_request_of_a_map_of_jobs_fails_it_is_told_and_nothing_is_left)
{
    assert_int_equal(filch_job_register("repeat", repeat), 0);
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        for (size_t chunk = 1; chunk <= 3; chunk += 2) {
            for (int and_all = 0; and_all < 2; and_all++) {
                int64_t k = 0;

                while (refuse_in_map(chunk, flags, k, and_all != 0))
                    k++;
                assert_true(k > 4);
            }
        }
    }
}

/* ---- A chunk ---- */

static bool refuse_in_chunk(int64_t k)
{
    int64_t before = blocks_now();
    filch_buffer *in = fl_buffer_create(0);
    filch_buffer *out = fl_buffer_create(0);
    int status;

    assert_true(in != NULL && out != NULL && fl_pack_begin(in));
    for (int i = 0; i < 3; i++)
        assert_true(fl_pack_add(in, "0123456789abc", (size_t)i * 3 + 5));
    refuse(k, false);
    status = fl_job_call(repeat, true, in->data, in->len, out);
    bool refused = end_refusing();
    if (status == 0) {
        struct fl_pack_item item;
        size_t at = FL_PACK_HEAD;

        assert_true(fl_pack_is_whole(out->data, out->len, 3));
        for (size_t i = 0; fl_pack_next(out->data, out->len, &at, &item); i++) {
            assert_true(item.status == 0 || (refused && item.status == FILCH_ENOMEM));
            assert_int_equal(item.len, item.status == 0 ? (i * 3 + 5) * 1000 : 0);
        }
    } else {
        assert_int_equal(status, FILCH_ENOMEM);
    }
    filch_buffer_free(in);
    filch_buffer_free(out);
    assert_int_equal(blocks_now(), before);
    return refused;
}

TEST(e5_a_job_of_a_chunk_that_has_no_memory_has_failed_alone)
{
    int64_t k = 0;

    while (refuse_in_chunk(k))
        k++;
    assert_true(k > 3);
}
