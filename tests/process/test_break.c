/* SPDX-License-Identifier: MIT
 *
 * test_break.c: an executor that breaks while a worker has answered, and nobody has heard it yet. */
#include <pthread.h>

#include "process/jobs.h"

#include "base/atomic.h"
#include "process/pool.h"

enum {
    MANY = 4 /* ended at once: then the manager looks for news before it listens again */
};

/* Holds up the manager, whose thread calls it. */
struct stop_sign {
    fl_atomic(uint32_t) is_there, goes_on;
};

static void hold(filch_future *f, void *sign)
{
    struct stop_sign *s = sign;

    (void)f;
    fl_store(&s->is_there, 1, release);
    while (fl_load(&s->goes_on, acquire) == 0)
        usleep(100);
}

static void await(fl_atomic(uint32_t) * word)
{
    while (fl_load(word, acquire) == 0)
        usleep(100);
}

/* Whose job it is, once that worker has answered; nobody has heard it. */
static unsigned await_answer(filch_executor *ex, filch_future *f)
{
    struct fl_processes *p = fl_processes_behind(ex);
    struct fl_item *item = fl_item_of(f);
    bool is_done = false;
    unsigned worker = 0;

    while (!is_done) {
        fl_lock_enter(&p->lock);
        worker = item->worker;
        is_done = item->place == FL_SENT && fl_link_is_done(p->post[worker].link, item->n);
        fl_lock_leave(&p->lock);
        usleep(100);
    }
    return worker;
}

static void await_end_of(int pid)
{
    int parent;

    while (stat_of(pid, &parent) != '\0')
        usleep(100);
    usleep(10000); /* the manager has been told: if not, this shows nothing */
}

TEST(an_executor_that_breaks_does_not_hear_an_answer_of_a_job_that_it_has_failed)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 2, .flags = FILCH_STRICT_BROKEN});
    struct stop_sign first = {0}, second = {0};
    struct gate g = gate_make();
    filch_future *held = submit(ex, "gate", g.names, g.len);
    filch_future *many[MANY];
    filch_future *answered;
    unsigned worker;
    int victim, status;

    assert_int_equal(filch_future_add_done_callback(held, hold, &first), 0);
    gate_open(&g); /* now: this thread would be held otherwise */
    await(&first.is_there);
    for (int i = 0; i < MANY; i++)
        many[i] = submit(ex, "echo", "x", 1);
    assert_int_equal(filch_future_add_done_callback(many[MANY - 1], hold, &second), 0);
    for (int i = 0; i < MANY; i++)
        await_answer(ex, many[i]);
    fl_store(&first.goes_on, 1, release);
    await(&second.is_there);
    answered = submit(ex, "echo", "x", 1);
    worker = await_answer(ex, answered);
    victim = filch_process_pid(ex, 1 - worker);
    assert_int_equal(kill(victim, SIGKILL), 0);
    await_end_of(victim);
    fl_store(&second.goes_on, 1, release);

    while (filch_executor_broken(ex) == NULL)
        usleep(100); /* whoever waits for a job hears, too */
    status = status_of(answered);
    assert_true(status == FILCH_EBROKEN || status == 0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(status_of(many[i]), 0);
    assert_int_equal(status_of(held), 0);
    filch_executor_destroy(ex);
    gate_remove(&g);
}
