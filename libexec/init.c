/* SPDX-License-Identifier: Apache-2.0 */
/* pypod-init --plan FD --status FD [--console FD] [--namespaces 1]: executes a plan (PLAN.md).
 *
 * Two processes. The outer half reads the plan, joins namespaces, clones the inner half as a child of
 * its own parent (CLONE_PARENT: the monitor is the one that waits for the container), writes the id
 * maps, which only a process outside the new user namespace can do, and ends. The inner half executes
 * the operations one after the other; the last one executes the program.
 *
 * It knows no policy: what to do, and in what order, was decided by pypod/plan/compile.py. It may die
 * at any step; the kernel then takes away the namespaces and all that was mounted in them.
 */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "proto.h"
#include "uapi.h"
#include "util.h"

void fail_errno(struct init *init, int err, const char *text)
{
    struct status_record record = {.magic = RECORD_MAGIC, .kind = RECORD_ERROR, .stage = init->stage,
                                   .op = init->at < init->plan.count ? (int32_t)init->at : -1,
                                   .err = err};

    strncpy(record.text, text, sizeof record.text - 1);
    if (send(init->status_fd, &record, sizeof record, MSG_NOSIGNAL) < 0)
        dprintf(STDERR_FILENO, "pypod-init: %s: %s\n", text, strerror(err));
    _exit(start_exit_code(init->stage, err));
}

void blame(struct init *init, const struct op *op)
{
    init->at = (size_t)(op - init->plan.ops);
}

void fail(struct init *init, const char *text)
{
    fail_errno(init, errno, text);
}

uint64_t op_number(struct init *init, const char *word, int base, uint64_t most)
{
    uint64_t value;

    if (parse_number(word, base, most, &value) < 0)
        fail(init, word);
    return value;
}

static const struct {
    const char *name;
    int flag;
} namespaces[] = {
    {"user", CLONE_NEWUSER}, {"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID},      {"ipc", CLONE_NEWIPC},
    {"uts", CLONE_NEWUTS},   {"net", CLONE_NEWNET},  {"cgroup", CLONE_NEWCGROUP},
};

static int namespace_flags(struct init *init, char **names)
{
    int flags = 0;

    for (; *names; names++) {
        size_t i = 0;
        while (i < sizeof namespaces / sizeof *namespaces && strcmp(namespaces[i].name, *names) != 0)
            i++;
        if (i == sizeof namespaces / sizeof *namespaces)
            fail_errno(init, EINVAL, *names);
        flags |= namespaces[i].flag;
    }
    return flags;
}

/* Joins the namespaces of a process by its pidfd, all in one call (setns(2), Linux 5.8). From here to
 * its execve this process can be seen by the container: it must not be traced, nor its descriptors
 * taken (CVE-2016-9962), so it is not dumpable first. */
static void join(struct init *init, const struct op *op)
{
    int pidfd = (int)op_number(init, op->argv[0], 10, INT32_MAX);

    prctl(PR_SET_DUMPABLE, 0);
    if (setns(pidfd, namespace_flags(init, op->argv + 1)) < 0)
        fail(init, "the container's namespaces");
    close(pidfd);
}

/* join-net FD owner|here: a network namespace, and with `owner` first the user namespace that it belongs
 * to, without which it could not be entered. */
static void join_net(struct init *init, const struct op *op)
{
    int net = (int)op_number(init, op->argv[0], 10, INT32_MAX);

    prctl(PR_SET_DUMPABLE, 0); /* as in join() */
    if (strcmp(op->argv[1], "owner") == 0) {
        int user = ioctl(net, NS_GET_USERNS);
        if (user < 0 || setns(user, CLONE_NEWUSER) < 0)
            fail(init, "the user namespace of the network");
        close(user);
    }
    if (setns(net, CLONE_NEWNET) < 0)
        fail(init, "the network namespace");
    close(net);
}

static const struct verb {
    const char *name;
    size_t least, most; /* words */
    int stage;
    void (*act)(struct init *, const struct op *);
} verbs[] = {
    {"private", 0, 0, STAGE_SETUP, op_private},
    {"source", 3, 4, STAGE_SETUP, op_source},
    {"identity", 3, 3, STAGE_SETUP, op_identity},
    {"show", 2, 2, STAGE_SETUP, op_show},
    {"hide", 3, 3, STAGE_SETUP, op_hide},
    {"overlay", 5, SIZE_MAX, STAGE_SETUP, op_overlay},
    {"root", 1, 1, STAGE_SETUP, op_root},
    {"mount", 3, SIZE_MAX, STAGE_SETUP, op_mount},
    {"bind", 3, 3, STAGE_SETUP, op_bind},
    {"cover", 6, 6, STAGE_SETUP, op_cover},
    {"device", 3, 3, STAGE_SETUP, op_device},
    {"link", 2, 2, STAGE_SETUP, op_link},
    {"directory", 2, 2, STAGE_SETUP, op_directory},
    {"append", 2, 2, STAGE_SETUP, op_append},
    {"mask", 1, 1, STAGE_SETUP, op_mask},
    {"readonly", 1, 1, STAGE_SETUP, op_readonly},
    {"readonly-root", 0, 0, STAGE_SETUP, op_readonly_root},
    {"pivot", 0, 0, STAGE_SETUP, op_pivot},
    {"sysctl", 2, 2, STAGE_SETUP, op_sysctl},
    {"hostname", 1, 1, STAGE_SETUP, op_hostname},
    {"loopback", 0, 0, STAGE_SETUP, op_loopback},
    {"keyring", 1, 1, STAGE_SETUP, op_keyring},
    {"rlimit", 4, 4, STAGE_SETUP, op_rlimit},
    {"oom", 1, 1, STAGE_SETUP, op_oom},
    {"umask", 1, 1, STAGE_SETUP, op_umask},
    {"console", 2, 2, STAGE_SETUP, op_console},
    {"environment", 0, SIZE_MAX, STAGE_USER, op_environment},
    {"user-name", 2, 2, STAGE_USER, op_user_name},
    {"bounding", 1, 1, STAGE_USER, op_bounding},
    {"groups", 0, SIZE_MAX, STAGE_USER, op_groups},
    {"user", 2, 2, STAGE_USER, op_user},
    {"cwd", 1, 1, STAGE_EXEC, op_cwd},
    {"no-new-privs", 0, 0, STAGE_USER, op_no_new_privs},
    {"capabilities", 4, 4, STAGE_USER, op_capabilities},
    {"personality", 1, 1, STAGE_USER, op_personality},
    {"label", 2, 2, STAGE_USER, op_label},
    {"seccomp", 1, 2, STAGE_USER, op_seccomp},
    {"die-with-parent", 0, 0, STAGE_USER, op_die_with_parent},
    {"session", 0, 0, STAGE_USER, op_session},
    {"release", 0, 0, STAGE_USER, op_release},
    {"reaper", 0, 0, STAGE_USER, op_reaper},
    {"descriptors", 3, 3, STAGE_USER, op_descriptors},
    {"exec", 1, SIZE_MAX, STAGE_EXEC, op_exec},
    {"exec-fd", 2, SIZE_MAX, STAGE_EXEC, op_exec_fd},
};

static void execute(struct init *init, const struct op *op)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].name, op->verb) != 0)
            continue;
        init->stage = verbs[i].stage;
        if (op->argc < verbs[i].least || op->argc > verbs[i].most)
            fail_errno(init, EINVAL, "wrong number of words");
        verbs[i].act(init, op);
        return;
    }
    init->stage = STAGE_PLAN;
    fail_errno(init, EINVAL, "unknown verb");
}

