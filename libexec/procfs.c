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

/* Opens a file of the procfs at /proc for writing; -1 and errno when it cannot. The path is relative
 * to it, and no mount is crossed on the way. */
static int open_proc(struct init *init, const char *path)
{
    struct open_request how = {.flags = O_WRONLY | O_CLOEXEC,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS};
    struct statfs where;
    struct stat found;
    cleanup_fd int proc = open_in_root(init, "/proc", O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS);

    if (proc < 0 || fstatfs(proc, &where) < 0 || fstat(proc, &found) < 0)
        fail(init, "/proc");
    if (where.f_type != PROC_SUPER_MAGIC || found.st_ino != PROC_ROOT_INODE)
        fail_errno(init, EPERM, "/proc is no procfs");
    return (int)syscall(SYS_openat2, proc, path, &how, sizeof how);
}

static void write_proc(struct init *init, int fd, const char *text)
{
    size_t length = strlen(text);

    if (write(fd, text, length) != (ssize_t)length)
        fail(init, text);
}

/* sysctl KEY VALUE */
void op_sysctl(struct init *init, const struct op *op)
{
    char path[PATH_MAX];

    snprintf(path, sizeof path, "sys/%s", op->argv[0]);
    for (char *at = path + 4; *at; at++)
        if (*at == '.')
            *at = '/';
    cleanup_fd int fd = open_proc(init, path);
    if (fd < 0)
        fail(init, op->argv[0]);
    write_proc(init, fd, op->argv[1]);
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
        fd = open_proc(init, "thread-self/attr/apparmor/exec");
    if (fd < 0)
        fd = open_proc(init, "thread-self/attr/exec");
    if (fd < 0 || asprintf(&text, apparmor ? "exec %s" : "%s", op->argv[1]) < 0)
        fail(init, op->argv[1]);
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        fail(init, op->argv[1]);
    free(text);
}
