/* SPDX-License-Identifier: Apache-2.0 */
/* Writing early: an image counts when one syncfs(2) has brought all of it to the disk, and the less is left
 * for that one the sooner. The kernel by itself begins after seconds, or with a tenth of the memory dirty.
 *
 * A child calls syncfs, which waits; sync_file_range(2) does not, but knows nothing of the inodes, and those
 * are what small files are made of. */
#define _GNU_SOURCE
#include <sys/wait.h>
#include <unistd.h>

#include "unpack.h"

enum { EARLY_BYTES = 64 << 20, EARLY_FILES = 4096 };

void early_count(struct early *early, int directory, uint64_t bytes)
{
    early->bytes += bytes;
    early->files++;
    if (!early->wanted || (early->bytes < EARLY_BYTES && early->files < EARLY_FILES))
        return;
    if (early->child > 0 && waitpid(early->child, NULL, WNOHANG) == 0)
        return; /* it is still at it */
    early->child = fork();
    if (early->child == 0) {
        syncfs(directory);
        _exit(0); /* never through exit: the parent's pending work must not be written twice */
    }
    early->bytes = early->files = 0;
}

void early_end(struct early *early)
{
    if (early->child > 0)
        waitpid(early->child, NULL, 0);
}
