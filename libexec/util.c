/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include "util.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

ssize_t read_all(int fd, char **text, size_t most)
{
    size_t room = 16384, length = 0;
    char *buffer = malloc(room + 1);

    while (buffer) {
        ssize_t got = read(fd, buffer + length, room - length);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            break;
        if (got == 0) {
            buffer[length] = 0;
            *text = buffer;
            return (ssize_t)length;
        }
        length += (size_t)got;
        if (length > most) {
            errno = EFBIG;
            break;
        }
        if (length == room) {
            char *larger = realloc(buffer, 2 * room + 1);

            if (!larger)
                break;
            buffer = larger;
            room *= 2;
        }
    }
    free(buffer);
    return -1;
}

int parse_number(const char *word, int base, uint64_t most, uint64_t *value)
{
    uint64_t sum = 0;

    if (!*word) {
        errno = EINVAL;
        return -1;
    }
    for (; *word; word++) {
        unsigned digit = *word >= '0' && *word <= '9'   ? (unsigned)(*word - '0')
                         : *word >= 'a' && *word <= 'f' ? (unsigned)(*word - 'a' + 10)
                                                        : 99;
        if (digit >= (unsigned)base) {
            errno = EINVAL;
            return -1;
        }
        if (sum > (most - digit) / (uint64_t)base) {
            errno = ERANGE;
            return -1;
        }
        sum = sum * (uint64_t)base + digit;
    }
    *value = sum;
    return 0;
}
