/* SPDX-License-Identifier: MIT
 *
 * test_hearing.c: what happens while a long result is being copied, and who hears and tells. */
/* link: -Wl,--wrap=fl_link_begin -Wl,--wrap=fl_lock_leave -Wl,--wrap=fl_buffer_create */
#include <pthread.h>

#include "process/meanwhile.h"
#include "process/two_words.h"

static filch_future *second;
static struct gate second_gate;

static void await_second(void)
{
    struct fl_processes *p = fl_processes_behind(ex);
    struct fl_item *item = fl_item_of(second);
    bool is_done = false;

    while (!is_done) {
        fl_lock_enter(&p->lock);
        is_done = item->place != FL_SENT || fl_link_is_done(p->post[0].link, item->n);
        fl_lock_leave(&p->lock);
        usleep(100);
    }
}

static void hear_second(void)
{
    struct fl_processes *p = fl_processes_behind(ex);

    await_second();
    fl_lock_enter(&p->lock);
    test_check(fl_flow_hear(p, &p->post[0], UINT64_MAX));
    fl_lock_leave(&p->lock);
    test_check(place_of(second) == FL_SENT);
}

static void expect_made(filch_future *f)
{
    for (size_t i = 0; i < LONG; i++)
        bytes[i] = (unsigned char)(i * 7 + LONG);
    expect(f, bytes, LONG);
    memset(bytes, 0, sizeof bytes);
}

TEST(nobody_hears_of_a_worker_whose_long_result_is_being_copied)
{
    filch_future *first;
    int pid;

    begin((filch_process_options){.workers = 1}, NULL, NULL);
    pid = stop_worker(ex);
    first = submit_ns(ex, "make", LONG);
    second = submit(ex, "echo", "x", 1);
    fl_store(&on_hear, hear_second, release);
    kill(pid, SIGCONT);
    expect_made(first);
    expect(second, "x", 1);
    end();
}

static void open_second(void)
{
    test_check(!fl_manager_is_self(fl_processes_behind(ex)));
    gate_open(&second_gate);
    await_second();
    usleep(20000); /* the manager has been rung, and sleeps again: if not, this shows nothing */
}

/* By somebody else than the manager, which sleeps, and is not rung then. */
static void *let_go_once_watched(void *pid)
{
    struct fl_processes *p = fl_processes_behind(ex);
    bool is_watched = false;

    while (!is_watched) {
        fl_lock_enter(&p->lock);
        is_watched = p->post[0].link->watched != 0 && p->is_armed;
        fl_lock_leave(&p->lock);
        usleep(100);
    }
    kill(*(int *)pid, SIGCONT);
    return NULL;
}

static void note(filch_future *f, void *told)
{
    (void)f;
    fl_store((fl_atomic(uint32_t) *)told, 1, release);
}

/* First is being copied by the thread that waits for it, and second is done then. */
static void copy_one_of_two(step *meanwhile)
{
    fl_atomic(uint32_t) is_told = 0;
    filch_future *first;
    pthread_t thread;
    int pid;

    need_two_words();
    second_gate = gate_make();
    begin((filch_process_options){.workers = 1}, NULL, NULL);
    pid = stop_worker(ex);
    first = submit_ns(ex, "make", LONG);
    second = submit(ex, "gate", second_gate.names, second_gate.len);
    fl_store(&on_hear, meanwhile, release);
    assert_int_equal(filch_future_add_done_callback(second, note, &is_told), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_go_once_watched, &pid), 0);
    expect_made(first);
    while (fl_load(&is_told, acquire) == 0)
        usleep(100);
    assert_int_equal(status_of(second), 0);
    pthread_join(thread, NULL);
    end();
    gate_remove(&second_gate);
}

static void open_second_and_kill(void)
{
    int pid = filch_process_pid(ex, 0);
    int parent;

    open_second();
    test_check(kill(pid, SIGKILL) == 0);
    while (stat_of(pid, &parent) != '\0')
        usleep(100);
    usleep(20000); /* the manager has been told: likewise */
}

TEST(a_worker_that_dies_while_its_long_result_is_copied_takes_nothing_with_it)
{
    copy_one_of_two(open_second_and_kill);
}

TEST(what_was_not_heard_while_a_thread_copied_is_heard_then)
{
    copy_one_of_two(open_second);
}

TEST(the_last_job_that_a_thread_tells_of_lets_the_workers_of_a_closed_executor_end)
{
    filch_future *f;
    pthread_t thread;
    int pid;

    need_two_words();
    ex = processes(1);
    pid = stop_worker(ex);
    f = submit(ex, "echo", "x", 1);
    assert_int_equal(filch_executor_shutdown(ex, FILCH_NO_WAIT, FILCH_NOW), 0);
    assert_int_equal(pthread_create(&thread, NULL, let_go_once_watched, &pid), 0);
    assert_int_equal(status_of(f), 0);
    while (filch_process_pid(ex, 0) != 0)
        usleep(200);
    pthread_join(thread, NULL);
    filch_executor_destroy(ex);
}
