/* SPDX-License-Identifier: MIT
 *
 * oom_then.c: whichever request for memory fails in what follows, combines, queues, iterates or maps
 * futures, the call says so, nothing is left behind, and the same call succeeds once there is memory. */
/* link: -Wl,--wrap=malloc -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <errno.h>

/* ---- A malloc that refuses ---- */

static _Thread_local int64_t malloc_until = -1; /* of this thread; -1: none is refused */
static _Thread_local bool malloc_closed;        /* from then on all are refused */
static _Thread_local uint64_t malloc_refused;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    if (malloc_until >= 0 && malloc_until-- == 0) {
        malloc_refused++;
        if (malloc_closed)
            malloc_until = 0;
        errno = ENOMEM;
        return NULL;
    }
    return __real_malloc(size);
}

/* The k-th request of this thread from now is refused; with and_all, those after it are too. */
static void refuse(int64_t k, bool and_all)
{
    malloc_refused = 0;
    malloc_closed = and_all;
    malloc_until = k;
}

/* Whether any was. */
static bool end_refusing(void)
{
    malloc_until = -1;
    return malloc_refused != 0;
}

/* ---- Futures to call with ---- */

enum {
    FEW = 5
};

/* Some are over, each in another way; the open ones are ended afterwards. */
static void make_futures(filch_future *f[FEW], unsigned over)
{
    for (unsigned i = 0; i < FEW; i++) {
        f[i] = promise();
        if ((over >> i & 1U) == 0)
            continue;
        if (i % 3 == 2)
            test_check(filch_future_cancel(f[i]));
        else
            test_check((i % 3 == 0 ? filch_promise_set_result(f[i], NULL)
                                   : filch_promise_set_error(f[i], 3, NULL)) == 0);
    }
}

static void end_futures(filch_future *f[FEW])
{
    for (unsigned i = 0; i < FEW; i++) {
        filch_promise_set_result(f[i], NULL); /* unless it is over */
        filch_future_release(f[i]);
    }
}

static void check_untouched(filch_future *f[FEW], unsigned over)
{
    for (unsigned i = 0; i < FEW; i++)
        test_check(filch_future_done(f[i]) == ((over >> i & 1U) != 0));
}

/* ---- Calls that make something ---- */

static filch_future *made;
static filch_completion *iterator;
static filch_cq *cq;

/* One call, and what undoes it. */
struct way {
    const char *name;
    int (*make)(filch_future *f[FEW]);
    void (*undo)(void);
    bool cancels; /* on success it touches its futures */
};

static int echo_result(filch_future *before, void *arg, void **result)
{
    (void)arg;
    return filch_future_result(before, FILCH_NOW, result);
}

static int by_then(filch_future *f[FEW])
{
    return filch_then(f[0], NULL, FILCH_THEN_ALWAYS, echo_result, NULL, &made);
}

static int by_all(filch_future *f[FEW])
{
    return filch_all(f, FEW, &made);
}

static int by_any(filch_future *f[FEW])
{
    return filch_any(f, FEW, &made);
}

static int by_any_success(filch_future *f[FEW])
{
    return filch_any_success(f, FEW, &made);
}

static int by_race(filch_future *f[FEW])
{
    return filch_race(f, FEW, &made);
}

static void undo_made(void)
{
    filch_future_release(made);
    made = NULL;
}

static int by_as_completed(filch_future *f[FEW])
{
    return filch_as_completed(&iterator, f, FEW, FILCH_NOW);
}

static void undo_iterator(void)
{
    filch_completion_close(iterator);
    iterator = NULL;
}

static int by_cq_create(filch_future *f[FEW])
{
    (void)f;
    return filch_cq_create(&cq);
}

static void undo_cq(void)
{
    filch_cq_destroy(cq);
    cq = NULL;
}

static const struct way ways[] = {
    {"then", by_then, undo_made, false},
    {"all", by_all, undo_made, false},
    {"any", by_any, undo_made, false},
    {"any_success", by_any_success, undo_made, false},
    {"race", by_race, undo_made, true},
    {"as_completed", by_as_completed, undo_iterator, false},
    {"cq_create", by_cq_create, undo_cq, false},
};

