/* SPDX-License-Identifier: MIT
 *
 * as_completed.c: results as they come. In Python:
 *
 *     future_to_url = {executor.submit(load_url, url, 60): url for url in URLS}
 *     for future in as_completed(future_to_url):
 *         url = future_to_url[future]
 *         try:
 *             data = future.result()
 *         except Exception as exc:
 *             print('%r generated an exception: %s' % (url, exc))
 *         else:
 *             print('%r page is %d bytes' % (url, len(data)))
 *
 * The network is a promise for each page; they are kept in the order of "arrives". */
#include <errno.h>
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *urls[] = {"http://www.foxnews.com/", "http://www.cnn.com/",
                             "http://nonexistent.python.org/", "http://www.bbc.co.uk/"};
static char *pages[] = {"<html>Fox</html>", "<html>Cable News</html>", NULL, "<html></html>"};
static const int arrives[] = {3, 2, 0, 1};
static filch_future *network[4], *futures[4];

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "as_completed: %s\n", filch_strerror(status));
    exit(1);
}

static int load_url(void *answer, void **page)
{
    return filch_future_result(answer, filch_in_s(60), page);
}

static int answer(int i)
{
    return pages[i] != NULL ? filch_promise_set_result(network[i], pages[i])
                            : filch_promise_set_error(network[i], EHOSTUNREACH, NULL);
}

int main(void)
{
    FILCH_SCOPED_POOL(executor, NULL);
    filch_future *future;
    filch_completion *it;

    if (executor == NULL)
        return 1;
    for (int i = 0; i < 4; i++) {
        check(filch_promise_create(&network[i]));
        check(filch_submit(executor, load_url, network[i], &futures[i]));
    }
    check(filch_as_completed(&it, futures, 4, filch_in_s(60)));
    for (int n = 0; n < 4; n++) {
        void *page;
        int i = 0;

        check(answer(arrives[n]));
        check(filch_completion_next(it, &future));
        while (futures[i] != future)
            i++;
        int error = filch_future_result(future, FILCH_NOW, &page);
        if (error != 0)
            printf("'%s' generated an error: %s\n", urls[i], strerror(error));
        else
            printf("'%s' page is %zu bytes\n", urls[i], strlen(page));
        filch_future_release(future);
        filch_future_release(network[i]);
    }
    filch_completion_close(it);
    return 0;
}
