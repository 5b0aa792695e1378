/* SPDX-License-Identifier: Apache-2.0 */
/* pypod-init: executes a plan. What its files share. */
#ifndef PYPOD_INIT_H
#define PYPOD_INIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "plan.h"

enum { SLOTS_MAX = 1024 };

struct init {
    struct plan plan;
    size_t at; /* index of the operation at work */
    int stage;
    int status_fd;
    int console_fd;          /* -1: none */
    int root_fd;             /* the container's root directory; -1 before there is one */
    int pty_fd;              /* our end of the container's terminal, -1: none */
    int slots[SLOTS_MAX];    /* detached mounts of bind sources, -1: none */
    int cover_fd;            /* the empty directory that masks directories, -1: not made yet */
    int child_fd;            /* pidfd of the inner half, in the outer */
    const struct op *uid, *gid; /* id maps; NULL: none */
    bool deny_setgroups;
    bool nested;             /* the outer half is in namespaces of its own */
    bool tell_namespaces;    /* send descriptors of the user and network namespace once there are ids */
    bool reaper;             /* --init: stay as pid 1 */
    bool listening;          /* the program's descriptors are sockets by systemd's protocol */
    char **environment;
    const char *home;        /* of the user that `user-name` found */
};

/* Reports the failure of the operation at work with errno and a noun, and ends the process. The text
 * is for what the operation's own words do not say; an errno of 0 means that the text says all. */
void fail(struct init *init, const char *text) __attribute__((noreturn));
void fail_errno(struct init *init, int err, const char *text) __attribute__((noreturn));

/* Names another operation as the one at work, for what is done later than its turn. */
void blame(struct init *init, const struct op *op);

/* ids.c: the outer half. Writes the maps of `child`; fails the plan if it cannot. give_up: as fail(), but
 * the inner half is ended first. */
void give_up(struct init *init, const char *text) __attribute__((noreturn));
void write_id_maps(struct init *init, pid_t child);
void nest(struct init *init);

/* resolve.c: paths of the container, never followed out of its root. */
int open_in_root(struct init *init, const char *path, uint64_t flags, uint64_t resolve);
int make_directory(struct init *init, const char *path, mode_t mode);
int make_target(struct init *init, const char *path, bool directory);

/* mount.c: what is mounted in the container. */
void op_source(struct init *init, const struct op *op);
void op_mount(struct init *init, const struct op *op);
void op_bind(struct init *init, const struct op *op);
void op_cover(struct init *init, const struct op *op);
void op_device(struct init *init, const struct op *op);
void op_link(struct init *init, const struct op *op);
void op_directory(struct init *init, const struct op *op);
void op_append(struct init *init, const struct op *op);

/* rootfs.c: the container's root, and what of it is hidden. */
void op_private(struct init *init, const struct op *op);
void op_show(struct init *init, const struct op *op);
void op_hide(struct init *init, const struct op *op);
void op_overlay(struct init *init, const struct op *op);
void op_root(struct init *init, const struct op *op);
void op_mask(struct init *init, const struct op *op);
void op_readonly(struct init *init, const struct op *op);
void op_readonly_root(struct init *init, const struct op *op);
void op_pivot(struct init *init, const struct op *op);

/* process.c: the verbs of the process. */
void op_identity(struct init *init, const struct op *op);
void op_hostname(struct init *init, const struct op *op);
void op_loopback(struct init *init, const struct op *op);
void op_keyring(struct init *init, const struct op *op);
void op_rlimit(struct init *init, const struct op *op);
void op_personality(struct init *init, const struct op *op);
void op_umask(struct init *init, const struct op *op);
void op_cwd(struct init *init, const struct op *op);
void op_bounding(struct init *init, const struct op *op);
void op_groups(struct init *init, const struct op *op);
void op_user(struct init *init, const struct op *op);
void op_capabilities(struct init *init, const struct op *op);
void op_no_new_privs(struct init *init, const struct op *op);
void op_seccomp(struct init *init, const struct op *op);
void op_die_with_parent(struct init *init, const struct op *op);

/* procfs.c: what is written to the container's own procfs. */
void op_sysctl(struct init *init, const struct op *op);
void op_oom(struct init *init, const struct op *op);
void op_label(struct init *init, const struct op *op);

/* user.c: names of the container's own passwd file. */
void op_user_name(struct init *init, const struct op *op);

/* console.c: the container's terminal. */
void op_console(struct init *init, const struct op *op);

/* run.c: the end of the plan. */
void op_environment(struct init *init, const struct op *op);
void op_session(struct init *init, const struct op *op);
void op_release(struct init *init, const struct op *op);
void op_reaper(struct init *init, const struct op *op);
void op_descriptors(struct init *init, const struct op *op);
void op_exec(struct init *init, const struct op *op) __attribute__((noreturn));
void op_exec_fd(struct init *init, const struct op *op) __attribute__((noreturn));

/* The number in a word of the operation at work; fails the plan for anything else. */
uint64_t op_number(struct init *init, const char *word, int base, uint64_t most);

#endif
