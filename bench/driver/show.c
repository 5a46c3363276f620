/* SPDX-License-Identifier: MIT
 *
 * show.c: three digits, a unit, and who stands beside whom. */
#include "driver/show.h"

#include <string.h>

#include "driver/pools.h"

const char *show(double value, const char *unit, char text[static SHOWN])
{
    double shown = value;
    const char *scale = "ns";

    if (strncmp(unit, "ns", 2) != 0) {
        scale = unit[0] == 'B' ? "B" : unit[0] == 't' ? "" : "us";
    } else if (value >= 999500) {
        shown = value / 1e6;
        scale = "ms";
    } else if (value >= 999.5) {
        shown = value / 1e3;
        scale = "us";
    }
    int digits = shown < 9.995 ? 2 : shown < 99.95 ? 1 : 0;
    snprintf(text, SHOWN, "%.*f%s%s", digits, shown, *scale != '\0' ? " " : "", scale);
    return text;
}

const char *show_summary(struct summary s, const char *unit, char text[static SHOWN])
{
    return s.there ? show(s.value, unit, text) : "-";
}

const char *show_ratio(double ratio, char text[static SHOWN])
{
    if (ratio <= 0)
        return "-";
    snprintf(text, SHOWN, ratio < 0.995 ? "%.2f" : ratio < 9.95 ? "%.1f" : "%.0f", ratio);
    return text;
}

size_t show_stem(const char *step)
{
    size_t n = strlen(step);

    return n > 5 && strcmp(step + n - 5, "/ours") == 0 ? n - 5 : 0;
}

const struct micro *show_beside(const struct micro_list *list, const struct micro *ours)
{
    size_t stem = show_stem(ours->name);

    for (size_t i = 0; i < list->n; i++) {
        const char *name = list->micro[i].name;

        if (stem > 0 && strncmp(name, ours->name, stem + 1) == 0 &&
            strncmp(name + stem, "/ck_", 4) == 0)
            return &list->micro[i];
    }
    return NULL;
}

bool show_is_single(const struct micro *m)
{
    const char *last = strrchr(m->name, '/');

    return show_stem(m->name) == 0 && (last == NULL || strncmp(last, "/ck_", 4) != 0);
}

bool show_is_of_processes(const struct result *r)
{
    return r->load->run_jobs != NULL;
}

unsigned show_sides(bool of_processes, unsigned sides[static SIDES])
{
    unsigned n = 0;

    for (unsigned side = 0; side < SIDE_MACHINE; side++) {
        const char *why;
        const struct pool *pool = pools_is_chosen(side) ? pools_get(side, &why) : NULL;

        if (pool != NULL && (of_processes ? pool->processes != NULL : pool->create != NULL))
            sides[n++] = side;
    }
    return n;
}

/* Dividing work is where the caller is meant to be one of the workers; a task that is submitted should get
 * to another thread. */
static bool counts(const struct result *r, unsigned side)
{
    const char *address = r->load->address;
    const char *why;

    if (pools_is_own(side) || side == SIDE_MALLOC || r->rounds[side] == 0)
        return false;
    return strncmp(address, "join/", 5) == 0 || strncmp(address, "loop/", 5) == 0 ||
           !pools_get(side, &why)->caller_runs;
}

unsigned show_best_peer(const struct result *r, unsigned metric)
{
    unsigned best = SIDES;

    for (unsigned side = 0; side < SIDE_MACHINE; side++) {
        if (counts(r, side) && (best == SIDES || result_summary(r, side, metric).value <
                                                     result_summary(r, best, metric).value))
            best = side;
    }
    return best;
}
