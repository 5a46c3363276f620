/* SPDX-License-Identifier: MIT
 *
 * forkjoin.c: forks that wait for their join on a list of their thread's own, until another asks for work.
 *
 * A fork links its record, in the caller's memory, into a stack that nobody else sees; the join takes it
 * off and calls it. That is all there is to most of them, and it is inline (<filch/fork.h>). A worker that
 * finds nothing to do asks all others: it sets a word that each fork and join reads. Whoever finds it
 * set shows the older half of its forks: they become tasks in the caller's memory, as in task.c, on
 * its deque, where thieves take the oldest first. Its joins take back what nobody has taken, and wait for
 * the rest, helping whoever runs it (wait.c). So there is a price for each task that moves, and hardly one
 * for each fork.
 *
 * A fork is part of the task that has made it: whoever runs it has that one's token, context and epoch,
 * and what it says of a failure is that one's. It is not cancelled, and not refused: what is dropped
 * on its way is run by its join.
 *
 * Whose forks they are: a list belongs to one running function. Whatever is run on top of it has a list
 * of its own, or what that pushes above the mark that run.c sets would not be its own (wait.c, J1): so
 * before a wait, and before a continuation, all is shown.
 *
 * Words   newest  plain, of the thread: its youngest fork that nobody has seen; each has the one below it
 *         asked   of a worker: whether somebody wants to see some. Anybody sets it, the worker alone
 *                 clears it: steal.c
 *         idle    who is without work: idle.c
 *         top     of the worker's deque: deque.c
 * Always  L1  whoever sleeps, or leaves the search last while others sleep, has found asked set at each
 *             worker whose deque was empty, or has set it, after he had said so in idle; so has a thread
 *             that leaves its slot vacant, and create for those that have none yet
 *         L2  who clears asked looks afterwards, and sets it again unless as many lie in his deque as are hungry:
 *             asleep, searching, or not started yet
 *         L3  so as long as anybody sleeps, each worker is asked, or somebody is awake who will take what lies
 *             in its deque or, if that is gone, ask: whoever cleared asked has chosen him, or found him
 *             searching
 *         L4  what is on the list is in no queue. What is shown leaves the list first, and does not come back
 *         L5  who forks owns the record until it is shown, and again when it is over, or taken back
 * Orders  K1  answer  asked  look -> steal.c's T3      cleared; then idle (idle.c, N1) and top are looked at
 *         K2  answer  top    look <- deque.c's D6
 * Why nobody sleeps unasked: he says so in idle, or takes what is in the deque, and then looks at asked; the
 * worker clears asked, and then looks at both. In the single order one sees the other: he finds it clear
 * and sets it, or the worker finds him, or the task gone, and sets it. Who waits for what the worker runs
 * (FL_ASKED_BY_WAITER) asks again and again until he sleeps, and then a spare asks in his place. */
#include "future/forkjoin.h"

#include "future/run.h"
#include "future/running.h"
#include "sched/pool.h"

_Static_assert(sizeof(filch_task) == sizeof(struct filch_future), "a fork is one record");
_Static_assert(offsetof(struct filch_future, below) == FILCH_FORK_BELOW * sizeof(uint64_t) &&
                   offsetof(struct filch_future, fn) == FILCH_FORK_FN * sizeof(uint64_t) &&
                   offsetof(struct filch_future, u.arg) == FILCH_FORK_ARG * sizeof(uint64_t),
               "what the inline functions write is where it is read");
_Static_assert(sizeof(struct filch_forks) == 2 * sizeof(void *) &&
                   sizeof(fl_atomic(uint32_t)) == sizeof(uint32_t) && sizeof(void *) == 8,
               "the layout that FILCH_0.1 has promised");

static filch_future *record_of(filch_task *t)
{
    return (filch_future *)(void *)t;
}

static filch_task *task_of(filch_future *f)
{
    return (filch_task *)(void *)f;
}

static struct fl_pool *pool_of(const filch_future *f)
{
    return fl_container_of(f->home, struct fl_pool, home);
}

/* The calling worker, if it may show its forks; or NULL. */
static struct fl_worker *shower(void)
{
    struct fl_worker *w = fl_worker_self();

    return w != NULL && FILCH_FORKS->asked == (const void *)&w->asked ? w : NULL;
}

/* ---- showing ---- */

/* Cuts the oldest n off the list of all, and returns the oldest of them: each has the next younger below
 * it. */
static filch_future *cut(struct filch_forks *forks, size_t all, size_t n)
{
    filch_future *older = record_of(forks->newest);
    filch_future *cut = NULL;

    if (n == all) {
        forks->newest = NULL;
    } else {
        filch_future *last = older;

        for (size_t i = 1; i < all - n; i++)
            last = last->below;
        older = last->below;
        last->below = NULL;
    }
    while (older != NULL) {
        filch_future *next = older->below;

        older->below = cut;
        cut = older;
        older = next;
    }
    return cut;
}

static void push(struct fl_worker *w, filch_future *f)
{
    fl_future_init(f, &fl_fork_ops, &w->pool->home, FL_KIND_OWN, f->fn, f->u.arg, 1);
    f->has_extra = FL_FORK;
    f->epoch = w->epoch;
    f->forker = fl_self()->running;
    fl_count(&w->count.pushed); /* before it can end: stop.c */
    fl_deque_push(&w->deque, &f->task);
}

