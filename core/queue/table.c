/* SPDX-License-Identifier: MIT
 *
 * table.c: names and keys: the seam to Concurrency Kit's ck_ht.
 *
 * ck_ht finds a key's entry, and the entry is ours: it carries the key's copy and the value. So
 * only two of ck_ht's operations are needed, to put a key that is not there and to get. Replacing a
 * value is a store into its entry and cannot fail. Nothing is removed, so a map never holds a
 * tombstone: the reuse of tombstones is wrong in every release up to 0.7.2, and here there are
 * none. What is left is sound on weakly ordered machines too: put writes an entry whole, then
 * fences, then writes the pointer that makes it live; a new map is filled, then fenced, then shown.
 *
 * ck_ht calls back for memory without a context; the table lends itself for the time of the call. A
 * map that has been outgrown is half of the next one or less, so keeping them all at most doubles
 * the memory. If a map cannot grow when it is half full, the key is in nevertheless, and the next
 * put tries again; only a put that finds no room at all fails.
 *
 * Words   value   of an entry; only the writer writes it, never NULL
 * Always  an entry that can be found is there, at the same place, until the table goes
 * Orders  H1  put   value   release -> H2    what the value points to before the value
 *         H2  get   value   acquire <- H1
 * Not instrumented (seam.h): the edge is told on the address of the entry, for the value and for
 * the key alike; CK is quiet because its comparison of keys reads what the edge comes with. */
#include "queue/table.h"

#include <stdalign.h>
#include <string.h>

#include <ck_ht.h>

#include "queue/seam.h"

enum {
    FIRST_KEYS = 16,
    KEY_BYTES_MAX = 65535,
    BLOCK_ALIGN = 16
};

/* Every piece of memory of a table but itself: freed with it. */
struct block {
    struct block *next;
    size_t bytes;
};
_Static_assert(sizeof(struct block) % BLOCK_ALIGN == 0, "what follows a block's head is aligned");

struct entry {
    struct block block;
    fl_atomic(void *) value;
    unsigned char key[];
};

struct fl_table {
    ck_ht_t ht;
    struct fl_heap *heap;
    struct block *blocks;
};

static void *block_alloc(struct fl_table *t, size_t bytes)
{
    struct block *b = fl_heap_alloc(t->heap, bytes, BLOCK_ALIGN);

    if (b != NULL)
        b->bytes = bytes;
    return b;
}

static void block_keep(struct fl_table *t, struct block *b)
{
    b->next = t->blocks;
    t->blocks = b;
}

static void *map_alloc(size_t bytes)
{
    struct fl_table *t = fl_lent();
    struct block *b = block_alloc(t, sizeof *b + bytes);

    if (b == NULL)
        return NULL;
    block_keep(t, b);
    return b + 1;
}

static void map_free(void *map, size_t bytes, bool defer)
{
    (void)map; /* a reader may be in it */
    (void)bytes;
    (void)defer;
}

static struct ck_malloc map_memory = {.malloc = map_alloc, .free = map_free};

/* Around each call into CK that may ask for memory. */
static void *enter(struct fl_table *t)
{
    fl_seam_quiet();
    return fl_lend(t);
}

static void leave(void *lent_before)
{
    fl_lend(lent_before);
    fl_seam_loud();
}

static void free_all(struct fl_table *t)
{
    struct block *b = t->blocks;

    while (b != NULL) {
        struct block *next = b->next;
        fl_heap_free(t->heap, b, b->bytes, BLOCK_ALIGN);
        b = next;
    }
    fl_heap_free(t->heap, t, sizeof *t, alignof(struct fl_table));
}

int fl_table_create(struct fl_table **out, struct fl_heap *heap)
{
    struct fl_table *t = fl_heap_zalloc(heap, sizeof *t, alignof(struct fl_table));

    if (t == NULL)
        return FILCH_ENOMEM;
    t->heap = heap;
    void *before = enter(t);
    bool made = ck_ht_init(&t->ht, CK_HT_MODE_BYTESTRING, NULL, &map_memory, FIRST_KEYS, 0);
    leave(before);
    if (!made) {
        free_all(t);
        return FILCH_ENOMEM;
    }
    *out = t;
    return 0;
}

void fl_table_destroy(struct fl_table *t)
{
    if (t != NULL)
        free_all(t);
}

static ck_ht_hash_t hash_of(struct fl_table *t, const void *key, size_t key_bytes)
{
    ck_ht_hash_t hash;

    ck_ht_hash(&hash, &t->ht, key, (uint16_t)key_bytes);
    return hash;
}

static struct entry *find(struct fl_table *t, ck_ht_hash_t hash, const void *key, size_t key_bytes)
{
    ck_ht_entry_t found;

    ck_ht_entry_key_set(&found, key, (uint16_t)key_bytes);
    fl_seam_quiet();
    bool there = ck_ht_get_spmc(&t->ht, hash, &found);
    fl_seam_loud();
    return there ? ck_ht_entry_value(&found) : NULL;
}

static bool insert(struct fl_table *t, ck_ht_hash_t hash, struct entry *e, size_t key_bytes)
{
    ck_ht_entry_t fresh;

    ck_ht_entry_set(&fresh, hash, e->key, (uint16_t)key_bytes, e);
    void *before = enter(t);
    bool inserted = ck_ht_put_spmc(&t->ht, hash, &fresh);
    leave(before);
    return inserted;
}

static int add(struct fl_table *t, ck_ht_hash_t hash, const void *key, size_t key_bytes,
               void *value)
{
    struct entry *e = block_alloc(t, sizeof *e + key_bytes);

    if (e == NULL)
        return FILCH_ENOMEM;
    memcpy(e->key, key, key_bytes);
    fl_init(&e->value, value);
    fl_seam_release(e); /* put's own fence is H1 for the first value */
    if (!insert(t, hash, e, key_bytes)) {
        fl_heap_free(t->heap, e, e->block.bytes, BLOCK_ALIGN);
        return FILCH_ENOMEM;
    }
    block_keep(t, &e->block);
    return 0;
}

int fl_table_put(struct fl_table *t, const void *key, size_t key_bytes, void *value)
{
    if (key_bytes == 0 || key_bytes > KEY_BYTES_MAX || value == NULL)
        return FILCH_EINVAL;

    ck_ht_hash_t hash = hash_of(t, key, key_bytes);
    struct entry *e = find(t, hash, key, key_bytes);
    if (e == NULL)
        return add(t, hash, key, key_bytes, value);
    fl_seam_release(e);
    fl_store(&e->value, value, release); /* H1 */
    return 0;
}

void *fl_table_get(struct fl_table *t, const void *key, size_t key_bytes)
{
    if (key_bytes == 0 || key_bytes > KEY_BYTES_MAX)
        return NULL;

    struct entry *e = find(t, hash_of(t, key, key_bytes), key, key_bytes);
    if (e == NULL)
        return NULL;
    void *value = fl_load(&e->value, acquire); /* H2 */
    fl_seam_acquire(e);
    return value;
}

size_t fl_table_count(struct fl_table *t)
{
    return (size_t)ck_ht_count(&t->ht);
}
