/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a tree by several processes: one makes the directories, then each takes one directory after
 * the other and makes its files, then the first makes what has several names, which may be anywhere.
 * Processes and not threads: the C library's buffers and ours stay each one's own. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "copy.h"
#include "util.h"

struct shared {
    size_t next;   /* the directory that nobody has yet */
    int failed;    /* errno of the first failure */
    char path[PATH_MAX];
    char linked[]; /* for each directory: there are files with several names in it */
};

static size_t list(const struct copy *copy, const char ***paths)
{
    size_t count = 1;

    for (struct copied_directory *one = copy->first; one; one = one->next)
        count++;
    *paths = calloc(count, sizeof **paths);
    if (!*paths)
        return 0;
    (*paths)[0] = "";
    size_t at = 1;
    for (struct copied_directory *one = copy->first; one; one = one->next)
        (*paths)[at++] = one->path;
    return count;
}

static void work(struct copy *copy, struct shared *shared, const char **paths, size_t count)
{
    copy->parts = COPY_SINGLE;
    for (;;) {
        size_t mine = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
        if (mine >= count || __atomic_load_n(&shared->failed, __ATOMIC_RELAXED))
            return;
        copy->linked = false;
        if (copy_level(copy, paths[mine]) < 0) {
            int none = 0, why = errno ? errno : EIO;
            if (__atomic_compare_exchange_n(&shared->failed, &none, why, false, __ATOMIC_SEQ_CST,
                                            __ATOMIC_RELAXED))
                strcpy(shared->path, copy->path);
            return;
        }
        shared->linked[mine] = copy->linked;
    }
}

/* Forks the others and works too. A process that is killed is an error: its directory is not whole. */
static int share(struct copy *copy, struct shared *shared, const char **paths, size_t count,
                 unsigned processes)
{
    pid_t parent = getpid();
    int status, lost = 0;

    for (unsigned i = 1; i < processes && i < count; i++) {
        pid_t pid = fork();
        if (pid > 0)
            continue;
        if (pid < 0)
            break; /* fewer do it too */
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() == parent)
            work(copy, shared, paths, count);
        _exit(0);
    }
    work(copy, shared, paths, count);
    while (wait(&status) > 0)
        lost |= status;
    if (shared->failed) {
        strcpy(copy->path, shared->path);
        errno = shared->failed;
        return -1;
    }
    if (lost)
        errno = EINTR;
    return lost ? -1 : 0;
}

static int copy_files(struct copy *copy, const char **paths, size_t count, unsigned processes)
{
    size_t size = sizeof(struct shared) + count;
    struct shared *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    if (shared == MAP_FAILED)
        return -1;
    int failed = share(copy, shared, paths, count, processes);
    copy->parts = COPY_LINKED;
    for (size_t i = 0; i < count && !failed; i++)
        if (shared->linked[i])
            failed = copy_level(copy, paths[i]);
    int saved = errno;
    munmap(shared, size);
    errno = saved;
    return failed;
}

int copy_tree_apart(struct copy *copy, unsigned processes)
{
    const char **paths = NULL;

    copy->parts = COPY_DIRECTORIES;
    if (copy_level(copy, "") < 0)
        return -1;
    for (struct copied_directory *one = copy->first; one; one = one->next)
        if (copy_level(copy, one->path) < 0)
            return -1;
    size_t count = list(copy, &paths);
    int failed = count ? copy_files(copy, paths, count, processes) : -1;
    int saved = errno;
    free(paths);
    errno = saved;
    return failed < 0 ? -1 : copy_finish(copy);
}
