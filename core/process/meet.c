/* SPDX-License-Identifier: MIT
 *
 * meet.c: the process that forks the workers is started, and says which jobs it knows.
 *
 * Who meets it is alone with it: whoever creates the executor, and later the manager. */
#include "process/pool.h"

#include "base/clock.h"
#include "base/compiler.h"
#include "queue/table.h"

#include <poll.h>
#include <string.h>

static int learn(struct fl_processes *p, const struct fl_news *news)
{
    size_t len = strnlen(news->name, sizeof news->name - 1);
    struct fl_name *name = fl_malloc(sizeof *name + len + 1);
    struct fl_name **known = fl_malloc((p->n_known + 1) * sizeof *known);

    if (name == NULL || known == NULL) {
        fl_free(name);
        fl_free(known);
        return FILCH_ENOMEM;
    }
    name->index = (uint32_t)p->n_known;
    memcpy(name->text, news->name, len);
    name->text[len] = '\0';
    if (p->n_known != 0)
        memcpy(known, p->known, p->n_known * sizeof *known);
    known[p->n_known++] = name;
    fl_free(p->known);
    p->known = known;
    return fl_table_put(p->names, name->text, len, name);
}

static int refuse(struct fl_processes *p)
{
    p->is_another = true;
    return FILCH_ENOTSUP;
}

/* A second zygote has to be of the same program, and to know the same jobs by the same numbers: its file may have been
 * replaced, or it has gone another way before filch_process_main. */
static int hear_one(struct fl_processes *p, const struct fl_news *news, bool is_first, size_t *n)
{
    switch ((enum fl_news_kind)news->kind) {
    case FL_NEWS_BUILD:
        if (p->build[0] == '\0')
            memcpy(p->build, news->name, sizeof p->build - 1);
        return strncmp(p->build, news->name, sizeof p->build - 1) == 0 ? 0 : refuse(p);
    case FL_NEWS_NAME:
        if (is_first)
            return learn(p, news);
        if (*n >= p->n_known || strncmp(p->known[*n]->text, news->name, sizeof news->name - 1) != 0)
            return refuse(p);
        ++*n;
        return 0;
    case FL_NEWS_READY:
        return is_first || *n == p->n_known ? 0 : refuse(p);
    case FL_NEWS_THREADS:
    case FL_NEWS_FORKED:
    case FL_NEWS_UNBORN:
    case FL_NEWS_DEAD:
        break;
    }
    return FILCH_ENOTSUP;
}

static int hear_names(struct fl_processes *p, bool is_first)
{
    int64_t until = fl_saturating_add(fl_now(), p->options.start_timeout_ns);
    size_t n = 0;

    for (;;) {
        struct pollfd control = {.fd = p->control, .events = POLLIN};
        int64_t left = until - fl_now();
        struct fl_news news;
        int status;

        if (left <= 0)
            return FILCH_ETIMEDOUT;
        if (poll(&control, 1, left < 1000000000 ? (int)(left / 1000000) + 1 : 1000) <= 0)
            continue;
        switch (fl_socket_receive(p->control, &news, sizeof news, NULL, 0, false)) {
        case FL_GOT_NOTHING:
            continue;
        case FL_GOT_END:
        case FL_GOT_NO_ROOM:
        case FL_GOT_OTHER:
            return FILCH_ENOTSUP;
        case FL_GOT:
            break;
        }
        if (news.version != FL_WIRE_VERSION)
            return FILCH_ENOTSUP;
        status = hear_one(p, &news, is_first, &n);
        if (status != 0 || news.kind == FL_NEWS_READY)
            return status;
    }
}

/* The file is sent as often as an order has descriptors: one shape for all. */
static int send_setup(struct fl_processes *p)
{
    struct fl_order order = {.kind = FL_ORDER_SETUP, .bytes = p->options.child_setup_len};
    const struct fl_name *name;
    void *map;
    int fds[4];
    int status;

    if (p->options.child_setup == NULL)
        return 0;
    name = fl_table_get(p->names, p->options.child_setup, strlen(p->options.child_setup));
    if (name == NULL)
        return FILCH_ENOENT;
    order.job = name->index;
    fds[0] = fl_file_create("filch-setup", p->options.child_setup_len + 1, &map);
    if (fds[0] < 0)
        return fds[0];
    memcpy(map, p->setup_in, p->options.child_setup_len);
    fl_file_unmap(map, p->options.child_setup_len + 1);
    fds[1] = fds[2] = fds[3] = fds[0];
    status = fl_socket_send(p->control, &order, sizeof order, fds, 4, true);
    fl_close(fds[0]);
    return status == 0 ? 0 : FILCH_ENOTSUP;
}

int fl_meet_zygote(struct fl_processes *p)
{
    bool is_first = p->n_known == 0;
    int status = fl_zygote_start(p->options.program, &p->control, &p->zygote_pidfd, &p->zygote_pid);

    if (status != 0) {
        p->control = -1;
        p->zygote_pidfd = -1;
        return status;
    }
    status = hear_names(p, is_first);
    if (status == 0)
        status = send_setup(p);
    if (status == 0)
        status = fl_manager_watch_zygote(p);
    if (status != 0) {
        fl_zygote_end(p->control, p->zygote_pidfd);
        p->control = -1;
        p->zygote_pidfd = -1;
    }
    return status;
}
