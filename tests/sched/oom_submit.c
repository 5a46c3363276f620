/* SPDX-License-Identifier: MIT
 *
 * oom_submit.c: whichever request for memory fails in a call, the call says so and nothing has
 * happened; and when no thread is to be had that could stand in, whoever waits goes on by itself. */
/* link: -Wl,--wrap=malloc -Wl,--wrap=pthread_create */
#include "sched/work.h"

#include <errno.h>
#include <pthread.h>

/* ---- An allocator that refuses ---- */

/* In front of each block, so that free can tell what was asked for. */
struct stamp {
    size_t size;
    size_t align;
};

enum {
    PLENTY = 1 << 30
};

struct ration {
    fl_atomic(int64_t) until; /* requests to serve before one is refused */
    fl_atomic(bool) closed;   /* all are refused */
    counter refused;
    counter destroyed;
    fl_atomic(int64_t) blocks; /* out */
    filch_allocator as_allocator;
};

static size_t room_before(size_t align)
{
    return align > sizeof(struct stamp) ? align : sizeof(struct stamp);
}

static bool is_refused(struct ration *r)
{
    /* settled by the call that follows its being closed, in the same thread or by a task */
    if (!fl_load(&r->closed, relaxed) && fl_sub(&r->until, 1, relaxed) != 0) /* count */
        return false;
    count_one(&r->refused);
    return true;
}

static void *ration_alloc(void *ctx, size_t size, size_t align)
{
    struct ration *r = ctx;
    size_t room = room_before(align);
    void *p;

    if (is_refused(r))
        return NULL;
    test_check(posix_memalign(&p, room, room + size) == 0);
    struct stamp *stamp = (struct stamp *)(void *)((char *)p + room) - 1;
    *stamp = (struct stamp){size, align};
    fl_add(&r->blocks, 1, relaxed); /* count */
    return (char *)p + room;
}

static void ration_free(void *ctx, void *p, size_t size, size_t align)
{
    struct ration *r = ctx;
    const struct stamp *stamp = (struct stamp *)p - 1;

    test_check(stamp->size == size && stamp->align == align);
    fl_sub(&r->blocks, 1, relaxed); /* count */
    free((char *)p - room_before(align));
}

static void ration_destroy(void *ctx)
{
    struct ration *r = ctx;

    test_check(fl_load(&r->blocks, relaxed) == 0); /* count */
    count_one(&r->destroyed);
}

static filch_executor *pool_on(struct ration *r, filch_options options)
{
    memset(r, 0, sizeof *r);
    fl_init(&r->until, PLENTY);
    r->as_allocator = (filch_allocator){ration_alloc, ration_free, ration_destroy, r};
    options.allocator = &r->as_allocator;
    return pool_with(options);
}

/* The k-th request from now is refused, the first being 0. */
static void ration_from_now(struct ration *r, int64_t k)
{
    fl_store(&r->until, k, relaxed); /* settled by the call that follows */
}

static void destroy_and_check(filch_executor *ex, struct ration *r)
{
    filch_executor_destroy(ex);
    assert_int_equal(fl_load(&r->blocks, relaxed), 0); /* count */
    assert_int_equal(count_of(&r->destroyed), 1);
}

/* ---- A malloc and threads that are refused ---- */

static _Thread_local int64_t malloc_until = -1; /* of this thread; -1: none is refused */
static _Thread_local uint64_t malloc_refused;
static _Thread_local struct ration *rationed; /* counts this thread's mallocs too; or NULL */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    if (malloc_until >= 0 && malloc_until-- == 0) {
        malloc_refused++;
        errno = ENOMEM;
        return NULL;
    }
    if (rationed != NULL && is_refused(rationed)) {
        errno = ENOMEM;
        return NULL;
    }
    return __real_malloc(size);
}

static fl_atomic(bool) no_threads;
static counter threads_refused;

int __real_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg);
int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*main)(void *),
                          void *arg)
{
    if (fl_load(&no_threads, relaxed)) { /* settled by the submit that came after it was set */
        count_one(&threads_refused);
        return EAGAIN;
    }
    return __real_pthread_create(thread, attr, main, arg);
}

/* ---- From outside ---- */

enum {
    MOST = 5000
};

/* A way to submit n tasks that count in ran[0]. */
struct way {
    const char *name;
    size_t n;
    int (*submit)(filch_executor *ex, counter *ran, size_t n, filch_future *f[]);
};

