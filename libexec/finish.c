/* SPDX-License-Identifier: Apache-2.0 */
/* finish: what new layers need from the layers below them, and their passwd and group files as a
 * container sees them.
 *
 * Standard input has triples of words, for all layers of an image from the lowest up:
 *   below PATH ""       a layer that is in place already
 *   layer PATH OUT      a new layer; OUT.passwd and OUT.group are written
 *   implied NAME ""     its directory without an entry: owner, mode and attributes come from below
 *   link NAME TARGET    its hard link to a file that it lacks
 *   whiteout NAME ""    its whiteout, which goes when there is nothing to hide
 *   opaque "" ""        its root directory shows nothing of the layers below
 *   sync PATH ""        one syncfs(2) for all, instead of an fsync for each of 10,000 files */
#define _GNU_SOURCE
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "tar.h"
#include "util.h"
#include "view.h"

enum { ETC_MAX = 1 << 20, WORDS_MAX = 256 << 20 };

static struct view view;

/* The layer at work is the uppermost; those below it are one fewer. */
static int layer(void)
{
    return view.fd[view.count - 1];
}

static void copy_xattrs(int from, int to)
{
    static char names[65536], value[65536];
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

/* Whether an implied directory hides what is below. The list has parents first: what was found of the
 * directory above is not looked for again. */
static bool starts_anew(const char *path, int ours)
{
    static char clean[TAR_NAME_MAX + 1];
    static int clean_layer = -1;
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    bool known = clean_layer == layer() && strlen(clean) == length && memcmp(clean, path, length) == 0;

    if (known ? view_has_opaque(ours) : view_is_opaque(layer(), path))
        return true;
    clean_layer = layer();
    snprintf(clean, sizeof clean, "%s", path);
    return false;
}

static void implied(const char *path)
{
    struct stat found;
    char mark[2];
    cleanup_fd int ours = open_exact(layer(), *path ? path : ".", O_RDONLY | O_DIRECTORY);

    if (ours < 0)
        return; /* a later entry took its place */
    if (*path) {
        if (fgetxattr(ours, XATTR_IMPLIED, mark, sizeof mark) < 0)
            return; /* a later entry described it */
        fremovexattr(ours, XATTR_IMPLIED);
        if (starts_anew(path, ours))
            return;
    }
    cleanup_fd int theirs = view_open(&view, view.count - 1, path, O_RDONLY | O_DIRECTORY, &found);
    if (theirs >= 0)
        copy_metadata(theirs, ours, &found, path);
}

/* Opens the directory of a name in the layer, making what is missing as it is below. */
static int parent_of_name(const char *path, const char **name)
{
    char above[TAR_NAME_MAX + 1];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    int at = fcntl(layer(), F_DUPFD_CLOEXEC, 0);

    *name = slash ? slash + 1 : path;
    if (length > TAR_NAME_MAX)
        die(path, strerror(ENAMETOOLONG));
    for (size_t start = 0, end; start < length; start = end + 1) {
        end = start + strcspn(path + start, "/");
        memcpy(above, path, end);
        above[end] = 0;
        bool made = mkdirat(at, above + start, 0755) == 0;
        if (!made && errno != EEXIST)
            die_errno(path);
        close(at);
        at = open_below(layer(), above, O_RDONLY | O_DIRECTORY);
        if (at < 0 || (made && fsetxattr(at, XATTR_IMPLIED, "y", 1, 0) < 0))
            die_errno(path);
        if (made)
            implied(above);
    }
    return at;
}

static void copy_content(int from, int to, off_t size, const char *path)
{
    while (size > 0) {
        ssize_t sent = sendfile(to, from, NULL, (size_t)size);
        if (sent <= 0)
            die_errno(path);
        size -= sent;
    }
}

/* Brings a file of the layers below into this one, so that a link to it can be made. */
static void copy_up(const char *path, int parent, const char *name)
{
    struct stat found;
    char target[PATH_MAX];
    cleanup_fd int from = view_open(&view, view.count - 1, path, O_PATH | O_NOFOLLOW, &found);

    if (from < 0 || view_is_opaque(layer(), path))
        die(path, "a hard link leads to a file that no layer has");
    if (S_ISLNK(found.st_mode)) {
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
    cleanup_fd int data = view_open(&view, view.count - 1, path, O_RDONLY | O_NOFOLLOW, &found);
    cleanup_fd int to = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (data < 0 || to < 0)
        die_errno(path);
    copy_content(data, to, found.st_size, path);
    copy_metadata(data, to, &found, path);
}

static void restore_time(int directory, const struct stat *before)
{
    struct timespec times[2] = {before->st_mtim, before->st_mtim};

    futimens(directory, times);
}

static void make_link(const char *path, const char *target)
{
    struct stat before, target_before, found;
    const char *name, *target_name;
    cleanup_fd int parent = parent_of_name(path, &name);
    cleanup_fd int directory = parent_of_name(target, &target_name);

    if (fstat(parent, &before) < 0 || fstat(directory, &target_before) < 0)
        die_errno(path);
    if (fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) == 0)
        return; /* a later entry took its place */
    bool here = fstatat(directory, target_name, &found, AT_SYMLINK_NOFOLLOW) == 0;
    if (here && S_ISCHR(found.st_mode)) {
        copy_up(target, parent, name); /* linked, and then removed under its old name */
    } else {
        if (!here)
            copy_up(target, directory, target_name);
        if (linkat(directory, target_name, parent, name, 0) < 0)
            die_errno(path);
    }
    restore_time(directory, &target_before);
    restore_time(parent, &before);
}

/* The root directory is opaque: each name of the layers below is hidden by itself. */
static void hide_all_below(void)
{
    struct stat before;

    if (fstat(layer(), &before) < 0)
        die_errno("/");
    for (size_t i = 0; i + 1 < view.count; i++) {
        int copy = openat(view.fd[i], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *stream = copy < 0 ? NULL : fdopendir(copy);
        struct dirent *entry;
        if (!stream)
            die_errno("/");
        while ((entry = readdir(stream))) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0 ||
                mknodat(layer(), entry->d_name, S_IFCHR, makedev(0, 0)) == 0)
                continue;
            if (errno != EEXIST)
                die_errno(entry->d_name);
            cleanup_fd int ours = open_exact(layer(), entry->d_name, O_RDONLY | O_DIRECTORY);
            if (ours >= 0 && fsetxattr(ours, XATTR_OPAQUE, "y", 1, 0) < 0)
                die_errno(entry->d_name);
        }
        closedir(stream);
    }
    restore_time(layer(), &before);
}

