/* SPDX-License-Identifier: MIT
 *
 * first_error.c: give the rest up when one has failed. In Python:
 *
 *     done, not_done = wait(futures, return_when=FIRST_EXCEPTION)
 *     for future in not_done:
 *         print(future.cancel())
 *
 * What runs can't be cancelled, what is queued can. There is one worker, and "download" keeps it: it
 * blocks on a semaphore, of which filch knows nothing, so that nobody takes its place. */
#include <errno.h>
#include <filch/filch.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static filch_future *started;
static sem_t arrived;

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "first_error: %s\n", filch_strerror(status));
    exit(1);
}

static int read_settings(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return ENOENT; /* a positive status is the task's own */
}

static int download(void *arg, void **result)
{
    filch_promise_set_result(started, NULL);
    while (sem_wait(&arrived) != 0)
        ;
    *result = arg;
    return 0;
}

int main(void)
{
    filch_options options = {.size = sizeof options, .workers = 1};
    FILCH_SCOPED_POOL(executor, &options);
    filch_future *futures[3];

    if (executor == NULL || sem_init(&arrived, 0, 0) != 0)
        return 1;
    check(filch_promise_create(&started));
    check(filch_submit(executor, read_settings, NULL, &futures[0]));
    check(filch_submit(executor, download, "one", &futures[1]));
    check(filch_submit(executor, download, "two", &futures[2]));

    if (filch_wait(futures, 3, FILCH_FIRST_EXCEPTION, FILCH_FOREVER) != 1)
        return 1;
    int error = filch_future_result(futures[0], FILCH_NOW, NULL);
    printf("read_settings: %s\n", strerror(error));

    check(filch_future_result(started, FILCH_FOREVER, NULL));
    for (int i = 1; i < 3; i++)
        printf("cancel download %d: %s\n", i, filch_future_cancel(futures[i]) ? "yes" : "no");
    sem_post(&arrived);
    for (int i = 1; i < 3; i++) {
        int status = filch_future_result(futures[i], FILCH_FOREVER, NULL);
        printf("download %d: %s\n", i, status == 0 ? "done" : filch_strerror(status));
    }
    for (int i = 0; i < 3; i++)
        filch_future_release(futures[i]);
    filch_future_release(started);
    return 0;
}