/* Refuses the k-th request of the call. False: there is no k-th. */
static bool refuse_in_call(const struct way *way, unsigned over, int64_t k, bool and_all)
{
    filch_future *f[FEW];
    int64_t before = blocks_now();
    bool refused;
    int status;

    make_futures(f, over);
    errno = 4711;
    refuse(k, and_all);
    status = way->make(f);
    refused = end_refusing();
    assert_int_equal(errno, 4711);
    if (status != 0 || !way->cancels)
        check_untouched(f, over);
    /* What was refused may have been no more than a message that the outcome can do without. */
    assert_int_equal(status, refused && status != 0 ? FILCH_ENOMEM : 0);
    if (status != 0) {
        assert_true(made == NULL && iterator == NULL && cq == NULL);
        assert_int_equal(way->make(f), 0);
        assert_true(made != NULL || iterator != NULL || cq != NULL);
    }
    if ((over & k & 1) != 0) { /* one way round and the other */
        end_futures(f);
        way->undo();
    } else {
        way->undo();
        end_futures(f);
    }
    assert_int_equal(blocks_now(), before);
    return refused;
}

TEST(e5_whichever_request_fails_the_call_says_so_and_leaves_no_trace)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        for (unsigned over = 0; over < 1U << FEW; over++) {
            for (int and_all = 0; and_all < 2; and_all++) {
                int64_t k = 0;

                while (refuse_in_call(&ways[i], over, k, and_all != 0))
                    k++;
                assert_true(k >= 1);
            }
        }
    }
}

/* With nothing over and nothing refused each future has a node: so many requests there are to fail. */
TEST(e5_each_node_is_a_request_that_was_failed)
{
    static const int64_t requests[] = {3, 3 + FEW, 3 + FEW, 3 + FEW, 3 + FEW, 1 + FEW, 1};

    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int64_t k = 0;

        while (refuse_in_call(&ways[i], 0, k, false))
            k++;
        assert_int_equal(k, requests[i]);
    }
}

/* ---- Adding to a queue ---- */

TEST(e5_a_future_is_added_or_not)
{
    int64_t before = blocks_now();

    for (unsigned over = 0; over < 2; over++) {
        filch_future *f = promise();
        filch_future *done[2];
        int64_t k = 0;

        assert_int_equal(filch_cq_create(&cq), 0);
        assert_true(filch_cq_fd(cq) >= 0);
        if (over)
            assert_int_equal(filch_promise_set_result(f, NULL), 0);
        for (;; k++) {
            refuse(k, false);
            int status = filch_cq_add(cq, f);
            if (!end_refusing()) {
                assert_int_equal(status, 0);
                break;
            }
            assert_int_equal(status, FILCH_ENOMEM);
            assert_int_equal(filch_cq_take(cq, done, 2), 0);
        }
        assert_int_equal(k, 1);
        filch_promise_set_result(f, NULL);
        assert_int_equal(filch_cq_take(cq, done, 2), 1);
        filch_future_release(done[0]);
        filch_future_release(f);
        undo_cq();
        assert_int_equal(blocks_now(), before);
    }
}

TEST(e5_a_completion_needs_no_memory)
{
    int64_t before = blocks_now();
    filch_future *f[FEW];
    filch_future *out[4];
    filch_future *done[FEW];

    make_futures(f, 0);
    assert_int_equal(filch_cq_create(&cq), 0);
    for (int i = 0; i < FEW; i++)
        assert_int_equal(filch_cq_add(cq, f[i]), 0);
    assert_int_equal(by_as_completed(f), 0);
    assert_int_equal(filch_all(f, FEW, &out[0]), 0);
    assert_int_equal(filch_any(f, FEW, &out[1]), 0);
    assert_int_equal(filch_any_success(f, FEW, &out[2]), 0);
    assert_int_equal(filch_then(f[0], NULL, 0, echo_result, NULL, &out[3]), 0);
    refuse(0, true);
    for (int i = 0; i < FEW; i++)
        filch_promise_set_result(f[i], NULL);
    size_t taken = filch_cq_take(cq, done, FEW);
    for (int i = 0; i < FEW; i++)
        test_check(filch_completion_next(iterator, &done[i]) == 0);
    assert_false(end_refusing());
    assert_int_equal(taken, FEW);
    for (int i = 0; i < FEW; i++)
        filch_future_release(f[i]); /* the queue's */
    for (int i = 0; i < 4; i++)
        assert_int_equal(finish(out[i]), 0);
    undo_iterator();
    undo_cq();
    end_futures(f);
    assert_int_equal(blocks_now(), before);
}

/* ---- What goes on without memory ---- */

