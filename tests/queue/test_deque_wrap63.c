/* SPDX-License-Identifier: MIT
 *
 * test_deque_wrap63.c: the tests of test_deque.c with indices that pass 2^63, where the sign turns. */
#include <stdint.h>

#define FL_DEQUE_START UINT64_C(0x7FFFFFFFFFFFFFFE)
#define FL_DEQUE_SLOTS 2
#include "deque_again.h"

#include "base/random.h"

#include "deque_cases.h"
