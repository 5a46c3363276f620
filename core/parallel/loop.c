/* SPDX-License-Identifier: MIT
 *
 * loop.c: loops that are split only when somebody is hungry.
 *
 * The caller runs its loop itself, chunk after chunk, and looks between two of them whether a worker has
 * nothing to do (idle.c). Only then it submits a helper: a task that takes the upper half of what the one
 * who has most has left, runs that chunk after chunk in the same way, offers it to others that are hungry,
 * takes another half when it is through, and ends when nothing is left to be taken. So nobody waits for a
 * chunk to end before he can take what lies behind it, and a loop in a busy pool is its calls and a look at
 * one word between them.
 *
 * A chunk is the caller's grain; without one it is what takes a while (pace.c).
 *
 * Words   range    of a part: the chunks that are left, from lo up to below hi. Its owner takes from the
 *                  low end and others from the high end, both by CAS; only the owner puts something in, and only
 *                  when it is empty
 *         parts    of a loop: the parts, youngest first, the caller's last; some are added, none is removed
 *         status   0, or why no chunk is begun any more: the first reason stands
 *         waiting  helpers that are submitted and have not begun: a count, too high if some were dropped
 *         refused  1 once a helper could not be submitted, or could not enter
 * Always  U1  a chunk is in one range, or in the hands of who has taken it out by a CAS and runs it or puts it into
 *             his own. Ranges are split and never joined: so one that reads as before holds what it held
 *             before, whatever it was meanwhile
 *         U2  whoever has chunks in his range or his hands is the caller or a helper that runs, unless the
 *             loop is stopped. The caller leaves when its own range is empty, or the loop stopped, and each helper is
 *             over, or was cancelled before it began and so never looks at the loop: which is on the caller's
 *             stack
 *         U3  a helper that has submitted another puts that one on the list before it ends itself: so when all on
 *             the list are over, and after that nothing is new on it, there is no other
 *         U4  a part is behind the record of its helper's future, and the caller gives none back before all are over:
 *             so whoever walks the list may read each
 * Orders  O1  offer  parts  CAS release -> O2    a part before it is found
 *         O2  walk   parts  acquire <- O1
 * The end of a helper's future shows what it has done to the caller (future.c). With a chunk nothing goes from
 * hand to hand: all that helpers are told is in the loop before the first of them is submitted.
 *
 * Ranges are functions of their own (running.h): before the first of a turn the caller's forks are shown, and what
 * can not be shown is out of sight until the last is over (forkjoin.c). */
#include "parallel/loop.h"

#include <stdalign.h>

#include "base/atomic.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/thread.h"
#include "future/forkjoin.h"
#include "future/run.h"
#include "future/running.h"
#include "future/submit.h"
#include "future/token.h"
#include "parallel/pace.h"
#include "sched/pool.h"

struct loop;

struct part {
    fl_atomic(uint64_t) range;
    struct part *next; /* the one added before */
    struct loop *loop;
    void *local; /* a helper's, for leave */
};

enum stage {
    OVER, /* or not begun */
    RUNNING,
    SETTLED /* nobody else touches it any more */
};

struct loop {
    struct fl_pool *pool; /* NULL: nobody helps */
    const struct fl_loop_body *body;
    size_t begin;
    size_t n;
    size_t unit; /* indices to a chunk of the range */
    uint32_t units;
    bool is_paced; /* chunks of several units, by the clock */
    enum stage stage;
    filch_token *token;
    filch_context *context;
    struct fl_pool *of;      /* whose worker the caller is; or NULL */
    uint32_t epoch;          /* of the task that it runs there: stop.c */
    struct part *unreleased; /* once settled */
    alignas(FL_LINE) fl_atomic(struct part *) parts;
    fl_atomic(int) status;
    fl_atomic(int32_t) waiting;
    fl_atomic(
        uint32_t) refused; /* a helper got no memory, or no entry, and none is tried any more */
    alignas(FL_LINE) struct part own;
};

_Static_assert(sizeof(struct part) <= FL_COPY_ROOM, "it fits behind a future's record");

/* ---- ranges ---- */

static uint64_t range_of(uint32_t lo, uint32_t hi)
{
    return (uint64_t)lo << 32 | hi;
}

