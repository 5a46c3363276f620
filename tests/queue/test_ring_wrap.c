/* SPDX-License-Identifier: MIT
 *
 * test_ring_wrap.c: every test of test_ring.c with counters that wrap after a few records. */
#define FL_RING_START (UINT_MAX - 2)

#include "queue/ring.c"

#include <limits.h>

#include "test_ring.c"
