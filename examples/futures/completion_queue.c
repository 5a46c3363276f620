/* SPDX-License-Identifier: MIT
 *
 * completion_queue.c: results that come into an event loop, here epoll. In Python:
 *
 *     loop = asyncio.get_running_loop()
 *     calls = [loop.run_in_executor(executor, cube, i) for i in range(10)]
 *     print(await asyncio.gather(*calls))
 *
 * The queue's descriptor is one more source of the loop, readable while there is something to take.
 * Futures come in the order in which they end; each call keeps its result in its own place. */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    N = 10
};

struct call {
    int number, cube;
};

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "completion_queue: %s\n", filch_strerror(status));
    exit(1);
}

static int cube(void *arg, void **result)
{
    struct call *call = arg;

    call->cube = call->number * call->number * call->number;
    *result = call;
    return 0;
}

int main(void)
{
    FILCH_SCOPED_POOL(executor, NULL);
    struct epoll_event event = {.events = EPOLLIN};
    int loop = epoll_create1(EPOLL_CLOEXEC);
    struct call calls[N];
    filch_future *future;
    filch_cq *cq;

    if (executor == NULL || loop < 0)
        return 1;
    check(filch_cq_create(&cq));
    if (epoll_ctl(loop, EPOLL_CTL_ADD, filch_cq_fd(cq), &event) != 0)
        return 1;
    for (int i = 0; i < N; i++) {
        calls[i].number = i;
        check(filch_submit(executor, cube, &calls[i], &future));
        check(filch_cq_add(cq, future));
        filch_future_release(future); /* the queue gives one of its own */
    }
    for (int left = N; left > 0;) {
        if (epoll_wait(loop, &event, 1, -1) != 1)
            continue;
        for (; filch_cq_take(cq, &future, 1) == 1; left--) {
            check(filch_future_result(future, FILCH_NOW, NULL));
            filch_future_release(future);
        }
    }
    filch_cq_destroy(cq);
    close(loop);
    for (int i = 0; i < N; i++)
        printf("%d%c", calls[i].cube, i < N - 1 ? ' ' : '\n');
    return 0;
}
