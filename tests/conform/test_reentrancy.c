/* SPDX-License-Identifier: MIT
 *
 * test_reentrancy.c: what may be called from inside of what: each call of the interface in each place
 * where filch runs the user's code, with the one outcome that it has there.
 *
 * A place is a function that brings about that an act is done in it; an act does what it is named after
 * and checks what comes of it. What differs between places is told by the cell:
 *   inside   the calling thread is a worker of the executor: to wait for the executor itself, idle or
 *            shut down, is FILCH_EDEADLK, and destroying it gives up the handle alone
 *   closed   the executor is shut down by then: what would submit is FILCH_ESHUTDOWN
 *   self     the future that is being told or run; it is over, it runs, or it was cancelled
 * Everything else is the same everywhere. */
/* link: -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

enum self_is {
    SELF_OVER,
    SELF_RUNS,
    SELF_CANCELLED,
    SELF_NONE
};

struct cell {
    filch_executor *ex; /* one worker */
    filch_future *self;
    enum self_is self_is;
    bool inside, closed;
    bool is_destroyed; /* by the act */
    bool is_shut_down; /* likewise */
    void (*act)(struct cell *c);
    fl_atomic(uint32_t) begun; /* the act is done once, whoever comes by again */
    struct gate done;
};

/* ---- Acts ---- */

static filch_executor *other_pool(void)
{
    return pool_of(1);
}

/* What a submit returns here. */
static int submits(const struct cell *c)
{
    return c->closed ? FILCH_ESHUTDOWN : 0;
}

static void note(filch_future *f, void *user)
{
    test_check(filch_future_done(f));
    count_one(user);
}

static void add_callbacks(struct cell *c)
{
    filch_future *f = promise();
    counter calls = 0;

    test_check(filch_future_add_done_callback(f, note, &calls) == 0);
    test_check(count_of(&calls) == 0);
    test_check(filch_promise_set_result(f, NULL) == 0);
    test_check(filch_future_add_done_callback(f, note, &calls) == 0);
    test_check(count_of(&calls) == 2);
    if (c->self != NULL && c->self_is != SELF_RUNS) {
        test_check(filch_future_add_done_callback(c->self, note, &calls) == 0);
        test_check(count_of(&calls) == 3);
    }
    filch_future_release(f);
}

static void cancel_itself(struct cell *c)
{
    test_check(filch_future_cancel(c->self) == (c->self_is == SELF_CANCELLED));
}

static void cancel_another(struct cell *c)
{
    filch_future *f = promise();
    counter calls = 0;

    (void)c;
    test_check(filch_future_add_done_callback(f, note, &calls) == 0);
    test_check(filch_future_cancel(f));
    test_check(count_of(&calls) == 1);
    test_check(filch_future_cancel(f));
    filch_future_release(f);
}

static void submit_and_wait(struct cell *c)
{
    filch_future *f = NULL;
    int status = filch_submit(c->ex, task_echo, c, &f);
    void *result = NULL;

    test_check(status == submits(c));
    if (status == 0) {
        test_check(filch_future_result(f, FILCH_FOREVER, &result) == 0 && result == c);
        filch_future_release(f);
    }
    test_check(filch_submit(c->ex, task_echo, c, NULL) == status);
    test_check(filch_submit_copy(c->ex, task_echo, "x", 1, NULL) == status);
    test_check(filch_submit_batch(c->ex, task_echo, NULL, 3, NULL) == status);
}

static int task_set(void *arg, void **result)
{
    (void)result;
    return filch_promise_set_result(arg, NULL);
}

