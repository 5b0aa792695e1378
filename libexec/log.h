/* SPDX-License-Identifier: Apache-2.0 */
/* The container's log: podman's k8s-file format, rotated between records, never a reason to die. */
#ifndef PYPOD_LOG_H
#define PYPOD_LOG_H

#include <stddef.h>
#include <stdint.h>

struct log {
    int dir;          /* directory descriptor of the container's record */
    const char *name; /* NULL: nothing is logged */
    int fd;           /* -1: could not be opened; tried again at the next write */
    int keep;         /* rotated files kept beside the current one: name.1 is the youngest */
    uint64_t limit;   /* rotate before the file grows past this many bytes; 0 = never */
    uint64_t size;    /* bytes in the current file, all of them whole records */
    uint64_t lost_records, lost_bytes;
    int lost_errno;
};

/* Open (append to) the log. An error is remembered, not returned: logging starts when it can. */
void log_open(struct log *log);

/* Log what the container wrote at once to `stream` ("stdout", "stderr"): whole lines as F records, a
 * rest without newline as a P record. Bytes are kept as they are. What cannot be written is counted,
 * and a record `… stderr F:lost N records, B bytes: reason` follows when writing works again. */
void log_write(struct log *log, const char *stream, const char *data, size_t size);

#endif
