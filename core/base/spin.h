/* SPDX-License-Identifier: MIT
 *
 * spin.h: how long to watch for something before sleeping, learned from what waiting has been like.
 *
 * Who watches saves a sleep and a wake, which cost tens of microseconds, if what he waits for comes
 * within about that time; else he has burned a CPU for nothing, and maybe the very one that was needed.
 * So each thread keeps the mean of how long it had to wait of late, and watches as long as that is
 * short (after Karlin, Li, Manasse & Owicki, Empirical Studies of Competitive Spinning, SOSP 1991, who
 * learn from the last few waits; a mean instead of a list). And it notices if a yield takes long: then
 * somebody else wants the CPU, and a sleeper is preferred to who yields by the kernel's scheduler; so for
 * a number of waits it does not watch at all, twice as many each time that happens.
 * A worker that has asked others for work (forkjoin.c) has its answer in less than a microsecond if there is
 * any. Were it to sleep at once, the answer would have to wake it, which is dearer than all that it could have
 * burned, and it would never learn how near the answer was. */
#ifndef FL_BASE_SPIN_H
#define FL_BASE_SPIN_H

#include <stdbool.h>
#include <stdint.h>

enum {
    FL_EAGER_NS = 1000, /* how long to watch before each turn offers the CPU to others: PERF.md */
    FL_HOG_NS = 100000  /* a yield of that length has given the CPU to somebody who computes */
};

/* A thread's memory of its waits. All zero: it has none. */
struct fl_spinner {
    int64_t mean_ns;
    uint32_t shy;     /* waits to come without watching */
    uint32_t shyness; /* how many the next time: at most 4096 */
};

/* One wait. */
struct fl_spin {
    struct fl_spinner *spinner;
    int64_t most_ns; /* watch for as long as that; 0 and less: not at all, and nothing is learned */
    bool
        has_asked; /* watch for FL_EAGER_NS in any case: others have been asked, and answer at once */
    int64_t began; /* 0: there was no turn yet */
    int64_t seen;  /* when the last turn was */
    bool has_yielded;
    bool was_long; /* the last yield took so long that whoever had the CPU computes */
    bool is_brief;
    bool is_over;
};

static inline struct fl_spin fl_spin_begin(struct fl_spinner *spinner, int64_t most_ns)
{
    return (struct fl_spin){.spinner = spinner, .most_ns = most_ns};
}

/* Between two looks, each some tenths of a microsecond. False: sleep, this is no use any more. */
bool fl_spin_turn(struct fl_spin *s);

/* That was no thread that works for the caller: it had better not yield to it for some time. Returns false. */
bool fl_spin_shy(struct fl_spin *s);

/* It came while the thread watched, or after it had slept. */
void fl_spin_hit(const struct fl_spin *s);
void fl_spin_slept(const struct fl_spin *s);

#endif /* FL_BASE_SPIN_H */
