# SPDX-License-Identifier: MIT
"""looks: every place of core/ that looks a second time before it relies on something, and the
boundaries of its comparisons, each with what takes it away: (what the mutant does, file, old text,
new text). The old text is in the file exactly once; mutants says so when it is not."""

LOOKS = [
    # idle.c: who sleeps has announced it and looked again.
    ("a worker sleeps without looking at the sources again", "core/sched/idle.c",
     "((mode & FL_PAUSED) == 0 && fl_work_is_visible(p))) {", "false) {"),
    ("the last searcher does not look behind itself", "core/sched/idle.c",
     "if (searchers(idle) == 1 && fl_work_is_visible(p))", "if (false)"),
    ("whoever is not the last searcher looks behind itself, and the last does not",
     "core/sched/idle.c", "if (searchers(idle) == 1 &&", "if (searchers(idle) > 1 &&"),
    ("the last searcher wakes somebody whether there is work or not", "core/sched/idle.c",
     "if (searchers(idle) == 1 && fl_work_is_visible(p))", "if (searchers(idle) == 1)"),
    ("notify tests the counts once, not at every try", "core/sched/idle.c",
     """                            seq_cst)) /* N2, on failure N1 */
                break;
            continue;""",
     """                            seq_cst)) /* N2, on failure N1 */
                break;
            while (!fl_cas_weak(&p->idle, &idle, idle - SLEEPER + SEARCHER + TOKEN, seq_cst, seq_cst))
                continue;
            break;"""),
    ("notify does not ask whether anybody sleeps", "core/sched/idle.c",
     "        if (sleepers(idle) != 0) {\n            if (fl_unlikely(",
     "        if (true) {\n            if (fl_unlikely("),
    ("a push that finds nobody idle starts no thread", "core/sched/idle.c",
     "            fl_slot_fill(p); /* I7 */\n", ""),
    ("who is about to be idle counts as idle, and is not looked at again", "core/sched/idle.c",
     "        if (has_waited || !await_idle(p)) {", "        if (await_idle(p))\n            return;\n        {"),
    ("whoever has slept for too long leaves though it was chosen", "core/sched/idle.c",
     "        if (tokens(idle) != 0) {\n            if (fl_cas_weak(&p->idle, &idle, idle - TOKEN",
     "        if (tokens(idle) != 0 && !is_late) {\n"
     "            if (fl_cas_weak(&p->idle, &idle, idle - TOKEN"),
    ("a surplus worker that is chosen keeps the wake to itself", "core/sched/idle.c",
     "            found(p); /* I9 */\n", "            fl_sub(&p->idle, SEARCHER, seq_cst);\n"),
    ("wake_all counts the sleepers once, not at every try", "core/sched/idle.c",
     "    uint32_t n;\n\n    do {\n        n = sleepers(idle);\n    } while (",
     "    uint32_t n = sleepers(idle);\n\n    do {\n    } while ("),
    ("begin_search tests the limit once, not at every try", "core/sched/idle.c",
     """    do {
        if (searchers(idle) >= p->max_searchers)
            return false;
    } while (""",
     """    if (searchers(idle) >= p->max_searchers)
        return false;
    do {
    } while ("""),
    ("begin_search lets one more search than may", "core/sched/idle.c",
     "if (searchers(idle) >= p->max_searchers)", "if (searchers(idle) > p->max_searchers)"),
    ("renounce looks for a token once, not at every try", "core/sched/idle.c",
     "    uint32_t next;\n\n    do {\n        next = tokens(idle) != 0 ?",
     "    uint32_t next;\n    bool chosen = tokens(idle) != 0;\n\n"
     "    do {\n        next = chosen ?"),
    ("whoever is awake again takes itself for chosen", "core/sched/idle.c",
     "            is_late = fl_futex_wait(&p->idle, idle, until) == FILCH_ETIMEDOUT;",
     """            is_late = fl_futex_wait(&p->idle, idle, until) == FILCH_ETIMEDOUT;
            if (!is_late) {
                fl_sub(&p->idle, TOKEN, acquire);
                return true;
            }"""),
    ("a worker does not look for FL_EXIT after it has announced itself", "core/sched/idle.c",
     "if ((mode & FL_EXIT) != 0 || fl_forked(&p->home.forked)) {",
     "if (fl_forked(&p->home.forked)) {"),
    ("a worker that ends does not wake those who still sleep", "core/sched/idle.c",
     "fl_idle_wake_all(p); /* I5 */", ";"),
    ("a worker does not look whether all is quiet before it sleeps", "core/sched/idle.c",
     "        fl_stop_poll(p);\n        /* settled by N3", "        /* settled by N3"),
    ("whoever waits for quiet does not meet those who make it", "core/sched/idle.c",
     "    fl_add(&p->idle, 0, acq_rel); /* N7 */", "    (void)p;"),

    # steal.c: every source is looked at.
    ("lanes are no source that is looked at before a sleep", "core/sched/steal.c",
     "        if (!fl_deque_looks_empty(&lane->deque))\n            return true;",
     "        (void)0;"),
    ("workers' deques are no source that is looked at before a sleep", "core/sched/steal.c",
     "        if (!fl_deque_looks_empty(&victim->deque))\n", "        if (false)\n"),

    # stop.c: when nothing is left.
    ("quiet is told without a look whether it is", "core/sched/stop.c",
     "    if (!fl_is_quiet(p))\n        return false;\n", ""),
    ("a ticket that was drawn after the look is answered", "core/sched/stop.c",
     """    uint32_t asked = fl_load(&p->quiet_asked, acquire); /* X11 */

    if (!fl_is_quiet(p))
        return false;
    tell_quiet(p, asked);""",
     """    if (!fl_is_quiet(p))
        return false;
    tell_quiet(p, fl_load(&p->quiet_asked, acquire));"""),
    ("whoever cancels what is queued does not look whether that was the last", "core/sched/stop.c",
     "    fl_idle_meet(p); /* Q1 */\n    tell_if_quiet(p);\n    if (", "    fl_idle_meet(p);\n    if ("),
    ("stop_poll does not look again once the lanes are empty", "core/sched/stop.c",
     "    if (fl_is_quiet(p) && !fl_timers_stop(p))", "    if (!fl_timers_stop(p))"),
    ("a closing pool does not ask whether timers are still to come", "core/sched/stop.c",
     "!closing || fl_timers_are_awaited(p))", "!closing)"),
    ("a pool ends while a lane is held", "core/sched/stop.c", "    empty_lanes(p);\n", ""),
    ("a worker that waits for a lane's holder believes the first wake", "core/sched/stop.c",
     "while ((fl_or(&lane->held, FL_LANE_NOTED, acq_rel) & FL_LANE_HELD) != 0)",
     "if ((fl_or(&lane->held, FL_LANE_NOTED, acq_rel) & FL_LANE_HELD) != 0)"),
    ("tell_quiet tests the ticket once, not at every try", "core/sched/stop.c",
     """    do {
        if ((int32_t)(asked - seen) <= 0)
            return;
    } while (""",
     """    if ((int32_t)(asked - seen) <= 0)
        return;
    do {
    } while ("""),
    ("tell_quiet tells what has been told", "core/sched/stop.c",
     "if ((int32_t)(asked - seen) <= 0)", "if ((int32_t)(asked - seen) < 0)"),
    ("a ticket is answered by the next one only", "core/sched/stop.c",
     "fl_load(&p->quiet_seen, acquire) - ticket) >= 0",
     "fl_load(&p->quiet_seen, acquire) - ticket) > 0"),
    ("whoever waits for quiet does not look himself", "core/sched/stop.c",
     " >= 0 || fl_is_quiet(p);", " >= 0;"),
    ("a wait for quiet that times out does not look again", "core/sched/stop.c",
     "return is_answered(p, ticket) ? 0 : FILCH_ETIMEDOUT;", "return FILCH_ETIMEDOUT;"),
    ("a wait for the threads that times out does not look again", "core/sched/stop.c",
     "return fl_load(&p->threads, acquire) == 0 ? 0 : FILCH_ETIMEDOUT;",
     "return FILCH_ETIMEDOUT;"),
    ("whoever waits for the threads believes the first wake", "core/sched/stop.c",
     "while ((n = fl_load(&p->threads, acquire)) != 0) {",
     "if ((n = fl_load(&p->threads, acquire)) != 0) {"),
    ("ended is read after pushed", "core/sched/stop.c",
     "    uint64_t ended = sum_ended(p);\n\n    return ended == fl_pool_submitted(p);",
     "    uint64_t pushed = fl_pool_submitted(p);\n\n    return sum_ended(p) == pushed;"),

    # spare.c
    ("a spare goes dormant without looking for FL_EXIT again", "core/sched/spare.c",
     "return (fl_look(&p->mode) & FL_EXIT) == 0 &&                          /* E6 */", "return"),
    ("a surplus worker lies down without looking at the number again", "core/sched/spare.c",
     "(w->index >= p->n_workers || w->index >= fl_look(&p->active)); /* E13 */", "true;"),
    ("a spare goes dormant without telling what it leaves behind", "core/sched/spare.c",
     "        fl_idle_notify(p); /* its deque may hold what only it knew of */\n", "        (void)0;\n"),
    ("a spare goes dormant without looking whether all is quiet", "core/sched/spare.c",
     "    fl_stop_poll(p);\n", ""),
    ("a spare goes dormant on a debt that it has not taken", "core/sched/spare.c",
     " || !take_debt(p))", ")"),
    ("a dormant spare believes the first wake", "core/sched/spare.c",
     "while ((life = fl_load(&w->life, acquire)) == FL_DORMANT) {",
     "if ((life = fl_load(&w->life, acquire)) == FL_DORMANT) {"),
    ("debt is taken when there is none", "core/sched/spare.c",
     "while (debt > 0) {", "while (debt >= 0) {"),
    ("debt is tested once, not at every try", "core/sched/spare.c",
     "    while (debt > 0) {", "    if (debt <= 0)\n        return false;\n    for (;;) {"),
    ("top_slot is compared once, not at every try", "core/sched/spare.c",
     "while (seen < top && !fl_cas_weak(&p->top_slot, &seen, top, seq_cst, seq_cst))",
     "while (fl_load(&p->top_slot, relaxed) != top &&\n"
     "           !fl_cas_weak(&p->top_slot, &seen, top, seq_cst, seq_cst))"),

    # push.c
    ("a lane is taken whether it is held or not", "core/sched/push.c",
     "return (held & FL_LANE_HELD) == 0 && fl_cas(", "return fl_cas("),
    ("whoever has taken a lane does not look at mode", "core/sched/push.c",
     "status = refusal(fl_look(&p->mode)); /* H3 */", "status = 0;"),

    # deque.c: boundaries.
    ("a full array takes one more, by the top last seen", "core/queue/deque.c",
     "if (fl_likely(n <= capacity - (b - d->top_seen)))",
     "if (fl_likely(n <= capacity + 1 - (b - d->top_seen)))"),
    ("a full array takes one more", "core/queue/deque.c",
     "    if (n <= capacity - (b - d->top_seen))",
     "    if (n <= capacity + 1 - (b - d->top_seen))"),
    ("pop does not ask whether it is empty before it lowers bottom", "core/queue/deque.c",
     "    if ((int64_t)(b - fl_load(&d->top, relaxed)) < 0) /* hint: top only grows, so empty is "
     "empty */\n        return NULL;\n", ""),
    ("pop takes one for none, before it lowers bottom", "core/queue/deque.c",
     "    if ((int64_t)(b - fl_load(&d->top, relaxed)) < 0) /* hint: top only grows, so empty is "
     "empty */\n        return NULL;\n",
     "    if ((int64_t)(b - fl_load(&d->top, relaxed)) <= 0)\n        return NULL;\n"),
    ("pop does not ask whether it was empty after it has lowered bottom", "core/queue/deque.c",
     "    if ((int64_t)(b - t) < 0) {               /* it was empty */",
     "    if (false) {"),
    ("pop takes one for none, after it has lowered bottom", "core/queue/deque.c",
     "    if ((int64_t)(b - t) < 0) {               /* it was empty */",
     "    if ((int64_t)(b - t) <= 0) {"),
    ("pop takes the last one without a CAS", "core/queue/deque.c",
     "    if (t != b)\n        return task;", "    if (true)\n        return task;"),
    ("pop takes every one by CAS", "core/queue/deque.c",
     "    if (t != b)\n        return task;\n", ""),
    ("is_last looks into an empty deque", "core/queue/deque.c",
     "    if ((int64_t)(b - fl_load(&d->top, relaxed)) < 0) /* hint: top only grows, so empty is "
     "empty */\n        return false;\n", ""),
    ("is_last takes one for none", "core/queue/deque.c",
     "    if ((int64_t)(b - fl_load(&d->top, relaxed)) < 0) /* hint: top only grows, so empty is "
     "empty */\n        return false;\n",
     "    if ((int64_t)(b - fl_load(&d->top, relaxed)) <= 0)\n        return false;\n"),
    ("steal takes from an empty deque", "core/queue/deque.c",
     "        if ((int64_t)(b - t) <= 0)\n            return NULL;\n        struct fl_slots",
     "        if ((int64_t)(b - t) < 0)\n            return NULL;\n        struct fl_slots"),
    ("steal leaves the last one", "core/queue/deque.c",
     "        if ((int64_t)(b - t) <= 0)\n            return NULL;\n        struct fl_slots",
     "        if ((int64_t)(b - t) <= 1)\n            return NULL;\n        struct fl_slots"),
    ("steal_if takes from an empty deque", "core/queue/deque.c",
     "if ((int64_t)(b - t) <= 0 || ", "if ((int64_t)(b - t) < 0 || "),
    ("steal_if takes what lies below the floor", "core/queue/deque.c",
     " || (int64_t)(t - floor) < 0)", ")"),
    ("steal_if leaves what lies on the floor", "core/queue/deque.c",
     "(int64_t)(t - floor) < 0)", "(int64_t)(t - floor) <= 0)"),
    ("steal_if does not ask again before its CAS", "core/queue/deque.c",
     "        if (only_if != NULL && !only_if(arg))\n            return NULL;\n", ""),
    ("shift takes from an empty lane, by the bottom last seen", "core/queue/deque.c",
     "acquire) - t) <= 0) { /* D12 */", "acquire) - t) < 0) {"),
    ("shift takes from an empty lane", "core/queue/deque.c",
     "            if ((int64_t)(b - t) <= 0)\n                return NULL;",
     "            if ((int64_t)(b - t) < 0)\n                return NULL;"),
    ("an empty deque does not look empty", "core/queue/deque.c",
     "return (int64_t)(fl_look(&d->bottom) - t) <= 0;",
     "return (int64_t)(fl_look(&d->bottom) - t) < 0;"),
    ("a deque of one looks empty", "core/queue/deque.c",
     "return (int64_t)(fl_look(&d->bottom) - t) <= 0;",
     "return (int64_t)(fl_look(&d->bottom) - t) <= 1;"),

    # future.c, waiter.c, wait.c
    ("a move of the state tests the phase once, not at every try", "core/future/future.c",
     """    do {
        if ((*before & FL_PHASE) != from)
            return false;
    } while (""",
     """    if ((*before & FL_PHASE) != from)
        return false;
    do {
    } while ("""),
    ("whoever is about to sleep tests the phase once, not at every try", "core/future/future.c",
     """    do {
        if ((state & FL_PHASE) >= FL_OVER)
            return false;
        if""",
     """    if ((state & FL_PHASE) >= FL_OVER)
        return false;
    do {
        if"""),
    ("what has just finished is not over", "core/future/future.c",
     "        if ((state & FL_PHASE) >= FL_OVER)\n            return false;",
     "        if ((state & FL_PHASE) > FL_OVER)\n            return false;"),
    ("the last reference is always counted down", "core/future/future.c",
     "if (fl_load(&f->refs, acquire) == 1 || fl_sub(", "if (fl_sub("),
    ("a node is pushed on what was closed meanwhile", "core/future/waiter.c",
     """    do {
        if (head == CLOSED)
            return false;
        node->next""",
     """    if (head == CLOSED)
        return false;
    do {
        node->next"""),
    ("whoever joins walks a list that is closed", "core/future/waiter.c",
     "    if (head == CLOSED)\n        return 0;\n", ""),
    ("a listener moves in where it has seen a vacant node before", "core/future/waiter.c",
     "        fl_cas(&node->target, &vacant, l, release, relaxed)) /* V4; hint: the future is over */",
     "        vacant == VACANT && (fl_store(&node->target, l, release), true))"),
    ("a waiter leaves a node that may have been told", "core/future/waiter.c",
     "    if (!fl_cas(&node->target, &mine, VACANT, relaxed,\n                relaxed)) "
     "/* settled by V11; hint: it is told */\n        return false;",
     "    if (fl_load(&node->target, relaxed) != mine)\n        return false;\n"
     "    fl_store(&node->target, VACANT, relaxed);"),
    ("a vacant node is told", "core/future/waiter.c",
     "    if (l == VACANT)\n        return;\n", ""),
    ("the queue is armed without looking whether something has come", "core/future/queue.c",
     "    if (fl_cas(&q->done, &none, ARMED, release, relaxed)) /* Q3; hint: tried as armed next */\n"
     "        return true;",
     "    if (none == NULL && (fl_store(&q->done, ARMED, release), true))\n        return true;"),
    ("a consumer sleeps without looking at the queue again", "core/future/queue.c",
     "if (!fl_queue_arm(q) || fl_queue_has(q))", "if (fl_queue_arm(q), q->ready != NULL)"),
    ("what comes after a queue was closed is put all the same", "core/future/queue.c",
     "        if (head == CLOSED) {\n            filch_future_release(f); /* the settler's own is left */"
     "\n            return;\n        }\n", ""),
    ("a group that has fired fires again", "core/future/waiter.c",
     "if (enough && fl_swap(&g->fired, 1, release) == 0)",
     "if (enough && (fl_swap(&g->fired, 1, release), true))"),
    ("a floor is believed without another look at the state", "core/future/wait.c",
     "fl_load(&f->floor, acquire), is_running, f)", "fl_load(&f->floor, acquire), NULL, f)"),
    ("a thread sleeps on a state that it has not looked at again", "core/future/wait.c",
     "        if ((state & FL_PHASE) < FL_OVER && (state & FL_WAITED) != 0 &&\n"
     "            fl_futex_wait",
     "        if (fl_futex_wait"),
    ("a wait for one that times out does not look again", "core/future/wait.c",
     "            fl_futex_wait(&f->state, state, deadline) != 0)\n"
     "            return is_over(f) ? 0 : FILCH_ETIMEDOUT;",
     "            fl_futex_wait(&f->state, state, deadline) != 0)\n"
     "            return FILCH_ETIMEDOUT;"),
    ("a wait for many believes the first wake", "core/future/wait_many.c",
     "    while (!has_fired(g)) {\n        if (fl_futex_wait",
     "    if (!has_fired(g)) {\n        if (fl_futex_wait"),
    ("a future that is over already is not counted as told", "core/future/wait_many.c",
     "        if (nodes[i] == NULL)\n"
     "            fl_group_tell(g, status == 0 ? futures[i] : NULL);\n",
     ""),

    # base/
    ("a block is returned to a slab that was retired meanwhile", "core/base/slab.c",
     """    do {
        if (head == RETIRED)
            return false;
        b->next""",
     """    if (head == RETIRED)
        return false;
    do {
        b->next"""),
    ("whoever waits for a lock believes the first wake", "core/base/futex.c",
     "    while (fl_swap(&l->word, 2, acquire) != 0) /* K2 */",
     "    if (fl_swap(&l->word, 2, acquire) != 0)"),
    ("whoever leaves a lock wakes nobody", "core/base/futex.c",
     "if (fl_swap(&l->word, 0, release) == 2)", "if (fl_swap(&l->word, 0, release) > 2)"),
]
