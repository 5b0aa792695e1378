/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the container's root: what it is made of, what of it is hidden, and how it becomes `/`. */
#define _GNU_SOURCE
#include "init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "mount.h"
#include "uapi.h"
#include "util.h"

/* private: nothing that is mounted from here on is seen by the host; what the host unmounts goes. */
void op_private(struct init *init, const struct op *op)
{
    (void)op;
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        fail(init, "/");
}

/* Where the container's paths begin: what was mounted last on a directory of the bundle. */
static void enter_root(struct init *init, const char *path)
{
    init->root_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (init->root_fd < 0)
        fail(init, path);
}

/* show DIRECTORY NAME: a place below a directory of the store to mount an image on (`image mount`). It is
 * in a small tmpfs, made with the first one, so that nothing is left when the mount namespace ends. */
void op_show(struct init *init, const struct op *op)
{
    struct stat own, above;
    const char *directory = op->argv[0];

    if (chdir(directory) < 0 || stat(".", &own) < 0 || stat("..", &above) < 0)
        fail(init, directory);
    if (own.st_dev == above.st_dev &&
        (mount("tmpfs", directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,mode=700") < 0 ||
         chdir(directory) < 0))
        fail(init, directory);
    if (mkdir(op->argv[1], 0700) < 0 && errno != EEXIST)
        fail(init, op->argv[1]);
}

static bool is_empty(const char *path)
{
    DIR *directory = opendir(path);
    int entries = 0;

    while (directory && readdir(directory))
        entries++;
    if (directory)
        closedir(directory);
    return entries == 2; /* "." and ".." */
}

/* hide DIRECTORY NAME now|lazy: the reverse, of all that is mounted there; the tmpfs goes with the last
 * one. What is in use is EBUSY, or with `lazy` goes when it is not any more. */
void op_hide(struct init *init, const struct op *op)
{
    const char *directory = op->argv[0];
    int how = UMOUNT_NOFOLLOW | (strcmp(op->argv[2], "lazy") == 0 ? MNT_DETACH : 0);

    if (chdir(directory) < 0)
        fail(init, directory);
    while (umount2(op->argv[1], how) == 0)
        continue;
    if (errno != EINVAL && errno != ENOENT) /* no mount point any more */
        fail(init, op->argv[1]);
    if (rmdir(op->argv[1]) < 0 && errno != ENOENT)
        fail(init, op->argv[1]);
    if (chdir("/") < 0)
        fail(init, "/");
    if (is_empty(directory))
        umount2(directory, UMOUNT_NOFOLLOW);
}

/* overlay ROOT UPPER WORK OPTIONS LOWER...: the container's root file system, uppermost layer first.
 * Without UPPER nobody can write to it; that takes a second directory below, an empty one.
 *
 * mount(2) takes one page of options, and 127 layers of full paths are more; fsconfig(2) could take
 * layers one by one only from Linux 6.5 on, and its strings end at 255 bytes. So the paths stand
 * behind short links in a small tmpfs, which also spares escaping `:` and `,`. The overlay covers it,
 * and it goes with the old root. */
void op_overlay(struct init *init, const struct op *op)
{
    const char *root = op->argv[0];
    bool writable = *op->argv[1];
    size_t lowers = op->argc - 4;
    char name[24];
    char *options = malloc(strlen(op->argv[3]) + 64 + lowers * 8);

    if (!options)
        fail(init, "memory");
    if (mount("tmpfs", root, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=1m,mode=700") < 0 ||
        chdir(root) < 0)
        fail(init, root);
    if (writable ? symlink(op->argv[1], "u") < 0 || symlink(op->argv[2], "w") < 0 : mkdir("e", 0755) < 0)
        fail(init, root);
    char *at = stpcpy(options, op->argv[3]);
    at = stpcpy(at, *op->argv[3] ? "," : "");
    at = stpcpy(at, writable ? "upperdir=u,workdir=w,lowerdir=" : "lowerdir=");
    for (size_t i = 0; i < lowers; i++) {
        if (!*op->argv[4 + i]) { /* what follows holds data only: "::" (overlayfs.rst) */
            *at++ = ':';
            continue;
        }
        snprintf(name, sizeof name, "%zu", i);
        if (symlink(op->argv[4 + i], name) < 0)
            fail(init, root);
        at += sprintf(at, i ? ":%s" : "%s", name);
    }
    if (!writable)
        strcpy(at, ":e");
    if (mount("overlay", ".", "overlay", writable ? 0 : MS_RDONLY | MS_NOSUID | MS_NODEV, options) < 0)
        fail(init, "overlay");
    free(options);
    enter_root(init, root);
}

/* root PATH: a directory as it is. Bound to itself, since pivot_root(2) wants a mount. */
void op_root(struct init *init, const struct op *op)
{
    struct mount_attributes attributes = {.propagation = MS_PRIVATE};
    const char *path = op->argv[0];
    cleanup_fd int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path,
                                       OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE);

    if (tree < 0)
        fail(init, path);
    set_attributes(init, tree, &attributes, true);
    if (syscall(SYS_move_mount, tree, "", AT_FDCWD, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        fail(init, path);
    enter_root(init, path);
}

/* An empty directory that cannot be written. One serves every mask: another file system would cost
 * four calls, the same one again costs one. Only of an attached mount can a copy be taken, so the
 * first is attached itself. */
static int take_cover(struct init *init)
{
    char *none[] = {NULL};

    if (init->cover_fd >= 0)
        return (int)syscall(SYS_open_tree, init->cover_fd, "",
                            OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);
    init->cover_fd = make_filesystem(init, "tmpfs", none,
                                     MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                                         MOUNT_ATTR_NOEXEC);
    return fcntl(init->cover_fd, F_DUPFD_CLOEXEC, 0);
}

/* mask PATH: an empty file or directory in its place; nothing where there is nothing. */
void op_mask(struct init *init, const struct op *op)
{
    struct mount_attributes attributes = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};
    cleanup_fd int place = open_in_root(init, op->argv[0], O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);
    cleanup_fd int cover = -1;

    if (place < 0 && (errno == ENOENT || errno == ENOTDIR))
        return;
    if (place < 0)
        fail(init, op->argv[0]);
    if (is_directory(init, place)) {
        cover = take_cover(init);
        if (cover < 0)
            fail(init, "an empty directory");
    } else {
        cover = take_device(init, "null", makedev(1, 3));
        set_attributes(init, cover, &attributes, false);
    }
    attach(init, cover, place);
}

/* readonly PATH: the same files, read-only; nothing where there is nothing. */
void op_readonly(struct init *init, const struct op *op)
{
    struct mount_attributes attributes = {.attr_set = MOUNT_ATTR_RDONLY, .propagation = MS_PRIVATE};
    cleanup_fd int place = open_in_root(init, op->argv[0], O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);

    if (place < 0 && (errno == ENOENT || errno == ENOTDIR))
        return;
    cleanup_fd int again = place < 0 ? -1
                                     : (int)syscall(SYS_open_tree, place, "",
                                                    OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                                                        AT_RECURSIVE | AT_EMPTY_PATH);
    if (again < 0)
        fail(init, op->argv[0]);
    set_attributes(init, again, &attributes, true);
    attach(init, again, place);
}

/* readonly-root: --read-only, after everything that makes mount points. */
void op_readonly_root(struct init *init, const struct op *op)
{
    struct mount_attributes attributes = {.attr_set = MOUNT_ATTR_RDONLY};

    (void)op;
    cleanup_fd int root = open_in_root(init, "/", O_PATH | O_DIRECTORY, 0);
    if (root < 0)
        fail(init, "/");
    set_attributes(init, root, &attributes, false);
}

/* pivot: the container's root becomes the root, the host's tree goes (pivot_root(2), "." trick). */
void op_pivot(struct init *init, const struct op *op)
{
    (void)op;
    if (fchdir(init->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        fail(init, "pivot_root");
}
