/* SPDX-License-Identifier: MIT
 *
 * blame.c: what becomes of the jobs of a worker that has died.
 *
 * What it had begun it is blamed for: that one has crashed, or was killed. What it had not is given to others. */
#include "process/pool.h"

#include "base/compiler.h"
#include "future/error.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>

enum {
    MOST_RETURNS = 100
};

static struct filch_crash *crash_of(const filch_crash *crash)
{
    filch_crash *copy = fl_malloc(sizeof *copy);

    if (copy != NULL)
        *copy = *crash;
    return copy;
}

static void fail(struct fl_processes *p, struct fl_item *item, int status, const filch_crash *crash)
{
    char text[160];

    switch (crash->how) {
    case FILCH_DEATH_EXIT:
        snprintf(text, sizeof text, "the process %d that ran it has exited with code %d",
                 crash->pid, crash->exit_code);
        break;
    case FILCH_DEATH_WALL:
        snprintf(text, sizeof text, "it took more time than is allowed; process %d was killed",
                 crash->pid);
        break;
    case FILCH_DEATH_CPU:
        snprintf(text, sizeof text, "it took more CPU time than is allowed; process %d was killed",
                 crash->pid);
        break;
    case FILCH_DEATH_ASKED:
        snprintf(text, sizeof text, "the executor was told to kill its processes");
        break;
    case FILCH_DEATH_FORGED:
        snprintf(text, sizeof text, "process %d wrote what no worker writes, and was killed",
                 crash->pid);
        break;
    case FILCH_DEATH_SIGNAL:
        if (crash->signal == 0)
            snprintf(text, sizeof text, "the process %d that ran it has died, nobody knows of what",
                     crash->pid);
        else if (crash->has_address)
            snprintf(text, sizeof text,
                     "the process %d that ran it has died of signal %d, at 0x%llx", crash->pid,
                     crash->signal, (unsigned long long)crash->address);
        else
            snprintf(text, sizeof text, "the process %d that ran it has died of signal %d",
                     crash->pid, crash->signal);
        break;
    }
    fl_flow_end(p, item, status, fl_failure_create(text, crash_of(crash), fl_free));
}

bool fl_blame_is_own_fault(const filch_crash *crash)
{
    return crash->how == FILCH_DEATH_EXIT || crash->how == FILCH_DEATH_SIGNAL ||
           crash->how == FILCH_DEATH_FORGED;
}

/* What it was given is kept until that has been noted (poison.c). */
static void lend(struct fl_item *item, struct fl_link *l, const void *bytes)
{
    item->is_poison = true;
    if (item->fd >= 0 || item->len == 0)
        return;
    fl_add(&l->pins, 1, relaxed); /* settled by the lock */
    item->lent = l;
    item->bytes = (void *)(uintptr_t)bytes;
}

/* It was running that one. */
static void blame(struct fl_processes *p, struct fl_link *l, struct fl_item *item, uint64_t n,
                  filch_crash crash)
{
    const void *bytes = fl_link_bytes(l, n);

    crash.crashes = ++item->crashes;
    if (!fl_blame_is_own_fault(&crash)) {
        fail(p, item, FILCH_EKILLED, &crash);
    } else if (item->crashes < p->options.max_crashes && !p->is_killed && p->broken == NULL) {
        p->stats.retried++;
        fl_flow_return(p, item, bytes);
    } else if (p->options.max_crashes > 1) {
        fail(p, item, FILCH_EPOISON, &crash);
        lend(item, l, bytes);
    } else {
        fail(p, item, FILCH_ECRASHED, &crash);
    }
}

/* It is with no worker, and none will have it any more. */
void fl_blame_killed(struct fl_processes *p, struct fl_item *item)
{
    const filch_crash crash = {.how = FILCH_DEATH_ASKED, .crashes = item->crashes};

    fail(p, item, FILCH_EKILLED, &crash);
}

/* It had not begun that one. */
static void give_back(struct fl_processes *p, struct fl_item *item, const void *bytes,
                      filch_crash crash)
{
    if (p->is_killed) {
        crash.how = FILCH_DEATH_ASKED;
        fail(p, item, FILCH_EKILLED, &crash);
    } else if (++item->returns > MOST_RETURNS) {
        fail(p, item, FILCH_ECRASHED, &crash);
    } else {
        p->stats.returned++;
        fl_flow_return(p, item, bytes);
    }
}

/* Whether its worker had begun it, the worker itself says: a job that takes that back before it crashes would be run
 * again, and again. So one that comes first when its worker dies, the only one that can have run, is believed to be
 * innocent a second time, for whoever is killed from outside may be about to begin one, and is blamed the third. */
static bool is_to_blame(struct fl_item *item, const struct fl_link *l, uint64_t n)
{
    return l->has_lied || fl_link_has_begun(l, n) || ++item->firsts > FL_MOST_FIRSTS;
}

/* The younger first: each goes to the head of the queue. */
void fl_blame_settle(struct fl_processes *p, struct fl_post *post, const filch_crash *crash)
{
    struct fl_link *l = post->link;
    uint64_t oldest;

    if (!fl_link_oldest(l, &oldest))
        return;
    for (uint64_t n = l->tail; n-- > oldest;) {
        struct fl_item *item = l->slot[n % FL_WIRE_SLOTS].job;

        if (item == NULL)
            continue;
        if (n == oldest && is_to_blame(item, l, n))
            blame(p, l, item, n, *crash);
        else
            give_back(p, item, fl_link_bytes(l, n), *crash);
    }
}

filch_crash fl_blame_crash(const struct fl_processes *p, const struct fl_post *post,
                           const struct fl_news *news)
{
    filch_crash crash = {.how = FILCH_DEATH_SIGNAL, .pid = post->pid};

    if (news->code == CLD_EXITED) {
        crash.how = FILCH_DEATH_EXIT;
        crash.exit_code = news->status;
    } else {
        crash.signal = news->status;
        crash.dumped_core = news->code == CLD_DUMPED;
        if (crash.signal == SIGXCPU && p->options.cpu_limit_ns != 0)
            crash.how = FILCH_DEATH_CPU;
        else
            crash.has_address = fl_link_fault(post->link, &crash.address);
    }
    if (post->asked != 0)
        crash.how = post->asked;
    else if (p->is_killed)
        crash.how = FILCH_DEATH_ASKED;
    return crash;
}
