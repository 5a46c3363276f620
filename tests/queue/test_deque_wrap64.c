/* SPDX-License-Identifier: MIT
 *
 * test_deque_wrap64.c: the tests of test_deque.c with indices that pass 2^64, where they wrap to 0. */
#include <stdint.h>

#define FL_DEQUE_START UINT64_C(0xFFFFFFFFFFFFFFFE)
#define FL_DEQUE_SLOTS 2
#include "deque_again.h"

#include "base/random.h"

#include "deque_cases.h"
