/* SPDX-License-Identifier: MIT
 *
 * progress.h: how far the run is, on stderr: one line that changes on a terminal, a line now and then
 * anywhere else. */
#ifndef FL_BENCH_DRIVER_PROGRESS_H
#define FL_BENCH_DRIVER_PROGRESS_H

/* seconds: how long all of it is expected to take. */
void progress_begin(double seconds);

/* That many of the expected seconds' work is done; what comes next. */
void progress_step(double seconds_done, const char *what);

void progress_end(void);

#endif /* FL_BENCH_DRIVER_PROGRESS_H */
