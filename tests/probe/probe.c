/* SPDX-License-Identifier: Apache-2.0
 *
 * A static program that says, as JSON on stdout, what the process it is may do and see. It is run as
 * the payload of a container and its answer is compared with golden files (tests/golden/probe).
 *
 * The verdict on a system call is the filter's and not the kernel's: a child puts a second filter on
 * itself that answers SECCOMP_RET_USER_NOTIF to everything, then makes each call with the arguments
 * asked for. A call that the container's filter allows reaches our listener, which answers for it, so
 * that nothing executes; ERRNO outranks USER_NOTIF (seccomp(2)), so a refused one returns its errno.
 * The child shares memory and descriptors with the probe and makes no call of its own: no number has
 * to be left out.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* linux/seccomp.h and linux/filter.h, which musl-gcc does not find on Debian. */
struct insn {
        uint16_t code;
        uint8_t jt, jf;
        uint32_t k;
};
struct filter {
        unsigned short length;
        struct insn *insns;
};
struct notification {
        uint64_t id;
        uint32_t pid, flags;
        struct {
                int32_t nr;
                uint32_t arch;
                uint64_t instruction, args[6];
        } data;
};
struct answer {
        uint64_t id;
        int64_t value;
        int32_t error;
        uint32_t flags;
};
#define SET_MODE_FILTER 1
#define FLAG_NEW_LISTENER 8
#define RET_USER_NOTIF 0x7fc00000U
#define NOTIF_RECV _IOWR('!', 0, struct notification)
#define NOTIF_SEND _IOWR('!', 1, struct answer)

enum { STARTING, IDLE, ASKED, DONE, FAILED };

struct shared {
        atomic_int state;
        int listener;
        long number, args[6], result;
};

static struct shared *shared;
static pid_t caller;

/* The raw call: libc's wrapper would touch errno, which is fine, and nothing else. */
static long raw(long number, const long *a) {
#ifdef __x86_64__
        long result;
        register long r10 __asm__("r10") = a[3];
        register long r8 __asm__("r8") = a[4];
        register long r9 __asm__("r9") = a[5];
        __asm__ volatile("syscall"
                         : "=a"(result)
                         : "a"(number), "D"(a[0]), "S"(a[1]), "d"(a[2]), "r"(r10), "r"(r8), "r"(r9)
                         : "rcx", "r11", "memory");
        return result;
#else
        long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
        return result < 0 ? -errno : result;
#endif
}

static int call_on_request(void *unused) {
        (void)unused;
        struct insn all[] = {{0x06, 0, 0, RET_USER_NOTIF}};
        struct filter filter = {1, all};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        int listener = (int)syscall(SYS_seccomp, SET_MODE_FILTER, FLAG_NEW_LISTENER, &filter);
        if (listener < 0) {
                shared->result = errno;
                shared->state = FAILED;
                _exit(1);
        }
        shared->listener = listener;
        shared->state = IDLE;
        for (;;) {
                while (atomic_load(&shared->state) != ASKED)
                        __asm__ volatile("" ::: "memory");
                shared->result = raw(shared->number, shared->args);
                atomic_store(&shared->state, DONE);
        }
}

static void start_caller(void) {
        static char stack[64 * 1024] __attribute__((aligned(16)));
        if (shared)
                close(shared->listener);
        shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        caller = clone(call_on_request, stack + sizeof(stack), CLONE_FILES | SIGCHLD, NULL);
        if (caller < 0) {
                fprintf(stderr, "probe: clone: %s\n", strerror(errno));
                exit(1);
        }
        while (shared->state == STARTING)
                usleep(100);
        if (shared->state == FAILED) {
                fprintf(stderr, "probe: seccomp listener: %s\n", strerror((int)shared->result));
                exit(1);
        }
}

