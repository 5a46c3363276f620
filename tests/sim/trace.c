/* SPDX-License-Identifier: MIT
 *
 * trace.c: the record of one execution, and how it is printed: by thread, with file and line. Places
 * are looked up by addr2line, all of them at once. */
#include "sim/inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    EVENTS = 1 << 15,
    PLACES = 4096,
    PLACE_BYTES = 160,
    SHOWN = 240 /* events of a long execution: the last so many */
};

struct event {
    uint64_t step;
    const char *op;
    const char *note;
    const volatile void *p;
    uint64_t v;
    const void *pc;
    int thread;
};

static struct event *events;
static unsigned events_n;

void sim_trace_reset(void)
{
    events_n = 0;
}

/* The innermost function is the access itself, or the door that core/ called. */
static const void *place(void)
{
    const struct sim_stack *s = &sim_cur->calls;

    return s->depth == 0 || s->depth > SIM_CALLS ? NULL : s->pc[s->depth - 1];
}

void sim_trace(const char *op, const volatile void *p, uint64_t v, const char *note)
{
    if (!sim_run_.is_traced || sim_cur == NULL || events_n == EVENTS)
        return;
    if (events == NULL)
        events = calloc(EVENTS, sizeof *events);
    if (events == NULL)
        return;
    events[events_n++] = (struct event){sim_run_.steps, op, note, p, v, place(), sim_cur->id};
}

const char *sim_order_name(int order)
{
    static const char *const names[] = {"relaxed", "consume", "acquire",
                                        "release", "acq_rel", "seq_cst"};

    return order >= 0 && order <= SIM_SEQ_CST ? names[order] : "?";
}

/* ---- places ---- */

static struct {
    const void *pc;
    char text[PLACE_BYTES];
} places[PLACES];
static unsigned places_n;

static const char *text_of(const void *pc)
{
    for (unsigned i = 0; i < places_n; i++) {
        if (places[i].pc == pc)
            return places[i].text;
    }
    return "?";
}

static void want(const void *pc)
{
    if (pc == NULL || places_n == PLACES)
        return;
    for (unsigned i = 0; i < places_n; i++) {
        if (places[i].pc == pc)
            return;
    }
    places[places_n].pc = pc;
    snprintf(places[places_n++].text, PLACE_BYTES, "%p", pc);
}

static void want_stack(const struct sim_stack *s)
{
    for (uint32_t i = 0; i < s->depth && i < SIM_CALLS; i++)
        want(s->pc[i]);
}

static const char *short_name(const char *path)
{
    static const char *const tops[] = {"/core/", "/tests/", "/include/"};

    for (size_t i = 0; i < sizeof tops / sizeof tops[0]; i++) {
        const char *found = strstr(path, tops[i]);

        if (found != NULL)
            return found + 1;
    }
    return path;
}

/* Fills in what was wanted; without addr2line places stay addresses. */
static void look_up(void)
{
    static unsigned done;
    char exe[512];
    char command[16 * 256 + 640];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);

    if (n <= 0)
        return;
    exe[n] = 0;
    while (done < places_n) {
        unsigned first = done;
        size_t used =
            (size_t)snprintf(command, sizeof command, "addr2line -f -e '%s' 2>/dev/null", exe);

        for (; done < places_n && done - first < 200; done++)
            used += (size_t)snprintf(command + used, sizeof command - used, " %lx",
                                     (unsigned long)(uintptr_t)places[done].pc - 1);
        FILE *pipe = popen(command, "r");
        if (pipe == NULL)
            return;
        for (unsigned i = first; i < done; i++) {
            char function[200];
            char where[400];

            if (fgets(function, sizeof function, pipe) == NULL ||
                fgets(where, sizeof where, pipe) == NULL)
                break;
            function[strcspn(function, "\n")] = 0;
            where[strcspn(where, " \n")] = 0;
            snprintf(places[i].text, PLACE_BYTES, "%.70s %.80s", short_name(where), function);
        }
        pclose(pipe);
    }
}

void sim_print_stack(FILE *to, const struct sim_stack *stack)
{
    uint32_t depth = stack->depth < SIM_CALLS ? stack->depth : SIM_CALLS;

    want_stack(stack);
    look_up();
    for (uint32_t i = depth; i-- > 0;)
        fprintf(to, "        %s\n", text_of(stack->pc[i]));
}

static void print_threads(FILE *to)
{
    static const char *const states[] = {"", "can run", "waits", "has ended", "is frozen"};

    for (int i = 0; i < sim_threads_n; i++) {
        const struct sim_thread *t = &sim_thread_[i];

        if (t->state == SIM_DONE)
            continue;
        fprintf(to, "    thread %d %s%s, after %u steps\n", i, states[t->state],
                t->is_paused ? " (and pauses)" : "", t->steps);
        sim_print_stack(to, &t->calls);
    }
}

void sim_trace_print(FILE *to)
{
    const struct sim_failure *f = &sim_run_.failure;
    unsigned first = events_n > SHOWN ? events_n - SHOWN : 0;
    int thread = -1;

    for (unsigned i = first; i < events_n; i++)
        want(events[i].pc);
    look_up();
    fprintf(to, "the interleaving%s:\n", first > 0 ? " (its end)" : "");
    for (unsigned i = first; i < events_n; i++) {
        const struct event *e = &events[i];
        char value[64] = "";

        if (e->thread != thread)
            fprintf(to, "  thread %d\n", e->thread);
        thread = e->thread;
        if (e->p != NULL)
            snprintf(value, sizeof value, " %p: %#llx", (const void *)(uintptr_t)e->p,
                     (unsigned long long)e->v);
        else if (e->v != 0)
            snprintf(value, sizeof value, " %llu", (unsigned long long)e->v);
        fprintf(to, "    %5llu  %-46s %s%s %s\n", (unsigned long long)e->step, text_of(e->pc),
                e->op, value, e->note);
    }
    fprintf(to, "then, in thread %d: %s: %s", f->thread, f->kind, f->what);
    if (f->where[0] != 0)
        fprintf(to, " (%s)", f->where);
    fprintf(to, "\n");
    sim_print_stack(to, &f->stack);
    if (f->other.depth > 0) {
        fprintf(to, "    %s\n", f->other_what);
        sim_print_stack(to, &f->other);
    }
    if (strcmp(f->kind, "deadlock") == 0 || strcmp(f->kind, "livelock") == 0)
        print_threads(to);
}
