/* SPDX-License-Identifier: MIT
 *
 * oom_scope.c: whichever request for memory fails in a token, a task with one, or a scope, the call says
 * so, nothing has happened, and a scope still ends. */
/* link: -Wl,--wrap=malloc -Wl,--wrap=fl_malloc -Wl,--wrap=fl_free */
#include "future/blocks.h"

#include <errno.h>

static _Thread_local int64_t malloc_until = -1; /* of this thread; -1: none is refused */
static _Thread_local uint64_t malloc_refused;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
    if (malloc_until >= 0 && malloc_until-- == 0) {
        malloc_refused++;
        errno = ENOMEM;
        return NULL;
    }
    return __real_malloc(size);
}

/* The k-th request of this thread from now is refused. */
static void refuse(int64_t k)
{
    malloc_refused = 0;
    malloc_until = k;
}

/* Whether one was. */
static bool end_refusing(void)
{
    malloc_until = -1;
    return malloc_refused != 0;
}

TEST(a_token_is_made_or_not_and_its_parent_is_as_before)
{
    int64_t before = blocks_now();
    filch_token *parent = NULL;
    filch_token *t = NULL;

    refuse(0);
    assert_int_equal(filch_token_create(&t, NULL, FILCH_FOREVER), FILCH_ENOMEM);
    assert_true(end_refusing());
    assert_null(t);
    assert_int_equal(filch_token_create(&parent, NULL, FILCH_FOREVER), 0);
    refuse(0);
    assert_int_equal(filch_token_create(&t, parent, FILCH_FOREVER), FILCH_ENOMEM);
    assert_true(end_refusing());
    assert_null(t);
    filch_token_release(parent); /* the only reference: nobody has taken one */
    assert_int_equal(blocks_now(), before);
}

