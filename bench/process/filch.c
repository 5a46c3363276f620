/* SPDX-License-Identifier: MIT
 *
 * filch.c: filch's own executor of processes, with an arena of jemalloc's for its records. */
#include <filch/process.h>

#include <string.h>

#include "process/process.h"

static const char *const names[] = {[JOB_ADD_ONE] = "add one", [JOB_ECHO] = "echo"};

static int add_one(const void *in, size_t len, filch_buffer *out)
{
    uint64_t number;

    if (len != sizeof number)
        return 1;
    memcpy(&number, in, sizeof number);
    number++;
    return filch_buffer_append(out, &number, sizeof number) != 0;
}

static int echo(const void *in, size_t len, filch_buffer *out)
{
    return filch_buffer_append(out, in, len) != 0;
}

void process_filch_main(void)
{
    bench_must(filch_job_register(names[JOB_ADD_ONE], add_one), "a job's name");
    bench_must(filch_job_register(names[JOB_ECHO], echo), "a job's name");
    bench_must(filch_process_main(), "filch_process_main");
}

static void *create(unsigned workers)
{
    filch_process_options options = {.size = sizeof options, .workers = workers, .name = "bench"};
    filch_allocator allocator;
    filch_executor *ex;

    if (filch_allocator_jemalloc(&allocator) == 0)
        options.allocator = &allocator;
    bench_must(filch_process_executor_create(&ex, &options), "an executor of processes");
    return ex;
}

static void destroy(void *pool)
{
    filch_executor_destroy(pool);
}

/* A job's first word is its future. */
static void submit(void *pool, enum process_job what, const void *bytes, size_t n, struct job *job)
{
    filch_future *f;

    bench_must(filch_submit_job(pool, names[what], bytes, n, &f), "submit_job");
    job->word[0] = f;
}

static const void *wait_for(struct job *job, size_t *n)
{
    void *result;

    bench_must(filch_future_result(job->word[0], FILCH_FOREVER, &result), "result");
    const filch_buffer *b = result;
    *n = b->len;
    return b->data;
}

static void release(struct job *job)
{
    filch_future_release(job->word[0]);
}

const struct process_ops process_filch = {
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .wait = wait_for,
    .release = release,
};
