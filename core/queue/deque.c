/* SPDX-License-Identifier: MIT
 *
 * deque.c: the owner works at the bottom, any thief takes from the top.
 *
 * After Chase & Lev (Dynamic Circular Work-Stealing Deque, SPAA 2005), orders after Le, Pop, Cohen &
 * Nardelli (PPoPP 2013). Changed: bottom is published by release stores and the two places where one
 * side stores and then looks use the primitives of atomic.h, so that ThreadSanitizer sees every edge;
 * indices are unsigned and compared by their difference, so that any start and every wrap is fine;
 * push keeps a top it has seen and reads the real one only when the array seems full.
 *
 * Words   top          the next index to steal; only grows, only by CAS
 *         bottom       the next index to fill; only the owner writes it
 *         slots        the array; the owner replaces it and keeps the old ones until the deque goes
 *         bottom_seen  shift's: some bottom that a thief has read, so a bottom that was
 * Always  A1  a pushed task leaves once: by a CAS on top, or by the owner while two are left
 *         A2  a slot is refilled only after its winner has read it; a stale read loses its CAS
 *         A3  a task at index i == top stays in its slot as long as top does: the owner takes the
 *             last one through top as well
 * Orders  D1  push   bottom   look -> D5           slot and array before the index that shows them
 *         D2  pop    bottom   look -> D5        }  the owner lowers, then looks; a thief looks, then
 *         D3  pop    top      look <- D6        }  raises: in the single order one sees the other
 *         D4  steal  top      look <- D6
 *         D5  steal  bottom   look <- D1 D2
 *         D6  both   top CAS  seq_cst -> D3 D4 D7 D10 forkjoin.c's K2
 *         D7  push   top      acquire <- D6        the winner has read the slot before we refill it
 *         D8  grow   slots    release -> D9        copied slots before the array that holds them
 *         D9  steal  slots    acquire <- D8
 *         D10 shift  top      acquire <- D6
 *         D11 shift  bottom_seen  release -> D12   a thief hands on what D5 showed it
 *         D12 shift  bottom_seen  acquire <- D11
 * Why pop may skip the CAS: it read top < b at D3. Whoever moves top to b does so later in the single
 * order, so that thief's D5 also follows our D2: it finds bottom <= b, or a newer task that D1 has
 * put at b. Either way not ours.
 * Take lowers bottom to b by more than one, and by the same argument what lies above b is the owner's too until
 * bottom is raised again; where top was at b, or beyond, nothing has moved, and what is left is shown again.
 * Why shift needs no single order: where nobody pops, bottom only grows, and an index below any bottom
 * ever seen is filled. A bottom_seen that goes backwards is merely older.
 * Proof: tests/queue/model_deque.c. */
#include "queue/deque.h"

static size_t slots_bytes(uint64_t n)
{
    return sizeof(struct fl_slots) + (size_t)n * sizeof(fl_atomic(struct fl_task *));
}

static struct fl_slots *slots_alloc(struct fl_heap *heap, uint64_t n)
{
    struct fl_slots *s = fl_heap_alloc(heap, slots_bytes(n), FL_LINE);

    if (s != NULL) {
        s->mask = n - 1;
        s->older = NULL;
    }
    return s;
}

int fl_deque_open(struct fl_deque *d, struct fl_heap *heap)
{
    struct fl_slots *s = slots_alloc(heap, FL_DEQUE_SLOTS);

    if (s == NULL)
        return FILCH_ENOMEM;
    d->heap = heap;
    d->top_seen = FL_DEQUE_START;
    fl_init(&d->bottom, FL_DEQUE_START);
    fl_init(&d->top, FL_DEQUE_START);
    fl_init(&d->bottom_seen, FL_DEQUE_START);
    fl_init(&d->slots, s);
    d->own = s;
    return 0;
}

void fl_deque_close(struct fl_deque *d)
{
    struct fl_slots *s = d->own;

    while (s != NULL) {
        struct fl_slots *older = s->older;

        fl_heap_free(d->heap, s, slots_bytes(s->mask + 1), FL_LINE);
        s = older;
    }
}

