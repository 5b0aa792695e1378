/* SPDX-License-Identifier: Apache-2.0 */
/* Clients: the one that started the container (the channel, lossless) and those that attach later.
 * The frames are described in ATTACH.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "monitor.h"

enum {
    BACKLOG = 16,
    ROUNDS = 16,
    CREDIT_STEP = 3, /* acknowledged at once: half of the window that ATTACH.md gives a client */
    SOCKET_BUFFER = 1 << 20,
    HELLO_OUTPUT = 1,
    HELLO_STDIN = 2,
};

void client_adopt(struct client *client, int fd)
{
    int size = SOCKET_BUFFER;

    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* the kernel gives what it allows */
    *client = (struct client){.source = {.fd = fd, .tag = client->source.tag}};
}

/* Bind the attach socket. Without it (the runtime directory was removed) only attach is impossible. */
void attach_listen(struct monitor *m)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (!m->options.attach_name)
        return;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return;
    /* Through the directory's descriptor: sun_path holds 108 bytes, store paths may be longer. */
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/%s", FD_SOCKETS,
             m->options.attach_name);
    unlinkat(FD_SOCKETS, m->options.attach_name, 0);
    mode_t mask = umask(0177);
    int bound = bind(fd, (struct sockaddr *)&address, sizeof address);
    umask(mask);
    if (bound < 0 || listen(fd, BACKLOG) < 0) {
        close(fd);
        return;
    }
    m->listener.fd = fd;
}

bool attach_accept(struct monitor *m)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    int fd = accept4(m->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
        /* Out of descriptors or memory: epoll would report the waiting client for ever. */
        if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
            source_close(m, &m->listener);
        return false;
    }
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && peer.uid == geteuid())
        for (int i = 1; i < CLIENTS_MAX; i++)
            if (m->clients[i].source.fd < 0) {
                client_adopt(&m->clients[i], fd);
                return true;
            }
    close(fd);
    return true;
}

/* Take who waits in the queue, then disappear. Before `exit` is in place: after that a new run may
 * bind the same name, and it must not be the old monitor that removes it. */
void attach_close(struct monitor *m)
{
    while (m->listener.fd >= 0 && attach_accept(m))
        ;
    if (m->listener.fd >= 0 && m->options.attach_name)
        unlinkat(FD_SOCKETS, m->options.attach_name, 0);
    source_close(m, &m->listener);
}

void attach_window(struct monitor *m)
{
    struct winsize size = {.ws_row = m->rows, .ws_col = m->columns};

    if (m->options.tty && m->has_size && m->out[0].source.fd >= 0)
        ioctl(m->out[0].source.fd, TIOCSWINSZ, &size);
}

enum sent client_send(struct client *client, const void *data, size_t size)
{
    ssize_t sent = send(client->source.fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (sent >= 0) {
        client->stuck_since = 0;
        return SEND_DONE;
    }
    if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS || errno == ENOMEM) {
        if (!client->stuck_since)
            client->stuck_since = now_ms();
        return SEND_LATER;
    }
    /* Gone. Dropped when its last frames are read: `d` may be among them, and then stdin stays open. */
    client->deaf = true;
    client->output = client->behind = false;
    client->stuck_since = 0;
    return SEND_LOST;
}

/* The client will send no more. With --stdin-once the last one to leave closes the container's stdin:
 * `cat` in a container ends as it would in a pipeline. */
static void stdin_left(struct monitor *m, struct client *client)
{
    bool had = client->sends_stdin;

    client->sends_stdin = false;
    if (!had || !m->options.stdin_once || m->options.tty)
        return;
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (m->clients[i].source.fd >= 0 && m->clients[i].sends_stdin)
            return;
    m->stdin_ended = true;
}

void client_drop(struct monitor *m, struct client *client, bool detached)
{
    if (!detached)
        stdin_left(m, client);
    for (int i = 0; i < STDIN_SLOTS; i++)
        if (m->slot[i].client == client - m->clients)
            m->slot[i].client = -1;
    source_close(m, &client->source);
    *client = (struct client){.source = client->source};
}

static void frame_hello(struct monitor *m, struct client *client, unsigned char flags)
{
    client->known = true;
    client->output = flags & HELLO_OUTPUT && !client->deaf;
    client->sends_stdin = flags & HELLO_STDIN;
    client_update(m, client); /* `p` comes before any output */
}

