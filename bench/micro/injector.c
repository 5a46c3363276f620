/* SPDX-License-Identifier: MIT
 *
 * injector.c: Concurrency Kit's queue or ours, where tasks come in from outside?
 *
 * Ours is a lane (sched/push.c): a deque that nobody pops, behind a swap that takes hold of it and
 * one that lets go; it grows, and producers that meet take different lanes. CK's is ck_ring, many to
 * many, bounded to 1024 here: a producer that has reserved a slot makes those behind it spin until it
 * has filled it. ck_fifo_mpmc is not in the race: in CK up to 0.7.2 it can say "empty" when it is not.
 *
 * alone      one thread puts 64 and takes 64
 * pair       one thread puts, another takes, at the same time
 * crowd      two threads put and take at the same time
 * Each is checked by the sum of what was taken, except that in a crowd the two sums are added up. */
#include "micro/micro.h"

#include <stdlib.h>

#include <ck_ring.h>

#include "base/atomic.h"
#include "base/compiler.h"
#include "base/thread.h"
#include "driver/bench.h"
#include "queue/deque.h"
#include "shim/gbench.h"

enum {
    AT_ONCE = 64,
    SLOTS = 1024,
    THREADS = 2,
    PATIENCE = 1000 /* turns of spinning before the CPU is given away */
};

/* Words   held   1: somebody pushes by this lane */
struct lane {
    _Alignas(FL_LINE_PAIR) fl_atomic(uint32_t) held;
    struct fl_deque deque;
};

static struct {
    struct fl_heap heap;
    struct lane lane[THREADS];
    _Alignas(FL_LINE_PAIR) ck_ring_t ring;
    ck_ring_buffer_t *slots;
} all;

/* The i-th thread puts value; false: full. */
typedef bool put_fn(int i, uintptr_t value);
/* NULL: empty. */
typedef void *take_fn(int i);

struct queue {
    const char *name;
    put_fn *put;
    take_fn *take;
};

static bool lane_put(int i, uintptr_t value)
{
    struct lane *lane = &all.lane[i];

    while (fl_swap(&lane->held, 1, acq_rel) != 0)
        fl_relax();
    bench_must(fl_deque_reserve(&lane->deque, 1), "room in a lane");
    fl_deque_push(&lane->deque, (struct fl_task *)value);
    fl_swap(&lane->held, 0, acq_rel);
    return true;
}

static void *lane_take(int i)
{
    struct fl_task *task = NULL;

    for (int k = 0; k < THREADS && task == NULL; k++)
        task = fl_deque_shift(&all.lane[(i + k) % THREADS].deque);
    return task;
}

static bool ring_put(int i, uintptr_t value)
{
    (void)i;
    return ck_ring_enqueue_mpmc(&all.ring, all.slots, (void *)value);
}

static void *ring_take(int i)
{
    void *value = NULL;

    (void)i;
    return ck_ring_dequeue_mpmc(&all.ring, all.slots, &value) ? value : NULL;
}

static const struct queue lanes = {"ours", lane_put, lane_take};
static const struct queue ring = {"ck_ring_mpmc", ring_put, ring_take};

/* On two CPUs the other thread may be the one that is not running. */
static void wait_a_little(int *turns)
{
    if (++*turns % PATIENCE == 0)
        fl_thread_yield();
    else
        fl_relax();
}

static void put_until_in(const struct queue *q, int i, uintptr_t value)
{
    int turns = 0;

    while (!q->put(i, value))
        wait_a_little(&turns);
}

static uintptr_t take_until_there(const struct queue *q, int i)
{
    void *value;
    int turns = 0;

    while ((value = q->take(i)) == NULL)
        wait_a_little(&turns);
    return (uintptr_t)value;
}

static void alone(struct gbench *g, void *arg)
{
    const struct queue *q = arg;

    while (gbench_batch(g, AT_ONCE)) {
        for (uintptr_t v = 1; v <= AT_ONCE; v++)
            put_until_in(q, 0, 8 * v);
        for (uintptr_t v = 1; v <= AT_ONCE; v++) {
            if (take_until_there(q, 0) != 8 * v)
                gbench_fail(g, "not in order");
        }
    }
}

/* Both threads are given the same number of turns, so nothing is left over. */
static void pair(struct gbench *g, void *arg)
{
    const struct queue *q = arg;
    uintptr_t put = 0;
    uintptr_t taken = 0;

    if (gbench_thread(g) == 0) {
        while (gbench_once(g))
            put_until_in(q, 0, 8 * ++put);
        return;
    }
    while (gbench_once(g)) {
        if (take_until_there(q, 0) != 8 * ++taken)
            gbench_fail(g, "not in order");
    }
}

/* Words   sum[k]   of the queue's numbers put, less those taken: a count, read when both are through
 *         through  threads that have added theirs */
static void crowd(struct gbench *g, void *arg)
{
    static fl_atomic(uintptr_t) sum;
    static fl_atomic(unsigned) through;
    const struct queue *q = arg;
    int i = gbench_thread(g);
    uintptr_t v = 0;
    uintptr_t left = 0;

    while (gbench_once(g)) {
        v++;
        put_until_in(q, i, 8 * v);
        left += 8 * v - take_until_there(q, i);
    }
    fl_add(&sum, left, acq_rel);
    if (fl_add(&through, 1, acq_rel) % THREADS == THREADS - 1 && fl_swap(&sum, 0, acq_rel) != 0)
        gbench_fail(g, "what was taken is not what was put");
}

static void add(const char *load, const struct queue *q, gbench_fn *fn, int threads)
{
    char name[64];

    snprintf(name, sizeof name, "injector/%s/%s", load, q->name);
    gbench_register(name, fn, (void *)(uintptr_t)q, threads);
}

void micro_injector_register(void)
{
    static const struct queue *const queues[] = {&lanes, &ring};

    fl_heap_open(&all.heap, NULL);
    for (int i = 0; i < THREADS; i++)
        bench_must(fl_deque_open(&all.lane[i].deque, &all.heap), "a lane");
    all.slots = bench_alloc(SLOTS, sizeof *all.slots);
    ck_ring_init(&all.ring, SLOTS);
    for (int i = 0; i < 2; i++) {
        add("alone", queues[i], alone, 1);
        add("pair", queues[i], pair, 2);
        add("crowd", queues[i], crowd, 2);
    }
}
