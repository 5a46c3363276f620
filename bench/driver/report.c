/* SPDX-License-Identifier: MIT
 *
 * report.c: the same results as a table for a terminal, as Markdown for PERF.md, as JSON for a
 * program and as plain columns for a plot. */
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "driver/result.h"

static const char *const side_names[SIDES] = {"filch", "naive", "ck", "machine"};
static const char *const metric_names[METRICS] = {"p50", "p99", "p99.9"};

/* A figure in three digits or so, with its unit. */
static const char *show(double value, const char *unit, char text[static 24])
{
    double shown = value;
    const char *scale = "ns";

    if (strncmp(unit, "ns", 2) != 0) {
        scale = unit[0] == 'B' ? "B" : "us";
    } else if (value >= 999500) {
        shown = value / 1e6;
        scale = "ms";
    } else if (value >= 999.5) {
        shown = value / 1e3;
        scale = "us";
    }
    int digits = shown < 9.995 ? 2 : shown < 99.95 ? 1 : 0;
    snprintf(text, 24, "%.*f %s", digits, shown, scale);
    return text;
}

static const char *show_summary(struct summary s, const char *unit, char text[static 24])
{
    return s.there ? show(s.value, unit, text) : "-";
}

static const char *show_ratio(double ratio, char text[static 24])
{
    if (ratio <= 0)
        return "-";
    snprintf(text, 24, ratio < 9.95 ? "%.1f" : "%.0f", ratio);
    return text;
}

static const char *label_of(const struct result *r, unsigned metric)
{
    return r->load->is_latency ? metric_names[metric] : "";
}

/* Each reason once, with the first load that it is true of. */
static void print_missing(const struct report *report, FILE *out)
{
    const char *last = "";

    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        for (int side = 0; side < SIDES; side++) {
            if (r->missing[side] == NULL || strcmp(r->missing[side], last) == 0)
                continue;
            fprintf(out, "  no %s in %s: %s\n", side_names[side], r->load->address,
                    r->missing[side]);
            last = r->missing[side];
        }
    }
}

static void markdown_cell(FILE *out, struct summary s, const char *unit)
{
    char value[24];
    char low[24];
    char high[24];

    if (!s.there)
        fprintf(out, " |");
    else
        fprintf(out, " %s (%s to %s) |", show(s.value, unit, value), show(s.low, unit, low),
                show(s.high, unit, high));
}

/* ---- families: the same for ever more futures, which cost no more for each */

#define MAX_GROWTH 2.0

/* How many results from the i-th on are of its family; 0: it has none. */
static size_t family_at(const struct report *report, size_t i)
{
    const char *address = report->results[i].load->address;
    const char *of = strstr(address, "/of:");
    size_t n = 1;

    if (report->results[i].load->many == 0 || of == NULL)
        return 0;
    while (i + n < report->n &&
           strncmp(report->results[i + n].load->address, address, (size_t)(of - address) + 4) == 0)
        n++;
    return n;
}

static int family_name_length(const struct result *family)
{
    return (int)(strstr(family->load->address, "/of:") - family->load->address);
}

static void growth_header(const struct result *family, size_t n, FILE *out)
{
    fprintf(out, "\n%-24s%-9s", "each of", "");
    for (size_t k = 0; k < n; k++)
        fprintf(out, "%10zu", family[k].load->many);
    fprintf(out, "%9s %13s\n", "growth", "spread");
}

static void growth_row(const struct result *family, size_t n, enum side side, FILE *out)
{
    struct summary growth = result_growth(family, n, side);
    char t[24];

    fprintf(out, "%-24.*s%-9s", side == SIDE_FILCH ? family_name_length(family) : 0,
            family->load->address, side_names[side]);
    for (size_t k = 0; k < n; k++)
        fprintf(
            out, "%10s",
            show_summary(result_summary(&family[k], side, METRIC_FIGURE), family->load->unit, t));
    if (growth.there)
        fprintf(out, "%9.2f %5.2f .. %4.2f", growth.value, growth.low, growth.high);
    fprintf(out, "\n");
}

