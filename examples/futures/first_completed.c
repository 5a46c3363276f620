/* SPDX-License-Identifier: MIT
 *
 * first_completed.c: several ask, the first answer counts. In Python:
 *
 *     futures = [executor.submit(ask, server) for server in SERVERS]
 *     done, not_done = wait(futures, return_when=FIRST_COMPLETED)
 *     print(done.pop().result(), "was first,", len(not_done), "to come")
 *
 * A server answers when its line is set: the lines are promises, so that this program, and not chance,
 * says who is first. */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    N = 3
};

static char *servers[N] = {"near", "far", "cached"};

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "first_completed: %s\n", filch_strerror(status));
    exit(1);
}

static int ask(void *line, void **result)
{
    return filch_future_result(line, FILCH_FOREVER, result);
}

static const char *answer_of(filch_future *f)
{
    void *answer;

    check(filch_future_result(f, FILCH_NOW, &answer));
    return answer;
}

int main(void)
{
    FILCH_SCOPED_POOL(executor, NULL);
    filch_future *lines[N];
    filch_future *futures[N];

    if (executor == NULL)
        return 1;
    for (int i = 0; i < N; i++) {
        check(filch_promise_create(&lines[i]));
        check(filch_submit(executor, ask, lines[i], &futures[i]));
    }
    check(filch_promise_set_result(lines[2], servers[2]));
    ptrdiff_t done = filch_wait(futures, N, FILCH_FIRST_COMPLETED, FILCH_FOREVER);
    if (done != 1)
        return 1;
    printf("%s was first, %td to come\n", answer_of(futures[0]), N - done);

    check(filch_promise_set_result(lines[1], servers[1]));
    check(filch_promise_set_result(lines[0], servers[0]));
    done = filch_wait(futures, N, FILCH_ALL_COMPLETED, FILCH_FOREVER);
    for (ptrdiff_t i = 0; i < done; i++)
        printf("%s\n", answer_of(futures[i]));
    for (int i = 0; i < N; i++) {
        filch_future_release(futures[i]);
        filch_future_release(lines[i]);
    }
    return done == N ? 0 : 1;
}
