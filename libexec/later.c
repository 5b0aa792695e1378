/* SPDX-License-Identifier: Apache-2.0 */
/* What directories get when all files are there: their times, which making files changes, and the ACL of
 * new files (acl(5), default), which those of the archive would get too. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "files.h"
#include "unpack.h"
#include "util.h"

static void *copy_of(const void *data, size_t size)
{
    void *copy = malloc(size);

    if (!copy)
        die(NULL, "out of memory");
    return memcpy(copy, data, size);
}

void do_later(struct unpack *u, const char *path, const struct tar_entry *entry)
{
    struct directory_time task = {.mtime = entry->mtime};

    if (u->time_count == u->time_room) {
        u->time_room = u->time_room ? 2 * u->time_room : 256;
        u->times = realloc(u->times, u->time_room * sizeof *u->times);
        if (!u->times)
            die(NULL, "out of memory");
    }
    u->time_bytes += strlen(path);
    for (size_t i = 0; i < entry->xattr_count; i++) {
        const struct tar_xattr *one = &entry->xattrs[i];
        if (strcmp(one->name, XATTR_NEW_ACL) == 0 && one->size) {
            u->time_bytes += one->size;
            task.acl = copy_of(one->value, one->size);
            task.acl_size = one->size;
        }
    }
    if (u->time_bytes > REMEMBERED_MAX)
        die(NULL, "the archive has more directories than can be");
    task.path = copy_of(path, strlen(path) + 1);
    u->times[u->time_count++] = task;
}

void do_what_is_left(struct unpack *u)
{
    for (size_t i = u->time_count; i-- > 0;) { /* deepest first */
        const struct directory_time *task = &u->times[i];
        cleanup_fd int directory =
            open_below(u->root, *task->path ? task->path : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
        struct timespec times[2] = {task->mtime, task->mtime};
        if (directory < 0)
            continue;
        if (task->acl) /* where the file system has none, or the ids are no ids here, it goes without */
            fsetxattr(directory, XATTR_NEW_ACL, task->acl, task->acl_size, 0);
        futimens(directory, times);
    }
}
