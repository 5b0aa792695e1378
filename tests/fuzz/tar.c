/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds the tar reader bytes: tar SECONDS SEED FILE... Files are archives to start from. Built with the
 * address and undefined-behaviour sanitizers, which end the program at the first wrong step. */
#define _GNU_SOURCE
#include "tar.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define LONGEST (64 << 10)
#define SEEDS_MAX 64

static uint64_t state;

static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (uint32_t)(state >> 32) % below : 0;
}

static struct {
    size_t length;
    unsigned char bytes[LONGEST];
} seeds[SEEDS_MAX], one;
static size_t seed_count;

static void mutate(void)
{
    static const char *const words[] = {
        "77777777777", "-1", "18446744073709551615", "\x80\0\0\0\0\0\0\1", "\xff\xff\xff\xff\xff\xff\xff\xff",
        "/", "=", "\n", "30 path=../x\n", "9223372036854775807", "GNU.sparse.", "0,0,"};
    size_t at = any((uint32_t)one.length);

    switch (any(6)) {
    case 0: /* a byte */
        one.bytes[at] = (unsigned char)any(256);
        break;
    case 1: /* end early */
        one.length = at + 1;
        break;
    case 2: /* a word over what is there */
    {
        const char *word = words[any(sizeof words / sizeof *words)];
        size_t size = strlen(word);
        if (at + size <= one.length)
            memcpy(one.bytes + at, word, size);
        break;
    }
    case 3: /* a field of a header */
    {
        static const unsigned fields[] = {0, 100, 108, 116, 124, 136, 156, 157, 257, 329, 345, 386, 482, 483};
        at = at / TAR_BLOCK * TAR_BLOCK + fields[any(sizeof fields / sizeof *fields)];
        for (unsigned i = 0; i < 12 && at + i < one.length; i++)
            one.bytes[at + i] = (unsigned char)("01234567\xff\x80 LKxgS"[any(15)]);
        break;
    }
    case 4: /* a block twice */
        at = at / TAR_BLOCK * TAR_BLOCK;
        if (at + TAR_BLOCK <= one.length && one.length + TAR_BLOCK <= LONGEST) {
            memmove(one.bytes + at + TAR_BLOCK, one.bytes + at, one.length - at);
            one.length += TAR_BLOCK;
        }
        break;
    default: /* a block less */
        at = at / TAR_BLOCK * TAR_BLOCK;
        if (at + TAR_BLOCK <= one.length && one.length > TAR_BLOCK) {
            memmove(one.bytes + at, one.bytes + at + TAR_BLOCK, one.length - at - TAR_BLOCK);
            one.length -= TAR_BLOCK;
        }
    }
}

/* Else every change of a header would end at its checksum. */
static void right_checksums(void)
{
    for (size_t at = 0; at + TAR_BLOCK <= one.length; at += TAR_BLOCK) {
        unsigned char *block = one.bytes + at;
        char text[9];
        unsigned sum = 0;

        if (memcmp(block + 257, "ustar", 5) != 0)
            continue;
        memset(block + 148, ' ', 8);
        for (size_t i = 0; i < TAR_BLOCK; i++)
            sum += block[i];
        snprintf(text, sizeof text, "%06o", sum);
        memcpy(block + 148, text, 7);
    }
}

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "%s\n", what);
        abort();
    }
}

static uint64_t read_archive(int fd)
{
    static struct tar tar;
    struct tar_entry entry;
    const char *data;
    uint64_t entries = 0;
    ssize_t got;
    int more;

    tar = (struct tar){.fd = fd};
    while ((more = tar_next(&tar, &entry)) > 0) {
        uint64_t at = 0, sum = 0;
        entries++;
        must(strlen(entry.name) <= TAR_NAME_MAX && strlen(entry.link) <= TAR_NAME_MAX, "a long name");
        must(entry.size <= TAR_SIZE_MAX && tar.left <= entry.size, "a large size");
        for (size_t i = 0; i < tar.sparse.count; i++) {
            must(tar.sparse.extents[i].offset >= at, "extents out of order");
            at = tar.sparse.extents[i].offset + tar.sparse.extents[i].length;
            sum += tar.sparse.extents[i].length;
        }
        if (tar.sparse.is)
            must(at <= tar.sparse.size && sum == tar.left, "extents out of range");
        for (size_t i = 0; i < entry.xattr_count; i++)
            for (size_t j = 0; j < entry.xattrs[i].size; j++)
                sum += (unsigned char)entry.xattrs[i].value[j];
        while ((got = tar_data(&tar, &data, 1 + any(5000))) > 0)
            sum += (unsigned char)data[got - 1];
        if (got < 0) {
            more = -1;
            break;
        }
    }
    must(more == 0 || (tar.wrong && *tar.wrong), "an error without a word");
    tar_drain(&tar);
    free(tar.pax);
    free(tar.long_name);
    free(tar.long_link);
    sparse_forget(&tar.sparse);
    return entries;
}

int main(int argc, char **argv)
{
    uint64_t cases = 0, entries = 0;
    int fd = memfd_create("archive", 0);
    time_t end;

    if (argc < 4 || fd < 0)
        return 2;
    for (int i = 3; i < argc && seed_count < SEEDS_MAX; i++) {
        FILE *file = fopen(argv[i], "r");
        if (!file)
            return 2;
        seeds[seed_count].length = fread(seeds[seed_count].bytes, 1, LONGEST, file);
        seed_count += seeds[seed_count].length > 0;
        fclose(file);
    }
    state = strtoull(argv[2], NULL, 10) * 2 + 1;
    for (end = time(NULL) + atoi(argv[1]); time(NULL) < end; cases++) {
        one = seeds[any((uint32_t)seed_count)];
        for (uint32_t changes = any(5); changes > 0; changes--)
            mutate();
        if (any(8))
            right_checksums();
        if (ftruncate(fd, 0) < 0 || pwrite(fd, one.bytes, one.length, 0) != (ssize_t)one.length ||
            lseek(fd, 0, SEEK_SET) < 0)
            return 2;
        entries += read_archive(fd);
    }
    printf("%llu archives, %llu entries\n", (unsigned long long)cases, (unsigned long long)entries);
    return 0;
}