/* A promise that another executor keeps: the thread has to sleep. */
static void wait_for_elsewhere(struct cell *c)
{
    filch_executor *other = other_pool();
    filch_future *f = promise();
    filch_future *many[2] = {f, promise()};

    (void)c;
    test_check(filch_submit(other, task_set, f, NULL) == 0);
    test_check(outcome(f) == 0);
    test_check(filch_submit(other, task_set, many[1], NULL) == 0);
    test_check(filch_wait(many, 2, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 2);
    filch_future_release(many[0]);
    filch_future_release(many[1]);
    filch_executor_destroy(other);
}

static void wait_for_itself(struct cell *c)
{
    static const int expected[] = {0, FILCH_EDEADLK, FILCH_ECANCELED, FILCH_EINVAL};
    filch_future *self = c->self;

    test_check(filch_future_result(c->self, FILCH_FOREVER, NULL) == expected[c->self_is]);
    if (self == NULL)
        return;
    test_check(filch_wait(&self, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER) ==
               (c->self_is == SELF_RUNS ? FILCH_EDEADLK : 1));
}

static void wait_in_vain(struct cell *c)
{
    filch_future *f = promise();

    (void)c;
    test_check(filch_future_result(f, FILCH_NOW, NULL) == FILCH_ETIMEDOUT);
    test_check(filch_future_result(f, filch_in_us(200), NULL) == FILCH_ETIMEDOUT);
    filch_future_release(f);
}

static void release_the_last(struct cell *c)
{
    filch_future *f = promise();
    filch_future *over = promise();

    (void)c;
    filch_future_release(f); /* undecided */
    test_check(filch_promise_set_result(over, NULL) == 0);
    filch_future_release(over);
    f = NULL;
    if (filch_submit(c->ex, task_echo, NULL, &f) == 0)
        filch_future_release(f); /* it runs all the same */
}

static void release_itself(struct cell *c)
{
    filch_future_release(c->self); /* the only one that a user has */
    c->self = NULL;
}

static void shut_down_and_go(struct cell *c)
{
    test_check(filch_executor_shutdown(c->ex, FILCH_NO_WAIT, FILCH_FOREVER) == 0);
    test_check(filch_submit(c->ex, task_echo, NULL, NULL) == FILCH_ESHUTDOWN);
    c->is_shut_down = true;
}

static void shut_down_and_cancel(struct cell *c)
{
    int status = filch_executor_shutdown(c->ex, FILCH_CANCEL_PENDING, FILCH_FOREVER);

    test_check(status == (c->inside ? FILCH_EDEADLK : 0));
    c->is_shut_down = true;
}

static void shut_down_and_wait(struct cell *c)
{
    int status = filch_executor_shutdown(c->ex, FILCH_DRAIN, FILCH_FOREVER);

    test_check(status == (c->inside ? FILCH_EDEADLK : 0));
    test_check(filch_submit(c->ex, task_echo, NULL, NULL) == FILCH_ESHUTDOWN);
    c->is_shut_down = true;
}

static void destroy_it(struct cell *c)
{
    if (c->closed)
        return; /* its handle is somebody else's by then */
    filch_executor_destroy(c->ex);
    c->is_destroyed = true;
}

static void await_idle(struct cell *c)
{
    test_check(filch_executor_wait_idle(c->ex, FILCH_FOREVER) == (c->inside ? FILCH_EDEADLK : 0));
    test_check(filch_executor_wait_idle(c->ex, FILCH_NOW) == (c->inside ? FILCH_EDEADLK : 0));
}

static void make_another(struct cell *c)
{
    filch_executor *other = other_pool();

    (void)c;
    test_check(finish(submit(other, task_echo, NULL)) == 0);
    test_check(filch_executor_wait_idle(other, FILCH_FOREVER) == 0);
    test_check(filch_executor_shutdown(other, FILCH_DRAIN, FILCH_FOREVER) == 0);
    filch_executor_destroy(other);
}

static bool next_of_three(void *source, void **arg)
{
    unsigned *n = source;

    *arg = source;
    return (*n)++ < 3;
}

static void map_some(struct cell *c)
{
    static const unsigned flags[] = {0, FILCH_MAP_UNORDERED};
    int expected = submits(c);
    void *results[3];

    test_check(filch_map_array(c->ex, task_echo, NULL, results, 3) == expected);
    for (int i = 0; i < 2; i++) {
        filch_map_options o = {.size = sizeof o, .window = 2, .flags = flags[i]};
        filch_map_iter *it = NULL;
        unsigned given = 0;

        test_check(filch_map(c->ex, task_echo, next_of_three, &given, &o, &it) == 0);
        if (expected != 0) {
            test_check(filch_map_next(it, NULL) == expected);
        } else {
            for (int k = 0; k < 3; k++)
                test_check(filch_map_next(it, NULL) == 0);
        }
        test_check(filch_map_next(it, NULL) == FILCH_EEND);
        filch_map_close(it);
    }
}

static void iterate(struct cell *c)
{
    filch_future *f[3] = {promise(), promise(), NULL};
    size_t n = filch_submit(c->ex, task_echo, NULL, &f[2]) == 0 ? 3 : 2;
    filch_completion *it = NULL;
    filch_future *next = NULL;

    test_check(filch_promise_set_result(f[1], NULL) == 0);
    test_check(filch_as_completed(&it, f, n, FILCH_FOREVER) == 0);
    test_check(filch_completion_next(it, &next) == 0);
    test_check(filch_promise_set_result(f[0], NULL) == 0);
    for (size_t i = 1; i < n; i++)
        test_check(filch_completion_next(it, &next) == 0);
    test_check(filch_completion_next(it, &next) == FILCH_EEND);
    filch_completion_close(it);
    for (size_t i = 0; i < n; i++)
        filch_future_release(f[i]);
}

static int then_echo(filch_future *before, void *arg, void **result)
{
    (void)before;
    *result = arg;
    return 0;
}

static void continue_with(struct cell *c)
{
    filch_future *f = promise();
    filch_future *here = NULL;
    filch_future *there = NULL;
    filch_future *both = NULL;

    test_check(filch_then(f, NULL, 0, then_echo, c, &here) == 0);
    test_check(filch_then(f, c->ex, 0, then_echo, c, &there) == 0);
    test_check(filch_promise_set_result(f, NULL) == 0);
    test_check(finish(here) == 0);
    test_check(filch_all(&there, 1, &both) == 0);
    test_check(finish(both) == submits(c));
    test_check(finish(there) == submits(c));
    if (c->self != NULL && c->self_is == SELF_OVER) {
        test_check(filch_then(c->self, NULL, 0, then_echo, c, &here) == 0);
        test_check(finish(here) == 0);
    }
    filch_future_release(f);
}

static void queue_up(struct cell *c)
{
    filch_cq *cq = NULL;
    filch_future *f = promise();
    filch_future *done = NULL;

    (void)c;
    test_check(filch_cq_create(&cq) == 0);
    test_check(filch_cq_add(cq, f) == 0);
    test_check(filch_cq_next(cq, FILCH_NOW, &done) == FILCH_ETIMEDOUT);
    test_check(filch_promise_set_result(f, NULL) == 0);
    test_check(filch_cq_next(cq, FILCH_FOREVER, &done) == 0 && done == f);
    filch_future_release(done);
    test_check(filch_cq_add(cq, f) == 0);
    test_check(filch_cq_take(cq, &done, 1) == 1);
    filch_future_release(done);
    test_check(filch_cq_add(cq, f) == 0); /* stays in it */
    filch_cq_destroy(cq);
    filch_future_release(f);
}

static void open_scope(struct cell *c)
{
    filch_scope *s = NULL;

    test_check(filch_scope_open(&s, c->ex, NULL) == 0);
    for (int i = 0; i < 3; i++)
        test_check(filch_scope_spawn(s, task_echo, NULL) == submits(c));
    test_check(filch_scope_join(s) == 0);
    test_check(!filch_cancel_requested());
}

static void keep_a_promise(struct cell *c)
{
    filch_future *f = promise();

    if (c->self != NULL)
        test_check(filch_promise_set_result(c->self, NULL) == FILCH_ESTATE);
    test_check(filch_promise_start(f) == 1);
    test_check(filch_promise_set_error(f, 5, "five") == 0);
    test_check(filch_promise_set_result(f, NULL) == FILCH_ESTATE);
    test_check(finish(f) == 5);
}

static void ask(struct cell *c)
{
    filch_executor_stats stats = {.size = sizeof stats};

    test_check(filch_executor_stats_read(c->ex, &stats) == 0);
    test_check(filch_executor_workers(c->ex) == 1);
    test_check(filch_executor_broken(c->ex) == NULL);
    filch_trace_event event;

    test_check(filch_executor_trace_next(c->ex, &event) == FILCH_ENOTSUP);
    test_check(filch_executor_name_function(c->ex, task_echo, "echo") == 0);
    filch_nohelp_begin();
    filch_nohelp_end();
}

static const struct act {
    void (*act)(struct cell *c);
    bool needs_self;
} acts[] = {
    {add_callbacks, false},
    {cancel_itself, true},
    {cancel_another, false},
    {submit_and_wait, false},
    {wait_for_elsewhere, false},
    {wait_for_itself, true},
    {wait_in_vain, false},
    {release_the_last, false},
    {release_itself, true},
    {shut_down_and_go, false},
    {shut_down_and_cancel, false},
    {shut_down_and_wait, false},
    {destroy_it, false},
    {await_idle, false},
    {make_another, false},
    {map_some, false},
    {iterate, false},
    {continue_with, false},
    {queue_up, false},
    {open_scope, false},
    {keep_a_promise, false},
    {ask, false},
};

/* ---- Places ---- */

static void enter(struct cell *c)
{
    if (fl_swap(&c->begun, 1, relaxed) != 0) /* count */
        return;
    c->act(c);
    fl_add(&c->done.arrived, 1, release); /* -> gate_await */
    fl_futex_wake(&c->done.arrived, INT_MAX);
}

static void leave(struct cell *c)
{
    gate_await(&c->done, 1);
    filch_future_release(c->self);
    if (!c->is_destroyed)
        filch_executor_destroy(c->ex);
}

static void callback(filch_future *f, void *user)
{
    struct cell *c = user;

    (void)f;
    enter(c);
}

static int task(void *arg, void **result)
{
    (void)result;
    enter(arg);
    return 0;
}

static int continuation(filch_future *before, void *arg, void **result)
{
    (void)before;
    (void)result;
    enter(arg);
    return 0;
}

static void in_a_callback(struct cell *c)
{
    c->self = promise();
    assert_int_equal(filch_future_add_done_callback(c->self, callback, c), 0);
    assert_int_equal(filch_promise_set_result(c->self, NULL), 0);
}

static void in_a_callback_that_comes_late(struct cell *c)
{
    c->self = promise();
    assert_int_equal(filch_promise_set_result(c->self, NULL), 0);
    assert_int_equal(filch_future_add_done_callback(c->self, callback, c), 0);
}

static void in_a_callback_of_a_cancelled_one(struct cell *c)
{
    c->self_is = SELF_CANCELLED;
    c->self = promise();
    assert_int_equal(filch_future_add_done_callback(c->self, callback, c), 0);
    assert_true(filch_future_cancel(c->self));
}

static void in_a_callback_on_a_worker(struct cell *c)
{
    struct hold hold = {0};

    c->inside = true;
    hold_worker(&hold, c->ex);
    c->self = submit(c->ex, task_echo, NULL);
    assert_int_equal(filch_future_add_done_callback(c->self, callback, c), 0);
    let_go(&hold);
}

static void in_a_task(struct cell *c)
{
    struct hold hold = {0};

    c->inside = true;
    c->self_is = SELF_RUNS;
    hold_worker(&hold, c->ex);
    c->self = submit(c->ex, task, c);
    let_go(&hold);
}

static void in_a_task_without_a_future(struct cell *c)
{
    c->inside = true;
    c->self_is = SELF_NONE;
    assert_int_equal(filch_submit(c->ex, task, c, NULL), 0);
}

static int task_waits(void *arg, void **result)
{
    struct cell *c = arg;

    (void)result;
    return finish(submit(c->ex, task, c));
}

static void in_a_task_on_top_of_another(struct cell *c)
{
    c->inside = true;
    c->self_is = SELF_NONE;
    assert_int_equal(filch_submit(c->ex, task_waits, c, NULL), 0);
}

static void in_a_task_of_a_scope(struct cell *c)
{
    filch_scope *s = NULL;

    c->inside = true;
    c->self_is = SELF_NONE;
    assert_int_equal(filch_scope_open(&s, c->ex, NULL), 0);
    assert_int_equal(filch_scope_spawn(s, task, c), 0);
    assert_int_equal(filch_scope_join(s), 0);
}

static void in_a_call_of_a_map(struct cell *c)
{
    void *self = c;

    c->inside = true;
    c->self_is = SELF_NONE;
    assert_int_equal(filch_map_array(c->ex, task, &self, NULL, 1), 0);
}

static bool next_enters(void *source, void **arg)
{
    struct cell *c = source;

    (void)arg;
    enter(c);
    return false;
}

static void in_a_source_of_a_map(struct cell *c)
{
    filch_map_iter *it = NULL;

    c->self_is = SELF_NONE;
    assert_int_equal(filch_map(c->ex, task_echo, next_enters, c, NULL, &it), 0);
    assert_int_equal(filch_map_next(it, NULL), FILCH_EEND);
    filch_map_close(it);
}

static void in_a_continuation_here(struct cell *c)
{
    filch_future *after = NULL;

    c->self = promise();
    assert_int_equal(filch_then(c->self, NULL, 0, continuation, c, &after), 0);
    assert_int_equal(filch_promise_set_result(c->self, NULL), 0);
    filch_future_release(after);
}

static void in_a_continuation_on_a_worker(struct cell *c)
{
    filch_future *after = NULL;

    c->inside = true;
    c->self = promise();
    assert_int_equal(filch_then(c->self, c->ex, 0, continuation, c, &after), 0);
    assert_int_equal(filch_promise_set_result(c->self, NULL), 0);
    filch_future_release(after);
}

static void beside_a_queue(struct cell *c)
{
    filch_cq *cq = NULL;
    filch_future *done = NULL;

    c->self = promise();
    assert_int_equal(filch_cq_create(&cq), 0);
    assert_int_equal(filch_cq_add(cq, c->self), 0);
    assert_int_equal(filch_promise_set_result(c->self, NULL), 0);
    assert_int_equal(filch_cq_next(cq, FILCH_FOREVER, &done), 0);
    assert_ptr_equal(done, c->self);
    filch_future_release(done);
    enter(c); /* with the queue open, by whoever takes */
    filch_cq_destroy(cq);
}

static void beside_an_iterator(struct cell *c)
{
    filch_completion *it = NULL;
    filch_future *next = NULL;

    c->self = promise();
    assert_int_equal(filch_as_completed(&it, &c->self, 1, FILCH_FOREVER), 0);
    assert_int_equal(filch_promise_set_result(c->self, NULL), 0);
    assert_int_equal(filch_completion_next(it, &next), 0);
    enter(c);
    filch_completion_close(it);
}

/* ---- All of them ---- */

static void do_all(void (*place)(struct cell *c), bool has_self)
{
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (acts[i].needs_self && !has_self)
            continue;
        int64_t before = blocks_now();
        struct cell c = {.ex = pool_of(1), .act = acts[i].act};

        place(&c);
        leave(&c);
        while (blocks_now() != before)
            sched_yield(); /* the worker may be about to give its own back */
    }
}

