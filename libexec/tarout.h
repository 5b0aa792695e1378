/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a tar stream: ustar, and PAX records for what ustar has no room for. */
#ifndef PYPOD_TAROUT_H
#define PYPOD_TAROUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { TAROUT_BUFFER = 1 << 18 };

struct tarout {
    int fd;
    size_t filled;
    char *pax; /* records of the entry at hand */
    size_t pax_size, pax_room;
    char buffer[TAROUT_BUFFER];
};

/* What a header says. Directories have no `/` at the end: the writer adds it. */
struct tarout_entry {
    char type; /* as in tar.h */
    const char *name, *link;
    mode_t mode;
    uint64_t uid, gid, size;
    int64_t mtime; /* seconds */
    unsigned major, minor;
};

/* Adds a record to the next entry; the value may hold any byte. */
void tarout_record(struct tarout *out, const char *key, const void *value, size_t size);

/* Writes the header, after its PAX header if it has records or needs some. */
void tarout_entry(struct tarout *out, const struct tarout_entry *entry);

/* Copies exactly `size` bytes of a file: zeros where it became shorter meanwhile, no byte of what
 * was added to it. */
void tarout_file(struct tarout *out, int fd, uint64_t size, const char *name);

/* Two empty blocks, and what is still in the buffer. */
void tarout_end(struct tarout *out);

#endif
