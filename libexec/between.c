/* SPDX-License-Identifier: Apache-2.0 */
/* between LAYER... "" BASE...: how what some layers show together differs from what others do, the
 * uppermost of each first. stdout: KIND, a space, the path from `/` on, a NUL, for each: A is only in
 * the first, D only in the base (what is in it goes unsaid), C is in both and differs. Files with the same
 * type, owner, mode, size and time are the same, as docker and podman have it: no content is read. */
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

static struct view first, base;
static struct task *tasks; /* directories to look at */

static void say(char kind, const char *path)
{
    printf("%c /%s", kind, path);
    putchar(0);
}

static bool same_link(const char *path)
{
    char one[PATH_MAX], other[PATH_MAX];
    struct stat found;
    cleanup_fd int left = view_open(&first, first.count, path, O_PATH | O_NOFOLLOW, &found);
    cleanup_fd int right = view_open(&base, base.count, path, O_PATH | O_NOFOLLOW, &found);
    ssize_t length = readlinkat(left, "", one, sizeof one);

    return length >= 0 && readlinkat(right, "", other, sizeof other) == length &&
           memcmp(one, other, (size_t)length) == 0;
}

static bool same(const char *path, const struct stat *left, const struct stat *right)
{
    if (left->st_dev == right->st_dev && left->st_ino == right->st_ino)
        return true;
    if (left->st_mode != right->st_mode || left->st_uid != right->st_uid || left->st_gid != right->st_gid ||
        left->st_rdev != right->st_rdev)
        return false;
    if (S_ISDIR(left->st_mode))
        return true;
    if (S_ISLNK(left->st_mode))
        return same_link(path);
    /* A tar of whole seconds: the same file is later or earlier by less. */
    bool rough = left->st_mtim.tv_nsec == 0 || right->st_mtim.tv_nsec == 0;
    return left->st_size == right->st_size && left->st_mtim.tv_sec == right->st_mtim.tv_sec &&
           (rough || left->st_mtim.tv_nsec == right->st_mtim.tv_nsec);
}

/* A name that the first layers show. */
static void compare(const char *path, const struct stat *found)
{
    struct stat other;

    if (view_find(&base, base.count, path, &other) < 0)
        say('A', path);
    else if (!same(path, found, &other))
        say('C', path);
    if (S_ISDIR(found->st_mode))
        remember(&tasks, path);
}

/* A name that the base shows. */
static void look_for(const char *path, const struct stat *found)
{
    struct stat other;

    (void)found;
    if (view_find(&first, first.count, path, &other) < 0)
        say('D', path);
}

/* Calls `act` for each name in a directory, as the layers show it together. */
static void each(const struct view *view, const char *path, void (*act)(const char *, const struct stat *))
{
    char inner[PATH_MAX];
    struct dirent *entry;
    struct stat found;

    for (size_t layer = 0; layer < view->count; layer++) {
        int fd = open_exact(view->fd[layer], *path ? path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        DIR *stream = fd < 0 ? NULL : fdopendir(fd);
        if (!stream && fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
            die_errno(path);
        while (stream && (entry = readdir(stream))) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            if (snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "/" : "", entry->d_name) >= PATH_MAX)
                die(path, "a path in it is too long");
            /* Of the layers that have the name only one shows it. */
            if (view_find(view, view->count, inner, &found) == (int)layer)
                act(inner, &found);
        }
        if (stream)
            closedir(stream);
    }
}

/* Opens layers, the uppermost first, into a view, which has the lowest first. */
static void open_view(struct view *view, char **layers, size_t count)
{
    if (count > VIEW_LAYERS_MAX)
        die(NULL, "too many layers");
    while (count-- > 0) {
        int fd = open(layers[count], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
            die_errno(layers[count]);
        view->fd[view->count++] = fd;
    }
}

int verb_between(char **argv)
{
    struct stat found;
    size_t ours = 0, theirs = 0;

    while (argv[ours] && *argv[ours])
        ours++;
    while (argv[ours] && argv[ours + 1 + theirs])
        theirs++;
    open_view(&first, argv, ours);
    open_view(&base, argv + ours + 1, theirs);
    remember(&tasks, "");
    for (struct task *task; (task = tasks);) {
        tasks = task->next;
        each(&first, task->path, compare);
        /* What is below something that was no directory is new, and all said. */
        if (view_find(&base, base.count, task->path, &found) >= 0)
            each(&base, task->path, look_for);
        free(task);
    }
    if (fflush(stdout) != 0)
        die_errno("the answer");
    return 0;
}