TEST(e5_a_failure_goes_on_without_its_message)
{
    int64_t before = blocks_now();
    filch_future *f = promise();
    filch_error error;

    assert_int_equal(filch_then(f, NULL, 0, echo_result, NULL, &made), 0);
    refuse(0, true);
    assert_int_equal(filch_promise_set_error(f, 42, "why it failed"), 0);
    assert_true(end_refusing());
    assert_int_equal(outcome(made), 42);
    assert_int_equal(filch_future_error(made, FILCH_NOW, &error), 0);
    assert_non_null(error.message);
    undo_made();
    filch_future_release(f);
    assert_int_equal(blocks_now(), before);
}

static int give(filch_future *before, void *arg, void **result)
{
    (void)before;
    *result = filch_future_retain(arg);
    return 0;
}

TEST(e5_what_can_not_follow_a_future_fails_with_that)
{
    int64_t before = blocks_now();
    int64_t k = 0;

    for (bool refused = true; refused; k++) {
        filch_future *f = promise();
        filch_future *inner = promise();

        assert_int_equal(filch_then(f, NULL, FILCH_THEN_FLATTEN, give, inner, &made), 0);
        refuse(k, true);
        assert_int_equal(filch_promise_set_result(f, NULL), 0);
        refused = end_refusing();
        assert_int_equal(filch_future_done(made), refused);
        assert_int_equal(filch_promise_set_result(inner, NULL), 0);
        assert_int_equal(outcome(made), refused ? FILCH_ENOMEM : 0);
        undo_made();
        filch_future_release(inner);
        filch_future_release(f);
        assert_int_equal(blocks_now(), before);
    }
    assert_int_equal(k, 3); /* the follower and its node */
}

/* ---- Maps ---- */

enum {
    ITEMS = 40
};

struct source {
    size_t given;
    size_t dropped;
    counter called;
    fl_atomic(uint32_t) fate[ITEMS]; /* calls and drops of each */
};

static struct source src;

static bool next_item(void *source, void **arg)
{
    struct source *s = source;

    if (s->given == ITEMS)
        return false;
    *arg = &s->fate[s->given++];
    return true;
}

static void drop_item(void *source, void *arg)
{
    struct source *s = source;
    fl_atomic(uint32_t) *fate = arg;

    fl_add(fate, 1, relaxed); /* count */
    s->dropped++;
}

static int call(void *arg, void **result)
{
    fl_atomic(uint32_t) *fate = arg;

    fl_add(fate, 1, relaxed); /* count */
    count_one(&src.called);
    *result = arg;
    return 0;
}

static int map(filch_executor *ex, size_t window, size_t chunk, unsigned flags, filch_map_iter **it)
{
    filch_map_options o = {
        .size = sizeof o, .window = window, .chunk = chunk, .flags = flags, .drop = drop_item};

    memset(&src, 0, sizeof src);
    return filch_map(ex, call, next_item, &src, &o, it);
}

/* Results come, then perhaps ENOMEM once, and then the end. How many came. */
static size_t run_out(filch_map_iter *it, bool *was_short)
{
    size_t n = 0;
    int status;

    *was_short = false;
    while ((status = filch_map_next(it, NULL)) != FILCH_EEND) {
        test_check(!*was_short || status == FILCH_ECANCELED);
        if (status == 0)
            n++;
        else if (status == FILCH_ENOMEM)
            *was_short = true;
        else
            test_check(status == FILCH_ECANCELED);
    }
    return n;
}

static void check_fates(void)
{
    for (size_t i = 0; i < ITEMS; i++)
        test_check(fl_load(&src.fate[i], relaxed) == (i < src.given ? 1 : 0)); /* count */
}

/* Refuses the k-th request between the map's call and its end. False: there is no k-th. */
static bool refuse_in_map(size_t window, size_t chunk, unsigned flags, int64_t k, bool and_all)
{
    filch_executor *ex = pool_of(1);
    int64_t before = blocks_now();
    filch_map_iter *it = NULL;
    bool was_short = false;
    size_t come = 0;
    bool refused;
    int status;

    refuse(k, and_all);
    status = map(ex, window, chunk, flags, &it);
    if (status == 0) {
        come = run_out(it, &was_short);
        filch_map_close(it);
    }
    refused = end_refusing();
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    if (status != 0) {
        assert_true(refused);
        assert_int_equal(status, FILCH_ENOMEM);
        assert_null(it);
        assert_int_equal(src.given, 0);
    } else {
        check_fates();
        assert_int_equal(come, count_of(&src.called));
        assert_int_equal(come + src.dropped, src.given);
        assert_true(refused || come == ITEMS);
        assert_true(was_short || src.given == ITEMS);
    }
    assert_int_equal(blocks_now(), before);
    filch_executor_destroy(ex);
    return refused;
}