/* In a directory that only one layer has, overlayfs lists whiteouts as names that do not exist: those
 * that hide nothing are taken away. */
static void check_whiteout(const char *path)
{
    struct stat before, found;
    const char *slash = strrchr(path, '/');
    char above[TAR_NAME_MAX + 1];

    snprintf(above, sizeof above, "%.*s", slash ? (int)(slash - path) : 0, path);
    cleanup_fd int parent = open_exact(layer(), *above ? above : ".", O_RDONLY | O_DIRECTORY);
    const char *name = slash ? slash + 1 : path;
    if (parent < 0 || fstat(parent, &before) < 0 ||
        fstatat(parent, name, &found, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISCHR(found.st_mode))
        return; /* it was reached through a link, or a later entry took its place */
    if (!view_is_opaque(layer(), above) && view_find(&view, view.count - 1, path, &found) >= 0)
        return;
    unlinkat(parent, name, 0);
    restore_time(parent, &before);
}

/* Saves /etc/passwd or /etc/group where the user, who may not read the layer's own, can. */
static void save_etc(const char *path, const char *out, const char *suffix)
{
    char name[PATH_MAX], exact[TAR_NAME_MAX + 1], *text;
    struct stat found;

    if (view_resolve(&view, view.count, path, exact) < 0 ||
        view_find(&view, view.count, exact, &found) < 0 || !S_ISREG(found.st_mode) ||
        found.st_size > ETC_MAX)
        return;
    cleanup_fd int from = view_open(&view, view.count, exact, O_RDONLY | O_NONBLOCK | O_NOFOLLOW, &found);
    ssize_t length = from < 0 ? -1 : read_all(from, &text, ETC_MAX);
    if (length < 0)
        return;
    if (snprintf(name, sizeof name, "%s.%s", out, suffix) >= (int)sizeof name)
        die(out, strerror(ENAMETOOLONG));
    cleanup_fd int to = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (to < 0 || write(to, text, (size_t)length) != length)
        die_errno(name);
    free(text);
}

static void push(const char *path)
{
    if (view.count == VIEW_LAYERS_MAX)
        die(path, "too many layers");
    view.fd[view.count] = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (view.fd[view.count++] < 0)
        die_errno(path);
}

struct triple {
    const char *what, *path, *more;
};

static bool next(char **word, char *end, struct triple *triple)
{
    const char **part[] = {&triple->what, &triple->path, &triple->more};

    for (int i = 0; i < 3; i++) {
        if (*word >= end)
            return false;
        *part[i] = *word;
        *word += strlen(*word) + 1;
    }
    return true;
}

/* The work of one layer, twice over: links need the directories, and see the whiteouts. Returns where the next begins. */
static char *finish_layer(char *start, char *end, const char *out)
{
    struct triple triple;
    char *word = start, *after = start;

    for (int links = 0; links < 2; links++) {
        for (word = after = start; next(&word, end, &triple); after = word) {
            if (strcmp(triple.what, "below") == 0 || strcmp(triple.what, "layer") == 0 ||
                strcmp(triple.what, "sync") == 0)
                break;
            if (!links && strcmp(triple.what, "implied") == 0)
                implied(triple.path);
            else if (links && strcmp(triple.what, "whiteout") == 0)
                check_whiteout(triple.path);
            else if (!links && strcmp(triple.what, "opaque") == 0)
                hide_all_below();
            else if (links && strcmp(triple.what, "link") == 0)
                make_link(triple.path, triple.more);
        }
    }
    save_etc("etc/passwd", out, "passwd");
    save_etc("etc/group", out, "group");
    return after;
}

int verb_finish(char **argv)
{
    struct triple triple;
    char *text;
    ssize_t length = read_all(STDIN_FILENO, &text, WORDS_MAX);

    (void)argv;
    if (length < 0)
        die_errno("stdin");
    for (char *word = text, *end = text + length; next(&word, end, &triple);) {
        if (strcmp(triple.what, "sync") == 0) {
            cleanup_fd int directory = open(triple.path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (directory < 0 || syncfs(directory) < 0)
                die_errno(triple.path);
            continue;
        }
        push(triple.path);
        if (strcmp(triple.what, "layer") == 0)
            word = finish_layer(word, end, triple.more);
    }
    free(text);
    return 0;
}
