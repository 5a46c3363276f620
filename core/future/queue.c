/* SPDX-License-Identifier: MIT
 *
 * queue.c: futures that are over, queued by those who settle them, for one consumer: an event loop, a
 * thread that waits (event/cq.c), an iterator (completion.c).
 *
 * A future is given to a queue by a node (waiter.c). Its settler puts that very node on the queue, so
 * nothing is allocated then and nothing can fail, and takes a reference to the future for it. The
 * consumer takes all nodes by one swap and turns them round. It is rung for only if it has armed the
 * queue, which it does when it has found it empty and goes to sleep, or leaves the descriptor to an
 * event loop: so a busy consumer costs its settlers no system call.
 *
 * Words   done    NULL, ARMED, CLOSED for ever, or a stack of nodes, youngest first
 *         rings   how often the armed consumer was rung for; a futex
 *         fd      an eventfd, -1 before it is asked for
 *         fd_refs one for the consumer, and one for ARMED or whoever has replaced it, until it has rung
 * Always  C1  one word arbitrates: whoever replaces ARMED by its node rings, nobody else
 *         C2  the descriptor, once there is one, is readable or the queue is armed: the consumer alone
 *             drains it, and then arms or rings itself
 *         C3  a node is in the queue once, for it is told once (W1), and lives as long as its future,
 *             to which the queue has a reference meanwhile
 *         C4  a settler touches the queue only while its node's reference is not given back; and the
 *             descriptor while it holds what the consumer took for it when it armed
 *         C5  a settler that is stopped between its put and its ring keeps from the consumer the one
 *             wake that it owes; it stops no other settler
 * Orders  Q1  put   done   CAS acq_rel -> Q2 Q4 <- Q3 Q4    the outcome and the node before they are
 *                                                     found; what the consumer did before it armed
 *         Q2  take  done   swap acquire <- Q1
 *         Q3  arm   done   CAS release -> Q1        the descriptor before it is rung; by a CAS even if
 *                                                   it seems armed, for a load may be old: C2
 *         Q4  close done   swap acq_rel -> Q1 <- Q1
 *         Q5  ring  rings  add release -> Q6
 *         Q6  sleep rings  acquire <- Q5
 *         Q7  open  fd     release -> Q8
 *         Q8  ring  fd     acquire <- Q7
 *         Q9  drop  fd_refs  sub acq_rel -> Q9      the ring before the descriptor is closed
 * A put that finds NULL rings nobody: the consumer has not armed, and looks before it does (Q3 fails).
 * Algorithm: Treiber's stack, taken whole (IBM RJ 5118, 1986), so that no address comes back. */
#include "future/queue.h"

#include "base/alloc.h"
#include "base/compiler.h"
#include "base/futex.h"
#include "base/notify.h"

#include <limits.h>

static char marks[3];
#define ARMED  ((struct fl_waiter *)(void *)&marks[0])
#define CLOSED ((struct fl_waiter *)(void *)&marks[1])
#define LOOSE  ((void *)&marks[2]) /* the user of a node that no future has: it goes when taken */

static void let_go_of_fd(struct fl_queue *q)
{
    int fd;

    if (fl_sub(&q->fd_refs, 1, acq_rel) != 1) /* Q9 */
        return;
    fd = fl_load(&q->fd, relaxed); /* settled by Q9 */
    if (fd >= 0)
        fl_notify_close(fd);
}

static void ring(struct fl_queue *q)
{
    int fd;

    fl_add(&q->rings, 1, release); /* Q5 */
    fl_futex_wake(&q->rings, INT_MAX);
    fd = fl_load(&q->fd, acquire); /* Q8 */
    if (fd >= 0)
        fl_notify_ring(fd);
    let_go_of_fd(q);
}

static void put(struct fl_listener *l, filch_future *f, struct fl_waiter *node)
{
    struct fl_queue *q = fl_container_of(l, struct fl_queue, listener);
    struct fl_waiter *head = fl_load(&q->done, relaxed); /* hint: the CAS decides */

    filch_future_retain(f);
    do {
        if (head == CLOSED) {
            filch_future_release(f); /* the settler's own is left */
            return;
        }
        node->queued = head != ARMED ? head : NULL;
    } while (!fl_cas_weak(&q->done, &head, node, acq_rel, relaxed)); /* Q1; hint: tried again */
    if (head == ARMED)
        ring(q);
}

void fl_queue_open(struct fl_queue *q, void (*free)(struct fl_listener *l))
{
    fl_listener_open(&q->listener, put, free);
    fl_init(&q->done, NULL);
    fl_init(&q->rings, 0);
    fl_init(&q->fd, -1);
    fl_init(&q->fd_refs, 1);
    q->ready = NULL;
}

