/* SPDX-License-Identifier: MIT
 *
 * test_map_jobs.c: filch_map_jobs: outputs of one job over a source of inputs, one by one: in order or as they come,
 * never more inputs on the way than the window holds; each input has one outcome, whatever becomes of the chunk
 * that it was in. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <errno.h>
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "future/job.h"
#include "future/pack.h"
#include "sched/executor.h"

/* ---- Sources and jobs ---- */

enum {
    MOST = 20000
};

/* An input is its index, and then as many bytes as that says: input_len. The place that it is given in is
 * overwritten by the next. */
struct source {
    size_t n; /* SIZE_MAX: without an end */
    size_t given;
    bool is_dry;
    unsigned char place[600];
};

static struct source src;

static struct source *source_of(size_t n)
{
    src = (struct source){.n = n};
    return &src;
}

static size_t input_len(uint32_t i)
{
    return sizeof i + i * 7 % 500;
}

static bool next_input(void *source, const void **bytes, size_t *len)
{
    struct source *s = source;
    uint32_t i = (uint32_t)s->given;

    test_check(!s->is_dry);
    if (s->given == s->n) {
        s->is_dry = true;
        return false;
    }
    s->given++;
    *len = input_len(i);
    memset(s->place, 0xee, sizeof s->place);
    memcpy(s->place, &i, sizeof i);
    memset(s->place + sizeof i, (int)i, *len - sizeof i);
    *bytes = s->place;
    return true;
}

static uint32_t index_of(const void *in, size_t len)
{
    uint32_t i;

    test_check(len >= sizeof i);
    memcpy(&i, in, sizeof i);
    test_check(len == input_len(i));
    for (size_t k = sizeof i; k < len; k++)
        test_check(((const unsigned char *)in)[k] == (unsigned char)i);
    return i;
}

static struct gate gate;
static counter called;

static int echo(const void *in, size_t len, filch_buffer *out)
{
    test_check((uintptr_t)in % 16 == 0);
    index_of(in, len);
    count_one(&called);
    return filch_buffer_append(out, in, len);
}

static int echo_first_stops(const void *in, size_t len, filch_buffer *out)
{
    if (index_of(in, len) == 0)
        gate_pass(&gate);
    return echo(in, len, out);
}

/* Every third fails, having written something; one of them by what would be taken for the end. */
static int fail_thirds(const void *in, size_t len, filch_buffer *out)
{
    uint32_t i = index_of(in, len);

    if (i % 3 != 0)
        return echo(in, len, out);
    test_check(filch_buffer_append(out, in, len) == 0);
    return i == 3 ? FILCH_EEND : filch_fail(1000 + (int)i, "why", NULL, NULL);
}

static int leave_at_five(const void *in, size_t len, filch_buffer *out)
{
    int status = echo(in, len, out);

    if (index_of(in, len) == 5)
        pthread_exit(NULL);
    return status;
}

static void register_all(void)
{
    assert_int_equal(filch_job_register("echo", echo), 0);
    assert_int_equal(filch_job_register("echo_first_stops", echo_first_stops), 0);
    assert_int_equal(filch_job_register("fail_thirds", fail_thirds), 0);
    assert_int_equal(filch_job_register("leave_at_five", leave_at_five), 0);
}

static filch_job_map *map_with(filch_executor *ex, const char *name, size_t n, filch_map_options o)
{
    filch_job_map *it = NULL;

    o.size = sizeof o;
    test_check(filch_map_jobs(ex, name, next_input, source_of(n), &o, &it) == 0);
    test_check(it != NULL);
    return it;
}

static uint32_t next_index(filch_job_map *it)
{
    const void *bytes = NULL;
    size_t len = 0;

    test_check(filch_job_map_next(it, &bytes, &len) == 0);
    return index_of(bytes, len);
}

/* A failure has no bytes. */
static int next_failure(filch_job_map *it)
{
    const void *bytes = &src;
    size_t len = 1;
    int status = filch_job_map_next(it, &bytes, &len);

    test_check(status != 0 && bytes == NULL && len == 0);
    return status;
}

static void check_end(filch_job_map *it)
{
    const void *bytes = &src;
    size_t len = 4711;

    for (int i = 0; i < 3; i++)
        test_check(filch_job_map_next(it, &bytes, &len) == FILCH_EEND);
    test_check(bytes == &src && len == 4711);
}

