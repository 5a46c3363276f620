/* SPDX-License-Identifier: MIT
 *
 * combine.c: one future for many: all, any, any that succeeds, race.
 *
 * Words   left    inputs that have not told, and one for whoever registers
 *         stage   0; 1: registered or decided; 2: both, and whoever made it 2 detaches
 *         refs    of the listener: waiter.c
 * Always  C1  the new future is decided by whoever moves its state: the first of the inputs that may,
 *             or somebody who cancels it; in either case it tells us, and that is the decision
 *         C2  inputs are kept, and stay registered, until it is decided and all have been registered
 * Orders  J1  count  left   sub acq_rel -> J1
 *         J2  stage  stage  add acq_rel -> J2     the nodes before they are left */
#include <filch/then.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "future/forward.h"
#include "future/waiter.h"

enum mode {
    ALL,
    ANY,
    ANY_SUCCESS,
    RACE
};

struct input {
    filch_future *f;
    struct fl_waiter *node;
};

struct combination {
    struct fl_listener listener; /* on the inputs and on the new future */
    filch_future *out;
    enum mode mode;
    fl_atomic(size_t) left;
    fl_atomic(uint32_t) stage;
    size_t n;
    struct input input[];
};

static void detach(struct combination *c)
{
    for (size_t i = 0; i < c->n; i++) {
        if (c->mode == RACE && !filch_future_cancelled(c->out))
            filch_future_cancel(c->input[i].f);
        if (c->input[i].node != NULL)
            fl_waiter_leave(c->input[i].node, &c->listener);
        filch_future_release(c->input[i].f);
    }
}

static void reach_stage(struct combination *c)
{
    if (fl_add(&c->stage, 1, acq_rel) == 1) /* J2 */
        detach(c);
}

static bool is_last(struct combination *c)
{
    return fl_sub(&c->left, 1, acq_rel) == 1; /* J1 */
}

static void input_told(struct combination *c, filch_future *f)
{
    uint32_t phase = fl_future_phase(f);

    fl_future_observe(f); /* whatever becomes of it here */
    switch (c->mode) {
    case ALL:
        if (phase != FL_FINISHED)
            fl_promise_fail_as(c->out, f);
        if (is_last(c))
            filch_promise_set_result(c->out, NULL);
        break;
    case ANY_SUCCESS:
        if (phase == FL_FINISHED)
            filch_promise_set_result(c->out, f);
        if (is_last(c) && phase != FL_FINISHED)
            fl_promise_fail_as(c->out, f);
        break;
    case ANY:
    case RACE:
        filch_promise_set_result(c->out, f);
        break;
    }
}

static void told(struct fl_listener *l, filch_future *f, struct fl_waiter *node)
{
    struct combination *c = fl_container_of(l, struct combination, listener);

    (void)node;
    if (f == c->out)
        reach_stage(c);
    else
        input_told(c, f);
}

static void combination_free(struct fl_listener *l)
{
    struct combination *c = fl_container_of(l, struct combination, listener);

    filch_future_release(c->out);
    fl_free(c);
}

/* Registers with all; those that are over tell now. */
static int listen_to_all(struct combination *c)
{
    for (size_t i = 0; i < c->n; i++) {
        int status = fl_waiter_join(c->input[i].f, &c->listener, &c->input[i].node);

        if (status != 0)
            return status;
        if (c->input[i].node == NULL)
            input_told(c, c->input[i].f);
    }
    return 0;
}

static struct combination *combination_create(filch_future *const *futures, size_t n,
                                              enum mode mode)
{
    struct combination *c;

    c = fl_malloc(sizeof *c + n * sizeof c->input[0]);
    if (c == NULL)
        return NULL;
    if (fl_promise_create_follower(&c->out) != 0) {
        fl_free(c);
        return NULL;
    }
    fl_listener_open(&c->listener, told, combination_free);
    c->mode = mode;
    fl_init(&c->left, n + 1);
    fl_init(&c->stage, 0);
    c->n = n;
    for (size_t i = 0; i < n; i++)
        c->input[i] = (struct input){filch_future_retain(futures[i]), NULL};
    return c;
}

/* By the one who counts the last off: whoever registers, or an input. */
static void all_told(struct combination *c)
{
    if (c->mode == ALL)
        filch_promise_set_result(c->out, NULL);
    else if (c->n == 0)
        filch_promise_set_error(c->out, FILCH_EINVAL, "none was given");
    else if (c->mode == ANY_SUCCESS && !filch_future_done(c->out))
        fl_promise_fail_as(c->out, c->input[c->n - 1].f);
}

static int combine(filch_future *const *futures, size_t n, enum mode mode, filch_future **out)
{
    struct combination *c;
    struct fl_waiter *node;
    filch_future *promise;
    int status;

    if (out == NULL || (futures == NULL && n != 0))
        return FILCH_EINVAL;
    if (n > PTRDIFF_MAX / (2 * sizeof c->input[0]))
        return FILCH_ENOMEM; /* before any is looked at: there may be no such array */
    for (size_t i = 0; i < n; i++) {
        if (futures[i] == NULL)
            return FILCH_EINVAL;
    }
    c = combination_create(futures, n, mode);
    if (c == NULL)
        return FILCH_ENOMEM;
    promise = filch_future_retain(c->out);
    status = fl_waiter_join(c->out, &c->listener, &node);
    if (status == 0) {
        status = listen_to_all(c);
        if (status == 0 && is_last(c))
            all_told(c);
        if (status != 0 && !filch_future_cancel(c->out))
            status = 0; /* an input has decided it already: the others are not needed */
    } else {
        filch_future_cancel(c->out);
        reach_stage(c); /* nobody else will: it is not registered */
    }
    reach_stage(c);
    fl_listener_release(&c->listener);
    if (status != 0)
        filch_future_release(promise);
    else
        *out = promise;
    return status;
}

int filch_all(filch_future *const *futures, size_t n, filch_future **out)
{
    return combine(futures, n, ALL, out);
}

int filch_any(filch_future *const *futures, size_t n, filch_future **out)
{
    return combine(futures, n, ANY, out);
}

int filch_any_success(filch_future *const *futures, size_t n, filch_future **out)
{
    return combine(futures, n, ANY_SUCCESS, out);
}

int filch_race(filch_future *const *futures, size_t n, filch_future **out)
{
    return combine(futures, n, RACE, out);
}
