/* SPDX-License-Identifier: MIT
 *
 * pack.h: several payloads in one: the inputs of a chunk of jobs, and its outputs.
 *
 * A pack is a head of two words, the number of items and 0, and then the items. An item is a head of two words,
 * the status of the job (of an input: 0) and the length of its bytes, and the bytes, with up to 15 more so that
 * each head and each item's first byte is at a multiple of 16. Words have 64 bits, the lowest byte first; a status
 * is an int in two's complement. An item that failed has no bytes. Nothing follows the last item. */
#ifndef FL_FUTURE_PACK_H
#define FL_FUTURE_PACK_H

#include "future/job.h"

enum {
    FL_PACK_HEAD = 16 /* bytes, of a pack and of an item */
};

struct fl_pack_item {
    const void *bytes;
    size_t len;
    int status;
};

/* ---- Writing: at the end of a buffer that is empty when it begins. False: out of memory; what was there is as it
 * was. */

bool fl_pack_begin(filch_buffer *pack);
bool fl_pack_add(filch_buffer *pack, const void *bytes, size_t len);

/* The same in two steps: in between, item is an empty buffer in the caller's memory, whose bytes come to lie where
 * they belong; pack is not to be touched. end drops them if status is not 0. Of one that is begun and never
 * ended, nothing is in the pack. */
bool fl_pack_item_begin(filch_buffer *pack, filch_buffer *item);
void fl_pack_item_end(filch_buffer *pack, const filch_buffer *item, int status);

/* ---- Reading: bytes that may have been written by anybody. Looks at no byte beyond len, whatever they say. */

/* Whether it is a pack of n items, from the first byte to the last. */
bool fl_pack_is_whole(const void *bytes, size_t len, size_t n);

/* The item at *at, which is FL_PACK_HEAD for the first and moves to the next. False: there is none. */
bool fl_pack_next(const void *bytes, size_t len, size_t *at, struct fl_pack_item *item);

#endif /* FL_FUTURE_PACK_H */
