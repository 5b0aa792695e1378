/* SPDX-License-Identifier: Apache-2.0 */
/* pypod-files VERB ARGS: touches files that belong to subordinate ids.
 *
 * pypod-init starts it as root of the user's own user namespace; it enters nothing itself. Errors are
 * one line on stderr and exit code 1. It never executes anything and reads no configuration. */
#define _GNU_SOURCE
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "uapi.h"
#include "util.h"

void die(const char *path, const char *text)
{
    dprintf(STDERR_FILENO, "%s%s%s\n", path ? path : "", path ? ": " : "", text);
    exit(1);
}

void die_errno(const char *path)
{
    die(path, strerror(errno));
}

/* EAGAIN: something was renamed anywhere, and the kernel cannot be sure of a `..` (openat2(2)). */
static int open_again(int root, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_request how = {.flags = flags | O_CLOEXEC, .resolve = resolve};

    for (;;) {
        int fd = (int)syscall(SYS_openat2, root, path, &how, sizeof how);
        if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
            return fd;
    }
}

void remember(struct task **tasks, const char *path)
{
    struct task *task = malloc(sizeof *task + strlen(path) + 1);

    if (!task)
        die(path, "out of memory");
    strcpy(task->path, path);
    task->next = *tasks;
    *tasks = task;
}

int open_below(int root, const char *path, uint64_t flags)
{
    return open_again(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
}

int open_exact(int root, const char *path, uint64_t flags)
{
    return open_again(root, path, flags, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS);
}

/* The names on the way down: a depth of thousands must cost neither stack nor descriptors. */
struct level {
    struct level *up;
    char name[];
};

static struct level *enter(struct level *top, const char *name)
{
    struct level *level = malloc(sizeof *level + strlen(name) + 1);

    if (!level)
        die(name, "out of memory");
    level->up = top;
    strcpy(level->name, name);
    return level;
}

/* What lies in the trash may be removed by two at once: what is gone already is no error anywhere here.
 *
 * Removes what it can of the open directory; returns the name of a directory to go into, NULL when it
 * is empty. The name lives until the stream is closed. */
static const char *remove_entries(DIR *stream, const char *noun)
{
    struct dirent *entry;

    while ((entry = readdir(stream))) {
        const char *name = entry->d_name;

        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
            continue;
        if (entry->d_type != DT_DIR && unlinkat(dirfd(stream), name, 0) == 0)
            continue;
        if (entry->d_type == DT_DIR || errno == EISDIR) {
            if (unlinkat(dirfd(stream), name, AT_REMOVEDIR) == 0)
                continue;
            if (errno == ENOTEMPTY || errno == EEXIST)
                return name;
        }
        if (errno != ENOENT)
            die_errno(noun);
    }
    return NULL;
}

void remove_content(int directory, const char *noun)
{
    struct level *top = NULL;
    int at = fcntl(directory, F_DUPFD_CLOEXEC, 0);

    for (;;) {
        int copy = openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *stream = copy < 0 ? NULL : fdopendir(copy);
        if (!stream)
            die_errno(noun);
        const char *inner = remove_entries(stream, noun);
        if (inner) {
            int down = openat(at, inner, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (down >= 0) {
                top = enter(top, inner);
                close(at);
                at = down;
            } else if (errno != ENOENT) {
                die_errno(noun);
            }
        } else if (top) {
            int up = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (up < 0 || (unlinkat(up, top->name, AT_REMOVEDIR) < 0 && errno != ENOENT))
                die_errno(noun);
            struct level *left = top;
            top = top->up;
            free(left);
            close(at);
            at = up;
        } else {
            closedir(stream);
            break;
        }
        closedir(stream);
    }
    close(at);
}

/* rmtree PATH: removes a directory and all below it, whoever owns it. */
static int verb_rmtree(char **argv)
{
    cleanup_fd int directory = open(argv[0], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (directory < 0) {
        if (errno == ENOENT)
            return 0;
        if (errno != ENOTDIR && errno != ELOOP)
            die_errno(argv[0]);
        if (unlink(argv[0]) < 0 && errno != ENOENT)
            die_errno(argv[0]);
        return 0;
    }
    remove_content(directory, argv[0]);
    if (rmdir(argv[0]) < 0 && errno != ENOENT)
        die_errno(argv[0]);
    return 0;
}

static const struct {
    const char *name;
    int words;
    int (*act)(char **);
} verbs[] = {
    {"unpack", 2, verb_unpack},
    {"finish", 0, verb_finish},
    {"rmtree", 1, verb_rmtree},
    {"accounts", 1, verb_accounts},
    {"copyup", 7, verb_copyup},
    {"chown", 4, verb_chown},
    {"pack", 3, verb_pack},
    {"diff", 1, verb_diff},
    {"between", 1, verb_between},
    {"shift", 4, verb_shift},
    {"flatten", 6, verb_flatten},
    {"size", 1, verb_size},
    {"owners", 1, verb_owners},
    {"compare", 2, verb_compare},
};

int main(int argc, char **argv)
{
    umask(0);
    for (size_t i = 0; argc > 1 && i < sizeof verbs / sizeof *verbs; i++)
        if (strcmp(argv[1], verbs[i].name) == 0 && argc - 2 >= verbs[i].words)
            return verbs[i].act(argv + 2);
    die(NULL, "usage: pypod-files unpack|finish|rmtree|accounts|copyup|chown|pack|diff|between|compare|size|owners|shift|flatten ...");
}
