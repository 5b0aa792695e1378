/* SPDX-License-Identifier: Apache-2.0 */
/* unpack: a layer's tar into a directory that nobody else uses yet (OCI image-spec, layer.md).
 *
 * Every path is walked below the directory by the kernel. What needs the layers below (directories the
 * tar only implied, hard links to files it lacks) is written to stdout as NUL-ended words for `finish`:
 * the layer above may be unpacked before the one below is there. */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "tar.h"
#include "util.h"

enum { ENTRIES_MAX = 1000000, DEPTH_MAX = 1024 };

struct directory_time {
    char *path;
    struct timespec mtime;
};

struct unpack {
    int root;
    bool single;       /* one id only: the owner goes into an attribute */
    bool setgid_seen;  /* a directory's group may be inherited from here on */
    struct tar tar;
    char parent[TAR_NAME_MAX + 1];
    int parent_fd;     /* of `parent`, -1: none */
    struct directory_time *times;
    size_t time_count, time_room;
    uint64_t entries, skipped;
    FILE *pending;
};

static void tell(struct unpack *u, const char *what, const char *path, const char *more)
{
    fprintf(u->pending, "%s%c%s%c%s%c", what, 0, path, 0, more, 0);
}

/* Removes ".", "" and leading "/" from a name; refuses "..": no honest layer has it. False: the name is
 * the root itself. */
static bool normalise(char *name)
{
    char *to = name, *from = name;
    int depth = 0;

    while (*from) {
        size_t length = strcspn(from, "/");
        if (length == 2 && from[0] == '.' && from[1] == '.')
            die(name, "the archive has a name with ..");
        if (length > NAME_MAX)
            die(NULL, "the archive has a name part longer than 255 bytes");
        if (length && !(length == 1 && from[0] == '.')) {
            if (++depth > DEPTH_MAX)
                die(NULL, "the archive has directories more than 1024 deep");
            if (to != name)
                *to++ = '/';
            memmove(to, from, length);
            to += length;
        }
        from += length + (from[length] == '/');
    }
    *to = 0;
    return to != name;
}

static void remember_time(struct unpack *u, const char *path, struct timespec mtime)
{
    if (u->time_count == u->time_room) {
        u->time_room = u->time_room ? 2 * u->time_room : 256;
        u->times = realloc(u->times, u->time_room * sizeof *u->times);
        if (!u->times)
            die(NULL, "out of memory");
    }
    char *copy = strdup(path);
    if (!copy)
        die(NULL, "out of memory");
    u->times[u->time_count++] = (struct directory_time){copy, mtime};
}

/* Opens a directory of the layer, making it and its parents when they are missing. */
static int open_directory(struct unpack *u, const char *path)
{
    if (!*path)
        return fcntl(u->root, F_DUPFD_CLOEXEC, 0);
    int found = open_below(u->root, path, O_RDONLY | O_DIRECTORY);
    if (found >= 0)
        return found;
    if (errno != ENOENT)
        die_errno(path);
    char above[TAR_NAME_MAX + 1];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    memcpy(above, path, length);
    above[length] = 0;
    cleanup_fd int parent = open_directory(u, above);
    if (mkdirat(parent, slash ? slash + 1 : path, 0755) == 0)
        tell(u, "implied", path, "");
    else if (errno != EEXIST)
        die_errno(path);
    found = open_below(u->root, path, O_RDONLY | O_DIRECTORY);
    if (found < 0)
        die_errno(path);
    return found;
}

/* The directory of an entry, kept open for the next: archives list a directory's files together. */
static int parent_of(struct unpack *u, const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    *name = slash ? slash + 1 : path;
    if (u->parent_fd >= 0 && strlen(u->parent) == length && memcmp(u->parent, path, length) == 0)
        return u->parent_fd;
    if (u->parent_fd >= 0)
        close(u->parent_fd);
    memcpy(u->parent, path, length);
    u->parent[length] = 0;
    u->parent_fd = open_directory(u, u->parent);
    if (u->parent_fd < 0)
        die_errno(u->parent);
    return u->parent_fd;
}

static void forget_parent(struct unpack *u)
{
    if (u->parent_fd >= 0)
        close(u->parent_fd);
    u->parent_fd = -1;
}

/* Clears the place of an entry: a later entry of the same name wins. */
static void clear(struct unpack *u, int parent, const char *name, const char *path)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return;
    if (errno != EISDIR)
        die_errno(path);
    forget_parent(u); /* it may be below what goes */
    cleanup_fd int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        die_errno(path);
    remove_content(directory, path);
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
        die_errno(path);
}