/* ---- Order, windows, chunks ---- */

static const size_t windows[] = {0, 1, 2, 7, 100, FILCH_MAP_ALL};
static const size_t chunks[] = {0, 1, 3, 8, 1000};

enum {
    WINDOWS = sizeof windows / sizeof windows[0],
    CHUNKS = sizeof chunks / sizeof chunks[0]
};

TEST(outputs_come_in_the_order_of_the_inputs)
{
    register_all();
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);
        int64_t before = blocks_now();

        for (size_t k = 0; k < WINDOWS * CHUNKS; k++) {
            size_t n = test_scaled(300);
            filch_job_map *it = map_with(
                ex, "echo", n,
                (filch_map_options){.window = windows[k / CHUNKS], .chunk = chunks[k % CHUNKS]});

            for (size_t i = 0; i < n; i++)
                assert_int_equal(next_index(it), i);
            check_end(it);
            filch_job_map_close(it);
        }
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(blocks_now(), before);
        filch_executor_destroy(ex);
    }
}

TEST(unordered_each_output_comes_once)
{
    static bool seen[MOST];

    register_all();
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);
        int64_t before = blocks_now();

        for (size_t k = 0; k < WINDOWS * CHUNKS; k++) {
            size_t n = test_scaled(300);
            filch_job_map *it = map_with(ex, "echo", n,
                                         (filch_map_options){.window = windows[k / CHUNKS],
                                                             .chunk = chunks[k % CHUNKS],
                                                             .flags = FILCH_MAP_UNORDERED});

            memset(seen, 0, sizeof seen);
            for (size_t i = 0; i < n; i++) {
                uint32_t index = next_index(it);

                assert_false(seen[index]);
                seen[index] = true;
            }
            check_end(it);
            filch_job_map_close(it);
        }
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(blocks_now(), before);
        filch_executor_destroy(ex);
    }
}

TEST(no_more_inputs_are_on_the_way_than_the_window_holds)
{
    register_all();
    for (size_t k = 0; k < WINDOWS * CHUNKS; k++) {
        size_t chunk = chunks[k % CHUNKS] != 0 ? chunks[k % CHUNKS] : 1;
        size_t window = windows[k / CHUNKS] != 0 ? windows[k / CHUNKS] : 4 * chunk;
        filch_executor *ex = pool_of(1);

        if (window == FILCH_MAP_ALL)
            window = MOST;
        if (window < chunk)
            window = chunk;
        filch_job_map *it = map_with(
            ex, "echo", MOST, (filch_map_options){.window = windows[k / CHUNKS], .chunk = chunk});
        assert_in_range(src.given, window - chunk + 1, window);
        for (size_t i = 0; i < 50; i++) {
            next_index(it);
            assert_true(src.given <= window + i + 1);
        }
        filch_job_map_close(it);
        filch_executor_destroy(ex);
    }
}

TEST(as_many_jobs_as_a_chunk_says_are_one_task)
{
    filch_executor *ex = pool_of(1);

    register_all();
    filch_job_map *it = map_with(ex, "echo", 100, (filch_map_options){.chunk = 9});
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(next_index(it), i);
    filch_job_map_close(it);
    assert_int_equal(stats_of(ex).submitted, 12);
    filch_executor_destroy(ex);
}

TEST(unordered_a_slow_job_holds_up_no_other)
{
    filch_executor *ex = pool_of(2);

    register_all();
    gate = (struct gate){0};
    filch_job_map *it = map_with(ex, "echo_first_stops", 100,
                                 (filch_map_options){.window = 4, .flags = FILCH_MAP_UNORDERED});
    for (int i = 1; i < 100; i++)
        assert_true(next_index(it) != 0);
    gate_open(&gate);
    assert_int_equal(next_index(it), 0);
    check_end(it);
    filch_job_map_close(it);
    filch_executor_destroy(ex);
}

TEST(an_output_stays_until_the_next_is_asked_for)
{
    register_all();
    for (size_t chunk = 1; chunk <= 2; chunk++) {
        filch_executor *ex = pool_of(1);
        filch_job_map *it = map_with(ex, "echo", 3, (filch_map_options){.chunk = chunk});
        const void *bytes = NULL;
        size_t len = 0;

        for (uint32_t i = 0; i < 3; i++) {
            assert_int_equal(filch_job_map_next(it, &bytes, &len), 0);
            assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
            assert_int_equal(index_of(bytes, len), i);
        }
        check_end(it);
        filch_job_map_close(it);
        filch_executor_destroy(ex);
    }
}

