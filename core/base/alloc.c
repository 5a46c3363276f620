/* SPDX-License-Identifier: MIT
 *
 * alloc.c: heaps, and the two allocators that filch brings along: the system's and jemalloc's.
 *
 * jemalloc is never linked. Its functions are weak here: the loader fills them in where the process
 * has jemalloc, linked or preloaded, and leaves NULL where it has not. Its header is not included,
 * because it may rename malloc. Each jemalloc allocator is an arena of its own; ctx carries the
 * arena's number and needs no memory, and allocations pass no thread cache, so that what the arena
 * holds is exact and nothing of it lives on in a thread when the arena is destroyed.
 *
 * Words   bytes   of a heap: a count, relaxed; a sum of it and nothing else is ever read */
#include "base/alloc.h"

#include "base/thread.h"

#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What malloc gives without being asked. */
enum {
    SYSTEM_ALIGN = 16
};
_Static_assert(SYSTEM_ALIGN <= alignof(max_align_t), "malloc aligns for every type");

static void *system_alloc(void *ctx, size_t size, size_t align)
{
    void *p;

    (void)ctx;
    if (align <= SYSTEM_ALIGN)
        return malloc(size);
    return posix_memalign(&p, align, size) == 0 ? p : NULL;
}

static void system_free(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx;
    (void)size;
    (void)align;
    free(p);
}

int filch_allocator_system(filch_allocator *out)
{
    if (out == NULL)
        return FILCH_EINVAL;
    *out = (filch_allocator){.alloc = system_alloc, .free = system_free};
    return 0;
}

/* jemalloc's own names and types, those of version 5. */
extern __attribute__((weak)) void *mallocx(size_t size, int flags);
extern __attribute__((weak)) void sdallocx(void *p, size_t size, int flags);
extern __attribute__((weak)) int mallctl(const char *name, void *old, size_t *old_bytes, void *new,
                                         size_t new_bytes);

enum {
    ARENA_SHIFT = 20,     /* flags: the arena's number plus one stands from this bit on */
    NO_TCACHE = 1 << 8,   /* flags: past the thread caches */
    CONTROL_NAME_MAX = 64 /* of a name of mallctl: "stats.arenas.4294967295.small.ndalloc" */
};

/* ctx is the arena's number plus one, so that arena 0 is not NULL. */
static void *ctx_of_arena(unsigned arena)
{
    return (void *)((uintptr_t)arena + 1);
}

static unsigned arena_of_ctx(void *ctx)
{
    return (unsigned)((uintptr_t)ctx - 1);
}

static int alignment_flags(size_t align)
{
    return NO_TCACHE | __builtin_ctzl((unsigned long)align);
}

static void *jemalloc_alloc(void *ctx, size_t size, size_t align)
{
    int in_arena = (int)((uintptr_t)ctx << ARENA_SHIFT);

    return mallocx(size, in_arena | alignment_flags(align));
}

static void jemalloc_free(void *ctx, void *p, size_t size, size_t align)
{
    (void)ctx; /* the block knows its arena */
    sdallocx(p, size, alignment_flags(align));
}

static void jemalloc_destroy(void *ctx)
{
    char name[CONTROL_NAME_MAX];
    int saved = errno;

    snprintf(name, sizeof name, "arena.%u.destroy", arena_of_ctx(ctx));
    mallctl(name, NULL, NULL, NULL, 0); /* fails for an arena that threads are bound to; not ours */
    errno = saved;
}

int filch_allocator_jemalloc(filch_allocator *out)
{
    unsigned arena;
    size_t bytes = sizeof arena;

    if (out == NULL)
        return FILCH_EINVAL;
    if (mallocx == NULL || sdallocx == NULL || mallctl == NULL)
        return FILCH_ENOTSUP;

    int saved = errno;
    int error = mallctl("arenas.create", &arena, &bytes, NULL, 0);
    errno = saved;
    if (error == ENOENT) /* before version 5 */
        return FILCH_ENOTSUP;
    if (error != 0)
        return FILCH_ENOMEM;

    *out = (filch_allocator){
        .alloc = jemalloc_alloc,
        .free = jemalloc_free,
        .destroy = jemalloc_destroy,
        .ctx = ctx_of_arena(arena),
    };
    return 0;
}

/* jemalloc counts bytes in a size_t and calls in a uint64_t: the same thing here. */
_Static_assert(sizeof(size_t) == sizeof(uint64_t), "a 64-bit system");

