/* SPDX-License-Identifier: Apache-2.0 */
/* Copying a tree with all that it has: owners, modes, times, attributes, hard links, holes. */
#ifndef PYPOD_COPY_H
#define PYPOD_COPY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

enum { COPY_BUCKETS = 1024 };

struct copied_link;
struct copied_directory;
struct copy;

/* How a copy differs from its source; all of it -1 with errno. */
struct copy_rules {
    int (*owner)(const struct copy *, const struct stat *found, uid_t *uid, gid_t *gid);
    int (*data)(const struct copy *, int from, int to, off_t size);
    int (*attribute)(const struct copy *, int to, const char *name, void *value, size_t size);
    int (*other)(const struct copy *, int into, const char *name, const struct stat *found);
};

struct copy {
    int from, to;           /* the two top directories; `to` is visible to nobody else */
    bool owners;            /* false where there is one id: everything belongs to it */
    size_t entries;         /* how many were copied, below the top */
    char path[PATH_MAX];    /* where it failed, relative to the top */
    const struct copy_rules *rules; /* NULL: the same again, for a container */
    struct copied_link *links[COPY_BUCKETS];
    struct copied_directory *first, *last;
};

/* Copies the content of `from` and the attributes of the directory itself. Links are copied and never
 * followed, other mounts are not entered, devices and sockets are left out. -1 with errno and `path`. */
int copy_tree(struct copy *copy);

/* The data of one open file to another, empty one: shared blocks where the file system can, holes. */
int copy_data(int from, int to, off_t size);

/* Owner, mode, attributes and times of one open directory or file to another. */
int copy_attributes(const struct copy *copy, int from, int to);

#endif