#define PLACE(place, has_self)                                                                     \
    TEST(anything_may_be_called_##place)                                                           \
    {                                                                                              \
        do_all(place, has_self);                                                                   \
    }

PLACE(in_a_callback, true)
PLACE(in_a_callback_that_comes_late, true)
PLACE(in_a_callback_of_a_cancelled_one, true)
PLACE(in_a_callback_on_a_worker, true)
PLACE(in_a_task, true)
PLACE(in_a_task_without_a_future, false)
PLACE(in_a_task_on_top_of_another, false)
PLACE(in_a_task_of_a_scope, false)
PLACE(in_a_call_of_a_map, false)
PLACE(in_a_source_of_a_map, false)
PLACE(in_a_continuation_here, true)
PLACE(in_a_continuation_on_a_worker, true)
PLACE(beside_a_queue, true)
PLACE(beside_an_iterator, true)

/* ---- Hooks: the executor is not there yet, or not any more ---- */

struct hooked {
    struct cell cell;
    struct gate made; /* open once cell.ex is set */
};

static int start_hook(void *arg)
{
    struct hooked *h = arg;

    if (fl_load(&h->cell.begun, relaxed) == 0) /* hint: a spare's comes later */
        gate_pass(&h->made);
    enter(&h->cell);
    return 0;
}

static void stop_hook(void *arg)
{
    struct hooked *h = arg;

    enter(&h->cell);
}

static void do_in_hook(const struct act *a, bool is_start)
{
    int64_t before = blocks_now();
    struct hooked h = {.cell = {.self_is = SELF_NONE, .inside = true, .closed = !is_start}};
    filch_options o = {.workers = 1, .hook_arg = &h};

    h.cell.act = a->act;
    if (is_start)
        o.on_thread_start = start_hook;
    else
        o.on_thread_stop = stop_hook;
    h.cell.ex = pool_with(o);
    if (is_start) {
        assert_int_equal(filch_submit(h.cell.ex, task_echo, NULL, NULL), 0);
        gate_open(&h.made);
        gate_await(&h.cell.done, 1);
    } else {
        assert_int_equal(finish(submit(h.cell.ex, task_echo, NULL)), 0);
    }
    if (!h.cell.is_destroyed)
        filch_executor_destroy(h.cell.ex);
    gate_await(&h.cell.done, 1);
    while (blocks_now() != before)
        sched_yield();
}

TEST(anything_may_be_called_in_a_start_hook)
{
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (!acts[i].needs_self)
            do_in_hook(&acts[i], true);
    }
}

