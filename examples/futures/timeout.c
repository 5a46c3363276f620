/* SPDX-License-Identifier: MIT
 *
 * timeout.c: an answer in time, or another one in its place. In Python:
 *
 *     future = executor.submit(look_up, name)
 *     try:
 *         answer = future.result(timeout=0.02)
 *     except TimeoutError:
 *         future.cancel()
 *         answer = "unknown"
 *
 * Here no thread waits for it: what is in time or not is a future again, and so is the answer. And what
 * runs later, or every so often, as sched and threading.Timer do. */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "timeout: %s\n", filch_strerror(status));
    exit(1);
}

/* Who answers does so by hand, later, or never. */
static int answer(void *future, void **result)
{
    *result = NULL;
    filch_promise_set_result(future, "192.0.2.1");
    return 0;
}

static int or_unknown(filch_future *in_time, void *arg, void **result)
{
    int status = filch_future_result(in_time, FILCH_NOW, result);

    if (status == FILCH_ETIMEDOUT) {
        *result = arg;
        status = 0;
    }
    return status;
}

/* The answer to question, or "unknown" if there is none in time. */
static filch_future *with_fallback(filch_executor *executor, filch_future *question, int64_t ms)
{
    filch_future *in_time, *either;

    check(filch_timeout(question, executor, filch_in_ms(ms), FILCH_TIMEOUT_CANCEL, &in_time));
    check(filch_then(in_time, NULL, FILCH_THEN_ALWAYS, or_unknown, "unknown", &either));
    filch_future_release(in_time);
    return either;
}

static void print(const char *name, filch_future *either)
{
    void *text;

    check(filch_future_result(either, FILCH_FOREVER, &text));
    printf("%s: %s\n", name, (const char *)text);
    filch_future_release(either);
}

/* Fails, which ends it, at the third time. */
static int count_to_three(void *arg, void **result)
{
    int *n = arg;

    (void)result;
    printf("%d\n", ++*n);
    return *n == 3;
}

int main(void)
{
    FILCH_SCOPED_POOL(executor, NULL);
    filch_future *quick, *never, *counting;
    int n = 0;

    if (executor == NULL)
        return 1;
    check(filch_promise_create(&quick));
    check(filch_promise_create(&never));
    check(filch_submit_at(executor, filch_in_ms(1), answer, quick, NULL));
    print("quick", with_fallback(executor, quick, 60000));
    print("never", with_fallback(executor, never, 20));
    filch_future_result(never, FILCH_FOREVER, NULL); /* it is cancelled by then */
    printf("never was cancelled: %s\n", filch_future_cancelled(never) ? "yes" : "no");
    filch_future_release(quick);
    filch_future_release(never);

    check(filch_submit_every(executor, filch_in_ms(1), 1000000, count_to_three, &n, &counting));
    filch_future_result(counting, FILCH_FOREVER, NULL);
    filch_future_release(counting);
    return 0;
}
