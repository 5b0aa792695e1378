// SPDX-License-Identifier: Apache-2.0
/* strike NUMBER command|all|DIRECTORY FILE PROGRAM ...
 *
 * Runs a program and kills it with SIGKILL just before the NUMBER-th of those system calls that
 * change something: in whichever of its threads, and in whichever of its children, that comes.
 * "command" kills the process that was started and leaves its children alone, as `kill -9 PID`
 * does; "all" kills the whole family at once, as the end of a service or of the memory does; a
 * directory is a file system that loses its disk first, as in a power cut: nothing more reaches it.
 * FILE gets how many such calls there were. Exit code: the program's own, or 137.
 *
 * newuidmap and newgidmap are let go before they start: traced, they would get no rights. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define OPTIONS (PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_TRACEFORK \
                 | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC)
#define CREATES (O_CREAT | O_TRUNC | O_WRONLY | O_RDWR)

static const long CHANGES[] = {
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_copy_file_range, SYS_sendfile, SYS_splice,
    SYS_fsync, SYS_fdatasync, SYS_syncfs, SYS_ftruncate, SYS_fallocate, SYS_fchmod, SYS_fchmodat,
    SYS_fchown, SYS_fchownat, SYS_fsetxattr, SYS_setxattr, SYS_lsetxattr, SYS_mkdirat, SYS_mknodat,
    SYS_unlinkat, SYS_symlinkat, SYS_linkat, SYS_renameat2, SYS_utimensat, SYS_flock,
#ifdef SYS_mkdir
    SYS_mkdir, SYS_rmdir, SYS_unlink, SYS_rename, SYS_link, SYS_symlink, SYS_chmod, SYS_chown,
    SYS_lchown, SYS_creat, SYS_mknod, SYS_utimes,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
};

static int changes(const struct __ptrace_syscall_info *call)
{
    long number = (long)call->entry.nr;
    if (number == SYS_openat)
        return (call->entry.args[2] & CREATES) != 0;
#ifdef SYS_open
    if (number == SYS_open)
        return (call->entry.args[1] & CREATES) != 0;
#endif
    for (size_t i = 0; i < sizeof CHANGES / sizeof *CHANGES; i++)
        if (CHANGES[i] == number)
            return 1;
    return 0;
}

/* Says whether a process is about to become a program that needs the rights of its file. */
static int needs_rights(pid_t pid, const struct __ptrace_syscall_info *call)
{
    char path[64] = "";
    struct iovec here = { path, sizeof path - 1 }, there = { NULL, sizeof path - 1 };
    if ((long)call->entry.nr != SYS_execve)
        return 0;
    there.iov_base = (void *)(unsigned long)call->entry.args[0];
    if (process_vm_readv(pid, &here, 1, &there, 1, 0) < 0)
        return 1; /* it hides from us, as pypod-init does */
    return strstr(path, "newuidmap") || strstr(path, "newgidmap");
}

/* EXT4_IOC_SHUTDOWN, NOLOGFLUSH: xfs's and f2fs's too. */
static int cut(const char *directory)
{
    unsigned int how = 2;
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || ioctl(fd, _IOR('X', 125, unsigned int), &how) < 0) {
        perror("strike: shutdown");
        return -1;
    }
    return close(fd);
}

static int finish(const char *file, long count, int code)
{
    FILE *out = fopen(file, "w");
    if (!out || fprintf(out, "%ld\n", count) < 0 || fclose(out))
        return 125;
    return code;
}

static void start(char **argv)
{
    raise(SIGSTOP);
    execvp(argv[0], argv);
    _exit(127);
}

/* Resumes a process that stopped, with what it stopped for; returns whether that is a call which
 * changes something: then the process stays stopped before it. */
static int step(pid_t pid, int status, int count_it)
{
    int signal = WSTOPSIG(status), event = status >> 16;
    struct __ptrace_syscall_info call;
    memset(&call, 0, sizeof call);
    if (signal == (SIGTRAP | 0x80)) {
        ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof call, &call);
        if (call.op == PTRACE_SYSCALL_INFO_ENTRY) {
            if (needs_rights(pid, &call)) {
                ptrace(PTRACE_DETACH, pid, 0, 0);
                return 0;
            }
            if (count_it && changes(&call))
                return 1;
        }
        signal = 0;
    } else if (event == PTRACE_EVENT_STOP) {
        if (signal != SIGTRAP) {
            ptrace(PTRACE_LISTEN, pid, 0, 0);
            return 0;
        }
        signal = 0;
    } else if (event) {
        signal = 0;
    }
    ptrace(PTRACE_SYSCALL, pid, 0, signal);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        return 125;
    long wanted = strtol(argv[1], NULL, 10), count = 0;
    int all = strcmp(argv[2], "command") != 0, status;
    pid_t first = fork();
    if (first == 0)
        start(argv + 4);
    if (first < 0 || waitpid(first, &status, WUNTRACED) < 0)
        return 125;
    if (ptrace(PTRACE_SEIZE, first, 0, OPTIONS | (all ? PTRACE_O_EXITKILL : 0)) < 0) {
        perror("strike: ptrace");
        kill(first, SIGKILL);
        return 125;
    }
    kill(first, SIGCONT);
    int killed = 0;
    for (;;) {
        pid_t pid = waitpid(-1, &status, __WALL);
        if (pid < 0)
            return finish(argv[3], count, 125);
        if (pid == first && WIFEXITED(status))
            return finish(argv[3], count, WEXITSTATUS(status));
        if (pid == first && WIFSIGNALED(status))
            return finish(argv[3], count, 128 + WTERMSIG(status));
        if (!WIFSTOPPED(status) || !step(pid, status, !killed))
            continue;
        if (++count != wanted) {
            ptrace(PTRACE_SYSCALL, pid, 0, 0);
            continue;
        }
        if (argv[2][0] == '/' && cut(argv[2]) < 0)
            return finish(argv[3], count, 125);
        if (all)
            return finish(argv[3], count, 137); /* EXITKILL: all die now */
        killed = 1;
        kill(first, SIGKILL);
        ptrace(PTRACE_SYSCALL, pid, 0, 0);
    }
}