/* Returns the name of the verdict: ALLOW, an errno, or KILLED. */
static const char *verdict(long number, const long *args) {
        static char name[32];
        shared->number = number;
        memcpy(shared->args, args, sizeof(shared->args));
        atomic_store(&shared->state, ASKED);
        for (;;) {
                struct pollfd ready = {.fd = shared->listener, .events = POLLIN};
                if (poll(&ready, 1, 1) > 0 && ready.revents & POLLIN) {
                        struct notification got = {0};
                        if (ioctl(shared->listener, NOTIF_RECV, &got) < 0)
                                continue;
                        struct answer answer = {.id = got.id, .error = -EUCLEAN};
                        ioctl(shared->listener, NOTIF_SEND, &answer);
                        while (atomic_load(&shared->state) != DONE)
                                __asm__ volatile("" ::: "memory");
                        atomic_store(&shared->state, IDLE);
                        return "ALLOW";
                }
                if (atomic_load(&shared->state) == DONE) {
                        long error = -shared->result;
                        atomic_store(&shared->state, IDLE);
                        switch (error) {
                        case EPERM:
                                return "EPERM";
                        case ENOSYS:
                                return "ENOSYS";
                        case EINVAL:
                                return "EINVAL";
                        default:
                                snprintf(name, sizeof(name), "%ld", -error);
                                return name;
                        }
                }
                if (waitpid(caller, NULL, WNOHANG) != 0) {
                        start_caller();
                        return "KILLED";
                }
        }
}

static const char *comma = "";

static void string(const char *text) {
        putchar('"');
        for (; *text; text++) {
                unsigned char byte = (unsigned char)*text;
                if (byte == '"' || byte == '\\')
                        printf("\\%c", byte);
                else if (byte < 32)
                        printf("\\u%04x", byte);
                else
                        putchar(byte);
        }
        putchar('"');
}

static void key(const char *name) {
        fputs(comma, stdout);
        string(name);
        putchar(':');
        comma = ",\n";
}

static void open_object(const char *name) {
        key(name);
        putchar('{');
        comma = "";
}

static void close_object(void) {
        puts("}");
        comma = ",";
}

static void text(const char *name, const char *value) {
        key(name);
        string(value);
}

/* uretprobe and uprobe on x86_64: the kernel runs no filter for them (kernel/seccomp.c, since 6.14),
 * and they end a caller that is not a probe's trampoline with SIGILL. */
static int unfiltered(long number) {
#ifdef __x86_64__
        return number == 335 || number == 336;
#else
        return number < 0;
#endif
}

static void syscalls(void) {
        long zero[6] = {0};
        char name[64];
        start_caller();
        open_object("syscalls");
        for (long number = 0; number <= 600; number++) {
                snprintf(name, sizeof(name), "%ld", number);
                if (unfiltered(number))
                        continue;
                text(name, verdict(number, zero));
        }
        text("1000", verdict(1000, zero));
        close_object();
        open_object("left_out");
        for (long number = 0; number <= 600; number++)
                if (unfiltered(number)) {
                        snprintf(name, sizeof(name), "%ld", number);
                        text(name, number == 335 ? "uretprobe" : "uprobe");
                }
        close_object();
        open_object("families");
        for (long family = 0; family <= 45; family++) {
                snprintf(name, sizeof(name), "%ld", family);
                text(name, verdict(SYS_socket, (long[6]){family, 1, 0}));
        }
        close_object();
        open_object("arguments");
        static const long flags[] = {0, SIGCHLD, 0x3d0f00, 0x20000, 0x2000000, 0x4000000,
                                     0x8000000, 0x10000000, 0x20000000, 0x40000000};
        for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
                snprintf(name, sizeof(name), "clone %#lx", flags[i]);
                text(name, verdict(SYS_clone, (long[6]){flags[i]}));
        }
        static const long persona[] = {0, 8, 0x20000, 0x20008, 0xffffffff, 1, 0x0040000, 0x20001};
        for (size_t i = 0; i < sizeof(persona) / sizeof(*persona); i++) {
                snprintf(name, sizeof(name), "personality %#lx", persona[i]);
                text(name, verdict(SYS_personality, (long[6]){persona[i]}));
        }
        text("socket AF_NETLINK NETLINK_ROUTE", verdict(SYS_socket, (long[6]){16, 3, 0}));
        text("socket AF_NETLINK NETLINK_AUDIT", verdict(SYS_socket, (long[6]){16, 3, 9}));
        text("socket AF_ALG with a high bit", verdict(SYS_socket, (long[6]){38 | 1L << 32, 5, 0}));
        text("socket AF_VSOCK with a high bit", verdict(SYS_socket, (long[6]){40 | 1L << 32, 1, 0}));
        close_object();
        kill(caller, SIGKILL);
        waitpid(caller, NULL, 0);
}