TEST(anything_may_be_called_in_a_stop_hook)
{
    for (size_t i = 0; i < sizeof acts / sizeof acts[0]; i++) {
        if (!acts[i].needs_self)
            do_in_hook(&acts[i], false);
    }
}

/* ---- Without a deep stack ---- */

enum {
    LINKS = 1000000
};

/* The most that callbacks or continuations have used of a thread's stack, from a mark on. */
static _Thread_local uintptr_t mark;
static _Thread_local size_t deepest;

static void note_depth(void)
{
    uintptr_t here = (uintptr_t)__builtin_frame_address(0);

    if (mark > here && mark - here > deepest)
        deepest = mark - here;
}

static void begin_depth(void)
{
    mark = (uintptr_t)__builtin_frame_address(0);
    deepest = 0;
}

/* No more than a telling eight times within itself. */
static void check_depth(void)
{
    assert_true(deepest > 0);
    assert_in_range(deepest, 1, (size_t)64 * 1024);
}

static int one_more(filch_future *before, void *arg, void **result)
{
    void *n;

    (void)arg;
    note_depth();
    test_check(filch_future_result(before, FILCH_NOW, &n) == 0);
    *result = (void *)((uintptr_t)n + 1);
    return 0;
}

/* From first to last; both are the caller's. */
static filch_future *chain(filch_future *first, filch_executor *ex, size_t links)
{
    filch_future *last = filch_future_retain(first);

    for (size_t i = 0; i < links; i++) {
        filch_future *next = NULL;

        test_check(filch_then(last, ex, 0, one_more, NULL, &next) == 0);
        filch_future_release(last);
        last = next;
    }
    return last;
}

