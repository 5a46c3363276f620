/* SPDX-License-Identifier: MIT
 *
 * stress_conserve.c: futures are made, ended, waited for and given up by 4, 8 and 16 threads at once, one
 * race after the other and all of them together; and at the end the books balance to the last one:
 * made = finished + failed + cancelled, told as often as asked, run once each.
 *
 * Whoever makes a future puts two references to it on a board, and takes down what was there: so that
 * two threads and the executor meet at it. FILCH_SCALE=20 makes a long run of it. */
/* seconds: 600 */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <pthread.h>

enum {
    BOARD = 64,
    MOST_THREADS = 16
};

enum race {
    CANCEL = 1,   /* against the run, and against other completions */
    WAIT = 2,     /* with a deadline about as long as a task takes, against completion */
    ITERATE = 4,  /* as_completed, closed early, against completion */
    CALLBACK = 8, /* added while it ends */
    RELEASE = 16, /* the last reference goes while it ends */
    FOLLOW = 32,  /* continuations, combinations, queues */
    EVERYTHING = 63
};

struct books {
    filch_executor *ex;
    unsigned races;
    size_t each;
    counter made, tasks, refused;
    counter finished, failed, cancelled; /* as the callback of each tells */
    counter ran, ran_told;               /* tasks whose function ran; whose callback says so */
    counter asked, told;                 /* callbacks beyond the first */
    counter derived, ended;              /* futures made from others */
    counter queued, taken;
    counter cancels, timeouts, iterated;
    fl_atomic(filch_future *) board[BOARD];
    pthread_barrier_t all_made; /* and all promises kept */
};

static void note_end(filch_future *f, void *user)
{
    struct books *b = user;

    switch (filch_future_state(f)) {
    case FILCH_FINISHED:
        count_one(&b->finished);
        return;
    case FILCH_FAILED:
        count_one(&b->failed);
        return;
    case FILCH_CANCELLED:
        count_one(&b->cancelled);
        return;
    case FILCH_PENDING:
    case FILCH_RUNNING:
        break;
    }
    test_check(false); /* called for what is not over */
}

static void note_task_end(filch_future *f, void *user)
{
    struct books *b = user;

    note_end(f, b);
    if (!filch_future_cancelled(f))
        count_one(&b->ran_told);
}

static void note_told(filch_future *f, void *user)
{
    test_check(filch_future_done(f));
    count_one(user);
}

static int task_good(void *arg, void **result)
{
    count_one(arg);
    *result = arg;
    return 0;
}

static int task_bad(void *arg, void **result)
{
    (void)result;
    count_one(arg);
    return 7;
}

/* ---- Making and ending ---- */

/* NULL: refused, the executor is shut down. A promise has a third reference, its keeper's. */
static filch_future *make(struct books *b, uint64_t x, bool *is_promise)
{
    filch_future *f = NULL;
    int status = 0;

    *is_promise = x % 4 == 0;
    if (*is_promise)
        test_check(filch_promise_create(&f) == 0);
    else
        status = filch_submit(b->ex, x % 8 == 1 ? task_bad : task_good, &b->ran, &f);
    if (status != 0) {
        test_check(status == FILCH_ESHUTDOWN);
        count_one(&b->refused);
        return NULL;
    }
    count_one(&b->made);
    if (!*is_promise)
        count_one(&b->tasks);
    test_check(filch_future_add_done_callback(f, *is_promise ? note_end : note_task_end, b) == 0);
    return f;
}

static void keep_promise(filch_future *f, uint64_t x)
{
    int status = x % 3 == 0               ? filch_promise_set_error(f, 9, "nine")
                 : x % 3 == 1             ? filch_promise_set_result(f, f)
                 : filch_future_cancel(f) ? 0
                                          : FILCH_ESTATE;

    test_check(status == 0 || status == FILCH_ESTATE);
}

/* ---- What is done to one that is taken down ---- */

static void check_status(int status)
{
    test_check(status == 0 || status == 7 || status == 9 || status == FILCH_ECANCELED);
}

static void wait_a_moment(struct books *b, filch_future *f, uint64_t x)
{
    filch_deadline deadline = x % 4 == 0 ? FILCH_NOW : filch_in_us((int64_t)(x >> 8) % 30);

    if (x % 2 == 0) {
        int status = filch_future_result(f, deadline, NULL);

        if (status == FILCH_ETIMEDOUT)
            count_one(&b->timeouts);
        else
            check_status(status);
    } else {
        enum filch_return_when when = (enum filch_return_when)(x >> 4 & 3);
        ptrdiff_t over = filch_wait(&f, 1, when, deadline);

        test_check(over == 0 || over == 1);
        if (over == 0)
            count_one(&b->timeouts);
    }
}

