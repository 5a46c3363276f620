/* SPDX-License-Identifier: MIT
 *
 * random.h: small fast random numbers, for victims and tests, never for secrets.
 *
 * Marsaglia's xorshift64 (Xorshift RNGs, 2003) with Vigna's multiplier (2014). */
#ifndef FL_BASE_RANDOM_H
#define FL_BASE_RANDOM_H

#include <stdint.h>

static inline uint64_t fl_random(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    *state = x;
    return x * UINT64_C(0x2545F4914F6CDD1D);
}

/* A state is never 0: there the sequence would stop. */
static inline uint64_t fl_random_seed(uint64_t any)
{
    any = (any ^ UINT64_C(0x9E3779B97F4A7C15)) * UINT64_C(0xBF58476D1CE4E5B9);
    return any != 0 ? any : 1;
}

/* 0 <= result < n, by multiplication instead of division. */
static inline uint32_t fl_random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)(((fl_random(state) >> 32) * n) >> 32);
}

#endif /* FL_BASE_RANDOM_H */
