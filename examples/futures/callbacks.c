/* SPDX-License-Identifier: MIT
 *
 * callbacks.c: to be called when a future is over. In Python:
 *
 *     future = executor.submit(fetch, gate)
 *     future.add_done_callback(lambda f: print("first:", f.result()))
 *     future.add_done_callback(lambda f: print("second:", f.result()))
 *
 * Callbacks run in the order added, in the thread that completes or cancels the future; one that comes
 * late runs at once in the thread that adds it. As in Python, result() may return before they have
 * run; the end of the executor waits for them. */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "callbacks: %s\n", filch_strerror(status));
    exit(1);
}

/* What the gate is opened with is what was fetched. */
static int fetch(void *gate, void **result)
{
    return filch_future_result(gate, FILCH_FOREVER, result);
}

static void print_outcome(filch_future *f, void *who)
{
    void *result = NULL;
    int status = filch_future_result(f, FILCH_NOW, &result);

    printf("%s: %s\n", (const char *)who, status == 0 ? (char *)result : filch_strerror(status));
}

static void add(filch_future *f, const char *who)
{
    check(filch_future_add_done_callback(f, print_outcome, (void *)who));
}

int main(void)
{
    filch_executor *executor;
    filch_future *gate;
    filch_future *future;

    check(filch_executor_create(&executor, NULL));
    check(filch_promise_create(&gate));
    check(filch_submit(executor, fetch, gate, &future));
    add(future, "first");
    add(future, "second");
    check(filch_promise_set_result(gate, "a page"));
    filch_executor_destroy(executor); /* the worker has called both */
    add(future, "late");
    filch_future_release(future);
    filch_future_release(gate);

    filch_future *never;
    check(filch_promise_create(&never));
    add(never, "cancelled");
    if (!filch_future_cancel(never)) /* calls it here */
        return 1;
    filch_future_release(never);
    return 0;
}
