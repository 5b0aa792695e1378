/* SPDX-License-Identifier: Apache-2.0 */
/* peer tcp|udp ADDRESS PORT: tells every client its own address, and prints it.
 * peer flood ADDRESS PORT BYTES: sends that many bytes to each client. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int fail(const char *what)
{
    perror(what);
    return 1;
}

static void told(const struct sockaddr_in *from, char *text, size_t size)
{
    char address[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &from->sin_addr, address, sizeof address);
    snprintf(text, size, "from %s\n", address);
    fputs(text, stdout);
    fflush(stdout);
}

static void flood(int client, unsigned long long left)
{
    static char block[1 << 20];

    while (left) {
        size_t size = left < sizeof block ? (size_t)left : sizeof block;
        ssize_t sent = send(client, block, size, MSG_NOSIGNAL);
        if (sent <= 0)
            break;
        left -= (unsigned long long)sent;
    }
    close(client);
}

int main(int argc, char **argv)
{
    struct sockaddr_in where = {.sin_family = AF_INET}, from;
    char text[64], data[2048];
    int yes = 1;

    if (argc < 4)
        return 2;
    int tcp = strcmp(argv[1], "udp") != 0;
    int fd = socket(AF_INET, tcp ? SOCK_STREAM : SOCK_DGRAM, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    inet_pton(AF_INET, argv[2], &where.sin_addr);
    where.sin_port = htons((unsigned short)atoi(argv[3]));
    if (bind(fd, (struct sockaddr *)&where, sizeof where) < 0 || (tcp && listen(fd, 16) < 0))
        return fail("bind");
    printf("ready\n");
    fflush(stdout);
    for (;;) {
        socklen_t size = sizeof from;

        if (tcp) {
            int client = accept(fd, (struct sockaddr *)&from, &size);
            if (client < 0)
                return fail("accept");
            if (argc > 4) {
                flood(client, strtoull(argv[4], NULL, 10));
                continue;
            }
            told(&from, text, sizeof text);
            send(client, text, strlen(text), MSG_NOSIGNAL);
            close(client);
        } else if (recvfrom(fd, data, sizeof data, 0, (struct sockaddr *)&from, &size) >= 0) {
            told(&from, text, sizeof text);
            sendto(fd, text, strlen(text), 0, (struct sockaddr *)&from, size);
        }
    }
}
