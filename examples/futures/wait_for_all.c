/* SPDX-License-Identifier: MIT
 *
 * wait_for_all.c: many calls, one wait. In Python:
 *
 *     futures = [executor.submit(len, word) for word in WORDS]
 *     done, not_done = wait(futures, timeout=60)
 *     print(len(done), "done,", len(not_done), "not done")
 *     print(sum(f.result() for f in done), "letters")
 *
 * The array is its own answer: what is done stands first, in the order given, and is counted. */
#include <filch/filch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *words[] = {"the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"};

enum {
    N = sizeof words / sizeof words[0]
};

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "wait_for_all: %s\n", filch_strerror(status));
    exit(1);
}

static int length(void *word, void **result)
{
    *result = (void *)strlen(word);
    return 0;
}

int main(void)
{
    FILCH_SCOPED_POOL(executor, NULL);
    filch_future *futures[N];
    size_t letters = 0;

    if (executor == NULL)
        return 1;
    for (size_t i = 0; i < N; i++)
        check(filch_submit(executor, length, words[i], &futures[i]));

    ptrdiff_t done = filch_wait(futures, N, FILCH_ALL_COMPLETED, filch_in_s(60));
    if (done < 0)
        check((int)done);
    printf("%td done, %td not done\n", done, N - done);
    for (ptrdiff_t i = 0; i < done; i++) {
        void *result;
        check(filch_future_result(futures[i], FILCH_NOW, &result));
        letters += (size_t)result;
    }
    printf("%zu letters\n", letters);
    for (size_t i = 0; i < N; i++)
        filch_future_release(futures[i]);
    return 0;
}
