/* SPDX-License-Identifier: Apache-2.0 */
/* pack ROOT flat|layer full|single [MTIME]: a tree as a tar stream on standard output.
 *
 * `flat` is a root file system as it is seen; of `/`, that is in the mount namespace of a container
 * that runs, what lies under its mounts. `layer` is an overlay's upper directory as an OCI layer:
 * whiteouts as `.wh.` files (image-spec, layer.md). The container may change all of it meanwhile: each
 * directory is opened anew from the top, without links and without crossing mounts; what has gone is
 * left out. No time is later than MTIME. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "files.h"
#include "tarout.h"
#include "uapi.h"
#include "util.h"

enum { XATTR_MOST = 1 << 16, BUCKETS = 4096 };

struct linked {
    struct linked *next;
    dev_t device;
    ino_t inode;
    char path[];
};

/* A directory on the way, and the names in it that are still to come, in order. */
struct level {
    struct level *up;
    char **names;
    size_t count, at, length; /* of the path so far */
};

struct pack {
    int top;
    bool layer, single;
    int64_t latest;
    char path[PATH_MAX];
    struct linked *links[BUCKETS];
    struct tarout out;
};

static int open_at(const struct pack *pack, const char *path, uint64_t flags)
{
    struct open_request how = {.flags = flags | O_CLOEXEC | O_NOFOLLOW,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};

    for (;;) {
        int fd = (int)syscall(SYS_openat2, pack->top, *path ? path : ".", &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            return fd;
    }
}

/* Whether an error only says that the container was faster. */
static bool has_gone(void)
{
    return errno == ENOENT || errno == ENOTDIR || errno == ELOOP || errno == EXDEV || errno == ENXIO;
}

static bool is_packed_xattr(const char *name)
{
    if (strncmp(name, "user.overlay.", 13) == 0 || strncmp(name, "user.pypod.", 11) == 0)
        return false;
    return strncmp(name, "user.", 5) == 0 || strcmp(name, "security.capability") == 0 ||
           strncmp(name, "system.posix_acl_", 17) == 0; /* acl(5), with the ids of the container */
}

static int by_name(const void *one, const void *other)
{
    return strcmp(*(char *const *)one, *(char *const *)other);
}

static void add_xattrs(struct pack *pack, int fd)
{
    static char names[XATTR_MOST], value[XATTR_MOST], key[NAME_MAX + 17];
    char *sorted[XATTR_MOST / 2];
    size_t count = 0;
    ssize_t length = flistxattr(fd, names, sizeof names);

    for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1)
        if (is_packed_xattr(name))
            sorted[count++] = name;
    qsort(sorted, count, sizeof *sorted, by_name);
    for (size_t i = 0; i < count; i++) {
        ssize_t size = fgetxattr(fd, sorted[i], value, sizeof value);
        if (size < 0)
            continue;
        snprintf(key, sizeof key, "SCHILY.xattr.%s", sorted[i]);
        tarout_record(&pack->out, key, value, (size_t)size);
    }
}

/* In single mode the owner that the file's own archive gave it; everything else is root's. */
static void set_owner(const struct pack *pack, int fd, struct tarout_entry *entry, const struct stat *found)
{
    char text[64];
    unsigned uid = 0, gid = 0, mode;

    if (!pack->single) {
        entry->uid = found->st_uid;
        entry->gid = found->st_gid;
        return;
    }
    ssize_t size = fd < 0 ? -1 : fgetxattr(fd, XATTR_OWNER, text, sizeof text - 1);
    text[size > 0 ? size : 0] = 0;
    if (size > 0 && sscanf(text, "%u:%u:%o", &uid, &gid, &mode) == 3) {
        entry->uid = uid;
        entry->gid = gid;
        if ((mode & 0777) == (found->st_mode & 0777))
            entry->mode = mode & 07777; /* set-id bits are the owner's */
    }
}

static struct tarout_entry entry_of(const struct pack *pack, int fd, char type, const struct stat *found)
{
    struct tarout_entry entry = {
        .type = type, .name = pack->path, .mode = found->st_mode & 07777, .mtime = found->st_mtim.tv_sec};

