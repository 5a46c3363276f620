/* SPDX-License-Identifier: MIT
 *
 * errors_and_timeouts.c: what can come in place of a result. In Python:
 *
 *     try: print(future.result(timeout=0.01))
 *     except TimeoutError: print("not yet")    # the call goes on
 *     except CancelledError: print("cancelled")
 *     except ZeroDivisionError as error: print(error)
 *
 * In C it is one status: 0, a negative one of filch's, or a positive one, the task's own. */
#include <errno.h>
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "errors_and_timeouts: %s\n", filch_strerror(status));
    exit(1);
}

static void print_outcome(const char *name, filch_future *f, filch_deadline deadline)
{
    void *result;
    int status = filch_future_result(f, deadline, &result);

    if (status == 0)
        printf("%s: %s\n", name, (char *)result);
    else if (status == FILCH_ETIMEDOUT)
        printf("%s: not yet\n", name);
    else if (status == FILCH_ECANCELED)
        printf("%s: cancelled\n", name);
    else
        printf("%s: error %s\n", name, status == EDOM ? "EDOM" : filch_strerror(status));
}

static int fetch(void *gate, void **result)
{
    return filch_future_result(gate, FILCH_FOREVER, result);
}

static int divide_by_zero(void *arg, void **result)
{
    (void)arg;
    (void)result;
    return EDOM;
}

int main(void)
{
    FILCH_SCOPED_POOL(executor, NULL);
    filch_future *gate, *slow, *failing, *by_hand, *unwanted;
    filch_error error;

    if (executor == NULL)
        return 1;
    check(filch_promise_create(&gate));
    check(filch_submit(executor, fetch, gate, &slow));
    print_outcome("slow", slow, filch_in_ms(10));
    check(filch_promise_set_result(gate, "here it is"));
    print_outcome("slow", slow, FILCH_FOREVER);
    check(filch_submit(executor, divide_by_zero, NULL, &failing));
    print_outcome("failing", failing, FILCH_FOREVER);

    check(filch_promise_create(&by_hand));
    check(filch_promise_set_error(by_hand, EIO, "the disk is on fire"));
    check(filch_future_error(by_hand, FILCH_NOW, &error));
    printf("by hand: %s: %s\n", error.domain, error.message);

    check(filch_promise_create(&unwanted));
    if (filch_future_cancel(unwanted))
        print_outcome("unwanted", unwanted, FILCH_NOW);
    filch_future *all[] = {gate, slow, failing, by_hand, unwanted};
    for (int i = 0; i < 5; i++)
        filch_future_release(all[i]);
    return 0;
}
