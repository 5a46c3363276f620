/* SPDX-License-Identifier: MIT
 *
 * test_deque.c: the library's own deque, one thread, exact: deque_cases.h has the tests. */
#include "base/random.h"

#include "deque_cases.h"
