/* SPDX-License-Identifier: MIT
 *
 * memory.c: what the threads of an execution see: weak memory, races, and a heap that forgets nothing.
 *
 * Atomic words keep their last stores, in the order of the execution. A load may return any store
 * that is not older than one its thread knows of: one that happened before, or that something which
 * happened before has read (coherence), or that a seq_cst fence or access has put in the single
 * order. This is RC11 (Lahav, Vafeiadis, Kang, Hur & Dreyer, PLDI 2017) executed step by step, as
 * far as an execution order can: a load never returns what is stored later, and the modification
 * order of a word is the order of execution. What release and acquire, fences and release sequences
 * (C++20's: read-modify-writes alone go on with one) hand over are two clocks: hb, which orders
 * plain accesses, and coh, which has hb and beside it what seq_cst fences have made visible; a race
 * between plain accesses is not mended by a fence that happens to stand in between.
 *
 * Each 8 bytes of the simulated heap, the stacks and the program's variables have a cell: which
 * accesses were last, and whether they are poisoned. Two accesses race if one is plain, one writes
 * and neither is in the other's past (FastTrack: Flanagan & Freund, PLDI 2009, with slots as in
 * ThreadSanitizer). The heap is never used twice within an execution, so that an access to what was
 * freed is always found, and begins anew at the same addresses in the next. */
#include "sim/inside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    STORES = 12,      /* of one word that are remembered */
    WORDS = 1 << 14,  /* atomic words of one execution */
    BLOCKS = 1 << 13, /* allocations of one execution */
    SLOTS = 5,        /* accesses to one cell that are remembered */
    HEAP_BYTES = 16 * 1024 * 1024,
    STALE_IN_A_ROW = 2 /* the same old store, by one thread: C11 wants it to end some time */
};

struct store {
    uint64_t value;
    uint32_t seen[SIM_THREADS]; /* since which of a thread's steps it knows of this one; 0: not */
    uint32_t sc;                /* its place among the seq_cst stores; 0: none */
    uint32_t epoch;
    uint8_t thread;
    bool has_release;
    struct sim_clock hb, coh; /* what an acquire load learns */
};

struct word {
    uint32_t first, n; /* a ring of stores, oldest first */
    uint32_t stale[SIM_THREADS];
    struct store store[STORES];
};

struct slot {
    uint32_t epoch;
    uint32_t pc;
    uint8_t thread;
    uint8_t mask; /* which of the 8 bytes */
    bool is_write, is_atomic;
};

struct cell {
    uint32_t generation;
    uint16_t word[4]; /* of the word that begins at each 2 bytes: 1 + its index; 0: none */
    bool is_poisoned;
    uint8_t n;
    uint16_t block; /* 1 + the index of the one that was found here; 0: not looked for */
    struct slot slot[SLOTS];
};

struct block {
    uintptr_t start, end;
    uint32_t epoch;
    uint8_t thread;
    bool is_freed;
    struct sim_stack made, freed;
};

/* Addresses that are looked at, and their cells. */
struct range {
    uintptr_t start, end;
    struct cell *cells;
};

static struct range ranges[3]; /* heap, stacks, variables */
static struct word *words;
static unsigned words_n;
static struct block *blocks;
static unsigned blocks_n;
static uintptr_t heap_next;
static struct sim_clock sc_clock; /* what all seq_cst fences so far have put in order */
static uint32_t sc_count;

extern char __data_start, _end; /* the linker's: where the program's variables are */

static void *reserve(size_t bytes, uintptr_t at)
{
    void *p = mmap(
        (void *)at, bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (at != 0 ? MAP_FIXED_NOREPLACE : 0), -1, 0);
    if (p == MAP_FAILED) {
        perror("sim: mmap");
        exit(2);
    }
    return p;
}

static void range_open(struct range *r, uintptr_t start, size_t bytes)
{
    r->start = start & ~(uintptr_t)7;
    r->end = start + bytes;
    r->cells = reserve((bytes / 8 + 2) * sizeof(struct cell), 0);
}

