/* SPDX-License-Identifier: Apache-2.0 */
/* The verbs of the mount namespace, all by descriptor (the mount API of Linux 5.2 and 5.12): a mount is
 * made detached, gets its attributes, and is then attached to a place that was resolved inside the
 * container's root. No name of a destination ever reaches mount(2). */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "copy.h"
#include "mount.h"
#include "uapi.h"
#include "util.h"

struct mount_flags {
    struct mount_attributes attributes;
    bool real_place; /* the destination must be a directory itself and no link */
    bool copy_up;    /* a new file system gets what is in its place */
};

static const struct {
    const char *name;
    uint64_t set, clear, propagation;
} flag_words[] = {
    {"ro", MOUNT_ATTR_RDONLY, 0, 0},
    {"rw", 0, 0, 0},
    {"nosuid", MOUNT_ATTR_NOSUID, 0, 0},
    {"nodev", MOUNT_ATTR_NODEV, 0, 0},
    {"noexec", MOUNT_ATTR_NOEXEC, 0, 0},
    {"noatime", MOUNT_ATTR_NOATIME, MOUNT_ATTR__ATIME, 0},
    {"relatime", 0, MOUNT_ATTR__ATIME, 0},
    {"strictatime", MOUNT_ATTR_STRICTATIME, MOUNT_ATTR__ATIME, 0},
    {"nodiratime", MOUNT_ATTR_NODIRATIME, 0, 0},
    {"private", 0, 0, MS_PRIVATE},
    {"slave", 0, 0, MS_SLAVE},
    {"shared", 0, 0, MS_SHARED},
    {"unbindable", 0, 0, MS_UNBINDABLE},
};

/* Reads "nosuid,noexec,…". `real` says that the place may not be reached through a link. */
static struct mount_flags parse_flags(struct init *init, const char *words)
{
    struct mount_flags flags = {0};

    while (*words) {
        size_t length = strcspn(words, ","), i = 0;

        while (i < sizeof flag_words / sizeof *flag_words &&
               (strlen(flag_words[i].name) != length || strncmp(words, flag_words[i].name, length) != 0))
            i++;
        if (i < sizeof flag_words / sizeof *flag_words) {
            flags.attributes.attr_set |= flag_words[i].set;
            flags.attributes.attr_clr |= flag_words[i].clear;
            if (flag_words[i].propagation)
                flags.attributes.propagation = flag_words[i].propagation;
        } else if (length == 4 && strncmp(words, "real", 4) == 0) {
            flags.real_place = true;
        } else if (length == 6 && strncmp(words, "copyup", 6) == 0) {
            flags.copy_up = true;
        } else {
            fail_errno(init, EINVAL, words);
        }
        words += length + (words[length] == ',');
    }
    return flags;
}

void set_attributes(struct init *init, int mount, const struct mount_attributes *wanted, bool all)
{
    if (!wanted->attr_set && !wanted->attr_clr && !wanted->propagation)
        return;
    if (syscall(SYS_mount_setattr, mount, "", AT_EMPTY_PATH | (all ? AT_RECURSIVE : 0), wanted,
                sizeof *wanted) < 0)
        fail(init, "mount attributes (Linux 5.12 or newer is needed)");
}

