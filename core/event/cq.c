/* SPDX-License-Identifier: MIT
 *
 * cq.c: the completion queue that users have: a queue of what is over (future/queue.c), and what a
 * fork does to it: it stays with the parent, whose settlers it is for. */
#include <filch/cq.h>

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/forked.h"
#include "future/queue.h"
#include "future/wait.h"

struct filch_cq {
    struct fl_queue queue;
    struct fl_forked forked;
};

static void free_cq(struct fl_listener *l)
{
    filch_cq *cq = fl_container_of(l, filch_cq, queue.listener);

    fl_free(cq);
}

int filch_cq_create(filch_cq **out)
{
    filch_cq *cq;
    int status;

    if (out == NULL)
        return FILCH_EINVAL;
    cq = fl_malloc(sizeof *cq);
    if (cq == NULL)
        return FILCH_ENOMEM;
    status = fl_forked_open(&cq->forked);
    if (status != 0) {
        fl_free(cq);
        return status;
    }
    fl_queue_open(&cq->queue, free_cq);
    *out = cq;
    return 0;
}

/* In a forked child the queue stays as it is: whatever it held, its settlers are not here. */
void filch_cq_destroy(filch_cq *cq)
{
    if (cq == NULL || fl_forked(&cq->forked))
        return;
    fl_forked_close(&cq->forked); /* the taker's alone */
    fl_queue_close(&cq->queue);
}

int filch_cq_add(filch_cq *cq, filch_future *f)
{
    struct fl_waiter *node;
    int status;

    if (cq == NULL || f == NULL)
        return FILCH_EINVAL;
    if (fl_forked(&cq->forked))
        return FILCH_EFORKED;
    status = fl_waiter_join(f, &cq->queue.listener, &node);
    return status == 0 && node == NULL ? fl_queue_put_over(&cq->queue, f) : status;
}

int filch_cq_fd(filch_cq *cq)
{
    if (cq == NULL)
        return FILCH_EINVAL;
    return fl_forked(&cq->forked) ? FILCH_EFORKED : fl_queue_fd(&cq->queue);
}

size_t filch_cq_take(filch_cq *cq, filch_future *done[], size_t max)
{
    size_t n = 0;

    if (cq == NULL || done == NULL || fl_forked(&cq->forked))
        return 0;
    fl_waiters_catch_up();
    while (n < max) {
        filch_future *f = fl_queue_take(&cq->queue);

        if (f != NULL)
            done[n++] = f;
        else if (fl_queue_is_empty_now(&cq->queue))
            break;
    }
    return n;
}

int filch_cq_next(filch_cq *cq, filch_deadline deadline, filch_future **done)
{
    struct fl_awaited awaited;
    int status;

    if (cq == NULL || done == NULL)
        return FILCH_EINVAL;
    if (fl_forked(&cq->forked))
        return FILCH_EFORKED;
    awaited = (struct fl_awaited){
        .is_over = fl_queue_has_some, .sleep = fl_queue_sleep_on, .what = &cq->queue};
    status = fl_await(&awaited, deadline);
    if (status == 0)
        *done = fl_queue_take(&cq->queue);
    return status;
}
