/* SPDX-License-Identifier: MIT
 *
 * sim_loop.c: loops: whoever takes part, each index is run once, what was done is known to the caller when
 * the loop returns, and nobody touches the loop any more then. Of pools by hand and of pools with threads. */
#include "sim/pools.h"

enum {
    MOST = 6
};

static int times[MOST];            /* plain: how often each was run, by nobody twice */
static fl_atomic(int) began[MOST]; /* 1: by some thread, 2: and it has ended */
static filch_executor *ex;
static filch_token *token;

static void reset(void)
{
    for (int i = 0; i < MOST; i++) {
        times[i] = 0;
        fl_init(&began[i], 0);
    }
}

/* Over where a loop of the caller's has been: a race for whoever still touches it. */
__attribute__((noinline)) static void write_over_the_stack(void)
{
    volatile uint64_t over[128];

    for (int i = 0; i < 128; i++)
        over[i] = 0;
    (void)over[0];
}

static int loop_of(filch_executor *on, size_t n, size_t grain, filch_range_fn *fn)
{
    filch_loop_options o = {.size = sizeof o, .grain = grain, .token = token};
    int status = filch_parallel_for_with(on, 0, n, &o, fn, NULL);

    write_over_the_stack();
    return status;
}

static void check_times(size_t n, int each)
{
    for (size_t i = 0; i < n; i++)
        sim_check(times[i] == each);
}

static void check_at_most_once(size_t n)
{
    for (size_t i = 0; i < n; i++)
        sim_check(times[i] <= 1);
}

/* ---- ranges ---- */

static int once(size_t begin, size_t end, void *arg)
{
    (void)arg;
    for (size_t i = begin; i < end; i++) {
        times[i]++;
        fl_store(&began[i], 2, relaxed); /* hint */
    }
    return 0;
}

static void await_beginning(size_t i)
{
    SIM_AWAIT(fl_load(&began[i], relaxed) != 0); /* hint */
}

/* The first ends when the last has begun: so somebody else has to come. */
static int first_needs_the_last(size_t begin, size_t end, void *arg)
{
    fl_store(&began[begin], 1, relaxed); /* hint */
    if (begin == 0)
        await_beginning(2);
    return once(begin, end, arg);
}

/* Of four: 0 ends when 2 has begun, 2 when 3 has, and 3 when 2 is over. */
static int one_after_the_other(size_t begin, size_t end, void *arg)
{
    fl_store(&began[begin], 1, relaxed); /* hint */
    if (begin == 0)
        await_beginning(2);
    if (begin == 2)
        await_beginning(3);
    if (begin == 3)
        SIM_AWAIT(fl_load(&began[2], relaxed) == 2); /* hint */
    return once(begin, end, arg);
}

static int second_fails(size_t begin, size_t end, void *arg)
{
    (void)once(begin, end, arg);
    return begin <= 1 && 1 < end ? 4 : 0;
}

/* ---- pools by hand: threads of the scenario are its workers ---- */

static int give_pool(filch_executor *of, struct fl_pool **out)
{
    (void)of;
    *out = pool;
    return 0;
}

static const struct fl_executor_ops by_hand_ops = {.pool = give_pool};
static struct filch_executor by_hand = {&by_hand_ops};
static fl_atomic(int) is_over;

/* So many workers, of which n - 1 seem to search: the first is for who clears up. */
static void make(unsigned n)
{
    make_pool_by_hand(n, 0);
    reset();
    token = NULL;
    fl_init(&is_over, 0);
    fl_init(&pool->idle, n - 1);
    watch(NULL); /* it only seems so */
}

static bool run_one(struct fl_worker *w)
{
    struct fl_task *task = fl_take_from_lanes(w);

    if (task == NULL)
        task = fl_take_from_workers(w);
    if (task != NULL)
        fl_worker_run(w, task);
    return task != NULL;
}

/* Runs one, unless the loop is over before. */
static void helper(void *i)
{
    struct fl_worker *w = act_as_worker((unsigned)(uintptr_t)i);

    SIM_AWAIT(run_one(w) || fl_load(&is_over, relaxed) != 0); /* hint */
    act_as_nobody();
}

static void helpers(unsigned n)
{
    for (unsigned i = 1; i <= n; i++)
        sim_spawn(helper, (void *)(uintptr_t)i);
}

static void end(void)
{
    fl_store(&is_over, 1, relaxed); /* hint */
    sim_join_all();
    sim_solo_begin();
    while (run_one(act_as_worker(0)))
        continue;
    act_as_nobody();
    sim_solo_end();
    sim_check(fl_load(&pool->tombstones, relaxed) == 0);
    free_pool_by_hand();
}

SCENARIO(the_owner_and_a_thief_never_both_run_the_last_index, .weak_faults = 1)
{
    make(2);
    helpers(1);
    sim_check(loop_of(&by_hand, 2, 1, once) == 0);
    check_times(2, 1);
    end();
}

