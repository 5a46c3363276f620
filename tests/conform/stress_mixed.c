/* SPDX-License-Identifier: MIT
 *
 * stress_mixed.c: everything at once, by chance: options, tasks that do all that a task may do, timers, promises, what
 * comes of many futures, cancels, pauses, and all ends of an executor. Whatever happens every future ends as it can,
 * each callback is called once, each argument and result is freed once, and nothing is left over. */
#include "conform/mixed.h"
#include "conform/mixed_many.h"

enum {
    USERS = 3,
    OPERATIONS = 250, /* by each user in a round */
    WINDOW = 16
};

enum way { /* how a round ends */
    DESTROY,
    GIVE_UP, /* by a task */
    DRAIN,
    CANCEL,
    CANCEL_AND_GO,
    WAYS
};

/* ---- users */

enum what {
    NOTHING,
    TASK,
    OWNER, /* its result may be taken */
    PERIODIC,
    PROMISE,
    OTHER /* what comes of others */
};

struct flight {
    enum what what;
    filch_future *f;
    void *arg;
    fl_atomic(uint32_t) beats;
};

struct user {
    uint64_t seed;
    uint64_t listens; /* callbacks, on as many futures */
    uint64_t queued;  /* in cq, and not taken */
    filch_cq *cq;
    filch_token *token;
    struct flight window[WINDOW];
    pthread_t thread;
};

static void count_told(filch_future *f, void *arg)
{
    test_check(arg == &mix && filch_future_done(f));
    fl_add(&mix.told, 1, relaxed); /* settled by the end of the executors */
}

static bool can_be(const struct flight *one, int status, void *result)
{
    switch (one->what) {
    case TASK:
        return is_fit(status) && (status != 0 || result == one->arg);
    case OWNER:
        return is_fit(status);
    case PERIODIC:
        return status == FAILED || status == FILCH_ECANCELED;
    case PROMISE:
        return status == 0 || status == FAILED || status == FILCH_ECANCELED;
    case OTHER:
        return is_fit(status) || is_refused(status) || status == FILCH_ETIMEDOUT ||
               status == FILCH_ESTATE; /* of one that was taken */
    case NOTHING:
        break;
    }
    return false;
}

static void keep_promises(struct user *u)
{
    for (int i = 0; i < WINDOW; i++) {
        filch_future *f = u->window[i].f;

        if (u->window[i].what != PROMISE || filch_future_done(f))
            continue;
        if (one_in(&u->seed, 4))
            filch_future_cancel(f);
        else if (one_in(&u->seed, 4))
            filch_promise_set_error(f, FAILED, "by chance");
        else
            filch_promise_set_result(f, u);
    }
}

/* Nobody whom others may wait for waits without an end before he has kept his promises. */
static void settle(struct user *u, struct flight *one)
{
    void *result = NULL;
    int status = FILCH_ETIMEDOUT;

    if (one->what == NOTHING)
        return;
    if (one->what == PERIODIC || one_in(&u->seed, 8))
        filch_future_cancel(one->f);
    if (one_in(&u->seed, 4))
        status = filch_future_result(one->f, filch_in_us(fl_random_below(&u->seed, 300)), &result);
    if (status == FILCH_ETIMEDOUT) {
        keep_promises(u);
        status = filch_future_result(one->f, FILCH_FOREVER, &result);
    }
    if (!can_be(one, status, result)) {
        fprintf(stderr, "a future of kind %d: %s\n", (int)one->what, filch_strerror(status));
        abort();
    }
    if (one->what == OWNER && status == 0 && one_in(&u->seed, 2) &&
        filch_future_take(one->f, FILCH_NOW, &result) == 0)
        free_object(result, &mix);
    filch_future_release(one->f);
    one->what = NOTHING;
}

static int look_back(filch_future *before, void *arg, void **result)
{
    test_check(arg == &mix && filch_future_done(before));
    *result = NULL;
    return 0;
}

static int follow_up(filch_future *before, void *arg, void **result)
{
    filch_future *f = NULL;

    (void)before;
    if (filch_submit(mix.ex, any_task, arg, &f) != 0)
        f = NULL;
    *result = f;
    return 0;
}

/* Some of one's own and of what others show, with a reference each. */
static size_t choose(struct user *u, filch_future *some[])
{
    size_t n = 0;

    for (int i = 0; i < WINDOW && n < 5; i++) {
        if (u->window[i].what != NOTHING && u->window[i].what != PERIODIC && one_in(&u->seed, 3))
            some[n++] = filch_future_retain(u->window[i].f);
    }
    pthread_mutex_lock(&mix.lock);
    for (int i = 0; i < SHARED && n < 6; i++) {
        if (mix.shared[i] != NULL && one_in(&u->seed, 4))
            some[n++] = filch_future_retain(mix.shared[i]);
    }
    pthread_mutex_unlock(&mix.lock);
    return n;
}

