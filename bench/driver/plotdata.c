/* SPDX-License-Identifier: MIT
 *
 * plotdata.c: the results as plain columns, for gnuplot. "pools.dat" names the sides that there are, in the
 * order of the columns. Loads of processes are not among them. */
#include <stdlib.h>
#include <string.h>

#include "driver/pools.h"
#include "driver/result.h"

static FILE *create(const char *directory, const char *name)
{
    char path[4096];

    snprintf(path, sizeof path, "%s/%s.dat", directory, name);
    for (char *p = path + strlen(directory) + 1; *p != '\0'; p++) {
        if (*p == '/' || *p == ':')
            *p = '-';
    }
    FILE *file = fopen(path, "we");
    if (file == NULL)
        bench_die("%s cannot be written", path);
    return file;
}

static bool was_asked(const struct report *report, unsigned side)
{
    for (size_t i = 0; i < report->n; i++) {
        if (report->results[i].load->run_jobs == NULL && report->results[i].rounds[side] > 0)
            return true;
    }
    return false;
}

static void distribution(const struct report *report, const struct result *r, const char *directory)
{
    char name[128];

    for (unsigned side = 0; side < SIDES; side++) {
        if (!was_asked(report, side))
            continue;
        snprintf(name, sizeof name, "%s-%s", r->load->address, pools_name(side));
        FILE *file = create(directory, name);
        if (r->samples[side] != NULL)
            hist_print(r->samples[side], file);
        fclose(file);
    }
}

static void columns(const struct report *report, const struct result *r, unsigned metric,
                    FILE *file)
{
    for (unsigned side = 0; side < SIDES; side++) {
        struct summary s = result_summary(r, side, metric);

        if (!was_asked(report, side))
            continue;
        if (s.there)
            fprintf(file, " %.2f", s.value);
        else
            fprintf(file, " ?");
    }
    fprintf(file, "\n");
}

/* A file for each family and metric: the number, and a column for each side. */
static void growth(const struct report *report, const char *directory)
{
    size_t n;

    for (size_t i = 0; i<report->n; i += n> 0 ? n : 1) {
        const struct result *family = &report->results[i];
        char name[128];

        n = result_family(report, i);
        for (unsigned metric = 0; n > 0 && metric < result_metrics(family); metric++) {
            snprintf(name, sizeof name, "many-%.*s%s%s", result_family_length(family),
                     family->load->address, metric > 0 ? "-" : "",
                     result_metric(family, metric).name);
            FILE *file = create(directory, name);
            for (size_t k = 0; k < n; k++) {
                fprintf(file, "%zu", family[k].load->many);
                columns(report, &family[k], metric, file);
            }
            fclose(file);
        }
    }
}

static void bar(const struct report *report, const struct result *r, FILE *file)
{
    fputc('"', file);
    for (const char *c = r->load->address; *c != '\0'; c++)
        fputs(*c == '/' ? "\\n" : (char[]){*c, '\0'}, file);
    fputc('"', file);
    columns(report, r, 0, file);
}

static bool begins_with(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

/* Which plot of bars a load belongs to: divided work is drawn as a multiple of the machine's. */
static FILE *bars_of(const struct load *load, FILE *tasks, FILE *calls, FILE *divided)
{
    if (load->many != 0 || load->metrics != NULL)
        return NULL;
    if (begins_with(load->address, "join/") || begins_with(load->address, "loop/"))
        return divided;
    if (strcmp(load->unit, "ns/call") == 0)
        return calls;
    return begins_with(load->unit, "ns/") ? tasks : NULL;
}

void report_plot_data(const struct report *report, const char *directory)
{
    FILE *pools = create(directory, "pools");
    FILE *tasks = create(directory, "per-task");
    FILE *calls = create(directory, "per-call");
    FILE *divided = create(directory, "divided");

    for (unsigned side = 0; side < SIDES; side++) {
        if (was_asked(report, side))
            fprintf(pools, "%s\n", pools_name(side));
    }
    for (size_t i = 0; i < report->n; i++) {
        const struct result *r = &report->results[i];
        FILE *bars = bars_of(r->load, tasks, calls, divided);

        if (r->load->run_jobs != NULL)
            continue;
        if (result_metric(r, 0).share > 0)
            distribution(report, r, directory);
        if (bars != NULL)
            bar(report, r, bars);
    }
    fclose(divided);
    fclose(calls);
    fclose(tasks);
    fclose(pools);
    growth(report, directory);
}
