/* SPDX-License-Identifier: Apache-2.0 */
/* A tree is copied level by level, each directory opened anew by its path below the top, without links
 * and without crossing mounts: what is copied may be in the hands of another container, which may turn
 * any name into something else at any moment. It then copies less, and never from elsewhere. */
#define _GNU_SOURCE
#include "copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "uapi.h"
#include "util.h"

#ifndef FICLONE /* linux/fs.h, which musl-gcc does not see */
#define FICLONE _IOW(0x94, 9, int)
#endif

enum { CHUNK = 1 << 16, XATTR_MAX = 1 << 16 };

struct copied_link {
    struct copied_link *next;
    dev_t device;
    ino_t inode;
    char path[];
};

static int open_exactly(int top, const char *path, uint64_t flags)
{
    struct open_request how = {.flags = flags | O_CLOEXEC | O_NOFOLLOW,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};

    for (;;) {
        int fd = (int)syscall(SYS_openat2, top, *path ? path : ".", &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            return fd;
    }
}

/* Attributes that a file system or a name space does not take are left out, as cp -a does. */
static int copy_xattrs(const struct copy *copy, int from, int to)
{
    static char names[XATTR_MAX], value[XATTR_MAX];
    ssize_t length = flistxattr(from, names, sizeof names);

    if (length < 0)
        return errno == ENOTSUP ? 0 : -1;
    for (char *name = names; name < names + length; name += strlen(name) + 1) {
        if (!copy->rules &&
            (strncmp(name, "user.overlay.", 13) == 0 || strncmp(name, "user.pypod.", 11) == 0))
            continue;
        ssize_t size = fgetxattr(from, name, value, sizeof value);
        if (size < 0)
            continue;
        if (copy->rules) {
            if (copy->rules->attribute(copy, to, name, value, (size_t)size) < 0)
                return -1;
            continue;
        }
        if (fsetxattr(to, name, value, (size_t)size, 0) < 0 && errno != ENOTSUP && errno != EPERM &&
            errno != EINVAL)
            return -1;
    }
    return 0;
}

static int owner_of(const struct copy *copy, const struct stat *found, uid_t *uid, gid_t *gid)
{
    *uid = found->st_uid;
    *gid = found->st_gid;
    return copy->rules ? copy->rules->owner(copy, found, uid, gid) : 0;
}

/* `mode` is what `to` was made with, -1 when that is not known. */
static int give_attributes(const struct copy *copy, int from, int to, const struct stat *found, int mode)
{
    struct timespec times[2] = {found->st_atim, found->st_mtim};
    uid_t uid;
    gid_t gid;

    if (owner_of(copy, found, &uid, &gid) < 0)
        return -1;
    /* The owner first: changing it takes set-id bits and capabilities away. */
    if ((copy->owners && fchown(to, uid, gid) < 0) ||
        ((int)(found->st_mode & 07777) != mode && fchmod(to, found->st_mode & 07777) < 0) ||
        copy_xattrs(copy, from, to) < 0 || futimens(to, times) < 0)
        return -1;
    return 0;
}

int copy_attributes(const struct copy *copy, int from, int to)
{
    struct stat found;

    return fstat(from, &found) < 0 ? -1 : give_attributes(copy, from, to, &found, -1);
}

static int copy_range(int from, int to, off_t at, off_t end)
{
    static char buffer[CHUNK];

    while (at < end) {
        off_t in = at, out = at;
        ssize_t done = copy_file_range(from, &in, to, &out, (size_t)(end - at), 0);
        if (done < 0 && errno != EXDEV && errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP)
            return -1;
        if (done <= 0) {
            done = pread(from, buffer, end - at < CHUNK ? (size_t)(end - at) : CHUNK, at);
            if (done < 0)
                return -1;
            if (done == 0)
                return 0; /* it became shorter meanwhile */
            ssize_t written = pwrite(to, buffer, (size_t)done, at);
            if (written <= 0)
                return -1;
            done = written;
        }
        at += done;
    }
    return 0;
}

/* Holes stay holes: a database's files may be much longer than the disk. */
int copy_data(int from, int to, off_t size)
{
    off_t data = 0, hole;

    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    while (data < size) {
        data = lseek(from, data, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break; /* only a hole is left */
        if (data < 0)
            return -1;
        hole = lseek(from, data, SEEK_HOLE);
        if (hole < 0 || hole > size)
            hole = size;
        if (copy_range(from, to, data, hole) < 0)
            return -1;
        data = hole;
    }
    return ftruncate(to, size);
}

/* A further name of a file that has been copied: 1 when it was linked, 0 when it is the first. */
static int link_again(struct copy *copy, const struct stat *found, int directory, const char *name)
{
    struct copied_link **bucket = &copy->links[found->st_ino % COPY_BUCKETS];

    for (struct copied_link *one = *bucket; one; one = one->next)
        if (one->inode == found->st_ino && one->device == found->st_dev)
            return linkat(copy->to, one->path, directory, name, 0) < 0 ? -1 : 1;
    struct copied_link *one = malloc(sizeof *one + strlen(copy->path) + 1);
    if (!one)
        return -1;
    *one = (struct copied_link){*bucket, found->st_dev, found->st_ino};
    strcpy(one->path, copy->path);
    *bucket = one;
    return 0;
}

static int open_file(const struct copy *copy, int parent, const char *name)
{
    if (copy->rules && copy->rules->open)
        return copy->rules->open(copy, parent, name);
    return openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static int copy_file(struct copy *copy, int parent, int into, const char *name)
{
    struct stat found;
    cleanup_fd int from = open_file(copy, parent, name);

    if (from < 0)
        return errno == ENOENT || errno == ELOOP || errno == ENXIO ? 0 : -1;
    if (fstat(from, &found) < 0)
        return -1;
    if (!S_ISREG(found.st_mode))
        return 0; /* it was one when it was listed */
    if (!(copy->parts & (found.st_nlink > 1 ? COPY_LINKED : COPY_SINGLE))) {
        copy->linked |= found.st_nlink > 1;
        return 0;
    }
    int linked = found.st_nlink > 1 ? link_again(copy, &found, into, name) : 0;
    if (linked)
        return linked < 0 ? -1 : 0;
    /* The mode at once spares a call: nobody else sees the file yet. */
    int mode = copy->rules ? (int)(found.st_mode & 0777) : 0600;
    cleanup_fd int to = openat(into, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    if (to < 0 || (copy->rules ? copy->rules->data(copy, from, to, found.st_size)
                               : copy_data(from, to, found.st_size)) < 0)
        return -1;
    return give_attributes(copy, from, to, &found, copy->rules ? mode : -1);
}

static int give(const struct copy *copy, int into, const char *name, const struct stat *found)
{
    uid_t uid;
    gid_t gid;

    if (!copy->owners)
        return 0;
    if (owner_of(copy, found, &uid, &gid) < 0)
        return -1;
    return fchownat(into, name, uid, gid, AT_SYMLINK_NOFOLLOW);
}

static int copy_link(struct copy *copy, int parent, int into, const char *name, const struct stat *found)
{
    char target[PATH_MAX];
    struct timespec times[2] = {found->st_atim, found->st_mtim};
    ssize_t length = readlinkat(parent, name, target, sizeof target - 1);

    if (length < 0)
        return errno == ENOENT || errno == EINVAL ? 0 : -1;
    target[length] = 0;
    if (symlinkat(target, into, name) < 0)
        return -1;
    if (give(copy, into, name, found) < 0)
        return -1;
    return utimensat(into, name, times, AT_SYMLINK_NOFOLLOW);
}

static int copy_fifo(struct copy *copy, int into, const char *name, const struct stat *found)
{
    struct timespec times[2] = {found->st_atim, found->st_mtim};

    if (mkfifoat(into, name, 0600) < 0)
        return -1;
    if (give(copy, into, name, found) < 0)
        return -1;
    if (fchmodat(into, name, found->st_mode & 07777, 0) < 0)
        return -1;
    return utimensat(into, name, times, AT_SYMLINK_NOFOLLOW);
}

static int remember_directory(struct copy *copy)
{
    struct copied_directory *one = malloc(sizeof *one + strlen(copy->path) + 1);

    if (!one)
        return -1;
    one->next = NULL;
    one->before = copy->last;
    strcpy(one->path, copy->path);
    if (copy->last)
        copy->last->next = one;
    else
        copy->first = one;
    copy->last = one;
    return 0;
}

static int copy_directory(struct copy *copy, int into, const char *name)
{
    if (!(copy->parts & COPY_DIRECTORIES))
        return 0;
    return mkdirat(into, name, 0700) < 0 ? -1 : remember_directory(copy);
}

/* One entry; copy->path is its path. */
static int copy_entry(struct copy *copy, int parent, int into, const struct dirent *entry)
{
    const char *name = entry->d_name;
    struct stat found;

    if (copy->rules) { /* an immutable tree: what the kernel listed is still true */
        if (entry->d_type == DT_DIR)
            return copy_directory(copy, into, name);
        if (entry->d_type != DT_UNKNOWN && copy->parts == COPY_DIRECTORIES)
            return 0;
        if (entry->d_type == DT_REG)
            return copy_file(copy, parent, into, name);
    }
    if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -1;
    copy->entries++;
    if (S_ISDIR(found.st_mode))
        return copy_directory(copy, into, name);
    if (S_ISREG(found.st_mode))
        return copy_file(copy, parent, into, name);
    if (!(copy->parts & COPY_SINGLE))
        return 0;
    if (S_ISLNK(found.st_mode))
        return copy_link(copy, parent, into, name, &found);
    if (S_ISFIFO(found.st_mode))
        return copy_fifo(copy, into, name, &found);
    return copy->rules ? copy->rules->other(copy, into, name, &found) : 0;
}

int copy_level(struct copy *copy, const char *path)
{
    struct dirent *entry;
    int failed = 0;
    int parent = open_exactly(copy->from, path, O_RDONLY | O_DIRECTORY);

    if (parent < 0) /* another mount, or no directory any more: it stays empty */
        return errno == EXDEV || errno == ENOENT || errno == ENOTDIR || errno == ELOOP ? 0 : -1;
    cleanup_fd int into = open_exactly(copy->to, path, O_RDONLY | O_DIRECTORY);
    DIR *stream = fdopendir(parent);
    if (!stream || into < 0)
        return -1;
    while (!failed && (entry = readdir(stream))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (snprintf(copy->path, sizeof copy->path, "%s%s%s", path, *path ? "/" : "", name) >=
            (int)sizeof copy->path) {
            errno = ENAMETOOLONG;
            failed = -1;
        } else {
            failed = copy_entry(copy, dirfd(stream), into, entry);
        }
    }
    int saved = errno;
    closedir(stream);
    errno = saved;
    return failed;
}

/* The attributes of directories, the deepest first: writing into one changes its time. */
static int finish_directories(struct copy *copy)
{
    for (struct copied_directory *one = copy->last; one; one = one->before) {
        cleanup_fd int from = open_exactly(copy->from, one->path, O_RDONLY | O_DIRECTORY);
        cleanup_fd int to = open_exactly(copy->to, one->path, O_RDONLY | O_DIRECTORY);
        strcpy(copy->path, one->path);
        if (from >= 0 && (to < 0 || copy_attributes(copy, from, to) < 0))
            return -1;
    }
    copy->path[0] = 0;
    return copy_attributes(copy, copy->from, copy->to);
}

int copy_finish(struct copy *copy)
{
    int failed = finish_directories(copy);
    int saved = errno;

    for (size_t i = 0; i < COPY_BUCKETS; i++)
        for (struct copied_link *one; (one = copy->links[i]);) {
            copy->links[i] = one->next;
            free(one);
        }
    for (struct copied_directory *one; (one = copy->first);) {
        copy->first = one->next;
        free(one);
    }
    copy->last = NULL;
    errno = saved;
    return failed;
}

int copy_tree(struct copy *copy)
{
    copy->parts = COPY_ALL;
    if (copy_level(copy, "") < 0)
        return -1;
    for (struct copied_directory *one = copy->first; one; one = one->next)
        if (copy_level(copy, one->path) < 0)
            return -1;
    return copy_finish(copy);
}