static void frame_window(struct monitor *m, const char *data, size_t size)
{
    uint16_t pair[2];

    if (size < sizeof pair)
        return;
    memcpy(pair, data, sizeof pair);
    m->rows = pair[0];
    m->columns = pair[1];
    m->has_size = true;
    attach_window(m);
}

static void frame_signal(struct monitor *m, const char *data, size_t size)
{
    uint32_t signo;

    if (size < sizeof signo)
        return;
    memcpy(&signo, data, sizeof signo);
    if (signo >= 1 && signo <= 64)
        container_signal(m, (int)signo);
}

static void frame_stdin(struct monitor *m, struct client *client, size_t size)
{
    client->sends_stdin = true;
    if (size == 0)
        stdin_left(m, client);
    else if (!stream_take(m, client, size))
        client->credit++; /* thrown away, and acknowledged all the same */
}

static void frame(struct monitor *m, struct client *client, char type, char *data, size_t size)
{
    if (type == 'h' && size >= 1)
        frame_hello(m, client, (unsigned char)data[0]);
    else if (!client->known)
        return;
    else if (type == 'i')
        frame_stdin(m, client, size);
    else if (type == 'w')
        frame_window(m, data, size);
    else if (type == 'k')
        frame_signal(m, data, size);
    else if (type == 'd')
        client_drop(m, client, true);
}

void client_receive(struct monitor *m, struct client *client)
{
    char type;

    for (int round = 0; round < ROUNDS && client->source.fd >= 0; round++) {
        char *space = stream_space(m);
        if (!space)
            return;
        struct iovec parts[] = {{&type, 1}, {space, FRAME_MAX}};
        struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};
        ssize_t got = recvmsg(client->source.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (got < 0 && errno == ECONNRESET)
            continue; /* it left without reading all of ours; said once, then come its last frames */
        if (got <= 0) {
            client_drop(m, client, false);
            return;
        }
        frame(m, client, type, space, (size_t)got - 1);
        m->dirty = true;
    }
}

/* The container's end is told when all output before it is sent; to those who read none, at once. */
static bool end_is_due(const struct monitor *m, const struct client *client)
{
    if (!m->written)
        return false;
    if (!client->output)
        return true;
    return !m->frame_size && m->out[0].source.fd < 0 && m->out[1].source.fd < 0;
}

static enum sent send_end(const struct monitor *m, struct client *client)
{
    char end[1 + 2 * sizeof(int32_t)] = {'x'}, refusal[1 + sizeof m->error] = {'r'};
    int32_t numbers[2] = {m->code, m->signal};

    if (m->failed) {
        memcpy(refusal + 1, &m->error, sizeof m->error);
        return client_send(client, refusal, sizeof refusal);
    }
    memcpy(end + 1, numbers, sizeof numbers);
    return client_send(client, end, sizeof end);
}

static enum sent send_number(struct client *client, char type, int32_t number)
{
    char frame[1 + sizeof number] = {type};

    memcpy(frame + 1, &number, sizeof number);
    return client_send(client, frame, sizeof frame);
}

static bool start_is_due(const struct monitor *m, const struct client *client)
{
    return client->known && !client->told_start && m->phase != STARTING && !m->failed;
}

void client_update(struct monitor *m, struct client *client)
{
    if (client->deaf)
        return;
    if (start_is_due(m, client)) {
        if (send_number(client, 'p', m->pid) != SEND_DONE)
            return;
        client->told_start = true;
    }
    if (client->behind)
        stream_retry(m, client);
    if (client->deaf || client->behind)
        return;
    if (client->credit >= CREDIT_STEP) {
        if (send_number(client, 'c', (int32_t)client->credit) != SEND_DONE)
            return;
        client->credit = 0;
    }
    if (end_is_due(m, client) && send_end(m, client) == SEND_DONE)
        client_drop(m, client, true);
}

uint32_t client_events(struct monitor *m, const struct client *client)
{
    uint32_t events = stream_space(m) ? EPOLLIN : 0;

    if (client->deaf)
        return events;
    if (client->behind || start_is_due(m, client) || client->credit >= CREDIT_STEP ||
        end_is_due(m, client))
        events |= EPOLLOUT;
    return events;
}

bool clients_gone(const struct monitor *m)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (m->clients[i].source.fd >= 0 && !m->clients[i].deaf)
            return false;
    return true;
}
