/* SPDX-License-Identifier: MIT
 *
 * test_standard.c: a program that has closed its standard input, output and error. */
static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"

#include <sys/stat.h>

enum {
    RING = 4096,
    FAR = 100000
};

/* Makes a long result, and prints while it does. */
static int job_prints(const void *in, size_t len, filch_buffer *out)
{
    static const char noise[] = "noise";

    (void)in;
    (void)len;
    for (int i = 0; i < FAR / 1000; i++) {
        unsigned char *bytes = filch_buffer_extend(out, 1000);

        if (bytes == NULL)
            return 1;
        memset(bytes, i, 1000);
        for (int fd = STDOUT_FILENO; fd <= STDERR_FILENO; fd++) {
            if (write(fd, noise, sizeof noise) != (ssize_t)sizeof noise)
                return 2;
        }
    }
    return 0;
}

/* Which of its first three descriptors are no devices. */
static int job_standard(const void *in, size_t len, filch_buffer *out)
{
    unsigned char others = 0;

    (void)in;
    (void)len;
    for (int fd = 0; fd < 3; fd++) {
        struct stat st;

        if (fstat(fd, &st) != 0 || !S_ISCHR(st.st_mode))
            others = (unsigned char)(others | 1 << fd);
    }
    return filch_buffer_append(out, &others, 1);
}

static void more_jobs(void)
{
    if (filch_job_register("prints", job_prints) != 0 ||
        filch_job_register("standard", job_standard) != 0)
        abort();
}

struct standard {
    int kept[3];
};

static void close_them(struct standard *s)
{
    for (int fd = 0; fd < 3; fd++) {
        s->kept[fd] = fcntl(fd, F_DUPFD_CLOEXEC, 100);
        close(fd);
    }
}

static void put_them_back(const struct standard *s)
{
    for (int fd = 0; fd < 3; fd++) {
        dup2(s->kept[fd], fd);
        close(s->kept[fd]);
    }
}

/* Descriptors of the program that are in the places of the three, and are ones by which it talks to workers. */
static int in_their_place(void)
{
    int n = 0;

    for (int fd = 0; fd < 3; fd++) {
        struct stat st;

        n += fstat(fd, &st) == 0 && (S_ISSOCK(st.st_mode) || S_ISREG(st.st_mode));
    }
    return n;
}

TEST(a_job_that_prints_writes_into_nothing_of_its_worker_s)
{
    filch_process_options options = {.size = sizeof options, .workers = 1, .ring_bytes = RING};
    struct standard standard;
    filch_executor *ex = NULL;
    filch_future *f = NULL;
    filch_future *g = NULL;
    void *result = NULL;
    unsigned char others = 9;
    int status[3];
    size_t wrong = 0;
    int there;

    options.start_timeout_ns = INT64_C(60000000000);
    close_them(&standard); /* an assertion would not be heard of */
    status[0] = filch_process_executor_create(&ex, &options);
    there = in_their_place();
    status[1] = status[0] == 0 ? filch_submit_job(ex, "standard", NULL, 0, &f) : -1;
    if (status[1] == 0)
        status[1] = filch_future_result(f, FILCH_FOREVER, &result);
    if (status[1] == 0)
        others = *(const unsigned char *)((const filch_buffer *)result)->data;
    status[2] = status[0] == 0 ? filch_submit_job(ex, "prints", NULL, 0, &g) : -1;
    if (status[2] == 0)
        status[2] = filch_future_result(g, FILCH_FOREVER, &result);
    for (size_t i = 0; status[2] == 0 && i < FAR; i++)
        wrong += ((const unsigned char *)((const filch_buffer *)result)->data)[i] != i / 1000;
    filch_future_release(f);
    filch_future_release(g);
    filch_executor_destroy(ex);
    put_them_back(&standard);
    assert_int_equal(status[0], 0);
    assert_int_equal(status[1], 0);
    assert_int_equal(others, 0);
    assert_int_equal(status[2], 0);
    assert_int_equal(wrong, 0);
    assert_int_equal(there, 0);
}
