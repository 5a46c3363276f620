/* SPDX-License-Identifier: MIT
 *
 * mapped.c: one function over many arguments, results in their order. In Python:
 *
 *     with ProcessPoolExecutor() as executor:
 *         for number, prime in zip(PRIMES, executor.map(is_prime, PRIMES)):
 *             print('%d is prime: %s' % (number, prime))
 *
 * Threads are enough here. The arguments come from a function, so there may be any number of them; a
 * window of them is under way at a time, as with Python's buffersize. */
#include <filch/filch.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    N = 6
};

static uint64_t primes[N] = {112272535095293, 112582705942171, 112272535095293,
                             115280095190773, 115797848077099, 1099726899285419};

static void check(int status)
{
    if (status == 0)
        return;
    fprintf(stderr, "mapped: %s\n", filch_strerror(status));
    exit(1);
}

static bool is_prime(uint64_t n)
{
    if (n < 2 || (n % 2 == 0 && n != 2))
        return false;
    for (uint64_t i = 3; i * i <= n; i += 2) {
        if (n % i == 0)
            return false;
    }
    return true;
}

static int is_prime_task(void *number, void **result)
{
    *result = is_prime(*(uint64_t *)number) ? "True" : "False";
    return 0;
}

static bool next_number(void *source, void **arg)
{
    size_t *taken = source;

    if (*taken == N)
        return false;
    *arg = &primes[(*taken)++];
    return true;
}

int main(void)
{
    FILCH_SCOPED_POOL(executor, NULL);
    filch_map_iter *results;
    size_t taken = 0;
    void *prime;
    int status;

    if (executor == NULL)
        return 1;
    check(filch_map(executor, is_prime_task, next_number, &taken, NULL, &results));
    for (size_t i = 0; (status = filch_map_next(results, &prime)) != FILCH_EEND; i++) {
        check(status);
        printf("%" PRIu64 " is prime: %s\n", primes[i], (char *)prime);
    }
    filch_map_close(results);
    return 0;
}
