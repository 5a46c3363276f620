/* SPDX-License-Identifier: MIT
 *
 * job.h: named functions over bytes: the names, what runs them, and the buffers that they fill. */
#ifndef FL_FUTURE_JOB_H
#define FL_FUTURE_JOB_H

#include <stdbool.h>
#include <stddef.h>

#include <filch/job.h>

/* What is behind a buffer: its words are the room that data has, and these. */
struct fl_buffer_ops {
    /* Sees to it that data has room for so many bytes, with the first len of them as they are. False: no memory,
     * and nothing has changed. */
    bool (*grow)(filch_buffer *b, size_t room);
    void (*free)(filch_buffer *b); /* all of it */
};

enum {
    FL_BUFFER_ROOM, /* words of filch_buffer */
    FL_BUFFER_OPS,
    FL_BUFFER_OWN /* two words for whoever has made it */
};

/* An empty one in the caller's memory. */
void fl_buffer_open(filch_buffer *b, const struct fl_buffer_ops *ops);

/* One of the process's malloc, with room for len bytes, which are its len. NULL: out of memory. */
filch_buffer *fl_buffer_create(size_t len);

/* The destructor of a future whose result is a buffer. */
void fl_buffer_drop(void *buffer, void *nothing);

/* What an executor is to have run. */
struct fl_job {
    const char *name;
    filch_job_fn
        *fn; /* fl_job_submit sets it; NULL: this process knows no such job; a worker may */
    const void *bytes;
    size_t len;
    bool is_chunk; /* bytes are several inputs, and the result is to be as many outputs: pack.h */
};

/* The function of that name, or NULL. Any thread; takes no lock. */
filch_job_fn *fl_job_find(const char *name);

/* The names in the order in which they were registered: NULL from the end on. */
const char *fl_job_name(size_t i);
filch_job_fn *fl_job_fn_at(size_t i);

/* filch_submit_job, and of a chunk. Arguments have been checked, but for the name's length. */
int fl_job_submit(filch_executor *ex, const struct fl_job *job, filch_future **future);

/* Runs it, wherever it is to run. Of a chunk each job has its status in the output, its message is dropped, and
 * what this returns, 0 or FILCH_ENOMEM, is the chunk's. */
int fl_job_call(filch_job_fn *fn, bool is_chunk, const void *in, size_t len, filch_buffer *out);

#endif /* FL_FUTURE_JOB_H */
