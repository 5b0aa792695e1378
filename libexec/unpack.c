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
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "unpack.h"
#include "util.h"

/* What an archive may make this process and `finish` remember. */
enum { ENTRIES_MAX = 1000000 };

void tell(struct unpack *u, const char *what, const char *path, const char *more)
{
    int length = fprintf(u->pending, "%s%c%s%c%s%c", what, 0, path, 0, more, 0);

    if (length < 0)
        die_errno("pending work");
    u->pending_bytes += (uint64_t)length;
    if (u->pending_bytes > REMEMBERED_MAX)
        die(NULL, "the archive has more hard links and unlisted directories than can be");
}

void count_entry(struct unpack *u)
{
    if (++u->entries >= ENTRIES_MAX)
        die(NULL, "the archive has a million entries or more");
}

static bool wanted_xattr(const char *name)
{
    if (strcmp(name, "security.capability") == 0)
        return true; /* the kernel binds it to this user namespace (capabilities(7), version 3) */
    if (strcmp(name, XATTR_ACL) == 0)
        return true; /* that of new files comes when there are none any more, see later.c */
    /* What overlayfs and stores read would let a layer hide or show another one's files. */
    return strncmp(name, "user.", 5) == 0 && strncmp(name, "user.overlay.", 13) != 0 &&
           strncmp(name, "user.containers.", 16) != 0 &&
           strncmp(name, "user.fuseoverlayfs.", 19) != 0 && strncmp(name, "user.pypod.", 11) != 0;
}

/* The archive's capabilities are for root of the container, whoever that is: version 3 of the attribute
 * (linux/capability.h) names a user id of the machine that made it, so it becomes version 2. */
static size_t rebased(const struct tar_xattr *one)
{
    unsigned char *value = (unsigned char *)one->value;

    if (strcmp(one->name, "security.capability") != 0 || one->size != 24 || value[3] != 3)
        return one->size;
    value[3] = 2;
    return 20;
}

static void note_owner(int fd, const struct tar_entry *entry)
{
    char owner[64];
    int length = snprintf(owner, sizeof owner, "%u:%u:%o", (unsigned)entry->uid, (unsigned)entry->gid,
                          (unsigned)entry->mode);

    fsetxattr(fd, XATTR_OWNER, owner, (size_t)length, 0);
}

static void set_xattrs(struct unpack *u, int fd, const struct tar_entry *entry)
{
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct tar_xattr *one = &entry->xattrs[i];
        if (wanted_xattr(one->name) && fsetxattr(fd, one->name, one->value, rebased(one), 0) < 0 &&
            errno != EOPNOTSUPP && errno != EPERM && errno != EINVAL)
            die_errno(entry->name);
    }
    if (u->single && (entry->uid || entry->gid))
        note_owner(fd, entry);
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

static void copy_data(struct unpack *u, int fd, const struct tar_entry *entry, uint64_t size)
{
    const char *data;

    while (size > 0) {
        ssize_t got = tar_data(&u->tar, &data, size);
        if (got <= 0)
            die(entry->name, got < 0 ? u->tar.wrong : "its data is missing");
        size -= (uint64_t)got;
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
}

static void copy_extents(struct unpack *u, int fd, const struct tar_entry *entry)
{
    const struct tar_sparse *sparse = &u->tar.sparse;

    for (size_t i = 0; i < sparse->count; i++) {
        if (lseek(fd, (off_t)sparse->extents[i].offset, SEEK_SET) < 0)
            die_errno(entry->name);
        copy_data(u, fd, entry, sparse->extents[i].length);
    }
    if (ftruncate(fd, (off_t)sparse->size) < 0)
        die_errno(entry->name);
}

static void put_file(struct unpack *u, int parent, const char *name, struct tar_entry *entry)
{
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags, entry->mode & 0777);

    if (fd < 0 && errno == EEXIST) {
        clear(parent, name, entry->name);
        fd = openat(parent, name, flags, entry->mode & 0777);
    }
    if (fd < 0)
        die_errno(entry->name);
    if (u->tar.sparse.is)
        copy_extents(u, fd, entry);
    else
        copy_data(u, fd, entry, entry->size);
    set_owner(u, parent, name, entry);
    /* After the owner: changing it takes set-uid bits away (chown(2)). */
    if (entry->mode & 07000 && fchmod(fd, entry->mode) < 0)
        die_errno(entry->name);
    if (entry->xattr_count || u->single)
        set_xattrs(u, fd, entry);
    struct timespec times[2] = {entry->mtime, entry->mtime};
    futimens(fd, times);
    close(fd);
    early_count(&u->early, u->root, entry->size);
}