static void status(void) {
        static const char *wanted[] = {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs",
                                       "Seccomp", "Uid", "Gid", "Groups", "SigBlk", "SigIgn"};
        char line[4096];
        open_object("status");
        FILE *file = fopen("/proc/self/status", "re");
        while (file && fgets(line, sizeof(line), file)) {
                char *colon = strchr(line, ':');
                if (!colon)
                        continue;
                *colon = 0;
                char *value = colon + 1 + strspn(colon + 1, " \t");
                value[strcspn(value, "\n")] = 0;
                for (size_t end = strlen(value); end && value[end - 1] == ' '; end--)
                        value[end - 1] = 0;
                for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
                        if (!strcmp(line, wanted[i]))
                                text(line, value);
        }
        if (file)
                fclose(file);
        close_object();
}

/* absent, denied, empty, or readable. */
static const char *readable(const char *path) {
        int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0)
                return errno == ENOENT ? "absent" : "denied";
        struct stat found;
        const char *answer = "readable";
        char byte;
        if (fstat(fd, &found) == 0 && S_ISDIR(found.st_mode)) {
                DIR *directory = fdopendir(fd);
                int entries = 0;
                while (readdir(directory))
                        entries++;
                closedir(directory);
                return entries <= 2 ? "empty" : "readable";
        }
        ssize_t got = read(fd, &byte, 1);
        if (got == 0)
                answer = "empty";
        else if (got < 0)
                answer = errno == EAGAIN ? "readable" : "denied";
        close(fd);
        return answer;
}

static const char *error_name(int error) {
        switch (error) {
        case 0:
                return "ok";
        case EROFS:
                return "EROFS";
        case EACCES:
                return "EACCES";
        case EPERM:
                return "EPERM";
        case ENOENT:
                return "absent";
        default:
                return strerror(error);
        }
}

/* What writing to a file, or making one in a directory, answers. Nothing is written. */
static const char *writable(const char *path) {
        struct stat found;
        if (stat(path, &found) < 0)
                return error_name(errno);
        int fd;
        if (S_ISDIR(found.st_mode)) {
                char inside[4096];
                snprintf(inside, sizeof(inside), "%s/pypod-probe", path);
                fd = open(inside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
                if (fd >= 0)
                        unlink(inside);
        } else
                fd = open(path, O_WRONLY | O_CLOEXEC | O_NONBLOCK);
        int error = fd < 0 ? errno : 0;
        if (fd >= 0)
                close(fd);
        return error_name(error);
}

static void paths(int argc, char **argv) {
        open_object("readable");
        for (int i = 1; i < argc; i++)
                text(argv[i], readable(argv[i]));
        close_object();
        open_object("writable");
        for (int i = 1; i < argc; i++)
                text(argv[i], writable(argv[i]));
        close_object();
        open_object("remount");
        for (int i = 1; i < argc; i++) {
                int error = mount(NULL, argv[i], NULL, MS_REMOUNT | MS_BIND, NULL) ? errno : 0;
                text(argv[i], error_name(error));
        }
        close_object();
}

static void mounts(void) {
        char line[8192];
        open_object("mounts");
        FILE *file = fopen("/proc/self/mountinfo", "re");
        while (file && fgets(line, sizeof(line), file)) {
                char point[4096], flags[1024], type[256], value[2048];
                char *rest = strstr(line, " - ");
                if (!rest || sscanf(line, "%*s %*s %*s %*s %4095s %1023s", point, flags) != 2 ||
                    sscanf(rest, " - %255s", type) != 1)
                        continue;
                snprintf(value, sizeof(value), "%s %s", type, flags);
                text(point, value);
        }
        if (file)
                fclose(file);
        close_object();
}

static void descriptors(void) {
        key("fds");
        putchar('[');
        const char *separator = "";
        DIR *directory = opendir("/proc/self/fd");
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
                if (entry->d_name[0] == '.' || atoi(entry->d_name) == dirfd(directory))
                        continue;
                printf("%s%s", separator, entry->d_name);
                separator = ",";
        }
        if (directory)
                closedir(directory);
        putchar(']');
}