SCENARIO(the_owner_and_two_thieves_run_each_index_once)
{
    make(3);
    helpers(2);
    sim_check(loop_of(&by_hand, 3, 1, first_needs_the_last) == 0);
    check_times(3, 1);
    end();
}

SCENARIO(two_thieves_of_each_other_run_each_index_once, .weak_faults = 1)
{
    make(3);
    helpers(2);
    sim_check(loop_of(&by_hand, 5, 1, first_needs_the_last) == 0);
    check_times(5, 1);
    end();
}

SCENARIO(a_helper_that_comes_late_finds_nothing_of_the_loop)
{
    make(2);
    sim_check(loop_of(&by_hand, 2, 1, once) == 0);
    helpers(1);
    check_times(2, 1);
    end();
}

SCENARIO(a_helper_of_a_helper_is_waited_for)
{
    make(3);
    helpers(2);
    sim_check(loop_of(&by_hand, 4, 1, one_after_the_other) == 0);
    check_times(4, 1);
    end();
}

SCENARIO(two_loops_on_one_stack_one_after_the_other_do_not_meet)
{
    make(2);
    helpers(1);
    sim_check(loop_of(&by_hand, 2, 1, once) == 0);
    check_times(2, 1);
    reset();
    sim_check(loop_of(&by_hand, 2, 1, once) == 0);
    check_times(2, 1);
    end();
}

SCENARIO(chunks_by_the_clock_give_each_index_once)
{
    make(2);
    helpers(1);
    sim_check(loop_of(&by_hand, 6, 0, once) == 0);
    check_times(6, 1);
    end();
}

SCENARIO(after_a_failure_nothing_is_run_twice_and_all_are_waited_for)
{
    make(3);
    helpers(2);
    sim_check(loop_of(&by_hand, 4, 1, second_fails) == 4);
    check_at_most_once(4);
    sim_check(times[1] == 1);
    end();
}

/* ---- reductions ---- */

static int fold(size_t begin, size_t end, void *accumulator, void *arg)
{
    (void)first_needs_the_last(begin, end, arg);
    *(uint64_t *)accumulator += 10 * begin + end;
    return 0;
}

static void combine(void *left, void *right, void *arg)
{
    (void)arg;
    *(uint64_t *)left += *(uint64_t *)right;
}

static void reduce_on(filch_executor *on, unsigned flags)
{
    filch_reduction how = {.size = sizeof how,
                           .accumulator_bytes = sizeof(uint64_t),
                           .fold = fold,
                           .combine = combine,
                           .grain = 1,
                           .flags = flags};
    uint64_t sum = 99;

    sim_check(filch_parallel_reduce(on, 0, 3, &how, &sum, NULL) == 0);
    write_over_the_stack();
    sim_check(sum == 36);
    check_times(3, 1);
}

SCENARIO(what_helpers_have_folded_is_in_the_result)
{
    make(3);
    helpers(2);
    reduce_on(&by_hand, 0);
    end();
}

SCENARIO(what_helpers_have_folded_is_in_a_fixed_result)
{
    make(3);
    helpers(2);
    reduce_on(&by_hand, FILCH_REDUCE_FIXED);
    end();
}

/* ---- pools with threads ---- */

static void start(unsigned workers)
{
    filch_options o = {.size = sizeof o,
                       .workers = workers,
                       .max_spares = 1,
                       .spin_ns = -1,
                       .allocator = &sim_allocator};

    reset();
    token = NULL;
    sim_solo_begin();
    int status = filch_executor_create(&ex, &o);
    sim_solo_end();
    sim_check(status == 0);
}

/* Whoever has seen that somebody sleeps does not see it as it was before. */
static void await_asleep(void)
{
    struct fl_pool *p;

    sim_check(fl_executor_pool(ex, &p) == 0);
    SIM_AWAIT(fl_load(&p->idle, relaxed) == 1 << 10); /* hint */
}

SCENARIO(a_worker_that_sleeps_is_woken_and_helps, .spurious = 1)
{
    start(1);
    await_asleep();
    sim_check(loop_of(ex, 3, 1, first_needs_the_last) == 0);
    check_times(3, 1);
    filch_executor_destroy(ex);
}

SCENARIO(a_worker_that_is_about_to_sleep_helps_or_not)
{
    start(1);
    sim_check(loop_of(ex, 3, 1, once) == 0);
    check_times(3, 1);
    filch_executor_destroy(ex);
}

static int loop_inside(void *arg, void **result)
{
    (void)arg, (void)result;
    sim_check(loop_of(ex, 3, 1, once) == 0);
    check_times(3, 1);
    return 0;
}

