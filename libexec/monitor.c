/* SPDX-License-Identifier: Apache-2.0 */
/* pypod-monitor [--tty] [--stdin] [--stdin-once] [--run N] [--log NAME] [--log-size-max BYTES]
 *     [--log-keep N] [--attach-name NAME] [--timeout SECONDS] [--no-record] [--fd N]...
 *     [--exit-word W]... [--watch PATH]... [--watch-word W]...
 *     [--network-word W]... [--network-socket PATH] [--network-request TEXT]... -- RUNTIME ARGS...
 *
 * Starts any runtime that speaks proto.h's status records, stays with the container until it ends, and
 * writes down how. One epoll loop; signals are read from a signalfd, so no code runs in a handler.
 * After the start no error ends it: what fails is counted, told, or done without. */
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
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "monitor.h"

enum {
    EVENTS = 16,
    TIDY_AFTER_MS = 200,
    STUCK_AFTER_MS = 10000, /* a client that takes nothing for so long is let go */
    LOG_WAIT_MS = 1000,     /* `exit` waits so long for a client that is slow to read */
    CANNOT = 125,
};

int64_t now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Tell epoll what we want of a descriptor now. */
static void watch(struct monitor *m, struct source *source, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.u32 = source->tag};

    if (source->fd < 0 || source->events == events)
        return;
    int action = !source->events ? EPOLL_CTL_ADD : !events ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(m->epoll, action, source->fd, &event) == 0)
        source->events = events;
}

void source_close(struct monitor *m, struct source *source)
{
    if (source->fd < 0)
        return;
    watch(m, source, 0);
    close(source->fd);
    source->fd = -1;
    source->events = 0;
}

