/* SPDX-License-Identifier: MIT
 *
 * stress_scope.c: scopes by the thousand, from many threads and from tasks, while others cancel them and
 * shut their executor down: each task that was spawned ran once or never, a join returns after the last
 * and knows what they did, and the tokens are all given back. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

enum {
    THREADS = 6,
    MOST = 24
};

/* ---- Policies, results, who spawns ---- */

struct part {
    filch_scope *scope; /* spawns one more there, if not NULL */
    int status;
    uint32_t ran; /* plain: whoever has joined knows it */
    struct part *child;
};

static int task_part(void *arg, void **result)
{
    struct part *part = arg;

    (void)result;
    if (part->child != NULL && filch_scope_spawn(part->scope, task_part, part->child) != 0)
        part->child = NULL;
    part->ran++;
    return part->status;
}

struct tally {
    counter spawned, ran, skipped;
};

struct stage {
    filch_executor *ex;
    struct tally tally;
    size_t turns;
    bool cancels;
};

static void add(counter *c, uint64_t n)
{
    fl_add(c, n, relaxed); /* count */
}

static void check_outcome(enum filch_scope_policy policy, int status, uint64_t failed,
                          uint64_t good, uint64_t skipped)
{
    test_check(status == 0 || status == FILCH_ECANCELED || (status >= 1 && status <= 3));
    if (policy == FILCH_SCOPE_FIRST_SUCCESS && good > 0)
        test_check(status == 0);
    else if (failed > 0)
        test_check(status >= 1);
    else
        test_check(status == (skipped > 0 ? FILCH_ECANCELED : 0));
}

static void one_scope(struct stage *s, uint64_t x)
{
    struct part parts[MOST][2];
    filch_scope_options o = {.size = sizeof o,
                             .policy = (enum filch_scope_policy)(x % 3),
                             .deadline = (x >> 3) % 16 == 0 ? filch_in_us(20) : 0};
    unsigned n = (unsigned)(x >> 8) % MOST;
    unsigned spawned = 0;
    uint64_t failed = 0, good = 0, skipped = 0, ran = 0;
    filch_scope *scope = NULL;

    test_check(filch_scope_open(&scope, s->ex, &o) == 0);
    for (unsigned i = 0; i < n; i++) {
        int status = (x >> (20 + i)) % 8 == 0 ? 1 + (int)(i % 3) : 0;

        parts[i][1] = (struct part){.status = status};
        parts[i][0] = (struct part){.scope = scope, .status = status, .child = &parts[i][1]};
        if (filch_scope_spawn(scope, task_part, &parts[i][0]) != 0)
            break;
        spawned++;
        if (s->cancels && i == n / 2 && (x >> 50) % 4 == 0)
            filch_scope_cancel(scope);
    }
    int status = filch_scope_join(scope);
    for (unsigned i = 0; i < spawned; i++) {
        for (int k = 0; k < 2; k++) {
            const struct part *part = &parts[i][k];

            test_check(part->ran <= 1);
            ran += part->ran;
            failed += part->ran != 0 && part->status != 0;
            good += part->ran != 0 && part->status == 0;
            skipped += part->ran == 0;
        }
        /* a child may run only if its parent did */
        test_check(parts[i][1].ran <= parts[i][0].ran);
    }
    check_outcome(o.policy, status, failed, good, skipped + (spawned < n));
    add(&s->tally.spawned, 2 * (uint64_t)spawned);
    add(&s->tally.ran, ran);
    add(&s->tally.skipped, skipped);
}

static void play(unsigned i, void *arg)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t turn = 0; turn < s->turns; turn++)
        one_scope(s, random_next(&x));
}

static void play_on(unsigned workers, enum filch_help help, bool cancels, size_t turns)
{
    int64_t before = blocks_now();
    struct stage s = {.ex = pool_with((filch_options){.workers = workers, .help = help}),
                      .turns = test_scaled(turns),
                      .cancels = cancels};

    test_threads(THREADS, play, &s);
    assert_int_equal(filch_executor_wait_idle(s.ex, FILCH_FOREVER), 0);
    filch_executor_destroy(s.ex);
    assert_int_equal(count_of(&s.tally.spawned),
                     count_of(&s.tally.ran) + count_of(&s.tally.skipped));
    assert_int_equal(blocks_now(), before);
}

TEST(each_task_of_a_scope_runs_once_or_never_and_the_join_knows)
{
    play_on(2, FILCH_HELP_DESCENDANTS, false, 4000);
    play_on(1, FILCH_HELP_ANY, true, 3000);
    play_on(4, FILCH_HELP_NONE, true, 3000);
}

/* ---- Scopes that tasks open ---- */

static counter seeds;

static int task_opens(void *arg, void **result)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), fl_add(&seeds, 1, relaxed)); /* count */

    (void)result;
    for (size_t turn = 0; turn < 8; turn++)
        one_scope(s, random_next(&x));
    return 0;
}

