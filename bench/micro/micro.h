/* SPDX-License-Identifier: MIT
 *
 * micro.h: the small benchmarks: what the machine does for nothing, and one structure at a time. */
#ifndef FL_BENCH_MICRO_MICRO_H
#define FL_BENCH_MICRO_MICRO_H

/* Each registers its own with gbench_register. */
void micro_limits_register(void);
void micro_deque_register(void);
void micro_slab_register(void);
void micro_injector_register(void);
void micro_ring_register(void);
void micro_table_register(void);

#endif /* FL_BENCH_MICRO_MICRO_H */
