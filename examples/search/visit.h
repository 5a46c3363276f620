/* SPDX-License-Identifier: MIT
 *
 * search/visit.h: the tree being searched, and the tasks that visit it.
 *
 * A node is its task's until the future is over, and the main thread's from then on. A listing lives
 * until the main thread is through with all of its nodes, and so outlives the tasks that build their
 * paths from it. No task waits for another; all they share is a few counters. */
#ifndef FILCH_EXAMPLES_SEARCH_VISIT_H
#define FILCH_EXAMPLES_SEARCH_VISIT_H

#include "search/scan.h"

#include <filch/filch.h>

#include <dirent.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* A type of node beside the DT_... of <dirent.h>. */
enum {
    TYPE_STDIN = 255
};

/* What is wrong with a node, where no errno says it. */
enum {
    PROBLEM_LOOP = -1,
    PROBLEM_OUTPUT = -2
};

/* A file or directory, found in a listing or named on the command line. */
struct node {
    struct listing *in;
    const char *name;
    unsigned char type; /* DT_..., as far as known */
    bool visited;       /* false after its task is over: the main thread is to do it */
    bool passed;        /* by the main thread when it submitted jobs ahead (--processes) */
    bool matched;
    int problem;          /* errno or PROBLEM_..., 0 for none */
    size_t len;           /* of text */
    char *text;           /* lines to print */
    struct scan *rest;    /* what is left of the file after text; its fd is open */
    struct listing *list; /* what is in the directory */
    filch_future *future; /* of its task, or its job; NULL: it has none */
};

/* A directory's content, sorted by name; the outermost one holds the operands. */
struct listing {
    struct listing *in; /* NULL for the operands */
    const char *name;   /* of the directory, as its entries' paths begin with it */
    size_t name_len;    /* 0: they begin with their own name */
    size_t path_len;    /* of everything that stands before an entry's name */
    bool slash;         /* between name and entry */
    dev_t dev;
    ino_t ino;
    size_t n;
    struct node *nodes;
    char *names;
    size_t at;          /* the next to be printed; the main thread's, as are those below */
    size_t resubmitted; /* up to here, given-back nodes have had their other chance */
    size_t ahead;       /* ... and up to here, nodes have been passed */
};

struct search {
    struct patterns patterns;
    struct scan_options scan;
    filch_executor *ex;  /* NULL: one thread, or processes */
    size_t hold;         /* bytes of output that may wait to be printed */
    size_t hold_files;   /* files that may stay open meanwhile */
    bool dot_omitted;    /* no PATH was given: names without "./" */
    bool output_is_file; /* which must not be searched */
    struct stat output;
    atomic_bool stop; /* nobody wants the rest */

    /* Sums, and so relaxed: what they count reaches its reader through a future. */
    atomic_size_t held_bytes; /* of output that has been found and not printed */
    atomic_size_t held_nodes; /* listed and not printed */
    atomic_size_t held_files; /* open, because their rest is the main thread's to search */
    atomic_uint_least64_t files_found;
    atomic_uint_least64_t files_done;
    atomic_uint_least64_t bytes; /* read */
};

extern struct search search;

/* Output that waits is this many times what one task may find before it hands over its file, and
 * than the nodes that may wait. */
enum {
    HOLD_PARTS = 64
};

/* Submits a task for each of n nodes; if that fails, none gets one and the main thread visits them. */
void submit_nodes(void *const nodes[], size_t n);

/* Does in this thread what there is to do for a node, putting lines into out. Returns false if
 * there are too many open files: what is in out then does not count, and the node is as it was. */
bool visit(struct node *node, struct sink *out, bool on_worker);

/* Searches the rest of a file of which a task has found the beginning. */
void visit_rest(struct node *node, struct sink *out);

/* A node's path, in this thread's buffer until its next call here; its bare name if memory is out. */
const char *node_path(const struct node *node);

/* Frees what this thread keeps from node to node. */
void free_thread_buffers(void *unused);

#endif
