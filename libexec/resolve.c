/* SPDX-License-Identifier: Apache-2.0 */
/* Paths of the container. Every one is resolved by the kernel inside the container's root and used by
 * descriptor: a path that is checked as a string and used later can be another one by then. */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "uapi.h"
#include "util.h"

int open_in_root(struct init *init, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags | O_CLOEXEC,
                           .mode = flags & O_CREAT ? 0644 : 0,
                           .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve};

    if (init->root_fd < 0) {
        init->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (init->root_fd < 0)
            return -1;
    }
    for (;;) {
        int fd = (int)syscall(SYS_openat2, init->root_fd, path, &how, sizeof how);
        /* EAGAIN: something was renamed meanwhile, and the kernel cannot be sure (openat2(2)). */
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            return fd;
    }
}

/* Splits a path into its parent and its last name; false for a path without one ("/", "/a/.."). */
static bool split(const char *path, char parent[static PATH_MAX], const char **name)
{
    size_t length = strlen(path);

    if (length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(parent, path, length + 1);
    while (length > 1 && parent[length - 1] == '/')
        parent[--length] = 0;
    char *slash = strrchr(parent, '/');
    const char *last = slash ? slash + 1 : parent;
    if (!*last || strcmp(last, ".") == 0 || strcmp(last, "..") == 0) {
        errno = EINVAL;
        return false;
    }
    *name = path + (last - parent);
    if (slash)
        *slash = 0;
    else
        parent[0] = 0;
    return true;
}

static int open_parent(struct init *init, const char *parent)
{
    return open_in_root(init, *parent ? parent : "/", O_PATH | O_DIRECTORY, 0);
}

int make_directory(struct init *init, const char *path, mode_t mode)
{
    char parent[PATH_MAX], name[NAME_MAX + 1];
    const char *last;
    int found = open_in_root(init, path, O_PATH | O_DIRECTORY, 0);

    if (found >= 0 || errno != ENOENT)
        return found;
    if (!split(path, parent, &last))
        return -1;
    size_t length = strcspn(last, "/");
    if (length > NAME_MAX) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name, last, length);
    name[length] = 0;
    cleanup_fd int directory = *parent ? make_directory(init, parent, mode) : open_parent(init, "");
    if (directory < 0)
        return -1;
    /* mkdirat follows nothing: a dangling link in the image is EEXIST and stays an error. */
    if (mkdirat(directory, name, mode) < 0 && errno != EEXIST)
        return -1;
    return open_in_root(init, path, O_PATH | O_DIRECTORY, 0);
}

static int make_file(struct init *init, const char *path)
{
    char parent[PATH_MAX], target[PATH_MAX], beyond[2 * PATH_MAX];
    const char *last;

    cleanup_fd int made = open_in_root(init, path, O_RDONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, 0);
    if (made < 0 && errno == ENOENT) {
        /* The parent is missing, or the last name is a link to where there is no parent: the link
         * of /etc/resolv.conf into an empty /run. */
        if (!split(path, parent, &last))
            return -1;
        cleanup_fd int directory = make_directory(init, parent, 0755);
        if (directory < 0)
            return -1;
        ssize_t length = readlinkat(directory, last, target, sizeof target - 1);
        if (length > 0) {
            target[length] = 0;
            snprintf(beyond, sizeof beyond, "%s%s%s", target[0] == '/' ? "" : parent,
                     target[0] == '/' ? "" : "/", target);
            if (!split(beyond, parent, &last))
                return -1;
            cleanup_fd int where = make_directory(init, parent, 0755);
            if (where < 0)
                return -1;
        }
        made = open_in_root(init, path, O_RDONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, 0);
    }
    if (made < 0)
        return -1;
    return open_in_root(init, path, O_PATH, 0);
}

/* Returns a place to mount on, an O_PATH descriptor; makes it when nothing is there. */
int make_target(struct init *init, const char *path, bool directory)
{
    if (directory)
        return make_directory(init, path, 0755);
    /* Looked at before it is made: opening a device or a FIFO of the image could have effects. */
    int found = open_in_root(init, path, O_PATH, 0);
    if (found >= 0 || errno != ENOENT)
        return found;
    return make_file(init, path);
}