TEST(scopes_that_tasks_open_end_on_any_number_of_workers)
{
    int64_t before = blocks_now();

    for (unsigned workers = 1; workers <= 4; workers++) {
        struct stage s = {.ex = pool_of(workers), .cancels = true};
        size_t n = test_scaled(800);

        for (size_t i = 0; i < n; i++)
            test_check(filch_submit(s.ex, task_opens, &s, NULL) == 0);
        assert_int_equal(filch_executor_wait_idle(s.ex, FILCH_FOREVER), 0);
        filch_executor_destroy(s.ex);
        assert_int_equal(count_of(&s.tally.spawned),
                         count_of(&s.tally.ran) + count_of(&s.tally.skipped));
    }
    assert_int_equal(blocks_now(), before);
}

/* ---- Cancelled from elsewhere ---- */

struct shared {
    filch_executor *ex;
    filch_token *token;
    counter ran;
    size_t turns;
};

static int task_asks(void *arg, void **result)
{
    struct shared *s = arg;

    (void)result;
    count_one(&s->ran);
    for (int i = 0; i < 1000 && !filch_cancel_requested(); i++)
        fl_relax();
    return 0;
}

static void cancel_or_join(unsigned i, void *arg)
{
    struct shared *s = arg;
    uint64_t x = random_from(test_seed(), i);

    for (size_t turn = 0; turn < s->turns; turn++) {
        filch_token *parent = filch_token_retain(s->token);
        filch_token *own = NULL;
        filch_scope *scope = NULL;

        test_check(filch_token_create(&own, parent, FILCH_FOREVER) == 0);
        filch_token_release(parent);
        filch_scope_options o = {.size = sizeof o, .parent = own};
        test_check(filch_scope_open(&scope, s->ex, &o) == 0);
        int spawned = 0;
        while (spawned < 6 && filch_scope_spawn(scope, task_asks, s) == 0)
            spawned++;
        if (random_next(&x) % 3 == 0)
            filch_token_cancel(own);
        filch_token_release(own);
        int status = filch_scope_join(scope);
        test_check(status == 0 || status == FILCH_ECANCELED || status == FILCH_ESHUTDOWN);
        if (i == 0 && turn == s->turns / 2)
            filch_token_cancel(s->token);
    }
}

TEST(a_parent_that_is_cancelled_ends_the_scopes_of_all_threads)
{
    int64_t before = blocks_now();
    struct shared s = {.ex = pool_of(2), .turns = test_scaled(4000)};

    assert_int_equal(filch_token_create(&s.token, NULL, FILCH_FOREVER), 0);
    test_threads(THREADS, cancel_or_join, &s);
    filch_token_release(s.token);
    filch_executor_destroy(s.ex);
    assert_int_equal(blocks_now(), before);
}

/* ---- Shut down in the middle ---- */

static void spawn_until_refused(unsigned i, void *arg)
{
    struct stage *s = arg;
    uint64_t x = random_from(test_seed(), i);

    if (i == 0) {
        for (uint64_t n = random_next(&x) % 3000; n > 0; n--)
            fl_relax();
        filch_executor_shutdown(
            s->ex, (x >> 40) % 2 == 0 ? FILCH_NO_WAIT : FILCH_CANCEL_PENDING | FILCH_NO_WAIT,
            FILCH_NOW);
        return;
    }
    for (int turn = 0; turn < 3; turn++) {
        struct part parts[MOST];
        filch_scope *scope = NULL;
        unsigned n = 0;

        test_check(filch_scope_open(&scope, s->ex, NULL) == 0);
        for (int status = 0; n < MOST; n++) {
            parts[n] = (struct part){.status = 0};
            status = filch_scope_spawn(scope, task_part, &parts[n]);
            if (status == FILCH_ESHUTDOWN)
                break;
            test_check(status == 0);
        }
        int status = filch_scope_join(scope);
        uint64_t ran = 0;
        for (unsigned k = 0; k < n; k++)
            ran += parts[k].ran;
        test_check(status == (ran == n ? 0 : FILCH_ECANCELED));
        add(&s->tally.spawned, n);
        add(&s->tally.ran, ran);
    }
}

TEST(a_scope_ends_whenever_its_executor_is_shut_down)
{
    int64_t before = blocks_now();
    size_t rounds = test_scaled(400);

    for (size_t i = 0; i < rounds; i++) {
        struct stage s = {.ex = pool_of(1 + (unsigned)(i % 3))};

        test_threads(3, spawn_until_refused, &s);
        filch_executor_destroy(s.ex);
        test_check(count_of(&s.tally.ran) <= count_of(&s.tally.spawned));
    }
    assert_int_equal(blocks_now(), before);
}
