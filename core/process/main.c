/* SPDX-License-Identifier: MIT
 *
 * main.c: what a program calls first of all, so that it can be started once more to have workers.
 *
 * Words   was_called   1 from then on: a program that does not call it would be run again, and again
 * Orders  none: it is a fact of the program, told by the thread that runs main before there are others */
#include "process/pool.h"

#include <stdlib.h>
#include <sys/socket.h>

static fl_atomic(uint32_t) was_called;

bool fl_process_main_was_called(void)
{
    return fl_load(&was_called, relaxed) != 0; /* hint: see above */
}

static bool is_packet_socket(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;

    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_SEQPACKET;
}

int filch_process_main(void)
{
    fl_store(&was_called, 1, relaxed); /* hint: see above */
    if (getenv(FL_ZYGOTE_VARIABLE) == NULL)
        return 0;
    if (secure_getenv(FL_ZYGOTE_VARIABLE) == NULL)
        return FILCH_ENOTSUP;     /* whoever goes on would be started again, and again */
    unsetenv(FL_ZYGOTE_VARIABLE); /* not for what jobs start */
    if (is_packet_socket(FL_ZYGOTE_FD))
        fl_zygote_main(FL_ZYGOTE_FD);
    return 0;
}
