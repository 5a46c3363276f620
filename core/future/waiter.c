/* SPDX-License-Identifier: MIT
 *
 * waiter.c: the nodes on a future: callbacks, and listeners: threads that wait for many futures, and
 * queues of what is over (event/cq.c).
 *
 * A node is pushed on the future's stack and stays there until the future is freed: nobody unlinks,
 * so nobody has to wait for somebody who is unlinking, and whoever holds a reference to the future
 * may walk the stack. A waiter that goes away early empties its node and puts it on a second stack,
 * which hangs from the first node that the future ever had; a later waiter moves in there, so that a
 * future holds no more nodes than it ever had waiters at once. A thread that waits for one
 * future needs no node: it sleeps on the future's state (future.c).
 *
 * Words   waiters  of a future: a stack of nodes, youngest first, and then CLOSED for ever
 *         vacant, next_vacant   of a future's first node: a stack of nodes that were left, its head with
 *                  a count of moves
 *         target   of a node: a listener, VACANT, or TOLD for ever; of a callback's node NULL
 *         floor    of a future: after the stack has been taken, its nodes
 *         left     of a group: futures that have not told yet, and 1 while it is being registered
 *         missing  of a group for FILCH_AT_LEAST: how many have to tell yet; wraps when more do
 *         fired    of a group: 1 once the wait is over; a futex
 *         refs     of a listener: one for its owner, one for each node that points to it
 * Always  W1  a node is told once: by the settler that took the stack; who comes later is refused
 *         W2  a listener is touched through a node only by whoever took its pointer out of target, and
 *             that one then owns the node's reference
 *         W3  nodes live as long as the future
 * Orders  V1  push    waiters  CAS release -> V2 V3      a node before it is found
 *         V2  tell    waiters  swap acq_rel <- V1 -> V3  the outcome to those who are refused
 *         V3  walk    waiters  acquire <- V1 V2
 *         V4  move in target   CAS release -> V5 V8      a listener before it is told
 *         V5  tell    target   swap acquire <- V4
 *         V6  told    floor    release -> wait.c's J1    the state before it: no floor any more
 *         V7  fire    fired    swap release -> wait_many.c's J2
 *         V8  free    target   acquire <- V4         a listener before its reference is given back
 *         V9  drop    refs     sub acq_rel -> V9
 *         V10 count   left     sub acq_rel -> V10        what each told before the last one fires
 *         V11 leave   vacant   CAS release -> V12        a node that is left before another moves in
 *         V12 take    vacant   CAS acquire <- V11
 *         V13 count   missing  sub acq_rel -> V13        what each told before the one fires that was
 *                                                        missing last */
#include "future/waiter.h"

#include "base/compiler.h"
#include "base/futex.h"
#include "base/thread.h"

static char marks[2];
#define CLOSED ((struct fl_waiter *)(void *)&marks[0])
#define TOLD   ((struct fl_listener *)(void *)&marks[1])
#define VACANT ((struct fl_listener *)NULL)

void fl_listener_open(struct fl_listener *l,
                      void (*tell)(struct fl_listener *l, filch_future *f, struct fl_waiter *node),
                      void (*free)(struct fl_listener *l))
{
    l->tell = tell;
    l->free = free;
    fl_init(&l->refs, 1);
}

void fl_listener_release(struct fl_listener *l)
{
    if (fl_sub(&l->refs, 1, acq_rel) == 1) /* V9 */
        l->free(l);
}

static void group_told(struct fl_listener *l, filch_future *f, struct fl_waiter *node)
{
    (void)node;
    fl_group_tell(fl_container_of(l, struct fl_group, listener), f);
}

static void group_free(struct fl_listener *l)
{
    fl_free(fl_container_of(l, struct fl_group, listener));
}

struct fl_group *fl_group_create(enum filch_return_when when)
{
    struct fl_group *g = fl_malloc(sizeof *g);

    if (g == NULL)
        return NULL;
    fl_listener_open(&g->listener, group_told, group_free);
    fl_init(&g->fired, 0);
    fl_init(&g->left, 1);
    fl_init(&g->missing, 0);
    g->when = when;
    return g;
}

void fl_group_release(struct fl_group *g)
{
    fl_listener_release(&g->listener);
}

static bool is_enough(struct fl_group *g, const filch_future *f)
{
    uint32_t phase = fl_future_phase(f);

    switch (g->when) {
    case FILCH_FIRST_COMPLETED:
        return true;
    case FILCH_FIRST_EXCEPTION:
        return phase == FL_FAILED;
    case FILCH_FIRST_SUCCESS:
        return phase == FL_FINISHED;
    case FILCH_AT_LEAST:
        return fl_sub(&g->missing, 1, acq_rel) == 1; /* V13 */
    case FILCH_ALL_COMPLETED:
        break;
    }
    return false;
}

