/* SPDX-License-Identifier: MIT
 *
 * desk.c: a worker process's end of what it shares with the program. The words are those of wire.h.
 *
 * Orders  C1  take   bell     look <- link.c's L1      after C2
 *         C2  sleep  asleep   look -> link.c's L2      then bell, or taken, is looked at
 *         C4  end    answer, done   look -> link.c's L3 link.c's L8    the answer before the word that shows it
 *         C5  full   taken    acquire <- link.c's L4
 *         C6  full   room     acquire <- link.c's L5
 *         C7  tell   armed, watched   look <- link.c's L6 link.c's L7    after C4 */
#include "process/desk.h"

#include "base/compiler.h"
#include "base/notify.h"
#include "process/file.h"

/* The kernel reads a word that we may only read. */
static fl_atomic(uint32_t) * sleepable(const fl_atomic(uint32_t) * word)
{
    return (fl_atomic(uint32_t) *)(uintptr_t)word;
}

/* ---- jobs */

static bool is_there(const struct fl_desk *d)
{
    return fl_look(&d->in->bell) != (uint32_t)d->n; /* C1 */
}

static bool watch(struct fl_desk *d, struct fl_spin *spin)
{
    while (fl_spin_turn(spin)) {
        if (fl_unlikely(spin->was_long))
            return fl_spin_shy(spin);
        for (int i = 0; i < 32; i++) {
            if (is_there(d)) {
                fl_spin_hit(spin);
                return true;
            }
            fl_relax();
        }
    }
    return false;
}

void fl_desk_await(struct fl_desk *d)
{
    struct fl_spin spin = fl_spin_begin(&d->spinner, d->in->spin_ns);

    if (is_there(d) || watch(d, &spin))
        return;
    fl_store_look(&d->out->asleep, 1); /* C2 */
    while (!is_there(d))
        fl_shared_wait(sleepable(&d->in->bell), (uint32_t)d->n, INT64_MAX);
    fl_store(&d->out->asleep, 0, relaxed); /* hint: one wake too many does no harm */
    fl_spin_slept(&spin);
}

bool fl_desk_begin(struct fl_desk *d)
{
    uint32_t given = fl_wire_word(d->n, FL_WIRE_GIVEN);

    return fl_cas(&fl_desk_answer(d)->word, &given, fl_wire_word(d->n, FL_WIRE_BEGUN), relaxed,
                  relaxed); /* settled by C1; otherwise it was taken back */
}

void fl_desk_leave_it(struct fl_desk *d)
{
    fl_store(&fl_desk_answer(d)->word, fl_wire_word(d->n, FL_WIRE_GIVEN),
             relaxed); /* hint: read when we are dead */
}

/* ---- answers */

static uint64_t free_bytes(const struct fl_desk *d)
{
    return d->ring_bytes - (d->used - fl_load(&d->in->taken, acquire)); /* C5 */
}

static uint64_t at_of(const struct fl_desk *d)
{
    return (d->used - d->base) % d->ring_bytes;
}

/* Skips the end of the ring if that is not enough, and what is free at its beginning is more: of a ring that is
 * free, there is half in one piece. How much is free in one piece. */
size_t fl_desk_room(struct fl_desk *d, size_t wanted)
{
    uint64_t all = free_bytes(d);
    uint64_t to_end;

    /* Nothing else is there: so what was skipped is free as well, for no answer says yet that it was. */
    if (all + d->skipped == d->ring_bytes) {
        d->used -= d->skipped;
        d->skipped = 0;
        d->base = d->used; /* where it is in the caches */
        all = d->ring_bytes;
    }
    to_end = d->ring_bytes - at_of(d);

    if (to_end < wanted && all > to_end && all - to_end > to_end) {
        d->used += to_end;
        d->skipped += to_end;
        all -= to_end;
        to_end = d->ring_bytes;
    }
    return (size_t)(all < to_end ? all : to_end);
}

void *fl_desk_place(const struct fl_desk *d)
{
    return d->out->ring + at_of(d);
}

/* Until so much is free in one piece. What is there has been told, and is read by somebody, or by nobody ever. */
void fl_desk_await_room(struct fl_desk *d, size_t len)
{
    while (fl_desk_room(d, len) < len) {
        uint32_t turn = fl_load(&d->in->room, acquire); /* C6 */

        fl_store_look(&d->out->asleep, 2); /* C2 */
        if (fl_desk_room(d, len) >= len)
            break;
        fl_shared_wait(sleepable(&d->in->room), turn, INT64_MAX);
    }
    fl_store(&d->out->asleep, 0, relaxed); /* hint: one wake too many does no harm */
}

void fl_desk_put(struct fl_desk *d, size_t len)
{
    struct fl_wire_answer *a = fl_desk_answer(d);

    fl_store(&a->offset, at_of(d), relaxed); /* settled by C4 */
    fl_store(&a->len, len, relaxed);         /* settled by C4 */
    d->used += (len + FL_WIRE_ALIGN - 1) / FL_WIRE_ALIGN * FL_WIRE_ALIGN;
}

void fl_desk_tell(struct fl_desk *d)
{
    struct fl_wire_answer *a = fl_desk_answer(d);
    uint64_t watched;

    fl_store(&a->end, d->used, relaxed); /* settled by C4 */
    d->skipped = 0;
    fl_store_look(&a->word, fl_wire_word(d->n, FL_WIRE_DONE)); /* C4 */
    fl_store_look(&d->out->done, (uint32_t)(d->n + 1));        /* C4 */
    watched = fl_look(&d->in->watched);                        /* C7 */
    if (watched >> 1 == d->n + 1) {
        if ((watched & 1) != 0)
            fl_shared_wake(&d->out->done);
    } else if (fl_look(&d->in->armed) != 0) { /* C7 */
        fl_notify_ring(d->bell);
    }
}
