/* SPDX-License-Identifier: MIT
 *
 * conform/mixed_many.h: what tasks of mixed.h do with many at once: batches, maps over a source, jobs by name, tasks
 * of another executor. */
#ifndef FL_TESTS_CONFORM_MIXED_MANY_H
#define FL_TESTS_CONFORM_MIXED_MANY_H

#include "conform/mixed.h"

/* ---- a batch, of which nobody need have been told */

static void await_batch(uint64_t *x, uint64_t depth)
{
    enum {
        N = 4
    };
    filch_wait_options options = {
        .size = sizeof options, .when = FILCH_AT_LEAST, .at_least = fl_random_below(x, N + 1)};
    filch_future *f[N];
    void *args[N];
    int status;

    for (int i = 0; i < N; i++)
        args[i] = argument(x, depth);
    status = filch_submit_batch(mix.ex, any_task, args, N, f);
    test_check(status == 0 || is_refused(status));
    if (status != 0)
        return;
    test_check(filch_wait_with(f, N, &options) >= (ptrdiff_t)options.at_least);
    for (int i = 0; i < N; i++) {
        if (one_in(x, 2))
            test_check(is_fit(filch_future_result(f[i], FILCH_FOREVER, NULL)));
        filch_future_release(f[i]);
    }
}

static void submit_unseen(uint64_t *x, uint64_t depth)
{
    filch_task_options options = {.size = sizeof options, .flags = FILCH_NOWAKE, .name = "unseen"};
    filch_future *f;
    int status = filch_submit_with(mix.ex, &options, any_task, argument(x, depth), &f);

    test_check(status == 0 || is_refused(status));
    if (status != 0)
        return;
    if (one_in(x, 2))
        test_check(filch_executor_kick(mix.ex) == 0);
    if (one_in(x, 2))
        test_check(is_fit(filch_future_result(f, FILCH_FOREVER, NULL)));
    filch_future_release(f);
}

/* ---- copies */

struct copied {
    uint64_t sum;
    unsigned char bytes[200];
};

static int add_up(void *arg, void **result)
{
    const struct copied *c = arg;
    uint64_t sum = 0;

    for (size_t i = 0; i < sizeof c->bytes; i++)
        sum += c->bytes[i];
    *result = (void *)(uintptr_t)(sum == c->sum);
    return 0;
}

static void await_copy(uint64_t *x)
{
    filch_future *f;
    void *is_right = NULL;
    struct copied c = {0};
    int status;

    for (size_t i = 0; i < sizeof c.bytes; i++) {
        c.bytes[i] = (unsigned char)fl_random(x);
        c.sum += c.bytes[i];
    }
    status = filch_submit_copy(mix.ex, add_up, &c, sizeof c, &f);
    memset(&c, 0, sizeof c);
    test_check(status == 0 || is_refused(status));
    if (status != 0)
        return;
    status = filch_future_result(f, FILCH_FOREVER, &is_right);
    test_check(status == FILCH_ECANCELED || (status == 0 && is_right != NULL));
    filch_future_release(f);
}

/* ---- over a source */

struct source {
    uint64_t seed;
    uint64_t depth;
    size_t left;
    uint64_t bytes;
};

static bool next_argument(void *source, void **arg)
{
    struct source *s = source;

    if (s->left == 0)
        return false;
    s->left--;
    *arg = argument(&s->seed, s->depth);
    return true;
}

static bool next_bytes(void *source, const void **bytes, size_t *len)
{
    struct source *s = source;

    if (s->left == 0)
        return false;
    s->left--;
    s->bytes = fl_random(&s->seed);
    *bytes = &s->bytes;
    *len = fl_random_below(&s->seed, sizeof s->bytes + 1);
    return true;
}

static filch_map_options any_map(uint64_t *x)
{
    filch_map_options options = {.size = sizeof options,
                                 .window = fl_random_below(x, 6),
                                 .chunk = fl_random_below(x, 4),
                                 .flags = (unsigned)fl_random_below(x, 4)};

    if (one_in(x, 6))
        options.deadline = filch_in_us((int64_t)fl_random_below(x, 300));
    return options;
}

static bool is_fit_of_map(int status)
{
    return is_fit(status) || is_refused(status) || status == FILCH_ETIMEDOUT;
}

static void map_source(uint64_t *x, uint64_t depth)
{
    struct source s = {.seed = fl_random(x) | 1, .depth = depth, .left = fl_random_below(x, 10)};
    filch_map_options options = any_map(x);
    size_t most = one_in(x, 3) ? fl_random_below(x, 5) : SIZE_MAX; /* it may be left early */
    filch_map_iter *it;
    int status = 0;

    test_check(filch_map(mix.ex, any_task, next_argument, &s, &options, &it) == 0);
    while (most-- > 0 && (status = filch_map_next(it, NULL)) != FILCH_EEND)
        test_check(is_fit_of_map(status));
    filch_map_close(it);
}

