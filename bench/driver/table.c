/* SPDX-License-Identifier: MIT
 *
 * table.c: the results on a terminal: filch beside its rivals and the machine; then everybody's figures. Pools of
 * processes have a table of their own. */
#include <string.h>

#include "driver/pools.h"
#include "driver/show.h"

enum {
    COLUMNS = 8 /* pools in a row of the table of all */
};

/* ---- filch, naive, ck, the best of the others, the machine */

/* Each reason once, with the first load that it is true of. */
static void print_missing(const struct report *report, FILE *out)
{
    for (unsigned side = 0; side < SIDES; side++) {
        const char *last = "";
        const char *why;

        if (side != SIDE_MACHINE && pools_get(side, &why) == NULL)
            continue; /* said once, at the beginning */
        for (size_t i = 0; i < report->n; i++) {
            const struct result *r = &report->results[i];

            if (r->missing[side] == NULL || *r->missing[side] == '\0' ||
                strcmp(r->missing[side], last) == 0)
                continue;
            fprintf(out, "  no %s in %s: %s\n", pools_name(side), r->load->address,
                    r->missing[side]);
            last = r->missing[side];
        }
    }
}

static void print_limits(const struct report *report, FILE *out)
{
    const char *last = "";

    for (size_t i = 0; i < report->n; i++) {
        const struct load *load = report->results[i].load;

        if (load->limit == NULL || strcmp(load->limit, last) == 0)
            continue;
        fprintf(out, "  machine in %s: %s\n", load->address, load->limit);
        last = load->limit;
    }
}

static void load_row(const struct result *r, unsigned m, bool with_peers, FILE *out)
{
    struct metric metric = result_metric(r, m);
    unsigned peer = show_best_peer(r, m);
    char t[SHOWN];

    fprintf(out, "%-36s%-9s%10s", m == 0 ? r->load->address : "", metric.name,
            show_summary(result_summary(r, SIDE_FILCH, m), metric.unit, t));
    fprintf(out, "%11s", show_summary(result_summary(r, SIDE_NAIVE, m), metric.unit, t));
    fprintf(out, "%11s", show_summary(result_summary(r, SIDE_CK, m), metric.unit, t));
    fprintf(out, "%12s", show_ratio(result_ratio(r, SIDE_NAIVE, m), t));
    if (with_peers && peer < SIDES)
        fprintf(out, "  %-10s%6s", pools_name(peer), show_ratio(result_ratio(r, peer, m), t));
    else if (with_peers)
        fprintf(out, "  %-10s%6s", "", "");
    fprintf(out, "%11s\n", show_summary(result_summary(r, SIDE_MACHINE, m), metric.unit, t));
}

static bool has_peers(const struct report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        if (!show_is_of_processes(&report->results[i]) &&
            show_best_peer(&report->results[i], 0) < SIDES)
            return true;
    }
    return false;
}

static size_t count(const struct report *report, bool of_processes)
{
    size_t n = 0;

    for (size_t i = 0; i < report->n; i++)
        n += show_is_of_processes(&report->results[i]) == of_processes;
    return n;
}

static void load_table(const struct report *report, FILE *out)
{
    bool with_peers = has_peers(report);

    if (count(report, false) == 0)
        return;
    fprintf(out, "%-36s%-9s%10s%11s%11s%12s%s%11s\n", "", "", "filch", "naive", "ck", "naive/filch",
            with_peers ? "  best of the others" : "", "machine");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        if (show_is_of_processes(r) || r->load->not_by_rivals != NULL)
            continue;
        for (unsigned m = 0; m < result_metrics(r); m++)
            load_row(r, m, with_peers, out);
    }
}

/* ---- pools of processes: everybody, and how many times filch's the figures of the others are */

static void process_row(const struct result *r, unsigned m, const unsigned *sides, unsigned n,
                        FILE *out)
{
    struct metric metric = result_metric(r, m);
    char t[SHOWN];

    fprintf(out, "%-36s%-9s", m == 0 ? r->load->address : "", metric.name);
    for (unsigned k = 0; k < n; k++) {
        fprintf(out, "%10s", show_summary(result_summary(r, sides[k], m), metric.unit, t));
        if (sides[k] != SIDE_FILCH)
            fprintf(out, "%6s", show_ratio(result_ratio(r, sides[k], m), t));
    }
    fprintf(out, "%11s\n", show_summary(result_summary(r, SIDE_MACHINE, m), metric.unit, t));
}

static void process_table(const struct report *report, FILE *out)
{
    unsigned sides[SIDES];
    unsigned n = show_sides(true, sides);

    if (count(report, true) == 0)
        return;
    fprintf(out, "%s%-36s%-9s", count(report, false) > 0 ? "\n" : "", "", "");
    for (unsigned k = 0; k < n; k++)
        fprintf(out, "%10s%s", pools_name(sides[k]), sides[k] == SIDE_FILCH ? "" : " times");
    fprintf(out, "%11s\n", "machine");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        for (unsigned m = 0; m < result_metrics(r) && show_is_of_processes(r); m++)
            process_row(r, m, sides, n, out);
    }
}

/* ---- families */

