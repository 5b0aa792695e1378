/* SPDX-License-Identifier: Apache-2.0 */
/* The log file: `2026-11-24T12:00:00.123456789+00:00 stdout F text`. One timestamp and as few writes
 * as possible per read from the container: the records are gathered, never copied. */
#define _GNU_SOURCE
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { PREFIX_MAX = 64, BATCH_MAX = 192, NAME_SIZE = 256 };

struct batch {
    struct iovec parts[BATCH_MAX];
    int count;
    size_t bytes;   /* of the records as they are written */
    size_t payload; /* of what the container wrote */
    unsigned records;
};

/* "<time> <stream> <tag>": UTC, because the zone of a monitor that lives for months may change, and
 * because musl would have to read the zone database. */
static size_t prefix(char out[static PREFIX_MAX], const char *stream, const char *tag)
{
    struct timespec now;
    struct tm utc;

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    int length = snprintf(out, PREFIX_MAX, "%04d-%02d-%02dT%02d:%02d:%02d.%09ld+00:00 %s %s",
                          utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min,
                          utc.tm_sec, now.tv_nsec, stream, tag);
    return length < PREFIX_MAX ? (size_t)length : PREFIX_MAX - 1;
}

/* Make sure that the file ends with a whole record: a monitor that was killed may have torn one. */
static void mend_end(struct log *log)
{
    char last = '\n';

    if (log->size && pread(log->fd, &last, 1, (off_t)log->size - 1) == 1 && last != '\n' &&
        write(log->fd, "\n", 1) == 1)
        log->size++;
}

void log_open(struct log *log)
{
    struct stat found;

    if (!log->name)
        return;
    log->fd = openat(log->dir, log->name, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (log->fd < 0 || fstat(log->fd, &found) < 0) {
        log->lost_errno = errno;
        if (log->fd >= 0)
            close(log->fd);
        log->fd = -1;
        return;
    }
    log->size = (uint64_t)found.st_size;
    mend_end(log);
}

static void rotated_name(const struct log *log, int number, char out[static NAME_SIZE])
{
    if (number)
        snprintf(out, NAME_SIZE, "%s.%d", log->name, number);
    else
        snprintf(out, NAME_SIZE, "%s", log->name);
}

/* Shift name -> name.1 -> name.2 …, dropping the oldest. Where a rename fails (a full disk) the current
 * file simply goes on growing: losing the limit is better than losing records. */
static void rotate(struct log *log)
{
    char from[NAME_SIZE], to[NAME_SIZE];

    for (int number = log->keep; number >= 1; number--) {
        rotated_name(log, number - 1, from);
        rotated_name(log, number, to);
        if (renameat(log->dir, from, log->dir, to) < 0 && number == 1)
            return;
    }
    if (log->keep == 0)
        unlinkat(log->dir, log->name, 0);
    close(log->fd);
    log_open(log);
}

/* Write all or nothing. A short write to a regular file means that the next byte would fail, so the
 * file is cut back to its last whole record. */
static bool write_whole(struct log *log, const struct iovec *parts, int count, size_t bytes)
{
    ssize_t written = writev(log->fd, parts, count);

    if (written == (ssize_t)bytes) {
        log->size += bytes;
        return true;
    }
    log->lost_errno = written < 0 ? errno : ENOSPC;
    if (written > 0 && ftruncate(log->fd, (off_t)log->size) < 0)
        log->size += (uint64_t)written;
    return false;
}

static bool write_gap(struct log *log)
{
    char head[PREFIX_MAX], line[256];
    size_t length = prefix(head, "stderr", "F:lost");

    int rest = snprintf(line, sizeof line, "%.*s %llu records, %llu bytes: %s\n", (int)length, head,
                        (unsigned long long)log->lost_records, (unsigned long long)log->lost_bytes,
                        strerror(log->lost_errno));
    struct iovec part = {line, (size_t)rest < sizeof line ? (size_t)rest : sizeof line - 1};
    if (!write_whole(log, &part, 1, part.iov_len))
        return false;
    log->lost_records = log->lost_bytes = 0;
    return true;
}

static void lose(struct log *log, const struct batch *batch)
{
    log->lost_records += batch->records;
    log->lost_bytes += batch->payload;
}

static void flush(struct log *log, struct batch *batch)
{
    if (!batch->count)
        return;
    if (log->fd < 0)
        log_open(log);
    if (log->fd < 0 || (log->lost_records && !write_gap(log)) ||
        !write_whole(log, batch->parts, batch->count, batch->bytes))
        lose(log, batch);
    batch->count = 0;
    batch->bytes = batch->payload = 0;
    batch->records = 0;
}

static void add(struct batch *batch, const char *data, size_t size)
{
    batch->parts[batch->count++] = (struct iovec){(void *)(uintptr_t)data, size};
    batch->bytes += size;
}

void log_write(struct log *log, const char *stream, const char *data, size_t size)
{
    char full[PREFIX_MAX], partial[PREFIX_MAX];
    const char *end = data + size;
    struct batch batch = {.count = 0};

    if (!log->name)
        return;
    size_t head = prefix(full, stream, "F ");
    memcpy(partial, full, head + 1);
    partial[head - 2] = 'P';
    while (data < end) {
        const char *newline = memchr(data, '\n', (size_t)(end - data));
        size_t length = (size_t)((newline ? newline + 1 : end) - data);
        size_t record = head + length + !newline;

        if (log->limit && log->size + batch.bytes && log->size + batch.bytes + record > log->limit) {
            flush(log, &batch);
            if (log->fd >= 0 && log->size)
                rotate(log);
        }
        add(&batch, newline ? full : partial, head);
        add(&batch, data, length);
        if (!newline)
            add(&batch, "\n", 1);
        batch.records++;
        batch.payload += length;
        if (batch.count > BATCH_MAX - 3)
            flush(log, &batch);
        data += length;
    }
    flush(log, &batch);
}