SCENARIO(a_task_and_another_worker_share_its_loop)
{
    filch_future *f;

    start(2);
    sim_check(filch_submit(ex, loop_inside, NULL, &f) == 0);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static int count_run(void *n, void **result)
{
    (void)result;
    ++*(int *)n;
    return 0;
}

static int loop_after_a_fork(void *arg, void **result)
{
    filch_task t = {0};
    int n = 0;

    (void)arg, (void)result;
    filch_fork(&t, count_run, &n);
    sim_check(loop_of(ex, 2, 1, once) == 0);
    sim_check(filch_join(&t, NULL) == 0);
    sim_check(n == 1);
    check_times(2, 1);
    return 0;
}

SCENARIO(what_a_task_has_forked_before_its_loop_is_joined_after_it)
{
    filch_future *f;

    start(2);
    sim_check(filch_submit(ex, loop_after_a_fork, NULL, &f) == 0);
    sim_check(filch_future_result(f, FILCH_FOREVER, NULL) == 0);
    filch_future_release(f);
    filch_executor_destroy(ex);
}

static int inner_loops(size_t begin, size_t end, void *arg)
{
    for (size_t i = begin; i < end; i++)
        sim_check(filch_parallel_for(ex, 2 * i, 2 * i + 2, 1, once, arg) == 0);
    return 0;
}

SCENARIO(loops_in_a_loop_run_each_index_once)
{
    start(1);
    sim_check(loop_of(ex, 2, 1, inner_loops) == 0);
    check_times(4, 1);
    filch_executor_destroy(ex);
}

static void pause_it(void *arg)
{
    (void)arg;
    sim_check(filch_executor_pause(ex) == 0);
}

SCENARIO(a_loop_whose_helpers_are_not_begun_by_a_paused_pool_ends)
{
    start(1);
    await_asleep();
    sim_spawn(pause_it, NULL);
    sim_check(loop_of(ex, 3, 1, once) == 0);
    check_times(3, 1);
    sim_join_all();
    sim_check(filch_executor_resume(ex) == 0);
    filch_executor_destroy(ex);
}

static void cancel_token(void *t)
{
    filch_token_cancel(t);
}

SCENARIO(a_loop_that_is_cancelled_says_so_if_something_is_left_out)
{
    int status;
    int sum = 0;

    start(1);
    sim_check(filch_token_create(&token, NULL, FILCH_FOREVER) == 0);
    sim_spawn(cancel_token, token);
    status = loop_of(ex, 3, 1, once);
    check_at_most_once(3);
    for (int i = 0; i < 3; i++)
        sum += times[i];
    sim_check(status == 0 ? sum == 3 : status == FILCH_ECANCELED);
    sim_join_all();
    filch_token_release(token);
    filch_executor_destroy(ex);
}

static void shut_down(void *flags)
{
    filch_executor_shutdown(ex, FILCH_NO_WAIT | (unsigned)(uintptr_t)flags, FILCH_NOW);
}

SCENARIO(a_loop_beside_a_shutdown_that_drains_runs_all)
{
    start(1);
    sim_spawn(shut_down, (void *)(uintptr_t)FILCH_DRAIN);
    sim_check(loop_of(ex, 3, 1, once) == 0);
    check_times(3, 1);
    sim_join_all();
    filch_executor_destroy(ex);
}

SCENARIO(a_loop_beside_a_shutdown_that_cancels_runs_all)
{
    start(1);
    sim_spawn(shut_down, (void *)(uintptr_t)FILCH_CANCEL_PENDING);
    sim_check(loop_of(ex, 3, 1, once) == 0);
    check_times(3, 1);
    sim_join_all();
    filch_executor_destroy(ex);
}

static void cancel_all(void *arg)
{
    (void)arg;
    sim_check(filch_executor_cancel_all(ex) >= 0);
}

SCENARIO(a_loop_whose_helpers_are_cancelled_with_all_runs_all)
{
    start(1);
    sim_spawn(cancel_all, NULL);
    sim_check(loop_of(ex, 3, 1, once) == 0);
    check_times(3, 1);
    sim_join_all();
    filch_executor_destroy(ex);
}

SCENARIO(without_memory_a_loop_runs_all, .alloc_faults = 2)
{
    start(1);
    sim_check(loop_of(ex, 3, 1, once) == 0);
    check_times(3, 1);
    filch_executor_destroy(ex);
}

static int fold_freely(size_t begin, size_t end, void *accumulator, void *arg)
{
    (void)once(begin, end, arg);
    *(uint64_t *)accumulator += end - begin;
    return 0;
}

SCENARIO(without_memory_a_reduction_is_right_or_has_not_begun, .alloc_faults = 1)
{
    for (unsigned flags = 0; flags <= FILCH_REDUCE_FIXED; flags++) {
        filch_reduction how = {.size = sizeof how,
                               .accumulator_bytes = sizeof(uint64_t),
                               .fold = fold_freely,
                               .combine = combine,
                               .grain = 1,
                               .flags = flags};
        uint64_t sum = 0;
        int status;

        start(1);
        status = filch_parallel_reduce(ex, 0, 3, &how, &sum, NULL);
        sim_check(status == 0 || (status == FILCH_ENOMEM && flags != 0));
        sim_check(sum == (status == 0 ? 3 : 0));
        check_times(3, status == 0);
        filch_executor_destroy(ex);
    }
}
