/* SPDX-License-Identifier: MIT
 *
 * timeout.c: a future that ends as another one does, or when a time has come.
 *
 * It is a promise that three may decide: the old future, by a node in its stack (waiter.c); the
 * keeper of the pool's clock (timer.c), when the time is up or the pool ends; and whoever cancels it.
 * The first of them to move its state tells us, by a node that we have in the promise's own stack, and
 * then we let go of both others.
 *
 * Memory  a block of the pool's slab, which keeps the pool's memory as long as somebody may still come
 *         to the wheel. One reference for each node, one for the wheel, one for whoever makes it
 * Words   stage   0; 1: made or decided; 2: both, and whoever made it 2 detaches
 * Orders  U1  stage  stage  add acq_rel -> U1     the node and the timer before they are left */
#include "future/timed.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "future/forward.h"
#include "future/waiter.h"

struct timeout {
    struct fl_listener listener; /* on the old future and on the new one */
    struct fl_timer timer;
    filch_future *out;
    filch_future *f;
    struct fl_waiter *node; /* on f */
    struct fl_pool *pool;
    fl_atomic(uint32_t) stage;
    unsigned flags;
};

_Static_assert(sizeof(struct timeout) <= 128, "it is a block of the slab's larger kind");

static bool time_was_up(const struct timeout *t)
{
    return fl_future_phase(t->out) == FL_FAILED &&
           fl_future_outcome(t->out, NULL) == FILCH_ETIMEDOUT;
}

static void release(filch_future **f)
{
    filch_future_release(*f);
}

static void detach(struct timeout *t)
{
    filch_future *f fl_cleanup(release) = t->f; /* also if a callback of f's ends the thread */

    if (t->node != NULL)
        fl_waiter_leave(t->node, &t->listener);
    if (fl_timer_remove(t->pool, &t->timer))
        fl_listener_release(&t->listener);
    if ((t->flags & FILCH_TIMEOUT_CANCEL) != 0 && time_was_up(t))
        filch_future_cancel(f);
}

static void reach_stage(struct timeout *t)
{
    if (fl_add(&t->stage, 1, acq_rel) == 1) /* U1 */
        detach(t);
}

static void told(struct fl_listener *l, filch_future *f, struct fl_waiter *node)
{
    struct timeout *t = fl_container_of(l, struct timeout, listener);

    (void)node;
    if (f == t->out)
        reach_stage(t);
    else
        fl_forward(t->out, f);
}

static void timeout_free(struct fl_listener *l)
{
    struct timeout *t = fl_container_of(l, struct timeout, listener);

    filch_future_release(t->out);
    fl_pool_free_block(t->pool, t);
}

/* What filch says of it, and no task. */
static void fail(filch_future *out, int status)
{
    if (status == FILCH_ECANCELED)
        fl_forward_status(out, status);
    else
        fl_promise_fail_by_filch(out, status);
}

static void release_listener(struct fl_listener **l)
{
    fl_listener_release(*l);
}

static bool end(struct fl_timer *timer, int status)
{
    struct timeout *t = fl_container_of(timer, struct timeout, timer);
    struct fl_listener *mine fl_cleanup(release_listener) = &t->listener; /* likewise */

    (void)mine;
    fail(t->out, status);
    return true;
}

static const struct fl_timer_ops timer_ops = {NULL, end, NULL, false, false};

static int timeout_create(struct fl_pool *p, struct timeout **out)
{
    struct timeout *t;
    struct fl_push at;
    int status = fl_push_begin(&at, p, 0);

    if (status != 0)
        return status;
    t = fl_slab_alloc(at.slab, FL_BLOCK_128);
    fl_push_abort(&at);
    if (t == NULL)
        return FILCH_ENOMEM;
    if (fl_promise_create_follower(&t->out) != 0) {
        fl_pool_free_block(p, t);
        return FILCH_ENOMEM;
    }
    fl_listener_open(&t->listener, told, timeout_free);
    t->node = NULL;
    t->pool = p;
    fl_init(&t->stage, 0);
    *out = t;
    return 0;
}

/* The old future comes first, if it is over already. */
static int listen_and_wait(struct timeout *t)
{
    int64_t when = t->timer.node.when;
    int status = fl_waiter_join(t->f, &t->listener, &t->node);

    if (status != 0)
        return status;
    if (t->node == NULL) {
        fl_forward(t->out, t->f);
        return 0;
    }
    if (when == FILCH_FOREVER)
        return 0;
    if (when <= fl_now()) {
        fail(t->out, FILCH_ETIMEDOUT);
        return 0;
    }
    fl_add(&t->listener.refs, 1, relaxed); /* count: we hold one */
    status = fl_timer_add(t->pool, &t->timer);
    if (status != 0)
        fl_listener_release(&t->listener);
    return status;
}

int fl_pool_timeout(struct fl_pool *p, filch_future *f, filch_deadline deadline, unsigned flags,
                    filch_future **out)
{
    struct fl_waiter *node;
    filch_future *promise;
    struct timeout *t;
    int status = timeout_create(p, &t);

    if (status != 0)
        return status;
    t->f = filch_future_retain(f);
    t->flags = flags;
    t->timer = (struct fl_timer){{.when = deadline}, &timer_ops};
    promise = filch_future_retain(t->out);
    status = fl_waiter_join(promise, &t->listener, &node);
    if (status == 0) {
        status = listen_and_wait(t);
        if (status != 0 && !filch_future_cancel(promise))
            status = 0; /* f has decided it already: the time does not matter */
    } else {
        reach_stage(t); /* nobody else will: it is not registered */
    }
    reach_stage(t);
    fl_listener_release(&t->listener);
    if (status != 0)
        filch_future_release(promise);
    else
        *out = promise;
    return status;
}