static void show(struct user *u, filch_future *f)
{
    size_t i = fl_random_below(&u->seed, SHARED);
    filch_future *before;

    pthread_mutex_lock(&mix.lock);
    before = mix.shared[i];
    mix.shared[i] = filch_future_retain(f);
    pthread_mutex_unlock(&mix.lock);
    if (before != NULL)
        filch_future_release(before);
}

static int combine_some(struct user *u, filch_future **out)
{
    static int (*const how[])(filch_future *const *futures, size_t n, filch_future **out) = {
        filch_all, filch_any, filch_any_success, filch_race};
    filch_future *some[6];
    size_t n = choose(u, some);
    int status = FILCH_EAGAIN;

    if (n != 0)
        status = how[fl_random_below(&u->seed, 4)](some, n, out);
    for (size_t i = 0; i < n; i++)
        filch_future_release(some[i]);
    return status;
}

static int go_on(struct user *u, filch_future **out)
{
    filch_executor *on = one_in(&u->seed, 3) ? NULL : mix.ex;
    filch_future *some[6];
    size_t n = choose(u, some);
    int status = FILCH_EAGAIN;

    if (n != 0 && one_in(&u->seed, 3))
        status = filch_timeout(some[0], mix.ex, filch_in_us(fl_random_below(&u->seed, 2000)),
                               one_in(&u->seed, 2) ? FILCH_TIMEOUT_CANCEL : 0, out);
    else if (n != 0 && one_in(&u->seed, 2))
        status =
            filch_then(some[0], on, FILCH_THEN_FLATTEN, follow_up, argument(&u->seed, DEPTH), out);
    else if (n != 0)
        status = filch_then(some[0], on, one_in(&u->seed, 2) ? FILCH_THEN_ALWAYS : 0, look_back,
                            &mix, out);
    for (size_t i = 0; i < n; i++)
        filch_future_release(some[i]);
    return status;
}

static int submit_owner(struct user *u, filch_future **out)
{
    filch_task_options options = {.size = sizeof options,
                                  .value_dtor = free_object,
                                  .arg_dtor = free_object,
                                  .dtor_arg = &mix,
                                  .token = one_in(&u->seed, 2) ? u->token : NULL};
    void *arg = object(fl_random(&u->seed) | 1);
    int status;

    if (one_in(&u->seed, 4))
        options.start_by = filch_in_us(fl_random_below(&u->seed, 200));
    status = filch_submit_with(mix.ex, &options, own_task, arg, out);
    if (status != 0)
        free_object(arg, &mix);
    return status;
}

/* What is to fill an empty place: the place is empty until it does. */
static int start(struct user *u, struct flight *one, enum what *what)
{
    size_t kind = fl_random_below(&u->seed, 100);

    one->arg = argument(&u->seed, 0);
    *what = TASK;
    if (kind < 2 && mix.may_desert)
        return filch_submit(mix.ex, desert, NULL, &one->f);
    if (kind < 40)
        return filch_submit(mix.ex, any_task, one->arg, &one->f);
    if (kind < 50)
        return filch_submit_at(mix.ex, filch_in_us(fl_random_below(&u->seed, 1000)), any_task,
                               one->arg, &one->f);
    *what = OWNER;
    if (kind < 65)
        return submit_owner(u, &one->f);
    *what = PERIODIC;
    fl_store(&one->beats, (uint32_t)(1 + fl_random_below(&u->seed, 10)),
             relaxed); /* settled by the submit */
    if (kind < 70)
        return filch_submit_every(mix.ex, filch_in_us(10), 1 + fl_random_below(&u->seed, 100000),
                                  beat, &one->beats, &one->f);
    *what = PROMISE;
    if (kind < 80)
        return filch_promise_create(&one->f);
    *what = OTHER;
    return kind < 90 ? combine_some(u, &one->f) : go_on(u, &one->f);
}

static void listen(struct user *u, filch_future *f)
{
    if (one_in(&u->seed, 3)) {
        test_check(filch_future_add_done_callback(f, count_told, &mix) == 0);
        u->listens++;
    }
    if (one_in(&u->seed, 5)) {
        filch_executor *on = one_in(&u->seed, 2) ? mix.calls : mix.ex;

        test_check(filch_future_add_done_callback_on(f, on, count_told, &mix) == 0);
        u->listens++;
    }
    if (one_in(&u->seed, 4)) {
        test_check(filch_cq_add(u->cq, f) == 0);
        u->queued++;
    }
}

