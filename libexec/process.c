/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the process: ids, capabilities, limits, the filter. Their order is the compiler's. */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "uapi.h"
#include "util.h"

/* identity UID GID setgroups|keep: become a user of the new namespace, to own what is made from here
 * on. Bind sources have been opened by now: the caller's groups counted for them. */
void op_identity(struct init *init, const struct op *op)
{
    uid_t uid = (uid_t)op_number(init, op->argv[0], 10, UINT32_MAX - 1);
    gid_t gid = (gid_t)op_number(init, op->argv[1], 10, UINT32_MAX - 1);

    if (strcmp(op->argv[2], "setgroups") == 0 && setgroups(0, NULL) < 0)
        fail(init, "setgroups");
    if (setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0)
        fail(init, "the ids are not mapped");
}

void op_hostname(struct init *init, const struct op *op)
{
    if (sethostname(op->argv[0], strlen(op->argv[0])) < 0)
        fail(init, op->argv[0]);
}

/* loopback: up, in a network namespace that has nothing else. */
void op_loopback(struct init *init, const struct op *op)
{
    struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

    (void)op;
    cleanup_fd int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (any < 0 || ioctl(any, SIOCSIFFLAGS, &request) < 0)
        fail(init, "lo");
}

/* keyring NAME: a session keyring of its own, so that the caller's keys are not the container's. May
 * fail: 200 keys per user is the default, and keyctl is refused by the filter anyway. */
void op_keyring(struct init *init, const struct op *op)
{
    (void)init;
    syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, op->argv[0], 0, 0, 0);
}

static const struct {
    const char *name;
    int number;
} limits[] = {
    {"AS", RLIMIT_AS},           {"CORE", RLIMIT_CORE},   {"CPU", RLIMIT_CPU},
    {"DATA", RLIMIT_DATA},       {"FSIZE", RLIMIT_FSIZE}, {"LOCKS", RLIMIT_LOCKS},
    {"MEMLOCK", RLIMIT_MEMLOCK}, {"MSGQUEUE", RLIMIT_MSGQUEUE},
    {"NICE", RLIMIT_NICE},       {"NOFILE", RLIMIT_NOFILE}, {"NPROC", RLIMIT_NPROC},
    {"RSS", RLIMIT_RSS},         {"RTPRIO", RLIMIT_RTPRIO}, {"RTTIME", RLIMIT_RTTIME},
    {"SIGPENDING", RLIMIT_SIGPENDING}, {"STACK", RLIMIT_STACK},
};

/* rlimit NAME SOFT HARD clamp|exact: `clamp` takes what the hard limit allows; a default must not keep
 * a container from starting on a host without CAP_SYS_RESOURCE. */
void op_rlimit(struct init *init, const struct op *op)
{
    struct rlimit now, wanted;
    size_t i = 0;

    while (i < sizeof limits / sizeof *limits && strcmp(limits[i].name, op->argv[0]) != 0)
        i++;
    if (i == sizeof limits / sizeof *limits)
        fail_errno(init, EINVAL, op->argv[0]);
    wanted.rlim_cur = op_number(init, op->argv[1], 10, UINT64_MAX);
    wanted.rlim_max = op_number(init, op->argv[2], 10, UINT64_MAX);
    if (getrlimit(limits[i].number, &now) < 0)
        fail(init, op->argv[0]);
    if (strcmp(op->argv[3], "clamp") == 0) {
        if (wanted.rlim_max > now.rlim_max)
            wanted.rlim_max = now.rlim_max;
        if (wanted.rlim_cur > wanted.rlim_max)
            wanted.rlim_cur = wanted.rlim_max;
    }
    if (setrlimit(limits[i].number, &wanted) < 0)
        fail(init, op->argv[0]);
}

/* personality DOMAIN: what uname(2) calls the machine, for programs of 32 bits. */
void op_personality(struct init *init, const struct op *op)
{
    if (personality(op_number(init, op->argv[0], 10, 0xff)) < 0)
        fail(init, "the execution domain");
}

void op_umask(struct init *init, const struct op *op)
{
    umask((mode_t)op_number(init, op->argv[0], 8, 0777));
}

/* cwd PATH: as the final user, with its rights. A path such as /proc/self/fd/9 could lead out of the
 * container (CVE-2024-21626); the kernel then says so: getcwd(2) does not begin with "/". */
void op_cwd(struct init *init, const struct op *op)
{
    char where[PATH_MAX];

    if (chdir(op->argv[0]) < 0)
        fail(init, op->argv[0]);
    /* The system call: musl turns "(unreachable)…" into an error of its own. */
    if (syscall(SYS_getcwd, where, sizeof where) < 0)
        fail(init, op->argv[0]);
    if (where[0] != '/')
        fail_errno(init, EPERM, "the working directory is not in the container");
}

/* bounding MASK: drops every capability that is not in it, for good. */
void op_bounding(struct init *init, const struct op *op)
{
    uint64_t keep = op_number(init, op->argv[0], 16, UINT64_MAX);

    for (int capability = 0; capability < 64; capability++) {
        if (keep >> capability & 1)
            continue;
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
            if (errno == EINVAL)
                break; /* the kernel's last capability is behind us */
            fail(init, "dropping a capability");
        }
    }
}

