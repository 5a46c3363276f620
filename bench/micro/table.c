/* SPDX-License-Identifier: MIT
 *
 * table.c: Concurrency Kit's hash table or ours, where functions have names?
 *
 * CK's is queue/table.c as the library has it: ck_ht over byte strings. Ours is what it would be in
 * C11: an open table for keys of one word, linear probing, filled by one writer at a time, read
 * without locks. The keys are addresses of functions, 16 bytes apart.
 *
 * get/n    a key that is there, of n
 * miss/n   a key that is not
 * fill/n   an empty table is made, n keys are put, the table is freed: for each key */
#include "micro/micro.h"

#include <stdlib.h>

#include "base/atomic.h"
#include "driver/bench.h"
#include "queue/table.h"
#include "shim/gbench.h"

enum {
    AT_ONCE = 64,
    KEY_STEP = 16,
    FIRST_KEY = 0x401000
};

/* Words   key     0, then a key for ever
 *         value   of that key
 * Orders  O1  put  key  release -> O2    the value before the key that shows it
 *         O2  get  key  acquire <- O1 */
struct cell {
    fl_atomic(uintptr_t) key;
    fl_atomic(void *) value;
};

struct open_table {
    size_t cells;
    struct cell *cell;
};

static size_t place_of(const struct open_table *t, uintptr_t key)
{
    return (size_t)((key * UINT64_C(0x9E3779B97F4A7C15)) >> 20) & (t->cells - 1);
}

static void open_table_put(struct open_table *t, uintptr_t key, void *value)
{
    size_t i = place_of(t, key);

    while (fl_load(&t->cell[i].key, relaxed) != 0) /* own word: one writer at a time */
        i = (i + 1) & (t->cells - 1);
    fl_store(&t->cell[i].value, value, relaxed); /* settled by O1 */
    fl_store(&t->cell[i].key, key, release);     /* O1 */
}

static void *open_table_get(const struct open_table *t, uintptr_t key)
{
    for (size_t i = place_of(t, key);; i = (i + 1) & (t->cells - 1)) {
        uintptr_t there = fl_load(&t->cell[i].key, acquire); /* O2 */

        if (there == key)
            return fl_load(&t->cell[i].value, relaxed); /* settled by O2 */
        if (there == 0)
            return NULL;
    }
}

/* Twice as many cells as keys: as full as ck_ht lets its map become. */
static void open_table_open(struct open_table *t, size_t n)
{
    t->cells = 32;
    while (t->cells < 2 * n)
        t->cells *= 2;
    t->cell = bench_alloc(t->cells, sizeof *t->cell);
}

struct kind {
    const char *name;
    size_t n;
    bool is_ck;
};

struct either {
    const struct kind *kind;
    struct fl_heap heap;
    struct fl_table *cks;
    struct open_table ours;
};

static void put(struct either *e, uintptr_t key)
{
    if (e->kind->is_ck)
        bench_must(fl_table_put(e->cks, &key, sizeof key, (void *)key), "a name");
    else
        open_table_put(&e->ours, key, (void *)key);
}

static void *get(struct either *e, uintptr_t key)
{
    return e->kind->is_ck ? fl_table_get(e->cks, &key, sizeof key) : open_table_get(&e->ours, key);
}

static uintptr_t key_of(size_t i)
{
    return FIRST_KEY + i * KEY_STEP;
}

static void fill(struct either *e, const struct kind *kind)
{
    e->kind = kind;
    fl_heap_open(&e->heap, NULL);
    if (kind->is_ck)
        bench_must(fl_table_create(&e->cks, &e->heap), "a table");
    else
        open_table_open(&e->ours, kind->n);
    for (size_t i = 0; i < kind->n; i++)
        put(e, key_of(i));
}

static void empty(struct either *e)
{
    if (e->kind->is_ck)
        fl_table_destroy(e->cks);
    else
        free(e->ours.cell);
    fl_heap_close(&e->heap);
}

/* Steps through the keys by a number that has no factor in common with how many there are. */
static void look_up(struct gbench *g, const struct kind *kind, uintptr_t beside)
{
    struct either e;
    size_t i = 0;

    fill(&e, kind);
    while (gbench_batch(g, AT_ONCE)) {
        for (int k = 0; k < AT_ONCE; k++) {
            uintptr_t key = key_of(i) + beside;

            if (get(&e, key) != (beside == 0 ? (void *)key : NULL))
                gbench_fail(g, "the table gave the wrong value");
            i = (i + 7) % kind->n;
        }
    }
    empty(&e);
}

static void hit(struct gbench *g, void *arg)
{
    look_up(g, arg, 0);
}

static void miss(struct gbench *g, void *arg)
{
    look_up(g, arg, KEY_STEP / 2);
}

static void make(struct gbench *g, void *arg)
{
    const struct kind *kind = arg;

    while (gbench_batch(g, (int64_t)kind->n)) {
        struct either e;

        fill(&e, kind);
        empty(&e);
    }
}

void micro_table_register(void)
{
    static const struct kind kinds[] = {
        {"ours", 16, false}, {"ck_ht", 16, true}, {"ours", 4096, false}, {"ck_ht", 4096, true}};
    static const struct {
        const char *name;
        gbench_fn *fn;
    } loads[] = {{"get", hit}, {"miss", miss}, {"fill", make}};

    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        for (size_t l = 0; l < sizeof loads / sizeof loads[0]; l++) {
            char name[64];

            snprintf(name, sizeof name, "table/%s/keys:%zu/%s", loads[l].name, kinds[k].n,
                     kinds[k].name);
            gbench_register(name, loads[l].fn, (void *)(uintptr_t)&kinds[k], 1);
        }
    }
}
