/* SPDX-License-Identifier: MIT
 *
 * slab.c: what does a task's block cost, when its holder frees it and when somebody else does? */
#include "micro/micro.h"

#include "base/slab.h"
#include "driver/bench.h"
#include "shim/gbench.h"

enum {
    AT_ONCE = 64
};

/* foreign: each block comes home by the list that any thread may return to. */
static void alloc_and_free(struct gbench *g, bool foreign)
{
    struct fl_heap heap;
    struct fl_slab slab;
    void *blocks[AT_ONCE];

    fl_heap_open(&heap, NULL);
    fl_slab_open(&slab, &heap);
    while (gbench_batch(g, AT_ONCE)) {
        for (int i = 0; i < AT_ONCE; i++) {
            blocks[i] = fl_slab_alloc(&slab, FL_BLOCK_64);
            if (blocks[i] == NULL)
                bench_die("out of memory");
        }
        for (int i = 0; i < AT_ONCE; i++) {
            if (!foreign)
                fl_slab_free(&slab, blocks[i]);
            else if (!fl_slab_return(blocks[i]))
                gbench_fail(g, "a slab in use says that it is retired");
        }
    }
    if (fl_slab_retire(&slab) != 0)
        gbench_fail(g, "blocks were lost");
    fl_slab_close(&slab);
    fl_heap_close(&heap);
}

static void own(struct gbench *g, void *arg)
{
    (void)arg;
    alloc_and_free(g, false);
}

static void foreign(struct gbench *g, void *arg)
{
    (void)arg;
    alloc_and_free(g, true);
}

void micro_slab_register(void)
{
    gbench_register("slab/alloc_free", own, NULL, 1);
    gbench_register("slab/alloc_return", foreign, NULL, 1);
}
