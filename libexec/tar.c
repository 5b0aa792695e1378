/* SPDX-License-Identifier: Apache-2.0 */
/* The tar formats: POSIX.1-2017 pax(1), and GNU tar's manual for `L` and `K`. */
#define _GNU_SOURCE
#include "tar.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
    char magic[6], version[2], user[32], group[32], major[8], minor[8], prefix[155], rest[12];
};

static const char out_of_range[] = "a number of the archive cannot be read";

static int bad(struct tar *tar, const char *wrong)
{
    tar->wrong = wrong;
    return -1;
}

/* Makes at least one byte available; false at the end of the stream. */
static bool fill(struct tar *tar)
{
    if (tar->at < tar->filled)
        return true;
    ssize_t got;
    do
        got = read(tar->fd, tar->buffer, sizeof tar->buffer);
    while (got < 0 && errno == EINTR);
    tar->at = 0;
    tar->filled = got > 0 ? (size_t)got : 0;
    return got > 0;
}

bool tar_take(struct tar *tar, char *to, size_t size)
{
    while (size > 0) {
        if (!fill(tar))
            return false;
        size_t some = tar->filled - tar->at < size ? tar->filled - tar->at : size;
        if (to) {
            memcpy(to, tar->buffer + tar->at, some);
            to += some;
        }
        tar->at += some;
        size -= some;
    }
    return true;
}

static bool skip(struct tar *tar, uint64_t size)
{
    while (size > 0) {
        size_t some = size < TAR_BUFFER ? (size_t)size : TAR_BUFFER;
        if (!tar_take(tar, NULL, some))
            return false;
        size -= some;
    }
    return true;
}

bool tar_number(const char *field, size_t size, int64_t *value)
{
    const unsigned char *bytes = (const unsigned char *)field;

    if (bytes[0] & 0x80) {
        bool negative = bytes[0] == 0xff;
        uint64_t sum = negative ? UINT64_MAX : bytes[0] & 0x7f;
        for (size_t i = 1; i < size; i++) {
            if (negative ? sum >> 55 != 0x1ff : sum >> 55)
                return false;
            sum = sum << 8 | bytes[i];
        }
        *value = (int64_t)sum;
        return negative == (*value < 0);
    }
    int64_t sum = 0;
    size_t i = 0;
    while (i < size && field[i] == ' ')
        i++;
    for (; i < size && field[i] && field[i] != ' '; i++) {
        if (field[i] < '0' || field[i] > '7')
            return false;
        sum = sum * 8 + (field[i] - '0');
    }
    *value = sum;
    return true;
}

static bool checksum_is_right(const struct header *header)
{
    const unsigned char *bytes = (const unsigned char *)header;
    int64_t wanted, plain = 0, with_sign = 0;

    for (size_t i = 0; i < TAR_BLOCK; i++) {
        bool own = i >= 148 && i < 156;
        plain += own ? ' ' : bytes[i];
        with_sign += own ? ' ' : (signed char)bytes[i];
    }
    return tar_number(header->checksum, sizeof header->checksum, &wanted) &&
           (wanted == plain || wanted == with_sign);
}

/* Reads the data of a header entry whole, with a NUL behind it. */
static char *take_whole(struct tar *tar, uint64_t size)
{
    if (size > TAR_HEADER_MAX) {
        bad(tar, "a header of the archive is larger than 1 MiB");
        return NULL;
    }
    char *text = malloc(size + 1);
    if (!text || !tar_take(tar, text, size) || !skip(tar, -size % TAR_BLOCK)) {
        free(text);
        bad(tar, "the archive ends in the middle of a header");
        return NULL;
    }
    text[size] = 0;
    return text;
}

/* A decimal number of a PAX record, with a fraction where `nanoseconds` asks for one. */
static bool decimal(const char *text, int64_t *seconds, long *nanoseconds)
{
    bool negative = *text == '-';
    uint64_t whole = 0;
    long part = 0, unit = 100000000;

    text += negative;
    if (*text < '0' || *text > '9')
        return false;
    for (; *text >= '0' && *text <= '9'; text++) {
        if (whole > (INT64_MAX - 9) / 10)
            return false;
        whole = whole * 10 + (uint64_t)(*text - '0');
    }
    if (nanoseconds && *text == '.')
        for (text++; *text >= '0' && *text <= '9'; text++, unit /= 10)
            part += (*text - '0') * unit;
    *seconds = negative ? -(int64_t)whole : (int64_t)whole;
    if (nanoseconds)
        *nanoseconds = negative ? 0 : part;
    return *text == 0;
}

