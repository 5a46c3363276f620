/* SPDX-License-Identifier: MIT
 *
 * glib.c: GLib's GThreadPool, exclusive, so that its threads are its own and started at once, not those that
 * all pools of the process share. It hands its function one pointer and knows no results: the record that it
 * points to has a GMutex and a GCond to wait on, GLib's means for that. */
#include <glib.h>

#include "pools/pool.h"

struct record {
    filch_task_fn *fn;
    void *arg;
    void *result;
    gboolean over;
    GMutex lock;
    GCond changed;
};

static void run(gpointer data, gpointer user)
{
    struct record *r = data;

    (void)user;
    r->fn(r->arg, &r->result);
    g_mutex_lock(&r->lock);
    r->over = TRUE;
    g_cond_signal(&r->changed);
    g_mutex_unlock(&r->lock);
}

static void *create(unsigned workers)
{
    return g_thread_pool_new(run, NULL, (gint)workers, TRUE, NULL);
}

static void destroy(void *pool)
{
    g_thread_pool_free(pool, FALSE, TRUE);
}

static void submit(void *pool, filch_task_fn *fn, void *arg, struct job *job)
{
    struct record *r = g_new(struct record, 1);

    r->fn = fn;
    r->arg = arg;
    r->over = FALSE;
    g_mutex_init(&r->lock);
    g_cond_init(&r->changed);
    job->word[0] = r;
    g_thread_pool_push(pool, r, NULL);
}

static void *wait(struct job *job)
{
    struct record *r = job->word[0];

    g_mutex_lock(&r->lock);
    while (!r->over)
        g_cond_wait(&r->changed, &r->lock);
    g_mutex_unlock(&r->lock);
    return r->result;
}

static void release(struct job *job)
{
    struct record *r = job->word[0];

    g_cond_clear(&r->changed);
    g_mutex_clear(&r->lock);
    g_free(r);
}

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)

static const struct pool pool = {
    .name = "glib",
    .about = "GLib " TEXT(GLIB_MAJOR_VERSION) "." TEXT(GLIB_MINOR_VERSION) "." TEXT(
        GLIB_MICRO_VERSION) ", an exclusive GThreadPool; GMutex and GCond in each record",
    .create = create,
    .destroy = destroy,
    .submit = submit,
    .wait = wait,
    .release = release,
    .no_join = "a task that waits for another one holds its thread, so that nested waits never end",
};

__attribute__((visibility("default"))) bench_pool_fn bench_pool;

const struct pool *bench_pool(const char *name)
{
    (void)name;
    return &pool;
}
