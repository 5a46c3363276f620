/* SPDX-License-Identifier: MIT
 *
 * model_deque.c: what GenMC checks of the deque: every execution that RC11 and IMM allow.
 *
 * The real deque.c is compiled here, with a first array of two slots so that the third push grows it
 * or refills a slot. The main thread is the owner, each scenario adds thieves. Checked in each
 * execution: no task leaves twice; what is left at the end plus what was taken is what was pushed;
 * whoever has a task reads what its pusher wrote before the push; and what a scenario says beside
 * that. A scenario is a macro MODEL_<NAME>; scripts/model runs each "run" line below under both
 * memory models and in both forms of store-then-look. By hand, from the top of the tree:
 *
 *   genmc -rc11 -disable-spin-assume -disable-estimation -- -O0 -Iinclude -Icore -DMODEL_GROW \
 *       -DTHIEVES=1 -DROUNDS=2 tests/queue/model_deque.c
 *   genmc -imm -disable-mm-detector -disable-spin-assume -disable-estimation -- ...
 *
 * No loop here or in deque.c needs a bound: each turn follows somebody else's move of top. */
/* run: LAST THIEVES=1 ROUNDS=2 */
/* run: LAST THIEVES=2 ROUNDS=1 */
/* run: TURN THIEVES=1 ROUNDS=2 */
/* run: TURN THIEVES=2 ROUNDS=1 */
/* run: REUSE THIEVES=1 ROUNDS=2 */
/* run: REUSE THIEVES=2 ROUNDS=1 */
/* run: GROW THIEVES=1 ROUNDS=2 */
/* run: GROW THIEVES=2 ROUNDS=1 */
/* run: GROW THIEVES=1 ROUNDS=2 STEAL_IF */
/* run: GROW THIEVES=1 ROUNDS=2 FL_DEQUE_START=UINT64_MAX */
/* run: GROW THIEVES=1 ROUNDS=2 FL_DEQUE_START=INT64_MAX */
/* run: MANY THIEVES=2 ROUNDS=1 */
/* run: TAKE THIEVES=1 ROUNDS=2 TAKEN=0 */
/* run: TAKE THIEVES=1 ROUNDS=2 TAKEN=1 */
/* run: TAKE THIEVES=1 ROUNDS=2 TAKEN=2 */
/* run: TAKE THIEVES=1 ROUNDS=2 TAKEN=1 FL_DEQUE_START=UINT64_MAX */
/* run: TAKE THIEVES=2 ROUNDS=1 TAKEN=0 PUSHED=2 */
/* run: TAKE THIEVES=2 ROUNDS=1 TAKEN=1 PUSHED=2 */
/* run: TAKE_PUSH THIEVES=1 ROUNDS=2 TAKEN=0 PUSHED=2 */
/* run: TAKE_PUSH THIEVES=1 ROUNDS=2 TAKEN=1 PUSHED=2 */
/* run: IF THIEVES=1 ROUNDS=2 */
/* run: IF THIEVES=2 ROUNDS=1 */
/* run: SHIFT THIEVES=1 ROUNDS=3 */
/* run: SHIFT THIEVES=2 ROUNDS=1 */
/* run: SHIFT THIEVES=2 ROUNDS=2 OTHERS=1 */
/* run: SHIFT THIEVES=1 ROUNDS=3 FL_DEQUE_START=UINT64_MAX */
/* run: SLEEP THIEVES=2 */
/* run: SLEEP THIEVES=2 PUSH_MANY */
/* run: SLEEP_TAKE THIEVES=2 */
/* run: SLEEP_SHIFT THIEVES=2 */
/* run: SLEEP_STEAL THIEVES=2 */
#define FL_DEQUE_SLOTS 2
#include "../base/model.h"

#include "../../core/queue/deque.c"

enum {
    TASKS = 4
};

struct fl_task {
    int value; /* plain: RC11 reports a race if the deque does not order it */
};

static struct fl_task tasks[TASKS];
static fl_atomic(int) taken[TASKS];
static int pushed;

#ifndef ROUNDS
#    define ROUNDS 1
#endif
#ifndef OTHERS
#    define OTHERS ROUNDS
#endif
static int rounds[] = {ROUNDS, OTHERS}; /* what each thief tries */

static struct fl_heap heap;
static struct fl_deque d;

static void prepare(int i)
{
    tasks[i].value = 100 + i;
    pushed = i + 1;
}

static void put(int i)
{
    prepare(i);
    int status = fl_deque_reserve(&d, 1);
    assert(status == 0);
#ifdef PUSH_MANY
    struct fl_task *batch[] = {&tasks[i]};
    fl_deque_push_many(&d, batch, 1);
#else
    fl_deque_push(&d, &tasks[i]);
#endif
}

static void take(const struct fl_task *task)
{
    if (task == NULL)
        return;
    int i = (int)(task - tasks);
    assert(task->value == 100 + i);
    int before = fl_add(&taken[i], 1, relaxed); /* ghost */
    assert(before == 0);
}

#if defined(MODEL_LAST)
/* One task, wanted by all. */
static void owner(void)
{
    put(0);
    take(fl_deque_pop(&d));
}
#elif defined(MODEL_TURN)
/* The deque empties and fills again one index further. */
static void owner(void)
{
    put(0);
    take(fl_deque_pop(&d));
    put(1);
    take(fl_deque_pop(&d));
}
#elif defined(MODEL_REUSE)
/* An index is popped and pushed again while top has not passed it. */
static void owner(void)
{
    put(0);
    put(1);
    take(fl_deque_pop(&d));
    put(2);
    take(fl_deque_pop(&d));
}
#elif defined(MODEL_GROW)
/* The third push grows the array, or refills the first slot. */
static void owner(void)
{
    put(0);
    put(1);
    put(2);
    take(fl_deque_pop(&d));
}
#elif defined(MODEL_MANY)
/* One publication shows several, over a growth. */
static void owner(void)
{
    struct fl_task *batch[] = {&tasks[1], &tasks[2]};

    put(0);
    prepare(1);
    prepare(2);
    int status = fl_deque_reserve(&d, 2);
    assert(status == 0);
    fl_deque_push_many(&d, batch, 2);
    take(fl_deque_pop(&d));
}
#elif defined(MODEL_TAKE) || defined(MODEL_TAKE_PUSH)
/* One is taken out from where it lies, and what lies above it moves down; or a thief has it already. What has
 * moved is shown again, and the slot above it may be filled anew. */
