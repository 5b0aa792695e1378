/* SPDX-License-Identifier: Apache-2.0 */
/* Starting the runtime: descriptors, fork, and what the status socket tells until the exec. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor.h"
#include "uapi.h"

/* What the runtime gets; -1: /dev/null (stdio) or nothing (console). */
struct ends {
    int stdio[3], status, console;
};

static void fill_record(struct status_record *record, int stage, int error, const char *text)
{
    memset(record, 0, sizeof *record);
    record->magic = RECORD_MAGIC;
    record->kind = RECORD_ERROR;
    record->stage = stage;
    record->op = -1;
    record->err = error;
    snprintf(record->text, sizeof record->text, "%s", text);
}

static void fail_with(struct monitor *m, const struct status_record *record)
{
    if (m->failed)
        return;
    m->failed = true;
    m->error = *record;
    m->code = start_exit_code(record->stage, record->err);
    source_close(m, &m->status);
    if (m->child)
        kill(m->child, SIGKILL);
    if (m->runtime)
        kill(m->runtime, SIGKILL);
    network_stop(m);
}

void start_failed(struct monitor *m, int stage, int error, const char *text)
{
    struct status_record record;

    fill_record(&record, stage, error, text);
    fail_with(m, &record);
}

static bool make_pipe(struct source *ours, int *theirs, bool into)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    ours->fd = ends[into];
    *theirs = ends[!into];
    return fcntl(ours->fd, F_SETFL, O_NONBLOCK) == 0; /* ours alone: the other end stays blocking */
}

static bool make_pair(struct source *ours, int *theirs)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return false;
    ours->fd = ends[0];
    *theirs = ends[1];
    return true;
}

static bool make_ends(struct monitor *m, struct ends *ends)
{
    if (!make_pair(&m->status, &ends->status))
        return false;
    if (m->options.tty)
        return make_pair(&m->console, &ends->console);
    if (m->options.takes_stdin && !make_pipe(&m->in, &ends->stdio[0], true))
        return false;
    return make_pipe(&m->out[0].source, &ends->stdio[1], false) &&
           make_pipe(&m->out[1].source, &ends->stdio[2], false);
}

/* In the child. The numbers below FD_FIRST_HANDED are all taken in the parent, so no end of a pipe or
 * socket can be one of the targets. 0, 1 and 2 are /dev/null already. */
static _Noreturn void exec_runtime(const struct monitor *m, const struct ends *ends)
{
    struct status_record record;
    bool placed = dup2(ends->status, FD_STATUS) >= 0;

    for (int i = 0; i < 3; i++)
        if (ends->stdio[i] >= 0)
            placed = placed && dup2(ends->stdio[i], i) >= 0;
    if (ends->console >= 0)
        placed = placed && dup2(ends->console, FD_CONSOLE) >= 0;
    for (int i = 0; i < m->options.handed_count; i++)
        placed = placed && fcntl(m->options.handed[i], F_SETFD, 0) == 0;
    if (placed) {
        default_signals();
        execve(m->options.runtime[0], m->options.runtime, environ);
    }
    /* The stage is PLAN, not EXEC: it is pypod's own program that is missing, not the container's. */
    fill_record(&record, STAGE_PLAN, errno, m->options.runtime[0]);
    send(FD_STATUS, &record, sizeof record, MSG_NOSIGNAL);
    _exit(125);
}

static void close_ends(const struct ends *ends)
{
    const int all[] = {ends->stdio[0], ends->stdio[1], ends->stdio[2], ends->status, ends->console};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] >= 0)
            close(all[i]);
}

void start_runtime(struct monitor *m)
{
    struct ends ends = {{-1, -1, -1}, -1, -1};

    m->stdin_open = m->options.takes_stdin;
    if (!make_ends(m, &ends)) {
        start_failed(m, STAGE_CLONE, errno, "cannot make the pipes of the container");
    } else {
        pid_t pid = fork();
        if (pid == 0)
            exec_runtime(m, &ends);
        if (pid < 0)
            start_failed(m, STAGE_CLONE, errno, "cannot fork");
        else
            m->runtime = pid;
    }
    close_ends(&ends);
    /* What was handed on is the runtime's alone: a pipe of the user that stays open here never ends. */
    for (int i = 0; i < m->options.handed_count; i++)
        close(m->options.handed[i]);
}

/* Let the container go, when all that must be there before its first instruction is there. */
void start_release(struct monitor *m)
{
    if (m->released || m->failed || !m->pid || (m->options.tty && m->out[0].source.fd < 0) ||
        (m->options.network_word_count && !m->network_up))
        return;
    m->released = true;
    if (send(m->status.fd, "", 1, MSG_NOSIGNAL) < 0)
        return; /* it is dead; the status socket ends and says so */
}

