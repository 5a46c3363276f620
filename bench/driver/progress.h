/* SPDX-License-Identifier: MIT
 *
 * progress.h: how far the run is, on stderr: one line that changes on a terminal, a line now and then
 * anywhere else. */
#ifndef FL_BENCH_DRIVER_PROGRESS_H
#define FL_BENCH_DRIVER_PROGRESS_H

void progress_begin(void);

/* What comes next, and how many seconds all that is left will take. */
void progress_step(double seconds_left, const char *what);

void progress_end(void);

#endif /* FL_BENCH_DRIVER_PROGRESS_H */