static void take_some(struct user *u)
{
    filch_future *done[4];
    size_t n = filch_cq_take(u->cq, done, 4);

    for (size_t i = 0; i < n; i++) {
        test_check(filch_future_done(done[i]));
        filch_future_release(done[i]);
    }
    u->queued -= n;
}

static void iterate(struct user *u, filch_future *some[], size_t n)
{
    filch_completion *it;
    filch_future *f;

    test_check(filch_as_completed(&it, some, n, filch_in_us(fl_random_below(&u->seed, 300))) == 0);
    while (filch_completion_next(it, &f) == 0)
        test_check(filch_future_done(f));
    filch_completion_close(it);
}

static void look_at_some(struct user *u)
{
    filch_future *some[6];
    size_t n = choose(u, some);

    if (n != 0 && one_in(&u->seed, 3))
        filch_future_cancel(some[n - 1]);
    else if (n != 0 && one_in(&u->seed, 2))
        iterate(u, some, n);
    else if (n != 0)
        test_check(filch_wait(some, n, (enum filch_return_when)fl_random_below(&u->seed, 4),
                              filch_in_us(fl_random_below(&u->seed, 300))) >= 0);
    for (size_t i = 0; i < n; i++)
        filch_future_release(some[i]);
}

static void renew_token(struct user *u)
{
    if (one_in(&u->seed, 2))
        filch_token_cancel(u->token);
    filch_token_release(u->token);
    test_check(filch_token_create(&u->token, NULL,
                                  one_in(&u->seed, 2) ? filch_in_us(fl_random_below(&u->seed, 1000))
                                                      : FILCH_FOREVER) == 0);
}

static void *use(void *arg)
{
    struct user *u = arg;
    enum what what;
    filch_future *f;

    for (int i = 0; i < OPERATIONS; i++) {
        struct flight *one = &u->window[fl_random_below(&u->seed, WINDOW)];

        settle(u, one);
        if (start(u, one, &what) != 0)
            continue; /* it is shut down, or there is nothing to combine */
        one->what = what;
        listen(u, one->f);
        if (one->what != PERIODIC && one_in(&u->seed, 4))
            show(u, one->f);
        if (one_in(&u->seed, 6))
            take_some(u);
        if (one_in(&u->seed, 6))
            look_at_some(u);
        if (one_in(&u->seed, 20))
            renew_token(u);
    }
    for (int i = 0; i < WINDOW; i++)
        settle(u, &u->window[i]);
    for (; u->queued != 0; u->queued--) {
        test_check(filch_cq_next(u->cq, FILCH_FOREVER, &f) == 0);
        filch_future_release(f);
    }
    return NULL;
}

/* ---- who is in charge */

static void *rule(void *arg)
{
    struct user *r = arg;
    filch_executor_stats stats = {.size = sizeof stats};

    while (fl_load(&mix.is_over, acquire) == 0) {
        usleep(fl_random_below(&r->seed, 500));
        switch (fl_random_below(&r->seed, 12)) {
        case 0:
            filch_executor_cancel_all(mix.ex);
            break;
        case 1:
        case 2:
            if (filch_executor_pause(mix.ex) == 0)
                usleep(fl_random_below(&r->seed, 300));
            filch_executor_resume(mix.ex);
            break;
        case 3:
        case 4:
            if (filch_executor_set_active(
                    mix.ex,
                    1 + (unsigned)fl_random_below(&r->seed, filch_executor_workers(mix.ex))) != 0)
                usleep(100);
            break;
        case 5:
            if (filch_executor_wait_idle(mix.ex, filch_in_us(200)) != 0)
                usleep(100);
            break;
        case 6:
            filch_executor_kick(mix.ex);
            break;
        case 7:
            test_check(filch_executor_stats_read(mix.ex, &stats) == 0);
            break;
        default:
            break;
        }
    }
    return NULL;
}

static void end(enum way way)
{
    switch (way) {
    case DRAIN:
        test_check(filch_executor_shutdown(mix.ex, 0, FILCH_FOREVER) == 0);
        break;
    case CANCEL:
        test_check(filch_executor_shutdown(mix.ex, FILCH_CANCEL_PENDING, FILCH_FOREVER) == 0);
        break;
    case CANCEL_AND_GO:
        test_check(filch_executor_shutdown(mix.ex, FILCH_CANCEL_PENDING | FILCH_NO_WAIT,
                                           FILCH_FOREVER) == 0);
        break;
    case DESTROY:
    case GIVE_UP:
    case WAYS:
        break;
    }
}

