/* SPDX-License-Identifier: MIT
 *
 * cpus.h: how many CPUs this process may keep busy.
 *
 * The least of three: the affinity mask, the cgroup quota at every level above the process, and
 * FILCH_CPU_LIMIT in the environment. The parsers are pure, text in and number out, so that tests
 * reach every odd file without a container. What cannot be read or understood limits nothing. */
#ifndef FL_BASE_CPUS_H
#define FL_BASE_CPUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CPUs as thousandths, rounded up: half a CPU is a number. FL_CPUS_UNLIMITED is no limit. */
#define FL_CPUS_UNLIMITED UINT32_MAX

/* cgroup v2 cpu.max: "max 100000" or "150000 100000". False: not in that form. */
bool fl_cpus_parse_max(const char *text, uint32_t *millis);

/* cgroup v1: cpu.cfs_quota_us (-1: none) and cpu.cfs_period_us. False: not in that form. */
bool fl_cpus_parse_cfs(const char *quota, const char *period, uint32_t *millis);

/* /proc/self/cgroup: the path of the unified hierarchy ("0::/a/b") or of v1's cpu controller.
 * Writes the path with its end into out. False: no such line, or longer than size. */
bool fl_cpus_parse_cgroup(const char *text, bool unified, char *out, size_t size);

/* /proc/self/mountinfo: where the unified hierarchy or v1's cpu controller is mounted, and which
 * path of the hierarchy its root is. The first such line counts. False as above. */
bool fl_cpus_parse_mount(const char *text, bool unified, char *mount, size_t mount_size, char *root,
                         size_t root_size);

/* FILCH_CPU_LIMIT: "2", "1.5". False for 0 and for nonsense: no limit. */
bool fl_cpus_parse_limit(const char *text, uint32_t *millis);

/* The files' root is "" outside tests. Walks from the process's group to the top of the mount.
 * Allocates nothing and takes 20 KiB of stack. */
uint32_t fl_cpus_quota(const char *root);

/* CPUs in the calling thread's affinity mask, also beyond 1024; at least 1. */
unsigned fl_cpus_affinity(void);

/* The least of all, rounded up, at least 1. */
unsigned fl_cpus_budget(void);

#endif /* FL_BASE_CPUS_H */
