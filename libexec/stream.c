/* SPDX-License-Identifier: Apache-2.0 */
/* The container's stdin, stdout and stderr. One output frame is pending at a time: it is read once,
 * logged, and sent from the same buffer to every client; while a client cannot take it nothing more is
 * read, so the container feels a slow reader as it would on a pipe. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor.h"

enum { PIPE_LARGE = 1 << 20, PIPE_USUAL = 65536, ROUNDS = 8 };

static void *reserve(size_t size)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

bool stream_prepare(struct monitor *m)
{
    m->frame = reserve(FRAME_MAX + 1);
    m->slots = reserve((size_t)STDIN_SLOTS * FRAME_MAX);
    return m->frame && m->slots;
}

/* Pipes grow only in a burst: big pipes of many idle containers would use up the user's allowance
 * (pipe-user-pages-soft), after which every new pipe of that user is one page. */
static void resize_pipes(struct monitor *m, int size)
{
    if (m->options.tty)
        return;
    struct source *ends[] = {&m->in, &m->out[0].source, &m->out[1].source};
    for (int i = 0; i < 3; i++)
        if (ends[i]->fd >= 0)
            fcntl(ends[i]->fd, F_SETPIPE_SZ, size);
}

static void burst(struct monitor *m)
{
    if (!m->grown)
        resize_pipes(m, PIPE_LARGE);
    m->grown = true;
}

void stream_tidy(struct monitor *m)
{
    if (!m->frame_size)
        madvise(m->frame, FRAME_MAX + 1, MADV_DONTNEED);
    if (!m->slot_count)
        madvise(m->slots, (size_t)STDIN_SLOTS * FRAME_MAX, MADV_DONTNEED);
    if (m->grown)
        resize_pipes(m, PIPE_USUAL); /* EBUSY when more than that lies in it: then it stays */
    m->grown = m->dirty = false;
}

static void send_pending(struct monitor *m, struct client *client)
{
    client->behind = client_send(client, m->frame, m->frame_size) == SEND_LATER;
}

void stream_settle(struct monitor *m)
{
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (m->clients[i].source.fd >= 0 && m->clients[i].behind)
            return;
    m->frame_size = 0;
}

void stream_retry(struct monitor *m, struct client *client)
{
    if (client->behind)
        send_pending(m, client);
    stream_settle(m);
}

/* Read once; false when there is nothing (more) to read. */
static bool read_output(struct monitor *m, struct output *output)
{
    ssize_t got = read(output->source.fd, m->frame + 1, FRAME_MAX);

    if (got <= 0) {
        /* EIO: nobody holds the pty's other end any more. Nothing to read after the container's end: a
         * process that outlived an exec holds the pipe, and is not waited for. (A pty has nothing in
         * flight then: n_tty_read flushes its buffers before it says EAGAIN.) */
        if (got == 0 || (errno != EAGAIN && errno != EINTR) || (errno == EAGAIN && m->phase == DRAINING))
            source_close(m, &output->source);
        return false;
    }
    m->dirty = true;
    if (got == FRAME_MAX)
        burst(m);
    m->frame[0] = output->type;
    log_write(&m->log, output->stream, m->frame + 1, (size_t)got);
    m->frame_size = (size_t)got + 1;
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (m->clients[i].source.fd >= 0 && m->clients[i].output)
            send_pending(m, &m->clients[i]);
    stream_settle(m);
    return true;
}

void stream_output(struct monitor *m, struct output *output)
{
    /* A few at a time: the other stream and the clients' signals get their turn. */
    for (int round = 0; round < ROUNDS && output->source.fd >= 0 && !m->frame_size; round++)
        if (!read_output(m, output))
            return;
}

bool stream_drained(struct monitor *m)
{
    for (int i = 0; i < 2; i++)
        while (m->out[i].source.fd >= 0 && !m->frame_size)
            read_output(m, &m->out[i]);
    return !m->frame_size;
}

void stream_end(struct monitor *m)
{
    source_close(m, &m->in);
    m->stdin_open = false;
    m->slot_count = 0;
}

bool stream_take(struct monitor *m, struct client *client, size_t size)
{
    if (!m->stdin_open || m->stdin_ended)
        return false;
    int index = (m->slot_first + m->slot_count++) % STDIN_SLOTS;
    m->slot[index] = (struct slot){.size = (uint32_t)size, .client = (int)(client - m->clients)};
    m->dirty = true;
    if (size == FRAME_MAX)
        burst(m);
    return true;
}

char *stream_space(struct monitor *m)
{
    if (m->slot_count == STDIN_SLOTS)
        return NULL;
    return m->slots + (size_t)((m->slot_first + m->slot_count) % STDIN_SLOTS) * FRAME_MAX;
}

/* The clients' frames, in order, into the container. */
void stream_stdin(struct monitor *m)
{
    if (m->stdin_open && m->in.fd < 0)
        return; /* the pty is not there yet */
    while (m->slot_count) {
        struct slot *slot = &m->slot[m->slot_first];
        const char *data = m->slots + (size_t)m->slot_first * FRAME_MAX;

        if (m->in.fd >= 0) {
            ssize_t put = write(m->in.fd, data + slot->offset, slot->size - slot->offset);
            if (put < 0 && (errno == EAGAIN || errno == EINTR))
                return;
            if (put < 0) { /* EPIPE: nobody reads; the rest is thrown away */
                source_close(m, &m->in);
                m->stdin_open = false;
            }
            if (put > 0 && (slot->offset += (uint32_t)put) < slot->size)
                continue;
        }
        if (slot->client >= 0)
            m->clients[slot->client].credit++;
        m->slot_first = (m->slot_first + 1) % STDIN_SLOTS;
        m->slot_count--;
    }
    if (m->stdin_ended)
        stream_end(m);
}