static int grow(struct fl_deque *d, uint64_t bottom, uint64_t top, uint64_t least)
{
    struct fl_slots *old = d->own;
    uint64_t n = old->mask + 1;

    while (n < least) {
        if (n > (uint64_t)PTRDIFF_MAX / (4 * sizeof(void *)))
            return FILCH_ENOMEM;
        n *= 2;
    }
    struct fl_slots *s = slots_alloc(d->heap, n);
    if (s == NULL)
        return FILCH_ENOMEM;
    for (uint64_t i = top; i != bottom; i++) {
        struct fl_task *task =
            fl_load(&old->slot[i & old->mask], relaxed); /* own word: we wrote it */
        fl_init(&s->slot[i & s->mask], task);
    }
    s->older = old;
    d->own = s;
    fl_store(&d->slots, s, release); /* D8 */
    return 0;
}

int fl_deque_reserve(struct fl_deque *d, size_t n)
{
    uint64_t b = fl_load(&d->bottom, relaxed); /* own word */
    uint64_t capacity = d->own->mask + 1;

    if (fl_likely(n <= capacity - (b - d->top_seen)))
        return 0;
    d->top_seen = fl_load(&d->top, acquire); /* D7 */
    if (n <= capacity - (b - d->top_seen))
        return 0;
    if (n > (uint64_t)PTRDIFF_MAX / (4 * sizeof(void *)))
        return FILCH_ENOMEM;
    return grow(d, b, d->top_seen, b - d->top_seen + n);
}

void fl_deque_push(struct fl_deque *d, struct fl_task *task)
{
    uint64_t b = fl_load(&d->bottom, relaxed); /* own word */
    struct fl_slots *s = d->own;

    fl_store(&s->slot[b & s->mask], task, relaxed); /* settled by D1 */
    fl_store_look(&d->bottom, b + 1);               /* D1 */
}

void fl_deque_push_many(struct fl_deque *d, struct fl_task *const *tasks, size_t n)
{
    uint64_t b = fl_load(&d->bottom, relaxed); /* own word */
    struct fl_slots *s = d->own;

    for (size_t i = 0; i < n; i++)
        fl_store(&s->slot[(b + i) & s->mask], tasks[i], relaxed); /* settled by D1 */
    fl_store_look(&d->bottom, b + n);                             /* D1 */
}

struct fl_task *fl_deque_pop(struct fl_deque *d)
{
    uint64_t b = fl_load(&d->bottom, relaxed) - 1; /* own word */

    if ((int64_t)(b - fl_load(&d->top, relaxed)) < 0) /* hint: top only grows, so empty is empty */
        return NULL;
    struct fl_slots *s = d->own;
    fl_store_look(&d->bottom, b);  /* D2: no new thief reaches b */
    uint64_t t = fl_look(&d->top); /* D3 */

    if ((int64_t)(b - t) < 0) {               /* it was empty */
        fl_store(&d->bottom, b + 1, relaxed); /* own word: empty again, shows no slot */
        return NULL;
    }
    struct fl_task *task = fl_load(&s->slot[b & s->mask], relaxed); /* own word: we wrote it */
    if (t != b)
        return task;

    /* The last one. Thieves may be after it too, so it leaves through their gate. */
    if (!fl_cas(&d->top, &t, t + 1, seq_cst, relaxed)) /* D6; hint: a lost race is all we learn */
        task = NULL;
    fl_store(&d->bottom, b + 1, relaxed); /* own word: empty again, shows no slot */
    return task;
}

/* The youngest index below bottom at which task lies. False: at none. */
static bool find(struct fl_deque *d, const struct fl_task *task, uint64_t bottom, uint64_t *index)
{
    uint64_t top = fl_load(&d->top, relaxed); /* hint: it only grows, so what is below it is gone */
    struct fl_slots *s = d->own;

    for (uint64_t i = bottom; (int64_t)(i - top) > 0; i--) {
        *index = i - 1;
        if (fl_load(&s->slot[*index & s->mask], relaxed) == task) /* own word: we wrote it */
            return true;
    }
    return false;
}

