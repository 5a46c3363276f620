/* SPDX-License-Identifier: MIT
 *
 * sim_slab.c: blocks that die elsewhere: one thread holds the slab, others give back.
 *
 * Who has a block writes into it plainly, so that a race tells when its last user and its next do not
 * know of each other. After each step a ghost walks the lists: a block is in one place, and out or in
 * a list, never both. At the end as many are out as there should be. Then the pool's own count of the
 * blocks that outlive it: whoever brings the last one home frees everything, once. */
#include "base/slab.h"
#include "pools.h"
#include "sim/sim.h"

enum {
    BLOCKS = 12,
    OF_128 = FL_CHUNK_BYTES / 128 - 1 /* blocks of a chunk */
};

/* A user's view of a block: the first word is the slab's between two lives. */
struct used {
    void *link;
    int user; /* plain */
};

static struct fl_heap heap;
static struct fl_slab slab;
static struct used *a, *b, *c;
static bool is_retiring; /* plain: who comes too late knows why */

/* ---- the ghost ---- */

static struct {
    bool is_on;
    unsigned n;
    const void *block[BLOCKS];
    bool is_out[BLOCKS];
    unsigned refused; /* given back to a slab that was retired */
} blocks;

SIM_GHOST static void blocks_begin(bool is_on)
{
    memset(&blocks, 0, sizeof blocks);
    blocks.is_on = is_on;
}

SIM_GHOST static unsigned number_of(const void *p)
{
    unsigned i = 0;

    while (i < blocks.n && blocks.block[i] != p)
        i++;
    return i;
}

SIM_GHOST static void goes_out(const void *p)
{
    unsigned i = number_of(p);

    sim_check(i < BLOCKS && !blocks.is_out[i]);
    blocks.block[i] = p;
    blocks.is_out[i] = true;
    if (i == blocks.n)
        blocks.n++;
}

SIM_GHOST static void comes_back(const void *p)
{
    unsigned i = number_of(p);

    sim_check(i < blocks.n && blocks.is_out[i]);
    blocks.is_out[i] = false;
}

SIM_GHOST static void is_refused(void)
{
    blocks.refused++;
}

SIM_GHOST static unsigned how_many_are_out(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < blocks.n; i++)
        n += blocks.is_out[i];
    return n;
}

/* What is no block can only stand alone: it says that the slab is retired. */
SIM_GHOST static void walk(const struct fl_block *first, bool *is_met)
{
    for (const struct fl_block *at = first; at != NULL; at = at->next) {
        unsigned i = number_of(at);

        if (i == blocks.n) {
            sim_check(at == first);
            return;
        }
        sim_check(!blocks.is_out[i] && !is_met[i]);
        is_met[i] = true;
    }
}

SIM_GHOST static void watch_blocks(void)
{
    bool is_met[BLOCKS] = {false};

    if (!blocks.is_on)
        return;
    for (int kind = 0; kind < FL_BLOCK_KINDS; kind++) {
        walk(slab.shelf[kind].free, is_met);
        walk(fl_load(&slab.returned[kind], relaxed), is_met);
    }
}

/* ---- what is done ---- */

static struct used *take_kind(enum fl_block_kind kind)
{
    struct used *u = fl_slab_alloc(&slab, kind);

    if (u == NULL)
        return NULL;
    goes_out(u);
    u->user = sim_self();
    return u;
}

static struct used *take(void)
{
    struct used *u = take_kind(FL_BLOCK_64);

    sim_check(u != NULL);
    return u;
}

/* By anybody. */
static void give_back(struct used *u)
{
    u->user = sim_self();
    comes_back(u);
    if (fl_slab_return(u))
        return;
    sim_check(is_retiring);
    is_refused();
}

/* By the holder. */
static void put_on_the_shelf(struct used *u)
{
    u->user = sim_self();
    comes_back(u);
    fl_slab_free(&slab, u);
}

static void giver(void *block)
{
    give_back(block);
}