void default_signals(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &usual, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The child is not reaped while its pid is in `child`, so no signal can reach a stranger. */
void container_signal(struct monitor *m, int signo)
{
    if (m->phase == STARTING)
        m->early_signals |= UINT64_C(1) << (signo - 1);
    else if (m->child)
        kill(m->child, signo);
}

static void reap(struct monitor *m)
{
    int status;

    /* The pid record comes first: a container that is over already must not be mistaken. */
    start_status(m);
    for (;;) {
        pid_t only = m->runtime && !m->pid && !m->failed ? m->runtime : -1;
        pid_t pid = waitpid(only, &status, WNOHANG);

        if (pid <= 0)
            return;
        if (pid == m->runtime) {
            m->runtime = 0;
            m->runtime_status = status;
            start_status(m);
        } else if (pid == m->follower) {
            m->follower = 0;
        } else if (pid == m->network) {
            m->network = 0; /* before it was ready, the end of its stdout says so */
        } else if (pid == m->child) {
            m->child = 0;
            if (m->failed)
                continue;
            m->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
            m->code = m->signal ? 128 + m->signal : WEXITSTATUS(status);
            if (m->runtime)
                kill(m->runtime, SIGKILL); /* it only keeps the status socket open now */
        }
    }
}

/* SIGTERM and SIGINT mean the container: whoever ends a session or a scope signals every process in
 * it, and a monitor that died of it would take the container along with SIGKILL. */
static void take_signals(struct monitor *m)
{
    struct signalfd_siginfo info;

    while (read(m->signals.fd, &info, sizeof info) == (ssize_t)sizeof info)
        if (info.ssi_signo != SIGCHLD)
            container_signal(m, (int)info.ssi_signo);
    reap(m);
}

static void dispatch(struct monitor *m, uint32_t tag, uint32_t events)
{
    uint32_t index = tag & 0xff;

    switch ((enum source_kind)(tag >> 8)) {
    case SOURCE_SIGNALS:
        take_signals(m);
        break;
    case SOURCE_STATUS:
        start_status(m);
        break;
    case SOURCE_CONSOLE:
        start_console(m);
        break;
    case SOURCE_LISTENER:
        attach_accept(m);
        break;
    case SOURCE_CHANGES:
        watch_readable(m);
        break;
    case SOURCE_NETWORK:
        if (m->network_ready.fd >= 0)
            network_readable(m);
        break;
    case SOURCE_STDIN:
        break; /* served after every round */
    case SOURCE_OUTPUT:
        if (m->out[index].source.fd >= 0)
            stream_output(m, &m->out[index]);
        break;
    case SOURCE_CLIENT:
        if (m->clients[index].source.fd >= 0 && events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            client_receive(m, &m->clients[index]);
        break;
    }
}

/* May a client that takes nothing be let go? One that attached, always. The channel's was promised
 * every byte, as a pipeline is; but a terminal that others look at must not stand still for it. */
static bool may_let_go(const struct monitor *m, int index)
{
    if (m->clients[index].source.fd < 0 || !m->clients[index].stuck_since)
        return false;
    if (index)
        return true;
    for (int i = 1; i < CLIENTS_MAX; i++)
        if (m->options.tty && m->clients[i].source.fd >= 0 && m->clients[i].output)
            return true;
    return false;
}

static void drop_stuck(struct monitor *m)
{
    int64_t now = now_ms();

    for (int i = CLIENTS_MAX - 1; i >= 0; i--) /* the channel last: it may be alone then */
        if (may_let_go(m, i) && now - m->clients[i].stuck_since >= STUCK_AFTER_MS)
            client_drop(m, &m->clients[i], false);
}

/* --timeout: whoever lives, this process does, so the container's time is kept here. */
static void end_when_due(struct monitor *m)
{
    if (!m->kill_at || now_ms() < m->kill_at)
        return;
    m->kill_at = 0;
    container_signal(m, SIGKILL);
}

/* Move on from phase to phase; send everyone what is due. */
static void advance(struct monitor *m)
{
    end_when_due(m);
    drop_stuck(m);
    watch_follow(m);
    stream_stdin(m);
    if (m->phase == STARTING && m->failed && !m->runtime && !m->child) {
        source_close(m, &m->out[0].source);
        source_close(m, &m->out[1].source);
        m->phase = DRAINING;
    }
    if (m->phase == RUNNING && !m->child) {
        for (int i = 0; i < CLIENTS_MAX; i++)
            if (m->clients[i].source.fd >= 0)
                client_update(m, &m->clients[i]); /* `p` of a container that is over already */
        m->phase = DRAINING;
        m->drain_until = now_ms() + LOG_WAIT_MS;
        network_stop(m);
        stream_end(m);
        if (m->peer_fd >= 0)
            close(m->peer_fd);
        m->peer_fd = -1;
    }
    if (m->phase == DRAINING) {
        stream_settle(m);
        if (stream_drained(m) || now_ms() >= m->drain_until) {
            attach_close(m);
            record_exit(m);
        }
    }
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (m->clients[i].source.fd >= 0)
            client_update(m, &m->clients[i]);
    stream_settle(m);
}

static void update_watches(struct monitor *m)
{
    watch(m, &m->signals, EPOLLIN);
    watch(m, &m->status, EPOLLIN);
    watch(m, &m->console, EPOLLIN);
    watch(m, &m->listener, EPOLLIN);
    watch(m, &m->changes, EPOLLIN);
    watch(m, &m->network_ready, EPOLLIN);
    watch(m, &m->in, m->slot_count ? EPOLLOUT : 0);
    for (int i = 0; i < 2; i++)
        watch(m, &m->out[i].source, m->phase != STARTING && !m->frame_size ? EPOLLIN : 0);
    for (int i = 0; i < CLIENTS_MAX; i++)
        watch(m, &m->clients[i].source, client_events(m, &m->clients[i]));
}

static bool is_over(const struct monitor *m)
{
    return m->written && clients_gone(m);
}

static int64_t sooner(int64_t wait, int64_t left)
{
    left = left < 0 ? 0 : left;
    return wait < 0 || left < wait ? left : wait;
}

/* Milliseconds until something is to be done without an event; -1 = never. */
static int timeout(const struct monitor *m)
{
    int64_t now = now_ms(), wait = m->dirty ? TIDY_AFTER_MS : -1;

    if (m->phase == DRAINING && !m->written)
        wait = sooner(wait, m->drain_until - now);
    for (int i = 0; i < CLIENTS_MAX; i++)
        if (may_let_go(m, i))
            wait = sooner(wait, m->clients[i].stuck_since + STUCK_AFTER_MS - now);
    int64_t follow = watch_wait(m, now);
    if (follow >= 0)
        wait = sooner(wait, follow);
    if (m->kill_at)
        wait = sooner(wait, m->kill_at - now);
    return wait > INT_MAX ? INT_MAX : (int)wait; /* woken early, it sleeps again */
}

static void loop(struct monitor *m)
{
    struct epoll_event events[EVENTS];

    for (;;) {
        advance(m);
        if (is_over(m))
            return;
        update_watches(m);
        int count = epoll_wait(m->epoll, events, EVENTS, timeout(m));
        if (count == 0 && m->dirty)
            stream_tidy(m);
        for (int i = 0; i < count; i++)
            dispatch(m, events[i].data.u32, events[i].events);
    }
}

/* Start the exit command, unless a client that waits for the container does the clean-up itself. */
static void run_exit_command(struct monitor *m)
{
    if (!m->options.exit_word_count || m->options.no_record || record_claimed())
        return;
    if (fork() != 0)
        return;
    default_signals();
    execve(m->options.exit_words[0], m->options.exit_words, environ);
    _exit(CANNOT);
}

/* What a service manager reads off our end: the container's exit code, but 0 when the end was asked for.
 * A payload that SIGTERM or its stop's SIGKILL ends would else leave a failed unit behind each stop. */
static int own_exit_code(const struct monitor *m)
{
    return !m->failed && m->stop_asked ? 0 : m->code;
}

int main(int argc, char **argv)
{
    static struct monitor m; /* not on the stack: what of it is never written costs no memory */

    m.epoll = m.exit_fd = m.peer_fd = m.network_said = -1;
    if (!setup_options(&m.options, &m.log, argc, argv))
        return CANNOT;
    if (!setup_monitor(&m)) {
        start_failed(&m, STAGE_CLONE, errno, "cannot set up the monitor");
        record_exit(&m);
        if (m.clients[0].source.fd >= 0)
            client_update(&m, &m.clients[0]);
        return CANNOT;
    }
    start_runtime(&m);
    if (chdir("/") < 0) {
        /* Then the caller's directory stays busy; nothing else depends on it. */
    }
    loop(&m);
    int code = own_exit_code(&m);
    run_exit_command(&m);
    return code;
}