void attach(struct init *init, int mount, int place)
{
    if (syscall(SYS_move_mount, mount, "", place, "",
                MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0)
        fail(init, "attaching the mount");
}

/* Whether an image's link leads to a place that protects or serves the container. */
static bool is_at(struct init *init, const char *path, const struct stat *found)
{
    struct stat there;
    cleanup_fd int fd = open_in_root(init, path, O_PATH | O_NOFOLLOW, RESOLVE_NO_SYMLINKS);

    return fd >= 0 && fstat(fd, &there) == 0 && there.st_dev == found->st_dev &&
           there.st_ino == found->st_ino;
}

static int place_for(struct init *init, const char *path, bool directory, bool real)
{
    int place = make_target(init, path, directory);
    struct statfs where;
    struct stat found, root;

    if (place < 0 || fstatfs(place, &where) < 0 || fstat(place, &found) < 0 ||
        fstat(init->root_fd, &root) < 0)
        fail(init, path);
    /* A link of the image can lead anywhere in the container: what protects /proc must stay on top. */
    if (where.f_type == PROC_SUPER_MAGIC)
        fail_errno(init, EPERM, "the destination leads into /proc");
    if (found.st_dev == root.st_dev && found.st_ino == root.st_ino)
        fail_errno(init, EPERM, "the destination leads to the root of the container");
    if (!real && (is_at(init, "/dev", &found) || is_at(init, "/sys", &found)))
        fail_errno(init, EPERM, "the destination leads to /dev or /sys by a link");
    if (real) {
        /* /proc, /sys and /dev of an image may be links to anywhere (CVE-2019-16884 and after). */
        cleanup_fd int again = open_in_root(init, path, O_PATH | O_DIRECTORY | O_NOFOLLOW,
                                            RESOLVE_NO_SYMLINKS);
        if (again < 0)
            fail_errno(init, errno == ELOOP ? ENOTDIR : errno, "the image's directory is a link");
    }
    return place;
}

bool is_directory(struct init *init, int fd)
{
    struct stat found;

    if (fstat(fd, &found) < 0)
        fail(init, "the source of a mount");
    return S_ISDIR(found.st_mode);
}

/* Opens a part of a volume, resolved inside it: its content may be a container's. */
static int open_part(struct init *init, const char *path, const char *part)
{
    struct open_request how = {.flags = O_PATH | O_CLOEXEC,
                               .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS};
    cleanup_fd int whole = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int fd;

    do
        fd = whole < 0 ? -1 : (int)syscall(SYS_openat2, whole, part, &how, sizeof how);
    while (fd < 0 && (errno == EAGAIN || errno == EINTR));
    if (fd < 0)
        fail(init, part);
    return fd;
}

/* source SLOT PATH rec|one [PART]: takes a mount of a host path, with the caller's own groups still in force.
 * By path: a descriptor from before the new namespace would be EINVAL (measured). */
void op_source(struct init *init, const struct op *op)
{
    size_t slot = (size_t)op_number(init, op->argv[0], 10, SLOTS_MAX - 1);
    unsigned recursive = strcmp(op->argv[2], "rec") == 0 ? AT_RECURSIVE : 0;

    cleanup_fd int part = op->argc > 3 ? open_part(init, op->argv[1], op->argv[3]) : -1;
    init->slots[slot] = (int)syscall(SYS_open_tree, part < 0 ? AT_FDCWD : part, part < 0 ? op->argv[1] : "",
                                     OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive |
                                         (part < 0 ? 0 : AT_EMPTY_PATH));
    if (init->slots[slot] < 0)
        fail(init, op->argv[1]);
}

int make_filesystem(struct init *init, const char *type, char **options, uint64_t attributes)
{
    cleanup_fd int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);

    if (context < 0)
        fail(init, type);
    for (; *options; options++) {
        char *value = strchr(*options, '=');
        long done;

        if (value) {
            *value = 0;
            done = syscall(SYS_fsconfig, context, FSCONFIG_SET_STRING, *options, value + 1, 0);
        } else {
            done = syscall(SYS_fsconfig, context, FSCONFIG_SET_FLAG, *options, NULL, 0);
        }
        if (done < 0)
            fail(init, *options);
    }
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        fail(init, type);
    int made = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
    if (made < 0)
        fail(init, type);
    return made;
}

/* Makes the place of a tmpfs with the mode that a tmpfs has by itself: the next start of this container
 * finds it there, and must not take it for one of the image's. */
static bool make_open_place(struct init *init, const char *path)
{
    char link[32];
    cleanup_fd int found = open_in_root(init, path, O_PATH, 0);
    cleanup_fd int made = found >= 0 || errno != ENOENT ? -1 : make_directory(init, path, 0755);

    if (made < 0)
        return false;
    snprintf(link, sizeof link, "/proc/self/fd/%d", made);
    if (chmod(link, 01777) < 0)
        fail(init, path);
    return true;
}

static bool has_option(char **options, const char *key)
{
    size_t length = strlen(key);

    while (*options && strncmp(*options, key, length) != 0)
        options++;
    return *options;
}

/* Copies what the image has in the place of a tmpfs into it: content always, owner and mode of the
 * directory itself where no option says otherwise. */
