/* SPDX-License-Identifier: Apache-2.0 */
/* Id maps of a new user namespace, written from outside (user_namespaces(7)). */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "proto.h"
#include "uapi.h"
#include "util.h"

void give_up(struct init *init, const char *text)
{
    int err = errno;

    syscall(SYS_pidfd_send_signal, init->child_fd, SIGKILL, NULL, 0);
    fail_errno(init, err, text);
}

/* Starts newuidmap or newgidmap. They are set-uid: absolute path, no environment, and their own
 * descriptors, so that their messages do not become the container's. */
static pid_t start_tool(const struct op *op, pid_t child, int errors)
{
    char number[16];
    char **argv = calloc(op->argc + 2, sizeof *argv);
    pid_t tool = argv ? vfork() : -1;

    if (tool == 0) {
        char *none[] = {NULL};
        int null = open("/dev/null", O_RDWR);

        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(errors, STDERR_FILENO);
        snprintf(number, sizeof number, "%d", child);
        argv[0] = op->argv[1];
        argv[1] = number;
        memcpy(argv + 2, op->argv + 2, (op->argc - 2) * sizeof *argv);
        execve(argv[0], argv, none);
        _exit(127);
    }
    free(argv);
    return tool;
}

static void write_file(struct init *init, pid_t child, const char *name, const char *text, size_t length)
{
    char path[64];

    snprintf(path, sizeof path, "/proc/%d/%s", child, name);
    cleanup_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
    /* One write: the kernel takes a map whole or not at all. */
    if (fd < 0 || write(fd, text, length) != (ssize_t)length)
        give_up(init, name);
}

static void write_directly(struct init *init, pid_t child, const struct op *op)
{
    char text[4096]; /* the kernel takes less than a page */
    size_t length = 0;

    for (size_t i = 2; i + 2 < op->argc; i += 3) {
        int put = snprintf(text + length, sizeof text - length, "%s %s %s\n", op->argv[i],
                           op->argv[i + 1], op->argv[i + 2]);
        if (put < 0 || (size_t)put >= sizeof text - length) {
            errno = E2BIG;
            give_up(init, "the id map has too many extents");
        }
        length += (size_t)put;
    }
    blame(init, op);
    write_file(init, child, op == init->uid ? "uid_map" : "gid_map", text, length);
}

void write_id_maps(struct init *init, pid_t child)
{
    const struct op *maps[2] = {init->uid, init->gid};
    pid_t tools[2] = {-1, -1};
    int errors[2];
    char text[220];

    if (pipe2(errors, O_CLOEXEC) < 0)
        give_up(init, "a pipe");
    /* Before the gid map: an unprivileged one is only taken once setgroups is denied. */
    if (init->deny_setgroups)
        write_file(init, child, "setgroups", "deny", 4);
    /* Both tools at once: each costs a millisecond, most of it reading /etc/subuid. */
    for (int i = 0; i < 2; i++) {
        if (!maps[i])
            continue;
        if (strcmp(maps[i]->argv[1], "direct") == 0)
            write_directly(init, child, maps[i]);
        else if ((tools[i] = start_tool(maps[i], child, errors[1])) < 0)
            give_up(init, "a process for the id map");
    }
    close(errors[1]);
    for (int i = 0; i < 2; i++) {
        int status;

        if (tools[i] < 0)
            continue;
        blame(init, maps[i]);
        while (waitpid(tools[i], &status, 0) < 0)
            if (errno != EINTR)
                give_up(init, maps[i]->argv[1]);
        if (status != 0) {
            ssize_t length = read(errors[0], text, sizeof text - 1);
            text[length < 0 ? 0 : length] = 0;
            text[strcspn(text, "\n")] = 0;
            errno = EPERM;
            give_up(init, text[0] ? text : maps[i]->argv[1]);
        }
    }
    close(errors[0]);
}

/* nest: makes the maps so far those of this half itself, in a user and a mount namespace of its own. The
 * container's will be below: it has none of the caller's ids then, and what is mounted here, as root of
 * all the caller's ids, needs no rights of the container's (`--userns auto`, `nomap`). */
void nest(struct init *init)
{
    pid_t self = getpid();
    int go[2], status;
    char byte;

    if (pipe2(go, O_CLOEXEC) < 0)
        fail(init, "a pipe");
    pid_t outside = fork();
    if (outside < 0)
        fail(init, "a new process");
    if (outside == 0) {
        close(go[1]);
        if (read(go[0], &byte, 1) != 1)
            _exit(125);
        init->stage = STAGE_IDMAP;
        write_id_maps(init, self);
        _exit(0);
    }
    close(go[0]);
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
        fail(init, "new namespaces (is the user namespace limit reached?)");
    if (write(go[1], "g", 1) != 1)
        fail(init, "a pipe");
    while (waitpid(outside, &status, 0) < 0)
        if (errno != EINTR)
            fail(init, "the id map");
    if (status != 0)
        _exit(125); /* it has said why */
    close(go[1]);
    init->uid = init->gid = NULL;
    init->nested = true;
}
