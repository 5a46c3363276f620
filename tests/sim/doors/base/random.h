/* SPDX-License-Identifier: MIT
 *
 * random.h of the simulator: a random number is a choice of the exploration. */
#ifndef FL_SIM_RANDOM_H
#define FL_SIM_RANDOM_H

#include <stdint.h>

unsigned sim_choose(unsigned n);

static inline uint64_t fl_random_seed(uint64_t any)
{
    return any;
}

static inline uint32_t fl_random_below(uint64_t *state, uint32_t n)
{
    (void)state;
    return n > 1 ? sim_choose(n) : 0;
}

#endif /* FL_SIM_RANDOM_H */
