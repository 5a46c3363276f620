/* SPDX-License-Identifier: MIT
 *
 * sim_promise.c: a promise and all who would complete it: of set_result, set_error, cancel and start
 * at the same time one wins, the first outcome stands, and its value or its message is whole for
 * everyone who reads it. */
#include <string.h>

#include <filch/filch.h>

#include "base/atomic.h"
#include "future/future.h"
#include "sim/sim.h"

enum {
    CODE = 3,
    VALUE = 7,
    ACTORS = 3,
    A_MOMENT = 1000000
};

/* What one thread's move has come to. */
struct actor {
    int value;
    char message[8]; /* the caller's own: copied, so it is wiped after the call */
    int set;         /* set_result, set_error: as returned */
    int error;
    bool cancelled;
    int started; /* start: as returned */
    bool has_set, has_failed, has_started, has_cancelled;
};

static filch_future *f;
static struct actor actors[ACTORS];

static struct {
    bool is_on;
    uint32_t phase;
} ghost;

SIM_GHOST static void ghost_begin(bool is_on)
{
    ghost.is_on = is_on;
    ghost.phase = FL_PENDING;
}

/* The outcome is decided once: by a move that only one can make. */
SIM_GHOST static void watch(void)
{
    uint32_t phase;

    if (!ghost.is_on)
        return;
    phase = fl_load(&f->state, relaxed) & FL_PHASE;
    if (phase == ghost.phase)
        return;
    switch (phase) {
    case FL_RUNNING:
    case FL_CANCELLED:
        sim_check(ghost.phase == FL_PENDING);
        break;
    case FL_SETTLING:
        sim_check(ghost.phase == FL_PENDING || ghost.phase == FL_RUNNING);
        break;
    default:
        sim_check(ghost.phase == FL_SETTLING);
    }
    ghost.phase = phase;
}

/* The main thread's reference is there to the end of the moves. */
static void begin(unsigned holders)
{
    int status;

    memset(actors, 0, sizeof actors);
    ghost_begin(false);
    sim_solo_begin();
    status = filch_promise_create(&f);
    while (--holders != 0)
        filch_future_retain(f);
    sim_solo_end();
    sim_check(status == 0);
    ghost_begin(true);
}

static void end(void)
{
    ghost_begin(false);
    sim_solo_begin();
    filch_future_release(f);
    sim_solo_end();
}

static void a_result(void *actor)
{
    struct actor *me = actor;

    me->value = VALUE;
    me->set = filch_promise_set_result(f, &me->value);
    me->has_set = true;
}

static void an_error(void *actor)
{
    struct actor *me = actor;

    strcpy(me->message, "broken");
    me->error = filch_promise_set_error(f, CODE, me->message);
    memset(me->message, 0, sizeof me->message);
    me->has_failed = true;
}

static void a_cancel(void *actor)
{
    struct actor *me = actor;

    me->cancelled = filch_future_cancel(f);
    me->has_cancelled = true;
}

static void a_start(void *actor)
{
    struct actor *me = actor;

    me->started = filch_promise_start(f);
    me->has_started = true;
}

static void a_result_after_a_start(void *actor)
{
    a_start(actor);
    a_result(actor);
}

static void two_results(void *actor)
{
    struct actor *me = actor;
    int first;

    a_result(actor);
    first = me->set;
    sim_check(filch_promise_set_result(f, me) == FILCH_ESTATE);
    me->set = first;
}

