/* SPDX-License-Identifier: MIT
 *
 * nested_futures.c: the two deadlocks of Python's documentation:
 *
 *     def wait_on_future():
 *         f = executor.submit(pow, 5, 2)
 *         print(f.result())    # This will never complete because there is only one worker thread
 *
 *     def wait_on_b(): return b.result()   # b will never complete because it is waiting on a
 *     def wait_on_a(): return a.result()   # a will never complete because it is waiting on b
 *
 * Here the first completes: a worker that waits runs what it waits for. Two that wait for each other
 * can't; a thread that runs both, as this one worker does, is told so. On two, a deadline ends it. */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>

static filch_executor *executor;
static filch_future *a, *b;

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "nested_futures: %s\n", filch_strerror(status));
    exit(1);
}

static int square(void *arg, void **result)
{
    *result = (void *)((intptr_t)arg * (intptr_t)arg);
    return 0;
}

static int wait_on_future(void *arg, void **result)
{
    filch_future *f;

    check(filch_submit(executor, square, arg, &f));
    int status = filch_future_result(f, FILCH_FOREVER, result);
    filch_future_release(f);
    return status;
}

static int wait_on(void *other, void **result)
{
    return filch_future_result(*(filch_future **)other, filch_in_s(60), result);
}

/* On the only worker, so that neither begins before both are there. */
static int submit_both(void *arg, void **result)
{
    (void)arg;
    (void)result;
    check(filch_submit(executor, wait_on, &b, &a));
    check(filch_submit(executor, wait_on, &a, &b));
    return 0;
}

int main(void)
{
    filch_options options = {.size = sizeof options, .workers = 1};
    filch_future *f[2];
    void *result;

    check(filch_executor_create(&executor, &options));
    check(filch_submit(executor, wait_on_future, (void *)5, &f[0]));
    check(filch_future_result(f[0], FILCH_FOREVER, &result));
    printf("5 squared: %d\n", (int)(intptr_t)result);
    check(filch_submit(executor, submit_both, NULL, &f[1]));
    check(filch_future_result(f[1], FILCH_FOREVER, NULL));
    printf("a: %s\n", filch_strerror(filch_future_result(a, FILCH_FOREVER, NULL)));
    printf("b: %s\n", filch_strerror(filch_future_result(b, FILCH_FOREVER, NULL)));
    filch_executor_destroy(executor);
    filch_future *all[] = {f[0], f[1], a, b};
    for (int i = 0; i < 4; i++)
        filch_future_release(all[i]);
    return 0;
}
