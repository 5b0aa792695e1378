/* SPDX-License-Identifier: Apache-2.0 */
/* The program that connects a container's network namespace with the host's network: pasta or
 * slirp4netns, any that takes the namespace as its stdin, writes a byte to a descriptor when it is ready and
 * says on stderr why it is not. It starts while the container's mounts are made; the container is let go
 * when it is ready; it is killed when the container has ended.
 *
 * It runs in the container's user namespace, which we enter for it: then nothing changes its credentials
 * later, and PDEATHSIG, which such a change would clear, ends it together with its monitor. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "monitor.h"
#include "uapi.h"

enum { ANSWER_SECONDS = 3, ANSWER_SIZE = 512, SAID_SIZE = 2048 };

static void keep_capabilities(void)
{
    /* In a single-id namespace the caller need not be root, and an execve would take its capabilities,
     * unless they are ambient (capabilities(7)). */
    struct {
        uint32_t version;
        int pid;
    } header = {.version = CAPABILITY_VERSION_3};
    uint32_t sets[2][3]; /* two halves of effective, permitted, inheritable */

    if (syscall(SYS_capget, &header, sets) < 0)
        return;
    sets[0][2] = sets[0][1];
    sets[1][2] = sets[1][1];
    if (syscall(SYS_capset, &header, sets) < 0)
        return;
    for (int cap = 0; cap < 64; cap++)
        prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, cap, 0, 0);
}

static _Noreturn void exec_network(const struct monitor *m, int user, int net, int ready, int said)
{
    pid_t parent = getppid();
    int ready_as = m->options.network_ready_fd ? m->options.network_ready_fd : 1;
    bool placed = dup2(net, 0) == 0 && dup2(said, 1) == 1 && dup2(said, 2) == 2;

    /* Its words must never block it, and nobody reads them once it is ready. */
    fcntl(2, F_SETFL, O_WRONLY | O_NONBLOCK);
    placed = placed && dup2(ready, ready_as) == ready_as;
    if (placed && (m->options.network_outside || setns(user, CLONE_NEWUSER) == 0)) {
        keep_capabilities();
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(125);
        default_signals();
        execve(m->options.network_words[0], m->options.network_words, environ);
    }
    dprintf(2, "cannot start %s: %s\n", m->options.network_words[0], strerror(errno));
    _exit(125);
}

void network_start(struct monitor *m, const int namespaces[2])
{
    int ready[2] = {-1, -1}, said[2] = {-1, -1};

    if (!m->options.network_word_count)
        return;
    if (namespaces[0] < 0) {
        start_failed(m, STAGE_NETWORK, 0, "the runtime did not tell the container's namespaces");
        return;
    }
    if (pipe2(ready, O_CLOEXEC) < 0 || pipe2(said, O_CLOEXEC) < 0) {
        start_failed(m, STAGE_NETWORK, errno, "a pipe");
    } else {
        pid_t pid = fork();
        if (pid == 0)
            exec_network(m, namespaces[0], namespaces[1], ready[1], said[1]);
        if (pid < 0)
            start_failed(m, STAGE_NETWORK, errno, "cannot fork");
        else
            m->network = pid;
        m->network_ready.fd = ready[0];
        m->network_said = said[0];
        fcntl(ready[0], F_SETFL, O_NONBLOCK);
        fcntl(said[0], F_SETFL, O_NONBLOCK);
    }
    if (ready[1] >= 0)
        close(ready[1]);
    if (said[1] >= 0)
        close(said[1]);
}

/* The last line that it said. What it could not tell the system's log either is no reason. */
static void failed_with_words(struct monitor *m)
{
    char text[SAID_SIZE], *reason = NULL, *rest = text;
    ssize_t got = read(m->network_said, text, sizeof text - 1);

    text[got > 0 ? got : 0] = '\0';
    for (char *line; (line = strsep(&rest, "\n"));)
        if (*line && strncmp(line, "Failed to send", 14) != 0)
            reason = line;
    start_failed(m, STAGE_NETWORK, 0, reason ? reason : "it ended without a word");
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = ANSWER_SECONDS};

    if (strlen(path) >= sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(address.sun_path, path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return fd;
    close(fd);
    return -1;
}

/* One request on one connection; an answer that holds the word "error" is a refusal. */
static bool ask(struct monitor *m, const char *request)
{
    char answer[ANSWER_SIZE];
    size_t size = 0;
    ssize_t got;
    int fd = connect_to(m->options.network_socket);

    if (fd < 0 || send(fd, request, strlen(request), MSG_NOSIGNAL) < 0) {
        start_failed(m, STAGE_NETWORK, errno, "its socket");
        if (fd >= 0)
            close(fd);
        return false;
    }
    shutdown(fd, SHUT_WR);
    while (size < sizeof answer - 1 && (got = recv(fd, answer + size, sizeof answer - 1 - size, 0)) > 0)
        size += (size_t)got;
    answer[size] = '\0';
    close(fd);
    if (size && !strstr(answer, "\"error\""))
        return true;
    char text[sizeof m->error.text];
    snprintf(text, sizeof text, "%.100s: %.100s", request, size ? answer : "no answer");
    start_failed(m, STAGE_NETWORK, 0, text);
    return false;
}

void network_readable(struct monitor *m)
{
    char bytes[64];
    ssize_t got = read(m->network_ready.fd, bytes, sizeof bytes);

    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    source_close(m, &m->network_ready);
    if (got <= 0) {
        failed_with_words(m);
        return;
    }
    for (int i = 0; i < m->options.network_request_count; i++)
        if (!ask(m, m->options.network_requests[i]))
            return;
    if (m->options.network_socket)
        unlink(m->options.network_socket);
    m->network_up = true;
    start_release(m);
}

/* Killed without waiting: Debian 12's pasta needs 35 ms to die. */
void network_stop(struct monitor *m)
{
    source_close(m, &m->network_ready);
    if (m->network)
        kill(m->network, SIGKILL);
}
