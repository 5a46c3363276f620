/* SPDX-License-Identifier: MIT
 *
 * join.h: divided work, written once, for each pool to compile with its own means of fork and join; C and
 * C++.
 *
 * Before it is included there are to be defined
 *
 *     JOIN_FN(name, type, body)    a function that the pool can run, with body(type *) inside
 *     struct join_scope            whatever forks within one function share; a local variable
 *     struct join_task             one fork
 *     join_fork(&scope, &task, name, arg)    name may run from now on, elsewhere
 *     join_one(&scope, &task)      once for each fork, youngest first
 *     join_all(&scope)             after these: all are over
 *     join_root(pool, name, arg)   runs name on the pool, and returns when it is over
 *
 * and afterwards there is join_kernels, static. Work is divided down to the last task, but for the sorts,
 * which end with pieces of JOIN_LEAF numbers. */
#ifndef FL_BENCH_WORK_JOIN_H
#define FL_BENCH_WORK_JOIN_H

#include "pools/pool.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    JOIN_LEAF = 4096,
    JOIN_INSERTION = 24,
    JOIN_QUEENS_MAX = 16,
    JOIN_SKYNET_WAYS = 10,
    JOIN_TREE_ROOT = 2000, /* children of the root */
    JOIN_TREE_WAYS = 5     /* of any other node, or none */
};

/* ---- Fibonacci's numbers the wasteful way: nothing but forks */

struct join_fib {
    unsigned n;
    uint64_t value;
};

static void join_do_fib(struct join_fib *f);
JOIN_FN(join_fib_task, struct join_fib, join_do_fib)

static void join_do_fib(struct join_fib *f)
{
    if (f->n < 2) {
        f->value = f->n;
        return;
    }
    struct join_fib one;
    struct join_fib two;
    struct join_scope scope;
    struct join_task task;

    one.n = f->n - 1;
    two.n = f->n - 2;
    join_fork(&scope, &task, join_fib_task, &one);
    join_do_fib(&two);
    join_one(&scope, &task);
    join_all(&scope);
    f->value = one.value + two.value;
}

static void join_kernel_fib(void *pool, struct piece *piece)
{
    struct join_fib f;

    f.n = (unsigned)piece->n;
    join_root(pool, join_fib_task, &f);
    piece->result = f.value;
}

/* ---- n queens: a task for each place in each row, few and uneven below each */

struct join_queens {
    unsigned n;
    unsigned row;
    uint32_t columns, left, right; /* taken: bits */
    uint64_t found;
};

static void join_do_queens(struct join_queens *q);
JOIN_FN(join_queens_task, struct join_queens, join_do_queens)

static void join_do_queens(struct join_queens *q)
{
    if (q->row == q->n) {
        q->found = 1;
        return;
    }
    struct join_queens next[JOIN_QUEENS_MAX];
    struct join_task tasks[JOIN_QUEENS_MAX];
    struct join_scope scope;
    unsigned forks = 0;

    for (unsigned column = 0; column < q->n; column++) {
        uint32_t bit = (uint32_t)1 << column;

        if (((q->columns | q->left | q->right) & bit) != 0)
            continue;
        next[forks].n = q->n;
        next[forks].row = q->row + 1;
        next[forks].columns = q->columns | bit;
        next[forks].left = (q->left | bit) << 1;
        next[forks].right = (q->right | bit) >> 1;
        join_fork(&scope, &tasks[forks], join_queens_task, &next[forks]);
        forks++;
    }
    for (unsigned i = forks; i-- > 0;)
        join_one(&scope, &tasks[i]);
    join_all(&scope);
    q->found = 0;
    for (unsigned i = 0; i < forks; i++)
        q->found += next[i].found;
}

static void join_kernel_queens(void *pool, struct piece *piece)
{
    struct join_queens q;

    memset(&q, 0, sizeof q);
    q.n = (unsigned)piece->n;
    join_root(pool, join_queens_task, &q);
    piece->result = q.found;
}

/* ---- skynet: a tree of ten ways; the leaves are numbered, and the numbers summed */