void sim_memory_open(void)
{
    uintptr_t heap = (uintptr_t)reserve(HEAP_BYTES, UINT64_C(0x100000000000));

    range_open(&ranges[0], heap, HEAP_BYTES);
    range_open(&ranges[1], (uintptr_t)sim_stacks, (size_t)SIM_THREADS * SIM_STACK_BYTES);
    range_open(&ranges[2], (uintptr_t)&__data_start, (size_t)(&_end - &__data_start));
    words = reserve(WORDS * sizeof words[0], 0);
    blocks = reserve(BLOCKS * sizeof blocks[0], 0);
}

void sim_memory_reset(void)
{
    words_n = 0;
    blocks_n = 0;
    heap_next = ranges[0].start + 4096;
    sc_count = 0;
    memset(&sc_clock, 0, sizeof sc_clock);
}

/* ---- clocks ---- */

void sim_clock_join(struct sim_clock *to, const struct sim_clock *from)
{
    for (int i = 0; i <= SIM_SC; i++) {
        if (to->at[i] < from->at[i])
            to->at[i] = from->at[i];
    }
}

void sim_clock_next(struct sim_thread *t)
{
    t->hb.at[t->id]++;
    t->coh.at[t->id] = t->hb.at[t->id];
}

/* ---- the heap ---- */

static struct block *block_of(uintptr_t a)
{
    unsigned low = 0;
    unsigned high = blocks_n;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (blocks[middle].end <= a)
            low = middle + 1;
        else
            high = middle;
    }
    return low < blocks_n && blocks[low].start <= a ? &blocks[low] : NULL;
}

static bool in_heap(uintptr_t a)
{
    return a >= ranges[0].start && a < ranges[0].end;
}

void *sim_mem_alloc(size_t size, size_t align)
{
    struct block *b;

    if (align < 16)
        align = 16;
    heap_next = (heap_next + align - 1) / align * align;
    if (blocks_n == BLOCKS || size > ranges[0].end - heap_next - 64)
        return NULL;
    b = &blocks[blocks_n++];
    b->start = heap_next;
    b->end = heap_next + size;
    b->thread = (uint8_t)sim_cur->id;
    b->epoch = sim_cur->hb.at[sim_cur->id];
    b->is_freed = false;
    b->made = sim_cur->calls;
    heap_next += size + 16; /* a gap, so that running off the end is seen */
    memset((void *)b->start, 0xA5, size);
    sim_trace("allocates", (void *)b->start, size, "");
    return (void *)b->start;
}

static struct cell *cell_at(uintptr_t a)
{
    for (int i = 0; i < 3; i++) {
        if (a >= ranges[i].start && a < ranges[i].end) {
            struct cell *c = &ranges[i].cells[(a - ranges[i].start) / 8];

            if (c->generation != sim_run_.generation) {
                c->generation = sim_run_.generation;
                memset(c->word, 0, sizeof c->word);
                c->is_poisoned = false;
                c->n = 0;
                c->block = 0;
            }
            return c;
        }
    }
    return NULL;
}

static void fail_memory(const char *what, uintptr_t a, const struct block *b)
{
    char text[200];

    snprintf(text, sizeof text, "%s, byte %zu of %zu", what, b != NULL ? (size_t)(a - b->start) : 0,
             b != NULL ? (size_t)(b->end - b->start) : 0);
    if (b != NULL && b->is_freed)
        sim_fail_at("use after free", text, &b->freed, "freed by");
    sim_fail_at("use after free", text, b != NULL ? &b->made : NULL, "allocated by");
}

/* The memory is there, and the thread knows that it is. */
static void check_alive(uintptr_t a, struct cell *c)
{
    struct block *b;

    if (!in_heap(a))
        return;
    b = c->block != 0 ? &blocks[c->block - 1] : NULL; /* no cell belongs to two blocks, ever */
    if (b == NULL || a < b->start || a >= b->end) {
        b = block_of(a);
        c->block = (uint16_t)(b != NULL ? 1 + (b - blocks) : 0);
    }
    if (b == NULL)
        fail_memory("access to memory that nobody has allocated", a, NULL);
    else if (b->is_freed)
        fail_memory("access to memory that was freed", a, b);
    else if (c->is_poisoned)
        fail_memory("access to a block between two lives", a, b);
    else if (c->n == 0 && sim_cur->hb.at[b->thread] < b->epoch)
        sim_fail_at("race", "access to memory whose allocation is not known to be before it",
                    &b->made, "allocated by");
}

