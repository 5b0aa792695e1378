/* SPDX-License-Identifier: Apache-2.0 */
/* Sparse files, all four formats of GNU tar's manual ("Storing Sparse Files"): the old header with its
 * extension blocks, and the PAX versions 0.0, 0.1 and 1.0. Nothing is believed before sparse_ready. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "tar.h"

/* Offsets in the old header and its extension blocks. */
enum {
    OLD_MAP = 386,
    OLD_EXTENTS = 4,
    OLD_MORE = 482,
    OLD_SIZE = 483,
    NEXT_EXTENTS = 21,
    NEXT_MORE = 504,
    NUMBER = 12,
};

static bool add(struct tar_sparse *sparse, uint64_t offset, uint64_t length)
{
    if (sparse->count == TAR_EXTENTS_MAX)
        return false;
    if ((sparse->count & (sparse->count - 1)) == 0) { /* full: 0, 1, 2, 4, 8... */
        size_t room = sparse->count ? 2 * sparse->count : 1;
        struct tar_extent *larger = realloc(sparse->extents, room * sizeof *larger);
        if (!larger)
            return false;
        sparse->extents = larger;
    }
    sparse->extents[sparse->count++] = (struct tar_extent){offset, length};
    return true;
}

/* Reads digits; returns where they end, NULL when there are none or too many. */
static const char *digits(const char *text, uint64_t *value)
{
    const char *start = text;

    for (*value = 0; *text >= '0' && *text <= '9'; text++) {
        *value = *value * 10 + (uint64_t)(*text - '0');
        if (*value > TAR_SIZE_MAX)
            return NULL;
    }
    return text == start ? NULL : text;
}

static bool map_words(struct tar_sparse *sparse, const char *text)
{
    uint64_t offset, length;

    while (*text) {
        text = digits(text, &offset);
        if (!text || *text != ',')
            return false;
        text = digits(text + 1, &length);
        if (!text || (*text && *text != ',') || !add(sparse, offset, length))
            return false;
        text += *text == ',';
    }
    return true;
}

bool sparse_record(struct tar_sparse *sparse, const char *key, const char *value)
{
    uint64_t number = 0;
    const char *end;

    sparse->is = true;
    if (strcmp(key, "name") == 0)
        return true;
    if (strcmp(key, "map") == 0)
        return map_words(sparse, value);
    end = digits(value, &number);
    if (!end || *end)
        return false;
    if (strcmp(key, "size") == 0 || strcmp(key, "realsize") == 0)
        sparse->size = number;
    else if (strcmp(key, "major") == 0)
        sparse->map_in_data = number == 1;
    else if (strcmp(key, "offset") == 0)
        return add(sparse, number, 0);
    else if (strcmp(key, "numbytes") == 0) {
        if (!sparse->count)
            return false;
        sparse->extents[sparse->count - 1].length = number;
    }
    return true;
}

static bool old_map(struct tar_sparse *sparse, const char *field, size_t extents)
{
    int64_t offset, length;

    for (; extents > 0 && *field; extents--, field += 2 * NUMBER)
        if (!tar_number(field, NUMBER, &offset) || !tar_number(field + NUMBER, NUMBER, &length) ||
            offset < 0 || length < 0 || !add(sparse, (uint64_t)offset, (uint64_t)length))
            return false;
    return true;
}

bool sparse_header(struct tar *tar, const char *header)
{
    char block[TAR_BLOCK];
    int64_t size;
    bool more = header[OLD_MORE];

    tar->sparse.is = true;
    if (!tar_number(header + OLD_SIZE, NUMBER, &size) || size < 0 ||
        !old_map(&tar->sparse, header + OLD_MAP, OLD_EXTENTS))
        return false;
    tar->sparse.size = (uint64_t)size;
    while (more) {
        if (!tar_take(tar, block, sizeof block) || !old_map(&tar->sparse, block, NEXT_EXTENTS))
            return false;
        more = block[NEXT_MORE];
    }
    return true;
}

/* The map of format 1.0: lines of digits at the front of the data, filled up to a block. */
struct lines {
    struct tar *tar;
    char block[TAR_BLOCK];
    size_t at;
};

static bool line(struct lines *lines, uint64_t *value)
{
    bool any = false;

    for (*value = 0;; any = true) {
        if (lines->at == TAR_BLOCK) {
            if (lines->tar->left < TAR_BLOCK || !tar_take(lines->tar, lines->block, TAR_BLOCK))
                return false;
            lines->tar->left -= TAR_BLOCK;
            lines->at = 0;
        }
        char one = lines->block[lines->at++];
        if (one == '\n')
            return any;
        if (one < '0' || one > '9' || *value > TAR_SIZE_MAX)
            return false;
        *value = *value * 10 + (uint64_t)(one - '0');
    }
}

static bool map_from_data(struct tar *tar)
{
    struct lines lines = {.tar = tar, .at = TAR_BLOCK};
    uint64_t count, offset, length;

    if (!line(&lines, &count))
        return false;
    for (; count > 0; count--)
        if (!line(&lines, &offset) || !line(&lines, &length) || !add(&tar->sparse, offset, length))
            return false;
    return true;
}

bool sparse_ready(struct tar *tar)
{
    struct tar_sparse *sparse = &tar->sparse;
    uint64_t at = 0, stored = 0;

    if (sparse->map_in_data && !map_from_data(tar))
        return false;
    if (sparse->size > TAR_SIZE_MAX)
        return false;
    for (size_t i = 0; i < sparse->count; i++) {
        const struct tar_extent *one = &sparse->extents[i];
        if (one->offset < at || one->offset > sparse->size || one->length > sparse->size - one->offset)
            return false;
        at = one->offset + one->length;
        stored += one->length;
    }
    return stored == tar->left;
}

void sparse_forget(struct tar_sparse *sparse)
{
    free(sparse->extents);
    *sparse = (struct tar_sparse){0};
}