static void growth_table(const struct report *report, FILE *out)
{
    size_t shown = 0;
    size_t n;

    for (size_t i = 0; i<report->n; i += n> 0 ? n : 1) {
        n = family_at(report, i);
        if (n == 0)
            continue;
        if (n != shown)
            growth_header(&report->results[i], n, out);
        shown = n;
        for (int side = 0; side < SIDES; side++) {
            if (report->results[i].rounds[side] > 0)
                growth_row(&report->results[i], n, (enum side)side, out);
        }
    }
    if (shown > 0)
        fprintf(out, "  growth: the dearest against the cheapest of fewer, by medians; spread: "
                     "within a round\n");
}

static void markdown_growth(const struct result *family, size_t n, FILE *out)
{
    struct summary machine = result_growth(family, n, SIDE_MACHINE);
    struct summary growth = result_growth(family, n, SIDE_FILCH);

    fprintf(out, "| %.*s |", family_name_length(family), family->load->address);
    for (size_t k = 0; k < n; k++)
        markdown_cell(out, result_summary(&family[k], SIDE_FILCH, METRIC_FIGURE),
                      family->load->unit);
    if (growth.there)
        fprintf(out, " %.2f (%.2f to %.2f) |", growth.value, growth.low, growth.high);
    if (growth.there && machine.there)
        fprintf(out, " %.2f |", machine.value);
    fprintf(out, "\n");
}

static void markdown_growth_table(const struct report *report, FILE *out)
{
    size_t shown = 0;
    size_t n;

    for (size_t i = 0; i<report->n; i += n> 0 ? n : 1) {
        const struct result *family = &report->results[i];

        n = family_at(report, i);
        if (n == 0)
            continue;
        if (n != shown) {
            fprintf(out, "\n| each of |");
            for (size_t k = 0; k < n; k++)
                fprintf(out, " %zu |", family[k].load->many);
            fprintf(out, " growth | the memory's |\n|---|");
            for (size_t k = 0; k < n + 2; k++)
                fprintf(out, "---|");
            fprintf(out, "\n");
        }
        shown = n;
        markdown_growth(family, n, out);
    }
}

static void print_growth_targets(const struct report *report, FILE *out, const char *before)
{
    size_t n;

    for (size_t i = 0; i<report->n; i += n> 0 ? n : 1) {
        const struct result *family = &report->results[i];

        n = family_at(report, i);
        struct summary growth = result_growth(family, n, SIDE_FILCH);
        struct summary machine = result_growth(family, n, SIDE_MACHINE);
        if (!growth.there)
            continue;
        fprintf(out, "%s%s: %.*s flat within %.0f from %zu to %zu; it grows %.2f times", before,
                growth.value <= MAX_GROWTH ? "met" : "missed", family_name_length(family),
                family->load->address, MAX_GROWTH, family->load->many, family[n - 1].load->many,
                growth.value);
        if (machine.there)
            fprintf(out, ", the memory alone %.2f times", machine.value);
        fprintf(out, "\n");
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

/* What the targets are about: the first metric. */
static void print_targets(const struct report *report, FILE *out, const char *before)
{
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];
        const struct load *load = r->load;
        double ratio = result_ratio(r, SIDE_NAIVE, METRIC_FIGURE);
        struct summary filch = result_summary(r, SIDE_FILCH, METRIC_FIGURE);
        const char *what = load->is_latency ? " p50" : "";

        if (load->at_most > 0 && ratio > 0) {
            fprintf(out, "%s%s: %s%s at most 1/%.0f of the naive pool's; it is ", before,
                    ratio * load->at_most >= 1 ? "met" : "missed", load->address, what,
                    1 / load->at_most);
            if (ratio >= 1)
                fprintf(out, "1/%.1f\n", ratio);
            else
                fprintf(out, "%.1f times as much\n", 1 / ratio);
        }
        if (load->at_most_units > 0 && filch.there)
            fprintf(out, "%s%s: %s%s at most %.0f %s; it is %.1f\n", before,
                    filch.value <= load->at_most_units ? "met" : "missed", load->address, what,
                    load->at_most_units, load->unit, filch.value);
    }
    print_growth_targets(report, out, before);
}

