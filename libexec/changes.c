/* SPDX-License-Identifier: Apache-2.0 */
/* diff UPPER LOWER...: how an overlay's upper directory, or a layer, differs from the layers below it,
 * the uppermost of them first. stdout: KIND, a space, the path from `/` on, a NUL, for each: A is new, C
 * is changed, D is gone. A directory that only leads to changes is changed. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files.h"
#include "uapi.h"
#include "util.h"
#include "view.h"

struct changes {
    struct view below;
    int upper;
    struct task *tasks;
};

static void say(char kind, const char *path)
{
    printf("%c /%s", kind, path);
    putchar(0);
}

static void join(char *path, const char *parent, const char *name)
{
    if (snprintf(path, PATH_MAX, "%s%s%s", parent, *parent ? "/" : "", name) >= PATH_MAX)
        die(parent, "a path in it is too long");
}

static DIR *open_directory(int top, const char *path)
{
    int fd = open_exact(top, *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    DIR *stream = fd < 0 ? NULL : fdopendir(fd);

    if (!stream && fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        die_errno(path);
    return stream;
}

/* What an opaque directory hides: all that the layers below show in it and it has not itself. */
static void say_hidden(struct changes *changes, const char *path)
{
    char inner[PATH_MAX];
    struct dirent *entry;
    struct stat found, own;

    for (size_t layer = 0; layer < changes->below.count; layer++) {
        DIR *stream = open_directory(changes->below.fd[layer], path);
        while (stream && (entry = readdir(stream))) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            join(inner, path, entry->d_name);
            if (view_find(&changes->below, changes->below.count, inner, &found) != (int)layer)
                continue; /* hidden, or another layer's to say */
            cleanup_fd int fd = open_exact(changes->upper, inner, O_PATH | O_NOFOLLOW);
            if (fd < 0 || fstat(fd, &own) < 0)
                say('D', inner);
        }
        if (stream)
            closedir(stream);
    }
}

static void compare(struct changes *changes, int directory, const char *name, const char *path)
{
    struct stat found, below;

    if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno != ENOENT)
            die_errno(path);
        return;
    }
    bool was = view_find(&changes->below, changes->below.count, path, &below) >= 0;
    if (S_ISCHR(found.st_mode) && found.st_rdev == 0) {
        if (was)
            say('D', path);
        return;
    }
    say(was ? 'C' : 'A', path);
    if (S_ISDIR(found.st_mode))
        remember(&changes->tasks, path);
}

static void compare_directory(struct changes *changes, const char *path)
{
    char inner[PATH_MAX];
    struct dirent *entry;
    DIR *stream = open_directory(changes->upper, path);

    if (!stream)
        return;
    if (*path && view_has_opaque(dirfd(stream)))
        say_hidden(changes, path);
    while ((entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        join(inner, path, entry->d_name);
        compare(changes, dirfd(stream), entry->d_name, inner);
    }
    closedir(stream);
}

int verb_diff(char **argv)
{
    static struct changes changes;
    size_t count = 0;

    changes.upper = open(argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (changes.upper < 0)
        die_errno(argv[0]);
    while (argv[1 + count])
        count++;
    if (count > VIEW_LAYERS_MAX)
        die(NULL, "too many layers");
    while (count) { /* a view has the lowest first */
        int fd = open(argv[count], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            die_errno(argv[count]);
        changes.below.fd[changes.below.count++] = fd;
        count--;
    }
    remember(&changes.tasks, "");
    for (struct task *task; (task = changes.tasks);) {
        changes.tasks = task->next;
        compare_directory(&changes, task->path);
        free(task);
    }
    if (fflush(stdout) != 0)
        die_errno("the answer");
    return 0;
}