static void devices(void) {
        open_object("devices");
        DIR *directory = opendir("/dev");
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
                char path[512], value[600], target[512];
                struct stat found;
                snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
                if (entry->d_name[0] == '.' || lstat(path, &found) < 0)
                        continue;
                if (S_ISCHR(found.st_mode))
                        snprintf(value, sizeof(value), "c %u:%u", (unsigned)(found.st_rdev >> 8 & 0xfff),
                                 (unsigned)(found.st_rdev & 0xff));
                else if (S_ISLNK(found.st_mode)) {
                        ssize_t length = readlink(path, target, sizeof(target) - 1);
                        target[length < 0 ? 0 : length] = 0;
                        snprintf(value, sizeof(value), "-> %s", target);
                } else
                        snprintf(value, sizeof(value), "%s", S_ISDIR(found.st_mode) ? "directory" : "other");
                text(entry->d_name, value);
        }
        if (directory)
                closedir(directory);
        close_object();
}

static void surroundings(void) {
        extern char **environ;
        static const struct {
                const char *name;
                int number;
        } limits[] = {{"nofile", RLIMIT_NOFILE}, {"core", RLIMIT_CORE}, {"nproc", RLIMIT_NPROC}};
        static const char *spaces[] = {"user", "mnt", "net", "uts", "pid", "ipc", "cgroup", "time"};
        char value[512], path[64];
        key("environment");
        putchar('[');
        for (char **entry = environ; *entry; entry++) {
                fputs(entry == environ ? "" : ",", stdout);
                string(*entry);
        }
        putchar(']');
        open_object("rlimits");
        for (size_t i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
                struct rlimit limit;
                getrlimit(limits[i].number, &limit);
                snprintf(value, sizeof(value), "%lld %lld", (long long)limit.rlim_cur,
                         (long long)limit.rlim_max);
                text(limits[i].name, value);
        }
        close_object();
        mode_t mask = umask(0);
        umask(mask);
        snprintf(value, sizeof(value), "%04o", (unsigned)mask);
        text("umask", value);
        text("cwd", getcwd(value, sizeof(value)) ? value : "unreachable");
        snprintf(value, sizeof(value), "%d", getsid(0) == getpid());
        text("session_leader", value);
        open_object("namespaces");
        for (size_t i = 0; i < sizeof(spaces) / sizeof(*spaces); i++) {
                snprintf(path, sizeof(path), "/proc/self/ns/%s", spaces[i]);
                ssize_t length = readlink(path, value, sizeof(value) - 1);
                value[length < 0 ? 0 : length] = 0;
                text(spaces[i], value);
        }
        close_object();
        char byte = 'x';
        text("tiocsti", ioctl(0, TIOCSTI, &byte) == 0 ? "ok" : "refused");
        FILE *file = fopen("/proc/sys/net/ipv4/ping_group_range", "re");
        if (file && fgets(value, sizeof(value), file)) {
                value[strcspn(value, "\n")] = 0;
                text("ping_group_range", value);
        }
        if (file)
                fclose(file);
}

int main(int argc, char **argv) {
        puts("{");
        descriptors();
        status();
        surroundings();
        mounts();
        devices();
        paths(argc, argv);
        syscalls();
        puts("}");
        return fflush(stdout) == 0 ? 0 : 1;
}
