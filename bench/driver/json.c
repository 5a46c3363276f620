/* SPDX-License-Identifier: MIT
 *
 * json.c: every figure of every round, for a program. Every string here is the program's own or a line of
 * the system's; quotes and what is below a blank are left out of those. */
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "driver/pools.h"
#include "driver/result.h"

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

static void json_side(const struct result *r, unsigned m, unsigned side, FILE *out)
{
    struct summary s = result_summary(r, side, m);

    fprintf(out, ",\n     \"%s\": {\"value\": %.3f, \"low\": %.3f, \"high\": %.3f, \"rounds\": ",
            pools_name(side), s.value, s.low, s.high);
    json_values(out, r->round[side][m], r->rounds[side]);
    if (r->samples[side] != NULL)
        fprintf(out, ", \"samples\": %llu, \"max\": %lld", (unsigned long long)r->samples[side]->n,
                (long long)r->samples[side]->max);
    fprintf(out, ", \"slice_seconds\": %.3f}", r->took[side]);
}

static void json_metric(const struct result *r, unsigned m, FILE *out)
{
    struct metric metric = result_metric(r, m);

    fprintf(out, "    {");
    json_text(out, "load", r->load->address, ", ");
    json_text(out, "metric", metric.name, ", ");
    json_text(out, "unit", metric.unit, ", ");
    fprintf(out, "\"naive_over_filch\": %.3f", result_ratio(r, SIDE_NAIVE, m));
    for (unsigned side = 0; side < SIDES; side++) {
        if (r->rounds[side] > 0)
            json_side(r, m, side, out);
    }
    fprintf(out, "}");
}

static void json_pools(FILE *out)
{
    bool first = true;

    fprintf(out, "  \"pools\": {");
    for (unsigned side = 0; side < SIDE_MACHINE; side++) {
        const char *why = NULL;
        const struct pool *pool = pools_is_chosen(side) ? pools_get(side, &why) : NULL;

        if (!pools_is_chosen(side))
            continue;
        fprintf(out, "%s\n    ", first ? "" : ",");
        json_text(out, pools_name(side), pool != NULL ? pool->about : why, "");
        first = false;
    }
    fprintf(out, "\n  },\n");
}

void report_json(const struct report *report, FILE *out)
{
    bool first = true;

    fprintf(out, "{\n");
    json_machine(report, out);
    json_pools(out);
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
