/* SPDX-License-Identifier: MIT
 *
 * markdown.c: the results as tables for PERF.md. */
#include <string.h>

#include "driver/pools.h"
#include "driver/show.h"

static void cell(FILE *out, struct summary s, const char *unit)
{
    char value[SHOWN];
    char low[SHOWN];
    char high[SHOWN];

    if (!s.there)
        fprintf(out, " |");
    else
        fprintf(out, " %s (%s to %s) |", show(s.value, unit, value), show(s.low, unit, low),
                show(s.high, unit, high));
}

/* Whether it has a place in another table. */
static bool is_elsewhere(const struct result *r)
{
    return (r->load->not_by_rivals != NULL && r->load->many != 0) || show_is_of_processes(r);
}

static void own_table(const struct report *report, FILE *out)
{
    char text[SHOWN];
    bool any = false;

    for (size_t i = 0; i < report->n; i++)
        any |= !is_elsewhere(&report->results[i]);
    if (!any)
        return;
    fprintf(out, "| load | | filch | naive | ck | naive/filch | machine |\n");
    fprintf(out, "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        for (unsigned m = 0; m < result_metrics(r) && !is_elsewhere(r); m++) {
            struct metric metric = result_metric(r, m);
            struct summary s = result_summary(r, SIDE_MACHINE, m);

            fprintf(out, "| %s | %s |", m == 0 ? r->load->address : "", metric.name);
            cell(out, result_summary(r, SIDE_FILCH, m), metric.unit);
            cell(out, result_summary(r, SIDE_NAIVE, m), metric.unit);
            cell(out, result_summary(r, SIDE_CK, m), metric.unit);
            fprintf(out, " %s |", show_ratio(result_ratio(r, SIDE_NAIVE, m), text));
            fprintf(out, " %s |\n", s.there ? show(s.value, metric.unit, text) : "");
        }
    }
}

/* The peers: medians, and in brackets how many times filch's. */
static void peer_row(const struct result *r, unsigned m, const unsigned *sides, unsigned n,
                     FILE *out)
{
    struct metric metric = result_metric(r, m);
    char text[SHOWN];

    fprintf(out, "| %s | %s | %s |", m == 0 ? r->load->address : "", metric.name,
            show_summary(result_summary(r, SIDE_FILCH, m), metric.unit, text));
    for (unsigned k = 0; k < n; k++) {
        struct summary s = result_summary(r, sides[k], m);

        if (!s.there) {
            fprintf(out, " |");
            continue;
        }
        fprintf(out, " %s", show(s.value, metric.unit, text));
        fprintf(out, " (%s) |", show_ratio(result_ratio(r, sides[k], m), text));
    }
    fprintf(out, "\n");
}

static void peer_table(const struct report *report, FILE *out)
{
    unsigned sides[SIDES];
    unsigned all = show_sides(false, sides);
    unsigned n = 0;

    for (unsigned k = 0; k < all; k++) {
        if (!pools_is_own(sides[k]))
            sides[n++] = sides[k];
    }
    if (n == 0)
        return;
    fprintf(out, "\n| load | | filch |");
    for (unsigned k = 0; k < n; k++)
        fprintf(out, " %s |", pools_name(sides[k]));
    fprintf(out, "\n|---|---|---|");
    for (unsigned k = 0; k < n; k++)
        fprintf(out, "---|");
    fprintf(out, "\n");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        for (unsigned m = 0; m < result_metrics(r) && r->load->run != NULL; m++)
            peer_row(r, m, sides, n, out);
    }
}

static void process_row(const struct result *r, unsigned m, const unsigned *sides, unsigned n,
                        FILE *out)
{
    struct metric metric = result_metric(r, m);
    struct summary s = result_summary(r, SIDE_MACHINE, m);
    char text[SHOWN];

    fprintf(out, "| %s | %s |", m == 0 ? r->load->address : "", metric.name);
    for (unsigned k = 0; k < n; k++) {
        cell(out, result_summary(r, sides[k], m), metric.unit);
        if (sides[k] != SIDE_FILCH)
            fprintf(out, " %s |", show_ratio(result_ratio(r, sides[k], m), text));
    }
    fprintf(out, " %s |\n", s.there ? show(s.value, metric.unit, text) : "");
}

