/* SPDX-License-Identifier: Apache-2.0 */
/* console bind|plain UID: a terminal on the container's own devpts, its master to the monitor.
 *
 * The other end is reached by TIOCGPTPEER and not by its name: the name is the container's to replace
 * (CVE-2025-52565). */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "uapi.h"
#include "util.h"

#define DEVPTS_SUPER_MAGIC 0x1cd1 /* linux/magic.h */

static void send_master(struct init *init, int master)
{
    char byte = 0;
    struct iovec data = {.iov_base = &byte, .iov_len = 1};
    union {
        char space[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control.space,
                             .msg_controllen = sizeof control.space};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &master, sizeof master);
    if (sendmsg(init->console_fd, &message, MSG_NOSIGNAL) < 0)
        fail(init, "sending the terminal to the monitor");
}

static void bind_console(struct init *init, int peer)
{
    int device = (int)syscall(SYS_open_tree, peer, "",
                              OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    if (device < 0)
        fail(init, "the terminal as a mount");
    cleanup_fd int place = make_target(init, "/dev/console", false);
    if (place < 0 || syscall(SYS_move_mount, device, "", place, "",
                             MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        fail(init, "/dev/console");
    close(device);
}

void op_console(struct init *init, const struct op *op)
{
    int zero = 0;
    uid_t uid = (uid_t)op_number(init, op->argv[1], 10, UINT32_MAX - 1);
    struct statfs where;

    if (init->console_fd < 0)
        fail_errno(init, EBADF, "no monitor takes the terminal");
    cleanup_fd int master = open_in_root(init, "/dev/pts/ptmx", O_RDWR | O_NOCTTY, 0);
    if (master < 0 || fstatfs(master, &where) < 0 || where.f_type != DEVPTS_SUPER_MAGIC)
        fail(init, "/dev/pts/ptmx");
    if (ioctl(master, TIOCSPTLCK, &zero) < 0)
        fail(init, "unlocking the terminal");
    int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0 || fchown(peer, uid, (gid_t)-1) < 0)
        fail(init, "the terminal");
    if (strcmp(op->argv[0], "bind") == 0)
        bind_console(init, peer);
    send_master(init, master);
    init->pty_fd = peer;
}