struct join_skynet {
    uint64_t first;
    uint64_t n;
    uint64_t sum;
};

static void join_do_skynet(struct join_skynet *s);
JOIN_FN(join_skynet_task, struct join_skynet, join_do_skynet)

static void join_do_skynet(struct join_skynet *s)
{
    if (s->n == 1) {
        s->sum = s->first;
        return;
    }
    struct join_skynet part[JOIN_SKYNET_WAYS];
    struct join_task tasks[JOIN_SKYNET_WAYS];
    struct join_scope scope;
    uint64_t each = s->n / JOIN_SKYNET_WAYS;

    for (unsigned i = 0; i < JOIN_SKYNET_WAYS; i++) {
        part[i].first = s->first + i * each;
        part[i].n = each;
        join_fork(&scope, &tasks[i], join_skynet_task, &part[i]);
    }
    for (unsigned i = JOIN_SKYNET_WAYS; i-- > 0;)
        join_one(&scope, &tasks[i]);
    join_all(&scope);
    s->sum = 0;
    for (unsigned i = 0; i < JOIN_SKYNET_WAYS; i++)
        s->sum += part[i].sum;
}

static void join_kernel_skynet(void *pool, struct piece *piece)
{
    struct join_skynet s;

    s.first = 0;
    s.n = piece->n;
    join_root(pool, join_skynet_task, &s);
    piece->result = s.sum;
}

/* ---- an unbalanced tree, after UTS's binomial ones: whether a node has children, its number tells, and
 * nobody knows how many are below it. It is counted. */

struct join_tree {
    uint64_t number;
    uint64_t below; /* and itself */
};

static uint64_t join_mixed(uint64_t x)
{
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31);
}

/* 0.196 of the nodes have five children: 0.98 on the average. */
static int join_tree_has_children(uint64_t number)
{
    return join_mixed(number) < 3615571390000000000U;
}

static void join_do_tree(struct join_tree *t);
JOIN_FN(join_tree_task, struct join_tree, join_do_tree)

static void join_do_tree(struct join_tree *t)
{
    struct join_tree child[JOIN_TREE_WAYS];
    struct join_task tasks[JOIN_TREE_WAYS];

    t->below = 1;
    if (!join_tree_has_children(t->number))
        return;
    struct join_scope scope;
    for (unsigned i = 0; i < JOIN_TREE_WAYS; i++) {
        child[i].number = join_mixed(t->number * JOIN_TREE_WAYS + i + 1);
        join_fork(&scope, &tasks[i], join_tree_task, &child[i]);
    }
    for (unsigned i = JOIN_TREE_WAYS; i-- > 0;)
        join_one(&scope, &tasks[i]);
    join_all(&scope);
    for (unsigned i = 0; i < JOIN_TREE_WAYS; i++)
        t->below += child[i].below;
}

struct join_forest {
    size_t n; /* trees */
    uint64_t below;
};

static void join_do_forest(struct join_forest *f)
{
    struct join_tree tree[JOIN_TREE_ROOT]; /* some 200 kB */
    struct join_task tasks[JOIN_TREE_ROOT];
    struct join_scope scope;

    for (size_t i = 0; i < f->n; i++) {
        tree[i].number = join_mixed(i + 1);
        join_fork(&scope, &tasks[i], join_tree_task, &tree[i]);
    }
    for (size_t i = f->n; i-- > 0;)
        join_one(&scope, &tasks[i]);
    join_all(&scope);
    f->below = 1;
    for (size_t i = 0; i < f->n; i++)
        f->below += tree[i].below;
}
JOIN_FN(join_forest_task, struct join_forest, join_do_forest)

static void join_kernel_tree(void *pool, struct piece *piece)
{
    struct join_forest f;

    f.n = piece->n < (size_t)JOIN_TREE_ROOT ? piece->n : (size_t)JOIN_TREE_ROOT;
    join_root(pool, join_forest_task, &f);
    piece->result = f.below;
}

/* ---- sorts: halves side by side */