TEST(e5_whichever_request_of_a_map_fails_each_argument_is_called_with_or_dropped)
{
    static const size_t windows[] = {1, 3, FILCH_MAP_ALL};
    static const size_t chunks[] = {1, 4};

    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        for (size_t w = 0; w < 3; w++) {
            for (size_t c = 0; c < 2; c++) {
                for (int and_all = 0; and_all < 2; and_all++) {
                    int64_t k = 0;

                    while (refuse_in_map(windows[w], chunks[c], flags, k, and_all != 0))
                        k++;
                    assert_true(k >= 2); /* the iterator and a chunk */
                }
            }
        }
    }
}

/* ---- An executor without memory ---- */

static fl_atomic(bool) is_closed;

static void *alloc(void *ctx, size_t size, size_t align)
{
    void *p = NULL;

    (void)ctx;
    if (fl_load(&is_closed, relaxed)) /* settled by the call that follows its being set */
        return NULL;
    return posix_memalign(&p, align > sizeof(void *) ? align : sizeof(void *), size) == 0 ? p
                                                                                          : NULL;
}

static void give_back(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx;
    (void)size;
    (void)align;
    free(p);
}

static filch_executor *held_pool(struct hold *hold)
{
    filch_allocator a = {alloc, give_back, NULL, NULL};
    filch_executor *ex = pool_with((filch_options){.workers = 1, .allocator = &a});

    *hold = (struct hold){0};
    hold_worker(hold, ex);
    return ex;
}

/* Fills the executor up. */
static size_t submit_until_refused(filch_executor *ex, counter *ran)
{
    size_t n = 0;

    fl_store(&is_closed, true, relaxed); /* settled by the call that follows */
    while (filch_submit(ex, task_count, ran, NULL) == 0)
        n++;
    return n;
}

TEST(e5_a_map_that_an_executor_has_no_memory_for_ends_with_that_after_what_is_on_the_way)
{
    for (unsigned flags = 0; flags <= FILCH_MAP_UNORDERED; flags++) {
        int64_t before = blocks_now();
        struct hold hold;
        filch_executor *ex = held_pool(&hold);
        filch_map_iter *it = NULL;
        counter ran = 0;

        assert_int_equal(map(ex, 6, 2, flags, &it), 0); /* on the way: six */
        size_t n = submit_until_refused(ex, &ran);
        let_go(&hold);
        /* Room that the filling has left would let the map go on: keep it. */
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&ran), n);
        struct hold again = {0};
        fl_store(&is_closed, false, relaxed); /* settled by the call that follows */
        hold_worker(&again, ex);
        n += submit_until_refused(ex, &ran);
        for (int i = 0; i < 6; i++)
            assert_int_equal(filch_map_next(it, NULL), 0);
        assert_int_equal(filch_map_next(it, NULL), FILCH_ENOMEM);
        assert_int_equal(filch_map_next(it, NULL), FILCH_EEND);
        assert_int_equal(src.dropped, src.given - 6);
        check_fates();
        filch_map_close(it);
        let_go(&again);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&ran), n);
        fl_store(&is_closed, false, relaxed); /* settled likewise */
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}

/* A place on a deque is all that a continuation takes; where there is none it ends with that. */
TEST(e5_a_continuation_needs_no_block_of_its_executor)
{
    for (int filled = 0; filled < 2; filled++) {
        int64_t before = blocks_now();
        struct hold hold;
        filch_executor *ex = held_pool(&hold);
        filch_future *f = promise();
        counter ran = 0;
        size_t n = 0;

        assert_int_equal(filch_then(f, ex, 0, echo_result, NULL, &made), 0);
        if (filled)
            n = submit_until_refused(ex, &ran);
        fl_store(&is_closed, true, relaxed); /* settled by the call that follows */
        refuse(0, true);
        assert_int_equal(filch_promise_set_result(f, number(9)), 0);
        bool refused = end_refusing();
        let_go(&hold);
        void *result = NULL;
        int status = filch_future_result(made, FILCH_FOREVER, &result);
        if (status == 0)
            assert_int_equal((intptr_t)result, 9);
        else
            assert_true(filled && refused && status == FILCH_ENOMEM);
        undo_made();
        filch_future_release(f);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
        assert_int_equal(count_of(&ran), n);
        fl_store(&is_closed, false, relaxed); /* settled by the call that follows */
        filch_executor_destroy(ex);
        assert_int_equal(blocks_now(), before);
    }
}
