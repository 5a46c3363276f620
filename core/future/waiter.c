/* SPDX-License-Identifier: MIT
 *
 * waiter.c: the nodes on a future: callbacks, and threads that wait for many futures.
 *
 * A node is pushed on the future's stack and stays there until the future is freed: nobody unlinks,
 * so nobody has to wait for somebody who is unlinking, and whoever holds a reference to the future
 * may walk the stack. A waiter that goes away early empties its node, and a later waiter moves in, so
 * that a future holds no more nodes than it ever had waiters at once. A thread that waits for one
 * future needs no node: it sleeps on the future's state (future.c).
 *
 * Words   waiters  of a future: a stack of nodes, youngest first, and then CLOSED for ever
 *         target   of a node: a group, VACANT, or TOLD for ever; of a callback's node NULL
 *         floor    of a future: after the stack has been taken, its nodes
 *         left     of a group: futures that have not told yet, and 1 while it is being registered
 *         fired    of a group: 1 once the wait is over; a futex
 *         refs     of a group: one for the waiter, one for each node that points to it
 * Always  W1  a node is told once: by the settler that took the stack; who comes later is refused
 *         W2  a group is touched through a node only by whoever took its pointer out of target, and
 *             that one then owns the node's reference
 *         W3  nodes live as long as the future
 * Orders  V1  push    waiters  CAS release -> V2 V3      a node before it is found
 *         V2  tell    waiters  swap acq_rel <- V1 -> V3  the outcome to those who are refused
 *         V3  walk    waiters  acquire <- V1 V2
 *         V4  move in target   CAS release -> V5         a group before it is told
 *         V5  tell    target   swap acquire <- V4
 *         V6  told    floor    release -> wait.c's J1    the state before it: no floor any more
 *         V7  fire    fired    swap release -> wait.c's J2
 *         V9  drop    refs     sub acq_rel -> V9
 *         V10 count   left     sub acq_rel -> V10        what each told before the last one fires */
#include "future/waiter.h"

#include "base/compiler.h"
#include "base/futex.h"

struct fl_waiter {
    struct fl_waiter *next;  /* the older one */
    struct fl_waiter *newer; /* the settler's */
    fl_atomic(struct fl_group *) target;
    filch_callback_fn *callback; /* NULL: target is it */
    void *user;
};

static char marks[2];
#define CLOSED ((struct fl_waiter *)(void *)&marks[0])
#define TOLD   ((struct fl_group *)(void *)&marks[1])
#define VACANT ((struct fl_group *)NULL)

struct fl_group *fl_group_create(enum filch_return_when when)
{
    struct fl_group *g = fl_malloc(sizeof *g);

    if (g == NULL)
        return NULL;
    fl_init(&g->fired, 0);
    fl_init(&g->refs, 1);
    fl_init(&g->left, 1);
    g->when = when;
    return g;
}

void fl_group_release(struct fl_group *g)
{
    if (fl_sub(&g->refs, 1, acq_rel) == 1) /* V9 */
        fl_free(g);
}

static bool is_enough(enum filch_return_when when, const filch_future *f)
{
    uint32_t phase = fl_future_phase(f);

    switch (when) {
    case FILCH_FIRST_COMPLETED:
        return true;
    case FILCH_FIRST_EXCEPTION:
        return phase == FL_FAILED;
    case FILCH_FIRST_SUCCESS:
        return phase == FL_FINISHED;
    case FILCH_ALL_COMPLETED:
        break;
    }
    return false;
}

void fl_group_tell(struct fl_group *g, const filch_future *f)
{
    bool enough = f != NULL && is_enough(g->when, f);

    if (fl_sub(&g->left, 1, acq_rel) == 1) /* V10 */
        enough = true;
    if (enough && fl_swap(&g->fired, 1, release) == 0) /* V7 */
        fl_futex_wake(&g->fired, 1);
}

/* A vacant node near the top, taken for g. */
static struct fl_waiter *move_in(struct fl_waiter *head, struct fl_group *g)
{
    enum {
        STEPS = 32
    }; /* past that, a new node costs less than the walk */
    struct fl_waiter *node = head;