/* How often each could win, and what is read in the end. Without a setter f may be left open. */
static void check_one_won(void)
{
    const struct actor *winner = NULL;
    unsigned n_set = 0;
    unsigned n_started = 0;
    bool cancelled = false;
    bool was_started = false;
    bool was_tried = false;

    for (int i = 0; i < ACTORS; i++) {
        const struct actor *a = &actors[i];

        was_tried = was_tried || a->has_set || a->has_failed || a->has_cancelled;
        if ((a->has_set && a->set == 0) || (a->has_failed && a->error == 0)) {
            winner = a;
            n_set++;
        }
        sim_check(a->set == 0 || a->set == FILCH_ESTATE);
        sim_check(a->error == 0 || a->error == FILCH_ESTATE);
        cancelled = cancelled || a->cancelled;
        was_started = was_started || a->has_started;
        n_started += a->started == 1;
    }
    sim_check(n_set + cancelled <= 1 && n_started <= 1);
    sim_check(!cancelled || n_started == 0);
    /* What can't be cancelled any more was started, or is over. */
    sim_check(!was_tried || n_set + cancelled == 1 || n_started == 1);
    for (int i = 0; i < ACTORS; i++) {
        const struct actor *a = &actors[i];

        if (a->has_started && a->started == 0)
            sim_check(cancelled);
        if (a->has_started && a->started == FILCH_ESTATE)
            sim_check(n_started == 1 || n_set == 1);
    }
    if (cancelled) {
        sim_check(filch_future_result(f, FILCH_NOW, NULL) == FILCH_ECANCELED);
    } else if (winner != NULL && winner->has_set && winner->set == 0) {
        void *result;

        sim_check(filch_future_result(f, FILCH_NOW, &result) == 0 && result == &winner->value);
        sim_check(winner->value == VALUE);
    } else if (winner != NULL) {
        filch_error error;

        sim_check(filch_future_error(f, FILCH_NOW, &error) == 0 && error.code == CODE);
        sim_check(strcmp(error.message, "broken") == 0);
    } else {
        sim_check(filch_future_state(f) == (was_started ? FILCH_RUNNING : FILCH_PENDING));
    }
}

