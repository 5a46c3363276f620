/* SPDX-License-Identifier: MIT
 *
 * progress.c: the bar. */
#include "driver/progress.h"

#include <stdio.h>
#include <unistd.h>

#include "driver/bench.h"

enum {
    BAR = 30,
    PLAIN_EVERY_S = 15
};

static struct {
    bool on_terminal;
    int64_t began;
    int64_t shown;
} progress;

static double seconds_since(int64_t then)
{
    return (double)(bench_now() - then) / 1e9;
}

void progress_begin(void)
{
    progress.on_terminal = isatty(STDERR_FILENO);
    progress.began = bench_now();
    progress.shown = progress.began;
}

static void draw(double share, double left, const char *what)
{
    int full = (int)(share * BAR);

    fprintf(stderr, "\r\033[K[");
    for (int i = 0; i < BAR; i++)
        fputc(i < full ? '#' : ' ', stderr);
    fprintf(stderr, "] %3.0f %%  %4.0f s left  %.40s", share * 100, left, what);
    fflush(stderr);
}

void progress_step(double seconds_left, const char *what)
{
    double passed = seconds_since(progress.began);
    double share = passed / (passed + seconds_left + 0.001);

    if (progress.on_terminal) {
        draw(share, seconds_left, what);
    } else if (seconds_since(progress.shown) >= PLAIN_EVERY_S) {
        fprintf(stderr, "  %3.0f %%, %.0f s left\n", share * 100, seconds_left);
        progress.shown = bench_now();
    }
}

void progress_end(void)
{
    if (progress.on_terminal)
        fprintf(stderr, "\r\033[K");
}
