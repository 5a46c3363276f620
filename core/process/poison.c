/* SPDX-License-Identifier: MIT
 *
 * poison.c: inputs that have crashed too many workers, and are not taken any more.
 *
 * Of each the hash and the length are kept, of as many as have room; then the oldest is forgotten. */
#include "process/pool.h"

#include <string.h>

enum {
    MOST_POISON = sizeof(((struct fl_processes *)NULL)->poison) /
                  sizeof(((struct fl_processes *)NULL)->poison[0])
};

/* SipHash-2-4 (Aumasson & Bernstein, INDOCRYPT 2012), so that nobody who does not know the key can make an input that
 * is taken for another. */
static uint64_t rotated(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotated(v[1], 13) ^ v[0];
    v[0] = rotated(v[0], 32);
    v[2] += v[3];
    v[3] = rotated(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotated(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotated(v[1], 17) ^ v[2];
    v[2] = rotated(v[2], 32);
}

static uint64_t sip_hash(const uint64_t key[2], const void *bytes, size_t len, uint64_t seed)
{
    uint64_t v[4] = {key[0] ^ 0x736f6d6570736575U, key[1] ^ 0x646f72616e646f6dU,
                     key[0] ^ 0x6c7967656e657261U, key[1] ^ 0x7465646279746573U ^ seed};
    uint64_t word = (uint64_t)len << 56;
    size_t i = 0;

    for (; i + 8 <= len; i += 8) {
        uint64_t m;

        memcpy(&m, (const char *)bytes + i, sizeof m);
        v[3] ^= m;
        sip_round(v);
        sip_round(v);
        v[0] ^= m;
    }
    for (size_t j = 0; i + j < len; j++)
        word |= (uint64_t)((const unsigned char *)bytes)[i + j] << (8 * j);
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    for (int round = 0; round < 4; round++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

uint64_t fl_poison_hash(const struct fl_processes *p, uint32_t job, const void *bytes, size_t len)
{
    return sip_hash(p->poison_key, bytes, len, job);
}

bool fl_poison_is_known(const struct fl_processes *p, uint64_t hash, size_t len)
{
    size_t n = p->n_poison < MOST_POISON ? p->n_poison : MOST_POISON;

    for (size_t i = 0; i < n; i++) {
        if (p->poison[i].hash == hash && p->poison[i].len == len)
            return true;
    }
    return false;
}

void fl_poison_add(struct fl_processes *p, struct fl_item *item)
{
    void *map = item->fd >= 0 ? fl_file_map_private(item->fd, item->len) : NULL;
    const void *bytes = item->fd >= 0 ? map : item->bytes;
    bool is_there = bytes != NULL || item->len == 0;
    uint64_t hash = is_there ? fl_poison_hash(p, item->job, bytes, item->len) : 0;

    fl_file_unmap(map, item->len);
    fl_lock_enter(&p->lock);
    if (is_there) { /* otherwise it may be tried again, for want of memory */
        p->poison[p->n_poison % MOST_POISON].hash = hash;
        p->poison[p->n_poison++ % MOST_POISON].len = item->len;
        fl_store(&p->has_poison, 1, relaxed); /* settled by F1 (future.c): it is told after */
    }
    if (item->lent != NULL)
        fl_link_unpin(item->lent);
    item->lent = NULL;
    item->bytes = NULL;
    p->has_duty = true; /* what was lent may be closed now */
    fl_lock_leave(&p->lock);
}