/* "ring/pair/ours" -> 9, the length of what CK's structure and ours have in common; 0: no such. */
static size_t stem_of_ours(const char *name)
{
    size_t n = strlen(name);

    return n > 5 && strcmp(name + n - 5, "/ours") == 0 ? n - 5 : 0;
}

static const struct micro *ck_beside(const struct micro_list *list, const struct micro *ours)
{
    size_t stem = stem_of_ours(ours->name);

    for (size_t i = 0; i < list->n; i++) {
        const char *name = list->micro[i].name;

        if (stem > 0 && strncmp(name, ours->name, stem + 1) == 0 &&
            strncmp(name + stem, "/ck_", 4) == 0)
            return &list->micro[i];
    }
    return NULL;
}

static bool is_of_ck(const struct micro *m)
{
    const char *last = strrchr(m->name, '/');

    return last != NULL && strncmp(last, "/ck_", 4) == 0;
}

static void step_table(const struct micro_list *list, FILE *out)
{
    bool any = false;
    char a[24];
    char b[24];
    char c[24];

    for (size_t i = 0; i < list->n; i++) {
        const struct micro *m = &list->micro[i];
        struct summary s = micro_summary(m);

        if (stem_of_ours(m->name) > 0 || is_of_ck(m))
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
    char a[24];
    char b[24];

    for (size_t i = 0; i < list->n; i++) {
        const struct micro *m = &list->micro[i];
        const struct micro *k = ck_beside(list, m);

        if (k == NULL)
            continue;
        if (!any)
            fprintf(out, "\n%-28s %11s %11s  %-14s %10s\n", "Concurrency Kit's or ours", "ours",
                    "CK's", "(its name)", "CK's/ours");
        any = true;
        size_t stem = stem_of_ours(m->name);
        double ours = micro_summary(m).value;
        double cks = micro_summary(k).value;
        fprintf(out, "%-28.*s %11s %11s  %-14s %10.2f\n", (int)stem, m->name, show(ours, "ns", a),
                show(cks, "ns", b), k->name + stem + 1, cks / ours);
    }
}

static void load_table(const struct report *report, FILE *out)
{
    char t[4][24];

    fprintf(out, "%-32s %-6s%10s%11s%11s%12s%11s\n", "", "", "filch", "naive", "ck", "naive/filch",
            "machine");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        for (unsigned m = 0; m < result_metrics(r) && r->load->many == 0; m++) {
            fprintf(out, "%-32s %-6s", m == 0 ? r->load->address : "", label_of(r, m));
            for (int side = 0; side < SIDE_MACHINE; side++)
                fprintf(out, "%*s", side == 0 ? 10 : 11,
                        show_summary(result_summary(r, (enum side)side, (enum metric)m),
                                     r->load->unit, t[0]));
            fprintf(out, "%12s", show_ratio(result_ratio(r, SIDE_NAIVE, (enum metric)m), t[1]));
            fprintf(
                out, "%11s\n",
                show_summary(result_summary(r, SIDE_MACHINE, (enum metric)m), r->load->unit, t[2]));
        }
    }
    fprintf(out, "\n");
    print_limits(report, out);
    print_missing(report, out);
    fprintf(out, "  idle: what the workers spend on a CPU in a second of nothing to do\n");
}

/* Whether any load is of no family. */
static bool has_plain(const struct report *report)
{
    for (size_t i = 0; i < report->n; i++) {
        if (report->results[i].load->many == 0)
            return true;
    }
    return false;
}

void report_table(const struct report *report, FILE *out)
{
    if (has_plain(report))
        load_table(report, out);
    growth_table(report, out);
    step_table(&report->micros, out);
    choice_table(&report->micros, out);
    fprintf(out, "\nTargets\n");
    print_targets(report, out, "  ");
}

