/* SPDX-License-Identifier: MIT
 *
 * slab.h: blocks of two sizes, handed out by one thread at a time, given back by any. slab.c tells
 * how. */
#ifndef FL_BASE_SLAB_H
#define FL_BASE_SLAB_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"
#include "base/atomic.h"

/* A chunk is aligned to its size, so that a block finds its chunk by its address alone. */
#ifndef FL_CHUNK_BYTES
#    define FL_CHUNK_BYTES 65536
#endif

enum fl_block_kind {
    FL_BLOCK_64,
    FL_BLOCK_128,
    FL_BLOCK_KINDS
};

struct fl_block {
    struct fl_block *next;
};

struct fl_slab {
    struct fl_heap *heap;
    struct fl_chunk *chunks;
    struct fl_shelf {
        struct fl_block *free;
        char *fresh, *fresh_end; /* never handed out yet */
    } shelf[FL_BLOCK_KINDS];
    alignas(FL_LINE_PAIR) fl_atomic(struct fl_block *) returned[FL_BLOCK_KINDS];
};

void fl_slab_open(struct fl_slab *s, struct fl_heap *heap);

/* The holder's. NULL: out of memory. */
void *fl_slab_alloc(struct fl_slab *s, enum fl_block_kind kind);

/* The holder's, of its own blocks. */
void fl_slab_free(struct fl_slab *s, void *p);

/* Whether p, a block of some slab, is this one's. */
bool fl_slab_owns(const struct fl_slab *s, const void *p);

/* Anybody's, of any block: it comes home. False: the slab is retired, and the caller counts the block
 * as returned. */
bool fl_slab_return(void *p);

/* The last holder's: from now on returned blocks are counted by those who return them. Returns how
 * many blocks are out. */
size_t fl_slab_retire(struct fl_slab *s);

/* All blocks are home, or nobody will ever touch one. */
void fl_slab_close(struct fl_slab *s);

#endif /* FL_BASE_SLAB_H */