    if (entry.mtime > pack->latest)
        entry.mtime = pack->latest;
    set_owner(pack, fd, &entry, found);
    return entry;
}

static void add_whiteout(struct pack *pack, const char *parent, const char *name, const char *mark)
{
    char path[PATH_MAX + 16];
    struct tarout_entry entry = {.type = '0', .name = path, .mode = 0600};

    snprintf(path, sizeof path, "%s%s%s%s", parent, *parent ? "/" : "", mark, name);
    tarout_entry(&pack->out, &entry);
}

/* A further name of a file that is in the archive: its path there, NULL for the first. */
static const char *first_name(struct pack *pack, const struct stat *found)
{
    struct linked **bucket = &pack->links[found->st_ino % BUCKETS];

    for (struct linked *one = *bucket; one; one = one->next)
        if (one->inode == found->st_ino && one->device == found->st_dev)
            return one->path;
    struct linked *one = malloc(sizeof *one + strlen(pack->path) + 1);
    if (!one)
        die(pack->path, "out of memory");
    *one = (struct linked){*bucket, found->st_dev, found->st_ino};
    strcpy(one->path, pack->path);
    *bucket = one;
    return NULL;
}

static void add_file(struct pack *pack)
{
    struct stat found;
    cleanup_fd int fd = open_at(pack, pack->path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

    if (fd < 0 || fstat(fd, &found) < 0) {
        if (has_gone())
            return;
        die_errno(pack->path);
    }
    if (!S_ISREG(found.st_mode))
        return; /* it was one when it was listed */
    char metacopy[64];
    if (pack->layer && fgetxattr(fd, "user.overlay.metacopy", metacopy, sizeof metacopy) >= 0)
        die(pack->path, "its data are in another layer");
    struct tarout_entry entry = entry_of(pack, fd, '0', &found);
    entry.link = found.st_nlink > 1 ? first_name(pack, &found) : NULL;
    if (entry.link) {
        entry.type = '1';
        tarout_entry(&pack->out, &entry);
        return;
    }
    entry.size = (uint64_t)found.st_size;
    add_xattrs(pack, fd);
    tarout_entry(&pack->out, &entry);
    tarout_file(&pack->out, fd, entry.size, pack->path);
}

static void add_link(struct pack *pack, const struct stat *found)
{
    char target[PATH_MAX];
    cleanup_fd int fd = open_at(pack, pack->path, O_PATH);
    ssize_t length = fd < 0 ? -1 : readlinkat(fd, "", target, sizeof target - 1);

    if (length < 0) {
        if (has_gone() || errno == EINVAL)
            return;
        die_errno(pack->path);
    }
    target[length] = 0;
    struct tarout_entry entry = entry_of(pack, -1, '2', found);
    entry.link = target;
    entry.mode = 0777;
    tarout_entry(&pack->out, &entry);
}

static void add_other(struct pack *pack, char type, const struct stat *found)
{
    struct tarout_entry entry = entry_of(pack, -1, type, found);

    if (type != '6') {
        entry.major = major(found->st_rdev);
        entry.minor = minor(found->st_rdev);
    }
    tarout_entry(&pack->out, &entry);
}

/* The names of an open directory, in order: the same tree is always the same archive. */
static void list(struct level *level, int directory, const char *noun)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry;

    if (!stream)
        die_errno(noun);
    while ((entry = readdir(stream))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if ((level->count & (level->count - 1)) == 0) /* full: 0, 1, 2, 4, 8... */
            level->names = realloc(level->names, (level->count ? 2 * level->count : 1) * sizeof *level->names);
        char *kept = level->names ? strdup(name) : NULL;
        if (!kept)
            die(noun, "out of memory");
        level->names[level->count++] = kept;
    }
    closedir(stream);
    if (level->count)
        qsort(level->names, level->count, sizeof *level->names, by_name);
}

/* The directory at pack->path, and the level of what is in it; `up` again when it has gone. */
static struct level *enter(struct pack *pack, struct level *up)
{
    struct stat found;
    char opaque = 0;
    cleanup_fd int fd = open_at(pack, pack->path, O_RDONLY | O_DIRECTORY);

