/* SPDX-License-Identifier: MIT
 *
 * model_slab.c: what GenMC checks of the slabs: every execution that RC11 and IMM allow.
 *
 * The real slab.c is compiled here, with chunks of four lines: three blocks of 64 bytes or one of
 * 128. The main thread holds the slab, the others give blocks back. Checked in each execution: a
 * block is handed out once at a time; whoever gets it reads what its last user wrote (and RC11
 * reports any race on that); no block is lost; and what a scenario says beside that. A scenario is a
 * macro MODEL_<NAME>; scripts/model runs each "run" line below under both memory models. By hand,
 * from the top of the tree:
 *
 *   genmc -rc11 -disable-spin-assume -disable-estimation -- -O0 -Iinclude -Icore -DMODEL_HOME \
 *       tests/base/model_slab.c
 *   genmc -imm -disable-mm-detector -disable-spin-assume -disable-estimation -- ...
 *
 * No loop here or in slab.c needs a bound: a return starts over only after somebody else's. */
/* run: HOME */
/* run: AGAIN */
/* run: KINDS */
/* run: RETIRE */
/* run: RETIRE_HOME */
#define FL_CHUNK_BYTES 256
#include "model.h"

#include "../../core/base/slab.c"

/* A user's view of a block: the first word is the slab's between two lives. */
struct used {
    void *link;
    int out;  /* ghost: handed out */
    int last; /* who used it last */
};

static struct fl_heap heap;
static struct fl_slab slab;
static struct used *a, *b, *c;

static struct used *first_time(enum fl_block_kind kind)
{
    struct used *u = fl_slab_alloc(&slab, kind);

    assert(u != NULL);
    u->out = 1;
    u->last = 0;
    return u;
}

/* A block that has had a life before. */
static struct used *again(struct used *u)
{
    assert(u->out == 0);
    u->out = 1;
    return u;
}

/* Whether the slab took it. */
static bool give_back(struct used *u, int who)
{
    assert(u->out == 1);
    u->out = 0;
    u->last = who;
    return fl_slab_return(u);
}

#if defined(MODEL_HOME)
/* Two give back while the holder takes: their blocks, or fresh ones. */
static void *returner(void *arg)
{
    bool taken = give_back(arg, 1);

    assert(taken);
    return NULL;
}

static void scenario(void)
{
    pthread_t threads[2];
    struct used *got[3];

    a = first_time(FL_BLOCK_64);
    b = first_time(FL_BLOCK_64);
    c = first_time(FL_BLOCK_64);
    pthread_create(&threads[0], NULL, returner, a);
    pthread_create(&threads[1], NULL, returner, b);
    for (int i = 0; i < 2; i++) {
        got[i] = fl_slab_alloc(&slab, FL_BLOCK_64);
        assert(got[i] != c && (i == 0 || got[1] != got[0]));
        if (got[i] == a || got[i] == b)
            assert(again(got[i])->last == 1);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    fl_slab_free(&slab, got[0]);
    fl_slab_free(&slab, got[1]);
    fl_slab_free(&slab, c);
    size_t out = fl_slab_retire(&slab);
    /* Home or on the shelf: a and b, whether the holder got them or they came after it had looked. */
    assert(out == 0);
}
#elif defined(MODEL_AGAIN)
/* An address comes back to the stack while a slow return still sees it. */
static void *returner(void *arg)
{
    bool taken = give_back(arg, 1);

    assert(taken);
    return NULL;
}

static void scenario(void)
{
    pthread_t threads[2];

    a = first_time(FL_BLOCK_64);
    b = first_time(FL_BLOCK_64);
    c = first_time(FL_BLOCK_64);
    pthread_create(&threads[0], NULL, returner, a);
    pthread_create(&threads[1], NULL, returner, b);
    struct used *x = fl_slab_alloc(&slab, FL_BLOCK_64);
    struct used *y = NULL;
    if (x == a || x == b) {
        bool taken = give_back(again(x), 2);
        assert(taken);
        y = fl_slab_alloc(&slab, FL_BLOCK_64); /* x, the other, or fresh */
        assert(y != c);
        if (y == a || y == b)
            again(y);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);

    /* All that is home comes out once. */
    for (int i = 0; i < 2; i++) {
        struct used *u = i == 0 ? a : b;
        if (u->out == 1) {
            fl_slab_free(&slab, u);
            u->out = 0;
        }
    }
    struct used *first = NULL;
    for (int n = 0; n < 2; n++) {
        struct used *u = fl_slab_alloc(&slab, FL_BLOCK_64);
        assert((u == a || u == b) && u != first);
        first = again(u);
    }
}
#elif defined(MODEL_KINDS)
/* The two sizes come home apart. */
static void *returner(void *arg)
{
    (void)arg;
    bool taken = give_back(a, 1);
    assert(taken);
    taken = give_back(b, 1);
    assert(taken);
    return NULL;
}

static void scenario(void)
{
    pthread_t thread;

    a = first_time(FL_BLOCK_128);
    b = first_time(FL_BLOCK_64);
    pthread_create(&thread, NULL, returner, NULL);
    struct used *x = fl_slab_alloc(&slab, FL_BLOCK_128);
    struct used *y = fl_slab_alloc(&slab, FL_BLOCK_64);
    assert(x != b && y != a);
    if (x == a)
        assert(again(x)->last == 1);
    if (y == b)
        assert(x == a || again(y)->last == 1);
    pthread_join(thread, NULL);
    size_t out = fl_slab_retire(&slab);
    assert(out == 2); /* x and y */
}
#elif defined(MODEL_RETIRE) || defined(MODEL_RETIRE_HOME)
/* Each block that is out when the slab retires is counted by its returner, every other one is seen by
 * the retiring; who brings the last one home follows all the others and closes. */
static int story; /* plain: whoever finds the slab retired may read what led there */
static fl_atomic(int) left;
static int closed;

static void settle(int n)
{
    if (fl_add(&left, n, acq_rel) + n == 0) {
        assert(a->out == 0 && b->out == 0);
        closed++;
        fl_slab_close(&slab);
    }
}

static void *returner(void *arg)
{
    if (!give_back(arg, 1)) {
        assert(story == 1);
        settle(-1);
    }
    return NULL;
}

static void scenario(void)
{
    pthread_t threads[2];

    a = first_time(FL_BLOCK_64);
    b = first_time(FL_BLOCK_64);
    c = first_time(FL_BLOCK_64);
    pthread_create(&threads[0], NULL, returner, a);
    pthread_create(&threads[1], NULL, returner, b);
#    if defined(MODEL_RETIRE_HOME)
    struct used *x = fl_slab_alloc(&slab, FL_BLOCK_64);
    if (x == a || x == b)
        again(x)->out = 0;
    fl_slab_free(&slab, x);
#    endif
    fl_slab_free(&slab, c);
    story = 1;
    size_t out = fl_slab_retire(&slab);
    assert(out <= 2);
    settle((int)out);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert(closed == 1); /* each was counted on exactly one side */
}
#else
#    error "no such scenario"
#endif

int main(void)
{
    fl_slab_open(&slab, &heap);
    scenario();
#if !defined(MODEL_RETIRE) && !defined(MODEL_RETIRE_HOME)
    fl_slab_close(&slab);
#endif
    return 0;
}