void fl_group_tell(struct fl_group *g, const filch_future *f)
{
    bool enough = f != NULL && is_enough(g, f);

    if (fl_sub(&g->left, 1, acq_rel) == 1) /* V10 */
        enough = true;
    if (enough && fl_swap(&g->fired, 1, release) == 0) /* V7 */
        fl_futex_wake(&g->fired, 1);
}

/* The head of a stack of vacant nodes: an address, and above it how often the head has moved, so that
 * one that comes back is known. Should that wrap around within one pop, a vacant node is lost or taken
 * for vacant when it is not: whoever moves in finds that out. */
enum {
    ADDRESS_BITS = 48
};

static struct fl_waiter *node_of(uint64_t head)
{
    return (struct fl_waiter *)(uintptr_t)(head & ((UINT64_C(1) << ADDRESS_BITS) - 1));
}

static uint64_t moved(uint64_t head, const struct fl_waiter *node)
{
    return ((head >> ADDRESS_BITS) + 1) << ADDRESS_BITS | (uintptr_t)node;
}

static void push_vacant(struct fl_waiter *node)
{
    fl_atomic(uint64_t) *vacant = &node->first->vacant;
    uint64_t head = fl_load(vacant, relaxed); /* hint: the CAS decides */

    if ((uint64_t)(uintptr_t)node >> ADDRESS_BITS != 0)
        return; /* a wider address than any system gives unasked: it is not used again */
    do {
        fl_store(&node->next_vacant, node_of(head), relaxed); /* settled by V11 */
    } while (!fl_cas_weak(vacant, &head, moved(head, node), release,
                          relaxed)); /* V11; hint: tried again */
}

/* Nodes live as long as their future, so that one that another has popped may still be read. */
static struct fl_waiter *pop_vacant(struct fl_waiter *first)
{
    uint64_t head = fl_load(&first->vacant, acquire); /* V12 */
    struct fl_waiter *node;
    struct fl_waiter *next;

    do {
        node = node_of(head);
        if (node == NULL)
            return NULL;
        next = fl_load(&node->next_vacant,
                       relaxed); /* settled by V12: the CAS throws away another's */
    } while (!fl_cas_weak(&first->vacant, &head, moved(head, next), acquire, acquire)); /* V12 */
    return node;
}

/* A vacant node, taken for l. */
static struct fl_waiter *move_in(struct fl_waiter *head, struct fl_listener *l)
{
    struct fl_waiter *node = head != NULL ? pop_vacant(head->first) : NULL;
    struct fl_listener *vacant = VACANT;

    if (node != NULL &&
        fl_cas(&node->target, &vacant, l, release, relaxed)) /* V4; hint: the future is over */
        return node;
    return NULL;
}

static struct fl_waiter *node_create(filch_future *f, struct fl_listener *l,
                                     filch_callback_fn *callback, void *user)
{
    struct fl_waiter *node = fl_malloc(sizeof *node);

    if (node == NULL)
        return NULL;
    fl_init(&node->target, l);
    node->f = f;
    node->callback = callback;
    node->user = user;
    node->first = node;
    fl_init(&node->vacant, 0);
    fl_init(&node->next_vacant, NULL);
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
        node->first = head != NULL ? head->first : node;
    } while (!fl_cas_weak(&f->waiters, &head, node, release, acquire)); /* V1, on failure V3 */
    return true;
}

int fl_waiter_join(filch_future *f, struct fl_listener *l, struct fl_waiter **node)
{
    struct fl_waiter *head = fl_load(&f->waiters, acquire); /* V3 */

    *node = NULL;
    if (head == CLOSED)
        return 0;
    fl_add(&l->refs, 1, relaxed); /* count: we hold one */
    *node = move_in(head, l);
    if (*node != NULL)
        return 0;
    *node = node_create(f, l, NULL, NULL);
    if (*node != NULL && push(f, *node))
        return 0;
    fl_listener_release(l);
    if (*node == NULL)
        return FILCH_ENOMEM;
    fl_free(*node);
    *node = NULL;
    return 0;
}

bool fl_waiter_leave(struct fl_waiter *node, struct fl_listener *l)
{
    struct fl_listener *mine = l;

    if (!fl_cas(&node->target, &mine, VACANT, relaxed,
                relaxed)) /* settled by V11; hint: it is told */
        return false;
    push_vacant(node);
    fl_listener_release(l);
    return true;
}

static void release_listener(struct fl_listener **l)
{
    fl_listener_release(*l);
}

