/* SPDX-License-Identifier: Apache-2.0 */
/* The end of the plan: waiting for the monitor's leave, the program, and pid 1 of `--init`. */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "uapi.h"
#include "util.h"

/* environment NAME=VALUE...: the whole of it. HOME of a user that `user-name` found goes in if the
 * plan has none, and LISTEN_PID. */
void op_environment(struct init *init, const struct op *op)
{
    init->environment = calloc(op->argc + 3, sizeof *init->environment);
    if (!init->environment)
        fail(init, "memory");
    memcpy(init->environment, op->argv, op->argc * sizeof *op->argv);
}

static const char *from_environment(struct init *init, const char *name)
{
    size_t length = strlen(name);

    for (char **entry = init->environment; entry && *entry; entry++)
        if (strncmp(*entry, name, length) == 0 && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

static void add_entry(struct init *init, const char *name, const char *value)
{
    char **end = init->environment;
    char *entry;

    if (!end || from_environment(init, name))
        return;
    while (*end)
        end++;
    if (asprintf(&entry, "%s=%s", name, value) > 0)
        *end = entry;
}

/* What only the process that executes the program knows: its HOME, its pid (sd_listen_fds(3)). */
static void complete_environment(struct init *init)
{
    char pid[16];

    if (init->home && *init->home)
        add_entry(init, "HOME", init->home);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    if (init->listening)
        add_entry(init, "LISTEN_PID", pid);
}

/* release: one byte from the monitor, once it has written down which process this is. */
void op_release(struct init *init, const struct op *op)
{
    char byte;
    ssize_t got;

    (void)op;
    do
        got = read(init->status_fd, &byte, 1);
    while (got < 0 && errno == EINTR);
    if (got != 1)
        _exit(125); /* the monitor is gone */
}

void op_reaper(struct init *init, const struct op *op)
{
    (void)op;
    init->reaper = true;
}

/* descriptors FIRST COUNT plain|listen: COUNT descriptors from FIRST up become 3, 4, ... of the program.
 * The last thing before it: the numbers of our own are taken. FIRST is above 3, so none is
 * overwritten before it was moved. */
void op_descriptors(struct init *init, const struct op *op)
{
    int first = (int)op_number(init, op->argv[0], 10, INT16_MAX);
    int count = (int)op_number(init, op->argv[1], 10, INT16_MAX);

    if (first <= 3)
        fail_errno(init, EINVAL, op->argv[0]);
    int status = fcntl(init->status_fd, F_DUPFD_CLOEXEC, first + count);
    if (status < 0)
        fail(init, "a descriptor");
    init->status_fd = status;
    init->listening = strcmp(op->argv[2], "listen") == 0;
    for (int i = 0; i < count; i++)
        if (dup2(first + i, 3 + i) < 0) /* not close-on-exec, as its original is */
            fail(init, "a descriptor of --preserve-fds");
}

/* session: one of its own. In the caller's, TIOCSTI could type into the caller's terminal. With
 * `console` before it, that terminal becomes the controlling one and the standard streams. */
void op_session(struct init *init, const struct op *op)
{
    (void)op;
    if (setsid() < 0)
        fail(init, "a session");
    if (init->pty_fd < 0)
        return;
    if (ioctl(init->pty_fd, TIOCSCTTY, 0) < 0)
        fail(init, "the controlling terminal");
    for (int fd = 0; fd < 3; fd++)
        if (dup2(init->pty_fd, fd) < 0)
            fail(init, "the terminal as standard streams");
}

/* Pid 1 of `--init`: forwards every signal to its child, reaps whatever ends, and ends as the child
 * did. The kernel then kills what is left in the pid namespace. */
static void __attribute__((noreturn)) reap(pid_t child)
{
    sigset_t all;
    int status;

    /* EOF on the status socket must be the child's execve alone, and what we were given is not for a
     * process of the container to look at. */
    syscall(SYS_close_range, 3, ~0U, 0);
    sigfillset(&all);
    for (;;) {
        int number = sigwaitinfo(&all, NULL);
        if (number < 0)
            continue;
        if (number != SIGCHLD) {
            kill(child, number);
            continue;
        }
        for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
            if (ended == child)
                _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    }
}

static void stay_as_reaper(struct init *init)
{
    sigset_t all, none;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pid_t child = fork();
    if (child < 0)
        fail(init, "a process beside --init");
    if (child > 0) {
        prctl(PR_SET_NAME, "pypod-init");
        reap(child);
    }
    /* The terminal's signals go to its foreground group: to the child alone, not twice. */
    setpgid(0, 0);
    if (init->pty_fd >= 0) {
        signal(SIGTTOU, SIG_IGN);
        tcsetpgrp(STDIN_FILENO, getpid());
        signal(SIGTTOU, SIG_DFL);
    }
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Executes `name` as execvpe(3) would, with the container's PATH. A directory, or a file without the x
 * bit, is EACCES; found nowhere is ENOENT. */
static void search(const char *name, char **argv, char **environment, const char *path)
{
    char file[PATH_MAX];
    int worst = ENOENT;

    while (*path) {
        size_t length = strcspn(path, ":");

        if ((size_t)snprintf(file, sizeof file, "%.*s/%s", (int)length, length ? path : ".", name) <
            sizeof file) {
            execve(file, argv, environment);
            if (errno != ENOENT && errno != ENOTDIR)
                worst = errno;
            if (errno != ENOENT && errno != ENOTDIR && errno != EACCES)
                break;
        }
        path += length + (path[length] == ':');
    }
    errno = worst;
}

static void __attribute__((noreturn)) run(struct init *init, int fd, char **argv)
{
    char *none[] = {NULL};
    char **environment;

    if (init->reaper)
        stay_as_reaper(init);
    complete_environment(init);
    environment = init->environment ? init->environment : none;
    if (fd >= 0) {
        fexecve(fd, argv, environment);
    } else if (strchr(argv[0], '/')) {
        execve(argv[0], argv, environment);
    } else if (*argv[0]) {
        const char *path = from_environment(init, "PATH");
        search(argv[0], argv, environment,
               path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    } else {
        errno = ENOENT;
    }
    fail(init, argv[0]);
}

/* exec WORD...: the program of the plan. */
void op_exec(struct init *init, const struct op *op)
{
    run(init, -1, op->argv);
}

/* exec-fd FD WORD...: a program by descriptor: one of our helpers, from its sealed memory. */
void op_exec_fd(struct init *init, const struct op *op)
{
    run(init, (int)op_number(init, op->argv[0], 10, INT32_MAX), op->argv + 1);
}
