/* SPDX-License-Identifier: MIT
 *
 * ring.c: a bounded ring for one writer and one reader: the seam to Concurrency Kit's ck_ring.
 *
 * ck_ring decides what is full, what is empty and which slot comes next, in two free-running 32-bit
 * counters. Its slots are pointers. Ours never change: slot i points to record i for ever, the
 * writer fills the record between ck_ring's reserve and commit, the reader copies it before it
 * dequeues. That keeps clear of what is wrong in the releases up to 0.7.2: dequeue loads the slot
 * and gives it back behind a store fence alone, which does not hold the load on a weakly ordered
 * machine (here nobody writes a slot), and ck_ring_valid fails once the counters have wrapped (not
 * used). The fences around a record are ours, by ck_pr: an acquire behind the look at the other
 * side's counter, a release before the store of the own one; on x86 they hold back the compiler
 * only. ck_ring multiplies slot numbers by 8 in 32 bits, which bounds the capacity.
 *
 * Words   c_head  of ck_ring: records taken, ever; only the reader writes it
 *         p_tail  of ck_ring: records put, ever; only the writer writes it
 * Always  p_tail - c_head is at most the slots less one, in 32 bits, across every wrap
 * Orders  Q1  push   p_tail   release -> Q2    the record before the count that shows it
 *         Q2  pop    p_tail   acquire <- Q1
 *         Q3  pop    c_head   release -> Q4    the record has been read before it is given back
 *         Q4  push   c_head   acquire <- Q3
 * Not instrumented (seam.h): the edges are told on the address of the slot, so that a push is known
 * to be before the pop of that very record, and a pop before the next push into its place. */
#include "queue/ring.h"

#include <string.h>

#include <ck_pr.h>
#include <ck_ring.h>

#include "queue/seam.h"

/* Where the counters begin; the tests begin just below the wrap. */
#ifndef FL_RING_START
#    define FL_RING_START 0U
#endif

enum {
    CAPACITY_LIMIT = 1 << 28
};

struct fl_ring {
    ck_ring_t ring; /* the counters, a cache line each */
    struct fl_heap *heap;
    size_t bytes;
    size_t record_bytes;
    ck_ring_buffer_t slots[]; /* and behind them the records */
};

int fl_ring_create(struct fl_ring **out, struct fl_heap *heap, size_t capacity, size_t record_bytes)
{
    size_t bytes;
    unsigned slots = 2;

    if (capacity == 0 || capacity >= CAPACITY_LIMIT || record_bytes == 0)
        return FILCH_EINVAL;
    while (slots <= capacity) /* one slot stays empty: full and empty would look alike */
        slots *= 2;
    size_t slot_bytes = sizeof(struct fl_ring) + slots * sizeof(ck_ring_buffer_t);
    if (__builtin_mul_overflow(slots, record_bytes, &bytes) ||
        __builtin_add_overflow(bytes, slot_bytes, &bytes))
        return FILCH_ENOMEM;

    struct fl_ring *r = fl_heap_alloc(heap, bytes, FL_LINE);
    if (r == NULL)
        return FILCH_ENOMEM;
    ck_ring_init(&r->ring, slots);
    r->ring.c_head = FL_RING_START;
    r->ring.p_tail = FL_RING_START;
    r->ring.p_head = FL_RING_START;
    r->heap = heap;
    r->bytes = bytes;
    r->record_bytes = record_bytes;
    for (unsigned i = 0; i < slots; i++)
        r->slots[i].value = (char *)r + slot_bytes + i * record_bytes;
    *out = r;
    return 0;
}

void fl_ring_destroy(struct fl_ring *r)
{
    if (r != NULL)
        fl_heap_free(r->heap, r, r->bytes, FL_LINE);
}

bool fl_ring_push(struct fl_ring *r, const void *record)
{
    ck_ring_buffer_t *slot = ck_ring_enqueue_reserve_spsc(&r->ring, r->slots);

    if (slot == NULL)
        return false;
    ck_pr_fence_acquire(); /* Q4 */
    fl_seam_acquire(slot);
    memcpy(slot->value, record, r->record_bytes);
    fl_seam_release(slot);
    ck_pr_fence_release(); /* Q1 */
    ck_ring_enqueue_commit_spsc(&r->ring);
    return true;
}

bool fl_ring_pop(struct fl_ring *r, void *record)
{
    void *taken = NULL;

    if (ck_ring_size(&r->ring) == 0)
        return false;
    ck_pr_fence_acquire();                                             /* Q2 */
    ck_ring_buffer_t *slot = &r->slots[r->ring.c_head & r->ring.mask]; /* own word */
    fl_seam_acquire(slot);
    memcpy(record, slot->value, r->record_bytes);
    fl_seam_release(slot);
    ck_pr_fence_release();                            /* Q3 */
    ck_ring_dequeue_spsc(&r->ring, r->slots, &taken); /* as there was one, there is one */
    FL_ASSERT(taken == slot->value);
    return true;
}