static void join_insertion(int *a, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        int x = a[i];
        size_t k = i;

        for (; k > 0 && a[k - 1] > x; k--)
            a[k] = a[k - 1];
        a[k] = x;
    }
}

/* Two parts, the one of them no larger than anything in the other: Hoare's. Returns where they meet. */
static size_t join_partition(int *a, size_t n)
{
    int x = a[0];
    int y = a[n / 2];
    int z = a[n - 1];
    int pivot = x < y ? (y < z ? y : (x < z ? z : x)) : (x < z ? x : (y < z ? z : y));
    size_t i = 0;
    size_t k = n - 1;

    for (;;) {
        while (a[i] < pivot)
            i++;
        while (a[k] > pivot)
            k--;
        if (i >= k)
            return k + 1;
        int t = a[i];
        a[i++] = a[k];
        a[k--] = t;
    }
}

static void join_sort_alone(int *a, size_t n)
{
    while (n > JOIN_INSERTION) {
        size_t middle = join_partition(a, n);

        if (middle == 0 || middle == n)
            break;
        join_sort_alone(a, middle);
        a += middle;
        n -= middle;
    }
    join_insertion(a, n);
}

struct join_sort {
    int *a;
    int *room;
    size_t n;
};

static void join_quicksort(struct join_sort *s);
JOIN_FN(join_quicksort_task, struct join_sort, join_quicksort)

static void join_quicksort(struct join_sort *s)
{
    size_t middle = s->n > JOIN_LEAF ? join_partition(s->a, s->n) : 0;

    if (middle == 0 || middle == s->n) {
        join_sort_alone(s->a, s->n);
        return;
    }
    struct join_sort low;
    struct join_sort high;
    struct join_scope scope;
    struct join_task task;

    low.a = s->a;
    low.n = middle;
    high.a = s->a + middle;
    high.n = s->n - middle;
    join_fork(&scope, &task, join_quicksort_task, &low);
    join_quicksort(&high);
    join_one(&scope, &task);
    join_all(&scope);
}

static void join_merge(struct join_sort *s, size_t middle)
{
    size_t i = 0;
    size_t k = middle;
    size_t n = 0;

    while (i < middle && k < s->n)
        s->room[n++] = s->a[k] < s->a[i] ? s->a[k++] : s->a[i++];
    memcpy(s->room + n, s->a + i, (middle - i) * sizeof *s->a);
    memcpy(s->a, s->room, (n + middle - i) * sizeof *s->a); /* the rest is where it belongs */
}

static void join_mergesort(struct join_sort *s);
JOIN_FN(join_mergesort_task, struct join_sort, join_mergesort)

static void join_mergesort(struct join_sort *s)
{
    size_t middle = s->n / 2;

    if (s->n <= JOIN_LEAF) {
        join_sort_alone(s->a, s->n);
        return;
    }
    struct join_sort low;
    struct join_sort high;
    struct join_scope scope;
    struct join_task task;

    low.a = s->a;
    low.room = s->room;
    low.n = middle;
    high.a = s->a + middle;
    high.room = s->room + middle;
    high.n = s->n - middle;
    join_fork(&scope, &task, join_mergesort_task, &low);
    join_mergesort(&high);
    join_one(&scope, &task);
    join_all(&scope);
    join_merge(s, middle);
}

static struct join_sort join_sort_of(const struct piece *piece)
{
    struct join_sort s;

    s.a = piece->data;
    s.room = piece->room;
    s.n = piece->n;
    return s;
}

static void join_kernel_mergesort(void *pool, struct piece *piece)
{
    struct join_sort s = join_sort_of(piece);

    join_root(pool, join_mergesort_task, &s);
}

static void join_kernel_quicksort(void *pool, struct piece *piece)
{
    struct join_sort s = join_sort_of(piece);

    join_root(pool, join_quicksort_task, &s);
}

static const struct join_kernels join_kernels = {join_kernel_fib,       join_kernel_queens,
                                                 join_kernel_skynet,    join_kernel_tree,
                                                 join_kernel_mergesort, join_kernel_quicksort};

#endif /* FL_BENCH_WORK_JOIN_H */
