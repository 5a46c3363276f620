/* SPDX-License-Identifier: MIT
 *
 * stress_release.c: the last release against completion, and futures that outlive their executor.
 * What is freed too early is AddressSanitizer's to see, what is never freed the allocator's. */
#include "sched/work.h"

#include <pthread.h>

/* An allocator that knows what is out. */
struct ledger {
    filch_allocator with;
    fl_atomic(int64_t) bytes;
    counter destroyed;
};

static void *ledger_alloc(void *ctx, size_t size, size_t align)
{
    struct ledger *l = ctx;
    void *p = l->with.alloc(l->with.ctx, size, align);

    if (p != NULL)
        fl_add(&l->bytes, (int64_t)size, relaxed); /* count */
    return p;
}

static void ledger_free(void *ctx, void *p, size_t size, size_t align)
{
    struct ledger *l = ctx;

    fl_sub(&l->bytes, (int64_t)size, relaxed); /* count */
    l->with.free(l->with.ctx, p, size, align);
}

static void ledger_destroy(void *ctx)
{
    struct ledger *l = ctx;

    test_check(fl_load(&l->bytes, acquire) == 0); /* <- whoever freed before */
    fl_add(&l->destroyed, 1, release);            /* -> await_end */
}

static filch_executor *ledger_pool(struct ledger *l, unsigned workers)
{
    filch_allocator a = {ledger_alloc, ledger_free, ledger_destroy, l};

    *l = (struct ledger){0};
    test_check(filch_allocator_system(&l->with) == 0);
    return pool_with((filch_options){.workers = workers, .allocator = &a});
}

static void await_end(struct ledger *l)
{
    while (fl_load(&l->destroyed, acquire) == 0) /* <- ledger_destroy */
        sched_yield();
    test_check(fl_load(&l->destroyed, relaxed) == 1); /* count */
    test_check(fl_load(&l->bytes, relaxed) == 0);     /* count */
}

/* ---- The handle goes while the task runs ---- */

static void submit_and_let_go(unsigned i, void *arg)
{
    filch_executor *ex = arg;
    uint64_t x = random_from(test_seed(), i);
    char far[100] = {0};

    for (size_t n = test_scaled(60000); n > 0; n--) {
        filch_future *f;
        uint64_t choice = random_next(&x) >> 20;

        if (choice % 4 == 0)
            test_check(filch_submit_copy(ex, task_echo, far, choice % 100, &f) == 0);
        else
            f = submit(ex, task_echo, &x);
        if (choice % 3 == 0)
            filch_future_cancel(f);
        for (uint64_t spin = choice >> 8 & 63; spin > 0; spin--)
            fl_relax();
        filch_future_release(f);
    }
}

TEST(the_handle_may_go_before_while_and_after_the_task_runs)
{
    struct ledger l;

    for (unsigned workers = 1; workers <= 2; workers++) {
        filch_executor *ex = ledger_pool(&l, workers);
        test_threads(2, submit_and_let_go, ex);
        filch_executor_destroy(ex);
        await_end(&l);
    }
}

/* ---- The waiter frees the future the instant that it sees it over ---- */

static void submit_wait_release(unsigned i, void *arg)
{
    filch_executor *ex = arg;

    (void)i;
    for (size_t n = test_scaled(20000); n > 0; n--) {
        filch_future *f = submit(ex, task_echo, NULL);

        while (!filch_future_done(f))
            fl_relax();
        filch_future_release(f);
        test_check(finish(submit(ex, task_echo, NULL)) == 0);
    }
}

TEST(who_sees_a_future_over_may_free_it_that_instant)
{
    struct ledger l;
    filch_executor *ex = ledger_pool(&l, 2);

    test_threads(2, submit_wait_release, ex);
    filch_executor_destroy(ex);
    await_end(&l);
}

/* ---- Futures outlive the executor ---- */

enum {
    HEIRS = 4,
    EACH = 200
};

struct estate {
    pthread_barrier_t turn;
    struct ledger ledger;
    filch_executor *ex;
    filch_future *f[HEIRS][EACH];
    size_t rounds;
    bool by_task; /* the executor is given up by one of its tasks */
};

static int task_destroy(void *arg, void **result)
{
    filch_executor_destroy(arg);
    *result = NULL;
    return 0;
}

static void inherit(unsigned i, void *arg)
{
    struct estate *e = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t round = 0; round < e->rounds; round++) {
        if (i == 0)
            e->ex = ledger_pool(&e->ledger, 2);
        pthread_barrier_wait(&e->turn);
        for (int k = 0; k < EACH; k++)
            e->f[i][k] = submit(e->ex, task_echo, e);
        pthread_barrier_wait(&e->turn);
        if (i == 0 && e->by_task)
            test_check(filch_submit(e->ex, task_destroy, e->ex, NULL) == 0);
        else if (i == 0)
            filch_executor_destroy(e->ex);
        for (int k = 0; k < EACH; k++) {
            filch_future *f = e->f[(i + 1) % HEIRS][k];

            if (random_next(&x) >> 20 & 1) {
                test_check(outcome(f) == 0);
            }
            filch_future_release(f);
        }
        if (i == 0)
            await_end(&e->ledger);
        pthread_barrier_wait(&e->turn);
    }
}

static void run_estate(bool by_task)
{
    struct estate *e = calloc(1, sizeof *e);

    test_check(e != NULL);
    e->rounds = test_scaled(400);
    e->by_task = by_task;
    pthread_barrier_init(&e->turn, NULL, HEIRS);
    test_threads(HEIRS, inherit, e);
    pthread_barrier_destroy(&e->turn);
    free(e);
}

TEST(the_last_future_frees_what_the_executor_has_left)
{
    run_estate(false);
}

TEST(the_last_worker_or_the_last_future_frees_an_executor_that_a_task_gave_up)
{
    run_estate(true);
}
