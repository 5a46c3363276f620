/* SPDX-License-Identifier: MIT
 *
 * test_dlopen.c: a host may load libfilch.so late and close it at any moment. */
/* libs: dl */
#include "harness/test.h"

#include <dlfcn.h>
#include <filch/filch.h>
#include <stdlib.h>

struct api {
    void *library;
    int (*create)(filch_executor **out, const filch_options *options);
    int (*submit)(filch_executor *ex, filch_task_fn *fn, void *arg, filch_future **future);
    int (*result)(filch_future *f, filch_deadline deadline, void **result);
    void (*release)(filch_future *f);
    void (*destroy)(filch_executor *ex);
};

/* ISO C has no conversion of an object pointer to a function pointer; POSIX has this one. */
static void find(void *library, const char *name, void *function)
{
    *(void **)function = dlsym(library, name);
    assert_non_null(*(void **)function);
}

static struct api api_open(void)
{
    struct api api;
    const char *path = getenv("FILCH_LIBRARY");
    if (path == NULL)
        test_skip("FILCH_LIBRARY, the path of libfilch.so, is not set: run by ctest");
    api.library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (api.library == NULL)
        fail_msg("%s", dlerror());
    find(api.library, "filch_executor_create", &api.create);
    find(api.library, "filch_submit", &api.submit);
    find(api.library, "filch_future_result", &api.result);
    find(api.library, "filch_future_release", &api.release);
    find(api.library, "filch_executor_destroy", &api.destroy);
    return api;
}

static int work(void *arg, void **result)
{
    *result = arg;
    return 0;
}

static void run_one(const struct api *api, filch_executor *ex)
{
    filch_future *f;
    void *result = NULL;
    assert_int_equal(api->submit(ex, work, ex, &f), 0);
    assert_int_equal(api->result(f, FILCH_FOREVER, &result), 0);
    assert_ptr_equal(result, ex);
    api->release(f);
}

TEST(the_library_can_be_opened_used_and_closed_again_and_again)
{
    for (int i = 0; i < 3; i++) {
        struct api api = api_open();
        filch_executor *ex;
        assert_int_equal(api.create(&ex, NULL), 0);
        run_one(&api, ex);
        api.destroy(ex);
        assert_int_equal(dlclose(api.library), 0);
    }
}

TEST(an_executor_outlives_the_closing_of_the_library)
{
    struct api api = api_open();
    filch_executor *ex;
    assert_int_equal(api.create(&ex, NULL), 0);
    assert_int_equal(dlclose(api.library), 0);
    run_one(&api, ex);
    api.destroy(ex);
}