/* The oldest n of all. Where the deque can not grow, fewer, or none. */
static void show(struct fl_worker *w, size_t all, size_t n)
{
    filch_future *f;

    if (fl_deque_reserve(&w->deque, n) != 0) {
        n = 1;
        if (fl_deque_reserve(&w->deque, n) != 0)
            return;
    }
    f = cut(FILCH_FORKS, all, n);
    while (f != NULL) {
        filch_future *younger = f->below;

        push(w, f);
        f = younger;
    }
    fl_idle_notify(w->pool);
}

static size_t count_forks(void)
{
    size_t n = 0;

    for (filch_future *f = record_of(FILCH_FORKS->newest); f != NULL; f = f->below)
        n++;
    return n;
}

void fl_forks_show_all(void)
{
    struct fl_worker *w = shower();

    if (w != NULL) {
        size_t n = count_forks();

        show(w, n, n);
    }
}

/* Whether more would be taken at once, were it shown. */
static bool is_more_wanted(struct fl_worker *w)
{
    uint64_t bottom = fl_deque_bottom(&w->deque);
    uint32_t hungry = fl_idle_hungry(w->pool); /* idle.c, N1 */

    return hungry > bottom - fl_look(&w->deque.top); /* K2 */
}

/* Whether to show something; otherwise the worker is not asked any more. */
static bool has_to_show(struct fl_worker *w)
{
    if (fl_load(&w->asked, relaxed) == FL_ASKED_BY_WAITER) { /* hint: he asks again */
        fl_store(&w->asked, FL_ASKED_BY_IDLE, relaxed);      /* hint */
        if (fl_deque_looks_empty(&w->deque))
            return true;
    }
    if (is_more_wanted(w))
        return true;
    fl_store_look(&w->asked, FL_NOT_ASKED); /* K1 */
    if (!is_more_wanted(w))
        return false;
    fl_store(&w->asked, FL_ASKED_BY_IDLE, relaxed); /* settled by the look */
    return true;
}

void filch_fork_answer(void)
{
    struct fl_worker *w = shower();

    if (w == NULL) {
        FILCH_FORKS->asked = fl_forks_unasked(); /* a forked child's: nobody is there */
    } else if (has_to_show(w)) {
        size_t n = count_forks();

        show(w, n, n - n / 2);
    } else {
        fl_idle_notify(w->pool); /* what lies in the deque may have been pushed silently */
    }
}

/* ---- joining ---- */

/* From the list, wherever it is on it. False: it was shown. */
static bool take_off(filch_future *f)
{
    struct filch_forks *forks = FILCH_FORKS;
    filch_future *above;

    if (forks->newest == task_of(f)) {
        forks->newest = task_of(f->below);
        return true;
    }
    above = record_of(forks->newest);
    while (above != NULL && above->below != f)
        above = above->below;
    if (above == NULL)
        return false;
    above->below = f->below;
    return true;
}

static int run_here(filch_future *f, void **result)
{
    void *value = NULL;
    int status = f->fn(f->u.arg, &value);

    if (status == 0 && result != NULL)
        *result = value;
    return status;
}

/* As if the caller's function had said it: running.h. */
static void take_over(struct fl_failure *failure, int code)
{
    struct fl_running *r = fl_self()->running;
    struct fl_failure *before = failure;

    if (failure == NULL)
        return;
    if (r != NULL) {
        before = r->failure;
        r->failure = failure;
        r->code = code;
    }
    fl_failure_free(before);
}

static int end_of(filch_future *f, void **result)
{
    int status = fl_future_outcome(f, result);

    take_over(f->said, f->said_of);
    return status;
}

/* Out of the caller's deque. False: somebody else has it. */
static bool take_back(filch_future *f)
{
    struct fl_worker *w = fl_worker_self();

    return w != NULL && w->pool == pool_of(f) && fl_help_take_back(w, &f->task);
}

static int join_shown(filch_future *f, void **result)
{
    for (;;) {
        uint32_t phase = fl_future_phase(f);
        int status;

        if (phase == FL_CANCELLED) /* it was dropped */
            return run_here(f, result);
        if (phase >= FL_OVER)
            return end_of(f, result);
        if (fl_forked(&f->home->forked))
            return phase == FL_PENDING ? run_here(f, result) : FILCH_EFORKED;
        if (phase == FL_PENDING && take_back(f))
            return run_here(f, result);
        status = fl_future_await_end(f);
        if (fl_unlikely(status == FILCH_EDEADLK))
            return status;
    }
}

int filch_join_slow(filch_task *t, void **result)
{
    filch_future *f = record_of(t);

    if (t == NULL)
        return FILCH_EINVAL;
    if (take_off(f)) {
        if (FILCH_FORKS->newest != NULL && filch_fork_is_asked(FILCH_FORKS))
            filch_fork_answer();
        return run_here(f, result);
    }
    return f->home != NULL ? join_shown(f, result) : FILCH_EINVAL;
}
