/* SPDX-License-Identifier: Apache-2.0 */
/* accounts DIRECTORY: /etc/passwd and /etc/group of a root file system that is no image (--rootfs).
 *
 * The tree may be anybody's: its links are followed inside it, a FIFO is not waited for, and only
 * regular files of at most 1 MiB are read. stdout: "PASSWD GROUP\n", their sizes, then both texts. A
 * file that is not there is empty. */
#define _GNU_SOURCE
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

enum { TEXT_MAX = 1 << 20 };

static size_t read_text(int root, const char *path, char **text)
{
    struct stat found;
    cleanup_fd int fd = open_below(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);

    *text = NULL;
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return 0;
    if (fd < 0 || fstat(fd, &found) < 0)
        die_errno(path);
    if (!S_ISREG(found.st_mode))
        die(path, "it is no regular file");
    ssize_t length = read_all(fd, text, TEXT_MAX);
    if (length < 0)
        die_errno(path);
    return (size_t)length;
}

int verb_accounts(char **argv)
{
    char *passwd, *group;
    cleanup_fd int root = open(argv[0], O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (root < 0)
        die_errno(argv[0]);
    size_t passwd_size = read_text(root, "etc/passwd", &passwd);
    size_t group_size = read_text(root, "etc/group", &group);
    printf("%zu %zu\n", passwd_size, group_size);
    fwrite(passwd, 1, passwd_size, stdout);
    fwrite(group, 1, group_size, stdout);
    if (fflush(stdout) != 0)
        die_errno("the answer");
    free(passwd);
    free(group);
    return 0;
}
