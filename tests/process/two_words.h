/* SPDX-License-Identifier: MIT
 *
 * process/two_words.h: whether a thread that waits for a job can sleep on its future's word and on its worker's at once.
 * Where the kernel has no such wait the executor's thread has to tell it: tests that hold that one up are skipped. */
#ifndef FL_TESTS_PROCESS_TWO_WORDS_H
#define FL_TESTS_PROCESS_TWO_WORDS_H

#include <filch/filch.h>

#include "harness/test.h"

#include "base/atomic.h"
#include "process/file.h"

static void need_two_words(void)
{
    fl_atomic(uint32_t) one = 0, other = 0;

    if (fl_shared_wait_two(&one, 0, &other, 0, FILCH_NOW) == FILCH_ENOTSUP)
        test_skip("this kernel has no wait for two words");
}

#endif /* FL_TESTS_PROCESS_TWO_WORDS_H */