static void put_directory(struct unpack *u, int parent, const char *name, struct tar_entry *entry)
{
    struct stat found;
    bool old = false, opaque = false;

    if (mkdirat(parent, name, 0755) < 0) {
        if (errno != EEXIST || fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
            die_errno(entry->name);
        old = S_ISDIR(found.st_mode);
        if (!old) {
            /* What was hidden and is there again shows nothing of what it was below. */
            opaque = is_whiteout(parent, name);
            clear(parent, name, entry->name);
            if (mkdirat(parent, name, 0755) < 0)
                die_errno(entry->name);
        }
    }
    cleanup_fd int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || (opaque && fsetxattr(fd, XATTR_OPAQUE, "y", 1, 0) < 0))
        die_errno(entry->name);
    if (old)
        fremovexattr(fd, XATTR_IMPLIED);
    set_owner(u, parent, name, entry);
    if (entry->mode & 02000)
        u->setgid_seen = true;
    if (fchmod(fd, entry->mode) < 0)
        die_errno(entry->name);
    set_xattrs(u, fd, entry);
    do_later(u, entry->name, entry);
}

/* The root directory stays the caller's, who has to rename it and may have no other id: its owner is
 * noted, and a container's root gets it from there. */
static void put_root(struct unpack *u, struct tar_entry *entry)
{
    if (fchmod(u->root, entry->mode | 0700) < 0)
        die_errno("/");
    set_xattrs(u, u->root, entry);
    if (entry->uid || entry->gid || (entry->mode & 0700) != 0700)
        note_owner(u->root, entry);
    do_later(u, "", entry);
    u->root_seen = true;
}

/* A hard link. Its target is walked in-root; it may be a symbolic link itself, and it may lie in a
 * layer below: then `finish` makes it. */
static void put_link(struct unpack *u, int parent, const char *name, struct tar_entry *entry)
{
    char above[TAR_NAME_MAX + 1];

    if (!normalise(entry->link))
        die(entry->name, "a hard link to the root");
    if (strcmp(entry->link, entry->name) == 0)
        return;
    const char *slash = strrchr(entry->link, '/');
    size_t length = slash ? (size_t)(slash - entry->link) : 0;
    memcpy(above, entry->link, length);
    above[length] = 0;
    cleanup_fd int directory = open_below(u->root, *above ? above : ".", O_PATH | O_DIRECTORY);
    const char *target = slash ? slash + 1 : entry->link;
    clear(parent, name, entry->name);
    if (directory >= 0 && is_whiteout(directory, target))
        die(entry->name, "a hard link to a file that the layer removes");
    if (directory < 0 || linkat(directory, target, parent, name, 0) < 0) {
        if (errno != ENOENT && errno != ENOTDIR)
            die_errno(entry->name);
        tell(u, "link", entry->name, entry->link);
    }
}

/* `.wh.NAME` hides NAME of the layers below, `.wh..wh..opq` all that they have in this directory. */
static void put_whiteout(struct unpack *u, int parent, const char *name, const char *path)
{
    const char *hidden = name + 4;

    if (strcmp(hidden, ".wh..opq") == 0) {
        if (fsetxattr(parent, XATTR_OPAQUE, "y", 1, 0) < 0)
            die_errno(path);
        if (!strchr(path, '/'))
            tell(u, "opaque", "", ""); /* overlayfs does not look at the root's attribute */
        return;
    }
    if (!*hidden || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0)
        die(path, "a whiteout of nothing");
    if (mknodat(parent, hidden, S_IFCHR, makedev(0, 0)) == 0) {
        char shown[TAR_NAME_MAX + 1];
        snprintf(shown, sizeof shown, "%.*s%s", (int)(name - path), path, hidden);
        tell(u, "whiteout", shown, "");
        return;
    }
    if (errno != EEXIST)
        die_errno(path);
    /* What this very layer has under the name stays: a whiteout is about the layers below. */
    cleanup_fd int directory = openat(parent, hidden, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory >= 0 && fsetxattr(directory, XATTR_OPAQUE, "y", 1, 0) < 0)
        die_errno(path);
}