static bool wanted_xattr(const char *name)
{
    if (strcmp(name, "security.capability") == 0)
        return true; /* the kernel binds it to this user namespace (capabilities(7), version 3) */
    /* What overlayfs and stores read would let a layer hide or show another one's files. */
    return strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0 &&
           strncmp(name, "user.containers.", 16) != 0 && strncmp(name, "user.pypod.", 11) != 0;
}

static void set_xattrs(struct unpack *u, int fd, const struct tar_entry *entry)
{
    char owner[64];

    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct tar_xattr *one = &entry->xattrs[i];
        if (wanted_xattr(one->name) && fsetxattr(fd, one->name, one->value, one->size, 0) < 0 &&
            errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
            die_errno(entry->name);
    }
    if (u->single && (entry->uid || entry->gid)) {
        int length = snprintf(owner, sizeof owner, "%u:%u:%o", (unsigned)entry->uid,
                              (unsigned)entry->gid, (unsigned)entry->mode);
        fsetxattr(fd, "user.pypod.owner", owner, (size_t)length, 0);
    }
}

static void set_owner(struct unpack *u, int parent, const char *name, const struct tar_entry *entry)
{
    if (u->single || (!entry->uid && !entry->gid && !u->setgid_seen))
        return;
    if (fchownat(parent, name, (uid_t)entry->uid, (gid_t)entry->gid, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == EINVAL) {
            char text[160];
            snprintf(text, sizeof text, "it belongs to %u:%u, which is not among this user's ids",
                     (unsigned)entry->uid, (unsigned)entry->gid);
            die(entry->name, text);
        }
        die_errno(entry->name);
    }
}

static void set_times(int parent, const char *name, struct timespec mtime)
{
    struct timespec times[2] = {mtime, mtime};

    utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW);
}

static void put_file(struct unpack *u, int parent, const char *name, struct tar_entry *entry)
{
    const char *data;
    ssize_t got;
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags, entry->mode & 0777);

    if (fd < 0 && errno == EEXIST) {
        clear(u, parent, name, entry->name);
        fd = openat(parent, name, flags, entry->mode & 0777);
    }
    if (fd < 0)
        die_errno(entry->name);
    while ((got = tar_data(&u->tar, &data)) > 0) {
        while (got > 0) {
            ssize_t put = write(fd, data, (size_t)got);
            if (put < 0 && errno != EINTR)
                die_errno(entry->name);
            if (put > 0) {
                data += put;
                got -= put;
            }
        }
    }
    if (got < 0)
        die(entry->name, u->tar.wrong);
    set_owner(u, parent, name, entry);
    /* After the owner: changing it takes set-uid bits away (chown(2)). */
    if (entry->mode & 07000 && fchmod(fd, entry->mode) < 0)
        die_errno(entry->name);
    if (entry->xattr_count || u->single)
        set_xattrs(u, fd, entry);
    struct timespec times[2] = {entry->mtime, entry->mtime};
    futimens(fd, times);
    close(fd);
}

static void put_directory(struct unpack *u, int parent, const char *name, struct tar_entry *entry)
{
    struct stat found;

    if (mkdirat(parent, name, 0755) < 0) {
        if (errno != EEXIST)
            die_errno(entry->name);
        if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
            die_errno(entry->name);
        if (!S_ISDIR(found.st_mode)) {
            clear(u, parent, name, entry->name);
            if (mkdirat(parent, name, 0755) < 0)
                die_errno(entry->name);
        }
    }
    cleanup_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        die_errno(entry->name);
    set_owner(u, parent, name, entry);
    if (entry->mode & 02000)
        u->setgid_seen = true;
    if (fchmod(fd, entry->mode) < 0)
        die_errno(entry->name);
    set_xattrs(u, fd, entry);
    remember_time(u, entry->name, entry->mtime);
}

/* A hard link. Its target is walked in-root; it may be a symbolic link itself, and it may lie in a
 * layer below: then `finish` makes it. */
static void put_link(struct unpack *u, int parent, const char *name, struct tar_entry *entry)
{
    char above[TAR_NAME_MAX + 1];

    if (!normalise(entry->link))
        die(entry->name, "a hard link to the root");
    const char *slash = strrchr(entry->link, '/');
    size_t length = slash ? (size_t)(slash - entry->link) : 0;
    memcpy(above, entry->link, length);
    above[length] = 0;
    cleanup_fd int directory = *above ? open_below(u->root, above, O_PATH | O_DIRECTORY)
                                      : fcntl(u->root, F_DUPFD_CLOEXEC, 0);
    if (strcmp(entry->link, entry->name) == 0)
        return;
    clear(u, parent, name, entry->name);
    if (directory < 0 || linkat(directory, slash ? slash + 1 : entry->link, parent, name, 0) < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            die_errno(entry->name);
        tell(u, "link", entry->name, entry->link);
    }
}

