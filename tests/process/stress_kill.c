/* SPDX-License-Identifier: MIT
 *
 * stress_kill.c: workers killed at random under load; every future is accounted for, and nothing is left over. */
/* seconds: 600 */
#include <dirent.h>
#include <pthread.h>

#include "process/jobs.h"

#include "base/compiler.h"
#include "base/random.h"

enum {
    WORKERS = 3,
    AT_ONCE = 64
};

static unsigned count_lines(const char *name, const char *with)
{
    FILE *file = fopen(name, "r");
    char line[512];
    unsigned n = 0;

    assert_non_null(file);
    while (fgets(line, sizeof line, file) != NULL)
        n += strstr(line, with) != NULL;
    fclose(file);
    return n;
}

/* Processes of this program, which nobody else runs: this one, who watches it, and what it has started. */
static unsigned count_processes(void)
{
    DIR *d = opendir("/proc");
    const struct dirent *entry;
    char own[512];
    ssize_t len = readlink("/proc/self/exe", own, sizeof own);
    unsigned n = 0;

    assert_non_null(d);
    assert_true(len > 0);
    while ((entry = readdir(d)) != NULL) {
        char name[300];
        char other[512];

        if (entry->d_name[0] < '0' || entry->d_name[0] > '9')
            continue;
        snprintf(name, sizeof name, "/proc/%s/exe", entry->d_name);
        n += readlink(name, other, sizeof other) == len && memcmp(other, own, (size_t)len) == 0;
    }
    closedir(d);
    return n;
}

struct killing {
    filch_executor *ex;
    uint64_t seed;
    size_t kills, wanted;
    int is_over;
};

static void *killer(void *arg)
{
    struct killing *k = arg;

    while (k->kills < k->wanted && __atomic_load_n(&k->is_over, __ATOMIC_ACQUIRE) == 0) {
        uint64_t x = fl_random(&k->seed);
        int pid = filch_process_pid(k->ex, (unsigned)(x % WORKERS));

        if (pid != 0 && kill(pid, SIGKILL) == 0)
            k->kills++;
        usleep((useconds_t)(x >> 32) % 1000);
    }
    __atomic_store_n(&k->is_over, 1, __ATOMIC_RELEASE);
    return NULL;
}

TEST(every_future_is_accounted_for_whenever_workers_are_killed)
{
    filch_executor *ex =
        processes_with((filch_process_options){.workers = WORKERS, .ring_bytes = 1 << 16});
    struct killing k = {.ex = ex, .seed = test_seed() | 1, .wanted = test_scaled(10000)};
    uint64_t seed = test_seed() * 3 + 1;
    unsigned char *bytes = calloc(1, 100000);
    size_t submitted = 0, crashed = 0, done = 0;
    unsigned fds = count_in("/proc/self/fd");
    pthread_t thread;

    assert_non_null(bytes);
    assert_int_equal(pthread_create(&thread, NULL, killer, &k), 0);
    while (__atomic_load_n(&k.is_over, __ATOMIC_ACQUIRE) == 0) {
        filch_future *f[AT_ONCE];
        size_t lengths[AT_ONCE];

        for (int i = 0; i < AT_ONCE; i++) {
            uint64_t x = fl_random(&seed);

            lengths[i] = x % 64 == 0 ? x % 100000 : x % 200; /* some go far */
            f[i] = submit(ex, "echo", bytes, lengths[i]);
            submitted++;
        }
        for (int i = 0; i < AT_ONCE; i++) {
            void *result;
            int status = filch_future_result(f[i], FILCH_FOREVER, &result);

            if (status == 0) {
                assert_int_equal(((const filch_buffer *)result)->len, lengths[i]);
                done++;
            } else {
                assert_int_equal(status, FILCH_ECRASHED);
                crashed++;
            }
            filch_future_release(f[i]);
        }
    }
    pthread_join(thread, NULL);
    assert_int_equal(done + crashed, submitted);
    assert_true(crashed <= k.kills);
    for (int i = 0; i < 100; i++)
        expect_echo(ex, "after", 5);
    while (stats_of(ex).alive < WORKERS)
        usleep(1000);
    await_count("/proc/self/fd", fds); /* those of the last one to die are being closed */
    printf("%zu kills, %zu jobs, %zu of them crashed\n", k.kills, submitted, crashed);
    filch_executor_destroy(ex);
    free(bytes);
}

TEST(a_hundred_thousand_jobs_leave_nothing_behind)
{
    size_t jobs = test_scaled(100000);
    unsigned fds = count_in("/proc/self/fd");
    unsigned maps = count_lines("/proc/self/maps", "memfd:filch");
    unsigned threads = count_in("/proc/self/task");
    unsigned processes_before = count_processes();

    for (int round = 0; round < 4; round++) {
        filch_executor *ex = processes(2);

        for (size_t i = 0; i < jobs / 4; i += AT_ONCE) {
            filch_future *f[AT_ONCE];

            for (size_t k = 0; k < AT_ONCE; k++)
                f[k] = submit(ex, "echo", &k, sizeof k);
            for (size_t k = 0; k < AT_ONCE; k++)
                expect(f[k], &k, sizeof k);
        }
        filch_executor_destroy(ex);
    }
    await_count("/proc/self/fd", fds);
    assert_int_equal(count_lines("/proc/self/maps", "memfd:filch"), maps);
    await_count("/proc/self/task", threads);
    while (count_processes() > processes_before)
        usleep(1000); /* the last of them is being buried */
}
