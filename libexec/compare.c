/* SPDX-License-Identifier: Apache-2.0 */
/* compare FIRST SECOND: where two layers differ in names, kinds, owners, modes, times, attributes or
 * content. stdout: the path of each difference from `/` on and a NUL, at most 20 of them. Times of directories
 * and numbers of links do not count: they change with what is done beside a file. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "files.h"
#include "util.h"

enum { SAID_MOST = 20, CHUNK = 1 << 18 };

static struct task *tasks; /* directories to look at */
static int tops[2], said;

static void say(const char *path)
{
    if (said++ < SAID_MOST) {
        printf("/%s", path);
        putchar(0);
    }
}

static int open_at(int side, const char *path, int flags)
{
    int fd = open_exact(tops[side], *path ? path : ".", (uint64_t)(flags | O_NOFOLLOW));

    if (fd < 0)
        die_errno(path);
    return fd;
}

/* As many bytes as there are, up to `size`. */
static size_t read_full(int fd, char *data, size_t size, const char *path)
{
    size_t got = 0;

    while (got < size) {
        ssize_t count = read(fd, data + got, size - got);
        if (count < 0 && errno == EINTR)
            continue;
        if (count < 0)
            die_errno(path);
        if (count == 0)
            break;
        got += (size_t)count;
    }
    return got;
}

static bool same_content(int first, int second, const char *path)
{
    static char data[2][CHUNK];
    size_t count;

    do {
        count = read_full(first, data[0], CHUNK, path);
        if (read_full(second, data[1], CHUNK, path) != count || memcmp(data[0], data[1], count) != 0)
            return false;
    } while (count == CHUNK);
    return true;
}

/* Says whether the second file has each attribute of the first one. */
static bool has_attributes(int first, int second)
{
    static char names[65536], values[2][65536];
    ssize_t length = flistxattr(first, names, sizeof names);

    for (ssize_t at = 0; at < length; at += (ssize_t)strlen(names + at) + 1) {
        ssize_t size = fgetxattr(first, names + at, values[0], sizeof values[0]);
        if (fgetxattr(second, names + at, values[1], sizeof values[1]) != size ||
            (size > 0 && memcmp(values[0], values[1], (size_t)size) != 0))
            return false;
    }
    return true;
}

static bool same_opened(const char *path, bool directory)
{
    cleanup_fd int first = open_at(0, path, O_RDONLY | O_NONBLOCK);
    cleanup_fd int second = open_at(1, path, O_RDONLY | O_NONBLOCK);

    return has_attributes(first, second) && has_attributes(second, first) &&
           (directory || same_content(first, second, path));
}

static bool same_link(const char *path)
{
    static char targets[2][PATH_MAX];
    ssize_t sizes[2];

    for (int side = 0; side < 2; side++) {
        cleanup_fd int fd = open_at(side, path, O_PATH);
        sizes[side] = readlinkat(fd, "", targets[side], PATH_MAX);
    }
    return sizes[0] == sizes[1] && sizes[0] >= 0 && memcmp(targets[0], targets[1], (size_t)sizes[0]) == 0;
}

/* Something in a layer below is gone: its time is only that of its unpacking. */
static bool is_whiteout(const struct stat *found)
{
    return S_ISCHR(found->st_mode) && found->st_rdev == 0;
}

static bool same(const char *path, const struct stat *first, const struct stat *second)
{
    if (is_whiteout(first) && is_whiteout(second))
        return true;
    if (first->st_mode != second->st_mode || first->st_uid != second->st_uid || first->st_gid != second->st_gid)
        return false;
    if (S_ISDIR(first->st_mode))
        return same_opened(path, true);
    if (S_ISCHR(first->st_mode)) /* a whiteout, as old as the unpacking */
        return first->st_rdev == second->st_rdev;
    if (first->st_size != second->st_size || first->st_rdev != second->st_rdev ||
        first->st_mtim.tv_sec != second->st_mtim.tv_sec || first->st_mtim.tv_nsec != second->st_mtim.tv_nsec)
        return false;
    if (S_ISREG(first->st_mode))
        return same_opened(path, false);
    return S_ISLNK(first->st_mode) ? same_link(path) : true;
}

/* Looks at each entry of one side; what both have is compared from the first one only. */
static void compare_entries(const char *path, int side)
{
    char inner[PATH_MAX];
    struct stat found[2];
    struct dirent *entry;
    cleanup_fd int other = open_at(!side, path, O_RDONLY | O_DIRECTORY);
    DIR *stream = fdopendir(open_at(side, path, O_RDONLY | O_DIRECTORY));

    if (!stream)
        die_errno(path);
    while ((entry = readdir(stream))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (snprintf(inner, sizeof inner, "%s%s%s", path, *path ? "/" : "", entry->d_name) >= PATH_MAX)
            continue; /* no system call takes it: deeper than anybody can look */
        if (fstatat(other, entry->d_name, &found[1], AT_SYMLINK_NOFOLLOW) < 0) {
            say(inner);
            continue;
        }
        if (side != 0)
            continue;
        if (fstatat(dirfd(stream), entry->d_name, &found[0], AT_SYMLINK_NOFOLLOW) < 0)
            die_errno(inner);
        if (!same(inner, &found[0], &found[1]))
            say(inner);
        if (S_ISDIR(found[0].st_mode) && S_ISDIR(found[1].st_mode))
            remember(&tasks, inner);
    }
    closedir(stream);
}

int verb_compare(char **argv)
{
    struct stat found[2];

    for (int side = 0; side < 2; side++) {
        tops[side] = open(argv[side], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (tops[side] < 0 || fstat(tops[side], &found[side]) < 0)
            die_errno(argv[side]);
    }
    if (!same("", &found[0], &found[1]))
        say("");
    remember(&tasks, "");
    while (tasks) {
        struct task *task = tasks;
        tasks = task->next;
        compare_entries(task->path, 0);
        compare_entries(task->path, 1);
        free(task);
    }
    if (fflush(stdout) != 0)
        die_errno("the answer");
    return 0;
}