static int give_up(void *ex, void **result)
{
    (void)result;
    filch_executor_destroy(ex);
    return 0;
}

static int count_start(void *arg)
{
    fl_add(&((struct mix *)arg)->threads, 1, relaxed); /* settled by the end of the executor */
    return 0;
}

static void count_stop(void *arg)
{
    fl_sub(&((struct mix *)arg)->threads, 1, relaxed); /* settled by the end of the executor */
}

static filch_executor *any_executor(uint64_t *x)
{
    static const filch_allocator allocator = {take_bytes, give_bytes_back, be_gone, &mix};
    filch_options options = {.size = sizeof options, .workers = 1 + fl_random_below(x, 4)};
    filch_executor *ex;

    options.spin_ns = one_in(x, 2) ? -1 : 0;
    options.help = (enum filch_help)fl_random_below(x, 3);
    options.min_workers = one_in(x, 3) ? 1 : 0;
    options.idle_timeout_ns = options.min_workers != 0 ? 200000 : 0;
    options.trace_events = one_in(x, 4) ? 64 : 0;
    options.max_searchers = fl_random_below(x, options.workers + 1);
    options.max_spares = options.help != FILCH_HELP_NONE && one_in(x, 4) ? 1 : 0;
    mix.may_desert = options.help == FILCH_HELP_NONE;
    options.on_thread_start = count_start;
    options.on_thread_stop = count_stop;
    options.hook_arg = &mix;
    options.allocator = &allocator;
    test_check(filch_executor_create(&ex, &options) == 0);
    return ex;
}

static void a_round(uint64_t seed)
{
    static struct user users[USERS + 1]; /* the last one rules */
    filch_options one_worker = {.size = sizeof one_worker, .workers = 1};
    uint64_t x = seed;
    uint64_t listens = 0;
    enum way way;

    memset(&mix, 0, sizeof mix);
    memset(users, 0, sizeof users);
    pthread_mutex_init(&mix.lock, NULL);
    mix.ex = any_executor(&x);
    test_check(filch_executor_create(&mix.calls, &one_worker) == 0);
    way = (enum way)fl_random_below(&x, WAYS);
    for (int i = 0; i <= USERS; i++) {
        users[i].seed = fl_random(&x) | 1;
        test_check(filch_cq_create(&users[i].cq) == 0);
        test_check(filch_token_create(&users[i].token, NULL, FILCH_FOREVER) == 0);
        test_check(pthread_create(&users[i].thread, NULL, i < USERS ? use : rule, &users[i]) == 0);
    }
    usleep(fl_random_below(&x, 20000));
    end(way);
    for (int i = 0; i < USERS; i++) {
        pthread_join(users[i].thread, NULL);
        listens += users[i].listens;
    }
    fl_store(&mix.is_over, 1, release);
    pthread_join(users[USERS].thread, NULL);
    for (int i = 0; i <= USERS; i++) {
        filch_cq_destroy(users[i].cq);
        filch_token_release(users[i].token);
    }
    for (int i = 0; i < SHARED; i++) {
        if (mix.shared[i] != NULL)
            filch_future_release(mix.shared[i]);
    }
    while (fl_load(&mix.told, acquire) < listens) /* an executor stays until it has called all */
        sched_yield();
    if (way != GIVE_UP || filch_submit(mix.ex, give_up, mix.ex, NULL) != 0)
        filch_executor_destroy(mix.ex);
    while (way == GIVE_UP && fl_load(&mix.is_gone, acquire) == 0)
        sched_yield(); /* what it still runs may have to do with the other */
    filch_executor_destroy(mix.calls);
    test_check(fl_load(&mix.is_gone, acquire) == 1);
    test_check(fl_load(&mix.bytes, acquire) == 0);
    test_check(fl_load(&mix.told, acquire) == listens);
    test_check(fl_load(&mix.objects, acquire) == 0);
    test_check(fl_load(&mix.threads, acquire) == 0);
}

TEST(whatever_happens_every_future_ends_and_nothing_is_left)
{
    uint64_t seed = test_seed() | 1;
    size_t rounds = test_scaled(60);

    assert_int_equal(filch_job_register("mixed-echo", echo), 0);
    for (size_t i = 0; i < rounds; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        a_round(seed | 1);
    }
}
