/* SPDX-License-Identifier: MIT
 *
 * search/jobs.h: files searched in processes of their own, so that one that crashes whoever searches it
 * costs its own lines and nothing else.
 *
 * A job is visit() once more, with a path for what it is to visit, and its answer is what visit() says of the
 * node. What all of them have in common, the patterns first of all, each process is given once, when it
 * starts. A job that finds more than may wait gives nothing back; it is run anew when its lines are to be
 * printed, and then writes them to the standard output itself. */
#ifndef FILCH_EXAMPLES_SEARCH_JOBS_H
#define FILCH_EXAMPLES_SEARCH_JOBS_H

#include "search/visit.h"

/* First thing in main: in a process that is to run jobs it does not return. Returns 0 or a status of filch's. */
int jobs_begin(void);

/* Makes an executor whose jobs search for pattern as `search` says, and give back up to limit bytes each. */
int jobs_open(filch_executor **out, unsigned workers, const char *pattern, size_t limit);

/* Submits the job of a file; prints: it writes what it finds to the standard output. Returns a status. */
int job_submit(filch_executor *ex, struct node *node, bool prints);

/* Takes over into node what its job has come to, which is over, and puts its lines into out. Returns false if
 * there was no answer: the process has crashed, and out was told. */
bool job_take(struct node *node, struct sink *out);

#endif
