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

        for (unsigned m = 0; m < result_metrics(r); m++) {
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

void report_table(const struct report *report, FILE *out)
{
    if (report->n > 0)
        load_table(report, out);
    step_table(&report->micros, out);
    choice_table(&report->micros, out);
    fprintf(out, "\nTargets\n");
    print_targets(report, out, "  ");
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

void report_markdown(const struct report *report, FILE *out)
{
    char text[24];

    fprintf(out, "| load | | filch | naive | ck | naive/filch | machine |\n");
    fprintf(out, "|---|---|---|---|---|---|---|\n");
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        for (unsigned m = 0; m < result_metrics(r); m++) {
            fprintf(out, "| %s | %s |", m == 0 ? r->load->address : "", label_of(r, m));
            for (int side = 0; side < SIDE_MACHINE; side++)
                markdown_cell(out, result_summary(r, (enum side)side, (enum metric)m),
                              r->load->unit);
            fprintf(out, " %s |", show_ratio(result_ratio(r, SIDE_NAIVE, (enum metric)m), text));
            struct summary s = result_summary(r, SIDE_MACHINE, (enum metric)m);
            fprintf(out, " %s |\n", s.there ? show(s.value, r->load->unit, text) : "");
        }
    }
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

void report_plot_data(const struct report *report, const char *directory)
{
    FILE *bars = create(directory, "per-task");

    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];

        if (r->load->is_latency)
            distribution_data(r, directory);
        if (strncmp(r->load->unit, "ns/", 3) != 0)
            continue;
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
    fclose(bars);
}