static int by_submit(filch_executor *ex, counter *ran, size_t n, filch_future *f[])
{
    (void)n;
    return filch_submit(ex, task_count, ran, f);
}

/* The copy is a pointer to the counter, and then what makes it long. */
static int task_count_copied(void *arg, void **result)
{
    counter *ran;

    memcpy(&ran, arg, sizeof ran);
    return task_count(ran, result);
}

static int by_copy(filch_executor *ex, counter *ran, size_t bytes, filch_future *f[])
{
    char text[256] = {0};

    test_check(bytes <= sizeof text);
    memcpy(text, &ran, sizeof ran);
    return filch_submit_copy(ex, task_count_copied, text, bytes, f);
}

static int by_near_copy(filch_executor *ex, counter *ran, size_t n, filch_future *f[])
{
    (void)n;
    return by_copy(ex, ran, 64, f);
}

static int by_far_copy(filch_executor *ex, counter *ran, size_t n, filch_future *f[])
{
    (void)n;
    return by_copy(ex, ran, 65, f);
}

static int by_batch(filch_executor *ex, counter *ran, size_t n, filch_future *f[])
{
    static void *args[MOST];

    for (size_t i = 0; i < n; i++)
        args[i] = ran;
    return filch_submit_batch(ex, task_count, args, n, f);
}

static const struct way ways[] = {
    {"submit", 1, by_submit},        {"near copy", 1, by_near_copy}, {"far copy", 1, by_far_copy},
    {"small batch", 10, by_batch},   {"batch of 64", 64, by_batch},  {"batch of 65", 65, by_batch},
    {"large batch", MOST, by_batch},
};

/* f is untouched by a call that is refused. What it takes from malloc is of the ration too. */
static int submit_untouched(const struct way *way, filch_executor *ex, struct ration *r,
                            counter *ran, filch_future *f[])
{
    int status;

    f[0] = f[way->n - 1] = NULL;
    errno = MOST;
    rationed = r;
    status = way->submit(ex, ran, way->n, f);
    rationed = NULL;
    test_check(errno == MOST);
    test_check(status == 0 || (f[0] == NULL && f[way->n - 1] == NULL));
    return status;
}

static void finish_all(filch_future *f[], size_t n)
{
    for (size_t i = 0; i < n; i++)
        test_check(finish(f[i]) == 0);
}

/* Refuses the k-th request of the first such call of an executor. False: there is no k-th. */
static bool refuse_from_outside(const struct way *way, int64_t k)
{
    static filch_future *f[MOST];
    struct ration r;
    filch_executor *ex = pool_on(&r, (filch_options){.workers = 1});
    counter ran = 0;
    bool refused;

    ration_from_now(&r, k);
    int status = submit_untouched(way, ex, &r, &ran, f);
    refused = count_of(&r.refused) != 0;
    ration_from_now(&r, PLENTY);
    assert_int_equal(status, refused ? FILCH_ENOMEM : 0);
    if (refused) {
        filch_executor_stats s = stats_of(ex);
        assert_int_equal(s.submitted, 0);
        assert_int_equal(s.pending + s.running + s.executed, 0);
        assert_int_equal(filch_executor_wait_idle(ex, FILCH_NOW), 0);
        assert_int_equal(submit_untouched(way, ex, &r, &ran, f), 0); /* nothing is held any more */
    }
    finish_all(f, way->n);
    assert_int_equal(count_of(&ran), way->n);
    assert_int_equal(stats_of(ex).submitted, way->n);
    destroy_and_check(ex, &r);
    return refused;
}

TEST(e5_whichever_request_of_a_submit_fails_nothing_is_queued)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int64_t k = 0;

        while (refuse_from_outside(&ways[i], k))
            k++;
        print_message("%s: %d requests\n", ways[i].name, (int)k);
        assert_true(k >= 3); /* a lane, its deque, its first blocks */
        assert_true(k >= (ways[i].n > 64 ? 4 : 3));
    }
}

