/* SPDX-License-Identifier: MIT
 *
 * stress_deque_wrap64.c: stress_deque.c with indices that wrap to 0 in the middle of each round. */
#include <stdint.h>

#define FL_DEQUE_START (UINT64_MAX - 5000)
#define FL_DEQUE_SLOTS 2
#include "deque_again.h"

#include "stress_deque.c"