    if (fd < 0 || fstat(fd, &found) < 0) {
        if (has_gone())
            return up;
        die_errno(pack->path);
    }
    if (up) {
        struct tarout_entry entry = entry_of(pack, fd, '5', &found);
        add_xattrs(pack, fd);
        tarout_entry(&pack->out, &entry);
        if (pack->layer && fgetxattr(fd, XATTR_OPAQUE, &opaque, 1) == 1 && opaque == 'y')
            add_whiteout(pack, pack->path, ".wh..opq", ".wh.");
    }
    struct level *level = calloc(1, sizeof *level);
    if (!level)
        die(pack->path, "out of memory");
    level->up = up;
    level->length = strlen(pack->path);
    list(level, fd, pack->path);
    return level;
}

static bool is_empty_file(const struct stat *found)
{
    return S_ISREG(found->st_mode) && found->st_size == 0;
}

/* Places that pypod makes for the files that it binds over them: they are not the container's. */
static bool is_place_of_ours(const struct pack *pack, const struct stat *found)
{
    static const char *const places[] = {"etc/hosts", "etc/hostname", "etc/resolv.conf",
                                         "run/.containerenv"};

    for (size_t i = 0; pack->layer && i < sizeof places / sizeof *places; i++)
        if (strcmp(pack->path, places[i]) == 0)
            return is_empty_file(found);
    return false;
}

static struct level *add_name(struct pack *pack, struct level *level, const char *name)
{
    struct stat found;
    char parent[PATH_MAX];

    memcpy(parent, pack->path, level->length);
    parent[level->length] = 0;
    int length = snprintf(pack->path, sizeof pack->path, "%s%s%s", parent, *parent ? "/" : "", name);
    if (length >= (int)sizeof pack->path)
        die(parent, "a path in it is too long");
    cleanup_fd int fd = open_at(pack, pack->path, O_PATH);
    if (fd < 0 || fstat(fd, &found) < 0) {
        if (has_gone())
            return level;
        die_errno(pack->path);
    }
    if (S_ISCHR(found.st_mode) && found.st_rdev == 0) {
        if (pack->layer)
            add_whiteout(pack, parent, name, ".wh.");
        return level;
    }
    if (pack->layer && strncmp(name, ".wh.", 4) == 0)
        die(pack->path, "a layer cannot hold a file of this name: it means that another one is gone");
    if (S_ISDIR(found.st_mode))
        return enter(pack, level);
    if (S_ISREG(found.st_mode)) {
        if (!is_place_of_ours(pack, &found))
            add_file(pack);
    } else if (S_ISLNK(found.st_mode)) {
        add_link(pack, &found);
    } else if (!S_ISSOCK(found.st_mode)) {
        add_other(pack, S_ISCHR(found.st_mode) ? '3' : S_ISBLK(found.st_mode) ? '4' : '6', &found);
    }
    return level;
}

/* The root without the mounts on it, where the kernel lets us. */
static int open_top(const char *path)
{
    if (strcmp(path, "/") == 0) {
        int tree = (int)syscall(SYS_open_tree, AT_FDCWD, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree >= 0)
            return tree;
    }
    return open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

int verb_pack(char **argv)
{
    static struct pack pack;
    uint64_t latest;

    pack.out.fd = STDOUT_FILENO;
    pack.layer = strcmp(argv[1], "layer") == 0;
    pack.single = strcmp(argv[2], "single") == 0;
    pack.latest = INT64_MAX;
    if (argv[3]) {
        if (parse_number(argv[3], 10, INT64_MAX, &latest) < 0)
            die_errno(argv[3]);
        pack.latest = (int64_t)latest;
    }
    pack.top = open_top(argv[0]);
    if (pack.top < 0)
        die_errno(argv[0]);
    struct level *level = enter(&pack, NULL);
    while (level) {
        if (level->at < level->count) {
            char *name = level->names[level->at++];
            pack.path[level->length] = 0;
            level = add_name(&pack, level, name);
            free(name);
            continue;
        }
        struct level *left = level;
        level = level->up;
        free(left->names);
        free(left);
    }
    tarout_end(&pack.out);
    return 0;
}