/* One record of a PAX header. */
static bool apply(struct tar *tar, struct tar_entry *entry, char *key, char *value, size_t size)
{
    int64_t whole;
    long part = 0;

    if (size == 0 && strncmp(key, "SCHILY.", 7) != 0)
        return true; /* an empty value takes the keyword back (pax(1)) */
    if (strcmp(key, "path") == 0 || strcmp(key, "linkpath") == 0) {
        if (strlen(value) != size)
            return false; /* a NUL in a name */
        if (key[0] == 'p')
            entry->name = tar->sparse.named ? entry->name : value;
        else
            entry->link = value;
    } else if (strcmp(key, "size") == 0 || strcmp(key, "uid") == 0 || strcmp(key, "gid") == 0) {
        if (!decimal(value, &whole, NULL) || whole < 0)
            return false;
        if (key[0] == 's')
            entry->size = (uint64_t)whole;
        else if (key[0] == 'u')
            entry->uid = (uint64_t)whole;
        else
            entry->gid = (uint64_t)whole;
    } else if (strcmp(key, "mtime") == 0) {
        if (!decimal(value, &whole, &part))
            return false;
        entry->mtime = (struct timespec){.tv_sec = whole, .tv_nsec = part};
    } else if (strncmp(key, "SCHILY.xattr.", 13) == 0) {
        if (entry->xattr_count == TAR_XATTRS_MAX)
            return false;
        entry->xattrs[entry->xattr_count++] =
            (struct tar_xattr){.name = key + 13, .value = value, .size = size};
    } else if (strncmp(key, "GNU.sparse.", 11) == 0) {
        if (!sparse_record(&tar->sparse, key + 11, value))
            return false;
        if (strcmp(key, "GNU.sparse.name") == 0) {
            if (strlen(value) != size)
                return false;
            entry->name = value; /* "path" is a made-up name for those who cannot read sparse files */
            tar->sparse.named = true;
        }
    }
    return true;
}

/* "LENGTH KEY=VALUE\n" records, the length counting itself. */
static bool apply_pax(struct tar *tar, struct tar_entry *entry)
{
    char *at = tar->pax, *end = at ? at + tar->pax_size : at;

    while (at < end) {
        char *start = at;
        uint64_t length = 0;

        for (; *at >= '0' && *at <= '9' && length < TAR_HEADER_MAX; at++)
            length = length * 10 + (uint64_t)(*at - '0');
        if (*at != ' ' || length < (uint64_t)(at - start) + 4 || length > (uint64_t)(end - start))
            return false;
        char *key = at + 1, *next = start + length;
        char *equals = memchr(key, '=', length - (size_t)(key - start));
        if (!equals || next[-1] != '\n')
            return false;
        *equals = 0;
        next[-1] = 0;
        if (!apply(tar, entry, key, equals + 1, (size_t)(next - 1 - (equals + 1))))
            return false;
        at = next;
    }
    return true;
}

static void set_name(struct tar *tar, struct tar_entry *entry, const struct header *header)
{
    size_t length = 0;

    if (memcmp(header->magic, "ustar", 5) == 0 && header->magic[5] == 0 && header->prefix[0]) {
        length = strnlen(header->prefix, sizeof header->prefix);
        memcpy(tar->name, header->prefix, length);
        tar->name[length++] = '/';
    }
    size_t rest = strnlen(header->name, sizeof header->name);
    memcpy(tar->name + length, header->name, rest);
    tar->name[length + rest] = 0;
    rest = strnlen(header->link, sizeof header->link);
    memcpy(tar->link, header->link, rest);
    tar->link[rest] = 0;
    entry->name = tar->long_name ? tar->long_name : tar->name;
    entry->link = tar->long_link ? tar->long_link : tar->link;
}

