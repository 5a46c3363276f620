/* SPDX-License-Identifier: MIT
 *
 * slab.c: blocks live with whoever made them, and come home from wherever they died.
 *
 * One thread at a time holds a slab and takes blocks from it: first those it freed itself, then those
 * that others have returned, all at once, then fresh ones. A worker holds its slab for ever, a lane's
 * slab goes with the lane.
 *
 * Words   returned   a stack of blocks that other threads gave back, youngest first, and in the end
 *                    RETIRED for ever; a block's next belongs to whoever has the block
 * Always  S1  a block is in one place: out, on a shelf, or returned
 *         S2  what its last user did is seen by its next: return, then take
 *         S3  the stack is only pushed to and taken whole, so an address that comes back does no harm
 * Orders  B1  return  returned CAS   release -> B2 B3
 *         B2  take    returned swap  acquire <- B1
 *         B3  retire  returned swap  acq_rel <- B1 -> B4
 *         B4  return  returned       acquire <- B3      whoever finds RETIRED follows the retiring
 * Proof: tests/base/model_slab.c. */
#include "base/slab.h"

#include <stdint.h>

struct fl_chunk {
    struct fl_slab *home;
    struct fl_chunk *next;
    enum fl_block_kind kind;
};

static char retired_mark;
#define RETIRED ((struct fl_block *)(void *)&retired_mark)

static const size_t block_bytes[FL_BLOCK_KINDS] = {64, 128};

static struct fl_chunk *chunk_of(const void *p)
{
    return (struct fl_chunk *)((uintptr_t)p & ~(uintptr_t)(FL_CHUNK_BYTES - 1));
}

/* The link stays readable: it is ours between two lives. */
static void hide(struct fl_block *b, enum fl_block_kind kind)
{
    fl_poison((char *)b + sizeof *b, block_bytes[kind] - sizeof *b);
}

void fl_slab_open(struct fl_slab *s, struct fl_heap *heap)
{
    s->heap = heap;
    s->chunks = NULL;
    for (size_t k = 0; k < FL_BLOCK_KINDS; k++) {
        s->shelf[k] = (struct fl_shelf){NULL, NULL, NULL};
        fl_init(&s->returned[k], NULL);
    }
}

static bool add_chunk(struct fl_slab *s, enum fl_block_kind kind)
{
    struct fl_chunk *c = fl_heap_alloc(s->heap, FL_CHUNK_BYTES, FL_CHUNK_BYTES);
    size_t size = block_bytes[kind];

    if (c == NULL)
        return false;
    c->home = s;
    c->kind = kind;
    c->next = s->chunks;
    s->chunks = c;
    s->shelf[kind].fresh = (char *)c + size; /* the first block's room is the header's */
    s->shelf[kind].fresh_end = (char *)c + FL_CHUNK_BYTES / size * size;
    return true;
}

void *fl_slab_alloc(struct fl_slab *s, enum fl_block_kind kind)
{
    struct fl_shelf *shelf = &s->shelf[kind];
    struct fl_block *b = shelf->free;

    if (b == NULL && fl_load(&s->returned[kind], relaxed) != NULL) /* hint: the swap decides */
        b = fl_swap(&s->returned[kind], NULL, acquire);            /* B2 */
    if (b != NULL) {
        shelf->free = b->next;
        fl_unpoison(b, block_bytes[kind]);
        return b;
    }
    if (shelf->fresh == shelf->fresh_end && !add_chunk(s, kind))
        return NULL;
    b = (struct fl_block *)(void *)shelf->fresh;
    shelf->fresh += block_bytes[kind];
    return b;
}

void fl_slab_free(struct fl_slab *s, void *p)
{
    struct fl_block *b = p;
    enum fl_block_kind kind = chunk_of(p)->kind;

    b->next = s->shelf[kind].free;
    s->shelf[kind].free = b;
    hide(b, kind);
}

bool fl_slab_owns(const struct fl_slab *s, const void *p)
{
    return chunk_of(p)->home == s;
}

bool fl_slab_return(void *p)
{
    struct fl_chunk *c = chunk_of(p);
    fl_atomic(struct fl_block *) *returned = &c->home->returned[c->kind];
    struct fl_block *b = p;
    struct fl_block *head = fl_load(returned, acquire); /* B4 */

    hide(b, c->kind);
    do {
        if (head == RETIRED)
            return false;
        b->next = head;
    } while (!fl_cas_weak(returned, &head, b, release, acquire)); /* B1, on failure B4 */
    return true;
}

static size_t count(const struct fl_block *b)
{
    size_t n = 0;

    for (; b != NULL; b = b->next)
        n++;
    return n;
}

size_t fl_slab_retire(struct fl_slab *s)
{
    size_t out = 0;

    for (const struct fl_chunk *c = s->chunks; c != NULL; c = c->next)
        out += FL_CHUNK_BYTES / block_bytes[c->kind] - 1;
    for (size_t k = 0; k < FL_BLOCK_KINDS; k++) {
        const struct fl_shelf *shelf = &s->shelf[k];

        out -= (size_t)(shelf->fresh_end - shelf->fresh) / block_bytes[k];
        out -= count(shelf->free);
        out -= count(fl_swap(&s->returned[k], RETIRED, acq_rel)); /* B3 */
    }
    return out;
}

void fl_slab_close(struct fl_slab *s)
{
    struct fl_chunk *c = s->chunks;

    while (c != NULL) {
        struct fl_chunk *next = c->next;

        fl_unpoison(c, FL_CHUNK_BYTES);
        fl_heap_free(s->heap, c, FL_CHUNK_BYTES, FL_CHUNK_BYTES);
        c = next;
    }
}
