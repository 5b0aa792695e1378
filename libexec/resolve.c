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

enum { LINKS_MAX = 16 };

static int make_directories(struct init *init, const char *path, mode_t mode, int links);

int open_in_root(struct init *init, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_request how = {.flags = flags | O_CLOEXEC,
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

/* Where the name in a directory leads if it is a link: the directory's own path with the target behind
 * it, for the kernel to resolve. False when it is no link. */
static bool link_target(int directory, const char *parent, const char *name, char beyond[static 2 * PATH_MAX])
{
    char target[PATH_MAX];
    ssize_t length = readlinkat(directory, name, target, sizeof target - 1);

    if (length <= 0)
        return false;
    target[length] = 0;
    if (target[0] == '/')
        parent = "";
    snprintf(beyond, 2 * PATH_MAX, "%s/%s", parent, target);
    return true;
}

/* Makes the directory that is missing behind a name which exists: a link of the image to where nothing
 * is, as /var/run to an empty /run. */
static int make_behind_link(struct init *init, int directory, const char *parent, const char *name,
                            mode_t mode, int links)
{
    char beyond[2 * PATH_MAX];

    if (!link_target(directory, parent, name, beyond)) {
        errno = ENOENT;
        return -1;
    }
    return make_directories(init, beyond, mode, links + 1);
}

static int make_directories(struct init *init, const char *path, mode_t mode, int links)
{
    char prefix[PATH_MAX];
    size_t length = strlen(path);
    int found = open_in_root(init, path, O_PATH | O_DIRECTORY, 0);

    if (found >= 0 || errno != ENOENT)
        return found;
    if (*path != '/' || length >= sizeof prefix || links == LINKS_MAX) {
        errno = *path != '/' ? EINVAL : links == LINKS_MAX ? ELOOP : ENAMETOOLONG;
        return -1;
    }
    memcpy(prefix, path, length + 1);
    found = open_in_root(init, "/", O_PATH | O_DIRECTORY, 0);
    for (char *name = prefix + strspn(prefix, "/"); found >= 0 && *name;) {
        char *end = name + strcspn(name, "/"), *next = end + strspn(end, "/");
        cleanup_fd int parent = found;

        /* The prefix from the root each time, so that links in it mean what the kernel says. */
        *end = 0;
        found = open_in_root(init, prefix, O_PATH | O_DIRECTORY, 0);
        if (found < 0 && errno == ENOENT) {
            if (mkdirat(parent, name, mode) == 0) {
                found = open_in_root(init, prefix, O_PATH | O_DIRECTORY, 0);
            } else if (errno == EEXIST) {
                name[-1] = 0; /* leaves the parent's path */
                found = make_behind_link(init, parent, prefix, name, mode, links);
                name[-1] = '/';
            }
        }
        if (*next)
            *end = '/';
        name = next;
    }
    return found;
}

int make_directory(struct init *init, const char *path, mode_t mode)
{
    return make_directories(init, path, mode, 0);
}

static int make_file(struct init *init, const char *path, int links)
{
    char parent[PATH_MAX], beyond[2 * PATH_MAX];
    size_t length = strlen(path);

    if (length >= sizeof parent || links == LINKS_MAX) {
        errno = links == LINKS_MAX ? ELOOP : ENAMETOOLONG;
        return -1;
    }
    memcpy(parent, path, length + 1);
    char *slash = strrchr(parent, '/');
    const char *name = slash ? slash + 1 : parent;
    if (!slash || !*name || strcmp(name, "..") == 0) {
        errno = EISDIR;
        return -1;
    }
    *slash = 0;
    cleanup_fd int directory = make_directory(init, *parent ? parent : "/", 0755);
    if (directory < 0)
        return -1;
    /* A link to a missing file is followed, in the root, and the file made where it leads. */
    cleanup_fd int made = open_in_root(init, path, O_RDONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, 0);
    if (made >= 0)
        return open_in_root(init, path, O_PATH, 0);
    if (errno != ENOENT || !link_target(directory, parent, name, beyond))
        return -1;
    return make_file(init, beyond, links + 1);
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
    return make_file(init, path, 0);
}