void sim_mem_alive(const volatile void *p, size_t size)
{
    struct cell *c = cell_at((uintptr_t)p);

    (void)size;
    if (c != NULL)
        check_alive((uintptr_t)p, c);
}

/* ---- races ---- */

static const void *caller(void)
{
    return sim_cur->calls.depth > 0 && sim_cur->calls.depth <= SIM_CALLS
               ? sim_cur->calls.pc[sim_cur->calls.depth - 1]
               : NULL;
}

static void fail_race(uintptr_t a, const struct slot *s, bool is_write, bool is_atomic)
{
    struct sim_stack other = {1, {(void *)(uintptr_t)s->pc}};
    char text[160];
    char by[40];
    struct block *b = in_heap(a) ? block_of(a) : NULL;

    snprintf(text, sizeof text, "%s%s against %s%s of thread %d, unordered%s",
             is_atomic ? "atomic " : "", is_write ? "write" : "read", s->is_atomic ? "atomic " : "",
             s->is_write ? "write" : "read", s->thread, b != NULL ? ", in the heap" : "");
    snprintf(by, sizeof by, "thread %d, called from", s->thread);
    sim_fail_at("race", text, &other, by);
}

static unsigned mask_of(uintptr_t a, unsigned size)
{
    return (((1U << size) - 1) << (a & 7)) & 0xFF;
}

static void note_access(struct cell *c, uintptr_t a, unsigned mask, bool is_write, bool is_atomic)
{
    struct sim_thread *t = sim_cur;
    struct slot *put = NULL;

    for (unsigned i = 0; i < c->n; i++) {
        struct slot *s = &c->slot[i];

        if ((s->mask & mask) == 0)
            continue;
        if (s->thread == t->id) {
            if ((s->mask & ~mask) == 0 && (is_write || !s->is_write) &&
                (!is_atomic || s->is_atomic))
                put = s;
            continue;
        }
        if (s->epoch <= t->hb.at[s->thread]) {
            if (is_write && (s->mask & ~mask) == 0)
                put = s; /* in our past, and so in the past of whoever has us in his */
            continue;
        }
        if ((is_write || s->is_write) && (!is_atomic || !s->is_atomic))
            fail_race(a, s, is_write, is_atomic);
    }
    if (put == NULL)
        put = c->n < SLOTS ? &c->slot[c->n++] : &c->slot[sim_run_.steps % SLOTS];
    *put = (struct slot){t->hb.at[t->id], (uint32_t)(uintptr_t)caller(),
                         (uint8_t)t->id,  (uint8_t)mask,
                         is_write,        is_atomic};
}

void sim_mem_plain(const volatile void *p, size_t size, bool is_write)
{
    uintptr_t a = (uintptr_t)p;
    uintptr_t end = a + size;

    while (a < end) {
        uintptr_t next = (a & ~(uintptr_t)7) + 8;
        unsigned n = (unsigned)((end < next ? end : next) - a);
        struct cell *c = cell_at(a);

        if (c == NULL)
            return;
        check_alive(a, c);
        note_access(c, a, mask_of(a, n), is_write, false);
        for (uintptr_t at = a & ~(uintptr_t)1; is_write && at < a + n; at += 2)
            c->word[(at & 7) / 2] = 0; /* begun anew by what is written now */
        a = next;
    }
}

void sim_mem_free(void *p)
{
    uintptr_t a = (uintptr_t)p;
    struct block *b;

    if (p == NULL)
        return;
    b = block_of(a);
    if (b == NULL || b->start != a)
        sim_fail_at("use after free", "free of what was not allocated", NULL, NULL);
    if (b->is_freed)
        sim_fail_at("use after free", "freed twice", &b->freed, "freed before by");
    for (uintptr_t at = a; at < b->end; at += 8) {
        struct cell *c = cell_at(at);

        if (c->n != 0)
            note_access(c, at, 0xFF, true, false);
    }
    if (sim_cur->hb.at[b->thread] < b->epoch)
        sim_fail_at("race", "freed by a thread that does not know of the allocation", &b->made,
                    "allocated by");
    b->is_freed = true;
    b->freed = sim_cur->calls;
    memset(p, 0x5A, b->end - b->start);
    sim_trace("frees", p, 0, "");
}