/* Whether a name is bookkeeping of aufs, or below it: `.wh..wh.` with anything but the opaque mark. */
static bool is_bookkeeping(const char *path)
{
    for (const char *at = path; (at = strstr(at, ".wh..wh.")); at += 8)
        if ((at == path || at[-1] == '/') && strcmp(at, ".wh..wh..opq") != 0)
            return true;
    return false;
}

static void check_numbers(struct tar_entry *entry)
{
    if (entry->uid >= UINT32_MAX - 1 || entry->gid >= UINT32_MAX - 1)
        die(entry->name, "its owner is not an id");
    /* ext4 holds 34 bits of seconds: beyond is a damaged or a hostile clock, not a date. */
    if (entry->mtime.tv_sec < -2147483648LL || entry->mtime.tv_sec > 15000000000LL)
        entry->mtime = (struct timespec){0};
}

static void put_other(struct unpack *u, int parent, const char *name, struct tar_entry *entry)
{
    switch (entry->type) {
    case '2':
        clear(parent, name, entry->name);
        if (!*entry->link || symlinkat(entry->link, parent, name) < 0)
            die(entry->name, *entry->link ? strerror(errno) : "a link to nothing");
        break;
    case '6':
        clear(parent, name, entry->name);
        if (mkfifoat(parent, name, entry->mode & 0777) < 0)
            die_errno(entry->name);
        break;
    case '3':
    case '4':
        u->skipped++; /* the container's mounts are nodev, devices would be no use */
        return;
    default:
        die(entry->name, "an entry of a kind that is not known");
    }
    set_owner(u, parent, name, entry);
    set_times(parent, name, entry->mtime);
}

static void put(struct unpack *u, struct tar_entry *entry)
{
    const char *name;

    check_numbers(entry);
    if (!normalise(entry->name)) {
        if (entry->type == '5')
            put_root(u, entry);
        return;
    }
    if (is_bookkeeping(entry->name))
        return;
    int parent = parent_of(u, entry->name, &name);
    if (strncmp(name, ".wh.", 4) == 0)
        put_whiteout(u, parent, name, entry->name);
    else if (entry->type == '0')
        put_file(u, parent, name, entry);
    else if (entry->type == '5')
        put_directory(u, parent, name, entry);
    else if (entry->type == '1')
        put_link(u, parent, name, entry);
    else
        put_other(u, parent, name, entry);
}

int verb_unpack(char **argv)
{
    static struct unpack u = {.tar.fd = STDIN_FILENO, .parent_fd = -1};
    struct tar_entry entry;
    char count[32];
    int more;

    u.single = strcmp(argv[1], "single") == 0;
    u.early.wanted = argv[2] && strcmp(argv[2], "durable") == 0;
    u.root = open(argv[0], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    u.pending = fdopen(STDOUT_FILENO, "w");
    if (u.root < 0 || !u.pending)
        die_errno(argv[0]);
    fchown(u.root, 0, 0); /* where the store's directory hands its group on; else it is so already */
    while ((more = tar_next(&u.tar, &entry)) > 0) {
        count_entry(&u);
        put(&u, &entry);
    }
    if (more < 0)
        die(NULL, u.tar.wrong);
    do_what_is_left(&u);
    tar_drain(&u.tar);
    early_end(&u.early);
    if (!u.root_seen)
        tell(&u, "implied", "", "");
    snprintf(count, sizeof count, "%llu", (unsigned long long)u.skipped);
    tell(&u, "skipped", count, "");
    return fflush(u.pending) == 0 ? 0 : 1;
}
