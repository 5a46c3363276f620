/* SPDX-License-Identifier: MIT
 *
 * token.c: tokens that cancel: a flag, a deadline, a parent. Whoever asks looks up through the parents;
 * so cancelling one that has thousands under it costs one store.
 *
 * Words   cancelled   0, then 1 for ever: nothing goes with it
 *         refs        handles, tasks and tokens below
 * Orders  T1  drop  refs  sub acq_rel -> T1    what was done with it before it is freed */
#include "future/token.h"

#include "base/alloc.h"
#include "base/atomic.h"
#include "base/clock.h"
#include "base/thread.h"
#include "future/running.h"
#include "sched/pool.h"

struct filch_token {
    fl_atomic(uint32_t) cancelled;
    fl_atomic(uint32_t) refs;
    filch_token *parent;
    filch_deadline deadline;
};

int filch_token_create(filch_token **out, filch_token *parent, filch_deadline deadline)
{
    filch_token *t;

    if (out == NULL)
        return FILCH_EINVAL;
    t = fl_malloc(sizeof *t);
    if (t == NULL)
        return FILCH_ENOMEM;
    fl_init(&t->cancelled, 0);
    fl_init(&t->refs, 1);
    t->parent = filch_token_retain(parent);
    t->deadline = deadline;
    *out = t;
    return 0;
}

filch_token *filch_token_retain(filch_token *t)
{
    if (t != NULL)
        fl_add(&t->refs, 1, relaxed); /* count: the caller holds one */
    return t;
}

void filch_token_release(filch_token *t)
{
    while (t != NULL && fl_sub(&t->refs, 1, acq_rel) == 1) { /* T1 */
        filch_token *parent = t->parent;

        fl_free(t);
        t = parent;
    }
}

void filch_token_cancel(filch_token *t)
{
    if (t != NULL)
        fl_store(&t->cancelled, 1, relaxed); /* hint: nothing goes with it */
}

bool filch_token_is_cancelled(const filch_token *t)
{
    int64_t now = 0;

    for (; t != NULL; t = t->parent) {
        if (fl_load(&t->cancelled, relaxed) != 0) /* hint: nothing goes with it */
            return true;
        if (t->deadline == FILCH_FOREVER)
            continue;
        if (now == 0)
            now = fl_now();
        if (now >= t->deadline)
            return true;
    }
    return false;
}

filch_token *fl_token_current(void)
{
    const struct fl_running *r = fl_self()->running;

    return r != NULL ? r->token : NULL;
}

bool filch_cancel_requested(void)
{
    const struct fl_worker *w = fl_worker_self();

    if (w != NULL && fl_epoch_is_over(w->pool, w->epoch))
        return true;
    return filch_token_is_cancelled(fl_token_current());
}
