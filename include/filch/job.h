/* SPDX-License-Identifier: MIT
 *
 * filch/job.h: named functions over bytes, which run wherever the executor is: in a thread of this process, or
 * in another process.
 *
 * A task is a pointer to a function and a pointer to its argument, and neither means anything elsewhere. A
 * job is a name and bytes, and what it gives back is bytes. So the same call works on every executor, and
 * what changes is the executor alone: see <filch/process.h> for one whose jobs may crash.
 *
 *     static int twice(const void *in, size_t len, filch_buffer *out)
 *     {
 *         return filch_buffer_append(out, in, len) != 0 || filch_buffer_append(out, in, len) != 0;
 *     }
 *
 *     int status = filch_job_register("twice", twice);
 *     status = filch_submit_job(ex, "twice", "ab", 2, &future);
 *     status = filch_future_result(future, FILCH_FOREVER, &result);
 *     const filch_buffer *b = result;    // b->data, b->len: "abab", as long as the future lives */
#ifndef FILCH_JOB_H
#define FILCH_JOB_H

#include <filch/map.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Bytes that grow. Data and len are read as they are; what is written goes through the functions. */
typedef struct filch_buffer {
    void *data; /* len bytes, aligned to 16; may be NULL if len is 0 */
    size_t len;
    uint64_t _[4]; /* filch's */
} filch_buffer;

/* Copies n bytes behind what is there; they may be the buffer's own. Returns 0, or FILCH_ENOMEM with the buffer as
 * it was. */
FILCH_API FILCH_CHECK int filch_buffer_append(filch_buffer *b, const void *bytes, size_t n);

/* Makes it n bytes longer, and returns where these are, for the caller to fill in, until it grows again; NULL: out of
 * memory, and the buffer is as it was. */
FILCH_API FILCH_CHECK void *filch_buffer_extend(filch_buffer *b, size_t n);

/* Frees a buffer that filch_future_take has moved out of its future. NULL is a no-op. */
FILCH_API void filch_buffer_free(filch_buffer *b);

/* A job: gives 0 with its bytes in out, or its own positive error code (filch_fail may say more); what is in out
 * does not count then. in is aligned to 16, is not to be written to, and is gone when the job returns; so is out. */
typedef int filch_job_fn(const void *in, size_t in_len, filch_buffer *out);

/* Gives fn a name, for this process and for the worker processes that are started from then on. The name is
 * copied. Do it before filch_process_main (process.h), or the workers of this program do not know it.
 * Returns 0, or
 *     FILCH_EINVAL   name or fn is NULL, name is empty or longer than FILCH_JOB_NAME_MAX, or has
 *                    another function already
 *     FILCH_ENOMEM
 * Allocates   once for each name, for as long as the process lives. */
FILCH_API FILCH_CHECK int filch_job_register(const char *name, filch_job_fn *fn);

enum {
    FILCH_JOB_NAME_MAX = 255 /* bytes, without the end */
};

/* Has the job of that name run over a copy of these bytes. bytes may be NULL if len is 0; future may be NULL, and
 * then nobody hears what came of it. The future's result is a const filch_buffer *, the future's own; or a
 * filch_buffer * if it is taken.
 * Returns 0, or what filch_submit returns, or
 *     FILCH_ENOENT     no job of that name is registered, where it would have to run
 *     FILCH_EMSGSIZE   more bytes than the executor allows
 *     FILCH_EPOISON    this name with these bytes has crashed too many workers (process.h)
 *     FILCH_ENOTSUP    by this executor: a rival
 * Allocates   the record, and the copy unless it goes straight to a worker. */
FILCH_API FILCH_CHECK int filch_submit_job(filch_executor *ex, const char *name, const void *bytes,
                                           size_t len, filch_future **future);

/* ---- One job over many inputs, as filch_map is one function over many arguments. */

/* Gives the next input: true with *bytes and *len set, good until it is called again or the call returns that has
 * called it; false: there are no more. Called by filch_map_jobs and filch_job_map_next alone, in their thread, and
 * not again after false. */
typedef bool filch_next_bytes_fn(void *source, const void **bytes, size_t *len);

typedef struct filch_job_map filch_job_map;

/* Makes an iterator, and starts the first jobs. options as for filch_map: of them window, chunk, FILCH_MAP_UNORDERED,
 * FILCH_MAP_CLOSE_WAITS and deadline count, drop has to be NULL. A chunk of jobs travels together and is run one
 * after the other by one worker: that makes short jobs cheap. If one of them crashes, its whole chunk has; if one
 * fails, the others go on.
 * Returns 0, FILCH_EINVAL, FILCH_E2BIG, FILCH_ENOMEM; what keeps the jobs from being submitted is told by
 *     filch_job_map_next. */
FILCH_API FILCH_CHECK int filch_map_jobs(filch_executor *ex, const char *name,
                                         filch_next_bytes_fn *next, void *source,
                                         const filch_map_options *options, filch_job_map **out);

/* The next result, in the order of the inputs unless FILCH_MAP_UNORDERED: *bytes, *len are good until the next call
 * and NULL, 0 for a job that has failed. Both may be NULL.
 * Returns 0, or of this job, after which it goes on with the next
 *     its own status   alone: what filch_fail has said is not kept. FILCH_EEND is told as FILCH_EINVAL
 *     what filch_future_result and filch_submit_job return of the chunk it was in: FILCH_ECRASHED (which is also
 *         told of each in a chunk whose worker gave back what is no result), FILCH_ECANCELED, FILCH_EMSGSIZE ...
 * or  FILCH_EEND        no more
 *     FILCH_ETIMEDOUT   the deadline: what has not started is cancelled, and the next is FILCH_EEND
 *     FILCH_ENOENT, FILCH_ENOTSUP, FILCH_ESHUTDOWN, FILCH_ENOMEM ...
 *                       once, after the jobs under way: no more could be submitted
 *     FILCH_EDEADLK, FILCH_EFORKED   as filch_future_result
 * Blocks   up to the deadline; on a worker of ex it helps as filch_future_result does. */
FILCH_API FILCH_CHECK int filch_job_map_next(filch_job_map *it, const void **bytes, size_t *len);

/* Cancels what has not started, and frees the iterator; waits for jobs that run if FILCH_MAP_CLOSE_WAITS. NULL is a
 * no-op. */
FILCH_API void filch_job_map_close(filch_job_map *it);

#ifdef __cplusplus
}
#endif

#endif /* FILCH_JOB_H */