void sim_memory_leaks(void)
{
    for (unsigned i = 0; i < blocks_n; i++) {
        struct sim_failure *f = &sim_run_.failure;

        if (blocks[i].is_freed)
            continue;
        f->is_set = true;
        snprintf(f->kind, sizeof f->kind, "leak");
        snprintf(f->what, sizeof f->what, "%zu bytes are left at the end",
                 (size_t)(blocks[i].end - blocks[i].start));
        f->thread = blocks[i].thread;
        f->stack = blocks[i].made;
        return;
    }
}

/* ---- poison ---- */

void sim_poison(const void *p, size_t n);
void sim_unpoison(const void *p, size_t n);

void sim_poison(const void *p, size_t n)
{
    if (sim_cur == NULL)
        return;
    for (uintptr_t a = (uintptr_t)p; a < (uintptr_t)p + n; a += 8)
        cell_at(a)->is_poisoned = true;
}

void sim_unpoison(const void *p, size_t n)
{
    if (sim_cur == NULL)
        return;
    for (uintptr_t a = (uintptr_t)p; a < (uintptr_t)p + n; a += 8)
        cell_at(a)->is_poisoned = false;
}

/* ---- atomic words ---- */

static uint64_t raw_load(const volatile void *p, unsigned size)
{
    switch (size) {
    case 1:
        return *(const volatile uint8_t *)p;
    case 2:
        return *(const volatile uint16_t *)p;
    case 4:
        return *(const volatile uint32_t *)p;
    default:
        return *(const volatile uint64_t *)p;
    }
}

static void raw_store(volatile void *p, unsigned size, uint64_t v)
{
    switch (size) {
    case 1:
        *(volatile uint8_t *)p = (uint8_t)v;
        return;
    case 2:
        *(volatile uint16_t *)p = (uint16_t)v;
        return;
    case 4:
        *(volatile uint32_t *)p = (uint32_t)v;
        return;
    default:
        *(volatile uint64_t *)p = v;
    }
}

static struct store *store_at(struct word *w, uint32_t i)
{
    return &w->store[(w->first + i) % STORES];
}

static struct store *newest(struct word *w)
{
    return store_at(w, w->n - 1);
}

/* What a word holds before its first atomic access: what was last written to it plainly, or what its
 * memory began with. */
static void first_store(struct word *w, const volatile void *p, unsigned size, const struct cell *c)
{
    struct store *s = &w->store[0];
    const struct block *b = in_heap((uintptr_t)p) ? block_of((uintptr_t)p) : NULL;

    memset(s, 0, offsetof(struct store, hb));
    s->value = raw_load(p, size);
    s->thread = b != NULL ? b->thread : 0;
    s->epoch = b != NULL ? b->epoch : 0;
    for (unsigned i = 0; i < c->n; i++) {
        if (c->slot[i].is_write && !c->slot[i].is_atomic &&
            (c->slot[i].mask & mask_of((uintptr_t)p, size)) != 0) {
            s->thread = c->slot[i].thread;
            s->epoch = c->slot[i].epoch;
        }
    }
    s->seen[s->thread] = s->epoch != 0 ? s->epoch : 1;
    w->first = 0;
    w->n = 1;
    memset(w->stale, 0, sizeof w->stale);
}

/* Checks the access, and finds the word's history; NULL: memory that is not looked at. */
static struct word *word_at(const volatile void *p, unsigned size, bool is_write)
{
    uintptr_t a = (uintptr_t)p;
    struct cell *c = cell_at(a);
    struct word *w;

    if (c == NULL)
        return NULL;
    uint16_t *index = &c->word[(a & 7) / 2];

    check_alive(a, c);
    if (*index == 0) {
        if (words_n == WORDS)
            sim_fail_at("scenario", "too many atomic words", NULL, NULL);
        w = &words[words_n++];
        first_store(w, p, size, c);
        *index = (uint16_t)words_n;
    }
    note_access(c, a, mask_of(a, size), is_write, true);
    return &words[*index - 1];
}

static bool knows(const struct sim_thread *t, const struct store *s, bool is_sc)
{
    if (s->sc != 0 && (is_sc || s->sc <= t->coh.at[SIM_SC]))
        return true;
    if (is_sc && s->epoch <= sc_clock.at[s->thread] && s->epoch != 0)
        return true;
    for (int i = 0; i < SIM_THREADS; i++) {
        if (s->seen[i] != 0 && s->seen[i] <= t->coh.at[i])
            return true;
    }
    return false;
}