/* A submit that needs memory, again and again: queues grow, blocks run out. */
static void refuse_in_a_row(const struct way *way, size_t rounds, uint64_t at_least)
{
    static filch_future *f[MOST * 2];
    struct ration r;
    filch_executor *ex = pool_on(&r, (filch_options){.workers = 1});
    struct hold hold = {0};
    counter ran = 0;

    hold_worker(&hold, ex);
    for (size_t i = 0; i < rounds; i++) {
        uint64_t refused_before = count_of(&r.refused);
        uint64_t submitted = stats_of(ex).submitted;

        ration_from_now(&r, 0);
        int status = submit_untouched(way, ex, &r, &ran, &f[i * way->n]);
        ration_from_now(&r, PLENTY);
        if (count_of(&r.refused) != refused_before) {
            assert_int_equal(status, FILCH_ENOMEM);
            assert_int_equal(stats_of(ex).submitted, submitted);
            status = submit_untouched(way, ex, &r, &ran, &f[i * way->n]);
        }
        assert_int_equal(status, 0);
        assert_int_equal(stats_of(ex).submitted, submitted + way->n);
    }
    assert_true(count_of(&r.refused) >= at_least);
    let_go(&hold);
    finish_all(f, rounds * way->n);
    assert_int_equal(count_of(&ran), rounds * way->n);
    destroy_and_check(ex, &r);
}

TEST(e5_queues_that_cannot_grow_keep_what_they_have)
{
    refuse_in_a_row(&ways[0], MOST, 4);    /* blocks, and a deque that doubles */
    refuse_in_a_row(&ways[1], MOST, 8);    /* blocks twice as large */
    refuse_in_a_row(&ways[2], 1000, 1000); /* each has a copy in the heap */
    refuse_in_a_row(&ways[3], 500, 4);
    refuse_in_a_row(&ways[5], 100, 100); /* each has a list in the heap */
}

static bool refuse_map(int64_t k, bool of_malloc)
{
    static void *args[100];
    static void *results[100];
    struct ration r;
    filch_executor *ex = pool_on(&r, (filch_options){.workers = 2});
    counter ran = 0;
    uint64_t before = malloc_refused;
    bool refused;

    for (int i = 0; i < 100; i++)
        args[i] = &ran;
    if (of_malloc)
        malloc_until = k;
    else
        ration_from_now(&r, k);
    int status = filch_map_array(ex, task_count, args, results, 100);
    malloc_until = -1;
    ration_from_now(&r, PLENTY);
    refused = count_of(&r.refused) != 0 || malloc_refused != before;
    assert_int_equal(status, refused ? FILCH_ENOMEM : 0);
    assert_int_equal(count_of(&ran), refused ? 0 : 100);
    if (refused)
        assert_int_equal(filch_map_array(ex, task_count, args, results, 100), 0);
    assert_int_equal(count_of(&ran), 100);
    destroy_and_check(ex, &r);
    return refused;
}

TEST(e5_a_map_that_lacks_memory_makes_no_call)
{
    int64_t k = 0;

    while (refuse_map(k, false))
        k++;
    assert_true(k >= 4);
    for (k = 0; refuse_map(k, true);)
        k++;
    assert_true(k >= 1);
}

/* ---- From inside ---- */

struct nest {
    filch_executor *ex;
    struct ration *r;
    const struct way *way;
    counter ran;
    int64_t k;
    bool refused;
};

static int task_refused_inside(void *nest, void **result)
{
    static filch_future *f[MOST];
    struct nest *n = nest;
    uint64_t submitted = stats_of(n->ex).submitted;
    int status;

    ration_from_now(n->r, n->k);
    status = submit_untouched(n->way, n->ex, n->r, &n->ran, f);
    n->refused = count_of(&n->r->refused) != 0;
    ration_from_now(n->r, PLENTY);
    test_check(status == (n->refused ? FILCH_ENOMEM : 0));
    if (n->refused) {
        test_check(stats_of(n->ex).submitted == submitted);
        test_check(submit_untouched(n->way, n->ex, n->r, &n->ran, f) == 0);
    }
    test_check(stats_of(n->ex).submitted == submitted + n->way->n);
    finish_all(f, n->way->n);
    *result = NULL;
    return 0;
}

static bool refuse_inside(const struct way *way, int64_t k)
{
    struct ration r;
    struct nest n = {.r = &r, .way = way, .k = k};

    n.ex = pool_on(&r, (filch_options){.workers = 1});
    assert_int_equal(finish(submit(n.ex, task_refused_inside, &n)), 0);
    assert_int_equal(count_of(&n.ran), way->n);
    destroy_and_check(n.ex, &r);
    return n.refused;
}

