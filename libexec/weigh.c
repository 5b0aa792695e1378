/* SPDX-License-Identifier: Apache-2.0 */
/* size PATH...: bytes of the files below each, one line for each on standard output. A file with
 * several names counts once for all of them together; other mounts and what has gone do not count.
 * owners PATH...: the largest uid and gid below each, but for nobody, whom a map need not have. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

#include "files.h"

enum { DESCRIPTORS = 32 };

static uint64_t total;

static int weigh(const char *path, const struct stat *found, int type, struct FTW *at)
{
    (void)path;
    (void)at;
    if (type != FTW_NS && !S_ISDIR(found->st_mode))
        total += (uint64_t)found->st_size / (found->st_nlink ? found->st_nlink : 1);
    return 0;
}

static uid_t most_uid;
static gid_t most_gid;

static int look(const char *path, const struct stat *found, int type, struct FTW *at)
{
    (void)path;
    (void)at;
    if (type == FTW_NS)
        return 0;
    if (found->st_uid != NOBODY && found->st_uid > most_uid)
        most_uid = found->st_uid;
    if (found->st_gid != NOBODY && found->st_gid > most_gid)
        most_gid = found->st_gid;
    return 0;
}

int verb_owners(char **argv)
{
    for (; *argv; argv++) {
        most_uid = most_gid = 0;
        if (nftw(*argv, look, DESCRIPTORS, FTW_PHYS | FTW_MOUNT) < 0)
            die_errno(*argv);
        printf("%u %u\n", most_uid, most_gid);
    }
    if (fflush(stdout) != 0)
        die_errno("the answer");
    return 0;
}

int verb_size(char **argv)
{
    for (; *argv; argv++) {
        total = 0;
        if (nftw(*argv, weigh, DESCRIPTORS, FTW_PHYS | FTW_MOUNT) < 0 && errno != ENOENT)
            die_errno(*argv);
        printf("%llu\n", (unsigned long long)total);
    }
    if (fflush(stdout) != 0)
        die_errno("the answer");
    return 0;
}