TEST(a_million_continuations_take_no_stack)
{
    filch_future *first = promise();
    size_t links = test_scaled(LINKS);
    filch_future *last = chain(first, NULL, links);
    void *n = NULL;

    begin_depth();
    assert_int_equal(filch_promise_set_result(first, NULL), 0);
    assert_int_equal(filch_future_result(last, FILCH_NOW, &n), 0);
    assert_int_equal((uintptr_t)n, links);
    check_depth();
    filch_future_release(first);
    filch_future_release(last);
}

TEST(a_million_continuations_on_an_executor_take_no_stack)
{
    filch_executor *ex = pool_with((filch_options){.workers = 2, .stack_size = 256 * 1024});
    filch_future *first = promise();
    size_t links = test_scaled(LINKS);
    filch_future *last = chain(first, ex, links);
    void *n = NULL;

    assert_int_equal(filch_promise_set_result(first, NULL), 0);
    assert_int_equal(filch_future_result(last, FILCH_FOREVER, &n), 0);
    assert_int_equal((uintptr_t)n, links);
    filch_future_release(first);
    filch_future_release(last);
    filch_executor_destroy(ex);
}

TEST(a_million_failures_handed_on_take_no_stack)
{
    filch_future *first = promise();
    filch_future *last = chain(first, NULL, test_scaled(LINKS));

    assert_int_equal(filch_promise_set_error(first, 9, NULL), 0);
    assert_int_equal(filch_future_result(last, FILCH_NOW, NULL), 9);
    filch_future_release(first);
    filch_future_release(last);
}

