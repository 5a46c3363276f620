/* SPDX-License-Identifier: MIT
 *
 * ck_pr.h of the simulator: what a ring of Concurrency Kit's reads, writes and fences, as C11 atomics
 * that the simulator sees: its loads and stores are relaxed, its fences order what their names say. */
#ifndef FL_SIM_CK_PR_H
#define FL_SIM_CK_PR_H

#include <stdatomic.h>

#pragma GCC system_header /* for include_next */
#include_next <ck_pr.h>

#undef ck_pr_load_uint
#undef ck_pr_store_uint
#undef ck_pr_load_ptr
#undef ck_pr_store_ptr
#define ck_pr_load_uint(p)     __atomic_load_n((p), __ATOMIC_RELAXED)
#define ck_pr_store_uint(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define ck_pr_load_ptr(p)      __atomic_load_n((p), __ATOMIC_RELAXED)
#define ck_pr_store_ptr(p, v)  __atomic_store_n((p), (v), __ATOMIC_RELAXED)

/* Loads before loads, and loads before stores, is what an acquire fence gives; stores before stores,
 * and loads before stores, a release fence. */
#define ck_pr_fence_load()       atomic_thread_fence(memory_order_acquire)
#define ck_pr_fence_load_store() atomic_thread_fence(memory_order_acq_rel)
#define ck_pr_fence_acquire()    atomic_thread_fence(memory_order_acquire)
#define ck_pr_fence_store()      atomic_thread_fence(memory_order_release)
#define ck_pr_fence_release()    atomic_thread_fence(memory_order_release)
#define ck_pr_fence_memory()     atomic_thread_fence(memory_order_seq_cst)

#endif /* FL_SIM_CK_PR_H */
