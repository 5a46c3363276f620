/* SPDX-License-Identifier: MIT
 *
 * pace.c: chunks of a loop whose caller has given no grain.
 *
 * A chunk is what takes CHUNK_NS, as far as the last chunk tells, and the first is one unit. By then it is known
 * what the rest will take, and nobody is called in for what is over before he has come; only a loop of few units
 * calls somebody in at once. */
#include "parallel/pace.h"

enum {
    CHUNK_NS =
        8000, /* a look at the clock is a small part of it, and so is it of a loop worth splitting */
    OFFER_NS = 5000,   /* what a sleeper takes to come at least */
    GROWTH = 64,       /* a chunk is at most so many times the last, */
    GROWTH_WANTED = 8, /* or this if somebody is hungry: it may be of another kind than the last */
    FEW = 16           /* one unit of so many times the workers is too few to wait for */
};

struct fl_pace fl_pace_begin(uint32_t units, unsigned workers)
{
    return (struct fl_pace){.is_long = units > FEW * workers};
}

/* What takes CHUNK_NS, if units are as the last were; helpers that are called in find half of all that is left. */
static uint32_t chunk_of(const struct fl_pace *pace, uint64_t took, uint32_t left, uint32_t wanted,
                         uint32_t helpers)
{
    uint64_t most = (uint64_t)pace->units * (wanted != 0 ? GROWTH_WANTED : GROWTH);
    uint64_t chunk = (uint64_t)pace->units * CHUNK_NS / took;

    if (chunk > most)
        chunk = most;
    if (chunk == 0)
        chunk = 1;
    if (helpers != 0 && chunk > left / 2)
        chunk = left / 2;
    return chunk < left ? (uint32_t)chunk : left;
}

struct fl_step fl_pace_next(struct fl_pace *pace, int64_t now, uint32_t left, uint32_t wanted)
{
    struct fl_step step = fl_pace_even(left, wanted);

    if (pace->units == 0) {
        if (pace->is_long)
            step.helpers = 0;
    } else {
        uint64_t took = now > pace->then ? (uint64_t)(now - pace->then) : 1;

        if (took < (uint64_t)OFFER_NS * pace->units / left)
            step.helpers = 0;
        step.units = chunk_of(pace, took, left, wanted, step.helpers);
    }
    pace->then = now;
    pace->units = step.units;
    return step;
}