static bool is_acquire(int order)
{
    return order == SIM_ACQUIRE || order == SIM_CONSUME || order == SIM_ACQ_REL ||
           order == SIM_SEQ_CST;
}

static bool is_release(int order)
{
    return order == SIM_RELEASE || order == SIM_ACQ_REL || order == SIM_SEQ_CST;
}

static void learn(struct sim_thread *t, struct store *s, int order)
{
    if (s->seen[t->id] == 0)
        s->seen[t->id] = t->hb.at[t->id];
    if (!s->has_release)
        return;
    if (is_acquire(order)) {
        sim_clock_join(&t->hb, &s->hb);
        sim_clock_join(&t->coh, &s->coh);
    } else {
        sim_clock_join(&t->pending_hb, &s->hb);
        sim_clock_join(&t->pending_coh, &s->coh);
    }
}

/* The stores that a load may return are the last so many. */
static uint32_t readable(const struct sim_thread *t, struct word *w, bool is_sc)
{
    uint32_t n = 1;

    if (sim_run_.is_fresh || t->solo != 0)
        return 1;
    while (n < w->n && !knows(t, store_at(w, w->n - n), is_sc))
        n++;
    return n;
}

static void add_store(struct sim_thread *t, struct word *w, uint64_t v, int order,
                      const struct store *continues)
{
    struct store *s;
    struct store before;

    if (continues != NULL)
        before = *continues;
    if (w->n == STORES)
        w->first = (w->first + 1) % STORES;
    else
        w->n++;
    s = newest(w);
    memset(s, 0, sizeof *s);
    s->value = v;
    s->thread = (uint8_t)t->id;
    s->epoch = t->hb.at[t->id];
    s->seen[t->id] = s->epoch;
    s->has_release = true;
    if (is_release(order)) {
        s->hb = t->hb;
        s->coh = t->coh;
    } else {
        s->hb = t->fence_hb;
        s->coh = t->fence_coh;
    }
    if (continues != NULL && before.has_release) {
        sim_clock_join(&s->hb, &before.hb);
        sim_clock_join(&s->coh, &before.coh);
    }
    if (order == SIM_SEQ_CST)
        s->sc = ++sc_count;
    memset(w->stale, 0, sizeof w->stale);
    sim_clock_next(t);
}

static void changed(void)
{
    sim_run_.stores++;
    sim_run_.is_fresh = false;
    for (int i = 0; i < sim_threads_n; i++)
        sim_thread_[i].is_paused = false;
}

uint64_t sim_mem_load(const volatile void *p, unsigned size, int order)
{
    struct sim_thread *t = sim_cur;
    struct word *w;
    uint32_t n;
    uint32_t back = 0;
    uint64_t v;

    sim_point((const void *)p);
    w = word_at(p, size, false);
    if (w == NULL) {
        sim_trace("loads", p, raw_load(p, size), sim_order_name(order));
        return raw_load(p, size);
    }
    n = readable(t, w, order == SIM_SEQ_CST);
    if (n > 1 && w->stale[t->id] < STALE_IN_A_ROW)
        back = sim_decide(SIM_READ, n, false);
    w->stale[t->id] = back != 0 ? w->stale[t->id] + 1 : 0;
    struct store *s = store_at(w, w->n - 1 - back);
    v = s->value;
    learn(t, s, order);
    sim_trace(back == 0 ? "loads" : "loads an old", p, v, sim_order_name(order));
    sim_ghost_check();
    return v;
}

void sim_mem_store(volatile void *p, unsigned size, uint64_t v, int order)
{
    struct word *w;

    sim_point((const void *)p);
    w = word_at(p, size, true);
    raw_store(p, size, v);
    if (w != NULL)
        add_store(sim_cur, w, raw_load(p, size), order, NULL);
    changed();
    sim_trace("stores", p, raw_load(p, size), sim_order_name(order));
    sim_ghost_check();
}

static uint64_t result_of(enum sim_rmw op, uint64_t a, uint64_t b)
{
    switch (op) {
    case SIM_ADD:
        return a + b;
    case SIM_SUB:
        return a - b;
    case SIM_AND:
        return a & b;
    case SIM_OR:
        return a | b;
    case SIM_XOR:
        return a ^ b;
    case SIM_SWAP:
        break;
    }
    return b;
}