void report_markdown(const struct report *report, FILE *out)
{
    char text[24];

    fprintf(out, "| load | | filch | naive | ck | naive/filch | machine |\n");
    fprintf(out, "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        for (unsigned m = 0; m < result_metrics(r) && r->load->many == 0; m++) {
            fprintf(out, "| %s | %s |", m == 0 ? r->load->address : "", label_of(r, m));
            for (int side = 0; side < SIDE_MACHINE; side++)
                markdown_cell(out, result_summary(r, (enum side)side, (enum metric)m),
                              r->load->unit);
            fprintf(out, " %s |", show_ratio(result_ratio(r, SIDE_NAIVE, (enum metric)m), text));
            struct summary s = result_summary(r, SIDE_MACHINE, (enum metric)m);
            fprintf(out, " %s |\n", s.there ? show(s.value, r->load->unit, text) : "");
        }
    }
    markdown_growth_table(report, out);
    fprintf(out,
            "\n| Concurrency Kit's or ours | ours | CK's | | CK's/ours |\n|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->micros.n; i++) {
        const struct micro *m = &report->micros.micro[i];
        const struct micro *k = ck_beside(&report->micros, m);

        if (k == NULL)
            continue;
        size_t stem = stem_of_ours(m->name);
        fprintf(out, "| %.*s |", (int)stem, m->name);
        markdown_cell(out, micro_summary(m), "ns");
        markdown_cell(out, micro_summary(k), "ns");
        fprintf(out, " %s | %.2f |\n", k->name + stem + 1,
                micro_summary(k).value / micro_summary(m).value);
    }
    fprintf(out, "\n| one step | median |\n|---|---|\n");
    for (size_t i = 0; i < report->micros.n; i++) {
        const struct micro *m = &report->micros.micro[i];

        if (stem_of_ours(m->name) > 0 || is_of_ck(m))
            continue;
        fprintf(out, "| %s |", m->name);
        markdown_cell(out, micro_summary(m), "ns");
        fprintf(out, "\n");
    }
    fprintf(out, "\n");
    print_targets(report, out, "- ");
}

/* ---- JSON. Every string here is the program's own or a line of the system's; quotes and what is
 * below a blank are left out of those. */

static void json_text(FILE *out, const char *key, const char *value, const char *end)
{
    fprintf(out, "\"%s\": \"", key);
    for (; *value != '\0'; value++) {
        if (*value != '"' && *value != '\\' && (unsigned char)*value >= ' ')
            fputc(*value, out);
    }
    fprintf(out, "\"%s", end);
}

static void cpu_model(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");

    snprintf(text, size, "unknown");
    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');

        if (colon != NULL && strncmp(line, "model name", 10) == 0) {
            snprintf(text, size, "%s", colon + 2);
            break;
        }
    }
    if (file != NULL)
        fclose(file);
}

static void json_machine(const struct report *report, FILE *out)
{
    char cpu[128];
    char day[32];
    time_t now = time(NULL);
    struct tm utc;
    struct utsname kernel;

    cpu_model(cpu, sizeof cpu);
    uname(&kernel);
    gmtime_r(&now, &utc);
    strftime(day, sizeof day, "%Y-%m-%d", &utc);
    fprintf(out, "  ");
    json_text(out, "filch", filch_version(), ",\n  ");
    if (report->commit != NULL)
        json_text(out, "commit", report->commit, ",\n  ");
    json_text(out, "date", day, ",\n  ");
    json_text(out, "cpu", cpu, ",\n  ");
    json_text(out, "kernel", kernel.release, ",\n  ");
    json_text(out, "compiler", __VERSION__, ",\n  ");
    fprintf(out, "\"cpus\": %u,\n  \"rounds\": %u,\n  \"seconds\": %.0f,\n", filch_cpu_budget(),
            plan.rounds, report->seconds);
}

static void json_values(FILE *out, const double *values, unsigned n)
{
    fprintf(out, "[");
    for (unsigned i = 0; i < n; i++)
        fprintf(out, "%s%.3f", i == 0 ? "" : ", ", values[i]);
    fprintf(out, "]");
}