TEST(a_scope_is_opened_or_not)
{
    int64_t before = blocks_now();
    filch_executor *ex = pool_of(1);
    filch_token *parent = NULL;
    bool refused = true;

    assert_int_equal(filch_token_create(&parent, NULL, FILCH_FOREVER), 0);
    for (int64_t k = 0; refused; k++) {
        filch_scope_options o = {.size = sizeof o, .parent = parent};
        filch_scope *s = NULL;

        assert_true(k <= 2);
        errno = 4711;
        refuse(k);
        int status = filch_scope_open(&s, ex, &o);
        refused = end_refusing();
        assert_int_equal(errno, 4711);
        assert_int_equal(status, refused ? FILCH_ENOMEM : 0);
        assert_true((s == NULL) == refused);
        if (!refused)
            assert_int_equal(filch_scope_join(s), 0);
    }
    filch_token_release(parent);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

/* Spawns six, of which the k-th request for memory fails. How many are in the scope. */
static unsigned spawn_some(filch_scope *s, counter *ran, int64_t k, bool *refused)
{
    unsigned spawned = 0;

    refuse(k);
    for (int i = 0; i < 6; i++) {
        int status = filch_scope_spawn(s, task_count, ran);

        test_check(status == 0 || status == FILCH_ENOMEM);
        spawned += status == 0;
    }
    *refused = end_refusing();
    return spawned;
}

TEST(a_task_is_spawned_or_not_and_the_join_waits_for_those_that_were)
{
    int64_t before = blocks_now();
    filch_executor *ex = pool_of(1);
    bool refused = true;

    for (int64_t k = 0; refused; k++) {
        filch_scope *s = NULL;
        counter ran = 0;

        assert_int_equal(filch_scope_open(&s, ex, NULL), 0);
        unsigned spawned = spawn_some(s, &ran, k, &refused);
        assert_true(spawned >= 5 && (spawned == 6) == !refused);
        assert_int_equal(filch_scope_join(s), 0); /* the caller was told what did not go in */
        assert_int_equal(count_of(&ran), spawned);
    }
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}

struct spawner {
    filch_scope *s;
    counter ran;
    unsigned spawned;
    int64_t k;
    bool refused;
};

static int task_spawns(void *arg, void **result)
{
    struct spawner *spawner = arg;

    (void)result;
    spawner->spawned = spawn_some(spawner->s, &spawner->ran, spawner->k, &spawner->refused);
    return 0;
}

TEST(a_task_that_can_not_spawn_is_told_so)
{
    filch_executor *ex = pool_of(1);
    struct spawner spawner = {.refused = true};

    for (spawner.k = 0; spawner.refused; spawner.k++) {
        fl_store(&spawner.ran, 0, relaxed); /* settled by the join */
        assert_int_equal(filch_scope_open(&spawner.s, ex, NULL), 0);
        assert_int_equal(filch_scope_spawn(spawner.s, task_spawns, &spawner), 0);
        assert_int_equal(filch_scope_join(spawner.s), 0);
        assert_int_equal(count_of(&spawner.ran), spawner.spawned);
    }
    filch_executor_destroy(ex);
}

/* ---- The executor's own memory ---- */

static fl_atomic(bool) heap_is_dry;

static void *heap_alloc(void *ctx, size_t size, size_t align)
{
    void *p;

    (void)ctx;
    if (fl_load(&heap_is_dry, relaxed)) /* settled by the call that follows, in this thread */
        return NULL;
    return posix_memalign(&p, align < sizeof(void *) ? sizeof(void *) : align, size) == 0 ? p
                                                                                          : NULL;
}

static void heap_free(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx;
    (void)size;
    (void)align;
    free(p);
}

TEST(a_full_executor_takes_no_task_with_a_token_and_no_token)
{
    static const filch_allocator heap = {.alloc = heap_alloc, .free = heap_free};
    filch_executor *ex = pool_with((filch_options){.workers = 1, .allocator = &heap});
    int64_t before = blocks_now();
    filch_token *t = NULL;
    struct hold hold = {0};
    size_t n = 0;
    int status = 0;

    hold_worker(&hold, ex);
    assert_int_equal(filch_token_create(&t, NULL, FILCH_FOREVER), 0);
    filch_task_options o = {.size = sizeof o, .token = t, .start_by = 1};
    filch_task_options copied = {.size = sizeof copied, .token = t, .copy_bytes = 100};
    fl_store(&heap_is_dry, true, relaxed); /* settled by the calls that follow */
    while (status == 0 && n < 1000000) {
        status = filch_submit_with(ex, &o, task_echo, NULL, NULL);
        n++;
    }
    assert_int_equal(status, FILCH_ENOMEM);
    char bytes[100] = {0};
    filch_future *f = NULL;
    assert_int_equal(filch_submit_with(ex, &copied, task_echo, bytes, &f), FILCH_ENOMEM);
    assert_null(f);
    fl_store(&heap_is_dry, false, relaxed);
    assert_int_equal(filch_submit_with(ex, &copied, task_echo, bytes, &f), 0);
    let_go(&hold);
    assert_int_equal(finish(f), 0);
    filch_executor_destroy(ex);
    filch_token_release(t);
    assert_int_equal(blocks_now(), before);
}

TEST(a_scope_whose_executor_has_no_memory_ends_with_what_it_has)
{
    static const filch_allocator heap = {.alloc = heap_alloc, .free = heap_free};
    filch_executor *ex = pool_with((filch_options){.workers = 1, .allocator = &heap});
    int64_t before = blocks_now();
    struct hold hold = {0};
    filch_scope *s = NULL;
    counter ran = 0;
    size_t n = 0;

    hold_worker(&hold, ex);
    assert_int_equal(filch_scope_open(&s, ex, NULL), 0);
    fl_store(&heap_is_dry, true, relaxed); /* settled by the calls that follow */
    int status;
    while ((status = filch_scope_spawn(s, task_count, &ran)) == 0 && n < 1000000)
        n++;
    fl_store(&heap_is_dry, false, relaxed);
    assert_int_equal(status, FILCH_ENOMEM); /* its queue can't grow */
    let_go(&hold);
    assert_int_equal(filch_scope_join(s), 0);
    assert_int_equal(count_of(&ran), n);
    filch_executor_destroy(ex);
    assert_int_equal(blocks_now(), before);
}
