/* SPDX-License-Identifier: Apache-2.0 */
/* Small things that pypod-init and pypod-files share. */
#ifndef PYPOD_UTIL_H
#define PYPOD_UTIL_H

#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* Closes the descriptor when the variable goes out of scope. */
#define cleanup_fd __attribute__((cleanup(close_fd)))
static inline void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

/* Hands a descriptor on, so that cleanup_fd leaves it open. */
static inline int steal_fd(int *fd)
{
    int taken = *fd;

    *fd = -1;
    return taken;
}

/* Reads a whole descriptor into memory that the caller frees; -1 with errno, EFBIG beyond `most`.
 * The text gets a NUL behind it that does not count. */
ssize_t read_all(int fd, char **text, size_t most);

/* Parses a number of the given base in 0..most; -1 with errno for anything else, also "" and "+1". */
int parse_number(const char *word, int base, uint64_t most, uint64_t *value);

#endif