static void begin(void)
{
    blocks_begin(false);
    is_retiring = false;
    sim_solo_begin();
    fl_heap_open(&heap, &sim_allocator);
    fl_slab_open(&slab, &heap);
    blocks_begin(true);
    a = take();
    b = take();
    c = take();
    sim_solo_end();
}

static void end(void)
{
    sim_join_all();
    sim_check(fl_slab_retire(&slab) == how_many_are_out());
    blocks_begin(false);
    sim_solo_begin();
    fl_slab_close(&slab);
    sim_solo_end();
}

/* ---- home ---- */

SCENARIO(the_next_user_of_a_block_knows_what_the_last_one_did, .ghost = watch_blocks,
         .weak_faults = 1)
{
    struct used *u;

    begin();
    sim_spawn(giver, a);
    u = take();
    sim_check(u != b && u != c);
    put_on_the_shelf(u);
    end();
}

SCENARIO(two_who_give_back_at_once_lose_nothing, .ghost = watch_blocks, .weak_faults = 1)
{
    begin();
    sim_spawn(giver, a);
    sim_spawn(giver, b);
    take();
    take();
    end();
}

static void giver_of_two(void *arg)
{
    (void)arg;
    give_back(a);
    give_back(b);
}

SCENARIO(what_comes_home_between_two_looks_is_there_for_the_next, .ghost = watch_blocks)
{
    struct used *first;

    begin();
    sim_spawn(giver_of_two, NULL);
    first = take();
    put_on_the_shelf(take());
    put_on_the_shelf(first);
    take();
    end();
}

/* Whoever gives back looks at the youngest, which goes and comes again meanwhile. */
SCENARIO(an_address_that_comes_back_at_once_does_no_harm, .ghost = watch_blocks)
{
    struct used *u;

    begin();
    sim_spawn(giver, a);
    sim_spawn(giver, b);
    u = take();
    give_back(u);
    take();
    end();
}

SCENARIO(the_holder_may_give_back_like_everybody_else, .ghost = watch_blocks, .weak_faults = 1)
{
    begin();
    sim_spawn(giver, a);
    give_back(b);
    take();
    put_on_the_shelf(c);
    take();
    end();
}

/* A block goes on to another thread, which gives it back. */
static fl_atomic(struct used *) handed;

static void receiver(void *arg)
{
    struct used *u = fl_load(&handed, acquire);

    (void)arg;
    if (u != NULL)
        give_back(u);
}

SCENARIO(a_block_goes_round_by_way_of_others, .ghost = watch_blocks)
{
    begin();
    fl_init(&handed, NULL);
    sim_spawn(giver, a);
    sim_spawn(receiver, NULL);
    fl_store(&handed, take(), release);
    take();
    end();
}

SCENARIO(large_and_small_blocks_go_home_each_to_their_own, .ghost = watch_blocks)
{
    struct used *large;
    struct used *u;

    begin();
    sim_solo_begin();
    large = take_kind(FL_BLOCK_128);
    sim_solo_end();
    sim_spawn(giver, a);
    sim_spawn(giver, large);
    u = take();
    sim_check(u != large);
    u = take_kind(FL_BLOCK_128);
    sim_check(u != a);
    end();
}

SCENARIO(a_block_knows_its_home_wherever_it_is, .ghost = watch_blocks)
{
    begin();
    sim_spawn(giver, a);
    sim_check(fl_slab_owns(&slab, b) && fl_slab_owns(&slab, c));
    end();
}

SCENARIO(touching_a_block_that_was_given_back_is_found, .fails = "use after free")
{
    begin();
    give_back(a);
    a->user = 1;
}

/* ---- without memory ---- */

SCENARIO(what_comes_home_is_there_where_memory_is_not, .ghost = watch_blocks, .alloc_faults = 1)
{
    struct used *u;

    begin();
    sim_solo_begin();
    a = take_kind(FL_BLOCK_128);
    for (int i = 1; i < OF_128; i++)
        take_kind(FL_BLOCK_128);
    sim_solo_end();
    sim_spawn(giver, a);
    u = take_kind(FL_BLOCK_128);
    if (u == NULL) {
        sim_join_all();
        sim_check(take_kind(FL_BLOCK_128) == a);
    }
    end();
}

