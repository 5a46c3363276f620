/* SPDX-License-Identifier: MIT
 *
 * filch/filch.h: all of filch, in the order a newcomer reads it.
 *
 *     #include <filch/filch.h>    cc program.c $(pkg-config --cflags --libs filch) */
#ifndef FILCH_FILCH_H
#define FILCH_FILCH_H

#include <filch/base.h>
#include <filch/cq.h>
#include <filch/executor.h>
#include <filch/fork.h>
#include <filch/future.h>
#include <filch/job.h>
#include <filch/loop.h>
#include <filch/map.h>
#include <filch/process.h>
#include <filch/scope.h>
#include <filch/stats.h>
#include <filch/submit.h>
#include <filch/task.h>
#include <filch/then.h>
#include <filch/timer.h>
#include <filch/wait.h>

#endif /* FILCH_FILCH_H */
