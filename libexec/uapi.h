/* SPDX-License-Identifier: Apache-2.0 */
/* Kernel interface that musl 1.2.3 lacks, or keeps in linux/ headers which Debian's musl-gcc does not
 * find. Names and values are those of the kernel's own headers. */
#ifndef PYPOD_UAPI_H
#define PYPOD_UAPI_H

#include <stdint.h>
#include <sys/mount.h>
#include <sys/syscall.h>

/* linux/mount.h; glibc has all of it since 2.36 */
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#define OPEN_TREE_CLOEXEC 02000000
#define MOVE_MOUNT_F_EMPTY_PATH 0x04
#define MOVE_MOUNT_T_EMPTY_PATH 0x40
#define FSOPEN_CLOEXEC 1
#define FSMOUNT_CLOEXEC 1
#define FSCONFIG_SET_FLAG 0
#define FSCONFIG_SET_STRING 1
#define FSCONFIG_CMD_CREATE 6
#define MOUNT_ATTR_RDONLY 0x01
#define MOUNT_ATTR_NOSUID 0x02
#define MOUNT_ATTR_NODEV 0x04
#define MOUNT_ATTR_NOEXEC 0x08
#define MOUNT_ATTR__ATIME 0x70
#define MOUNT_ATTR_NOATIME 0x10
#define MOUNT_ATTR_STRICTATIME 0x20
#define MOUNT_ATTR_NODIRATIME 0x80
#endif

/* struct mount_attr of linux/mount.h */
struct mount_attributes {
    uint64_t attr_set, attr_clr, propagation, userns_fd;
};

#ifndef AT_RECURSIVE
#define AT_RECURSIVE 0x8000
#endif

/* linux/openat2.h: struct open_how */
struct open_request {
    uint64_t flags, mode, resolve;
};
#define RESOLVE_NO_XDEV 0x01
#define RESOLVE_NO_MAGICLINKS 0x02
#define RESOLVE_NO_SYMLINKS 0x04
#define RESOLVE_BENEATH 0x08
#define RESOLVE_IN_ROOT 0x10

/* linux/close_range.h */
#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif

/* linux/capability.h */
#define CAPABILITY_VERSION_3 0x20080522
struct capability_header {
    uint32_t version;
    int pid;
};
struct capability_data {
    uint32_t effective, permitted, inheritable;
};
#define CAPABILITY_LAST 40

/* linux/sched.h; sched.h of musl lacks the newer ones */
#ifndef CLONE_NEWCGROUP
#define CLONE_NEWCGROUP 0x02000000
#endif
#ifndef CLONE_PIDFD
#define CLONE_PIDFD 0x1000
#endif

/* linux/seccomp.h, linux/filter.h */
#define SECCOMP_SET_MODE_FILTER 1
struct bpf_instruction {
    uint16_t code;
    uint8_t jt, jf;
    uint32_t k;
};
struct bpf_program {
    unsigned short length;
    struct bpf_instruction *instructions;
};

/* linux/keyctl.h, linux/magic.h */
#define KEYCTL_JOIN_SESSION_KEYRING 1
#define PROC_SUPER_MAGIC 0x9fa0

/* linux/nsfs.h */
#ifndef NS_GET_USERNS
#define NS_GET_USERNS 0xb701
#endif

/* asm-generic/ioctls.h */
#ifndef TIOCGPTPEER
#define TIOCGPTPEER 0x5441
#endif

/* asm-generic/unistd.h: the same on every architecture from 424 on */
#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif
#ifndef SYS_open_tree
#define SYS_open_tree 428
#define SYS_move_mount 429
#define SYS_fsopen 430
#define SYS_fsconfig 431
#define SYS_fsmount 432
#endif
#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1
#endif
#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif

#endif
