/* SPDX-License-Identifier: MIT
 *
 * window.h: what maps over a source have in common: a window of calls under way, in chunks, and their outcomes one
 * by one. window.c tells how. */
#ifndef FL_PARALLEL_WINDOW_H
#define FL_PARALLEL_WINDOW_H

#include <filch/map.h>

#include "future/queue.h"

/* Calls that have one future. What they are, the map has behind it. */
struct fl_chunk {
    struct fl_chunk *next,
        *before; /* under way: the younger and the older; next: to be used again */
    filch_future *f;
    struct fl_waiter *node; /* unordered */
    int failed;             /* why there is nothing of it; 0: it has come */
    size_t n;               /* calls */
    size_t told;            /* of them, given to the user */
};

struct fl_window {
    struct fl_queue queue; /* unordered: chunks that are over */
    const struct fl_window_ops *ops;
    filch_executor *ex;
    filch_map_options options; /* completed */
    size_t chunk_bytes;        /* a chunk with what the map has behind it */
    struct fl_chunk *oldest, *youngest;
    struct fl_chunk *spare;   /* to be used again */
    struct fl_chunk *odd;     /* unordered: over, without a way into the queue */
    struct fl_chunk *current; /* over: the one whose outcomes are given */
    size_t under_way;         /* calls */
    int stopped;              /* why there are no more; told once */
    bool is_dry;              /* the source has no more, or is not asked any more */
    bool is_over;
    int process; /* that has made it */
};

/* What a map does with a chunk: begin, and for one that has begun retire or let_go, once. */
struct fl_window_ops {
    /* Fills a chunk from the source: at most options.chunk calls, their number in c->n and is_dry when the source has
     * said so; and has it run: 0 with c->f set, unless n is 0; or a status with nothing begun, and what was taken
     * is dropped. */
    int (*begin)(struct fl_window *w, struct fl_chunk *c);
    /* The chunk whose future has that result. NULL: the result does not tell. */
    struct fl_chunk *(*chunk_of)(void *result);
    /* All its outcomes have been given. The reference to its future goes with it. */
    void (*retire)(struct fl_window *w, struct fl_chunk *c);
    /* It is given up, and its future is released. task_has_it: its task runs, or has run to its end, and
     * may have the chunk still; otherwise nobody else has it. */
    void (*let_go)(struct fl_window *w, struct fl_chunk *c, bool task_has_it);
};

/* Options as they are, checked but for drop, and completed. 0, FILCH_EINVAL, FILCH_E2BIG. */
int fl_window_complete(filch_map_options *o, const filch_map_options *given, filch_executor *ex,
                       size_t call_bytes);

/* In zeroed memory; the first chunks begin. free gives the map's memory back once nobody tells the queue any more. */
void fl_window_open(struct fl_window *w, const struct fl_window_ops *ops, filch_executor *ex,
                    const filch_map_options *options, size_t chunk_bytes,
                    void (*free)(struct fl_listener *l));

/* 0 with w->current set: its call number w->current->told is next; or what filch_map_next returns. */
int fl_window_await(struct fl_window *w);

/* That one has been given. */
void fl_window_told(struct fl_window *w);

/* It is to be used again: nobody else has it. */
void fl_window_put(struct fl_window *w, struct fl_chunk *c);

/* Lets everything go but the map itself, whose memory goes with fl_queue_close. */
void fl_window_empty(struct fl_window *w);

#endif /* FL_PARALLEL_WINDOW_H */