static void record_start(struct monitor *m)
{
    if (!record_pids(m)) {
        start_failed(m, STAGE_SETUP, errno, "cannot record the container's process");
        return;
    }
    attach_listen(m);
    start_release(m);
}

/* Now that the ids are mapped: a program that came earlier would be nobody in there. */
static void known_namespaces(struct monitor *m, const int namespaces[2])
{
    network_start(m, namespaces);
    if (!m->failed)
        record_start(m);
}

static void known_pid(struct monitor *m, const struct status_record *record)
{
    siginfo_t info;

    /* Only of a child of ours can we ever tell how it ended. */
    if (record->pid <= 0 ||
        waitid(P_PID, (id_t)record->pid, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
        start_failed(m, STAGE_CLONE, ECHILD, "the runtime named a process that is not the monitor's");
        return;
    }
    m->pid = m->child = record->pid;
    if (m->pid == m->runtime)
        m->runtime = 0; /* it becomes the container itself */
    if (!m->options.network_word_count)
        record_start(m); /* else `pids` has to name the network's program, too */
}

/* The runtime is gone without a word. */
static void silent_end(struct monitor *m)
{
    char text[sizeof m->error.text];
    int status;

    if (m->runtime && waitpid(m->runtime, &status, 0) == m->runtime) {
        m->runtime = 0;
        m->runtime_status = status;
    }
    status = m->runtime_status;
    snprintf(text, sizeof text, "the runtime ended by %s %d before it made the container",
             WIFSIGNALED(status) ? "signal" : "exit status",
             WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    start_failed(m, STAGE_CLONE, 0, text);
}

static void executed(struct monitor *m)
{
    source_close(m, &m->status);
    source_close(m, &m->console);
    m->phase = RUNNING;
    m->kill_at = m->options.timeout_ms ? now_ms() + m->options.timeout_ms : 0;
    for (int signo = 1; signo <= 64; signo++)
        if (m->early_signals & UINT64_C(1) << (signo - 1))
            container_signal(m, signo);
}

/* A packet and the descriptors that came with it, -1 where there were fewer. */
static ssize_t receive(int socket, void *data, size_t size, int *fds, size_t most)
{
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(2 * sizeof(int))];
    } control;
    struct iovec part = {data, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};

    for (size_t i = 0; i < most; i++)
        fds[i] = -1;
    ssize_t got = recvmsg(socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message);
    if (header && header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS &&
        header->cmsg_len == CMSG_LEN(most * sizeof *fds))
        memcpy(fds, CMSG_DATA(header), most * sizeof *fds);
    return got;
}

void start_status(struct monitor *m)
{
    struct status_record record;
    int namespaces[2];

    while (m->status.fd >= 0) {
        ssize_t got = receive(m->status.fd, &record, sizeof record, namespaces, 2);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        /* Told once, before what still waits to be read: the runtime ended without taking the release
         * byte, so its last word is an error record that must not be lost (af_unix.c). */
        if (got < 0 && errno == ECONNRESET)
            continue;
        if (got <= 0) {
            if (m->pid)
                executed(m);
            else
                silent_end(m);
        } else if (got != sizeof record || record.magic != RECORD_MAGIC) {
            start_failed(m, STAGE_CLONE, EPROTO, "the runtime does not speak the status protocol");
        } else if (record.kind == RECORD_PID && !m->pid) {
            known_pid(m, &record);
        } else if (record.kind == RECORD_NAMESPACES && m->pid && !m->network) {
            known_namespaces(m, namespaces);
        } else if (record.kind == RECORD_ERROR) {
            record.text[sizeof record.text - 1] = '\0';
            fail_with(m, &record);
        }
        for (int i = 0; i < 2; i++)
            if (namespaces[i] >= 0)
                close(namespaces[i]);
    }
}

void start_console(struct monitor *m)
{
    char byte;
    int master;

    if (receive(m->console.fd, &byte, 1, &master, 1) < 0 && errno == EAGAIN)
        return;
    source_close(m, &m->console);
    if (master < 0)
        return; /* the status socket tells why */
    fcntl(master, F_SETFL, O_NONBLOCK);
    m->out[0].source.fd = master;
    if (m->options.takes_stdin)
        m->in.fd = fcntl(master, F_DUPFD_CLOEXEC, FD_FIRST_HANDED);
    /* A master whose other end nobody holds hangs up: reads fail and epoll spins. So this end stays
     * open as long as the container lives, whatever it does with its own. */
    m->peer_fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    /* The size that the client told before the container could exist. */
    client_receive(m, &m->clients[0]);
    attach_window(m);
    start_release(m);
}
