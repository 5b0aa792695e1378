/* SPDX-License-Identifier: Apache-2.0 */
/* Before the start: the command line, and what a process needs to become a monitor. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "monitor.h"
#include "uapi.h"

static bool number(const char *text, unsigned long long most, unsigned long long *out)
{
    char *end;

    errno = 0;
    *out = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *out <= most;
}

/* A name within a directory, never a path. */
static bool plain_name(const char *text)
{
    return *text && *text != '.' && !strchr(text, '/') && strlen(text) < 100;
}

/* Kept in ascending order: the gaps between them are closed. */
static bool hand_on(struct options *options, int fd)
{
    int at = options->handed_count;

    if (fd < FD_FIRST_HANDED || at == HANDED_MAX)
        return false;
    for (; at && options->handed[at - 1] > fd; at--)
        options->handed[at] = options->handed[at - 1];
    options->handed[at] = fd;
    options->handed_count++;
    return true;
}

static bool add_word(char **words, int *count, int most, char *word)
{
    if (*count == most)
        return false;
    words[(*count)++] = word;
    return true;
}

static bool option_with_value(struct options *options, struct log *log, const char *name, char *value)
{
    unsigned long long parsed = 0;

    if (!strcmp(name, "--exit-word"))
        return add_word(options->exit_words, &options->exit_word_count, EXIT_WORDS_MAX, value);
    if (!strcmp(name, "--watch-word"))
        return add_word(options->watch_words, &options->watch_word_count, EXIT_WORDS_MAX, value);
    if (!strcmp(name, "--watch"))
        return *value == '/' && add_word(options->watches, &options->watch_count, WATCHES_MAX, value);
    if (!strcmp(name, "--network-word"))
        return add_word(options->network_words, &options->network_word_count, NETWORK_WORDS_MAX, value);
    if (!strcmp(name, "--network-request"))
        return add_word(options->network_requests, &options->network_request_count, NETWORK_WORDS_MAX,
                        value);
    if (!strcmp(name, "--network-socket")) {
        options->network_socket = value;
        return true;
    }
    if (!strcmp(name, "--log"))
        return plain_name(log->name = value);
    if (!strcmp(name, "--attach-name"))
        return plain_name(options->attach_name = value);
    if (!strcmp(name, "--run") && number(value, LONG_MAX, &parsed))
        options->run = (unsigned long)parsed;
    else if (!strcmp(name, "--timeout") && number(value, LONG_MAX / 2000, &parsed))
        options->timeout_ms = (int64_t)parsed * 1000;
    else if (!strcmp(name, "--log-size-max") && number(value, LONG_MAX, &parsed))
        log->limit = parsed;
    else if (!strcmp(name, "--network-ready-fd") && number(value, 9, &parsed))
        options->network_ready_fd = (int)parsed;
    else if (!strcmp(name, "--log-keep") && number(value, 99, &parsed))
        log->keep = (int)parsed;
    else
        return !strcmp(name, "--fd") && number(value, INT_MAX, &parsed) && hand_on(options, (int)parsed);
    return true;
}

bool setup_options(struct options *options, struct log *log, int count, char **words)
{
    *log = (struct log){.fd = -1, .dir = FD_RECORD, .keep = 1};
    for (int i = 1; i < count; i++) {
        if (!strcmp(words[i], "--")) {
            options->runtime = words + i + 1;
            return i + 1 < count && !(options->no_record && log->name);
        }
        if (!strcmp(words[i], "--tty"))
            options->tty = true;
        else if (!strcmp(words[i], "--stdin"))
            options->takes_stdin = true;
        else if (!strcmp(words[i], "--stdin-once"))
            options->takes_stdin = options->stdin_once = true;
        else if (!strcmp(words[i], "--no-record"))
            options->no_record = true;
        else if (!strcmp(words[i], "--network-outside"))
            options->network_outside = true;
        else if (i + 1 >= count || !option_with_value(options, log, words[i], words[i + 1]))
            return false;
        else
            i++;
    }
    return false;
}

/* Put /dev/null on 0, 1, 2 and on those of 4 and 5 that are not ours, so that nothing opened later gets
 * a number that the runtime's descriptors will be moved to; close everything that was not named. A
 * descriptor leaked by the user's shell must neither reach the container nor be kept open for a year. */
static bool settle_descriptors(const struct options *options)
{
    bool ours[FD_FIRST_HANDED] = {[FD_CHANNEL] = true, [FD_RECORD] = !options->no_record,
                                  [FD_SOCKETS] = options->attach_name != NULL};
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    unsigned from = FD_FIRST_HANDED;

    if (null < 0)
        return false;
    for (int fd = 0; fd < FD_FIRST_HANDED; fd++) {
        if (ours[fd] ? fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 : fd != null && dup2(null, fd) < 0)
            return false;
        if (!ours[fd] && fcntl(fd, F_SETFD, fd > 2 ? FD_CLOEXEC : 0) < 0)
            return false;
    }
    for (int i = 0; i < options->handed_count; i++) {
        unsigned fd = (unsigned)options->handed[i];
        if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) < 0)
            return false;
        if (fd > from)
            syscall(SYS_close_range, from, fd - 1, 0);
        from = fd + 1;
    }
    syscall(SYS_close_range, from, ~0U, 0);
    return true;
}

/* Block every signal: only SIGKILL and SIGSTOP reach a monitor without being asked for. By the system
 * call: a libc keeps three real-time signals for itself, unblocked, and they are deadly too. */
static int settle_signals(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    uint64_t all = ~UINT64_C(0);
    sigset_t wanted;

    syscall(SYS_rt_sigprocmask, SIG_SETMASK, &all, NULL, sizeof all);
    sigaction(SIGCHLD, &usual, NULL); /* ignored, it would make the kernel reap our children */
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGCHLD);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    return signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void close_sources(struct monitor *m)
{
    struct source *single[] = {&m->signals, &m->status,  &m->console,      &m->listener,
                               &m->in,      &m->changes, &m->network_ready};
    const enum source_kind kind[] = {SOURCE_SIGNALS, SOURCE_STATUS,  SOURCE_CONSOLE, SOURCE_LISTENER,
                                     SOURCE_STDIN,   SOURCE_CHANGES, SOURCE_NETWORK};

    for (int i = 0; i < 7; i++)
        *single[i] = (struct source){.fd = -1, .tag = (uint32_t)kind[i] << 8};
    m->out[0] = (struct output){{-1, SOURCE_OUTPUT << 8 | 0, 0}, 'o', "stdout"};
    m->out[1] = (struct output){{-1, SOURCE_OUTPUT << 8 | 1, 0}, 'e', "stderr"};
    for (uint32_t i = 0; i < CLIENTS_MAX; i++)
        m->clients[i].source = (struct source){.fd = -1, .tag = SOURCE_CLIENT << 8 | i};
}

bool setup_monitor(struct monitor *m)
{
    close_sources(m);
    setsid(); /* fails for a process group leader, which a child of pypod is not */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (!settle_descriptors(&m->options))
        return false;
    client_adopt(&m->clients[0], FD_CHANNEL);
    m->clients[0].known = m->clients[0].output = true;
    m->signals.fd = settle_signals();
    m->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (m->signals.fd < 0 || m->epoll < 0 || !stream_prepare(m) || !record_prepare(m))
        return false;
    log_open(&m->log);
    watch_start(m);
    return true;
}