static void json_metric(const struct result *r, unsigned m, FILE *out)
{
    fprintf(out, "    {");
    json_text(out, "load", r->load->address, ", ");
    if (r->load->is_latency)
        json_text(out, "metric", metric_names[m], ", ");
    json_text(out, "unit", r->load->unit, ", ");
    fprintf(out, "\"naive_over_filch\": %.3f", result_ratio(r, SIDE_NAIVE, (enum metric)m));
    for (int side = 0; side < SIDES; side++) {
        struct summary s = result_summary(r, (enum side)side, (enum metric)m);

        if (!s.there)
            continue;
        fprintf(out,
                ",\n     \"%s\": {\"value\": %.3f, \"low\": %.3f, \"high\": %.3f, \"rounds\": ",
                side_names[side], s.value, s.low, s.high);
        json_values(out, r->round[side][m], r->rounds[side]);
        if (r->load->is_latency)
            fprintf(out, ", \"samples\": %llu, \"max\": %lld",
                    (unsigned long long)r->samples[side]->n, (long long)r->samples[side]->max);
        fprintf(out, "}");
    }
    fprintf(out, "}");
}

void report_json(const struct report *report, FILE *out)
{
    bool first = true;

    fprintf(out, "{\n");
    json_machine(report, out);
    fprintf(out, "  \"loads\": [\n");
    for (size_t i = 0; i < report->n; i++) {
        for (unsigned m = 0; m < result_metrics(&report->results[i]); m++) {
            fprintf(out, "%s", first ? "" : ",\n");
            first = false;
            json_metric(&report->results[i], m, out);
        }
    }
    fprintf(out, "\n  ],\n  \"steps\": [\n");
    for (size_t i = 0; i < report->micros.n; i++) {
        const struct micro *m = &report->micros.micro[i];

        fprintf(out, "%s    {", i == 0 ? "" : ",\n");
        json_text(out, "step", m->name, ", ");
        fprintf(out, "\"ns\": %.3f, \"rounds\": ", micro_summary(m).value);
        json_values(out, m->ns, m->n);
        fprintf(out, "}");
    }
    fprintf(out, "\n  ]\n}\n");
}

static FILE *create(const char *directory, const char *name)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.dat", directory, name);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        bench_die("%s cannot be written", path);
    return file;
}

static void distribution_data(const struct result *r, const char *directory)
{
    char name[128];

    for (int side = 0; side < SIDES; side++) {
        if (r->rounds[side] == 0)
            continue;
        snprintf(name, sizeof name, "%s-%s", r->load->address, side_names[side]);
        for (char *p = name; *p != '\0'; p++) {
            if (*p == '/' || *p == ':')
                *p = '-';
        }
        FILE *file = create(directory, name);
        hist_print(r->samples[side], file);
        fclose(file);
    }
}

/* A file for each family: "N filch machine". */
static void growth_data(const struct report *report, const char *directory)
{
    size_t n;

    for (size_t i = 0; i<report->n; i += n> 0 ? n : 1) {
        const struct result *family = &report->results[i];
        char name[128];

        n = family_at(report, i);
        if (n == 0)
            continue;
        snprintf(name, sizeof name, "many-%.*s", family_name_length(family), family->load->address);
        for (char *p = name; *p != '\0'; p++)
            *p = *p == '/' ? '-' : *p;
        FILE *file = create(directory, name);
        for (size_t k = 0; k < n; k++)
            fprintf(file, "%zu %.2f %.2f\n", family[k].load->many,
                    result_summary(&family[k], SIDE_FILCH, METRIC_FIGURE).value,
                    result_summary(&family[k], SIDE_MACHINE, METRIC_FIGURE).value);
        fclose(file);
    }
}

void report_plot_data(const struct report *report, const char *directory)
{
    FILE *tasks = create(directory, "per-task");
    FILE *calls = create(directory, "per-call");

    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        if (r->load->is_latency)
            distribution_data(r, directory);
        if (strncmp(r->load->unit, "ns/", 3) != 0 || r->load->many != 0)
            continue;
        FILE *bars = strcmp(r->load->unit, "ns/call") == 0 ? calls : tasks;
        fputc('"', bars);
        for (const char *c = r->load->address; *c != '\0'; c++)
            fputs(*c == '/' ? "\\n" : (char[]){*c, '\0'}, bars);
        fputc('"', bars);
        for (int side = 0; side < SIDES; side++) {
            struct summary s = result_summary(r, (enum side)side, METRIC_FIGURE);

            if (s.there)
                fprintf(bars, " %.2f", s.value);
            else
                fprintf(bars, " ?");
        }
        fprintf(bars, "\n");
    }
    fclose(calls);
    fclose(tasks);
    growth_data(report, directory);
}
