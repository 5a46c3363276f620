/* SPDX-License-Identifier: MIT
 *
 * model.h: what every model for GenMC begins with: a CAS that GenMC takes as written, and a heap.
 *
 * GenMC gives the read of a CAS that fails the order of one that succeeds. That is too strong after
 * seq_cst and too weak after release, so here a CAS looks first, with the order of a failure, and
 * goes on only if it may succeed; if it then fails after all, a fence makes up for the order. Every
 * execution of the real CAS is among those of this one. */
#ifndef FL_TESTS_BASE_MODEL_H
#define FL_TESTS_BASE_MODEL_H

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/atomic.h"

#undef fl_cas
#undef fl_cas_weak
#define fl_cas(p, old, v, success, failure)                                                        \
    __extension__({                                                                                \
        __auto_type model_seen_ = atomic_load_explicit((p), memory_order_##failure);               \
        bool model_won_ = false;                                                                   \
        if (model_seen_ != *(old)) {                                                               \
            *(old) = model_seen_;                                                                  \
        } else {                                                                                   \
            model_won_ = atomic_compare_exchange_strong_explicit(                                  \
                (p), (old), (v), memory_order_##success, memory_order_##failure);                  \
            if (!model_won_)                                                                       \
                MODEL_FAILED_##failure();                                                          \
        }                                                                                          \
        model_won_;                                                                                \
    })
#define fl_cas_weak(p, old, v, success, failure) fl_cas(p, old, v, success, failure)

#define MODEL_FAILED_relaxed() ((void)0)
#define MODEL_FAILED_acquire() atomic_thread_fence(memory_order_acquire)

/* Zeroed: a thread that is late may read what nobody has written, and throw it away. */
void *fl_heap_alloc(struct fl_heap *h, size_t size, size_t align)
{
    size_t rounded = (size + align - 1) / align * align;
    void **p = aligned_alloc(align, rounded);

    (void)h;
    for (size_t i = 0; i < size / sizeof *p; i++)
        p[i] = NULL;
    return p;
}

void fl_heap_free(struct fl_heap *h, void *p, size_t size, size_t align)
{
    (void)h, (void)size, (void)align;
    free(p);
}

#endif /* FL_TESTS_BASE_MODEL_H */
