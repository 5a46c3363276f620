/* SPDX-License-Identifier: MIT
 *
 * pools.c: the list of the sides. filch and what stands behind its API are part of the program. Every other
 * pool's adapter is a file of its own, pools/NAME.so beside the program, which is there if the pool was
 * installed when this was built: so the program itself needs none of them. */
#include "driver/pools.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "pools/filch.h"

static const struct {
    const char *name;
    const char *file;    /* NULL: part of the program */
    const char *package; /* Debian's; NULL: always there */
} list[SIDES] = {
    [SIDE_FILCH] = {"filch", NULL, NULL},
    [SIDE_MALLOC] = {"f-malloc", NULL, NULL},
    [SIDE_NAIVE] = {"naive", NULL, NULL},
    [SIDE_CK] = {"ck", NULL, NULL},
    [SIDE_PIPES] = {"pipes", NULL, NULL},
    {"global", NULL, NULL},
    {"spawn", NULL, NULL},
    {"async", "async", NULL},
    {"tbb", "tbb", "libtbb-dev"},
    {"tbb-group", "tbb", "libtbb-dev"},
    {"libgomp", "libgomp", "gcc"},
    {"libomp", "libomp", "clang and libomp-dev"},
    {"asio", "asio", "libboost-dev"},
    {"asio-post", "asio", "libboost-dev"},
    {"glib", "glib", "libglib2.0-dev"},
    {"libuv", "libuv", "libuv1-dev"},
    {"fork", NULL, NULL},
    {"exec", NULL, NULL},
    {"python", NULL, NULL},
    [SIDE_MACHINE] = {"machine", NULL, NULL},
};

static bool chosen[SIDES] = {[SIDE_FILCH] = true,
                             [SIDE_NAIVE] = true,
                             [SIDE_CK] = true,
                             [SIDE_PIPES] = true,
                             [SIDE_MACHINE] = true};
static const struct pool *loaded[SIDES];
static char reasons[SIDES][160];

const char *pools_name(unsigned side)
{
    return list[side].name;
}

bool pools_is_own(unsigned side)
{
    return side == SIDE_FILCH || side == SIDE_NAIVE || side == SIDE_CK || side == SIDE_PIPES ||
           side == SIDE_MACHINE;
}

void pools_choose(const char *names)
{
    bool all = strcmp(names, "all") == 0;

    for (unsigned side = 0; side < SIDES; side++)
        chosen[side] = all || side == SIDE_MACHINE;
    while (!all && *names != '\0') {
        size_t n = strcspn(names, ",");
        unsigned side = 0;

        while (side < SIDES &&
               (strlen(list[side].name) != n || strncmp(list[side].name, names, n) != 0))
            side++;
        if (side == SIDES)
            bench_die("no pool is called %.*s", (int)n, names);
        chosen[side] = true;
        names += n + (names[n] == ',');
    }
}

bool pools_is_chosen(unsigned side)
{
    return chosen[side];
}

static const struct pool *load(unsigned side)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 64);
    char *slash;

    if (n <= 0)
        bench_die("/proc/self/exe does not say where this program is");
    path[n] = '\0';
    slash = strrchr(path, '/');
    snprintf(slash, 64, "/pools/%s.so", list[side].file);
    if (access(path, R_OK) != 0) {
        snprintf(reasons[side], sizeof reasons[side],
                 "not installed when this was built (%s; scripts/setup --peers)",
                 list[side].package != NULL ? list[side].package : list[side].file);
        return NULL;
    }
    void *so = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (so == NULL) {
        snprintf(reasons[side], sizeof reasons[side], "%s", dlerror());
        return NULL;
    }
    void *found = dlsym(so, "bench_pool");
    bench_pool_fn *get;

    _Static_assert(sizeof get == sizeof found, "POSIX: a function's address is an object's");
    memcpy(&get, &found, sizeof get);
    return get != NULL ? get(list[side].name) : NULL;
}

static const struct pool *own(unsigned side)
{
    const struct pool *pool = filch_pool(list[side].name);

    return pool != NULL ? pool : process_pool(list[side].name, reasons[side], sizeof reasons[side]);
}

const struct pool *pools_get(unsigned side, const char **why)
{
    if (loaded[side] == NULL && reasons[side][0] == '\0') {
        loaded[side] = list[side].file != NULL ? load(side) : own(side);
        if (loaded[side] == NULL && reasons[side][0] == '\0')
            snprintf(reasons[side], sizeof reasons[side], "this build has no such pool");
    }
    *why = loaded[side] == NULL ? reasons[side] : NULL;
    return loaded[side];
}