TEST(a_million_cancellations_handed_on_take_no_stack)
{
    filch_future *first = promise();
    filch_future *last = chain(first, NULL, test_scaled(LINKS));

    assert_true(filch_future_cancel(first));
    assert_int_equal(filch_future_result(last, FILCH_NOW, NULL), FILCH_ECANCELED);
    filch_future_release(first);
    filch_future_release(last);
}

TEST(a_million_that_are_abandoned_take_no_stack)
{
    filch_future *first = promise();
    filch_future *last = chain(first, NULL, test_scaled(LINKS));

    filch_future_release(first); /* undecided */
    assert_int_equal(filch_future_result(last, FILCH_NOW, NULL), FILCH_EABANDONED);
    filch_future_release(last);
    first = promise();
    last = chain(first, NULL, test_scaled(LINKS));
    filch_future_release(last);
    filch_future_release(first); /* nobody asks for any of them */
}

static void complete_next(filch_future *f, void *user)
{
    note_depth();
    test_check(filch_future_done(f));
    test_check(filch_promise_set_result(user, NULL) == 0);
}

TEST(a_million_callbacks_that_complete_the_next_take_no_stack)
{
    size_t links = test_scaled(LINKS);
    filch_future **f = malloc((links + 1) * sizeof *f);

    assert_non_null(f);
    for (size_t i = 0; i <= links; i++)
        f[i] = promise();
    for (size_t i = 0; i < links; i++)
        assert_int_equal(filch_future_add_done_callback(f[i], complete_next, f[i + 1]), 0);
    begin_depth();
    assert_int_equal(filch_promise_set_result(f[0], NULL), 0);
    assert_int_equal(filch_future_result(f[links], FILCH_NOW, NULL), 0);
    check_depth();
    for (size_t i = 0; i <= links; i++)
        filch_future_release(f[i]);
    free(f);
}

