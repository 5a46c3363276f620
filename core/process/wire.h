/* SPDX-License-Identifier: MIT
 *
 * wire.h: what a program and one of its worker processes share: two pieces of memory, a socket and an
 * eventfd. link.c is the program's end, desk.c the worker's.
 *
 * The first piece, `in`, is the program's to write; the worker can only read it (the memory file is sealed so), so
 * what has been sent stays what it was, whatever the worker does, and can be given to another when it has died. The
 * second, `out`, both write, and the program believes nothing of what it finds there: it keeps its own positions,
 * reads each word once, and checks every length. So a worker that scribbles spoils its own answers, and nothing
 * else.
 *
 * Jobs are numbered from 0 for as long as the worker lives. Job n is in slot n % FL_WIRE_SLOTS of both pieces, in
 * its turn n / FL_WIRE_SLOTS; the worker takes them in order. A slot's word in `out` says in which turn it is and how
 * far: so a late word of an earlier turn is none of this one.
 *
 * Words   bell      in: how many jobs there are, modulo 2^32; the worker sleeps on it
 *         armed     in: the manager sleeps, and wants to hear of anything that is done
 *         watched   in: 2 (n + 1), if a thread looks for the end of job n, and 1 more if it sleeps on done; or 0
 *         taken     in: up to which byte of out's ring answers have been read
 *         room      in: a count that is raised with taken; a worker without room sleeps on it
 *         asleep    out: the worker is about to sleep: 1 on bell, 2 on room
 *         done      out: how many jobs are over, modulo 2^32; who waits for one sleeps on it
 *         answer    out: of each slot: 4 turn + enum fl_wire_phase
 * Always  A1  GIVEN is written by the program; GIVEN -> BEGUN by the worker's CAS, GIVEN -> BACK by the
 *             program's: one comes first, and the job is run here, or not at all. A worker that can't read what it
 *             has begun writes GIVEN once more, and ends
 *         A2  DONE is written by the worker alone, after the answer that it shows
 *         A3  an answer is read when its word says DONE, in the order of the numbers: so whatever was sent before it
 *             in `in` is free again, as is the room of all answers before it in `out`
 * The orders stand in link.c and desk.c. */
#ifndef FL_PROCESS_WIRE_H
#define FL_PROCESS_WIRE_H

#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/atomic.h"

#ifndef FL_WIRE_SLOTS
#    define FL_WIRE_SLOTS 256 /* jobs on their way to one worker, at most */
#endif

enum {
    FL_WIRE_VERSION = 2,
    FL_WIRE_ALIGN = 64, /* payloads begin on lines of their own */
    FL_WIRE_SAID = 4000 /* bytes of a failure's message that travel */
};

enum fl_wire_phase {
    FL_WIRE_BACK,  /* the program has taken it back */
    FL_WIRE_GIVEN, /* not begun */
    FL_WIRE_BEGUN, /* the worker's */
    FL_WIRE_DONE
};

static inline uint32_t fl_wire_word(uint64_t n, enum fl_wire_phase phase)
{
    return (uint32_t)(n / FL_WIRE_SLOTS) << 2 | (uint32_t)phase;
}

enum fl_wire_flags {
    FL_WIRE_CHUNK = 1, /* several inputs in one: job.h */
    FL_WIRE_FAR = 2,   /* the payload is in a memory file that comes by the socket */
    FL_WIRE_END = 4    /* no job: the worker is to end */
};

struct fl_wire_request {
    uint64_t offset; /* in the ring */
    uint64_t len;
    uint32_t job; /* as the worker counts them */
    uint32_t flags;
};

/* Of the program. */
struct fl_wire_in {
    uint32_t version;
    uint32_t keeps_rss; /* the worker is to say how much memory it has */
    int64_t spin_ns;
    int64_t cpu_limit_ns; /* of a job; 0: none */
    uint64_t ring_bytes;  /* of each ring */
    alignas(FL_LINE_PAIR) fl_atomic(uint32_t) bell;
    fl_atomic(uint32_t) armed;
    fl_atomic(uint64_t) watched;
    alignas(FL_LINE_PAIR) fl_atomic(uint64_t) taken;
    fl_atomic(uint32_t) room;
    alignas(FL_LINE_PAIR) struct fl_wire_request slot[FL_WIRE_SLOTS];
    alignas(FL_LINE_PAIR) unsigned char ring[];
};

struct fl_wire_answer {
    alignas(FL_LINE) fl_atomic(uint32_t) word;
    fl_atomic(int32_t) status;
    fl_atomic(uint64_t) offset; /* of the result in the ring; of the message, if status is not 0 */
    fl_atomic(uint64_t) len;
    fl_atomic(uint64_t) end; /* the ring is used up to here, counted from the first byte ever */
    fl_atomic(uint32_t) flags;
    fl_atomic(uint32_t) run_us; /* how long it took */
    fl_atomic(uint64_t) rss_bytes;
};

/* Of the worker. */
struct fl_wire_out {
    alignas(FL_LINE_PAIR) fl_atomic(uint32_t) asleep;
    fl_atomic(uint32_t) done;
    fl_atomic(uint32_t) has_address; /* of the fault that it is dying of */
    fl_atomic(uint64_t) address;
    alignas(FL_LINE_PAIR) struct fl_wire_answer slot[FL_WIRE_SLOTS];
    alignas(FL_LINE_PAIR) unsigned char ring[];
};

/* Of a piece with a ring of that many bytes. */
static inline size_t fl_wire_in_bytes(size_t ring_bytes)
{
    return sizeof(struct fl_wire_in) + ring_bytes;
}

static inline size_t fl_wire_out_bytes(size_t ring_bytes)
{
    return sizeof(struct fl_wire_out) + ring_bytes;
}

/* What goes by the socket with a memory file. */
struct fl_wire_far {
    uint64_t n; /* of the job */
    uint64_t len;
};

#endif /* FL_PROCESS_WIRE_H */