static void iterate(struct books *b, filch_future *f, uint64_t x)
{
    filch_future *twice[2] = {f, f};
    filch_completion *it = NULL;
    filch_future *next = NULL;

    test_check(filch_as_completed(&it, twice, 2, filch_in_us((int64_t)(x >> 8) % 30)) == 0);
    if (x % 2 == 0) {
        int status = filch_completion_next(it, &next);

        test_check(status == FILCH_ETIMEDOUT || (status == 0 && next == f));
        if (status == 0) {
            count_one(&b->iterated);
            test_check(filch_completion_next(it, &next) == FILCH_EEND);
        }
    }
    filch_completion_close(it);
}

static int then_done(filch_future *before, void *arg, void **result)
{
    (void)arg;
    test_check(filch_future_done(before));
    *result = NULL;
    return 0;
}

static void derive(struct books *b, filch_future *f, uint64_t x)
{
    filch_future *out = NULL;
    int status = x % 2 == 0 ? filch_then(f, x % 4 == 0 ? b->ex : NULL, FILCH_THEN_ALWAYS, then_done,
                                         NULL, &out)
                 : x % 4 == 1 ? filch_all(&f, 1, &out)
                              : filch_any(&f, 1, &out);

    test_check(status == 0);
    count_one(&b->derived);
    test_check(filch_future_add_done_callback(out, note_told, &b->ended) == 0);
    if (x >> 8 & 1)
        filch_future_cancel(out);
    filch_future_release(out);
}

static void do_to(struct books *b, filch_cq *cq, filch_future *f, uint64_t x)
{
    unsigned race = 1U << x % 6;

    x >>= 3;
    if ((b->races & race) == 0)
        race = b->races; /* the only one */
    switch (race) {
    case CANCEL:
        if (x % 4 != 0)
            break; /* or none would ever run */
        for (uint64_t spin = x >> 8 & 255; spin > 0; spin--)
            fl_relax();
        if (filch_future_cancel(f))
            count_one(&b->cancels);
        break;
    case WAIT:
        wait_a_moment(b, f, x);
        break;
    case ITERATE:
        iterate(b, f, x);
        break;
    case CALLBACK:
        count_one(&b->asked);
        test_check(filch_future_add_done_callback(f, note_told, &b->told) == 0);
        break;
    case FOLLOW:
        if (x % 2 == 0) {
            derive(b, f, x >> 1);
        } else {
            count_one(&b->queued);
            test_check(filch_cq_add(cq, f) == 0);
        }
        break;
    default: /* it is released */
        break;
    }
}

static void take_some(struct books *b, filch_cq *cq)
{
    filch_future *done[16];
    size_t n;

    while ((n = filch_cq_take(cq, done, 16)) > 0) {
        for (size_t i = 0; i < n; i++) {
            test_check(filch_future_done(done[i]));
            filch_future_release(done[i]);
            count_one(&b->taken);
        }
    }
}

static void put_up(struct books *b, filch_cq *cq, filch_future *f, uint64_t *x)
{
    filch_future *down =
        fl_swap(&b->board[(random_next(x) >> 20) % BOARD], f, acq_rel); /* <-> itself */

    if (down == NULL)
        return;
    do_to(b, cq, down, random_next(x) >> 20);
    filch_future_release(down);
}

static void play(unsigned i, void *arg)
{
    struct books *b = arg;
    uint64_t x = random_from(test_seed(), i);
    filch_cq *cq = NULL;

    test_check(filch_cq_create(&cq) == 0);
    for (size_t n = 0; n < b->each; n++) {
        bool is_promise;
        filch_future *f = make(b, random_next(&x) >> 20, &is_promise);

        if (f == NULL)
            continue;
        if (is_promise)
            filch_future_retain(f);
        put_up(b, cq, filch_future_retain(f), &x);
        put_up(b, cq, f, &x);
        if (is_promise) { /* its references on the board may be gone */
            keep_promise(f, random_next(&x) >> 20);
            filch_future_release(f);
        }
        take_some(b, cq);
    }
    pthread_barrier_wait(&b->all_made);
    test_check(filch_executor_wait_idle(b->ex, FILCH_FOREVER) == 0);
    take_some(b, cq); /* all are over */
    filch_cq_destroy(cq);
}

static uint64_t ended(struct books *b)
{
    return count_of(&b->finished) + count_of(&b->failed) + count_of(&b->cancelled);
}

