/* SPDX-License-Identifier: MIT
 *
 * deque_again.h: deque.c compiled once more, under other names than the library's, for a test that
 * chose FL_DEQUE_START or FL_DEQUE_SLOTS before it. */
#ifndef FL_TESTS_QUEUE_DEQUE_AGAIN_H
#define FL_TESTS_QUEUE_DEQUE_AGAIN_H

#define fl_deque_open        again_deque_open
#define fl_deque_close       again_deque_close
#define fl_deque_reserve     again_deque_reserve
#define fl_deque_push        again_deque_push
#define fl_deque_push_many   again_deque_push_many
#define fl_deque_pop         again_deque_pop
#define fl_deque_is_last     again_deque_is_last
#define fl_deque_steal       again_deque_steal
#define fl_deque_shift       again_deque_shift
#define fl_deque_steal_if    again_deque_steal_if
#define fl_deque_looks_empty again_deque_looks_empty
#define fl_deque_bottom      again_deque_bottom

#include "../../core/queue/deque.c"

#endif /* FL_TESTS_QUEUE_DEQUE_AGAIN_H */
