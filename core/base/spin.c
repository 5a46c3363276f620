/* SPDX-License-Identifier: MIT
 *
 * spin.c: see spin.h. Everything here is the calling thread's own. */
#include "base/spin.h"
#include "base/clock.h"
#include "base/compiler.h"
#include "base/thread.h"

enum {
    FIRST_SHYNESS = 16,
    MOST_SHYNESS = 4096
};

static bool is_willing(struct fl_spinner *spinner, int64_t most_ns)
{
    if (spinner->shy != 0) {
        spinner->shy--;
        return false;
    }
    return spinner->mean_ns <= most_ns / 2;
}

bool fl_spin_shy(struct fl_spin *s)
{
    struct fl_spinner *spinner = s->spinner;

    s->is_over = true;
    if (spinner->shyness == 0)
        spinner->shyness = FIRST_SHYNESS;
    else if (spinner->shyness < MOST_SHYNESS)
        spinner->shyness *= 2;
    spinner->shy = spinner->shyness;
    return false;
}

bool fl_spin_turn(struct fl_spin *s)
{
    int64_t now;

    if (s->most_ns <= 0 || s->is_over)
        return false;
    now = fl_now();
    if (s->began == 0) {
        s->began = now;
        if (!is_willing(s->spinner, s->most_ns)) {
            s->is_brief = s->has_asked;
            s->is_over = !s->has_asked;
        }
    } else if (s->is_brief && now - s->began > FL_EAGER_NS) {
        s->is_over = true;
    } else if (now - s->began >= s->most_ns) {
        s->is_over = true;
    } else if (now - s->began > FL_EAGER_NS) {
        fl_thread_yield(); /* whoever is to end the wait may want this very CPU */
        s->has_yielded = true;
        s->was_long = fl_now() - now > FL_HOG_NS;
    }
    s->seen = now;
    return !s->is_over;
}

/* A single long wait among short ones is forgotten after a few. */
static void learn(const struct fl_spin *s, int64_t ns)
{
    struct fl_spinner *spinner = s->spinner;
    int64_t most = s->most_ns < INT64_MAX / 4 ? 2 * s->most_ns : INT64_MAX / 2;

    if (ns > most)
        ns = most;
    spinner->mean_ns += (ns - spinner->mean_ns) / 8;
}

void fl_spin_hit(const struct fl_spin *s)
{
    if (s->began == 0)
        return;
    learn(s, s->seen - s->began);
    if (fl_unlikely(s->spinner->shyness != 0) && s->has_yielded)
        s->spinner->shyness -= (s->spinner->shyness + 7) / 8;
}

/* The wake has taken its time, too, about as long as one watches at most. That is no part of what
 * watching would have taken. */
void fl_spin_slept(const struct fl_spin *s)
{
    int64_t watched = s->seen - s->began;
    int64_t ns;

    if (s->began == 0)
        return;
    ns = fl_now() - s->began - s->most_ns;
    learn(s, ns > watched ? ns : watched);
}