static void growth_header(const struct result *family, size_t n, FILE *out)
{
    fprintf(out, "\n%-24s%-11s", "each of", "");
    for (size_t k = 0; k < n; k++)
        fprintf(out, "%10zu", family[k].load->many);
    fprintf(out, "%9s %13s\n", "growth", "spread");
}

static void growth_row(const struct result *family, size_t n, unsigned side, FILE *out)
{
    struct summary growth = result_growth(family, n, side);
    char t[SHOWN];

    fprintf(out, "%-24.*s%-11s", side == SIDE_FILCH ? result_family_length(family) : 0,
            family->load->address, pools_name(side));
    for (size_t k = 0; k < n; k++)
        fprintf(out, "%10s",
                show_summary(result_summary(&family[k], side, 0), family->load->unit, t));
    if (growth.there)
        fprintf(out, "%9.2f %5.2f .. %4.2f", growth.value, growth.low, growth.high);
    fprintf(out, "\n");
}

static void growth_table(const struct report *report, FILE *out)
{
    size_t shown = 0;
    size_t n;

    for (size_t i = 0; i<report->n; i += n> 0 ? n : 1) {
        n = result_family(report, i);
        if (n == 0)
            continue;
        if (n != shown)
            growth_header(&report->results[i], n, out);
        shown = n;
        for (unsigned side = 0; side < SIDES; side++) {
            if (report->results[i].rounds[side] > 0)
                growth_row(&report->results[i], n, side, out);
        }
    }
    if (shown > 0)
        fprintf(out, "  growth: the dearest against the cheapest of fewer, by medians; spread: "
                     "within a round\n");
}

/* ---- everybody's figures, the first metric of each load */

static void all_rows(const struct report *report, const unsigned *sides, unsigned n, FILE *out)
{
    char t[SHOWN];

    fprintf(out, "\n%-36s%-9s", "", "");
    for (unsigned k = 0; k < n; k++)
        fprintf(out, "%11s", pools_name(sides[k]));
    fprintf(out, "\n");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        if (r->load->not_by_rivals != NULL || r->load->run == NULL)
            continue;
        for (unsigned m = 0; m < result_metrics(r); m++) {
            struct metric metric = result_metric(r, m);

            fprintf(out, "%-36s%-9s", m == 0 ? r->load->address : "", metric.name);
            for (unsigned k = 0; k < n; k++)
                fprintf(out, "%11s", show_summary(result_summary(r, sides[k], m), metric.unit, t));
            fprintf(out, "\n");
        }
    }
}

static void all_table(const struct report *report, FILE *out)
{
    unsigned threads[SIDES];
    unsigned sides[COLUMNS];
    unsigned n_threads = show_sides(false, threads);
    unsigned n = 0;

    for (unsigned k = 0; k < n_threads && count(report, false) > 0; k++) {
        if (pools_is_own(threads[k]))
            continue;
        sides[n++] = threads[k];
        if (n == COLUMNS) {
            all_rows(report, sides, n, out);
            n = 0;
        }
    }
    if (n > 0)
        all_rows(report, sides, n, out);
}

/* ---- steps */

static void step_table(const struct micro_list *list, FILE *out)
{
    bool any = false;
    char a[SHOWN];
    char b[SHOWN];
    char c[SHOWN];

    for (size_t i = 0; i < list->n; i++) {
        const struct micro *m = &list->micro[i];
        struct summary s = micro_summary(m);

        if (!show_is_single(m))
            continue;
        if (!any)
            fprintf(out, "\n%-40s %11s %23s\n", "one step", "median", "spread");
        any = true;
        fprintf(out, "%-40s %11s %10s .. %9s\n", m->name, show_summary(s, "ns", a),
                show(s.low, "ns", b), show(s.high, "ns", c));
    }
}

static void choice_table(const struct micro_list *list, FILE *out)
{
    bool any = false;
    char a[SHOWN];
    char b[SHOWN];

    for (size_t i = 0; i < list->n; i++) {
        const struct micro *m = &list->micro[i];
        const struct micro *k = show_beside(list, m);

        if (k == NULL)
            continue;
        if (!any)
            fprintf(out, "\n%-28s %11s %11s  %-14s %10s\n", "Concurrency Kit's or ours", "ours",
                    "CK's", "(its name)", "CK's/ours");
        any = true;
        size_t stem = show_stem(m->name);
        double ours = micro_summary(m).value;
        double cks = micro_summary(k).value;
        fprintf(out, "%-28.*s %11s %11s  %-14s %10.2f\n", (int)stem, m->name, show(ours, "ns", a),
                show(cks, "ns", b), k->name + stem + 1, cks / ours);
    }
}

void report_table(const struct report *report, FILE *out)
{
    load_table(report, out);
    process_table(report, out);
    if (report->n > 0)
        fprintf(out, "\n");
    print_limits(report, out);
    print_missing(report, out);
    if (has_peers(report))
        fprintf(
            out,
            "  best of the others: its figure is so many times filch's; but for join and loop, of "
            "those\n  that hand a task to another thread\n");
    if (count(report, true) > 0)
        fprintf(out, "  times: of processes, so many times filch's figure\n");
    all_table(report, out);
    growth_table(report, out);
    step_table(&report->micros, out);
    choice_table(&report->micros, out);
    if (report->n > 0)
        fprintf(out, "\nTargets\n");
    report_targets(report, out, "  ");
}