#    ifndef PUSHED
#        define PUSHED 3
#    endif
static int refused;

static void owner(void)
{
    for (int i = 0; i < PUSHED; i++)
        put(i);
    if (fl_deque_take(&d, &tasks[TAKEN]))
        take(&tasks[TAKEN]);
    else
        refused = 1;
#    if defined(MODEL_TAKE_PUSH)
    put(PUSHED);
#    endif
    take(fl_deque_pop(&d));
}
#elif defined(MODEL_IF)
/* A thief that may not have task 0, nor task 2. */
static fl_atomic(int) gate;

static void owner(void)
{
    put(0);
    put(1);
    take(fl_deque_pop(&d));
    take(fl_deque_pop(&d));
    fl_store(&gate, 1, relaxed); /* shown by the push */
    put(2);
}
#elif defined(MODEL_SHIFT)
/* Nobody pops; slots are refilled as they come free. */
static void owner(void)
{
    put(0);
    put(1);
    put(2);
}
#elif defined(MODEL_SLEEP) || defined(MODEL_SLEEP_SHIFT) || defined(MODEL_SLEEP_STEAL) ||          \
    defined(MODEL_SLEEP_TAKE)
/* A sleeper announces itself and then looks; a pusher pushes, or an owner takes what lies below, and then
 * looks. A third one takes. */
static fl_atomic(int) announced;
static int saw_sleeper, saw_nothing;

static void owner(void)
{
#    if defined(MODEL_SLEEP_TAKE)
    put(0);
    put(1);
    if (fl_deque_take(&d, &tasks[0]))
        take(&tasks[0]);
#    else
    put(0);
#    endif
    if (fl_look(&announced) != 0)
        saw_sleeper = 1;
}
#else
#    error "no such scenario"
#endif

#if defined(MODEL_IF)
static bool closed(void *arg)
{
    return fl_load((fl_atomic(int) *)arg, relaxed) == 0;
}

static void *thief(void *arg)
{
    for (int i = *(int *)arg; i > 0; i--) {
        struct fl_task *task = fl_deque_steal_if(&d, FL_DEQUE_START + UINT64_C(1), closed, &gate);

        assert(task == NULL || task == &tasks[1]);
        take(task);
        take(fl_deque_steal_if(&d, FL_DEQUE_START, NULL, NULL));
    }
    return NULL;
}
#elif defined(MODEL_SHIFT)
static void *thief(void *arg)
{
    for (int i = *(int *)arg; i > 0; i--)
        take(fl_deque_shift(&d));
    return NULL;
}
#elif defined(MODEL_SLEEP) || defined(MODEL_SLEEP_SHIFT) || defined(MODEL_SLEEP_STEAL) ||          \
    defined(MODEL_SLEEP_TAKE)
static void *thief(void *arg)
{
    if (arg == &rounds[1]) { /* a passer-by */
        take(fl_deque_steal(&d));
        return NULL;
    }
    fl_store_look(&announced, 1);
#    if defined(MODEL_SLEEP) || defined(MODEL_SLEEP_TAKE)
    saw_nothing = fl_deque_looks_empty(&d);
#    else
#        if defined(MODEL_SLEEP_SHIFT)
    struct fl_task *task = fl_deque_shift(&d);
#        else
    struct fl_task *task = fl_deque_steal(&d);
#        endif
    saw_nothing = task == NULL;
    take(task);
#    endif
    return NULL;
}
#else
static void *thief(void *arg)
{
    for (int i = *(int *)arg; i > 0; i--)
#    ifdef STEAL_IF
        take(fl_deque_steal_if(&d, FL_DEQUE_START, NULL, NULL));
#    else
        take(fl_deque_steal(&d));
#    endif
    return NULL;
}
#endif

int main(void)
{
    pthread_t thieves[THIEVES];

    int status = fl_deque_open(&d, &heap);
    assert(status == 0);
    for (int i = 0; i < THIEVES; i++) {
        status = pthread_create(&thieves[i], NULL, thief, &rounds[i]);
        assert(status == 0);
    }
    owner();
    for (int i = 0; i < THIEVES; i++)
        pthread_join(thieves[i], NULL);

#if defined(MODEL_TAKE) || defined(MODEL_TAKE_PUSH)
    assert(!refused || fl_load(&taken[TAKEN], relaxed) == 1); /* ghost */
#endif
#if defined(MODEL_SLEEP) || defined(MODEL_SLEEP_SHIFT) || defined(MODEL_SLEEP_STEAL) ||            \
    defined(MODEL_SLEEP_TAKE)
    /* Asleep with nobody who knows, and the last task is still there: that must not be. */
    assert(saw_sleeper || !saw_nothing || fl_load(&taken[pushed - 1], relaxed) == 1);
#endif
    for (int i = 0; i < TASKS; i++)
        take(fl_deque_pop(&d));
    for (int i = 0; i < pushed; i++)
        assert(fl_load(&taken[i], relaxed) == 1); /* ghost */
    assert(fl_deque_looks_empty(&d));
    fl_deque_close(&d);
    return 0;
}
