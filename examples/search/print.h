/* SPDX-License-Identifier: MIT
 *
 * search/print.h: where found lines go, and what the user sees on stderr meanwhile.
 *
 * A sink is either a memory buffer of a bounded size, which a task fills for the main thread to
 * print later, or a buffer in front of a file descriptor. A line that does not fit into a memory
 * sink any more is refused as a whole; a descriptor takes any length without holding it. */
#ifndef FILCH_EXAMPLES_SEARCH_PRINT_H
#define FILCH_EXAMPLES_SEARCH_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sink {
    char *buf;
    size_t len;
    size_t cap;
    size_t limit;       /* what buf may grow to */
    int fd;             /* -1: memory only */
    int error;          /* errno of the write that failed; nothing is written after it */
    void (*tick)(void); /* called now and then by whoever works for this sink; may be NULL */
};

/* Says whether bytes more can be put: always true in front of a descriptor. */
bool sink_has_room(struct sink *out, size_t bytes);

/* Appends; into memory only what sink_has_room has agreed to. */
void sink_put(struct sink *out, const char *data, size_t bytes);

/* Writes what is buffered; a memory sink keeps it. */
void sink_flush(struct sink *out);

/* Says "filch-search: name: what" on stderr, after all that out holds. name may be NULL. */
void complain(struct sink *out, const char *name, const char *what);

/* CLOCK_MONOTONIC, in nanoseconds. */
int64_t now_ns(void);

/* Has progress_show draw a line on stderr from a second from now on; only if that is a terminal. */
void progress_begin(void);

/* Draws the line anew if it is time to. */
void progress_show(uint64_t done, uint64_t found, uint64_t bytes);

/* Takes the line away, before something else is printed and at the end. */
void progress_hide(void);

#endif
