/* SPDX-License-Identifier: MIT
 *
 * stress_deadlock.c: tasks of several executors that wait for each other at random. Where each waits
 * only for those that were made before it nobody is ever told of a deadlock; where anybody waits for
 * anybody all of them end. */
#include "sched/work.h"

enum {
    EXECUTORS = 3,
    TASKS = 40,
    TURNS = 60
};

static struct {
    filch_executor *ex[EXECUTORS];
    filch_future *f[TASKS];
    struct gate known; /* all futures are */
    bool any;          /* anybody waits for anybody */
    uint64_t seed;
    counter told;
} game;

static int take_part(void *arg, void **result)
{
    unsigned me = (unsigned)(uintptr_t)arg;
    uint64_t seed = random_from(game.seed, me);

    (void)result;
    gate_pass(&game.known);
    for (int waits = 0; waits < 4; waits++) {
        unsigned other = (unsigned)(random_next(&seed) % (game.any ? TASKS : me + 1));
        int status;

        if (other == me && !game.any)
            continue;
        if (random_next(&seed) % 8 == 0) {
            status = filch_future_result(game.f[other], filch_in_us(100), NULL);
            test_check(status == 0 || status == FILCH_ETIMEDOUT || status == FILCH_EDEADLK);
        } else {
            status = filch_future_result(game.f[other], FILCH_FOREVER, NULL);
            test_check(status == 0 || status == FILCH_EDEADLK);
        }
        if (status == FILCH_EDEADLK)
            count_one(&game.told);
    }
    return 0;
}

static void play(bool any, uint64_t seed)
{
    game.any = any;
    game.seed = seed;
    game.known = (struct gate){0};
    fl_store(&game.told, 0, relaxed); /* own word: nobody plays yet */
    for (unsigned i = 0; i < TASKS; i++)
        game.f[i] = submit(game.ex[random_next(&seed) % EXECUTORS], take_part, number(i));
    gate_open(&game.known);
    for (int i = 0; i < TASKS; i++)
        test_check(outcome(game.f[i]) == 0);
    for (int i = 0; i < EXECUTORS; i++)
        test_check(filch_executor_wait_idle(game.ex[i], FILCH_FOREVER) == 0);
    for (int i = 0; i < TASKS; i++)
        filch_future_release(game.f[i]);
    test_check(any || count_of(&game.told) == 0);
}

static void play_often(bool any)
{
    uint64_t seed = test_seed();

    for (unsigned i = 0; i < EXECUTORS; i++)
        game.ex[i] = pool_with((filch_options){.workers = i + 1, .spin_ns = i == 0 ? -1 : 0});
    for (size_t turn = test_scaled(TURNS); turn > 0; turn--)
        play(any, random_next(&seed) | 1);
    for (int i = 0; i < EXECUTORS; i++)
        filch_executor_destroy(game.ex[i]);
}

TEST(nobody_is_told_where_each_waits_for_older_ones)
{
    play_often(false);
}

TEST(all_end_where_anybody_waits_for_anybody)
{
    play_often(true);
}
