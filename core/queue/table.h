/* SPDX-License-Identifier: MIT
 *
 * table.h: a hash table from byte strings to pointers over Concurrency Kit's ck_ht: readers take no
 * lock, writers come one at a time (the caller sees to that). What a writer did before it put a
 * value is visible to whoever gets that value.
 *
 * Nothing is ever taken out, and what a table outgrows is kept until the table goes, because a
 * reader may still be in it. Off every hot path. */
#ifndef FL_QUEUE_TABLE_H
#define FL_QUEUE_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/alloc.h"

struct fl_table;

int fl_table_create(struct fl_table **out, struct fl_heap *heap); /* 0, FILCH_ENOMEM */
void fl_table_destroy(struct fl_table *t);                        /* NULL: no-op */

/* Sets key's value (not NULL), replacing an earlier one; copies the key. 0, FILCH_EINVAL for a NULL
 * value or a key of 0 or more than 65535 bytes, FILCH_ENOMEM with the table as it was. Replacing
 * takes no memory. */
int fl_table_put(struct fl_table *t, const void *key, size_t key_bytes, void *value);

/* The value, or NULL. Any thread, also while one puts. */
void *fl_table_get(struct fl_table *t, const void *key, size_t key_bytes);

size_t fl_table_count(struct fl_table *t); /* the writer's */

#endif /* FL_QUEUE_TABLE_H */
