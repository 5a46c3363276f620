/* SPDX-License-Identifier: MIT
 *
 * test_payload.c: payloads of every length, by the ring and by files, in any mixture.
 */
/* seconds: 300 */
static void more_jobs(void);
#define MORE_JOBS more_jobs
#include "process/jobs.h"

static unsigned char *pattern(size_t n)
{
    unsigned char *bytes = malloc(n != 0 ? n : 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (unsigned char)(i * 131 + (i >> 8) * 7 + n);
    return bytes;
}

TEST(every_length_from_0_to_70000_comes_back_as_it_was)
{
    enum {
        LAST = 70000,
        AT_ONCE = 32
    };
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 2, .ring_bytes = 1 << 18});
    size_t step = test_scale() < 1 ? 37 : 1;
    unsigned char *bytes = pattern(LAST + 1);
    filch_future *f[AT_ONCE];
    size_t lengths[AT_ONCE];

    for (size_t next = 0; next <= LAST;) {
        size_t n = 0;

        for (; n < AT_ONCE && next <= LAST; n++, next += step) {
            lengths[n] = next;
            f[n] = submit(ex, "echo", bytes + (LAST - next), next);
        }
        for (size_t i = 0; i < n; i++)
            expect(f[i], bytes + (LAST - lengths[i]), lengths[i]);
    }
    assert_true(stats_of(ex).far > 0); /* the ring takes a quarter of it, and no more */
    filch_executor_destroy(ex);
    free(bytes);
}

TEST(results_of_every_kind_of_length_are_right)
{
    static const uint64_t lengths[] = {0,    1,    63,   64,    65,    1023,  1024,  1025,
                                       4095, 4096, 4097, 16383, 16384, 16385, 65536, 1000000};
    static const size_t rings[] = {4096, 65536, 0};

    for (size_t r = 0; r < sizeof rings / sizeof rings[0]; r++) {
        filch_executor *ex =
            processes_with((filch_process_options){.workers = 1, .ring_bytes = rings[r]});

        for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
            filch_future *f = submit_ns(ex, "make", lengths[i]);
            const filch_buffer *b;
            void *result;

            assert_int_equal(filch_future_result(f, FILCH_FOREVER, &result), 0);
            b = result;
            assert_int_equal(b->len, lengths[i]);
            for (size_t k = 0; k < b->len; k++)
                assert_int_equal(((unsigned char *)b->data)[k],
                                 (unsigned char)(k * 7 + lengths[i]));
            filch_future_release(f);
        }
        filch_executor_destroy(ex);
    }
}

TEST(a_hundred_mebibytes_go_and_come)
{
    size_t n = (size_t)(test_scale() < 1 ? 20 : 100) << 20;
    filch_executor *ex = processes(1);
    unsigned char *bytes = pattern(n);

    expect_echo(ex, bytes, n);
    expect_echo(ex, "small", 5);
    filch_executor_destroy(ex);
    free(bytes);
}

/* Appends piece by piece: from the ring to the heap, from there to a file. */
static int job_pieces(const void *in, size_t len, filch_buffer *out)
{
    for (size_t i = 0; i < len; i += 1000) {
        if (filch_buffer_append(out, (const char *)in + i, len - i < 1000 ? len - i : 1000) != 0)
            return 12;
    }
    return 0;
}

TEST(a_result_that_grows_moves_and_stays_what_it_is)
{
    static const size_t lengths[] = {1, 999, 1000, 1001, 30000, 66000, 200000, 3000000};
    filch_executor *ex =
        processes_with((filch_process_options){.workers = 1, .ring_bytes = 1 << 18});

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        unsigned char *bytes = pattern(lengths[i]);

        expect(submit(ex, "pieces", bytes, lengths[i]), bytes, lengths[i]);
        free(bytes);
    }
    filch_executor_destroy(ex);
}

TEST(a_full_ring_makes_the_worker_wait_and_nothing_is_lost)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 16384});
    unsigned char *bytes = pattern(4096);
    filch_future *f[500];

    for (int i = 0; i < 500; i++)
        f[i] = submit(ex, "echo", bytes, 4096 - (size_t)i);
    for (int i = 499; i >= 0; i--)
        expect(f[i], bytes, 4096 - (size_t)i);
    filch_executor_destroy(ex);
    free(bytes);
}

TEST(far_payloads_that_are_taken_back_do_not_reach_another_job)
{
    filch_executor *ex = processes_with((filch_process_options){.workers = 1, .ring_bytes = 4096});
    struct gate g = gate_make();
    unsigned char *bytes = pattern(20000);
    filch_future *first = submit(ex, "gate", g.names, g.len);
    filch_future *f[20];

    gate_await(&g);
    for (int i = 0; i < 20; i++)
        f[i] = submit(ex, "echo", bytes + i, 20000 - (size_t)i);
    for (int i = 0; i < 20; i += 2)
        assert_true(filch_future_cancel(f[i]));
    gate_open(&g);
    expect(first, g.names, g.len);
    for (int i = 0; i < 20; i++) {
        if (i % 2 == 0)
            assert_int_equal(status_of(f[i]), FILCH_ECANCELED);
        else
            expect(f[i], bytes + i, 20000 - (size_t)i);
    }
    filch_executor_destroy(ex);
    gate_remove(&g);
    free(bytes);
}

static void more_jobs(void)
{
    if (filch_job_register("pieces", job_pieces) != 0)
        abort();
}
