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

/* What of a directory's entries is copied; files with further names apart from those without. */
enum { COPY_DIRECTORIES = 1, COPY_SINGLE = 2, COPY_LINKED = 4, COPY_ALL = 7 };

struct copied_link;
struct copy;

struct copied_directory {
    struct copied_directory *next, *before;
    char path[];
};

/* How a copy differs from its source; all of it -1 with errno. */
struct copy_rules {
    int (*owner)(const struct copy *, const struct stat *found, uid_t *uid, gid_t *gid);
    int (*data)(const struct copy *, int from, int to, off_t size);
    int (*attribute)(const struct copy *, int to, const char *name, void *value, size_t size);
    int (*other)(const struct copy *, int into, const char *name, const struct stat *found);
    int (*open)(const struct copy *, int parent, const char *name); /* a regular file, for reading */
};

struct copy {
    int from, to;           /* the two top directories; `to` is visible to nobody else */
    bool owners;            /* false where there is one id: everything belongs to it */
    int parts;              /* of COPY_ALL */
    bool linked;            /* a file with further names was left out */
    size_t entries;         /* how many were copied, below the top */
    char path[PATH_MAX];    /* where it failed, relative to the top */
    const struct copy_rules *rules; /* NULL: the same again, for a container */
    struct copied_link *links[COPY_BUCKETS];
    struct copied_directory *first, *last;
};

/* Copies the content of `from` and the attributes of the directory itself. Links are copied and never
 * followed, other mounts are not entered, devices and sockets are left out. -1 with errno and `path`. */
int copy_tree(struct copy *copy);

/* The same by so many processes of this program. */
int copy_tree_apart(struct copy *copy, unsigned processes);

/* What the two share: `parts` of one directory, without those below it; then the attributes of all
 * directories, and the memory. */
int copy_level(struct copy *copy, const char *path);
int copy_finish(struct copy *copy);

/* The data of one open file to another, empty one: shared blocks where the file system can, holes. */
int copy_data(int from, int to, off_t size);

/* Owner, mode, attributes and times of one open directory or file to another. */
int copy_attributes(const struct copy *copy, int from, int to);

#endif
