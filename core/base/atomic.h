/* SPDX-License-Identifier: MIT
 *
 * atomic.h: the only door to atomics. Every access spells its order; there is no default.
 *
 * The orders are written bare, fl_load(&x, acquire), so that one that is missing does not compile.
 * "Store, then look" (pop against steal, announce against re-check) has primitives of its own:
 *
 *   fl_store_look(&x, v)   a store, before a look at another word
 *   fl_load_look(&x)       a load, before a look at another word
 *   fl_look(&y)            the look
 *
 * Natively the first two are a release store and an acquire load with a seq_cst fence behind them: a
 * seq_cst store would compile to an exchange, three times the price on x86. Release, not relaxed: a
 * word that other stores have published must not lose the chain they began. ThreadSanitizer does not
 * see fences, so there, and where FL_LOOK_SEQ_CST asks for it, they are seq_cst accesses. Both forms
 * are model-checked. Nothing else uses a fence. A read-modify-write that is followed by a look is
 * seq_cst itself.
 *
 * A fence also shows what was stored before the word in question; an access does not, to whoever has
 * not seen that word. Where that is needed and there are no fences (FL_HAS_FENCES), look at it first. */
#ifndef FL_BASE_ATOMIC_H
#define FL_BASE_ATOMIC_H

#include <stdatomic.h>

#include "base/compiler.h"

#define fl_atomic(type) _Atomic(type)

#define fl_load(p, order)     atomic_load_explicit((p), memory_order_##order)
#define fl_store(p, v, order) atomic_store_explicit((p), (v), memory_order_##order)
#define fl_swap(p, v, order)  atomic_exchange_explicit((p), (v), memory_order_##order)
#define fl_add(p, v, order)   atomic_fetch_add_explicit((p), (v), memory_order_##order)
#define fl_sub(p, v, order)   atomic_fetch_sub_explicit((p), (v), memory_order_##order)
#define fl_or(p, v, order)    atomic_fetch_or_explicit((p), (v), memory_order_##order)
#define fl_and(p, v, order)   atomic_fetch_and_explicit((p), (v), memory_order_##order)

/* *old becomes what is there when the comparison fails. */
#define fl_cas(p, old, v, success, failure)                                                        \
    atomic_compare_exchange_strong_explicit((p), (old), (v), memory_order_##success,               \
                                            memory_order_##failure)
#define fl_cas_weak(p, old, v, success, failure)                                                   \
    atomic_compare_exchange_weak_explicit((p), (old), (v), memory_order_##success,                 \
                                          memory_order_##failure)

/* Before anybody else can see the word. */
#define fl_init(p, v) atomic_init((p), (v))

#define fl_look(p) atomic_load_explicit((p), memory_order_seq_cst)

#if FL_TSAN || defined(FL_LOOK_SEQ_CST)
#    define fl_store_look(p, v) atomic_store_explicit((p), (v), memory_order_seq_cst)
#    define fl_load_look(p)     atomic_load_explicit((p), memory_order_seq_cst)
#    define FL_HAS_FENCES       0
#else
#    define FL_HAS_FENCES 1
#    define fl_store_look(p, v)                                                                    \
        do {                                                                                       \
            atomic_store_explicit((p), (v), memory_order_release);                                 \
            atomic_thread_fence(memory_order_seq_cst);                                             \
        } while (0)
#    define fl_load_look(p)                                                                        \
        __extension__({                                                                            \
            __auto_type fl_seen_ = atomic_load_explicit((p), memory_order_acquire);                \
            atomic_thread_fence(memory_order_seq_cst);                                             \
            fl_seen_;                                                                              \
        })
#endif

#endif /* FL_BASE_ATOMIC_H */
