/* SPDX-License-Identifier: Apache-2.0 */
/* finish: what a layer needs from the layers below it, and its passwd and group files as a container
 * sees them. Layers are given uppermost first; the layer itself is the first of all. */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "tar.h"
#include "util.h"

enum { ETC_MAX = 1 << 20, LAYERS_MAX = 512, WORDS_MAX = 256 << 20 };

struct layers {
    int fd[LAYERS_MAX];
    size_t count;
};

static bool is_whiteout(const struct stat *found)
{
    return S_ISCHR(found->st_mode) && found->st_rdev == 0;
}

static bool is_opaque(int directory)
{
    char value[2];

    return fgetxattr(directory, "user.overlay.opaque", value, sizeof value) > 0;
}

/* Whether a layer hides `path` of the layers below: it has a whiteout or an opaque directory on the way. */
static bool hides(int layer, const char *path)
{
    char part[TAR_NAME_MAX + 1];

    for (const char *slash = path; slash; slash = strchr(slash + 1, '/')) {
        size_t length = slash == path ? 0 : (size_t)(slash - path);
        const char *end = strchr(path + length + (length > 0), '/');
        size_t to = end ? (size_t)(end - path) : strlen(path);
        struct stat found;

        memcpy(part, path, to);
        part[to] = 0;
        cleanup_fd int fd = open_below(layer, part, O_PATH | O_NOFOLLOW);
        if (fd < 0)
            return false; /* nothing of it here: the layers below decide */
        if (fstat(fd, &found) < 0 || is_whiteout(&found))
            return true;
        if (end) {
            if (!S_ISDIR(found.st_mode))
                return true;
            cleanup_fd int directory = open_below(layer, part, O_RDONLY | O_DIRECTORY);
            if (directory >= 0 && is_opaque(directory))
                return true;
        }
    }
    return false;
}

/* Finds `path` in the layers from the one numbered `from` on; an open descriptor, or -1. */
static int find_below(struct layers *layers, size_t from, const char *path, uint64_t flags, struct stat *found)
{
    for (size_t i = from; i < layers->count; i++) {
        int fd = open_below(layers->fd[i], path, flags);
        if (fd >= 0) {
            if (fstat(fd, found) == 0 && !is_whiteout(found))
                return fd;
            close(fd);
            return -1;
        }
        if (hides(layers->fd[i], path))
            return -1;
    }
    return -1;
}

static void copy_xattrs(int from, int to)
{
    char names[65536], value[65536];
    ssize_t length = flistxattr(from, names, sizeof names);

    for (char *name = names; length > 0 && name < names + length; name += strlen(name) + 1) {
        ssize_t size = fgetxattr(from, name, value, sizeof value);
        if (size >= 0 && strncmp(name, "user.overlay.", 13) != 0)
            fsetxattr(to, name, value, (size_t)size, 0);
    }
}

static void copy_metadata(int from, int to, const struct stat *found, const char *path)
{
    struct timespec times[2] = {found->st_mtim, found->st_mtim};

    if (fchown(to, found->st_uid, found->st_gid) < 0 || fchmod(to, found->st_mode & 07777) < 0)
        die_errno(path);
    copy_xattrs(from, to);
    futimens(to, times);
}

/* implied: the directory that the archive did not list is the one of the layers below, if they have it. */
static void implied(struct layers *layers, const char *path)
{
    struct stat found;
    cleanup_fd int ours = open_below(layers->fd[0], path, O_RDONLY | O_DIRECTORY);
    cleanup_fd int theirs = find_below(layers, 1, path, O_RDONLY | O_DIRECTORY, &found);

    if (ours >= 0 && theirs >= 0)
        copy_metadata(theirs, ours, &found, path);
}

static int parent_in_layer(struct layers *layers, const char *path, const char **name)
{
    char above[TAR_NAME_MAX + 1];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;

    if (length > TAR_NAME_MAX)
        die(path, "its name is too long");
    memcpy(above, path, length);
    above[length] = 0;
    *name = slash ? slash + 1 : path;
    if (!length)
        return fcntl(layers->fd[0], F_DUPFD_CLOEXEC, 0);
    int found = open_below(layers->fd[0], above, O_RDONLY | O_DIRECTORY);
    if (found >= 0 || errno != ENOENT)
        return found;
    const char *last;
    cleanup_fd int parent = parent_in_layer(layers, above, &last);
    if (parent < 0 || (mkdirat(parent, last, 0755) < 0 && errno != EEXIST))
        return -1;
    implied(layers, above);
    return open_below(layers->fd[0], above, O_RDONLY | O_DIRECTORY);
}

