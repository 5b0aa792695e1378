/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a tar stream: ustar, PAX and the GNU long names, checked before anything is believed. */
#ifndef PYPOD_TAR_H
#define PYPOD_TAR_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

enum {
    TAR_BLOCK = 512,
    TAR_BUFFER = 256 * 1024,
    TAR_HEADER_MAX = 1 << 20, /* bytes of a PAX header or long name */
    TAR_NAME_MAX = 4096,
    TAR_XATTRS_MAX = 64,
};

struct tar_xattr {
    char *name;
    char *value;
    size_t size;
};

struct tar_entry {
    char type; /* '0' file, '1' hard link, '2' symbolic link, '3' '4' devices, '5' directory, '6' FIFO */
    char *name, *link;
    mode_t mode;
    uint64_t uid, gid;
    uint64_t size;
    struct timespec mtime;
    struct tar_xattr xattrs[TAR_XATTRS_MAX];
    size_t xattr_count;
};

struct tar {
    int fd;
    char buffer[TAR_BUFFER];
    size_t at, filled;
    uint64_t left;    /* bytes of the entry at hand that are not read yet */
    uint64_t padding; /* up to the next block */
    char *pax, *long_name, *long_link;
    size_t pax_size;
    char name[TAR_NAME_MAX + 1], link[TAR_NAME_MAX + 1];
    const char *wrong; /* what is wrong with the stream */
};

/* 1 = an entry, 0 = the end, -1 = `wrong` says why not. The entry's strings live until the next call. */
int tar_next(struct tar *tar, struct tar_entry *entry);

/* Gives some bytes of the entry's data without copying; 0 at its end, -1 as above. */
ssize_t tar_data(struct tar *tar, const char **data);

/* Reads what follows the end of the archive, so that the sender can finish. */
void tar_drain(struct tar *tar);

#endif