static uint32_t lo_of(uint64_t range)
{
    return (uint32_t)(range >> 32);
}

static uint32_t hi_of(uint64_t range)
{
    return (uint32_t)range;
}

static uint32_t left_of(uint64_t range)
{
    return hi_of(range) - lo_of(range);
}

static filch_future *future_of(struct part *part)
{
    return (filch_future *)(void *)part - 1;
}

/* ---- reasons to stop ---- */

static void stop(struct loop *l, int status)
{
    int none = 0;

    fl_cas(&l->status, &none, status, relaxed, relaxed); /* hint: the first stands */
}

static bool is_stopped(struct loop *l)
{
    return fl_load(&l->status, relaxed) != 0; /* hint: a chunk more does no harm */
}

/* As filch_cancel_requested has it in the caller. */
static bool is_cancelled(const struct loop *l)
{
    if (l->of != NULL && fl_epoch_is_over(l->of, l->epoch))
        return true;
    return filch_token_is_cancelled(l->token);
}

/* A range is about to begin: whether it may. */
static bool may_go_on(struct loop *l)
{
    if (fl_unlikely(is_stopped(l)))
        return false;
    if (fl_unlikely(l->pool != NULL && fl_forked(&l->pool->home.forked)))
        stop(l, FILCH_EFORKED);
    else if (fl_unlikely(is_cancelled(l)))
        stop(l, FILCH_ECANCELED);
    else
        return true;
    return false;
}

/* ---- helpers ---- */

static int help(void *arg, void **result);

/* The context is in the caller's hands until all are over, so helpers need not keep it. */
static int submit_helper(struct loop *l)
{
    struct part part = {.next = NULL, .loop = l, .local = NULL};
    struct fl_self *self = fl_self();
    void *context = self->context;
    struct part *behind;
    filch_future *f;
    int status;

    fl_init(&part.range, 0);
    fl_add(&l->waiting, 1, relaxed); /* count */
    self->context = NULL;
    status = fl_pool_submit_copy(l->pool, help, &part, sizeof part, &f);
    self->context = context;
    if (status != 0) {
        fl_sub(&l->waiting, 1, relaxed); /* count */
        return status;
    }

    struct part *its = (struct part *)(void *)(f + 1);
    behind = fl_load(&l->parts, relaxed); /* hint: the CAS decides */
    do {
        its->next = behind;
    } while (!fl_cas_weak(&l->parts, &behind, its, release, relaxed)); /* O1; hint */
    return 0;
}

/* How many more helpers would have something to do. */
static uint32_t wanted(struct loop *l)
{
    int64_t n = l->pool != NULL ? fl_idle_wants(l->pool) : 0;

    if (fl_likely(n == 0) || fl_load(&l->refused, relaxed) != 0) /* hint: the next try fails too */
        return 0;
    n -= fl_load(&l->waiting, relaxed); /* hint */
    return n > 0 ? (uint32_t)n : 0;
}

static fl_apart void offer(struct loop *l, uint32_t n)
{
    while (n-- > 0) {
        if (submit_helper(l) != 0) {
            fl_store(&l->refused, 1, relaxed); /* hint */
            return;
        }
    }
}

/* ---- who takes part ---- */

static struct fl_step next_step(struct loop *l, struct fl_pace *pace, uint32_t left)
{
    uint32_t n = wanted(l);

    return l->is_paced ? fl_pace_next(pace, fl_now(), left, n) : fl_pace_even(left, n);
}

/* Takes the next chunk of the caller's own range; false: there is none, or it is not to begin. */
static bool take(struct loop *l, struct part *own, struct fl_pace *pace, uint32_t *lo, uint32_t *hi)
{
    uint64_t range = fl_load(&own->range, relaxed); /* hint: the CAS decides */
    struct fl_step step;

    if (left_of(range) == 0 || !may_go_on(l))
        return false;
    step = next_step(l, pace, left_of(range));
    if (fl_unlikely(step.helpers != 0)) {
        offer(l, step.helpers);
        if (l->is_paced)
            pace->then = fl_now();
        range = fl_load(&own->range, relaxed); /* hint: the CAS decides */
    }
    do {
        if (left_of(range) == 0)
            return false;
        *lo = lo_of(range);
        *hi = left_of(range) < step.units ? hi_of(range) : lo_of(range) + step.units;
    } while (!fl_cas_weak(&own->range, &range, range_of(*hi, hi_of(range)), relaxed,
                          relaxed)); /* count: nothing goes with it */
    pace->units = *hi - *lo;
    return true;
}

