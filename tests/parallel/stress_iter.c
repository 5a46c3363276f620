/* SPDX-License-Identifier: MIT
 *
 * stress_iter.c: maps of every kind side by side on shared executors, from outside and from inside of
 * tasks, read to the end, closed early, out of time or cut off by a shutdown: each argument that was
 * taken is called with once or dropped once. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <pthread.h>

/* ---- Sources ---- */

enum {
    MOST = 2000
};

struct source {
    size_t n, given, dropped;
    bool is_dry;
    counter called;
    struct item {
        fl_atomic(uint32_t) fate; /* calls and drops */
        struct source *source;
    } item[MOST];
};

static bool next_item(void *source, void **arg)
{
    struct source *s = source;

    test_check(!s->is_dry);
    s->is_dry = s->given == s->n;
    if (s->is_dry)
        return false;
    *arg = &s->item[s->given++];
    return true;
}

static void meet_fate(struct item *item)
{
    test_check(fl_add(&item->fate, 1, relaxed) == 0); /* count */
}

static void drop_item(void *source, void *arg)
{
    struct source *s = source;

    meet_fate(arg);
    s->dropped++;
}

static int call(void *arg, void **result)
{
    struct item *item = arg;
    intptr_t i = item - item->source->item;

    meet_fate(item);
    *result = item;
    fl_add(&item->source->called, 1, release); /* -> has_settled: the last that is done with it */
    return i % 16 == 5 ? 9 : 0;
}

static void fill_source(struct source *s, size_t n)
{
    memset(s, 0, sizeof *s);
    s->n = n;
    for (size_t i = 0; i < n; i++)
        s->item[i].source = s;
}

/* Whether every call of a map that is closed is over: what runs then goes on by itself. */
static bool has_settled(struct source *s)
{
    return fl_load(&s->called, acquire) + s->dropped == s->given; /* <- call */
}

/* Once its calls are over. */
static void check_account(struct source *s)
{
    for (size_t i = 0; i < s->n; i++)
        test_check(fl_load(&s->item[i].fate, relaxed) == (i < s->given)); /* count */
    test_check(has_settled(s));
}

/* ---- One map, of some kind ---- */

struct plan {
    size_t until; /* results, and then it is closed */
    filch_map_options o;
    bool may_end_early; /* by the executor's end */
};

static struct plan plan_of(uint64_t *x, size_t n)
{
    static const size_t windows[] = {0, 1, 2, 3, 8, 30, FILCH_MAP_ALL};
    static const size_t chunks[] = {0, 1, 1, 2, 7, 50};
    uint64_t choice = random_next(x) >> 16;
    struct plan p = {.o = {.size = sizeof p.o, .drop = drop_item}};

    p.o.window = windows[choice % 7];
    p.o.chunk = chunks[(choice >> 4) % 6];
    p.o.flags = (unsigned)(choice >> 8) & 3U;
    if ((choice >> 12) % 4 == 0)
        p.o.deadline = filch_in_us((int64_t)(choice >> 16) % 300);
    p.until = (choice >> 14) % 3 == 0 ? (choice >> 16) % n : SIZE_MAX;
    return p;
}

/* The results come in order; a cancelled call has none. */
static void check_next(const struct source *s, const struct plan *p, const struct item *item,
                       int status, size_t come)
{
    size_t i = status == 0 ? (size_t)(item - s->item) : come;

    test_check(i < s->given);
    if ((p->o.flags & FILCH_MAP_UNORDERED) == 0)
        test_check(i == come && (status == 9) == (i % 16 == 5 && status != FILCH_ECANCELED));
    if (p->o.chunk <= 1 && p->o.window != 0 && s->given < s->n && !p->may_end_early)
        test_check(s->given == come + 1 + p->o.window); /* exactly */
}

static void run_plan(filch_executor *ex, struct source *s, const struct plan *p)
{
    filch_map_iter *it = NULL;
    size_t come = 0;
    bool is_cut = false;

    test_check(filch_map(ex, call, next_item, s, &p->o, &it) == 0);
    while (come < p->until) {
        void *result = NULL;
        int status = filch_map_next(it, &result);

        if (status == FILCH_EEND)
            break;
        test_check(!is_cut);
        if (status == FILCH_ETIMEDOUT || status == FILCH_ESHUTDOWN) {
            test_check(status == FILCH_ETIMEDOUT ? p->o.deadline != 0 : p->may_end_early);
            is_cut = true;
            continue;
        }
        test_check(status == 0 || status == 9 || (status == FILCH_ECANCELED && p->may_end_early));
        check_next(s, p, result, status, come);
        come++;
    }
    test_check(is_cut || p->until != SIZE_MAX || come == s->n);
    filch_map_close(it);
}

/* ---- From outside ---- */

enum {
    MAPPERS = 3
};

struct side {
    filch_executor *ex;
    size_t maps;
    counter given, mappers;
};

static void map_outside(unsigned i, void *arg)
{
    struct side *side = arg;
    uint64_t x = random_from(test_seed(), i);
    struct source *s = malloc(sizeof *s);

    test_check(s != NULL);
    for (size_t k = 0; k < side->maps; k++) {
        size_t n = 1 + (random_next(&x) >> 16) % ((random_next(&x) >> 16) % 16 == 0 ? MOST : 200);
        struct plan p = plan_of(&x, n);

        fill_source(s, n);
        run_plan(side->ex, s, &p);
        fl_add(&side->given, s->given, relaxed); /* count */
        while (!has_settled(s))
            test_check(finish(submit(side->ex, task_echo, NULL)) == 0);
        check_account(s);
    }
    free(s);
}

