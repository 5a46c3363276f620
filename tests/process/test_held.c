/* SPDX-License-Identifier: MIT
 *
 * test_held.c: what the executor's thread finds when it comes late: a callback holds it up meanwhile. */
#include <sys/syscall.h>

static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"
#include "process/two_words.h"

#include "base/atomic.h"
#include "process/pool.h"

enum {
    FAR = 5000 /* more than a quarter of the smallest ring */
};

/* ---- the one that holds it up */

struct stop_sign {
    fl_atomic(uint32_t) is_there, goes_on;
    filch_future *f;
};

static void hold(filch_future *f, void *sign)
{
    struct stop_sign *s = sign;

    (void)f;
    fl_store(&s->is_there, 1, release);
    while (fl_load(&s->goes_on, acquire) == 0)
        usleep(100);
}

/* By a job that is long, so that a worker has two jobs on its way. */
static void hold_up(filch_executor *ex, struct stop_sign *s)
{
    struct gate g = gate_make();

    s->f = submit(ex, "gate", g.names, g.len);
    assert_int_equal(filch_future_add_done_callback(s->f, hold, s), 0);
    gate_await(&g);
    usleep(1000); /* so long it takes, at the least */
    gate_open(&g);
    while (fl_load(&s->is_there, acquire) == 0)
        usleep(100);
    gate_remove(&g);
}

static void let_go(struct stop_sign *s)
{
    fl_store(&s->goes_on, 1, release);
    assert_int_equal(status_of(s->f), 0);
}

/* ---- where a job is */

static enum fl_place place_of(filch_executor *ex, filch_future *f, unsigned *worker)
{
    struct fl_processes *p = fl_processes_behind(ex);
    enum fl_place place;

    fl_lock_enter(&p->lock);
    place = fl_item_of(f)->place;
    *worker = fl_item_of(f)->worker;
    fl_lock_leave(&p->lock);
    return place;
}

/* Until its worker has answered; nobody has heard it. */
static void await_answer(filch_executor *ex, filch_future *f)
{
    struct fl_processes *p = fl_processes_behind(ex);
    struct fl_item *item = fl_item_of(f);
    bool is_done = false;

    while (!is_done) {
        fl_lock_enter(&p->lock);
        is_done = item->place == FL_SENT && fl_link_is_done(p->post[item->worker].link, item->n);
        fl_lock_leave(&p->lock);
        usleep(100);
    }
}

/* ---- jobs */

/* Closes what far payloads come by. */
static int job_deafen(const void *in, size_t len, filch_buffer *out)
{
    for (int fd = 3; fd < 100; fd++) {
        char name[32], what[32] = "";

        snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
        if (readlink(name, what, sizeof what - 1) > 0 && strncmp(what, "socket:", 7) == 0)
            close(fd);
    }
    return len > 1 ? job_gate(in, len, out) : 0;
}

static void more_jobs(void)
{
    if (filch_job_register("deafen", job_deafen) != 0)
        abort();
}

/* ---- heard, and not told */

TEST(a_job_that_has_ended_runs_until_that_is_told)
{
    struct stop_sign sign = {0};
    filch_executor *ex;
    filch_future *f[2];
    unsigned worker;

    need_two_words();
    ex = processes(1);
    hold_up(ex, &sign);
    for (int i = 0; i < 2; i++)
        f[i] = submit(ex, "echo", "x", 1);
    assert_int_equal(status_of(f[1]), 0);
    assert_int_equal(place_of(ex, f[0], &worker), FL_ENDED);
    assert_true(filch_future_running(f[0]));
    let_go(&sign);
    assert_int_equal(status_of(f[0]), 0);
    filch_executor_destroy(ex);
}

/* ---- who gets no more */

