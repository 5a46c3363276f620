/* SPDX-License-Identifier: MIT
 *
 * stress_scribble.c: a worker that writes anything anywhere into what it shares, at full speed; the program serves
 * the others, and is not harmed. */
/* seconds: 300 */
static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"

/* For so many milliseconds, and then it ends as if nothing had been. An odd number of them: it leaves the words alone
 * that say how far each job is, for by these it is soon found out. */
static int job_scribble(const void *in, size_t len, filch_buffer *out)
{
    struct timespec now;
    uint64_t until, ms, x;
    size_t bytes = 0;
    size_t at;
    unsigned char *shared = shared_with_program("memfd:filch-out", &bytes);

    memcpy(&ms, in, sizeof ms);
    clock_gettime(CLOCK_MONOTONIC, &now);
    until = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + ms;
    x = until * 2 + 1;
    if (shared == NULL)
        return 7;
    for (;;) {
        for (int i = 0; i < 10000; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            /* the words in front more often than the ring */
            at = (size_t)(x >> 20) % ((x & 7) != 0 && bytes > 20000 ? 20000 : bytes);
            if (ms % 2 == 0 || at % 64 >= 4)
                shared[at] = (unsigned char)x;
        }
        clock_gettime(CLOCK_MONOTONIC, &now);
        if ((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 >= until)
            break;
    }
    return job_echo(in, len, out);
}

/* Tries to spoil what the program has written, and to take the memory away from under it. */
static int job_overstep(const void *in, size_t len, filch_buffer *out)
{
    size_t bytes = 0;
    unsigned char *shared = shared_with_program("memfd:filch-in", &bytes);
    int harm = 0;

    (void)in;
    (void)len;
    if (shared == NULL)
        return 7;
    harm += mprotect(shared, bytes, PROT_READ | PROT_WRITE) == 0;
    for (int fd = 3; fd < 64; fd++)
        harm += ftruncate(fd, 0) == 0;
    return filch_buffer_append(out, &harm, sizeof harm);
}

TEST(what_the_program_has_written_is_out_of_reach)
{
    filch_executor *ex = processes(1);
    int harm = 0;

    expect(submit(ex, "overstep", NULL, 0), &harm, sizeof harm);
    filch_executor_destroy(ex);
}

TEST(a_worker_that_scribbles_harms_its_own_jobs_alone)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 2, .ring_bytes = 1 << 16});
    size_t rounds = test_scaled(40);
    size_t served = 0;
    unsigned char bytes[300];

    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)i;
    for (size_t round = 0; round < rounds; round++) {
        filch_future *bad = submit_ns(ex, "scribble", 100 + round % 2);
        size_t spoiled = 0;

        do {
            filch_future *f = submit(ex, "echo", bytes, 1 + served % sizeof bytes);
            void *result;
            int status = filch_future_result(f, FILCH_FOREVER, &result);
            const filch_buffer *b = result;

            /* It may have been given to that one, and come out as anything. */
            if (status != 0 || b->len != 1 + served % sizeof bytes ||
                memcmp(b->data, bytes, b->len) != 0)
                spoiled++;
            served++;
            filch_future_release(f);
        } while (!filch_future_done(bad));
        filch_future_release(bad);
        assert_true(spoiled <= 600);
    }
    printf("%zu jobs beside %zu that scribbled\n", served, rounds);
    for (int i = 0; i < 600; i++) {
        filch_future *f = submit(ex, "echo", "x", 1); /* what that one still has */

        filch_future_result(f, FILCH_FOREVER, NULL);
        filch_future_release(f);
    }
    for (unsigned i = 0; i < 2; i++) {
        int pid = kill_worker(ex, i);

        while (filch_process_pid(ex, i) == pid)
            usleep(1000);
    }
    for (int i = 0; i < 100; i++)
        expect_echo(ex, bytes, sizeof bytes);
    filch_executor_destroy(ex);
}

static void more_jobs(void)
{
    if (filch_job_register("scribble", job_scribble) != 0 ||
        filch_job_register("overstep", job_overstep) != 0)
        abort();
}
