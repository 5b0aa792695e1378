/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a tar stream: ustar, PAX, GNU long names and sparse files, checked before anything is believed. */
#ifndef PYPOD_TAR_H
#define PYPOD_TAR_H

#include <stdbool.h>
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
    TAR_EXTENTS_MAX = 1 << 17,
};
#define TAR_SIZE_MAX ((uint64_t)1 << 50)

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

/* A sparse file: only its extents are in the archive, one after another. */
struct tar_sparse {
    bool is, named;
    bool map_in_data; /* PAX format 1.0 */
    uint64_t size;    /* of the file with its holes */
    struct tar_extent {
        uint64_t offset, length;
    } *extents;
    size_t count;
};

struct tar {
    int fd;
    char buffer[TAR_BUFFER];
    size_t at, filled;
    uint64_t left;    /* bytes of the entry at hand that are not read yet */
    uint64_t padding; /* up to the next block */
    char *pax, *long_name, *long_link;
    size_t pax_size;
    struct tar_sparse sparse; /* of the entry at hand */
    char name[TAR_NAME_MAX + 1], link[TAR_NAME_MAX + 1];
    const char *wrong; /* what is wrong with the stream */
};

/* 1 = an entry, 0 = the end, -1 = `wrong` says why not. The entry's strings live until the next call. */
int tar_next(struct tar *tar, struct tar_entry *entry);

/* Gives at most `most` bytes of the entry's data without copying; 0 at its end, -1 as above. */
ssize_t tar_data(struct tar *tar, const char **data, uint64_t most);

/* Reads what follows the end of the archive, so that the sender can finish. */
void tar_drain(struct tar *tar);

/* A number field: octal, or base 256 with the top bit set (GNU), which may be negative. */
bool tar_number(const char *field, size_t size, int64_t *value);

/* Reads exactly `size` bytes of the stream. */
bool tar_take(struct tar *tar, char *to, size_t size);

/* sparse.c: a PAX record, the fields of an old header, then the map as a whole, which is checked. */
bool sparse_record(struct tar_sparse *sparse, const char *key, const char *value);
bool sparse_header(struct tar *tar, const char *header);
bool sparse_ready(struct tar *tar);
void sparse_forget(struct tar_sparse *sparse);

#endif