static int interpret(struct tar *tar, struct tar_entry *entry, const struct header *header, uint64_t size)
{
    int64_t mode, uid, gid, mtime;

    *entry = (struct tar_entry){.type = header->type ? header->type : '0', .size = size};
    if (entry->type == '7')
        entry->type = '0';
    if (!tar_number(header->mode, sizeof header->mode, &mode) ||
        !tar_number(header->uid, sizeof header->uid, &uid) ||
        !tar_number(header->gid, sizeof header->gid, &gid) ||
        !tar_number(header->mtime, sizeof header->mtime, &mtime) || uid < 0 || gid < 0)
        return bad(tar, out_of_range);
    entry->mode = (mode_t)mode & 07777; /* type bits have no place here */
    entry->uid = (uint64_t)uid;
    entry->gid = (uint64_t)gid;
    entry->mtime.tv_sec = mtime;
    set_name(tar, entry, header);
    if (!apply_pax(tar, entry))
        return bad(tar, "a PAX header of the archive cannot be read");
    if (entry->type == 'S') {
        entry->type = '0';
        if (!sparse_header(tar, (const char *)header))
            return bad(tar, "the map of a sparse file cannot be read");
    }
    /* These have no data; some writers give links the size of what they link to. Others have, even
     * kinds that nobody knows: they must be read over. */
    if (entry->type >= '1' && entry->type <= '6')
        entry->size = 0;
    if (entry->size > TAR_SIZE_MAX)
        return bad(tar, "a file of the archive is larger than can be");
    if (strlen(entry->name) > TAR_NAME_MAX || strlen(entry->link) > TAR_NAME_MAX)
        return bad(tar, "a name of the archive is longer than 4096 bytes");
    size_t length = strlen(entry->name);
    if (entry->type == '0' && length > 0 && entry->name[length - 1] == '/' && entry->size == 0)
        entry->type = '5'; /* older than '5' */
    tar->left = entry->size;
    tar->padding = -entry->size % TAR_BLOCK;
    if (tar->sparse.is && (entry->type != '0' || !sparse_ready(tar)))
        return bad(tar, "the map of a sparse file cannot be read");
    return 1;
}

static void forget(struct tar *tar)
{
    free(tar->pax);
    free(tar->long_name);
    free(tar->long_link);
    tar->pax = tar->long_name = tar->long_link = NULL;
    sparse_forget(&tar->sparse);
}

int tar_next(struct tar *tar, struct tar_entry *entry)
{
    struct header header;
    static const struct header zero;
    char **whole;
    int64_t size;

    _Static_assert(sizeof header == TAR_BLOCK, "a tar header is a block");
    if (!skip(tar, tar->left + tar->padding))
        return bad(tar, "the archive ends in the middle of a file");
    tar->left = tar->padding = 0;
    forget(tar);
    for (;;) {
        if (!fill(tar))
            return 0; /* no end mark: docker and GNU tar take that too */
        if (!tar_take(tar, (char *)&header, sizeof header))
            return bad(tar, "the archive ends in the middle of a header");
        if (memcmp(&header, &zero, sizeof header) == 0)
            return 0;
        if (!checksum_is_right(&header))
            return bad(tar, "a header of the archive has a wrong checksum");
        if (!tar_number(header.size, sizeof header.size, &size) || size < 0)
            return bad(tar, out_of_range);
        switch (header.type) {
        case 'x':
            whole = &tar->pax;
            tar->pax_size = (size_t)size;
            break;
        case 'L':
            whole = &tar->long_name;
            break;
        case 'K':
            whole = &tar->long_link;
            break;
        case 'g':
            /* Global headers say nothing of single files that an image needs (git's commit id). */
            if (size > TAR_HEADER_MAX || !skip(tar, (uint64_t)size) ||
                !skip(tar, -(uint64_t)size % TAR_BLOCK))
                return bad(tar, "a global header of the archive cannot be read");
            continue;
        default:
            return interpret(tar, entry, &header, (uint64_t)size);
        }
        free(*whole);
        *whole = take_whole(tar, (uint64_t)size);
        if (!*whole)
            return -1;
    }
}

ssize_t tar_data(struct tar *tar, const char **data, uint64_t most)
{
    if (tar->left == 0 || most == 0)
        return 0;
    if (!fill(tar))
        return bad(tar, "the archive ends in the middle of a file");
    size_t some = tar->filled - tar->at;
    if (some > tar->left)
        some = (size_t)tar->left;
    if (some > most)
        some = (size_t)most;
    *data = tar->buffer + tar->at;
    tar->at += some;
    tar->left -= some;
    return (ssize_t)some;
}

void tar_drain(struct tar *tar)
{
    tar->at = tar->filled;
    while (fill(tar))
        tar->at = tar->filled;
}
