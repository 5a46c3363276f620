/* SPDX-License-Identifier: MIT
 *
 * alloc.h: where memory comes from: an executor's heap over the allocator it was given.
 *
 * Nothing of this is on the path of a task; slabs (slab.h) are. An allocator is the user's code and
 * may set errno; a heap puts it back. */
#ifndef FL_BASE_ALLOC_H
#define FL_BASE_ALLOC_H

#include <filch/base.h>

#include "base/atomic.h"

/* Words   bytes   taken and not given back: a count, read by statistics */
struct fl_heap {
    filch_allocator with;
    fl_atomic(int64_t) bytes;
};

/* allocator NULL: the system's. Copies the struct; takes over its destroy. */
void fl_heap_open(struct fl_heap *h, const filch_allocator *allocator);

/* The allocator's destroy: everything has been freed. */
void fl_heap_close(struct fl_heap *h);

/* NULL: out of memory. Not zeroed. align is a power of two. A size of 0 is one byte. */
void *fl_heap_alloc(struct fl_heap *h, size_t size, size_t align);
void *fl_heap_zalloc(struct fl_heap *h, size_t size, size_t align);

/* With the size and the alignment that p was allocated with. NULL: no-op. */
void fl_heap_free(struct fl_heap *h, void *p, size_t size, size_t align);

/* A heap over the process's malloc for what belongs to no executor; never closed. */
void *fl_malloc(size_t size);
void fl_free(void *p);

/* For a library that calls back for memory and passes no context: around the call into it the
 * thread lends what its callbacks work for (NULL: nothing any more), and they look it up. Returns
 * what was lent before. */
void *fl_lend(void *to);
void *fl_lent(void);

#endif /* FL_BASE_ALLOC_H */
