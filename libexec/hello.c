/* SPDX-License-Identifier: Apache-2.0
 *
 * The program of the image that comes with pypod: shows a newcomer what a rootless container is. */
#define _GNU_SOURCE
#include <ctype.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *read_line(const char *path, const char *key, char *line, size_t size)
{
    FILE *file = fopen(path, "re");
    size_t length = key ? strlen(key) : 0;

    line[0] = 0;
    while (file && fgets(line, (int)size, file)) {
        line[strcspn(line, "\n")] = 0;
        if (!key)
            break;
        if (strncmp(line, key, length) == 0) {
            char *value = line + length + strspn(line + length, ": \t");
            memmove(line, value, strlen(value) + 1);
            break;
        }
        line[0] = 0;
    }
    if (file)
        fclose(file);
    return line;
}

static void show_map(const char *path, const char *what)
{
    unsigned long inside, outside, count, total = 0;
    FILE *file = fopen(path, "re");

    while (file && fscanf(file, "%lu %lu %lu", &inside, &outside, &count) == 3) {
        printf("  %s %5lu..%-7lu here  =  %lu..%lu outside\n", what, inside, inside + count - 1,
               outside, outside + count - 1);
        total += count;
    }
    if (file)
        fclose(file);
    printf("  %lu ids in all%s\n", total,
           total == 1 ? ": there is no range for this user in /etc/subuid" : "");
}

static void show_capabilities(void)
{
    static const char *names[] = {
        "chown", "dac_override", "dac_read_search", "fowner", "fsetid", "kill", "setgid", "setuid",
        "setpcap", "linux_immutable", "net_bind_service", "net_broadcast", "net_admin", "net_raw",
        "ipc_lock", "ipc_owner", "sys_module", "sys_rawio", "sys_chroot", "sys_ptrace", "sys_pacct",
        "sys_admin", "sys_boot", "sys_nice", "sys_resource", "sys_time", "sys_tty_config", "mknod",
        "lease", "audit_write", "audit_control", "setfcap"};
    char line[256];
    unsigned long long set = strtoull(read_line("/proc/self/status", "CapEff", line, sizeof line), NULL, 16);
    int count = 0;

    for (int bit = 0; bit < 64; bit++)
        count += set >> bit & 1;
    printf("  %d of 41 capabilities, and only over what belongs to these ids:\n   ", count);
    for (size_t bit = 0; bit < sizeof names / sizeof *names; bit++)
        if (set >> bit & 1)
            printf(" %s", names[bit]);
    putchar('\n');
}

static void show_namespaces(void)
{
    static const char *kinds[] = {"user", "mnt", "pid", "net", "uts", "ipc", "cgroup"};
    char path[64], target[64];

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        snprintf(path, sizeof path, "/proc/self/ns/%s", kinds[i]);
        ssize_t length = readlink(path, target, sizeof target - 1);
        target[length < 0 ? 0 : length] = 0;
        printf("  %s\n", target);
    }
}

int main(void)
{
    char line[256];

    puts("Hello from a container that nobody had to be root for.\n");
    printf("Who I am\n  uid %d, gid %d, pid %d in here\n", getuid(), getgid(), getpid());
    puts("Who that is outside (/proc/self/uid_map)");
    show_map("/proc/self/uid_map", "uid");
    puts("What I may do");
    show_capabilities();
    read_line("/proc/self/status", "Seccomp", line, sizeof line);
    printf("  system calls are %s\n", line[0] == '2' ? "filtered (seccomp)" : "not filtered");
    puts("What is only mine (namespaces)");
    show_namespaces();
    puts("Who the audit log will name (the login uid, as these ids show it)");
    read_line("/proc/self/loginuid", NULL, line, sizeof line);
    printf("  %s\n", strcmp(line, "4294967295") == 0 ? "unset, or nobody whom these ids can show" : line);
    puts("\nNo daemon started this: pypod did, and is gone. Next: pypod run --rm -it IMAGE sh");
    return 0;
}