TEST(each_argument_of_many_maps_is_called_with_or_dropped)
{
    for (unsigned workers = 1; workers <= 3; workers += 2) {
        struct side side = {.ex = pool_of(workers), .maps = test_scaled(3000)};
        int64_t before = blocks_now();

        test_threads(MAPPERS, map_outside, &side);
        assert_int_equal(filch_executor_wait_idle(side.ex, FILCH_FOREVER), 0);
        assert_true(count_of(&side.given) >= MAPPERS * side.maps);
        assert_int_equal(blocks_now(), before);
        filch_executor_destroy(side.ex);
    }
}

/* ---- From inside of tasks ---- */

static int task_map(void *arg, void **result)
{
    struct side *side = arg;
    uint64_t x = random_from(test_seed(), 20 + fl_add(&side->mappers, 1, relaxed)); /* count */
    struct source *s = malloc(sizeof *s);

    test_check(s != NULL);
    for (size_t k = 0; k < side->maps; k++) {
        size_t n = 1 + (random_next(&x) >> 16) % 100;
        struct plan p = plan_of(&x, n);

        p.o.flags |= FILCH_MAP_CLOSE_WAITS; /* so that the source may go */
        p.o.deadline = 0;
        fill_source(s, n);
        run_plan(side->ex, s, &p);
        check_account(s);
        fl_add(&side->given, s->given, relaxed); /* count */
    }
    free(s);
    *result = NULL;
    return 0;
}

TEST(tasks_map_side_by_side_on_the_executor_that_runs_them)
{
    for (int help = FILCH_HELP_DESCENDANTS; help <= FILCH_HELP_NONE; help++) {
        for (unsigned workers = 1; workers <= 3; workers += 2) {
            struct side side = {
                .ex = pool_with((filch_options){.workers = workers, .help = (enum filch_help)help}),
                .maps = test_scaled(300)};
            filch_future *f[4];

            for (int i = 0; i < 4; i++)
                f[i] = submit(side.ex, task_map, &side);
            for (int i = 0; i < 4; i++)
                assert_int_equal(finish(f[i]), 0);
            filch_executor_destroy(side.ex);
        }
    }
}

/* ---- Maps of maps ---- */

struct plane {
    filch_executor *ex;
    unsigned height;
    unsigned flags;
    int left;
};

static bool next_plane(void *source, void **arg)
{
    struct plane *p = source;

    *arg = p;
    return p->left-- > 0;
}

static int map_below(void *arg, void **result)
{
    const struct plane *p = arg;
    struct plane below = {p->ex, p->height - 1, p->flags ^ FILCH_MAP_UNORDERED, 6};
    filch_map_options o = {.size = sizeof o, .window = 4, .flags = p->flags};
    filch_map_iter *it = NULL;
    intptr_t sum = 0;
    void *one = NULL;
    int status;

    *result = number(1);
    if (p->height == 0)
        return 0;
    test_check(filch_map(p->ex, map_below, next_plane, &below, &o, &it) == 0);
    while ((status = filch_map_next(it, &one)) == 0)
        sum += (intptr_t)one;
    test_check(status == FILCH_EEND);
    filch_map_close(it);
    *result = number(sum);
    return 0;
}

TEST(maps_of_maps_count_every_leaf)
{
    for (unsigned workers = 1; workers <= 3; workers++) {
        for (size_t turn = test_scaled(8); turn > 0; turn--) {
            struct plane p = {pool_of(workers), 5, (unsigned)turn & FILCH_MAP_UNORDERED, 0};
            filch_future *f = submit(p.ex, map_below, &p);
            void *sum = NULL;

            assert_int_equal(filch_future_result(f, FILCH_FOREVER, &sum), 0);
            assert_int_equal((intptr_t)sum, 7776);
            filch_future_release(f);
            filch_executor_destroy(p.ex);
        }
    }
}

/* ---- Cut off by a shutdown ---- */

struct cut {
    pthread_barrier_t turn;
    filch_executor *ex;
    size_t rounds;
};

static void map_or_shut_down(unsigned i, void *arg)
{
    struct cut *c = arg;
    uint64_t x = random_from(test_seed(), 70 + i);
    struct source *s = malloc(sizeof *s);

    test_check(s != NULL);
    for (size_t round = 0; round < c->rounds; round++) {
        size_t n = 1 + (random_next(&x) >> 16) % 300;
        struct plan p = plan_of(&x, n);

        if (i == 0)
            c->ex = pool_of(1 + (unsigned)round % 2);
        pthread_barrier_wait(&c->turn);
        if (i == 0) {
            for (uint64_t k = (random_next(&x) >> 16) % 2000; k > 0; k--)
                fl_relax();
            test_check(filch_executor_shutdown(c->ex,
                                               round % 3 == 0 ? FILCH_DRAIN : FILCH_CANCEL_PENDING,
                                               FILCH_FOREVER) == 0);
        } else {
            p.may_end_early = true;
            fill_source(s, n);
            run_plan(c->ex, s, &p);
        }
        pthread_barrier_wait(&c->turn);
        if (i != 0)
            check_account(s);
        pthread_barrier_wait(&c->turn);
        if (i == 0)
            filch_executor_destroy(c->ex);
    }
    free(s);
}

TEST(e2_a_map_that_a_shutdown_cuts_off_loses_no_argument)
{
    struct cut c = {.rounds = test_scaled(5000)};
    int64_t before = blocks_now();

    pthread_barrier_init(&c.turn, NULL, 3);
    test_threads(3, map_or_shut_down, &c);
    pthread_barrier_destroy(&c.turn);
    assert_int_equal(blocks_now(), before);
}