/* Who has most left, which is *range; NULL: nobody has anything. */
static struct part *richest(struct loop *l, uint64_t *range)
{
    struct part *found = NULL;

    *range = 0;
    for (struct part *part = fl_load(&l->parts, acquire); part != NULL;
         part = part->next) {                          /* O2 */
        uint64_t its = fl_load(&part->range, relaxed); /* hint: the CAS decides */

        if (left_of(its) > left_of(*range)) {
            found = part;
            *range = its;
        }
    }
    return found;
}

/* Half of what the richest has left, or its last, into the caller's own range, which is empty. */
static bool steal(struct loop *l, struct part *own)
{
    struct part *victim;
    uint64_t range;

    while (!is_stopped(l) && (victim = richest(l, &range)) != NULL) {
        uint32_t mid = lo_of(range) + left_of(range) / 2;
        uint32_t hi = hi_of(range);

        if (fl_cas(&victim->range, &range, range_of(lo_of(range), mid), relaxed,
                   relaxed)) {                                 /* count: nothing goes with it */
            fl_store(&own->range, range_of(mid, hi), relaxed); /* own word: it is empty */
            return true;
        }
    }
    return false;
}

static int run(struct loop *l, uint32_t lo, uint32_t hi, void *local)
{
    size_t begin = l->begin + lo * l->unit;
    size_t end = l->begin + (hi == l->units ? l->n : hi * l->unit);

    return l->body->range(l->body, begin, end, local);
}

/* A thread that takes part, as a function that runs, and what to do if the user's does not return. */
struct turn {
    struct loop *l;
    bool has_returned;
    filch_task *forks; /* what the caller's function has forked is no part of its ranges */
    struct fl_running running;
};

static void end_turn(struct turn *turn)
{
    fl_running_abandon(&turn->running); /* of a failure the code alone is kept */
    fl_forks_put_back(turn->forks);
    if (fl_unlikely(!turn->has_returned))
        stop(turn->l, FILCH_EABANDONED);
}

static void run_chunks(struct loop *l, struct part *own, void *local)
{
    struct fl_pace pace = fl_pace_begin(l->units, l->pool != NULL ? l->pool->n_workers : 0);
    uint32_t lo, hi;

    do {
        while (take(l, own, &pace, &lo, &hi)) {
            int status = run(l, lo, hi, local);

            if (fl_unlikely(status != 0))
                stop(l, status);
        }
    } while (steal(l, own));
}

static void begin_turn(struct turn *turn, struct loop *l)
{
    turn->l = l;
    turn->has_returned = false;
    turn->forks = fl_forks_set_aside();
    fl_running_begin(&turn->running, l->token, l->context);
}

/* False: it takes nothing. What one had no memory for the next will not have either. */
static bool enter(struct loop *l, struct part *part)
{
    if (richest(l, &(uint64_t){0}) == NULL)
        return false;
    if (l->body->enter == NULL)
        return true;
    part->local = l->body->enter(l->body);
    if (part->local == NULL)
        fl_store(&l->refused, 1, relaxed); /* hint */
    return part->local != NULL;
}

static int help(void *arg, void **result)
{
    struct part *part = arg;
    struct loop *l = part->loop;
    struct fl_worker *w = fl_worker_self();
    struct turn turn fl_cleanup(end_turn);

    (void)result;
    w->epoch = l->of == w->pool ? l->epoch : FL_NO_EPOCH; /* worker.c puts back what was */
    begin_turn(&turn, l);
    fl_sub(&l->waiting, 1, relaxed); /* count */
    if (enter(l, part) && steal(l, part))
        run_chunks(l, part, part->local);
    turn.has_returned = true;
    return 0;
}

static void lead(struct loop *l)
{
    struct turn turn fl_cleanup(end_turn);

    begin_turn(&turn, l);
    run_chunks(l, &l->own, l->body->local);
    turn.has_returned = true;
}

/* ---- the end ---- */