static void tell_one(filch_future *f, struct fl_waiter *node)
{
    if (node->callback != NULL) {
        node->callback(f, node->user);
        return;
    }
    struct fl_listener *l = fl_swap(&node->target, TOLD, acquire); /* V5 */
    if (l == VACANT)
        return;

    struct fl_listener *told fl_cleanup(release_listener) = l;
    l->tell(told, f, node);
}

struct telling {
    struct fl_self *self;
    struct fl_waiter *next;
    bool is_done;
};

static void tell_all(struct fl_self *self, struct fl_waiter *oldest);

/* If one of them has ended the thread, the others are told all the same. */
static void end_telling(struct telling *t)
{
    if (!t->is_done)
        tell_all(t->self, t->next);
    t->self->telling--;
    if (!t->is_done && t->self->telling == 0)
        fl_waiters_catch_up();
}

static void tell_all(struct fl_self *self, struct fl_waiter *oldest)
{
    struct telling t fl_cleanup(end_telling) = {self, oldest, false};

    self->telling++;
    while (t.next != NULL) {
        struct fl_waiter *node = t.next;

        t.next = node->newer;
        tell_one(node->f, node);
    }
    t.is_done = true;
}

/* A callback that completes a future whose callback completes a future would grow the stack without a
 * bound. Beyond a depth the nodes wait in their thread, with a reference to their future. */
static void put_off(struct fl_self *self, struct fl_waiter *oldest)
{
    struct fl_waiter *last = self->untold_last;

    filch_future_retain(oldest->f);
    oldest->queued = NULL;
    if (self->untold == NULL)
        self->untold = oldest;
    else
        last->queued = oldest;
    self->untold_last = oldest;
}

static void release_future(filch_future **f)
{
    filch_future_release(*f);
}

void fl_waiters_catch_up(void)
{
    struct fl_self *self = fl_self();
    struct fl_waiter *oldest;

    while ((oldest = self->untold) != NULL) {
        filch_future *f fl_cleanup(release_future) = oldest->f;

        self->untold = oldest->queued;
        tell_all(self, oldest);
    }
}

void fl_waiters_tell(filch_future *f)
{
    enum {
        DEPTH = 8
    };
    struct fl_waiter *head = fl_swap(&f->waiters, CLOSED, acq_rel); /* V2 */
    struct fl_waiter *newer = NULL;
    struct fl_self *self;

    fl_store(&f->floor, (uint64_t)(uintptr_t)head, release); /* V6 */
    if (fl_likely(head == NULL))
        return;
    for (struct fl_waiter *node = head; node != NULL; node = node->next) {
        node->newer = newer;
        newer = node;
    }
    self = fl_self();
    if (self->telling >= DEPTH) {
        put_off(self, newer);
        return;
    }
    tell_all(self, newer);
    if (self->telling == 0)
        fl_waiters_catch_up();
}

enum {
    WITHHOLDS = 1 << 16 /* deep enough that all is put off */
};

void fl_waiters_withhold(struct fl_withheld *before)
{
    struct fl_self *self = fl_self();

    *before = (struct fl_withheld){self->untold, self->untold_last};
    self->untold = NULL;
    self->telling += WITHHOLDS;
}

struct fl_waiter *fl_waiters_withheld(const struct fl_withheld *before)
{
    struct fl_self *self = fl_self();
    struct fl_waiter *oldest = self->untold;

    self->telling -= WITHHOLDS;
    self->untold = before->untold;
    self->untold_last = before->untold_last;
    return oldest;
}

void fl_waiters_tell_withheld(struct fl_waiter *oldest)
{
    while (oldest != NULL) {
        filch_future *f fl_cleanup(release_future) = oldest->f;
        struct fl_waiter *next = oldest->queued;

        tell_all(fl_self(), oldest);
        oldest = next;
    }
    fl_waiters_catch_up();
}

/* Nobody has been told, if the future was never decided: a listener gets its reference back. */
void fl_waiters_free(filch_future *f)
{
    struct fl_waiter *node = fl_load(&f->waiters, relaxed); /* settled by F6 (future.c) */
    bool was_told = node == CLOSED;

    if (was_told)
        node = (struct fl_waiter *)(uintptr_t)fl_load(&f->floor,
                                                      relaxed); /* settled by F6 (future.c) */
    while (node != NULL) {
        struct fl_waiter *next = node->next;
        struct fl_listener *l = fl_load(&node->target, acquire); /* V8 */

        if (!was_told && l != VACANT)
            fl_listener_release(l);
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
        node = node_create(f, NULL, fn, user);
        if (node == NULL)
            return FILCH_ENOMEM;
        if (push(f, node))
            return 0;
        fl_free(node);
    }
    fn(f, user);
    return 0;
}
