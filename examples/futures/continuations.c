/* SPDX-License-Identifier: MIT
 *
 * continuations.c: what comes after a future. In Python, at the price of a thread that waits:
 *
 *     page = executor.submit(fetch, url)
 *     words = executor.submit(lambda: len(page.result().split()))
 *     print(words.result())
 *
 * Here nothing waits: count_words is queued once the page is there. An error skips it and goes on. */
#include <errno.h>
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *pages[] = {"all that is gold does not glitter", "not all those who wander are lost"};

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "continuations: %s\n", filch_strerror(status));
    exit(1);
}

static int fetch(void *page, void **result)
{
    *result = page;
    return page != NULL ? 0 : ENOENT;
}

static int count_words(filch_future *page, void *arg, void **result)
{
    void *text;
    intptr_t n = 0;

    (void)arg;
    check(filch_future_result(page, FILCH_NOW, &text));
    for (const char *at = text; at != NULL; at = strchr(at + 1, ' '))
        n++;
    *result = (void *)n;
    return 0;
}

static filch_future *words_of(filch_executor *executor, char *text)
{
    filch_future *page;
    filch_future *words;

    check(filch_submit(executor, fetch, text, &page));
    check(filch_then(page, executor, 0, count_words, NULL, &words));
    filch_future_release(page);
    return words;
}

int main(void)
{
    FILCH_SCOPED_POOL(executor, NULL);
    filch_future *words[3], *all;
    char *texts[3] = {pages[0], pages[1], NULL};

    if (executor == NULL)
        return 1;
    for (int i = 0; i < 3; i++)
        words[i] = words_of(executor, texts[i]);
    check(filch_all(words, 2, &all)); /* one future for those that go well */
    check(filch_future_result(all, FILCH_FOREVER, NULL));
    filch_future_release(all);
    for (int i = 0; i < 3; i++) {
        void *n;
        int status = filch_future_result(words[i], FILCH_FOREVER, &n);
        if (status == 0)
            printf("%d words\n", (int)(intptr_t)n);
        else
            printf("no page: %s\n", strerror(status));
        filch_future_release(words[i]);
    }
    return 0;
}
