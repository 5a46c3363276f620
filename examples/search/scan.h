/* SPDX-License-Identifier: MIT
 *
 * search/scan.h: one file searched, the way grep -FI searches it.
 *
 * A file is read through a window. The lines that are complete in it are searched at once, not one
 * by one: find a match, widen it to its line, go on behind it. The incomplete last line moves to the
 * front of the next window, which grows only for a line longer than itself.
 *
 * A scan can stop between two lines, when its sink is full, and be resumed by another thread. */
#ifndef FILCH_EXAMPLES_SEARCH_SCAN_H
#define FILCH_EXAMPLES_SEARCH_SCAN_H

#include "search/print.h"

#include <stdatomic.h>
#include <sys/stat.h>

/* One fixed string. It is searched by its rarest byte. */
struct needle {
    const char *text;
    size_t len;
    size_t rare; /* the index of that byte */
};

/* The lines of a PATTERN: each is a string of its own, and a line matches if one of them is in it. */
struct patterns {
    struct needle *needles;
    size_t n;
    bool every_line; /* one is empty, and so in every line */
    bool multibyte;  /* lines that are not text in the locale's encoding are not printed */
};

/* Returns 0 or ENOMEM. The needles point into text. */
int patterns_parse(struct patterns *out, const char *text);
void patterns_free(struct patterns *patterns);

enum {
    /* grep's first window. What is printed of a file whose first NUL comes late depends on it. */
    SCAN_WINDOW = 96 * 1024,
    SCAN_WINDOW_MIN = 24,
    SCAN_WINDOW_MAX = 1024 * 1024 * 1024
};

/* What stands before each printed line: a name and its colon, or nothing if len is 0. */
struct heading {
    const char *text;
    size_t len;
};

/* What all scans of a search have in common. */
struct scan_options {
    const struct patterns *patterns;
    size_t window;
    bool numbered;                /* lines are printed with their numbers */
    const atomic_bool *stop;      /* set: leave off at the next window */
    atomic_uint_least64_t *bytes; /* all that have been read */
};

struct scan {
    const struct scan_options *options;
    int fd;
    int error;         /* errno of the read that failed */
    bool matched;      /* as grep counts: a file that turns out binary has no match */
    bool regular;      /* size says where it ends, unless it changes meanwhile */
    bool ended;        /* nothing is left to be read */
    uint64_t size;     /* as fstat said */
    uint64_t bytes;    /* read so far */
    uint64_t lines;    /* up to counted */
    size_t window;     /* of this file, grown for its longest line */
    char *buf;         /* kept from file to file */
    size_t cap;        /* of buf */
    char *at;          /* from here on lines are to be searched */
    char *lim;         /* up to here they are complete */
    char *end;         /* of what has been read */
    char *counted;     /* up to here newlines are in lines */
    const char **hits; /* for each needle its first match at or after `at`, lim if there is none */
};

/* Prepares *sc, zeroed or used before, for the file at fd. Returns 0 or ENOMEM. */
int scan_begin(struct scan *sc, const struct scan_options *options, int fd, const struct stat *st);

/* Searches on. Returns true when the file is done with, false if out is full or broken. */
bool scan_run(struct scan *sc, const struct heading *heading, struct sink *out);

/* Frees the window; fd stays the caller's. */
void scan_free(struct scan *sc);

#endif
