/* SPDX-License-Identifier: Apache-2.0
 *
 * notify [MESSAGE...]: sends each message to NOTIFY_SOCKET as sd_notify(3) does, tells what came of it,
 * and stays until a signal. "-" makes it wait for a line of standard input first. */
#define _GNU_SOURCE
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int notify(const char *message)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *path = getenv("NOTIFY_SOCKET");
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (!path || strlen(path) >= sizeof address.sun_path)
        return ENOTSOCK;
    strcpy(address.sun_path, path);
    if (*path == '@')
        address.sun_path[0] = '\0';
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
    int sent = sendto(fd, message, strlen(message), 0, (struct sockaddr *)&address, size) < 0;
    return sent ? errno : 0;
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    printf("socket %s\n", getenv("NOTIFY_SOCKET") ? getenv("NOTIFY_SOCKET") : "none");
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "-")) {
            while (getchar() != '\n' && !feof(stdin)) {
            }
            continue;
        }
        int error = notify(argv[i]);
        printf("sent %s: %s\n", argv[i], error ? strerror(error) : "ok");
    }
    for (;;)
        sleep(1000);
}