/* Every signal as a new process expects it. By the system call: libc refuses the signals that it keeps
 * for itself, and a caller may ignore or block them. */
static void reset_signals(void)
{
    static const uint64_t usual[8]; /* zeros: SIG_DFL, and no signal blocked */

    for (int number = 1; number < NSIG; number++) /* SIGKILL and SIGSTOP refuse, as they should */
        syscall(SYS_rt_sigaction, number, usual, NULL, sizeof usual[0]);
    syscall(SYS_rt_sigprocmask, SIG_SETMASK, usual, NULL, sizeof usual[0]);
}

/* The inner half: waits until it is known to the monitor and its ids are mapped, then does the rest of
 * the plan. Without the wait an early failure would be told before the process that failed. */
static void __attribute__((noreturn)) inner(struct init *init, int go)
{
    char byte;

    /* The outer half has reported why, if it closed this without a word. */
    if (read(go, &byte, 1) != 1)
        _exit(125);
    close(go);
    reset_signals();
    for (; init->at < init->plan.count; init->at++)
        execute(init, &init->plan.ops[init->at]);
    init->stage = STAGE_PLAN;
    fail_errno(init, EINVAL, "the plan has no program to execute");
}

/* A fork with new namespaces. SIGCHLD goes to the parent, ours, whose child this will be; so only it
 * can reap it, and the pidfd is what we may signal it by. */
static pid_t clone_sibling(int flags, int *pidfd)
{
    flags |= CLONE_PARENT | CLONE_PIDFD | SIGCHLD;
#ifdef __s390x__
    return (pid_t)syscall(SYS_clone, NULL, flags, pidfd, NULL, NULL);
#else
    return (pid_t)syscall(SYS_clone, flags, NULL, pidfd, NULL, NULL);
#endif
}

/* map uid|gid TOOL INSIDE OUTSIDE COUNT...: kept for when there is a process to write it for. */
static void take_id_map(struct init *init, const struct op *op)
{
    if (op->argc < 5 || op->argc % 3 != 2)
        fail_errno(init, EINVAL, "wrong number of words");
    if (strcmp(op->argv[0], "uid") == 0)
        init->uid = op;
    else if (strcmp(op->argv[0], "gid") == 0)
        init->gid = op;
    else
        fail_errno(init, EINVAL, op->argv[0]);
}

/* Gives the monitor the namespaces, where something outside is to serve the container's network. They
 * are opened here, while the inner half waits: later it may have become another user and then is not
 * dumpable, so that nobody could open them by its pid. */
