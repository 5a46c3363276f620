/* SPDX-License-Identifier: MIT
 *
 * basic_submit.c: one call, and its result later. In Python:
 *
 *     with ThreadPoolExecutor(max_workers=1) as executor:
 *         future = executor.submit(pow, 323, 1235, 1000003)
 *         print(future.result())
 *
 * A task takes one pointer. filch_submit_copy gives it a copy of what that points to, as submit keeps
 * its *args: here they may go before the task runs. */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "basic_submit: %s\n", filch_strerror(status));
    exit(1);
}

struct args {
    uint64_t base, exponent, modulus;
};

static int power(void *arg, void **result)
{
    const struct args *a = arg;
    uint64_t value = 1;

    for (uint64_t i = 0; i < a->exponent; i++)
        value = value * a->base % a->modulus;
    *result = (void *)(uintptr_t)value;
    return 0;
}

static filch_future *submit_power(filch_executor *executor)
{
    struct args a = {323, 1235, 1000003};
    filch_future *future;

    check(filch_submit_copy(executor, power, &a, sizeof a, &future));
    return future;
}

int main(void)
{
    filch_options options = {.size = sizeof options, .workers = 1};
    FILCH_SCOPED_POOL(executor, &options);
    void *result;

    if (executor == NULL)
        return 1;
    filch_future *future = submit_power(executor);
    check(filch_future_result(future, FILCH_FOREVER, &result));
    printf("%ju\n", (uintmax_t)(uintptr_t)result);
    filch_future_release(future);
    return 0;
}