TEST(the_name_and_the_options_are_not_used_any_more_once_the_map_is_made)
{
    filch_executor *ex = pool_of(1);
    char name[] = "echo";
    filch_map_options *o = malloc(sizeof *o);
    filch_job_map *it = NULL;

    register_all();
    assert_non_null(o);
    *o = (filch_map_options){.size = sizeof *o, .window = 1};
    assert_int_equal(filch_map_jobs(ex, name, next_input, source_of(20), o, &it), 0);
    memset(name, 'x', sizeof name - 1);
    free(o);
    for (uint32_t i = 0; i < 20; i++)
        assert_int_equal(next_index(it), i);
    filch_job_map_close(it);
    filch_executor_destroy(ex);
}

/* ---- Failures ---- */

TEST(a_job_that_fails_has_its_status_and_the_others_of_its_chunk_go_on)
{
    register_all();
    for (size_t k = 0; k < CHUNKS; k++) {
        filch_executor *ex = pool_of(2);
        int64_t before = blocks_now();
        filch_job_map *it =
            map_with(ex, "fail_thirds", 100, (filch_map_options){.chunk = chunks[k]});

        for (uint32_t i = 0; i < 100; i++) {
            if (i % 3 != 0)
                assert_int_equal(next_index(it), i);
            else
                assert_int_equal(next_failure(it), i == 3 ? FILCH_EINVAL : 1000 + (int)i);
        }
        check_end(it);
        filch_job_map_close(it);
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}

TEST(a_job_that_ends_its_thread_takes_its_chunk_along_and_the_map_goes_on)
{
    register_all();
    for (size_t chunk = 1; chunk <= 4; chunk++) {
        filch_executor *ex = pool_of(1);
        int64_t before = blocks_now();
        filch_job_map *it = map_with(ex, "leave_at_five", 40, (filch_map_options){.chunk = chunk});

        for (uint32_t i = 0; i < 40; i++) {
            if (i / chunk == 5 / chunk)
                assert_int_equal(next_failure(it), FILCH_EABANDONED);
            else
                assert_int_equal(next_index(it), i);
        }
        check_end(it);
        filch_job_map_close(it);
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}

TEST(a_shutdown_that_cancels_is_told_input_by_input)
{
    register_all();
    for (size_t chunk = 1; chunk <= 2; chunk++) {
        filch_executor *ex = pool_of(1);

        gate = (struct gate){0};
        filch_job_map *it =
            map_with(ex, "echo_first_stops", 100, (filch_map_options){.window = 6, .chunk = chunk});
        gate_await(&gate, 1);
        assert_int_equal(
            filch_executor_shutdown(ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT, FILCH_FOREVER), 0);
        gate_open(&gate);
        for (uint32_t i = 0; i < chunk; i++)
            assert_int_equal(next_index(it), i);
        for (size_t i = chunk; i < 6; i++)
            assert_int_equal(next_failure(it), FILCH_ECANCELED);
        assert_int_equal(filch_job_map_next(it, NULL, NULL), FILCH_ESHUTDOWN);
        check_end(it);
        filch_job_map_close(it);
        filch_executor_destroy(ex);
    }
}

TEST(what_keeps_all_jobs_from_being_submitted_is_told_once)
{
    filch_options o = {.size = sizeof o, .workers = 1, .backend = FILCH_BACKEND_MUTEX};
    filch_executor *ex = pool_of(1);
    filch_executor *rival = NULL;
    char name[FILCH_JOB_NAME_MAX + 2];

    register_all();
    assert_int_equal(filch_executor_create(&rival, &o), 0);
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    int64_t before = blocks_now();
    for (size_t k = 0; k < CHUNKS; k++) {
        filch_map_options with = {.chunk = chunks[k], .flags = k % 2};
        filch_job_map *it[] = {map_with(ex, "none", 100, with), map_with(ex, name, 100, with),
                               map_with(rival, "echo", 100, with)};

        assert_int_equal(filch_job_map_next(it[0], NULL, NULL), FILCH_ENOENT);
        assert_int_equal(filch_job_map_next(it[1], NULL, NULL), FILCH_ENOENT);
        assert_int_equal(filch_job_map_next(it[2], NULL, NULL), FILCH_ENOTSUP);
        for (int i = 0; i < 3; i++) {
            check_end(it[i]);
            filch_job_map_close(it[i]);
        }
    }
    assert_int_equal(blocks_now(), before);
    filch_executor_destroy(rival);
    filch_executor_destroy(ex);
}

/* ---- An executor that takes jobs itself, and may do anything with them ---- */

struct elsewhere {
    filch_executor ex;
    size_t jobs;
    int (*answer)(size_t i, const struct fl_job *job, filch_buffer *out); /* of the i-th job */
    int (*refuse)(size_t i);                                              /* NULL: none */
};

static unsigned one_worker(const filch_executor *ex)
{
    (void)ex;
    return 1;
}

static int answer_at_once(filch_executor *ex, const struct fl_job *job, filch_future **future)
{
    filch_promise_options o = {.size = sizeof o, .value_dtor = fl_buffer_drop};
    struct elsewhere *e = fl_container_of(ex, struct elsewhere, ex);
    size_t i = e->jobs++;
    filch_buffer *out;
    int status = e->refuse != NULL ? e->refuse(i) : 0;

    if (status != 0)
        return status;
    out = fl_buffer_create(0);
    test_check(out != NULL && filch_promise_create_with(future, &o) == 0);
    status = e->answer(i, job, out);
    if (status == 0)
        return filch_promise_set_result(*future, out);
    filch_buffer_free(out);
    return filch_promise_set_error(*future, status, NULL);
}

static const struct fl_executor_ops elsewhere_ops = {.submit_job = answer_at_once,
                                                     .workers = one_worker};

static int answer_well(size_t i, const struct fl_job *job, filch_buffer *out)
{
    filch_buffer *in = fl_buffer_create(0); /* aligned */
    int status;

    (void)i;
    test_check(in != NULL && filch_buffer_append(in, job->bytes, job->len) == 0);
    status = fl_job_call(job->fn, job->is_chunk, in->data, in->len, out);
    filch_buffer_free(in);
    return status;
}

/* Chunk i has this outcome, 0 if it runs, and the map goes on. */
static void check_chunks(struct elsewhere e, int (*outcome_of)(size_t i))
{
    register_all();
    for (size_t k = 0; k < 10; k++) {
        size_t chunk = k / 2 + 1;
        int64_t before = blocks_now();

        e.jobs = 0;
        filch_job_map *it =
            map_with(&e.ex, "echo", 33,
                     (filch_map_options){.chunk = chunk, .flags = k % 2 * FILCH_MAP_UNORDERED});
        for (uint32_t i = 0; i < 33; i++) {
            int expected = outcome_of(i / chunk);

            if (expected != 0)
                assert_int_equal(next_failure(it), expected);
            else
                assert_int_equal(next_index(it), i);
        }
        check_end(it);
        filch_job_map_close(it);
        assert_int_equal(blocks_now(), before);
    }
}

static int crashes(size_t i)
{
    return i == 1 || i == 4 ? FILCH_ECRASHED : 0;
}

static int crash_some(size_t i, const struct fl_job *job, filch_buffer *out)
{
    int status = crashes(i);

    return status != 0 ? status : answer_well(i, job, out);
}

TEST(a_chunk_that_crashes_is_told_of_each_of_its_inputs_and_the_map_goes_on)
{
    check_chunks((struct elsewhere){{&elsewhere_ops}, 0, crash_some, NULL}, crashes);
}

static int refuse_some(size_t i)
{
    return i == 1 ? FILCH_EMSGSIZE : i == 3 ? FILCH_EPOISON : 0;
}

TEST(inputs_that_are_not_taken_are_told_and_the_map_goes_on)
{
    check_chunks((struct elsewhere){{&elsewhere_ops}, 0, answer_well, refuse_some}, refuse_some);
}

static int refuse_from_two(size_t i)
{
    return i >= 2 ? FILCH_EBROKEN : 0;
}

TEST(what_breaks_the_executor_ends_the_map_after_what_is_on_the_way)
{
    struct elsewhere e = {{&elsewhere_ops}, 0, answer_well, refuse_from_two};

    register_all();
    filch_job_map *it = map_with(&e.ex, "echo", 33, (filch_map_options){.chunk = 3});
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(next_index(it), i);
    assert_int_equal(filch_job_map_next(it, NULL, NULL), FILCH_EBROKEN);
    check_end(it);
    filch_job_map_close(it);
    assert_int_equal(e.jobs, 3);
}

/* A worker that has gone mad. */
static int scribble(size_t i, const struct fl_job *job, filch_buffer *out)
{
    int status = answer_well(i, job, out);
    unsigned char *bytes = out->data;

    switch (i) {
    case 1: /* nothing */
        out->len = 0;
        break;
    case 2: /* one item too few */
        bytes[0]--;
        break;
    case 3: /* one too long */
        bytes[FL_PACK_HEAD + 8] = 0xff;
        bytes[FL_PACK_HEAD + 15] = 0xff;
        break;
    case 4: /* the last byte is missing */
        out->len--;
        break;
    case 5: /* it goes on */
        test_check(filch_buffer_extend(out, 16) != NULL);
        break;
    case 6: /* a status that is no int */
        memset(bytes + FL_PACK_HEAD, 0x7f, 8);
        break;
    default:
        break;
    }
    return status;
}

TEST(of_a_chunk_that_gives_back_what_is_no_result_each_input_has_crashed)
{
    struct elsewhere e = {{&elsewhere_ops}, 0, scribble, NULL};

    register_all();
    int64_t before = blocks_now();
    filch_job_map *it = map_with(&e.ex, "echo", 40, (filch_map_options){.chunk = 4});
    for (uint32_t i = 0; i < 40; i++) {
        if (i / 4 >= 1 && i / 4 <= 6)
            assert_int_equal(next_failure(it), FILCH_ECRASHED);
        else
            assert_int_equal(next_index(it), i);
    }
    check_end(it);
    filch_job_map_close(it);
    assert_int_equal(blocks_now(), before);
}

/* ---- Deadlines and closing ---- */

TEST(at_the_deadline_what_has_not_started_is_cancelled_and_the_end_comes)
{
    register_all();
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(1);
        int64_t before = blocks_now();
        struct hold hold = {0};

        hold_worker(&hold, ex);
        fl_store(&called, 0, relaxed); /* count */
        filch_job_map *it =
            map_with(ex, "echo", 30,
                     (filch_map_options){
                         .window = 6, .chunk = 2, .flags = flags, .deadline = filch_in_ms(1)});
        assert_int_equal(filch_job_map_next(it, NULL, NULL), FILCH_ETIMEDOUT);
        check_end(it);
        let_go(&hold);
        filch_job_map_close(it);
        filch_executor_destroy(ex);
        assert_int_equal(count_of(&called), 0);
        assert_int_equal(blocks_now(), before);
    }
}

TEST(closed_early_what_has_not_started_is_cancelled_and_nothing_is_left)
{
    register_all();
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        for (size_t chunk = 1; chunk <= 3; chunk++) {
            filch_executor *ex = pool_of(1);
            int64_t before = blocks_now();
            filch_job_map *it =
                map_with(ex, "echo", SIZE_MAX,
                         (filch_map_options){.window = 12, .chunk = chunk, .flags = flags});

            for (int i = 0; i < 10; i++)
                next_index(it);
            filch_job_map_close(it);
            filch_executor_destroy(ex);
            assert_int_equal(blocks_now(), before);
        }
    }
    filch_job_map_close(NULL);
}