static void process_table(const struct report *report, FILE *out)
{
    unsigned sides[SIDES];
    unsigned n = show_sides(true, sides);
    bool any = false;

    for (size_t i = 0; i < report->n; i++)
        any |= show_is_of_processes(&report->results[i]);
    if (!any)
        return;
    fprintf(out, "\n| load | |");
    for (unsigned k = 0; k < n; k++)
        fprintf(out, " %s |%s", pools_name(sides[k]), sides[k] == SIDE_FILCH ? "" : " times |");
    fprintf(out, " machine |\n|---|---|");
    for (unsigned k = 0; k < n; k++)
        fprintf(out, "---|%s", sides[k] == SIDE_FILCH ? "" : "---|");
    fprintf(out, "---|\n");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        for (unsigned m = 0; m < result_metrics(r) && show_is_of_processes(r); m++)
            process_row(r, m, sides, n, out);
    }
}

static void growth_header(const struct result *family, size_t n, FILE *out)
{
    fprintf(out, "\n| each of | |");
    for (size_t k = 0; k < n; k++)
        fprintf(out, " %zu |", family[k].load->many);
    fprintf(out, " growth |\n|---|---|");
    for (size_t k = 0; k < n + 1; k++)
        fprintf(out, "---|");
    fprintf(out, "\n");
}

static void growth_rows(const struct result *family, size_t n, FILE *out)
{
    for (unsigned side = 0; side < SIDES; side++) {
        struct summary growth = result_growth(family, n, side);

        if (family->rounds[side] == 0)
            continue;
        fprintf(out, "| %.*s | %s |", side == SIDE_FILCH ? result_family_length(family) : 0,
                family->load->address, pools_name(side));
        for (size_t k = 0; k < n; k++)
            cell(out, result_summary(&family[k], side, 0), family->load->unit);
        if (growth.there)
            fprintf(out, " %.2f (%.2f to %.2f) |", growth.value, growth.low, growth.high);
        fprintf(out, "\n");
    }
}

static void growth_table(const struct report *report, FILE *out)
{
    size_t shown = 0; /* the sizes of the header above */
    size_t fewest = 0;
    size_t n;

    for (size_t i = 0; i<report->n; i += n> 0 ? n : 1) {
        n = result_family(report, i);
        if (n == 0)
            continue;
        if (n != shown || report->results[i].load->many != fewest)
            growth_header(&report->results[i], n, out);
        shown = n;
        fewest = report->results[i].load->many;
        growth_rows(&report->results[i], n, out);
    }
}

static void step_tables(const struct micro_list *list, FILE *out)
{
    if (list->n == 0)
        return;
    fprintf(out,
            "\n| Concurrency Kit's or ours | ours | CK's | | CK's/ours |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < list->n; i++) {
        const struct micro *m = &list->micro[i];
        const struct micro *k = show_beside(list, m);

        if (k == NULL)
            continue;
        size_t stem = show_stem(m->name);
        fprintf(out, "| %.*s |", (int)stem, m->name);
        cell(out, micro_summary(m), "ns");
        cell(out, micro_summary(k), "ns");
        fprintf(out, " %s | %.2f |\n", k->name + stem + 1,
                micro_summary(k).value / micro_summary(m).value);
    }
    fprintf(out, "\n| one step | median |\n|---|---|\n");
    for (size_t i = 0; i < list->n; i++) {
        const struct micro *m = &list->micro[i];

        if (!show_is_single(m))
            continue;
        fprintf(out, "| %s |", m->name);
        cell(out, micro_summary(m), "ns");
        fprintf(out, "\n");
    }
}

void report_markdown(const struct report *report, FILE *out)
{
    own_table(report, out);
    peer_table(report, out);
    process_table(report, out);
    growth_table(report, out);
    step_tables(&report->micros, out);
    fprintf(out, "\n");
    report_targets(report, out, "- ");
}
