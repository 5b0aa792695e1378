/* SPDX-License-Identifier: Apache-2.0 */
/* overlayfs' rules: the uppermost layer that has a name shows it; a whiteout, an opaque directory or
 * anything that is no directory hides what is below. */
#define _GNU_SOURCE
#include "view.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "tar.h"
#include "util.h"

enum { LINKS_MAX = 40 };

bool view_has_opaque(int directory)
{
    char value[8];

    return fgetxattr(directory, XATTR_OPAQUE, value, sizeof value) > 0;
}

/* Walks down name by name, each once: a path of a thousand names must not cost a million steps. */
static bool opaque_on_the_way(int layer, const char *path, bool with_last)
{
    char name[NAME_MAX + 1];
    int at = fcntl(layer, F_DUPFD_CLOEXEC, 0);
    bool opaque = false;

    while (at >= 0 && *path && !opaque) {
        size_t length = strcspn(path, "/");
        if (length > NAME_MAX || (!path[length] && !with_last))
            break;
        memcpy(name, path, length);
        name[length] = 0;
        path += length + (path[length] == '/');
        int next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        close(at);
        at = next; /* -1: nor has the layer anything further down */
        opaque = at >= 0 && view_has_opaque(at);
    }
    if (at >= 0)
        close(at);
    return opaque;
}

bool view_is_opaque(int layer, const char *path)
{
    return opaque_on_the_way(layer, path, true);
}

int view_find(const struct view *view, size_t top, const char *path, struct stat *found)
{
    for (size_t i = top; i-- > 0;) {
        cleanup_fd int fd = open_exact(view->fd[i], *path ? path : ".", O_PATH | O_NOFOLLOW);
        if (fd >= 0) {
            bool whiteout = fstat(fd, found) < 0 || (S_ISCHR(found->st_mode) && found->st_rdev == 0);
            return whiteout ? -1 : (int)i;
        }
        if (errno != ENOENT)
            return -1; /* what is above it is no directory in this layer */
        if (opaque_on_the_way(view->fd[i], path, false))
            return -1;
    }
    return -1;
}

int view_open(const struct view *view, size_t top, const char *path, uint64_t flags, struct stat *found)
{
    int layer = view_find(view, top, path, found);

    return layer < 0 ? -1 : open_exact(view->fd[layer], *path ? path : ".", flags);
}

static int read_link(const struct view *view, int layer, const char *path, char *target)
{
    cleanup_fd int fd = open_exact(view->fd[layer], path, O_PATH | O_NOFOLLOW);
    ssize_t length = fd < 0 ? -1 : readlinkat(fd, "", target, TAR_NAME_MAX);

    if (length < 0)
        return -1;
    target[length] = 0;
    return 0;
}

int view_resolve(const struct view *view, size_t top, const char *path, char *exact)
{
    char rest[2 * TAR_NAME_MAX + 2], target[TAR_NAME_MAX + 1];
    int links = 0;
    char *at = rest;

    strcpy(rest, path);
    *exact = 0;
    while (*at) {
        size_t length = strcspn(at, "/"), done = strlen(exact);
        const char *name = at;
        struct stat found;

        at += length;
        at += *at == '/';
        if (length == 0 || (length == 1 && name[0] == '.'))
            continue;
        if (length == 2 && name[0] == '.' && name[1] == '.') {
            char *slash = strrchr(exact, '/');
            *(slash ? slash : exact) = 0;
            continue;
        }
        if (done + length + 2 > TAR_NAME_MAX)
            return -1;
        size_t end = done;
        if (end)
            exact[end++] = '/';
        memcpy(exact + end, name, length);
        exact[end + length] = 0;
        int layer = view_find(view, top, exact, &found);
        if (layer < 0)
            return -1;
        if (!S_ISLNK(found.st_mode))
            continue;
        if (++links > LINKS_MAX || read_link(view, layer, exact, target) < 0 ||
            strlen(target) + strlen(at) + 2 > sizeof rest)
            return -1;
        exact[*target == '/' ? 0 : done] = 0;
        size_t front = strlen(target);
        memmove(rest + front + 1, at, strlen(at) + 1);
        memcpy(rest, target, front);
        rest[front] = '/';
        at = rest;
    }
    return 0;
}