struct closing {
    filch_job_map *it;
    counter is_closed;
};

static void close_or_open(unsigned i, void *arg)
{
    struct closing *c = arg;

    if (i != 0) {
        test_check(count_of(&c->is_closed) == 0); /* it waits for the gate */
        gate_open(&gate);
        return;
    }
    filch_job_map_close(c->it);
    count_one(&c->is_closed);
    test_check(count_of(&called) == 1);
}

TEST(close_waits_for_the_jobs_that_run_if_it_is_told_to)
{
    register_all();
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(1);
        struct closing c = {0};

        gate = (struct gate){0};
        fl_store(&called, 0, relaxed); /* count */
        c.it = map_with(ex, "echo_first_stops", 1,
                        (filch_map_options){.flags = flags | FILCH_MAP_CLOSE_WAITS});
        gate_await(&gate, 1);
        test_threads(2, close_or_open, &c);
        filch_executor_destroy(ex);
    }
}

/* ---- From inside a task, and of a parent ---- */

static int task_map(void *arg, void **result)
{
    (void)result;
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_job_map *it = map_with(arg, "echo", 100,
                                     (filch_map_options){.window = 8, .chunk = 3, .flags = flags});
        uint64_t sum = 0;

        for (int i = 0; i < 100; i++)
            sum += next_index(it);
        test_check(sum == 4950);
        check_end(it);
        filch_job_map_close(it);
    }
    return 0;
}

