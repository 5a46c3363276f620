/* SPDX-License-Identifier: MIT
 *
 * desk.h: a worker process's end of what it shares with the program (wire.h). */
#ifndef FL_PROCESS_DESK_H
#define FL_PROCESS_DESK_H

#include "base/spin.h"
#include "process/wire.h"

struct fl_desk {
    const struct fl_wire_in *in;
    struct fl_wire_out *out;
    size_t ring_bytes;
    int bell;         /* an eventfd */
    uint64_t n;       /* the next job, or the one that is being done */
    uint64_t used;    /* bytes of out's ring, ever */
    uint64_t skipped; /* of these, at the end of the ring, since the last answer */
    uint64_t base;    /* ... when it was empty last: there its beginning is */
    struct fl_spinner spinner;
};

/* Blocks until job n is there. */
void fl_desk_await(struct fl_desk *d);

/* Begins it. False: it was taken back. */
bool fl_desk_begin(struct fl_desk *d);

/* It has not, after all: another worker is to have it, for this one ends. */
void fl_desk_leave_it(struct fl_desk *d);

static inline const struct fl_wire_request *fl_desk_request(const struct fl_desk *d)
{
    return &d->in->slot[d->n % FL_WIRE_SLOTS];
}

static inline struct fl_wire_answer *fl_desk_answer(const struct fl_desk *d)
{
    return &d->out->slot[d->n % FL_WIRE_SLOTS];
}

/* Where in the ring the next result begins, and how much room it has there in one piece: so much as is wanted, if it can be
 * had now. */
size_t fl_desk_room(struct fl_desk *d, size_t wanted);
void *fl_desk_place(const struct fl_desk *d);

/* Blocks until there is so much, at most half of the ring, or all of it. */
void fl_desk_await_room(struct fl_desk *d, size_t len);

/* The answer has so many bytes, at that place. */
void fl_desk_put(struct fl_desk *d, size_t len);

/* Job n is over, and its answer written: shows it, and rings whoever wants to hear of it. */
void fl_desk_tell(struct fl_desk *d);

#endif /* FL_PROCESS_DESK_H */