/* As pop, but that bottom goes down by more than one, and up again. */
bool fl_deque_take(struct fl_deque *d, const struct fl_task *task)
{
    uint64_t bottom = fl_load(&d->bottom, relaxed); /* own word */
    struct fl_slots *s = d->own;
    uint64_t b;
    bool is_ours;

    if (!find(d, task, bottom, &b))
        return false;
    fl_store_look(&d->bottom, b);  /* D2: no new thief reaches b */
    uint64_t t = fl_look(&d->top); /* D3 */

    is_ours = (int64_t)(b - t) > 0;
    if (is_ours) {
        for (uint64_t i = b + 1; i != bottom; i++) {
            struct fl_task *above =
                fl_load(&s->slot[i & s->mask], relaxed); /* own word: we wrote it */

            fl_store(&s->slot[(i - 1) & s->mask], above, relaxed); /* settled by D1 */
        }
        bottom--;
    } else if (t == b) {
        is_ours = fl_cas(&d->top, &t, t + 1, seq_cst, relaxed); /* D6; hint: as pop's */
    }
    fl_store_look(&d->bottom, bottom); /* D1 */
    return is_ours;
}

bool fl_deque_is_last(struct fl_deque *d, const struct fl_task *task)
{
    uint64_t b = fl_load(&d->bottom, relaxed) - 1; /* own word */
    struct fl_slots *s = d->own;

    if ((int64_t)(b - fl_load(&d->top, relaxed)) < 0) /* hint: top only grows, so empty is empty */
        return false;
    return fl_load(&s->slot[b & s->mask], relaxed) == task; /* own word: we wrote it */
}

struct fl_task *fl_deque_steal_if(struct fl_deque *d, uint64_t floor, bool (*only_if)(void *arg),
                                  void *arg)
{
    for (;;) {
        uint64_t t = fl_load_look(&d->top); /* D4 */
        uint64_t b = fl_look(&d->bottom);   /* D5 */

        if ((int64_t)(b - t) <= 0 || (int64_t)(t - floor) < 0)
            return NULL;
        struct fl_slots *s = fl_load(&d->slots, acquire);               /* D9 */
        struct fl_task *task = fl_load(&s->slot[t & s->mask], relaxed); /* settled by D6 */
        if (only_if != NULL && !only_if(arg))
            return NULL;
        if (fl_cas(&d->top, &t, t + 1, seq_cst, relaxed)) /* D6; hint: the loser starts over */
            return task;
    }
}

struct fl_task *fl_deque_steal(struct fl_deque *d)
{
    for (;;) {
        uint64_t t = fl_load_look(&d->top); /* D4 */
        uint64_t b = fl_look(&d->bottom);   /* D5 */

        if ((int64_t)(b - t) <= 0)
            return NULL;
        struct fl_slots *s = fl_load(&d->slots, acquire);               /* D9 */
        struct fl_task *task = fl_load(&s->slot[t & s->mask], relaxed); /* settled by D6 */
        if (fl_cas(&d->top, &t, t + 1, seq_cst, relaxed)) /* D6; hint: the loser starts over */
            return task;
    }
}

struct fl_task *fl_deque_shift(struct fl_deque *d)
{
    uint64_t t = fl_load(&d->top, acquire); /* D10 */

    for (;;) {
        if ((int64_t)(fl_load(&d->bottom_seen, acquire) - t) <= 0) { /* D12 */
            uint64_t b = fl_look(&d->bottom);                        /* D5 */

            if ((int64_t)(b - t) <= 0)
                return NULL;
            fl_store(&d->bottom_seen, b, release); /* D11 */
        }
        struct fl_slots *s = fl_load(&d->slots, acquire);               /* D9 */
        struct fl_task *task = fl_load(&s->slot[t & s->mask], relaxed); /* settled by D6 */
        if (fl_cas(&d->top, &t, t + 1, seq_cst, acquire))               /* D6, on failure D10 */
            return task;
    }
}

bool fl_deque_looks_empty(struct fl_deque *d)
{
    uint64_t t = fl_load(&d->top, acquire); /* D10 */

    return (int64_t)(fl_look(&d->bottom) - t) <= 0; /* D5 */
}

uint64_t fl_deque_bottom(struct fl_deque *d)
{
    return fl_load(&d->bottom, relaxed); /* own word */
}
