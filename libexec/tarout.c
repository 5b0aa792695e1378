/* SPDX-License-Identifier: Apache-2.0 */
/* A tar writer that says the same of the same file each time: no names of owners, no times of access,
 * whole seconds. Source: POSIX.1-2017, pax, ustar interchange format; star's SCHILY.xattr records. */
#define _GNU_SOURCE
#include "tarout.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files.h"

enum {
    BLOCK = 512,
    SHORT_NAME = 100,
    OCTAL_ID_MOST = 07777777,
    PAX_MOST = 1 << 20,
};
#define OCTAL_SIZE_MOST ((uint64_t)077777777777)

struct header {
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6],
        version[2], owner[32], group[32], major[8], minor[8], prefix[155], rest[12];
};

static void flush(struct tarout *out)
{
    size_t at = 0;

    while (at < out->filled) {
        ssize_t done = write(out->fd, out->buffer + at, out->filled - at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            die_errno("the archive");
        at += (size_t)done;
    }
    out->filled = 0;
}

static void put(struct tarout *out, const void *data, size_t size)
{
    const char *from = data;

    while (size) {
        size_t room = sizeof out->buffer - out->filled, part = size < room ? size : room;
        if (from) {
            memcpy(out->buffer + out->filled, from, part);
            from += part;
        } else {
            memset(out->buffer + out->filled, 0, part);
        }
        out->filled += part;
        size -= part;
        if (out->filled == sizeof out->buffer)
            flush(out);
    }
}

static void pad(struct tarout *out, uint64_t size)
{
    put(out, NULL, (size_t)(-size % BLOCK));
}

static size_t digits(size_t number)
{
    size_t count = 1;

    while (number /= 10)
        count++;
    return count;
}

void tarout_record(struct tarout *out, const char *key, const void *value, size_t size)
{
    size_t rest = strlen(key) + size + 3; /* space, =, newline */
    size_t length = rest + digits(rest);

    if (digits(length) + rest != length)
        length = rest + digits(length);
    if (out->pax_size + length > PAX_MOST)
        die(NULL, "a file has more attributes than an archive takes");
    if (out->pax_size + length + 1 > out->pax_room) {
        out->pax_room = 2 * (out->pax_size + length + 1);
        out->pax = realloc(out->pax, out->pax_room);
        if (!out->pax)
            die(NULL, "out of memory");
    }
    char *at = out->pax + out->pax_size;
    at += sprintf(at, "%zu %s=", length, key);
    memcpy(at, value, size);
    at[size] = '\n';
    out->pax_size += length;
}

static void text_record(struct tarout *out, const char *key, const char *value)
{
    tarout_record(out, key, value, strlen(value));
}

static void number_record(struct tarout *out, const char *key, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%lld", (long long)value);
    text_record(out, key, text);
}

static void octal(char *field, size_t size, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof text, "%0*llo", (int)size - 1, (unsigned long long)value);
    memcpy(field, text, size); /* with the NUL: the value fits */
}

static void write_header(struct tarout *out, const struct tarout_entry *entry, const char *name)
{
    struct header header = {.type = entry->type, .magic = "ustar", .version = {'0', '0'}};
    unsigned sum = 0;

    _Static_assert(sizeof header == BLOCK, "a header is a block");
    memcpy(header.name, name, strnlen(name, sizeof header.name));
    if (entry->link)
        memcpy(header.link, entry->link, strnlen(entry->link, sizeof header.link));
    octal(header.mode, sizeof header.mode, entry->mode & 07777);
    octal(header.uid, sizeof header.uid, entry->uid > OCTAL_ID_MOST ? 0 : entry->uid);
    octal(header.gid, sizeof header.gid, entry->gid > OCTAL_ID_MOST ? 0 : entry->gid);
    octal(header.size, sizeof header.size, entry->size > OCTAL_SIZE_MOST ? 0 : entry->size);
    uint64_t mtime = entry->mtime < 0 || (uint64_t)entry->mtime > OCTAL_SIZE_MOST ? 0 : (uint64_t)entry->mtime;
    octal(header.mtime, sizeof header.mtime, mtime);
    octal(header.major, sizeof header.major, entry->major & OCTAL_ID_MOST);
    octal(header.minor, sizeof header.minor, entry->minor & OCTAL_ID_MOST);
    memset(header.checksum, ' ', sizeof header.checksum);
    for (size_t i = 0; i < sizeof header; i++)
        sum += ((unsigned char *)&header)[i];
    snprintf(header.checksum, sizeof header.checksum, "%06o", sum);
    header.checksum[7] = ' ';
    put(out, &header, sizeof header);
}

static void write_pax(struct tarout *out)
{
    if (!out->pax_size)
        return;
    struct tarout_entry entry = {.type = 'x', .mode = 0644, .size = out->pax_size};
    write_header(out, &entry, "PaxHeaders/entry");
    put(out, out->pax, out->pax_size);
    pad(out, out->pax_size);
    out->pax_size = 0;
}

void tarout_entry(struct tarout *out, const struct tarout_entry *entry)
{
    char name[4200];
    int length = snprintf(name, sizeof name, "%s%s", entry->name, entry->type == '5' ? "/" : "");

    if (length >= (int)sizeof name)
        die(entry->name, "the name is too long");
    if (length > SHORT_NAME)
        text_record(out, "path", name);
    if (entry->link && strlen(entry->link) > SHORT_NAME)
        text_record(out, "linkpath", entry->link);
    if (entry->uid > OCTAL_ID_MOST)
        number_record(out, "uid", (int64_t)entry->uid);
    if (entry->gid > OCTAL_ID_MOST)
        number_record(out, "gid", (int64_t)entry->gid);
    if (entry->size > OCTAL_SIZE_MOST)
        number_record(out, "size", (int64_t)entry->size);
    if (entry->mtime < 0 || (uint64_t)entry->mtime > OCTAL_SIZE_MOST)
        number_record(out, "mtime", entry->mtime);
    write_pax(out);
    write_header(out, entry, name);
}

void tarout_file(struct tarout *out, int fd, uint64_t size, const char *name)
{
    uint64_t at = 0;

    while (at < size) {
        size_t room = sizeof out->buffer - out->filled;
        size_t part = size - at < room ? (size_t)(size - at) : room;
        ssize_t done = pread(fd, out->buffer + out->filled, part, (off_t)at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            die_errno(name);
        if (done == 0)
            break;
        at += (uint64_t)done;
        out->filled += (size_t)done;
        if (out->filled == sizeof out->buffer)
            flush(out);
    }
    for (; at < size; at += BLOCK) /* it became shorter */
        put(out, NULL, size - at < BLOCK ? (size_t)(size - at) : BLOCK);
    pad(out, size);
}

void tarout_end(struct tarout *out)
{
    put(out, NULL, 2 * BLOCK);
    flush(out);
}