    for (int i = 0; i < STEPS && node != NULL; i++, node = node->next) {
        struct fl_group *vacant = VACANT;

        if (node->callback == NULL &&
            fl_load(&node->target, relaxed) == VACANT &&         /* hint: the CAS */
            fl_cas(&node->target, &vacant, g, release, relaxed)) /* V4; hint: it was not vacant */
            return node;
    }
    return NULL;
}

static struct fl_waiter *node_create(struct fl_group *g, filch_callback_fn *callback, void *user)
{
    struct fl_waiter *node = fl_malloc(sizeof *node);

    if (node == NULL)
        return NULL;
    fl_init(&node->target, g);
    node->callback = callback;
    node->user = user;
    return node;
}

/* False: the future is over. */
static bool push(filch_future *f, struct fl_waiter *node)
{
    struct fl_waiter *head = fl_load(&f->waiters, acquire); /* V3 */

    do {
        if (head == CLOSED)
            return false;
        node->next = head;
    } while (!fl_cas_weak(&f->waiters, &head, node, release, acquire)); /* V1, on failure V3 */
    return true;
}

int fl_waiter_join(filch_future *f, struct fl_group *g, struct fl_waiter **node)
{
    struct fl_waiter *head = fl_load(&f->waiters, acquire); /* V3 */

    *node = NULL;
    if (head == CLOSED)
        return 0;
    fl_add(&g->refs, 1, relaxed); /* count: we hold one */
    *node = move_in(head, g);
    if (*node != NULL)
        return 0;
    *node = node_create(g, NULL, NULL);
    if (*node != NULL && push(f, *node))
        return 0;
    fl_group_release(g);
    if (*node == NULL)
        return FILCH_ENOMEM;
    fl_free(*node);
    *node = NULL;
    return 0;
}

void fl_waiter_leave(struct fl_waiter *node, struct fl_group *g)
{
    struct fl_group *mine = g;

    if (fl_cas(&node->target, &mine, VACANT, relaxed, relaxed)) /* hint: nothing goes with it */
        fl_group_release(g);
}

static void tell_one(filch_future *f, struct fl_waiter *node)
{
    if (node->callback != NULL) {
        node->callback(f, node->user);
        return;
    }
    struct fl_group *g = fl_swap(&node->target, TOLD, acquire); /* V5 */
    if (g == VACANT)
        return;
    fl_group_tell(g, f);
    fl_group_release(g);
}

void fl_waiters_tell(filch_future *f)
{
    struct fl_waiter *head = fl_swap(&f->waiters, CLOSED, acq_rel); /* V2 */
    struct fl_waiter *newer = NULL;

    fl_store(&f->floor, (uint64_t)(uintptr_t)head, release); /* V6 */
    if (fl_likely(head == NULL))
        return;
    for (struct fl_waiter *node = head; node != NULL; node = node->next) {
        node->newer = newer;
        newer = node;
    }
    for (struct fl_waiter *node = newer; node != NULL; node = node->newer)
        tell_one(f, node);
}

void fl_waiters_free(filch_future *f)
{
    struct fl_waiter *node = fl_load(&f->waiters, relaxed); /* settled by F6 (future.c) */

    if (node == CLOSED)
        node = (struct fl_waiter *)(uintptr_t)fl_load(&f->floor,
                                                      relaxed); /* settled by F6 (future.c) */
    while (node != NULL) {
        struct fl_waiter *next = node->next;

        fl_free(node);
        node = next;
    }
}

int filch_future_add_done_callback(filch_future *f, filch_callback_fn *fn, void *user)
{
    struct fl_waiter *node;

    if (f == NULL || fn == NULL)
        return FILCH_EINVAL;
    if (fl_future_phase(f) <
        FL_OVER) { /* over, it is called here, whoever else is still being told */
        node = node_create(NULL, fn, user);
        if (node == NULL)
            return FILCH_ENOMEM;
        if (push(f, node))
            return 0;
        fl_free(node);
    }
    fn(f, user);
    return 0;
}