static void copy_up(struct init *init, int place, int made, bool mode, bool owner)
{
    static struct copy copy = {.owners = true};
    struct stat given;
    cleanup_fd int from = openat(place, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    cleanup_fd int to = openat(made, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    copy.from = from;
    copy.to = to;
    if (from < 0 || to < 0 || fstat(to, &given) < 0)
        fail(init, "the image's content");
    if (copy_tree(&copy) < 0)
        fail(init, *copy.path ? copy.path : "the image's content");
    if ((owner && fchown(to, given.st_uid, given.st_gid) < 0) ||
        (mode && fchmod(to, given.st_mode & 07777) < 0))
        fail(init, "the image's content");
}

/* mount DEST TYPE FLAGS OPTION...: a new file system. */
void op_mount(struct init *init, const struct op *op)
{
    struct mount_flags flags = parse_flags(init, op->argv[2]);

    if (flags.copy_up && make_open_place(init, op->argv[0]))
        flags.copy_up = false;
    cleanup_fd int place = place_for(init, op->argv[0], true, flags.real_place);
    char **options = op->argv + 3;
    bool mode = has_option(options, "mode="), owner = has_option(options, "uid=") || has_option(options, "gid=");
    cleanup_fd int made = make_filesystem(init, op->argv[1], options,
                                          flags.copy_up ? 0 : flags.attributes.attr_set);

    if (flags.copy_up)
        copy_up(init, place, made, mode, owner);
    else
        flags.attributes.attr_set = flags.attributes.attr_clr = 0;
    set_attributes(init, made, &flags.attributes, false);
    attach(init, made, place);
}

/* bind SLOT DEST FLAGS: what `source` took, at its place. Flags hold for all mounts below it. */
void op_bind(struct init *init, const struct op *op)
{
    struct mount_flags flags = parse_flags(init, op->argv[2]);
    size_t slot = (size_t)op_number(init, op->argv[0], 10, SLOTS_MAX - 1);
    cleanup_fd int source = steal_fd(&init->slots[slot]);
    cleanup_fd int place = place_for(init, op->argv[1], is_directory(init, source), flags.real_place);

    if (!flags.attributes.propagation)
        flags.attributes.propagation = MS_PRIVATE;
    set_attributes(init, source, &flags.attributes, true);
    attach(init, source, place);
}

/* cover DEST FLAGS UPPER WORK LOWER own|given: an overlay over one host directory, for what the
 * container writes there. UPPER `own` was made for this and becomes as LOWER is. Paths travel as links to
 * descriptors: strings of fsconfig(2) end at 255 bytes, and commas in them need no escape. */
void op_cover(struct init *init, const struct op *op)
{
    static const char *const keys[] = {"upperdir", "workdir", "lowerdir"};
    char words[3][64], plain[] = "userxattr", *options[] = {words[0], words[1], words[2], plain, NULL};
    struct mount_flags flags = parse_flags(init, op->argv[1]);
    struct stat lower;
    int fds[3];

    for (int i = 0; i < 3; i++) {
        fds[i] = open(op->argv[2 + i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fds[i] < 0)
            fail(init, op->argv[2 + i]);
        snprintf(words[i], sizeof words[i], "%s=/proc/self/fd/%d", keys[i], fds[i]);
    }
    if (strcmp(op->argv[5], "own") == 0 &&
        (fstat(fds[2], &lower) < 0 || fchown(fds[0], lower.st_uid, lower.st_gid) < 0 ||
         fchmod(fds[0], lower.st_mode & 07777) < 0))
        fail(init, op->argv[2]);
    cleanup_fd int place = place_for(init, op->argv[0], true, flags.real_place);
    cleanup_fd int made = make_filesystem(init, "overlay", options, flags.attributes.attr_set);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    flags.attributes.attr_set = flags.attributes.attr_clr = 0;
    set_attributes(init, made, &flags.attributes, false);
    attach(init, made, place);
}

/* Takes a device of the host, which must be the one that its name says: /dev of the host may be
 * anything by now, and is what everything below masks with. */
int take_device(struct init *init, const char *name, dev_t wanted)
{
    char path[NAME_MAX + 8];
    struct stat found;

    snprintf(path, sizeof path, "/dev/%s", name);
    int device = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    if (device < 0 || fstat(device, &found) < 0)
        fail(init, path);
    if (!S_ISCHR(found.st_mode) || found.st_rdev != wanted)
        fail_errno(init, ENXIO, "the host's device is not the one that its name says");
    return device;
}

/* device NAME MAJOR MINOR: a device node of the host, bound to /dev/NAME. */
void op_device(struct init *init, const struct op *op)
{
    char path[NAME_MAX + 8];
    dev_t wanted = makedev((unsigned)op_number(init, op->argv[1], 10, 4095),
                           (unsigned)op_number(init, op->argv[2], 10, 1 << 20));
    cleanup_fd int device = take_device(init, op->argv[0], wanted);
    struct mount_attributes attributes = {.attr_set = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC,
                                          .propagation = MS_PRIVATE};

    snprintf(path, sizeof path, "/dev/%s", op->argv[0]);
    cleanup_fd int place = place_for(init, path, false, false);
    set_attributes(init, device, &attributes, false);
    attach(init, device, place);
}

/* link TARGET PATH: a symbolic link in a directory that a verb before this one mounted. */
void op_link(struct init *init, const struct op *op)
{
    char parent[PATH_MAX];
    char *slash;

    snprintf(parent, sizeof parent, "%s", op->argv[1]);
    slash = strrchr(parent, '/');
    if (!slash)
        fail_errno(init, EINVAL, op->argv[1]);
    *slash = 0;
    cleanup_fd int directory = open_in_root(init, *parent ? parent : "/", O_PATH | O_DIRECTORY, 0);
    if (directory < 0 || symlinkat(op->argv[0], directory, slash + 1) < 0)
        fail(init, op->argv[1]);
}

/* directory PATH MODE: made if it is missing, with its parents; WORKDIR. */
void op_directory(struct init *init, const struct op *op)
{
    mode_t mode = (mode_t)op_number(init, op->argv[1], 8, 07777);
    cleanup_fd int directory = make_directory(init, op->argv[0], mode);

    if (directory < 0)
        fail(init, op->argv[0]);
}