/* Brings a file of the layers below into this one, so that a link to it can be made. */
static void copy_up(struct layers *layers, const char *path)
{
    struct stat found;
    const char *name;
    cleanup_fd int from = find_below(layers, 1, path, O_PATH | O_NOFOLLOW, &found);

    if (from < 0)
        die(path, "a hard link leads to a file that no layer has");
    cleanup_fd int parent = parent_in_layer(layers, path, &name);
    if (parent < 0)
        die_errno(path);
    if (S_ISLNK(found.st_mode)) {
        char target[PATH_MAX];
        ssize_t length = readlinkat(from, "", target, sizeof target - 1);
        if (length < 0)
            die_errno(path);
        target[length] = 0;
        if (symlinkat(target, parent, name) < 0 ||
            fchownat(parent, name, found.st_uid, found.st_gid, AT_SYMLINK_NOFOLLOW) < 0)
            die_errno(path);
        return;
    }
    if (!S_ISREG(found.st_mode))
        die(path, "a hard link leads to something that is no file");
    cleanup_fd int data = find_below(layers, 1, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, &found);
    cleanup_fd int to = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (data < 0 || to < 0)
        die_errno(path);
    for (off_t left = found.st_size; left > 0;) {
        ssize_t sent = sendfile(to, data, NULL, (size_t)left);
        if (sent <= 0)
            die_errno(path);
        left -= sent;
    }
    copy_metadata(data, to, &found, path);
}

static void make_link(struct layers *layers, const char *path, const char *target)
{
    struct stat found;
    const char *name, *target_name;
    cleanup_fd int parent = parent_in_layer(layers, path, &name);
    cleanup_fd int directory = parent_in_layer(layers, target, &target_name);

    if (parent < 0 || directory < 0)
        die_errno(path);
    if (fstatat(directory, target_name, &found, AT_SYMLINK_NOFOLLOW) < 0)
        copy_up(layers, target);
    if (linkat(directory, target_name, parent, name, 0) < 0 && errno != EEXIST)
        die_errno(path);
}

/* Saves /etc/passwd or /etc/group where the user, who may not read the layer's own, can. */
static void save_etc(struct layers *layers, const char *path, const char *out, const char *suffix)
{
    char name[PATH_MAX], *text;
    struct stat found;
    cleanup_fd int from = find_below(layers, 0, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, &found);

    if (from < 0 || !S_ISREG(found.st_mode) || found.st_size > ETC_MAX)
        return;
    ssize_t length = read_all(from, &text, ETC_MAX);
    if (length < 0)
        return;
    snprintf(name, sizeof name, "%s.%s", out, suffix);
    cleanup_fd int to = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0 || write(to, text, (size_t)length) != length)
        die_errno(name);
    free(text);
}

/* finish LAYER OUT LOWER...: OUT.passwd and OUT.group are written. */
int verb_finish(char **argv)
{
    static struct layers layers;
    char *text;

    for (char **name = argv; *name; name++) {
        if (name == argv + 1)
            continue;
        if (layers.count == LAYERS_MAX)
            die(*name, "too many layers");
        layers.fd[layers.count] = open(*name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (layers.fd[layers.count++] < 0)
            die_errno(*name);
    }
    ssize_t length = read_all(STDIN_FILENO, &text, WORDS_MAX);
    if (length < 0)
        die_errno("stdin");
    char *word = text, *end = text + length, *triple[3];
    /* Shallow directories first: the archive's order. Links after them: they may need them. */
    for (int links = 0; links < 2; links++) {
        word = text;
        while (word < end) {
            for (int i = 0; i < 3; i++) {
                triple[i] = word;
                word += word < end ? strlen(word) + 1 : 0;
            }
            if (!links && strcmp(triple[0], "implied") == 0)
                implied(&layers, triple[1]);
            else if (links && strcmp(triple[0], "link") == 0)
                make_link(&layers, triple[1], triple[2]);
        }
    }
    save_etc(&layers, "etc/passwd", argv[1], "passwd");
    save_etc(&layers, "etc/group", argv[1], "group");
    return 0;
}