/* `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` all that they have in this directory. */
static void put_whiteout(int parent, const char *name, const char *path)
{
    const char *hidden = name + 4;

    if (strcmp(hidden, ".wh..opq") == 0) {
        if (fsetxattr(parent, "user.overlay.opaque", "y", 1, 0) < 0)
            die_errno(path);
        return;
    }
    if (strncmp(hidden, ".wh.", 4) == 0)
        return; /* bookkeeping of aufs */
    if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        die(path, "a whiteout of nothing");
    /* What this very layer has under the name stays: a whiteout is about the layers below. */
    if (mknodat(parent, hidden, S_IFCHR, makedev(0, 0)) < 0 && errno != EEXIST)
        die_errno(path);
}

static void check_numbers(struct tar_entry *entry)
{
    if (entry->uid >= UINT32_MAX - 1 || entry->gid >= UINT32_MAX - 1)
        die(entry->name, "its owner is not an id");
    /* ext4 holds 34 bits of seconds: beyond is a damaged or a hostile clock, not a date. */
    if (entry->mtime.tv_sec < -2147483648LL || entry->mtime.tv_sec > 15000000000LL)
        entry->mtime = (struct timespec){0};
}

static void put(struct unpack *u, struct tar_entry *entry)
{
    const char *name;

    check_numbers(entry);
    if (!normalise(entry->name)) {
        if (entry->type == '5') {
            /* The root directory itself. */
            set_owner(u, u->root, ".", entry);
            if (fchmod(u->root, entry->mode) < 0)
                die_errno("/");
            set_xattrs(u, u->root, entry);
            remember_time(u, "", entry->mtime);
        }
        return;
    }
    int parent = parent_of(u, entry->name, &name);
    if (strncmp(name, ".wh.", 4) == 0) {
        put_whiteout(parent, name, entry->name);
        return;
    }
    switch (entry->type) {
    case '0':
        put_file(u, parent, name, entry);
        break;
    case '5':
        put_directory(u, parent, name, entry);
        break;
    case '1':
        put_link(u, parent, name, entry);
        break;
    case '2':
        clear(u, parent, name, entry->name);
        if (!*entry->link || symlinkat(entry->link, parent, name) < 0)
            die(entry->name, *entry->link ? strerror(errno) : "a link to nothing");
        set_owner(u, parent, name, entry);
        set_times(parent, name, entry->mtime);
        break;
    case '6':
        clear(u, parent, name, entry->name);
        if (mkfifoat(parent, name, entry->mode & 0777) < 0)
            die_errno(entry->name);
        set_owner(u, parent, name, entry);
        set_times(parent, name, entry->mtime);
        break;
    default:
        u->skipped++; /* devices: the container's mounts are nodev, they would be no use */
    }
}

int verb_unpack(char **argv)
{
    static struct unpack u = {.tar.fd = STDIN_FILENO, .parent_fd = -1};
    struct tar_entry entry;
    int more;

    u.single = strcmp(argv[1], "single") == 0;
    u.root = open(argv[0], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    u.pending = fdopen(STDOUT_FILENO, "w");
    if (u.root < 0 || !u.pending)
        die_errno(argv[0]);
    while ((more = tar_next(&u.tar, &entry)) > 0) {
        if (++u.entries > ENTRIES_MAX - 1)
            die(NULL, "the archive has a million entries or more");
        put(&u, &entry);
    }
    if (more < 0)
        die(NULL, u.tar.wrong);
    forget_parent(&u);
    /* Last, deepest first: making files had changed them. */
    for (size_t i = u.time_count; i-- > 0;) {
        cleanup_fd int directory = *u.times[i].path
                                       ? open_below(u.root, u.times[i].path, O_RDONLY | O_DIRECTORY)
                                       : fcntl(u.root, F_DUPFD_CLOEXEC, 0);
        struct timespec times[2] = {u.times[i].mtime, u.times[i].mtime};
        if (directory >= 0)
            futimens(directory, times);
    }
    tar_drain(&u.tar);
    char count[32];
    snprintf(count, sizeof count, "%llu", (unsigned long long)u.skipped);
    tell(&u, "skipped", count, "");
    return fflush(u.pending) == 0 ? 0 : 1;
}