TEST(a_worker_that_has_too_much_memory_gets_no_more_though_nobody_has_seen_to_it)
{
    struct stop_sign sign = {0};
    struct fl_processes *p;
    filch_executor *ex;
    filch_future *f;
    unsigned worker;
    int before;

    need_two_words();
    ex = processes_with((filch_process_options){.workers = 1, .max_rss_bytes = UINT64_MAX});
    p = fl_processes_behind(ex);
    hold_up(ex, &sign);
    fl_lock_enter(&p->lock);
    p->options.max_rss_bytes = 1;
    fl_lock_leave(&p->lock);
    before = pid_in(submit(ex, "pid", NULL, 0));
    f = submit(ex, "pid", NULL, 0);
    assert_int_equal(place_of(ex, f, &worker), FL_QUEUED);
    let_go(&sign);
    assert_int_not_equal(pid_in(f), before);
    filch_executor_destroy(ex);
}

TEST(a_worker_that_takes_no_far_payload_and_has_nothing_to_do_is_replaced)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 4096});
    static unsigned char bytes[FAR];
    struct stop_sign sign = {0};
    filch_future *f[3];
    unsigned worker;

    hold_up(ex, &sign);
    f[0] = submit(ex, "deafen", NULL, 0);
    f[1] = submit(ex, "echo", "x", 1);
    f[2] = submit(ex, "echo", bytes, FAR);
    assert_int_equal(place_of(ex, f[2], &worker), FL_QUEUED);
    await_answer(ex, f[1]);
    let_go(&sign);
    expect(f[2], bytes, FAR); /* first: who waits for one that is sent, gives as well */
    assert_int_equal(status_of(f[0]), 0);
    assert_int_equal(status_of(f[1]), 0);
    filch_executor_destroy(ex);
}

TEST(a_worker_that_takes_no_far_payload_ends_after_the_job_that_it_has)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 2, .ring_bytes = 4096});
    struct fl_processes *p = fl_processes_behind(ex);
    static unsigned char bytes[FAR];
    struct gate g[2] = {gate_make(), gate_make()};
    filch_future *f[3];
    unsigned worker;
    int before;

    f[0] = submit(ex, "gate", g[0].names, g[0].len);
    gate_await(&g[0]);
    f[1] = submit(ex, "deafen", g[1].names, g[1].len);
    gate_await(&g[1]);
    assert_int_equal(place_of(ex, f[1], &worker), FL_SENT);
    before = filch_process_pid(ex, worker);
    f[2] = submit(ex, "echo", bytes, FAR);
    fl_lock_enter(&p->lock);
    assert_true(p->post[worker].retires);
    fl_lock_leave(&p->lock);
    gate_open(&g[1]);
    assert_int_equal(status_of(f[1]), 0);
    while (filch_process_pid(ex, worker) == before)
        usleep(200);
    gate_open(&g[0]);
    assert_int_equal(status_of(f[0]), 0);
    expect(f[2], bytes, FAR);
    filch_executor_destroy(ex);
    gate_remove(&g[0]);
    gate_remove(&g[1]);
}

/* ---- the end */

TEST(an_executor_whose_last_forking_process_has_died_closes_no_file_of_others)
{
    enum {
        FILES = 64
    };
    filch_executor *ex = processes(1);
    int pid = stop_worker(ex);
    struct stop_sign sign = {.f = submit(ex, "echo", "x", 1)};
    int fd[FILES];

    assert_int_equal(filch_future_add_done_callback(sign.f, hold, &sign), 0);
    assert_int_equal(filch_process_terminate(ex, INT64_C(3600000000000)), 0);
    assert_int_equal(kill(parent_of(pid), SIGKILL), 0);
    while (fl_load(&sign.is_there, acquire) == 0)
        usleep(100);
    for (int i = 0; i < FILES; i++) {
        fd[i] = (int)syscall(SYS_memfd_create, "others", 0U);
        assert_true(fd[i] >= 0);
    }
    fl_store(&sign.goes_on, 1, release);
    assert_int_equal(status_of(sign.f), FILCH_EKILLED);
    filch_executor_destroy(ex);
    for (int i = 0; i < FILES; i++)
        assert_int_equal(close(fd[i]), 0);
}