/* One that was cancelled may lie on top of what this worker has queued: then nothing of it stays there. */
static void bury(const struct loop *l, filch_future *f)
{
    struct fl_worker *w = fl_worker_self();

    if (w != NULL && w->pool == l->pool)
        (void)fl_help_with(w, &f->task);
}

/* Each helper is over, or cancelled; the caller takes part as long as it has to wait for one. False: what
 * ran meanwhile has forked, and this is the child. */
static bool settle_helpers(struct loop *l, bool takes_part)
{
    struct part *settled = &l->own;
    struct part *first;

    while ((first = fl_load(&l->parts, acquire)) != settled) { /* O2 */
        for (struct part *part = first; part != settled; part = part->next) {
            filch_future *f = future_of(part);

            if (fl_forked(&l->pool->home.forked))
                return false;
            if (fl_future_drop(f, FILCH_ECANCELED)) {
                bury(l, f);
                continue;
            }
            if (takes_part && fl_future_phase(f) < FL_OVER && steal(l, &l->own))
                lead(l);
            if (fl_future_await_end(f) != 0)
                return false;
        }
        settled = first; /* U3 */
    }
    return true;
}

static void release_helpers(struct loop *l, bool is_abandoned)
{
    while (l->unreleased != &l->own) {
        struct part *part = l->unreleased;
        filch_future *f = future_of(part);
        void *local = part->local;

        l->unreleased = part->next;
        fl_future_observe(f); /* what it has failed with is the loop's */
        filch_future_release(f);
        if (local != NULL)
            l->body->leave(l->body, local, is_abandoned);
    }
}

static bool settle(struct loop *l, bool takes_part)
{
    if (!settle_helpers(l, takes_part))
        return false;
    l->unreleased = fl_load(&l->parts, relaxed); /* settled by O2 */
    l->stage = SETTLED;
    return true;
}

/* A range has ended the caller's thread: the others may use what is on its stack, so they have to be over
 * first. None of them runs here. */
static void end_loop(struct loop *l)
{
    if (fl_likely(l->stage == OVER) || (l->pool != NULL && fl_forked(&l->pool->home.forked)))
        return;
    stop(l, FILCH_EABANDONED);
    fl_self()->nohelp++;
    if (l->stage == SETTLED || settle(l, false))
        release_helpers(l, true);
    fl_self()->nohelp--;
}

/* Chunks are counted in 32 bits. */
static void measure(struct loop *l, size_t grain)
{
    const size_t most = UINT32_MAX;
    size_t units;

    l->is_paced = grain == 0;
    l->unit = grain != 0 ? grain : 1;
    units = l->n / l->unit;
    if (units >= most) {
        l->unit *= units / most + 1;
        units = l->n / l->unit;
    }
    l->units = (uint32_t)(units + (l->n % l->unit != 0));
}

int fl_loop_run(filch_executor *ex, size_t begin, size_t end, size_t grain, filch_token *token,
                const struct fl_loop_body *body)
{
    const struct fl_worker *w = fl_worker_self();
    struct loop l fl_cleanup(end_loop);
    int status;

    l.stage = OVER;
    status = fl_executor_pool(ex, &l.pool);
    if (status != 0 || begin == end)
        return status;
    l.body = body;
    l.begin = begin;
    l.n = end - begin;
    measure(&l, grain);
    l.token = token != NULL ? token : fl_token_current();
    l.context = fl_self()->context;
    l.of = w != NULL ? w->pool : NULL;
    l.epoch = w != NULL ? w->epoch : FL_NO_EPOCH;
    l.own.next = NULL;
    l.own.loop = &l;
    l.own.local = NULL;
    fl_init(&l.own.range, range_of(0, l.units));
    fl_init(&l.parts, &l.own);
    fl_init(&l.status, 0);
    fl_init(&l.waiting, 0);
    fl_init(&l.refused, 0);
    l.stage = RUNNING;
    lead(&l);
    if (!settle(&l, true)) {
        l.stage = OVER;
        return FILCH_EFORKED; /* whatever has stopped it: what others had in hand is lost */
    }
    release_helpers(&l, false);
    l.stage = OVER;
    return fl_load(&l.status, relaxed); /* settled by the end of each helper's future */
}
