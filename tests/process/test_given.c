/* SPDX-License-Identifier: MIT
 *
 * test_given.c: what the executor keeps in mind of the jobs that it has given. */
static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"

#include "base/atomic.h"
#include "base/clock.h"
#include "process/pool.h"

enum {
    SOME = 10000 /* neither long nor far */
};

static struct fl_item look_at(filch_executor *ex, filch_future *f)
{
    struct fl_processes *p = fl_processes_behind(ex);
    struct fl_item item;

    fl_lock_enter(&p->lock);
    item.place = fl_item_of(f)->place;
    item.worker = fl_item_of(f)->worker;
    fl_lock_leave(&p->lock);
    return item;
}

static unsigned given_to(filch_executor *ex, unsigned worker)
{
    struct fl_processes *p = fl_processes_behind(ex);
    unsigned given;

    fl_lock_enter(&p->lock);
    given = p->post[worker].given;
    fl_lock_leave(&p->lock);
    return given;
}

static uint64_t memory_of(filch_executor *ex)
{
    filch_executor_stats stats = {.size = sizeof stats};

    assert_int_equal(filch_executor_stats_read(ex, &stats), 0);
    return stats.memory_bytes;
}

/* ---- jobs */

/* Fails for the first file of a gate, once, and is not over while there is the other. */
static int job_setup_fails(const void *in, size_t len, filch_buffer *out)
{
    const char *second = (const char *)in + strlen(in) + 1;

    (void)len;
    (void)out;
    if (unlink(in) == 0)
        _exit(3);
    while (access(second, F_OK) == 0)
        usleep(200);
    return 0;
}

static void more_jobs(void)
{
    if (filch_job_register("setup_fails", job_setup_fails) != 0)
        abort();
}

/* ---- of a job */

TEST(the_time_of_a_job_begins_when_the_one_before_it_is_over)
{
    filch_executor *ex = processes_with(
        (filch_process_options){.workers = 1, .kill_after_ns = INT64_C(3600000000000)});
    struct fl_processes *p = fl_processes_behind(ex);
    struct gate g = gate_make();
    filch_future *f[2];
    int pid = stop_worker(ex);
    int64_t both_given, since;

    f[0] = submit(ex, "echo", "x", 1);
    f[1] = submit(ex, "gate", g.names, g.len);
    both_given = fl_now();
    kill(pid, SIGCONT);
    assert_int_equal(status_of(f[0]), 0);
    fl_lock_enter(&p->lock);
    since = p->post[0].since;
    fl_lock_leave(&p->lock);
    assert_true(since >= both_given);
    gate_open(&g);
    assert_int_equal(status_of(f[1]), 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(a_job_that_could_not_be_cancelled_is_known_to_run_from_then_on)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *f = submit(ex, "gate", g.names, g.len);

    gate_await(&g);
    assert_false(filch_future_cancel(f));
    assert_int_equal(fl_future_phase(f), FL_RUNNING); /* unasked: it may have to run again */
    gate_open(&g);
    assert_int_equal(status_of(f), 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(a_job_does_not_overtake_what_is_queued_though_it_would_find_room)
{
    enum {
        LEN = 700 /* five have room in the ring, and something short */
    };
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 4096});
    static char bytes[LEN];
    filch_future *f[7];
    int pid;

    for (int i = 0; i < 100; i++)
        expect_echo(ex, "x", 1); /* so that many are given at once */
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    pid = stop_worker(ex);
    for (int i = 0; i < 7; i++)
        f[i] = submit(ex, "echo", bytes, i < 6 ? LEN : 1);
    assert_int_equal(look_at(ex, f[5]).place, FL_QUEUED);
    assert_int_equal(look_at(ex, f[6]).place, FL_QUEUED);
    kill(pid, SIGCONT);
    for (int i = 0; i < 7; i++)
        assert_int_equal(status_of(f[i]), 0);
    filch_executor_destroy(ex);
}

TEST(a_payload_that_a_worker_has_is_kept_nowhere_else)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    char bytes[SOME] = "";
    filch_future *f[3];
    uint64_t queued;
    int pid = stop_worker(ex);

    memcpy(bytes, g.names, g.len);
    f[0] = submit(ex, "echo", "x", 1);
    f[1] = submit(ex, "echo", "x", 1);
    f[2] = submit(ex, "gate", bytes, SOME);
    assert_int_equal(look_at(ex, f[2]).place, FL_QUEUED);
    queued = memory_of(ex);
    kill(pid, SIGCONT);
    gate_await(&g);
    assert_true(memory_of(ex) + SOME <= queued);
    gate_open(&g);
    for (int i = 0; i < 3; i++)
        assert_int_equal(status_of(f[i]), 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(a_payload_that_has_come_back_from_a_worker_is_freed_with_its_job)
{
    filch_executor *ex = processes(1);
    char bytes[SOME] = "";
    uint64_t before = memory_of(ex);
    filch_future *f[2];
    int pid = stop_worker(ex);

    f[0] = submit(ex, "echo", "x", 1);
    f[1] = submit(ex, "echo", bytes, SOME);
    kill(pid, SIGKILL);
    for (int i = 0; i < 2; i++)
        assert_int_equal(status_of(f[i]), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    while (memory_of(ex) != before)
        usleep(200); /* who tells has a reference for a moment */
    assert_int_equal(stats_of(ex).returned, 2);
    filch_executor_destroy(ex);
}

TEST(a_job_that_another_worker_has_taken_is_none_of_those_after_which_a_worker_is_replaced)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 2, .max_jobs = 100});
    struct gate g[2] = {gate_make(), gate_make()};
    filch_future *busy[2], *f;
    unsigned worker[2], victim;

    for (int i = 0; i < 2; i++) {
        busy[i] = submit(ex, "gate", g[i].names, g[i].len);
        gate_await(&g[i]);
        worker[i] = look_at(ex, busy[i]).worker;
    }
    f = submit(ex, "echo", "x", 1);
    victim = look_at(ex, f).worker == worker[0] ? 0 : 1;
    assert_int_equal(given_to(ex, worker[victim]), 2);
    gate_open(&g[1 - victim]);
    expect(f, "x", 1);
    assert_int_equal(given_to(ex, worker[victim]), 1);
    assert_int_equal(given_to(ex, worker[1 - victim]), 2);
    gate_open(&g[victim]);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(status_of(busy[i]), 0);
        gate_remove(&g[i]);
    }
    filch_executor_destroy(ex);
}