static void modify(volatile void *p, unsigned size, struct word *w, uint64_t v, int order)
{
    raw_store(p, size, v);
    if (w != NULL) {
        struct store *before = newest(w);

        learn(sim_cur, before, order);
        add_store(sim_cur, w, raw_load(p, size), order, before);
    }
    changed();
}

uint64_t sim_mem_rmw(volatile void *p, unsigned size, enum sim_rmw op, uint64_t v, int order)
{
    static const char *const names[] = {"swaps in",     "adds to make", "subtracts to make",
                                        "ands to make", "ors to make",  "xors to make"};
    struct word *w;
    uint64_t before;

    sim_point((const void *)p);
    w = word_at(p, size, true);
    before = raw_load(p, size);
    modify(p, size, w, result_of(op, before, v), order);
    sim_trace(names[op], p, raw_load(p, size), sim_order_name(order));
    sim_ghost_check();
    return before;
}

/* Of the stores that a failing comparison may have read, the one so far back; those that would have
 * been equal can't fail. */
static struct store *other_than(struct word *w, uint32_t n, uint64_t expected, uint32_t choice)
{
    for (uint32_t back = 0; back < n; back++) {
        struct store *s = store_at(w, w->n - 1 - back);

        if (s->value != expected && choice-- == 0)
            return s;
    }
    return NULL;
}

static uint32_t count_others(struct word *w, uint32_t n, uint64_t expected)
{
    uint32_t others = 0;

    while (other_than(w, n, expected, others) != NULL)
        others++;
    return others;
}

bool sim_mem_cas(volatile void *p, unsigned size, uint64_t *expected, uint64_t v, int success,
                 int failure, bool is_weak)
{
    struct sim_thread *t = sim_cur;
    struct word *w;
    bool may_win;
    uint32_t n;
    uint32_t others;
    uint32_t choice;

    sim_point((const void *)p);
    w = word_at(p, size, true);
    may_win = raw_load(p, size) == *expected;
    if (w == NULL) {
        if (may_win)
            modify(p, size, NULL, v, success);
        else
            *expected = raw_load(p, size);
        sim_trace(may_win ? "exchanges for" : "fails to exchange", p, raw_load(p, size), "");
        return may_win;
    }
    n = readable(t, w, failure == SIM_SEQ_CST);
    if (w->stale[t->id] >= STALE_IN_A_ROW)
        n = 1;
    others = count_others(w, n, *expected);
    choice = others + may_win > 1 ? sim_decide(SIM_READ, others + may_win, false) : 0;
    if (may_win && choice == 0) {
        if (is_weak && sim_surprise(&sim_run_.weak_faults)) {
            learn(t, newest(w), failure);
            sim_trace("fails for no reason to exchange", p, *expected, sim_order_name(failure));
            return false;
        }
        modify(p, size, w, v, success);
        sim_trace("exchanges for", p, v, sim_order_name(success));
        sim_ghost_check();
        return true;
    }
    choice -= may_win;
    struct store *s = other_than(w, n, *expected, choice);
    w->stale[t->id] = s != newest(w) ? w->stale[t->id] + 1 : 0;
    learn(t, s, failure);
    *expected = s->value;
    sim_trace(s == newest(w) ? "fails to exchange" : "fails to exchange an old", p, s->value,
              sim_order_name(failure));
    sim_ghost_check();
    return false;
}

void sim_mem_fence(int order)
{
    struct sim_thread *t = sim_cur;

    if (order == SIM_RELAXED)
        return;
    sim_point(NULL);
    if (is_acquire(order)) {
        sim_clock_join(&t->hb, &t->pending_hb);
        sim_clock_join(&t->coh, &t->pending_coh);
    }
    if (order == SIM_SEQ_CST) {
        sim_clock_join(&t->coh, &sc_clock);
        t->coh.at[SIM_SC] = sc_count;
        sim_clock_join(&sc_clock, &t->coh);
    }
    if (is_release(order)) {
        t->fence_hb = t->hb;
        t->fence_coh = t->coh;
    }
    sim_clock_next(t);
    sim_trace("fence", NULL, 0, sim_order_name(order));
}