TEST(e5_whichever_request_of_a_tasks_own_submit_fails_nothing_is_queued)
{
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        int64_t k = 0;

        while (refuse_inside(&ways[i], k))
            k++;
        assert_true(k >= (ways[i].n > 64 ? 2 : 1));
    }
}

/* ---- Names ---- */

static bool refuse_name(int64_t k)
{
    struct ration r;
    filch_executor *ex = pool_on(&r, (filch_options){.workers = 1, .trace_events = 64});
    filch_trace_event event;
    bool refused;
    bool named = false;

    ration_from_now(&r, k);
    int status = filch_executor_name_function(ex, task_echo, "echo");
    ration_from_now(&r, PLENTY);
    refused = count_of(&r.refused) != 0;
    assert_int_equal(status, refused ? FILCH_ENOMEM : 0);
    if (refused)
        assert_int_equal(filch_executor_name_function(ex, task_echo, "echo"), 0);
    assert_int_equal(finish(submit(ex, task_echo, NULL)), 0);
    assert_int_equal(filch_executor_wait_idle(ex, FILCH_FOREVER), 0);
    while (filch_executor_trace_next(ex, &event) == 0)
        named = named || (event.name != NULL && strcmp(event.name, "echo") == 0);
    assert_true(named);
    destroy_and_check(ex, &r);
    return refused;
}

TEST(e5_a_name_is_given_whole_or_not_at_all)
{
    int64_t k = 0;

    while (refuse_name(k))
        k++;
    assert_true(k >= 3); /* the table, its map, the entry */
}

/* ---- Callbacks, waits and promises: malloc ---- */

static void called(filch_future *f, void *calls)
{
    (void)f;
    count_one(calls);
}

static int add_without_memory(filch_future *f, counter *calls)
{
    int status;

    malloc_until = 0;
    status = filch_future_add_done_callback(f, called, calls);
    malloc_until = -1;
    return status;
}

TEST(e5_a_callback_for_which_there_is_no_memory_is_neither_called_nor_kept)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    counter refused = 0;
    counter kept = 0;
    filch_future *f[3];

    hold_worker(&hold, ex);
    f[0] = submit(ex, task_echo, NULL);
    f[1] = submit(ex, task_echo, NULL);
    f[2] = promise();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(filch_future_add_done_callback(f[i], called, &kept), 0);
        assert_int_equal(add_without_memory(f[i], &refused), FILCH_ENOMEM);
        assert_int_equal(filch_future_add_done_callback(f[i], called, &kept), 0);
    }
    assert_int_equal(add_without_memory(hold.f, &refused), FILCH_ENOMEM); /* it runs */
    let_go(&hold);
    assert_true(filch_future_cancel(f[1]) || outcome(f[1]) == 0);
    assert_int_equal(outcome(f[0]), 0);
    assert_int_equal(filch_promise_set_result(f[2], NULL), 0);
    filch_executor_destroy(ex); /* callbacks have returned */
    assert_int_equal(count_of(&refused), 0);
    assert_int_equal(count_of(&kept), 6);
    assert_int_equal(add_without_memory(f[0], &kept), 0); /* over: called without any memory */
    assert_int_equal(count_of(&kept), 7);
    for (int i = 0; i < 3; i++)
        filch_future_release(f[i]);
}

enum {
    FEW = 3,
    MANY = 40 /* more than a wait keeps room for on its stack */
};

