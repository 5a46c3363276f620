/* SPDX-License-Identifier: MIT
 *
 * pace.h: how much of a loop a thread does at once, and how many others it calls in before. pace.c tells how.
 * A pace is its thread's own, and reads no clock. */
#ifndef FL_PARALLEL_PACE_H
#define FL_PARALLEL_PACE_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FL_PACE_CALLS = 2 /* helpers called in between two chunks: these call in others */
};

struct fl_pace {
    int64_t then;   /* when the last chunk began, or when the helpers before it were called */
    uint32_t units; /* of it; 0: there was none */
    bool is_long;   /* so that one unit's time may pass before anybody is called in */
};

struct fl_step {
    uint32_t units;   /* to do at once; some may be stolen until they are taken */
    uint32_t helpers; /* to call in before */
};

/* Of a loop of so many units, in a pool of so many workers; 0: nobody helps. */
struct fl_pace fl_pace_begin(uint32_t units, unsigned workers);

/* For whoever has so many units left, at least one; so many others would have something to do. */
struct fl_step fl_pace_next(struct fl_pace *pace, int64_t now, uint32_t left, uint32_t wanted);

/* ... if a chunk is one unit, however long that takes. Whoever is called in finds a unit. */
static inline struct fl_step fl_pace_even(uint32_t left, uint32_t wanted)
{
    uint32_t helpers = wanted < FL_PACE_CALLS ? wanted : FL_PACE_CALLS;

    return (struct fl_step){.units = 1, .helpers = helpers < left - 1 ? helpers : left - 1};
}

#endif /* FL_PARALLEL_PACE_H */