static void tell_namespaces(struct init *init, pid_t child)
{
    struct status_record record = {.magic = RECORD_MAGIC, .kind = RECORD_NAMESPACES, .op = -1, .pid = child};
    struct iovec part = {&record, sizeof record};
    int fds[2];
    union {
        struct cmsghdr header;
        char space[CMSG_SPACE(sizeof fds)];
    } control = {0};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control,
                             .msg_controllen = sizeof control};

    for (int i = 0; i < 2; i++) {
        char path[64];

        /* The one above rules the network too, and the caller is somebody there. */
        pid_t whose = !i && init->nested ? getpid() : child;

        snprintf(path, sizeof path, "/proc/%d/ns/%s", whose, i ? "net" : "user");
        fds[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (fds[i] < 0)
            give_up(init, path);
    }
    control.header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof fds), .cmsg_level = SOL_SOCKET,
                                      .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(&control.header), fds, sizeof fds);
    if (sendmsg(init->status_fd, &message, MSG_NOSIGNAL) < 0)
        give_up(init, "the namespaces");
}

static bool is_verb(const struct op *op, const char *verb)
{
    return strcmp(op->verb, verb) == 0;
}

/* The outer half: everything up to the first operation that is not its own. */
static void outer(struct init *init)
{
    const struct op *unshare = NULL;
    int flags = 0;
    int go[2];

    init->stage = STAGE_CLONE;
    for (; init->at < init->plan.count; init->at++) {
        const struct op *op = &init->plan.ops[init->at];

        if (is_verb(op, "map"))
            take_id_map(init, op);
        else if (is_verb(op, "deny-setgroups"))
            init->deny_setgroups = true;
        else if (is_verb(op, "unshare"))
            flags |= namespace_flags(init, (unshare = op)->argv);
        else if (is_verb(op, "join") && op->argc >= 2)
            join(init, op);
        else if (is_verb(op, "oom") && op->argc == 1)
            op_oom(init, op);
        else if (is_verb(op, "label") && op->argc == 2)
            op_label(init, op);
        else if (is_verb(op, "join-net") && op->argc == 2)
            join_net(init, op);
        else if (is_verb(op, "nest") && op->argc == 0)
            nest(init);
        else if (init->nested && !unshare && (is_verb(op, "private") || is_verb(op, "overlay")))
            execute(init, op);
        else
            break;
    }
    init->stage = STAGE_CLONE;
    if (pipe2(go, O_CLOEXEC) < 0)
        fail(init, "a pipe");
    pid_t child = clone_sibling(flags, &init->child_fd);
    if (child < 0) {
        if (unshare)
            blame(init, unshare);
        fail(init, flags & CLONE_NEWUSER ? "new namespaces (is the user namespace limit reached?)"
                                         : "a new process");
    }
    if (child == 0) {
        close(go[1]);
        inner(init, go[0]);
    }
    struct status_record record = {.magic = RECORD_MAGIC, .kind = RECORD_PID, .op = -1, .pid = child};
    if (send(init->status_fd, &record, sizeof record, MSG_NOSIGNAL) < 0)
        _exit(125); /* nobody is there to wait for a container: the inner half gets no byte, and ends */
    if (init->uid || init->gid) {
        init->stage = STAGE_IDMAP;
        write_id_maps(init, child);
    }
    if (init->tell_namespaces)
        tell_namespaces(init, child);
    signal(SIGPIPE, SIG_IGN); /* no reader: the inner half was killed, and its parent knows */
    _exit(write(go[1], "g", 1) == 1 ? 0 : 125);
}

static int fd_option(char **argv, const char *name)
{
    for (; argv[0] && argv[1]; argv += 2)
        if (strcmp(argv[0], name) == 0)
            return atoi(argv[1]);
    return -1;
}

int main(int argc, char **argv)
{
    static struct init init = {.root_fd = -1, .pty_fd = -1, .cover_fd = -1, .child_fd = -1, .stage = STAGE_PLAN};
    char *text;

    (void)argc;
    init.status_fd = fd_option(argv + 1, "--status");
    init.console_fd = fd_option(argv + 1, "--console");
    init.tell_namespaces = fd_option(argv + 1, "--namespaces") == 1;
    for (size_t i = 0; i < SLOTS_MAX; i++)
        init.slots[i] = -1;
    if (init.status_fd < 0) {
        dprintf(STDERR_FILENO, "usage: pypod-init --plan FD --status FD [--console FD] [--namespaces 1]\n");
        return 125;
    }
    /* The container's program gets 0, 1 and 2 and nothing else, whatever was leaked to us (S-06).
     * Done first: no operation can then hand on what it does not mean to. */
    if (syscall(SYS_close_range, 3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        fail(&init, "close_range: Linux 5.12 or newer is needed");
    ssize_t length = read_all(fd_option(argv + 1, "--plan"), &text, PLAN_BYTES_MAX);
    if (length < 0)
        fail(&init, "the plan");
    const char *wrong = plan_parse(&init.plan, text, (size_t)length);
    if (wrong)
        fail_errno(&init, EINVAL, wrong);
    /* A caller that ignores it would have the kernel reap newuidmap before we can ask how it ended. */
    signal(SIGCHLD, SIG_DFL);
    outer(&init);
}