/* ---- jobs */

static int echo(const void *in, size_t len, filch_buffer *out)
{
    return filch_buffer_append(out, in, len) != 0;
}

static void map_some_jobs(uint64_t *x)
{
    struct source s = {.seed = fl_random(x) | 1, .left = fl_random_below(x, 12)};
    struct source again = s;
    filch_map_options options = any_map(x);
    const void *bytes, *expected = NULL;
    size_t len, expected_len = 0;
    filch_job_map *it;
    int status;

    test_check(filch_map_jobs(mix.ex, "mixed-echo", next_bytes, &s, &options, &it) == 0);
    while ((status = filch_job_map_next(it, &bytes, &len)) != FILCH_EEND) {
        test_check(is_fit_of_map(status));
        test_check(status != 0 || len <= sizeof s.bytes);
        if ((options.flags & FILCH_MAP_UNORDERED) != 0 || status == FILCH_ETIMEDOUT ||
            is_refused(status))
            continue; /* what comes next is of no place that is known here */
        test_check(next_bytes(&again, &expected, &expected_len));
        test_check(status != 0 ||
                   (len == expected_len && (len == 0 || memcmp(bytes, expected, len) == 0)));
    }
    filch_job_map_close(it);
}

static void await_job(uint64_t *x)
{
    uint64_t sent = fl_random(x);
    void *result;
    filch_future *f;
    int status = filch_submit_job(mix.ex, "mixed-echo", &sent, sizeof sent, &f);

    test_check(status == 0 || is_refused(status));
    if (status != 0)
        return;
    if (one_in(x, 4))
        filch_future_cancel(f);
    status = filch_future_result(f, FILCH_FOREVER, &result);
    test_check(status == 0 || status == FILCH_ECANCELED);
    if (status == 0)
        test_check(memcmp(((const filch_buffer *)result)->data, &sent, sizeof sent) == 0);
    if (status == 0 && one_in(x, 2)) {
        test_check(filch_future_take(f, FILCH_NOW, &result) == 0);
        filch_buffer_free(result);
    }
    filch_future_release(f);
}

/* ---- elsewhere: what is there waits for nothing here */

static int wait_a_moment(void *arg, void **result)
{
    usleep((useconds_t)((uintptr_t)arg % 50));
    *result = arg;
    return 0;
}

static void await_elsewhere(uint64_t *x)
{
    void *arg = argument(x, 0);
    void *result;
    filch_future *f;

    test_check(filch_submit(mix.calls, wait_a_moment, arg, &f) == 0);
    if (one_in(x, 4))
        filch_future_release(filch_future_retain(f));
    test_check(filch_future_result(f, FILCH_FOREVER, &result) == 0 && result == arg);
    filch_future_release(f);
}

static void do_with_many(uint64_t *x, uint64_t depth)
{
    switch (fl_random_below(x, 7)) {
    case 0:
        await_batch(x, depth);
        break;
    case 1:
        submit_unseen(x, depth);
        break;
    case 2:
        await_copy(x);
        break;
    case 3:
        map_source(x, depth);
        break;
    case 4:
        map_some_jobs(x);
        break;
    case 5:
        await_job(x);
        break;
    default:
        await_elsewhere(x);
        break;
    }
}

/* ---- any of all these */

static int any_task(void *arg, void **result)
{
    uint64_t x = (uint64_t)(uintptr_t)arg;
    uint64_t depth = x & 15;
    uint64_t what;

    x ^= UINT64_C(0x9e3779b97f4a7c15);
    what = fl_random(&x) % (depth < DEPTH ? 17 : 5);
    *result = arg;
    switch (what) {
    case 0:
        return filch_fail(FAILED, "by chance", NULL, NULL);
    case 1:
        usleep((useconds_t)fl_random_below(&x, 100));
        break;
    case 2:
        obey(&x);
        break;
    case 3:
        test_check(fib(8) == 21);
        break;
    case 4:
        break;
    case 5:
        await_children(&x, depth + 1);
        break;
    case 6:
        loop(&x);
        break;
    case 7:
        reduce(&x);
        break;
    case 8:
        spawn(&x, depth + 1);
        break;
    case 9:
        await_own(&x, depth + 1);
        break;
    case 10:
        map_some(&x, depth + 1);
        break;
    case 11:
        await_promise(&x);
        break;
    case 12:
        filch_nohelp_begin();
        await_children(&x, depth + 1);
        filch_nohelp_end();
        break;
    case 13:
    case 14:
    case 15:
        do_with_many(&x, depth + 1);
        break;
    default:
        if (filch_submit(mix.ex, any_task, argument(&x, depth + 1), NULL) == 0)
            sched_yield();
        break;
    }
    return 0;
}

#endif /* FL_TESTS_CONFORM_MIXED_MANY_H */