static void cancel_next(filch_future *f, void *user)
{
    note_depth();
    test_check(filch_future_cancelled(f));
    test_check(filch_future_cancel(user));
}

TEST(a_million_callbacks_that_cancel_the_next_take_no_stack)
{
    size_t links = test_scaled(LINKS);
    filch_future **f = malloc((links + 1) * sizeof *f);

    assert_non_null(f);
    for (size_t i = 0; i <= links; i++)
        f[i] = promise();
    for (size_t i = 0; i < links; i++)
        assert_int_equal(filch_future_add_done_callback(f[i], cancel_next, f[i + 1]), 0);
    begin_depth();
    assert_true(filch_future_cancel(f[0]));
    assert_true(filch_future_cancelled(f[links]));
    check_depth();
    for (size_t i = 0; i <= links; i++)
        filch_future_release(f[i]);
    free(f);
}

TEST(a_hundred_thousand_that_stand_for_one_another_take_no_stack)
{
    typedef int combine_fn(filch_future *const *futures, size_t n, filch_future **out);
    static combine_fn *const ways[] = {filch_all, filch_any, filch_any_success, filch_race};

    for (size_t way = 0; way < 4; way++) {
        filch_future *first = promise();
        filch_future *last = filch_future_retain(first);
        size_t links = test_scaled(LINKS / 10);

        for (size_t i = 0; i < links; i++) {
            filch_future *next = NULL;

            assert_int_equal(ways[way](&last, 1, &next), 0);
            filch_future_release(last);
            last = next;
        }
        assert_int_equal(filch_promise_set_result(first, NULL), 0);
        assert_int_equal(filch_future_result(last, FILCH_NOW, NULL), 0);
        filch_future_release(first);
        filch_future_release(last);

        first = promise(); /* and cancelled at the other end */
        last = filch_future_retain(first);
        for (size_t i = 0; i < links; i++) {
            filch_future *next = NULL;

            assert_int_equal(ways[way](&last, 1, &next), 0);
            filch_future_release(last);
            last = next;
        }
        assert_true(filch_future_cancel(last));
        filch_future_release(last);
        filch_promise_set_result(first, NULL); /* those in between keep it until they are over */
        filch_future_release(first);
    }
}