#define TWO(left, right)                                                                           \
    SCENARIO(left##_and_##right##_at_once_of_which_one_wins, .ghost = watch, .weak_faults = 1)     \
    {                                                                                              \
        begin(1);                                                                                  \
        sim_spawn(left, &actors[0]);                                                               \
        right(&actors[1]);                                                                         \
        sim_join_all();                                                                            \
        check_one_won();                                                                           \
        end();                                                                                     \
    }

#define THREE(left, middle, right)                                                                 \
    SCENARIO(left##_and_##middle##_and_##right##_at_once_of_which_one_wins, .ghost = watch)        \
    {                                                                                              \
        begin(1);                                                                                  \
        sim_spawn(left, &actors[0]);                                                               \
        sim_spawn(middle, &actors[1]);                                                             \
        right(&actors[2]);                                                                         \
        sim_join_all();                                                                            \
        check_one_won();                                                                           \
        end();                                                                                     \
    }

TWO(a_result, a_result)
TWO(a_result, an_error)
TWO(a_result, a_cancel)
TWO(a_result, a_start)
TWO(an_error, an_error)
TWO(an_error, a_cancel)
TWO(an_error, a_start)
TWO(a_cancel, a_cancel)
TWO(a_cancel, a_start)
TWO(a_start, a_start)
TWO(a_result_after_a_start, a_cancel)
TWO(a_result_after_a_start, a_result)
TWO(two_results, an_error)
THREE(a_result, an_error, a_cancel)
THREE(a_result, a_result, a_start)
THREE(a_result, a_cancel, a_start)
THREE(a_cancel, a_start, a_start)

/* ---- what is read of it ---- */

static void reads_the_error(void *arg)
{
    filch_error error;
    int status = filch_future_error(f, FILCH_FOREVER, &error);

    (void)arg;
    sim_check(status == 0 && error.code == CODE);
    sim_check(strcmp(error.domain, "promise") == 0);
    sim_check(strcmp(error.message, "broken") == 0);
    filch_future_release(f);
}

SCENARIO(a_message_is_whole_for_each_reader_and_goes_with_the_last)
{
    begin(3);
    ghost_begin(false);
    sim_spawn(reads_the_error, NULL);
    sim_spawn(reads_the_error, NULL);
    an_error(&actors[0]);
    filch_future_release(f);
    sim_join_all();
}

static void fails_and_goes(void *actor)
{
    an_error(actor);
    filch_future_release(f);
}

SCENARIO(a_message_that_nobody_reads_is_freed)
{
    begin(2);
    ghost_begin(false);
    sim_spawn(fails_and_goes, &actors[0]);
    filch_future_release(f);
    sim_join_all();
}

SCENARIO(a_code_stands_without_its_message_if_there_is_no_memory, .alloc_faults = 1)
{
    filch_error error;

    begin(2);
    sim_spawn(fails_and_goes, &actors[0]);
    sim_check(filch_future_error(f, FILCH_FOREVER, &error) == 0);
    sim_join_all();
    sim_check(actors[0].error == 0 && error.code == CODE);
    sim_check(strcmp(error.message, "broken") == 0 ||
              strcmp(error.message, "the task returned its own error") == 0);
    end();
}

SCENARIO(a_promise_that_there_is_no_memory_for_is_none, .alloc_faults = 1)
{
    int status = filch_promise_create(&f);

    sim_check(status == 0 || status == FILCH_ENOMEM);
    if (status == 0)
        filch_future_release(f);
}

/* A losing setter leaves nothing of its own behind, and does not wait for the winner. */
static void loses(void *actor)
{
    struct actor *me = actor;

    an_error(me);
    if (me->error == FILCH_ESTATE)
        sim_check(filch_future_running(f) || filch_future_done(f));
}

SCENARIO(whoever_loses_knows_that_another_is_at_it)
{
    begin(1);
    sim_spawn(a_result, &actors[0]);
    loses(&actors[1]);
    sim_join_all();
    check_one_won();
    end();
}

/* ---- whose reference ---- */

static void releases(filch_future *future, void *user)
{
    (void)user;
    filch_future_release(future);
}

static void finds_it_alive(filch_future *future, void *user)
{
    (void)user;
    sim_check(filch_future_done(future));
}

/* ... and whoever is told after that one still finds it. */
static void adds_a_release(void)
{
    int status = filch_future_add_done_callback(f, releases, NULL);

    sim_check(status == 0);
    status = filch_future_add_done_callback(f, finds_it_alive, NULL);
    sim_check(status == 0);
}

static void sets(void *actor)
{
    a_result(actor);
    sim_check(actors[0].set == 0);
}

/* The setter's call is the last that is done with the promise: its reference goes in the callback. */
SCENARIO(a_callback_may_give_back_the_setters_reference)
{
    begin(2);
    ghost_begin(false);
    adds_a_release();
    sim_spawn(sets, &actors[0]);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    sim_join_all();
}

static void cancels(void *actor)
{
    a_cancel(actor);
    sim_check(actors[0].cancelled);
}

SCENARIO(a_callback_may_give_back_the_cancellers_reference)
{
    begin(2);
    ghost_begin(false);
    adds_a_release();
    sim_spawn(cancels, &actors[0]);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == FILCH_ECANCELED);
    filch_future_release(f);
    sim_join_all();
}

/* ---- threads that stop for ever ---- */

/* Whoever stops in the middle of completing it leaves it running for ever, and that is all: others
 * are refused at once, looks answer, and a wait ends by its deadline. */
SCENARIO(a_setter_that_stops_for_ever_holds_up_no_other, .ghost = watch, .freezes = true)
{
    int status;

    begin(1);
    sim_spawn(an_error, &actors[0]);
    sim_spawn(a_result, &actors[1]);
    a_cancel(&actors[2]);
    status = filch_future_result(f, filch_in_ns(A_MOMENT), NULL);
    sim_check(status != FILCH_ETIMEDOUT || (sim_frozen() >= 0 && filch_future_running(f)));
    sim_join_all();
    if (sim_frozen() >= 0)
        return;
    check_one_won();
    end();
}

SCENARIO(a_starter_that_stops_for_ever_holds_up_no_setter, .ghost = watch, .freezes = true)
{
    begin(1);
    sim_spawn(a_start, &actors[0]);
    sim_spawn(a_start, &actors[1]);
    a_result(&actors[2]);
    sim_check(actors[2].set == 0 && filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    sim_join_all();
    if (sim_frozen() >= 0)
        return;
    check_one_won();
    end();
}
