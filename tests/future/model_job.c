/* SPDX-License-Identifier: MIT
 *
 * model_job.c: what GenMC checks of the names of jobs: every execution that RC11 and IMM allow.
 *
 * The real job.c is compiled here; what it needs for a call is not there, for nothing is called. Two threads
 * register, and in FIND a third looks meanwhile. Checked in each execution: a name is there once, and has the
 * function of whoever was told 0; whoever finds a name reads its text and its function, and RC11 reports a race
 * if nothing orders them. The list is the process's and is never freed, so the simulator, which begins each
 * execution anew, has no scenario of it. A scenario is a macro MODEL_<NAME>; scripts/model runs each "run"
 * line below under both memory models. By hand, from the top of the tree:
 *
 *   genmc -rc11 -disable-spin-assume -disable-estimation -- -O0 -std=c11 -Iinclude -Icore -DMODEL_SAME \
 *       tests/future/model_job.c
 *   genmc -imm -disable-mm-detector -disable-spin-assume -disable-estimation -- ...
 *
 * No loop needs a bound: each turn goes on along the list, which has two names at most. */
/* run: SAME */
/* run: SAME OTHER_FUNCTION */
/* run: FIND */
#include "../base/model.h"

#include <string.h>

/* GenMC has none of these, and a name here is one letter. */
#define strcmp(a, b)    (*(a) - *(b))
#define strnlen(s, n)   ((size_t)1)
#define memcpy(a, b, n) copy((unsigned char *)(a), (const unsigned char *)(b), (n))
static void copy(unsigned char *to, const unsigned char *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = from[i];
}

#include "../../core/future/job.c"

void *fl_malloc(size_t size)
{
    return malloc(size);
}

void fl_free(void *p)
{
    free(p);
}

/* ---- what a call needs */

bool fl_pack_begin(filch_buffer *pack)
{
    (void)pack;
    return false;
}

bool fl_pack_next(const void *bytes, size_t len, size_t *at, struct fl_pack_item *item)
{
    (void)bytes, (void)len, (void)at, (void)item;
    return false;
}

bool fl_pack_item_begin(filch_buffer *pack, filch_buffer *item)
{
    (void)pack, (void)item;
    return false;
}

void fl_pack_item_end(filch_buffer *pack, const filch_buffer *item, int status)
{
    (void)pack, (void)item, (void)status;
}

filch_buffer *fl_buffer_create(size_t len)
{
    (void)len;
    return NULL;
}

void fl_buffer_drop(void *buffer, void *nothing)
{
    (void)buffer, (void)nothing;
}

/* ---- the scenarios */

static int one(const void *in, size_t len, filch_buffer *out)
{
    (void)in, (void)len, (void)out;
    return 1;
}

static int two(const void *in, size_t len, filch_buffer *out)
{
    (void)in, (void)len, (void)out;
    return 2;
}

#if defined(MODEL_SAME)
#    if defined(OTHER_FUNCTION)
#        define SECOND two
#    else
#        define SECOND one
#    endif

static int status[2];

static void *registers(void *arg)
{
    (void)arg;
    status[1] = filch_job_register("a", SECOND);
    return NULL;
}

static void scenario(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, registers, NULL);
    status[0] = filch_job_register("a", one);
    pthread_join(thread, NULL);
    if (SECOND == one)
        assert(status[0] == 0 && status[1] == 0);
    else
        assert((status[0] == 0 && status[1] == FILCH_EINVAL) ||
               (status[0] == FILCH_EINVAL && status[1] == 0));
    assert(fl_job_find("a") == (status[0] == 0 ? one : SECOND));
    assert(fl_job_name(0) != NULL && fl_job_name(1) == NULL);
}
#elif defined(MODEL_FIND)
static void *registers(void *arg)
{
    int status = filch_job_register(arg, two);

    assert(status == 0);
    return NULL;
}

static void *looks(void *arg)
{
    filch_job_fn *fn = fl_job_find("b");

    (void)arg;
    assert(fn == NULL || fn == two);
    for (size_t i = 0; i < 2; i++) {
        const char *name = fl_job_name(i);

        assert(name == NULL || fl_job_fn_at(i) == (*name == 'a' ? one : two));
    }
    return NULL;
}

static void scenario(void)
{
    pthread_t threads[2];
    int status;

    pthread_create(&threads[0], NULL, registers, "b");
    pthread_create(&threads[1], NULL, looks, NULL);
    status = filch_job_register("a", one);
    assert(status == 0);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert(fl_job_find("a") == one && fl_job_find("b") == two);
    assert(fl_job_name(1) != NULL && fl_job_name(2) == NULL);
}
#else
#    error "no such scenario"
#endif

int main(void)
{
    scenario();
    return 0;
}