TEST(a_task_may_map_jobs_on_its_own_executor)
{
    register_all();
    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = pool_of(workers);

        assert_int_equal(finish(submit(ex, task_map, ex)), 0);
        filch_executor_destroy(ex);
    }
}

TEST(in_a_forked_child_a_map_of_jobs_says_so_and_the_parents_goes_on)
{
    register_all();
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        filch_executor *ex = pool_of(1);
        int status = -1;

        gate = (struct gate){0};
        filch_job_map *it =
            map_with(ex, "echo_first_stops", 30, (filch_map_options){.window = 5, .flags = flags});
        gate_await(&gate, 1);
        fflush(NULL);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            alarm(10);
            test_check(filch_job_map_next(it, NULL, NULL) == FILCH_EFORKED);
            filch_job_map_close(it);
            _exit(0);
        }
        while (waitpid(child, &status, 0) < 0)
            assert_int_equal(errno, EINTR);
        assert_int_equal(status, 0);
        gate_open(&gate);
        for (uint32_t i = 0; i < 30; i++)
            assert_int_equal(next_index(it), i);
        check_end(it);
        filch_job_map_close(it);
        filch_executor_destroy(ex);
    }
}

/* ---- Arguments ---- */

static void drop(void *source, void *arg)
{
    (void)source, (void)arg;
}

