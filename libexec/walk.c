/* SPDX-License-Identifier: Apache-2.0 */
/* The way to an entry's place: below the layer's directory, whatever names and links say. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "files.h"
#include "unpack.h"
#include "util.h"

enum { DEPTH_MAX = 1024, LINKS_MAX = 40 };

bool normalise(char *name)
{
    char *to = name, *from = name;
    int depth = 0;

    while (*from) {
        size_t length = strcspn(from, "/");
        if (length == 2 && from[0] == '.' && from[1] == '.')
            die(from, "the archive has a name with ..");
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
        from += length;
        from += *from == '/';
    }
    *to = 0;
    return to != name;
}

bool is_whiteout(int parent, const char *name)
{
    struct stat found;

    return fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(found.st_mode) &&
           found.st_rdev == 0;
}

/* Where a walk is: a directory and its path without links, and what is left of the way. */
struct walk {
    int at;
    char done[TAR_NAME_MAX + 1];
    char rest[2 * TAR_NAME_MAX + 2];
    int links;
};

static void reopen(struct unpack *u, struct walk *walk)
{
    close(walk->at);
    walk->at = open_exact(u->root, *walk->done ? walk->done : ".", O_RDONLY | O_DIRECTORY);
    if (walk->at < 0)
        die_errno(walk->done);
}

/* Puts a link's target in front of the rest of the way. */
static void follow(struct unpack *u, struct walk *walk, const char *name, const char *path)
{
    char target[TAR_NAME_MAX + 1], rest[TAR_NAME_MAX + 1];
    ssize_t length = readlinkat(walk->at, name, target, sizeof target - 1);

    if (length < 0)
        die_errno(path);
    target[length] = 0;
    if (++walk->links > LINKS_MAX)
        die(path, strerror(ELOOP));
    if (strlen(walk->rest) > TAR_NAME_MAX)
        die(path, strerror(ENAMETOOLONG));
    strcpy(rest, walk->rest);
    snprintf(walk->rest, sizeof walk->rest, "%s/%s", target, rest);
    if (*target == '/') {
        *walk->done = 0;
        reopen(u, walk);
    }
}

/* Makes a directory that the archive implies. Over a whiteout it shows nothing of the layers below. */
static void imply(struct unpack *u, struct walk *walk, const char *name, bool opaque, const char *path)
{
    count_entry(u);
    if (mkdirat(walk->at, name, 0755) < 0)
        die_errno(path);
    cleanup_fd int made = openat(walk->at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (made < 0 || fsetxattr(made, XATTR_IMPLIED, "y", 1, 0) < 0 ||
        (opaque && fsetxattr(made, XATTR_OPAQUE, "y", 1, 0) < 0))
        die_errno(path);
}

static void step(struct unpack *u, struct walk *walk, const char *name, const char *path)
{
    struct stat found;
    size_t length = strlen(walk->done);
    bool made = false;

    if (strcmp(name, "..") == 0) {
        char *slash = strrchr(walk->done, '/');
        *(slash ? slash : walk->done) = 0;
        reopen(u, walk);
        return;
    }
    if (fstatat(walk->at, name, &found, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            die_errno(path);
        imply(u, walk, name, false, path);
        made = true;
    } else if (S_ISLNK(found.st_mode)) {
        follow(u, walk, name, path);
        return;
    } else if (S_ISCHR(found.st_mode)) {
        if (unlinkat(walk->at, name, 0) < 0)
            die_errno(path);
        imply(u, walk, name, true, path);
        made = true;
    } else if (!S_ISDIR(found.st_mode)) {
        die(path, strerror(ENOTDIR));
    }
    if (length + strlen(name) + 2 > sizeof walk->done)
        die(path, strerror(ENAMETOOLONG));
    if (length)
        walk->done[length++] = '/';
    strcpy(walk->done + length, name);
    if (made)
        tell(u, "implied", walk->done, "");
    int next = openat(walk->at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        die_errno(path);
    close(walk->at);
    walk->at = next;
}

/* Walks name by name and makes what is missing. A link may lead to a directory that only a layer below
 * has: it is implied here as well, so that the file appears where the link leads. */
static int make_way(struct unpack *u, const char *path)
{
    struct walk walk = {.at = fcntl(u->root, F_DUPFD_CLOEXEC, 0)};
    char name[NAME_MAX + 1];

    if (walk.at < 0)
        die_errno(path);
    strcpy(walk.rest, path);
    while (*walk.rest) {
        size_t length = strcspn(walk.rest, "/");
        if (length > NAME_MAX)
            die(path, strerror(ENAMETOOLONG));
        memcpy(name, walk.rest, length);
        name[length] = 0;
        length += walk.rest[length] == '/';
        memmove(walk.rest, walk.rest + length, strlen(walk.rest + length) + 1);
        if (*name && strcmp(name, ".") != 0)
            step(u, &walk, name, path);
    }
    return walk.at;
}

static int open_directory(struct unpack *u, const char *path)
{
    if (!*path)
        return fcntl(u->root, F_DUPFD_CLOEXEC, 0);
    int found = open_below(u->root, path, O_RDONLY | O_DIRECTORY);
    return found >= 0 ? found : make_way(u, path);
}

int parent_of(struct unpack *u, const char *path, const char **name)
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

void clear(int parent, const char *name, const char *path)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return;
    if (errno != EISDIR)
        die_errno(path);
    cleanup_fd int directory = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (directory < 0)
        die_errno(path);
    remove_content(directory, path);
    if (unlinkat(parent, name, AT_REMOVEDIR) < 0)
        die_errno(path);
}