static void check_books(struct books *b)
{
    filch_executor_stats stats = stats_of(b->ex);

    for (int k = 0; k < BOARD; k++)
        filch_future_release(fl_load(&b->board[k], relaxed)); /* own word: all have ended */
    test_check(count_of(&b->made) == ended(b));
    test_check(count_of(&b->ran) == count_of(&b->ran_told));
    test_check(count_of(&b->asked) == count_of(&b->told));
    test_check(count_of(&b->derived) == count_of(&b->ended));
    test_check(count_of(&b->queued) == count_of(&b->taken));
    test_check(stats.submitted == stats.ended && stats.executed == count_of(&b->ran));
}

static void balance(struct books *b, unsigned threads, const char *name)
{
    check_books(b);
    print_message(
        "%-10s %2u threads: %llu made = %llu finished + %llu failed + %llu cancelled, "
        "%llu ran, %llu refused, %llu timeouts, %llu told, %llu derived, %llu queued\n",
        name, threads, (unsigned long long)count_of(&b->made),
        (unsigned long long)count_of(&b->finished), (unsigned long long)count_of(&b->failed),
        (unsigned long long)count_of(&b->cancelled), (unsigned long long)count_of(&b->ran),
        (unsigned long long)count_of(&b->refused), (unsigned long long)count_of(&b->timeouts),
        (unsigned long long)count_of(&b->told), (unsigned long long)count_of(&b->derived),
        (unsigned long long)count_of(&b->queued));
}

static void run_race(unsigned races, const char *name)
{
    int64_t before = blocks_now();

    for (unsigned threads = 4; threads <= MOST_THREADS; threads *= 2) {
        struct books b = {.ex = pool_of(2), .races = races, .each = test_scaled(100000) / threads};

        pthread_barrier_init(&b.all_made, NULL, threads);
        test_threads(threads, play, &b);
        pthread_barrier_destroy(&b.all_made);
        assert_int_equal(filch_executor_wait_idle(b.ex, FILCH_FOREVER), 0);
        balance(&b, threads, name);
        filch_executor_destroy(b.ex);
        assert_int_equal(blocks_now(), before);
    }
}

TEST(cancel_against_run_loses_none)
{
    run_race(CANCEL, "cancel");
}

TEST(a_wait_with_a_deadline_against_completion_loses_none)
{
    run_race(WAIT, "wait");
}

TEST(an_iterator_that_is_closed_against_completion_loses_none)
{
    run_race(ITERATE, "iterate");
}

TEST(callbacks_against_completion_lose_none)
{
    run_race(CALLBACK, "callback");
}

TEST(the_last_release_against_completion_loses_none)
{
    run_race(RELEASE, "release");
}

TEST(continuations_and_queues_against_completion_lose_none)
{
    run_race(FOLLOW, "follow");
}

TEST(everything_against_everything_loses_none)
{
    run_race(EVERYTHING, "everything");
}

/* ---- Shut down in the middle of it ---- */

static void play_or_close(unsigned i, void *arg)
{
    static const unsigned modes[] = {FILCH_DRAIN, FILCH_CANCEL_PENDING, FILCH_DRAIN | FILCH_NO_WAIT,
                                     FILCH_CANCEL_PENDING | FILCH_NO_WAIT};
    struct books *b = arg;

    if (i == 0) {
        /* once some have been made, and in the middle of others */
        while (count_of(&b->made) < b->each / 2)
            sched_yield();
        unsigned flags = modes[(count_of(&b->made) + (uintptr_t)b / 64) % 4];
        test_check(filch_executor_shutdown(b->ex, flags, FILCH_FOREVER) == 0);
        return;
    }
    play(i, b);
}

TEST(shutdown_against_everything_loses_none)
{
    int64_t before = blocks_now();
    struct books sum = {.ex = NULL};
    size_t rounds = test_scaled(300);

    for (size_t round = 0; round < rounds; round++) {
        unsigned threads = 4U << round % 3;
        struct books b = {
            .ex = pool_of(1 + (unsigned)(round % 2)), .races = EVERYTHING, .each = 150};

        pthread_barrier_init(&b.all_made, NULL, threads - 1);
        test_threads(threads, play_or_close, &b);
        pthread_barrier_destroy(&b.all_made);
        test_check(filch_executor_shutdown(b.ex, FILCH_DRAIN, FILCH_FOREVER) == 0);
        check_books(&b);
        filch_executor_destroy(b.ex);
        assert_int_equal(blocks_now(), before);
        fl_add(&sum.made, count_of(&b.made), relaxed);           /* count */
        fl_add(&sum.cancelled, count_of(&b.cancelled), relaxed); /* count */
        fl_add(&sum.refused, count_of(&b.refused), relaxed);     /* count */
    }
    print_message("shutdown   %zu executors: %llu made, %llu of them cancelled, %llu refused\n",
                  rounds, (unsigned long long)count_of(&sum.made),
                  (unsigned long long)count_of(&sum.cancelled),
                  (unsigned long long)count_of(&sum.refused));
}
