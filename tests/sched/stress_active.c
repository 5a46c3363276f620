/* SPDX-License-Identifier: MIT
 *
 * stress_active.c: submitters, and somebody who changes how many may work, pauses, resumes and cancels, by
 * chance, on executors whose threads come and go and whose tasks end some of them. Everything that was
 * accepted is over in the end, once. */
#include "sched/work.h"

#include <pthread.h>

enum {
    SUBMITTERS = 2,
    TASKS = 10000
};

struct trial {
    filch_executor *ex;
    uint64_t seed;
    counter begun, ended_threads;
    counter accepted;
    counter given_up; /* arguments: once for each task, whether it ran or was cancelled */
    fl_atomic(uint32_t) done;
};

static void give_up(void *arg, void *t)
{
    (void)arg;
    count_one(&((struct trial *)t)->given_up);
}

static void put_in(struct trial *t, filch_task_fn *fn, void *arg, filch_future **f)
{
    filch_task_options o = {.size = sizeof o, .arg_dtor = give_up, .dtor_arg = t};

    test_check(filch_submit_with(t->ex, &o, fn, arg, f) == 0);
    count_one(&t->accepted);
}

static int task_of_chance(void *arg, void **result)
{
    struct trial *t = arg;
    uint64_t x = random_from(t->seed, count_of(&t->begun));

    (void)result;
    count_one(&t->begun);
    if (x % 64 == 0) {
        count_one(&t->ended_threads);
        pthread_exit(NULL);
    }
    if (x % 16 == 1)
        put_in(t, task_count, &t->begun, NULL);
    if (x % 32 == 2) {
        filch_future *f;
        int status;

        put_in(t, task_count, &t->begun, &f);
        status = finish(f);
        test_check(status == 0 || status == FILCH_ECANCELED);
    }
    return 0;
}

static void *submitter(void *arg)
{
    struct trial *t = arg;

    for (int i = 0; i < TASKS; i++)
        put_in(t, task_of_chance, t, NULL);
    fl_add(&t->done, 1, release);
    return NULL;
}

static void change(struct trial *t, uint64_t x, uint64_t *cancelled)
{
    ptrdiff_t n;

    switch (x >> 8 & 7) {
    case 0:
        test_check(filch_executor_pause(t->ex) == 0);
        break;
    case 1:
        n = filch_executor_cancel_all(t->ex);
        test_check(n >= 0);
        *cancelled += (uint64_t)n;
        break;
    case 2:
    case 3:
        test_check(filch_executor_resume(t->ex) == 0);
        break;
    default:
        test_check(filch_executor_set_active(t->ex, 1 + (unsigned)(x >> 16 & 3)) == 0);
        break;
    }
}

static void run_trial(uint64_t seed, filch_options options)
{
    struct trial t = {.ex = pool_with(options), .seed = seed};
    pthread_t threads[SUBMITTERS];
    uint64_t cancelled = 0;
    uint64_t x = random_from(seed, 7);

    for (int i = 0; i < SUBMITTERS; i++)
        test_check(pthread_create(&threads[i], NULL, submitter, &t) == 0);
    while (fl_load(&t.done, acquire) < SUBMITTERS) {
        change(&t, random_next(&x), &cancelled);
        if (x >> 32 & 1)
            sched_yield();
    }
    test_check(filch_executor_resume(t.ex) == 0);
    for (int i = 0; i < SUBMITTERS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(filch_executor_wait_idle(t.ex, FILCH_FOREVER), 0);
    assert_int_equal(count_of(&t.given_up), count_of(&t.accepted));
    /* What a worker held in a pause is cancelled by it, and counted by nobody. */
    assert_true(count_of(&t.begun) + cancelled <= count_of(&t.accepted));
    filch_executor_destroy(t.ex);
}

TEST(nothing_is_lost_whatever_is_changed_while_tasks_come)
{
    uint64_t seed = test_seed();

    for (uint64_t round = 0; round < 16; round++) {
        run_trial(random_from(seed, round), (filch_options){.workers = 4});
        run_trial(random_from(seed, round + 100),
                  (filch_options){
                      .workers = 4, .min_workers = 1, .max_spares = 2, .idle_timeout_ns = 20000});
    }
}
