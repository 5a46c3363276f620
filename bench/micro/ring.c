/* SPDX-License-Identifier: MIT
 *
 * ring.c: Concurrency Kit's ring or ours, where a worker writes its trace and one thread reads it?
 *
 * CK's is queue/ring.c as the library has it: ck_ring, one to one, its counters over records in
 * place. Ours is what it would be in C11: the same ring on two words, each side with a copy of the
 * other's so that it reads the other's line only when it has to. Both carry a trace event's 32 bytes.
 *
 * alone   one thread puts 64 and takes 64
 * pair    one thread puts, another takes, at the same time */
#include "micro/micro.h"

#include <string.h>

#include "base/atomic.h"
#include "base/thread.h"
#include "driver/bench.h"
#include "queue/ring.h"
#include "shim/gbench.h"

enum {
    AT_ONCE = 64,
    RECORDS = 1024,
    PATIENCE = 1000
};

struct record {
    uint64_t number;
    uint64_t rest[3];
};
_Static_assert(sizeof(struct record) == sizeof(filch_trace_event), "a trace event's size");

/* Words   put     records put, ever; the writer's
 *         taken   records taken, ever; the reader's
 * Always  put - taken is at most RECORDS
 * Orders  R1  put    put    release -> R2    the record before the count that shows it
 *         R2  take   put    acquire <- R1
 *         R3  take   taken  release -> R4    the record is read before its place is free
 *         R4  put    taken  acquire <- R3 */
static struct {
    _Alignas(FL_LINE_PAIR) fl_atomic(uint64_t) put;
    uint64_t taken_seen; /* the writer's */
    _Alignas(FL_LINE_PAIR) fl_atomic(uint64_t) taken;
    uint64_t put_seen; /* the reader's */
    _Alignas(FL_LINE_PAIR) struct record record[RECORDS];
} ours;

static struct fl_ring *cks;

static bool ours_put(const struct record *record)
{
    uint64_t put = fl_load(&ours.put, relaxed); /* own word */

    if (put - ours.taken_seen == RECORDS) {
        ours.taken_seen = fl_load(&ours.taken, acquire); /* R4 */
        if (put - ours.taken_seen == RECORDS)
            return false;
    }
    memcpy(&ours.record[put % RECORDS], record, sizeof *record);
    fl_store(&ours.put, put + 1, release); /* R1 */
    return true;
}

static bool ours_take(struct record *record)
{
    uint64_t taken = fl_load(&ours.taken, relaxed); /* own word */

    if (taken == ours.put_seen) {
        ours.put_seen = fl_load(&ours.put, acquire); /* R2 */
        if (taken == ours.put_seen)
            return false;
    }
    memcpy(record, &ours.record[taken % RECORDS], sizeof *record);
    fl_store(&ours.taken, taken + 1, release); /* R3 */
    return true;
}

static bool cks_put(const struct record *record)
{
    return fl_ring_push(cks, record);
}

static bool cks_take(struct record *record)
{
    return fl_ring_pop(cks, record);
}

struct kind {
    const char *name;
    bool (*put)(const struct record *record);
    bool (*take)(struct record *record);
};

static const struct kind kinds[] = {{"ours", ours_put, ours_take},
                                    {"ck_ring_spsc", cks_put, cks_take}};

static void wait_a_little(int *turns)
{
    if (++*turns % PATIENCE == 0)
        fl_thread_yield();
    else
        fl_relax();
}

static void put(const struct kind *kind, uint64_t number)
{
    struct record record = {.number = number};
    int turns = 0;

    while (!kind->put(&record))
        wait_a_little(&turns);
}

static void take(struct gbench *g, const struct kind *kind, uint64_t number)
{
    struct record record;
    int turns = 0;

    while (!kind->take(&record))
        wait_a_little(&turns);
    if (record.number != number)
        gbench_fail(g, "not in order");
}

static void alone(struct gbench *g, void *arg)
{
    const struct kind *kind = arg;

    while (gbench_batch(g, AT_ONCE)) {
        for (uint64_t i = 0; i < AT_ONCE; i++)
            put(kind, i);
        for (uint64_t i = 0; i < AT_ONCE; i++)
            take(g, kind, i);
    }
}

static void pair(struct gbench *g, void *arg)
{
    const struct kind *kind = arg;
    uint64_t i = 0;

    if (gbench_thread(g) == 0) {
        while (gbench_once(g))
            put(kind, i++);
        return;
    }
    while (gbench_once(g))
        take(g, kind, i++);
}

void micro_ring_register(void)
{
    static struct fl_heap heap;

    fl_heap_open(&heap, NULL);
    bench_must(fl_ring_create(&cks, &heap, RECORDS - 1, sizeof(struct record)), "a ring");
    for (int i = 0; i < 2; i++) {
        char name[64];

        snprintf(name, sizeof name, "ring/alone/%s", kinds[i].name);
        gbench_register(name, alone, (void *)(uintptr_t)&kinds[i], 1);
        snprintf(name, sizeof name, "ring/pair/%s", kinds[i].name);
        gbench_register(name, pair, (void *)(uintptr_t)&kinds[i], 2);
    }
}