void op_groups(struct init *init, const struct op *op)
{
    gid_t *groups = calloc(op->argc + 1, sizeof *groups);

    if (!groups)
        fail(init, "memory");
    for (size_t i = 0; i < op->argc; i++)
        groups[i] = (gid_t)op_number(init, op->argv[i], 10, UINT32_MAX - 1);
    if (setgroups(op->argc, groups) < 0)
        fail(init, "setgroups");
    free(groups);
}

/* Gives the pipes of 0, 1 and 2 to the user that is to be: /dev/stdout is opened anew by many programs,
 * and a pipe of root's would refuse. Only pipes: a terminal is given away by `console`, and anything
 * else is not the container's. */
static void give_streams(uid_t uid)
{
    struct stat found;

    for (int fd = 0; fd < 3; fd++)
        if (fstat(fd, &found) == 0 && S_ISFIFO(found.st_mode) && found.st_uid != uid)
            if (fchown(fd, uid, (gid_t)-1) < 0)
                continue; /* a pipe of somebody else: it works as it is, by descriptor */
}

static void __attribute__((noreturn)) fail_ids(struct init *init, const char *unmapped)
{
    if (errno == EINVAL)
        fail_errno(init, 0, unmapped);
    fail(init, "the ids"); /* EAGAIN: this user has too many processes (setuid(2)) */
}

/* user UID GID: the permitted capabilities stay until `capabilities` sets them exactly: loading a
 * filter without no_new_privs needs CAP_SYS_ADMIN. */
void op_user(struct init *init, const struct op *op)
{
    uid_t uid = (uid_t)op_number(init, op->argv[0], 10, UINT32_MAX - 1);
    gid_t gid = (gid_t)op_number(init, op->argv[1], 10, UINT32_MAX - 1);

    give_streams(uid);
    prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
    if (setresgid(gid, gid, gid) < 0)
        fail_ids(init, "the group is not mapped into the container");
    if (setresuid(uid, uid, uid) < 0)
        fail_ids(init, "the user is not mapped into the container");
    prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0);
}

static void set_capabilities(struct init *init, uint64_t effective, uint64_t permitted,
                             uint64_t inheritable)
{
    struct capability_header header = {.version = CAPABILITY_VERSION_3};
    struct capability_data data[2];

    for (int half = 0; half < 2; half++)
        data[half] = (struct capability_data){.effective = (uint32_t)(effective >> 32 * half),
                                              .permitted = (uint32_t)(permitted >> 32 * half),
                                              .inheritable = (uint32_t)(inheritable >> 32 * half)};
    if (syscall(SYS_capset, &header, data) < 0)
        fail(init, "capset");
}

/* capabilities EFFECTIVE PERMITTED INHERITABLE AMBIENT */
void op_capabilities(struct init *init, const struct op *op)
{
    uint64_t set[4];

    for (int i = 0; i < 4; i++)
        set[i] = op_number(init, op->argv[i], 16, UINT64_MAX);
    set_capabilities(init, set[0], set[1], set[2]);
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        fail(init, "ambient capabilities");
    for (unsigned long capability = 0; capability <= CAPABILITY_LAST; capability++)
        if (set[3] >> capability & 1 &&
            prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) < 0)
            fail(init, "ambient capabilities");
}

void op_no_new_privs(struct init *init, const struct op *op)
{
    (void)op;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        fail(init, "no_new_privs");
}

/* seccomp FD [FLAGS]: the bytes of a BPF program; flags as seccomp(2) has them. */
void op_seccomp(struct init *init, const struct op *op)
{
    int fd = (int)op_number(init, op->argv[0], 10, INT32_MAX);
    unsigned long flags = op->argc > 1 ? op_number(init, op->argv[1], 10, UINT32_MAX) : 0;
    char *text;

    ssize_t length = read_all(fd, &text, 4096 * sizeof(struct bpf_instruction));
    if (length <= 0 || length % (ssize_t)sizeof(struct bpf_instruction))
        fail_errno(init, length < 0 ? errno : EINVAL, "the filter's program");
    struct bpf_program program = {
        .length = (unsigned short)((size_t)length / sizeof(struct bpf_instruction)),
        .instructions = (struct bpf_instruction *)text};
    if (!prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)) {
        /* After `user` the effective set of a user that is not root is empty: raise what is left. */
        struct capability_header header = {.version = CAPABILITY_VERSION_3};
        struct capability_data data[2];

        if (syscall(SYS_capget, &header, data) < 0)
            fail(init, "capget");
        uint64_t permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
        set_capabilities(init, permitted, permitted, 0);
    }
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program) < 0)
        fail(init, "the kernel refused the filter");
    free(text);
}

/* die-with-parent: after the last change of ids, which would undo it (prctl(2)). */
void op_die_with_parent(struct init *init, const struct op *op)
{
    struct pollfd status = {.fd = init->status_fd, .events = 0};

    (void)op;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        fail(init, "the parent-death signal");
    /* The parent may have died before. getppid(2) is 0 in a new pid namespace either way; the status
     * socket knows: nobody else holds its other end. */
    if (poll(&status, 1, 0) > 0 && status.revents & (POLLHUP | POLLERR))
        _exit(125);
}