static struct fl_waiter *oldest_first(struct fl_waiter *node)
{
    struct fl_waiter *first = NULL;

    while (node != NULL) {
        struct fl_waiter *older = node->queued;

        node->queued = first;
        first = node;
        node = older;
    }
    return first;
}

/* The queue's reference to the future goes on to the caller. */
static filch_future *take_apart(struct fl_waiter *node)
{
    filch_future *f = node->f;

    if (node->user == LOOSE)
        fl_free(node);
    return f;
}

bool fl_queue_has(struct fl_queue *q)
{
    struct fl_waiter *head;

    if (q->ready != NULL)
        return true;
    head = fl_load(&q->done, relaxed); /* hint: the swap decides */
    if (head == NULL || head == ARMED)
        return false;
    q->ready = oldest_first(fl_swap(&q->done, NULL, acquire)); /* Q2 */
    return true;
}

filch_future *fl_queue_take(struct fl_queue *q)
{
    struct fl_waiter *node;

    if (!fl_queue_has(q))
        return NULL;
    node = q->ready;
    q->ready = node->queued;
    return take_apart(node);
}

int fl_queue_put_over(struct fl_queue *q, filch_future *f)
{
    struct fl_waiter *node = fl_malloc(sizeof *node);

    if (node == NULL)
        return FILCH_ENOMEM;
    node->f = f;
    node->user = LOOSE;
    put(&q->listener, f, node);
    return 0;
}

int fl_queue_fd(struct fl_queue *q)
{
    struct fl_waiter *armed = ARMED;
    int fd = fl_load(&q->fd, relaxed); /* own word */

    if (fd >= 0)
        return fd;
    fd = fl_notify_open();
    if (fd < 0)
        return fd;
    fl_store(&q->fd, fd, release); /* Q7 */
    /* Armed anew, so that whoever rings has seen the descriptor; what came before is rung for here. */
    if (fl_cas(&q->done, &armed, NULL, relaxed, relaxed)) /* own word: only we arm */
        let_go_of_fd(q);
    if (!fl_queue_arm(q))
        fl_notify_ring(fd);
    return fd;
}

bool fl_queue_arm(struct fl_queue *q)
{
    struct fl_waiter *none = NULL;
    struct fl_waiter *armed = ARMED;
    int fd = fl_load(&q->fd, relaxed); /* own word */

    if (q->ready != NULL)
        return false;
    if (fd >= 0)
        fl_notify_drain(fd);
    /* Armed before, or so it seems: a comparison that succeeds has seen the newest. */
    fl_add(&q->fd_refs, 1, relaxed);                      /* count: we hold one */
    if (fl_cas(&q->done, &none, ARMED, release, relaxed)) /* Q3; hint: tried as armed next */
        return true;
    let_go_of_fd(q);
    if (fl_cas(&q->done, &armed, ARMED, release, relaxed)) /* Q3; hint: something has come */
        return true;
    if (fd >= 0)
        fl_notify_ring(fd); /* C2 */
    return false;
}

bool fl_queue_is_empty_now(struct fl_queue *q)
{
    return fl_load(&q->fd, relaxed) < 0 || fl_queue_arm(q); /* own word */
}

int fl_queue_sleep(struct fl_queue *q, filch_deadline deadline)
{
    for (;;) {
        uint32_t rings = fl_load(&q->rings, acquire); /* Q6 */

        if (!fl_queue_arm(q) || fl_queue_has(q))
            return 0;
        if (fl_futex_wait(&q->rings, rings, deadline) != 0)
            return fl_queue_has(q) ? 0 : FILCH_ETIMEDOUT;
    }
}

void fl_queue_close(struct fl_queue *q)
{
    struct fl_waiter *node = fl_swap(&q->done, CLOSED, acq_rel); /* Q4 */
    bool was_armed = node == ARMED;
    struct fl_waiter *left[2] = {q->ready, was_armed ? NULL : oldest_first(node)};

    for (int i = 0; i < 2; i++) {
        node = left[i];
        while (node != NULL) {
            struct fl_waiter *next = node->queued; /* the node goes with its future */

            filch_future_release(take_apart(node));
            node = next;
        }
    }
    if (was_armed)
        let_go_of_fd(q); /* for whom nobody will ring */
    let_go_of_fd(q);
    fl_listener_release(&q->listener);
}

bool fl_queue_has_some(const void *queue)
{
    return fl_queue_has((struct fl_queue *)(uintptr_t)queue);
}

int fl_queue_sleep_on(void *queue, filch_deadline deadline)
{
    return fl_queue_sleep(queue, deadline);
}
