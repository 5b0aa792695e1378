/* SPDX-License-Identifier: Apache-2.0 */
/* `pids` and `exit`: two lines in the container's record directory, replaced whole by rename(2). They
 * are the truth about a container for every other command; the monitor writes and never reads them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "monitor.h"

enum { LINE_SIZE = 256, STAT_SIZE = 1024 };

static bool read_file(const char *path, char *out, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t got = read(fd, out, size - 1);
    close(fd);
    if (got < 0)
        return false;
    out[got] = '\0';
    return true;
}

/* Field 22 of /proc/PID/stat, in clock ticks since boot (proc_pid_stat(5)); 0 when it cannot be read.
 * The fields are counted from the last ')': a process may have named itself "a) R 1". */
static unsigned long long start_time(pid_t pid)
{
    char path[64], text[STAT_SIZE];

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_file(path, text, sizeof text))
        return 0;
    char *at = strrchr(text, ')');
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    return at ? strtoull(at + 1, NULL, 10) : 0;
}

static bool write_all(int fd, const char *text, size_t size)
{
    if (pwrite(fd, text, size, 0) != (ssize_t)size)
        return false;
    return ftruncate(fd, (off_t)size) == 0;
}

static int create(const char *name)
{
    return openat(FD_RECORD, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
}

static bool replace(int fd, const char *text, const char *temporary, const char *name)
{
    bool written = fd >= 0 && write_all(fd, text, strlen(text));
    int error = errno;
    if (fd >= 0)
        close(fd);
    errno = error;
    return written && renameat(FD_RECORD, temporary, FD_RECORD, name) == 0;
}

bool record_pids(struct monitor *m)
{
    char line[LINE_SIZE], boot[64], net[64] = "";
    struct timespec now;

    if (m->options.no_record)
        return true;
    if (m->network)
        snprintf(net, sizeof net, " net=%d nstart=%llu", (int)m->network, start_time(m->network));
    if (!read_file("/proc/sys/kernel/random/boot_id", boot, sizeof boot))
        return false;
    boot[strcspn(boot, "\n")] = '\0';
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(line, sizeof line, "run=%lu boot=%s pid=%d start=%llu monitor=%d mstart=%llu%s at=%lld.%09ld\n",
             m->options.run, boot, (int)m->pid, start_time(m->pid), (int)getpid(), start_time(getpid()),
             net, (long long)now.tv_sec, now.tv_nsec);
    return replace(create("pids.tmp"), line, "pids.tmp", "pids");
}

/* Reserve the block that `exit` will need: the exit status of a container that runs for a year must
 * not be lost because the disk is full on its last day. */
bool record_prepare(struct monitor *m)
{
    char blank[LINE_SIZE];

    m->exit_fd = -1;
    if (m->options.no_record)
        return true;
    memset(blank, '\n', sizeof blank);
    m->exit_fd = create("exit.tmp");
    return m->exit_fd >= 0 && write(m->exit_fd, blank, sizeof blank) == (ssize_t)sizeof blank;
}

/* Did `pypod stop` ask for the end? It leaves a file, for it cannot know whether a client is connected. */
static bool stop_asked(void)
{
    struct stat found;

    return fstatat(FD_RECORD, "stop", &found, AT_SYMLINK_NOFOLLOW) == 0;
}

void record_exit(struct monitor *m)
{
    char line[LINE_SIZE];
    struct timespec now;

    if (m->written)
        return;
    m->written = true;
    if (m->options.no_record)
        return;
    m->stop_asked = stop_asked(); /* now: whoever sees the exit may remove the record */
    clock_gettime(CLOCK_REALTIME, &now);
    snprintf(line, sizeof line, "run=%lu code=%d signal=%d started=%d at=%lld.%09ld\n", m->options.run,
             m->code, m->signal, !m->failed, (long long)now.tv_sec, now.tv_nsec);
    /* A second try from scratch, for filesystems that copy on write. If it fails too the status is
     * unknown to those who did not wait, and readers say so; nothing is made up. */
    if (!replace(m->exit_fd, line, "exit.tmp", "exit"))
        replace(create("exit.tmp"), line, "exit.tmp", "exit");
    m->exit_fd = -1;
}

/* Does a client claim the clean-up (it holds flock on `claim`), or is the record gone already? */
bool record_claimed(void)
{
    struct stat found;

    if (fstat(FD_RECORD, &found) < 0 || found.st_nlink == 0)
        return true;
    int fd = openat(FD_RECORD, "claim", O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return false;
    /* Left locked: the kernel unlocks when this monitor ends, a moment later. */
    return flock(fd, LOCK_EX | LOCK_NB) < 0;
}
