/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs that write to procfs. What they open is the container's own procfs and nothing that lies
 * over a part of it: a write that lands in another file could leave the process without its label, or
 * set the host's (CVE-2021-30465 and CVE-2025-52881 classes). */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "uapi.h"
#include "util.h"

enum { PROC_ROOT_INODE = 1 };

/* Opens a file below the root of a procfs; no mount is crossed on the way. */
static int open_below_proc(int proc, const char *path, uint64_t flags)
{
    struct open_request how = {.flags = flags | O_CLOEXEC,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS};

    return (int)syscall(SYS_openat2, proc, path, &how, sizeof how);
}

/* Opens a file of the procfs at /proc; -1 and errno when it cannot. Before there is a container's root
 * it is the host's. */
static int open_proc(struct init *init, const char *path, uint64_t flags)
{
    struct statfs where;
    struct stat found;
    cleanup_fd int proc =
        init->root_fd < 0 ? open("/proc", O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                          : open_in_root(init, "/proc", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);

    if (proc < 0 || fstatfs(proc, &where) < 0 || fstat(proc, &found) < 0)
        fail(init, "/proc");
    if (where.f_type != PROC_SUPER_MAGIC || found.st_ino != PROC_ROOT_INODE)
        fail_errno(init, EPERM, "/proc is no procfs");
    return open_below_proc(proc, path, flags);
}

/* The same in a procfs that nobody else sees: the container's may be mounted with subset=pid, which
 * has no /proc/sys. */
static int open_own_proc(const char *path)
{
    cleanup_fd int context = (int)syscall(SYS_fsopen, "proc", FSOPEN_CLOEXEC);

    if (context < 0 || syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return -1;
    cleanup_fd int proc = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC,
                                       MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    return proc < 0 ? -1 : open_below_proc(proc, path, O_WRONLY);
}

static void write_whole(struct init *init, int fd, const char *text, const char *noun)
{
    size_t length = strlen(text);

    if (write(fd, text, length) != (ssize_t)length)
        fail(init, noun);
}

/* sysctl KEY VALUE */
void op_sysctl(struct init *init, const struct op *op)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "sys/%s", op->argv[0]);
    for (char *at = path + 4; *at; at++)
        if (*at == '.')
            *at = '/';
    cleanup_fd int fd = open_proc(init, path, O_WRONLY);
    if (fd < 0 && errno == ENOENT)
        fd = open_own_proc(path);
    if (fd < 0)
        fail(init, op->argv[0]);
    write_whole(init, fd, op->argv[1], op->argv[0]);
}

/* oom VALUE: only ever raised, which needs no right; lowering it is the host's business. */
void op_oom(struct init *init, const struct op *op)
{
    char text[16] = "";
    cleanup_fd int fd = open_proc(init, "self/oom_score_adj", O_RDWR);

    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0)
        fail(init, "oom_score_adj");
    if (atoi(op->argv[0]) > atoi(text))
        write_whole(init, fd, op->argv[0], "oom_score_adj");
}

/* label selinux|apparmor TEXT: what the next program executed gets. The kernel checks then. */
void op_label(struct init *init, const struct op *op)
{
    bool apparmor = strcmp(op->argv[0], "apparmor") == 0;
    char *text = NULL;
    cleanup_fd int fd = -1;

    /* With several modules at once each has its own directory (Linux 5.8); the old name may belong to
     * another one. */
    if (apparmor)
        fd = open_proc(init, "thread-self/attr/apparmor/exec", O_WRONLY);
    if (fd < 0)
        fd = open_proc(init, "thread-self/attr/exec", O_WRONLY);
    if (fd < 0 || asprintf(&text, apparmor ? "exec %s" : "%s", op->argv[1]) < 0)
        fail(init, op->argv[1]);
    write_whole(init, fd, text, op->argv[1]);
    free(text);
}