/* 0 and *missing set where jemalloc has no figure of that name. */
static uint64_t arena_figure(unsigned arena, const char *figure, bool *missing)
{
    char name[CONTROL_NAME_MAX];
    uint64_t value = 0;
    size_t bytes = sizeof value;

    snprintf(name, sizeof name, "stats.arenas.%u.%s", arena, figure);
    if (mallctl(name, &value, &bytes, NULL, 0) != 0)
        *missing = true;
    return value;
}

static bool read_arena(unsigned arena, filch_allocator_stats *stats)
{
    bool counted = false;
    bool missing = false;
    size_t bytes = sizeof counted;

    if (mallctl("config.stats", &counted, &bytes, NULL, 0) != 0 || !counted)
        return false;

    uint64_t epoch = 1; /* any write makes jemalloc gather its figures anew */
    size_t page;
    bytes = sizeof page;
    if (mallctl("epoch", NULL, NULL, &epoch, sizeof epoch) != 0 ||
        mallctl("arenas.page", &page, &bytes, NULL, 0) != 0)
        return false;

    *stats = (filch_allocator_stats){
        .allocated = arena_figure(arena, "small.allocated", &missing) +
                     arena_figure(arena, "large.allocated", &missing),
        .active = arena_figure(arena, "pactive", &missing) * page,
        .mapped = arena_figure(arena, "mapped", &missing),
        .allocs = arena_figure(arena, "small.nmalloc", &missing) +
                  arena_figure(arena, "large.nmalloc", &missing),
        .frees = arena_figure(arena, "small.ndalloc", &missing) +
                 arena_figure(arena, "large.ndalloc", &missing),
    };
    return !missing;
}

int filch_allocator_stats_read(const filch_allocator *allocator, filch_allocator_stats *stats)
{
    if (allocator == NULL || stats == NULL)
        return FILCH_EINVAL;
    if (allocator->alloc != jemalloc_alloc)
        return FILCH_ENOTSUP;

    int saved = errno;
    bool known = read_arena(arena_of_ctx(allocator->ctx), stats);
    errno = saved;
    return known ? 0 : FILCH_ENOTSUP;
}

void fl_heap_open(struct fl_heap *h, const filch_allocator *allocator)
{
    if (allocator != NULL)
        h->with = *allocator;
    else
        filch_allocator_system(&h->with);
    fl_init(&h->bytes, 0);
}

void fl_heap_close(struct fl_heap *h)
{
    if (h->with.destroy != NULL)
        h->with.destroy(h->with.ctx);
}

void *fl_heap_alloc(struct fl_heap *h, size_t size, size_t align)
{
    int saved = errno;

    FL_ASSERT(align != 0 && (align & (align - 1)) == 0);
    if (size == 0)
        size = 1;
    if (size > INT64_MAX)
        return NULL;
    void *p = h->with.alloc(h->with.ctx, size, align);
    if (p != NULL)
        fl_add(&h->bytes, (int64_t)size, relaxed); /* count */
    errno = saved;
    return p;
}

void *fl_heap_zalloc(struct fl_heap *h, size_t size, size_t align)
{
    void *p = fl_heap_alloc(h, size, align);

    return p != NULL ? memset(p, 0, size) : NULL;
}

void fl_heap_free(struct fl_heap *h, void *p, size_t size, size_t align)
{
    int saved = errno;

    if (p == NULL)
        return;
    if (size == 0)
        size = 1;
    fl_sub(&h->bytes, (int64_t)size, relaxed); /* count */
    h->with.free(h->with.ctx, p, size, align);
    errno = saved;
}

/* jemalloc keeps blocks of 80, 112, 160 and 224 bytes in slabs of five and seven pages. Where a hundred thousand
 * come and go beside blocks of other sizes it gives new pages each time, which the kernel has to clear: six
 * times the price of the next larger size, whose slabs are used again (PERF.md). glibc gives 88 and 120 bytes
 * to whoever asks for 80 and 112. */
static size_t well_kept(size_t size)
{
    if (size > 64 && size <= 80)
        return 88;
    if (size > 96 && size <= 112)
        return 120;
    if (size > 128 && size <= 160)
        return 168;
    if (size > 192 && size <= 224)
        return 232;
    return size != 0 ? size : 1;
}

void *fl_malloc(size_t size)
{
    int saved = errno;
    void *p = malloc(well_kept(size));

    errno = saved;
    return p;
}

void fl_free(void *p)
{
    int saved = errno;

    free(p);
    errno = saved;
}

void *fl_lend(void *to)
{
    struct fl_self *self = fl_self();
    void *before = self->lent;

    self->lent = to;
    return before;
}

void *fl_lent(void)
{
    return fl_self()->lent;
}
