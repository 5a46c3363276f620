/* SPDX-License-Identifier: MIT
 *
 * ring.h: one writes, one reads, nobody waits: a bounded ring of records over Concurrency Kit's
 * ck_ring. What the writer did before a push is visible to the reader behind the pop of it. */
#ifndef FL_QUEUE_RING_H
#define FL_QUEUE_RING_H

#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"

struct fl_ring;

/* A ring of at least capacity records of record_bytes each, copied bytewise. 0, FILCH_ENOMEM, or
 * FILCH_EINVAL for a record_bytes of 0, a capacity of 0 or one of 2^28 and more. */
int fl_ring_create(struct fl_ring **out, struct fl_heap *heap, size_t capacity,
                   size_t record_bytes);
void fl_ring_destroy(struct fl_ring *r); /* NULL: no-op */

/* The writer's: copies the record in; false if the ring is full. */
bool fl_ring_push(struct fl_ring *r, const void *record);

/* The reader's: copies the oldest record out; false if there is none. */
bool fl_ring_pop(struct fl_ring *r, void *record);

#endif /* FL_QUEUE_RING_H */