/* ---- of a worker */

static void kill_for(filch_executor *ex, enum filch_death why)
{
    struct fl_processes *p = fl_processes_behind(ex);

    fl_lock_enter(&p->lock);
    p->has_duty = false;
    fl_staff_kill(p, &p->post[0], why);
    assert_true(p->has_duty); /* whoever kills, the manager is to see that it dies */
    fl_lock_leave(&p->lock);
    fl_manager_call(p);
}

TEST(why_a_worker_was_killed_first_is_why_its_job_has_failed)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *f = submit(ex, "gate", g.names, g.len);
    int zygote = parent_of(filch_process_pid(ex, 0));

    gate_await(&g);
    assert_true(stop(zygote)); /* so that nobody says yet that it is dead */
    kill_for(ex, FILCH_DEATH_WALL);
    assert_int_equal(filch_process_kill(ex), 0);
    kill(zygote, SIGCONT);
    assert_int_equal(crash_of(f, FILCH_EKILLED).how, FILCH_DEATH_WALL);
    filch_future_release(f);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(why_a_worker_was_killed_is_nothing_to_the_one_after_it)
{
    filch_executor *ex = processes(1);
    struct gate g = gate_make();
    filch_future *f = submit(ex, "gate", g.names, g.len);

    gate_await(&g);
    kill_for(ex, FILCH_DEATH_WALL);
    assert_int_equal(status_of(f), FILCH_EKILLED);
    f = submit(ex, "segv", NULL, 0);
    assert_int_equal(crash_of(f, FILCH_ECRASHED).how, FILCH_DEATH_SIGNAL);
    filch_future_release(f);
    filch_executor_destroy(ex);
    gate_remove(&g);
}

TEST(a_worker_that_never_was_up_is_none_that_is_missing)
{
    struct gate g = gate_make();
    filch_executor *ex = processes_with((filch_process_options){.workers = 1,
                                                                .child_setup = "setup_fails",
                                                                .child_setup_in = g.names,
                                                                .child_setup_len = g.len});
    filch_executor_stats stats = {.size = sizeof stats};

    gate_open(&g);
    close(open(g.names, O_CREAT | O_WRONLY, 0600));
    kill_worker(ex, 0);
    while (stats_of(ex).started < 3)
        usleep(200); /* the second has failed, the third is being set up */
    assert_int_equal(filch_executor_stats_read(ex, &stats), 0);
    assert_int_equal(stats.workers, 0);
    gate_remove(&g);
    expect_echo(ex, "x", 1);
    filch_executor_destroy(ex);
}
