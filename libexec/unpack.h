/* SPDX-License-Identifier: Apache-2.0 */
/* The state of one `unpack`, shared by the entries (unpack.c) and the way to them (walk.c). */
#ifndef PYPOD_UNPACK_H
#define PYPOD_UNPACK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#include "tar.h"

#define XATTR_ACL "system.posix_acl_access"
#define XATTR_NEW_ACL "system.posix_acl_default"

/* What a directory gets at the end. */
struct directory_time {
    char *path;
    struct timespec mtime;
    void *acl; /* NULL: none */
    size_t acl_size;
};

enum { REMEMBERED_MAX = 64 << 20 };

struct early {
    bool wanted;
    pid_t child;
    uint64_t bytes, files;
};

struct unpack {
    int root;
    bool single;       /* one id only: the owner goes into an attribute */
    bool setgid_seen;  /* a directory's group may be inherited from here on */
    bool root_seen;    /* the archive has an entry for the root directory */
    struct tar tar;
    char parent[TAR_NAME_MAX + 1];
    int parent_fd;     /* of `parent`, -1: none */
    struct directory_time *times;
    size_t time_count, time_room, time_bytes;
    uint64_t entries, skipped;
    FILE *pending;
    uint64_t pending_bytes;
    struct early early;
};

/* early.c: counts a file, or a part of one; begins to write what came when that is much. */
void early_count(struct early *early, int directory, uint64_t bytes);
void early_end(struct early *early);

/* Writes a triple of words for `finish`. */
void tell(struct unpack *u, const char *what, const char *path, const char *more);

/* later.c: remembers what a directory gets when everything is in it; does that for all. */
void do_later(struct unpack *u, const char *path, const struct tar_entry *entry);
void do_what_is_left(struct unpack *u);

/* Counts an entry, or a directory that is made without one. */
void count_entry(struct unpack *u);

/* Cleans a name in place; false when it is the root itself. Ends for names that no honest layer has. */
bool normalise(char *name);

/* The directory of an entry, kept open for the next, and the entry's name in it. */
int parent_of(struct unpack *u, const char *path, const char **name);

/* Takes away what is in the place of an entry: a later entry of the same name wins. */
void clear(int parent, const char *name, const char *path);

/* Whether this is what overlayfs takes for "not here": a character device 0/0. */
bool is_whiteout(int parent, const char *name);

#endif