SCENARIO(a_slab_that_has_no_memory_says_so_and_can_be_asked_again, .alloc_faults = 1)
{
    void *p;

    fl_heap_open(&heap, &sim_allocator);
    fl_slab_open(&slab, &heap);
    p = fl_slab_alloc(&slab, FL_BLOCK_64);
    if (p == NULL)
        p = fl_slab_alloc(&slab, FL_BLOCK_64);
    sim_check(p != NULL);
    sim_check(fl_slab_retire(&slab) == 1);
    fl_slab_close(&slab);
}

/* ---- retired ---- */

/* As many are out as come back too late. */
static void retire(void)
{
    unsigned held = how_many_are_out();
    size_t out;

    sim_spawn(giver, a);
    sim_spawn(giver, b);
    is_retiring = true;
    out = fl_slab_retire(&slab);
    sim_join_all();
    sim_check(out == held - 2 + blocks.refused);
    blocks_begin(false);
    sim_solo_begin();
    fl_slab_close(&slab);
    sim_solo_end();
}

SCENARIO(a_block_is_counted_by_the_holder_or_by_who_brings_it_too_late, .ghost = watch_blocks,
         .weak_faults = 1)
{
    begin();
    retire();
}

SCENARIO(what_is_on_the_shelf_is_not_out, .ghost = watch_blocks)
{
    begin();
    sim_solo_begin();
    put_on_the_shelf(c);
    take_kind(FL_BLOCK_128);
    sim_solo_end();
    retire();
}

/* ---- the pool's memory ---- */

static const int64_t BIAS = INT64_C(1) << 40; /* pool.c's */

static struct fl_slab *lane_slab;

static void make_pool(void)
{
    struct fl_push at;
    int status;

    make_pool_by_hand(1, 0);
    watch(NULL);
    sim_solo_begin();
    fl_init(&pool->blocks_out, BIAS);
    status = fl_push_begin(&at, pool, 1);
    sim_check(status == 0);
    lane_slab = at.slab;
    fl_push_abort(&at);
    sim_solo_end();
}

static void bring(void *block)
{
    struct used *u = block;

    u->user = sim_self();
    fl_pool_free_block(pool, block);
}

/* The leak check sees to it that all is freed, the heap that it is freed once. */
SCENARIO(a_block_that_outlives_its_pool_frees_it)
{
    make_pool();
    a = fl_slab_alloc(&fl_worker_at(pool, 0)->slab, FL_BLOCK_64);
    sim_spawn(bring, a);
    fl_pool_release(pool);
    sim_join_all();
}

SCENARIO(the_last_of_two_blocks_that_outlive_their_pool_frees_it)
{
    make_pool();
    sim_solo_begin();
    a = fl_slab_alloc(&fl_worker_at(pool, 0)->slab, FL_BLOCK_64);
    b = fl_slab_alloc(&fl_worker_at(pool, 0)->slab, FL_BLOCK_64);
    sim_solo_end();
    sim_spawn(bring, a);
    sim_spawn(bring, b);
    fl_pool_release(pool);
    sim_join_all();
}

SCENARIO(blocks_of_two_slabs_that_outlive_their_pool_free_it_once)
{
    make_pool();
    sim_solo_begin();
    a = fl_slab_alloc(&fl_worker_at(pool, 0)->slab, FL_BLOCK_64);
    b = fl_slab_alloc(lane_slab, FL_BLOCK_128);
    sim_solo_end();
    sim_spawn(bring, a);
    sim_spawn(bring, b);
    fl_pool_release(pool);
    sim_join_all();
}

/* ---- stopped for ever ---- */

SCENARIO(whoever_stops_while_giving_back_keeps_one_block_at_most, .ghost = watch_blocks,
         .freezes = true)
{
    size_t lost;

    begin();
    sim_spawn(giver, a);
    sim_spawn(giver, b);
    take();
    take();
    sim_join_all();
    lost = fl_slab_retire(&slab) - how_many_are_out();
    sim_check(lost <= (sim_frozen() >= 0));
    blocks_begin(false);
    fl_slab_close(&slab);
}