static bool next_missing(void *source, const void **bytes, size_t *len)
{
    (void)source, (void)bytes;
    *len = 1;
    return true;
}

TEST(what_is_missing_or_unknown_is_refused_and_nothing_is_taken)
{
    filch_executor *ex = pool_of(1);
    struct source *s = source_of(10);
    filch_job_map *it = NULL;
    filch_map_options o = {.size = sizeof o};

    register_all();
    int64_t before = blocks_now();
    assert_int_equal(filch_map_jobs(NULL, "echo", next_input, s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map_jobs(ex, NULL, next_input, s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map_jobs(ex, "echo", NULL, s, NULL, &it), FILCH_EINVAL);
    assert_int_equal(filch_map_jobs(ex, "echo", next_input, s, NULL, NULL), FILCH_EINVAL);
    assert_int_equal(filch_job_map_next(NULL, NULL, NULL), FILCH_EINVAL);
    o.drop = drop;
    assert_int_equal(filch_map_jobs(ex, "echo", next_input, s, &o, &it), FILCH_EINVAL);
    o.drop = NULL;
    o.flags = 4;
    assert_int_equal(filch_map_jobs(ex, "echo", next_input, s, &o, &it), FILCH_EINVAL);
    o.flags = 0;
    o.chunk = SIZE_MAX;
    assert_int_equal(filch_map_jobs(ex, "echo", next_input, s, &o, &it), FILCH_EINVAL);
    assert_null(it);
    assert_int_equal(s->given, 0);
    for (o.chunk = 1; o.chunk <= 2; o.chunk++) {
        assert_int_equal(filch_map_jobs(ex, "echo", next_missing, s, &o, &it), 0);
        assert_int_equal(filch_job_map_next(it, NULL, NULL), FILCH_EINVAL);
        check_end(it);
        filch_job_map_close(it);
    }
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

TEST(errno_is_left_alone)
{
    filch_executor *ex = pool_of(1);

    register_all();
    errno = 4711;
    for (size_t chunk = 1; chunk <= 3; chunk++) {
        filch_job_map *it = map_with(ex, "echo", 50, (filch_map_options){.chunk = chunk});

        for (int i = 0; i < 20; i++)
            next_index(it);
        filch_job_map_close(it);
    }
    assert_int_equal(errno, 4711);
    filch_executor_destroy(ex);
}
