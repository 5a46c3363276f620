/* SPDX-License-Identifier: MIT
 *
 * forks.h of the simulator: included before all else, because <filch/fork.h> has a thread-local variable
 * where there are fibers here: each has its own. */
#ifndef FL_SIM_FORKS_H
#define FL_SIM_FORKS_H

struct filch_forks *sim_forks(void);

#define FILCH_FORKS sim_forks()

#endif /* FL_SIM_FORKS_H */
