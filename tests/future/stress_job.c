/* SPDX-License-Identifier: MIT
 *
 * stress_job.c: threads that register the same names at once, and threads that look for them meanwhile: each name
 * comes to be there once, and whoever finds it finds its function. */
#include "sched/work.h"

#include "future/job.h"

enum {
    THREADS = 4,
    NAMES = 200
};

static int one(const void *in, size_t len, filch_buffer *out)
{
    (void)in, (void)len, (void)out;
    return 1;
}

static int two(const void *in, size_t len, filch_buffer *out)
{
    (void)in, (void)len, (void)out;
    return 2;
}

static void name_of(char name[32], unsigned round, unsigned i)
{
    snprintf(name, 32, "%u of round %u", i, round);
}

static counter won[NAMES][2];

/* Half of them want another function for the same name. */
static void race(unsigned t, void *arg)
{
    unsigned round = *(unsigned *)arg;
    filch_job_fn *mine = t % 2 != 0 ? two : one;
    char name[32];

    for (unsigned k = 0; k < NAMES; k++) {
        unsigned i = t < 2 ? k : NAMES - 1 - k;

        name_of(name, round, i);
        int status = filch_job_register(name, mine);
        test_check(status == 0 || status == FILCH_EINVAL);
        test_check(fl_job_find(name) == (status == 0 ? mine : mine == one ? two : one));
        if (status == 0)
            count_one(&won[i][t % 2]);
    }
}

TEST(of_those_who_register_a_name_at_once_one_function_wins_and_the_name_is_there_once)
{
    unsigned rounds = (unsigned)test_scaled(10);
    char name[32];

    for (unsigned round = 0; round < rounds; round++) {
        memset(won, 0, sizeof won);
        test_threads(THREADS, race, &round);
        for (unsigned i = 0; i < NAMES; i++) {
            size_t times = 0;

            name_of(name, round, i);
            for (size_t k = 0; fl_job_name(k) != NULL; k++)
                times += strcmp(fl_job_name(k), name) == 0;
            assert_int_equal(times, 1);
            assert_int_equal(count_of(&won[i][0]) + count_of(&won[i][1]), THREADS / 2);
            assert_true(count_of(&won[i][0]) == 0 || count_of(&won[i][1]) == 0);
        }
    }
}