/* Refuses the k-th malloc of a wait for n futures, the first of which is over. */
static bool refuse_wait(size_t n, enum filch_return_when when, int64_t k)
{
    filch_executor *ex = pool_of(1);
    struct hold hold = {0};
    filch_future *f[MANY];
    filch_future *as_it_was[MANY];
    uint64_t before = malloc_refused;
    bool refused;

    f[n - 1] = submit(ex, task_echo, NULL); /* over, but last */
    assert_int_equal(outcome(f[n - 1]), 0);
    hold_worker(&hold, ex);
    for (size_t i = 0; i < n - 1; i++)
        f[i] = i % 2 == 0 ? submit(ex, task_echo, NULL) : promise();
    memcpy(as_it_was, f, sizeof f[0] * n);

    malloc_until = k;
    ptrdiff_t over = filch_wait(f, n, when, filch_in_ms(1));
    malloc_until = -1;
    refused = malloc_refused != before;
    assert_int_equal(over, refused ? FILCH_ENOMEM : 1);
    if (refused) {
        assert_memory_equal(f, as_it_was, sizeof f[0] * n);
        assert_int_equal(filch_wait(f, n, when, FILCH_NOW), 1);
    }
    assert_ptr_equal(f[0], as_it_was[n - 1]);

    let_go(&hold);
    for (size_t i = 1; i < n - 1; i += 2)
        assert_int_equal(filch_promise_set_result(as_it_was[i], NULL), 0);
    assert_int_equal(filch_wait(f, n, FILCH_ALL_COMPLETED, FILCH_FOREVER), n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(finish(f[i]), 0);
    filch_executor_destroy(ex);
    return refused;
}

TEST(e5_whichever_request_of_a_wait_fails_the_array_is_as_it_was)
{
    static const size_t sizes[] = {FEW, MANY};
    static const enum filch_return_when whens[] = {FILCH_ALL_COMPLETED, FILCH_FIRST_EXCEPTION};

    for (size_t s = 0; s < 2; s++) {
        for (size_t w = 0; w < 2; w++) {
            int64_t k = 0;

            while (refuse_wait(sizes[s], whens[w], k))
                k++;
            /* the group, a node for each that isn't over, and the room */
            assert_true(k >= (int64_t)sizes[s] + (sizes[s] == MANY ? 1 : 0));
        }
    }
}

TEST(e5_a_wait_for_what_is_over_needs_no_memory)
{
    filch_executor *ex = pool_of(1);
    filch_future *f[FEW];

    for (int i = 0; i < FEW; i++) {
        f[i] = submit(ex, task_echo, NULL);
        assert_int_equal(outcome(f[i]), 0);
    }
    malloc_until = 0;
    ptrdiff_t over = filch_wait(f, FEW, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    malloc_until = -1;
    assert_int_equal(over, FEW);
    finish_all(f, FEW);
    filch_executor_destroy(ex);
}

static int task_wait_without_memory(void *ex, void **result)
{
    filch_future *f[FEW];
    filch_future *as_it_was[FEW];

    for (int64_t k = 0; k <= FEW; k++) {
        for (int i = 0; i < FEW; i++)
            as_it_was[i] = f[i] = submit(ex, task_echo, NULL);
        malloc_until = k;
        test_check(filch_wait(f, FEW, FILCH_ALL_COMPLETED, FILCH_FOREVER) == FILCH_ENOMEM);
        malloc_until = -1;
        test_check(memcmp(f, as_it_was, sizeof f) == 0);
        test_check(filch_wait(f, FEW, FILCH_ALL_COMPLETED, FILCH_FOREVER) == FEW);
        finish_all(f, FEW);
    }
    *result = NULL;
    return 0;
}

TEST(e5_a_wait_inside_a_task_that_lacks_memory_says_so_too)
{
    filch_executor *ex = pool_of(1);

    assert_int_equal(finish(submit(ex, task_wait_without_memory, ex)), 0);
    filch_executor_destroy(ex);
}

TEST(e5_a_promise_is_made_or_not_and_its_code_stands_without_its_message)
{
    filch_future *f = NULL;
    filch_error error;

    malloc_until = 0;
    assert_int_equal(filch_promise_create(&f), FILCH_ENOMEM);
    malloc_until = -1;
    assert_null(f);

    f = promise();
    malloc_until = 0;
    assert_int_equal(filch_promise_set_error(f, 42, "why it failed"), 0);
    malloc_until = -1;
    assert_int_equal(outcome(f), 42);
    assert_int_equal(filch_future_error(f, FILCH_NOW, &error), 0);
    assert_int_equal(error.code, 42);
    assert_string_equal(error.domain, "promise");
    assert_non_null(error.message);
    filch_future_release(f);
}

/* ---- No thread to stand in ---- */

/* A recursion that waits at each step, down to where so much of the worker's stack is left. */
struct descent {
    filch_executor *ex;
    char *end; /* of the stack, as far as it is to be used; NULL: not known yet */
    size_t steps;
    size_t depth; /* reached */
    bool by_wait; /* filch_wait in place of filch_future_result */
};

enum {
    FRAME_BYTES = 16384,
    STACK_BYTES = 8 << 20
};

/* Leaves a quarter of the calling thread's stack alone. */
static char *three_quarters_down(void)
{
    pthread_attr_t attr;
    void *bottom;
    size_t size;

    test_check(pthread_getattr_np(pthread_self(), &attr) == 0);
    test_check(pthread_attr_getstack(&attr, &bottom, &size) == 0);
    pthread_attr_destroy(&attr);
    return (char *)bottom + size / 4;
}

static int task_descend(void *descent, void **result)
{
    struct descent *d = descent;
    volatile size_t frame_bytes =
        FRAME_BYTES; /* not a constant: on the real stack under ASan too */
    volatile char *frame = __builtin_alloca(frame_bytes);
    filch_future *f;
    int status;

    frame[0] = frame[FRAME_BYTES - 1] = 1;
    if (d->end == NULL)
        d->end = three_quarters_down();
    *result = NULL;
    d->depth++;
    if ((char *)(uintptr_t)frame < d->end || d->depth == d->steps)
        return 0;
    f = submit(d->ex, task_descend, d);
    if (d->by_wait)
        test_check(filch_wait(&f, 1, FILCH_ALL_COMPLETED, FILCH_FOREVER) == 1);
    status = finish(f);
    return status + (frame[0] != 1) + (frame[FRAME_BYTES - 1] != 1);
}

static size_t descend(struct descent d, filch_options options)
{
    options.workers = 1;
    options.stack_size = STACK_BYTES;
    d.ex = pool_with(options);
    fl_store(&no_threads, true, relaxed); /* settled by the submit that follows */
    assert_int_equal(finish(submit(d.ex, task_descend, &d)), 0);
    assert_int_equal(finish(submit(d.ex, task_echo, NULL)), 0); /* it works on */
    assert_int_equal(stats_of(d.ex).spares, 0);
    fl_store(&no_threads, false, relaxed); /* settled likewise */
    filch_executor_destroy(d.ex);
    return d.depth;
}

TEST(w3_without_a_spare_thread_a_waiting_worker_helps_beyond_half_of_its_stack)
{
    enum {
        DOWN_TO_HALF = STACK_BYTES / 2 / FRAME_BYTES
    };
    uint64_t refused = count_of(&threads_refused);

    for (int by_wait = 0; by_wait <= 1; by_wait++) {
        struct descent d = {.steps = SIZE_MAX, .by_wait = by_wait != 0};

        assert_true(descend(d, (filch_options){.help = FILCH_HELP_DESCENDANTS}) > DOWN_TO_HALF / 2);
        assert_true(descend(d, (filch_options){.help = FILCH_HELP_ANY}) > DOWN_TO_HALF / 2);
    }
    assert_true(count_of(&threads_refused) > refused); /* spares were asked for */
}

/* The worker's slab and deque have what they need before memory runs out. */
static int task_submit_one(void *ex, void **result)
{
    *result = NULL;
    return finish(submit(ex, task_echo, NULL));
}

TEST(w3_without_memory_for_a_spare_a_waiting_worker_helps_on_too)
{
    struct ration r;
    struct descent d = {.steps = SIZE_MAX};

    d.ex = pool_on(&r, (filch_options){.workers = 1, .stack_size = STACK_BYTES});
    assert_int_equal(finish(submit(d.ex, task_submit_one, d.ex)), 0);
    fl_store(&r.closed, true, relaxed); /* settled by the submit that follows */
    assert_int_equal(finish(submit(d.ex, task_descend, &d)), 0);
    assert_true(count_of(&r.refused) > 0); /* a spare was asked for */
    assert_int_equal(stats_of(d.ex).spares, 0);
    fl_store(&r.closed, false, relaxed); /* settled likewise */
    assert_int_equal(finish(submit(d.ex, task_echo, NULL)), 0);
    destroy_and_check(d.ex, &r);
}

TEST(w3_once_threads_can_be_had_again_spares_stand_in_again)
{
    struct descent d = {.steps = SIZE_MAX};

    d.ex = pool_with((filch_options){.workers = 1, .stack_size = STACK_BYTES});
    fl_store(&no_threads, true, relaxed); /* settled by the submit that follows */
    assert_int_equal(finish(submit(d.ex, task_descend, &d)), 0);
    assert_int_equal(stats_of(d.ex).spares, 0);
    fl_store(&no_threads, false, relaxed); /* settled likewise */
    d.depth = 0;
    assert_int_equal(finish(submit(d.ex, task_descend, &d)), 0);
    assert_true(stats_of(d.ex).spares > 0);
    filch_executor_destroy(d.ex);
}
