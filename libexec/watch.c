/* SPDX-License-Identifier: Apache-2.0 */
/* Following files of the host (--watch PATH) by inotify(7): when one changes, --watch-word's command is
 * started, and nothing else is decided here.
 *
 * A resolv.conf is replaced by rename, rewritten in place, a link that is turned elsewhere, or bound
 * over from another directory. So the directory of each link on the way is watched for its name, and
 * the file itself for writes; after each change the way is walked anew. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "monitor.h"

enum {
    SETTLE_MS = 300, /* whoever writes one file now writes its neighbour next */
    APART_MS = 2000, /* between two runs, however often the file changes */
    LOOK_MS = 5000,  /* between two looks, where there is no inotify */
    PATH_SIZE = 512,
    LINKS_MAX = 8,
    READ_SIZE = 2048,
    CANNOT = 125,
};

static const uint32_t IN_DIRECTORY =
    IN_ONLYDIR | IN_CREATE | IN_CLOSE_WRITE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO;
static const uint32_t IN_FILE = IN_MODIFY | IN_CLOSE_WRITE;

static void remember(struct monitor *m, int wd, const char *name)
{
    struct followed *entry = &m->followed[m->followed_count];

    if (m->followed_count == FOLLOWED_MAX || strlen(name) >= sizeof entry->name)
        return;
    entry->wd = wd;
    strcpy(entry->name, name);
    m->followed_count++;
}

/* Split PATH at its last slash; the directory is `path` itself afterwards, "" for the root. */
static const char *split(char *path)
{
    char *slash = strrchr(path, '/');

    if (!slash)
        return NULL;
    *slash = '\0';
    return slash + 1;
}

/* Watch a directory for a name; where it is missing, the nearest one above for what leads to it. */
static void follow_name(struct monitor *m, const char *path)
{
    char directory[PATH_SIZE];
    const char *name;

    snprintf(directory, sizeof directory, "%s", path);
    while ((name = split(directory))) {
        int wd = inotify_add_watch(m->changes.fd, *directory ? directory : "/", IN_DIRECTORY);
        if (wd >= 0)
            remember(m, wd, name);
        if (wd >= 0 || (errno != ENOENT && errno != ENOTDIR))
            return;
    }
}

/* Turn PATH, a link, into what it points to; false: it is none, or leads too far. */
static bool step(char path[static PATH_SIZE])
{
    char target[PATH_SIZE], joined[PATH_SIZE];
    ssize_t size = readlink(path, target, sizeof target);
    int length;

    if (size <= 0 || size == (ssize_t)sizeof target)
        return false;
    target[size] = '\0';
    if (*target == '/') {
        memcpy(path, target, (size_t)size + 1);
        return true;
    }
    if (!split(path))
        return false;
    length = snprintf(joined, sizeof joined, "%s/%s", path, target);
    if (length < 0 || length >= (int)sizeof joined)
        return false;
    memcpy(path, joined, (size_t)length + 1);
    return true;
}

static void follow_path(struct monitor *m, const char *typed)
{
    char path[PATH_SIZE];

    if (strlen(typed) >= sizeof path)
        return;
    strcpy(path, typed);
    for (int links = 0; links < LINKS_MAX; links++) {
        follow_name(m, path);
        if (!step(path))
            break;
    }
    int wd = inotify_add_watch(m->changes.fd, path, IN_FILE);
    if (wd >= 0)
        remember(m, wd, "");
}

/* Two names in one directory share a watch; it has one mask, since a directory is no file. */
static void follow_all(struct monitor *m)
{
    for (int i = 0; i < m->followed_count; i++)
        inotify_rm_watch(m->changes.fd, m->followed[i].wd);
    m->followed_count = 0;
    for (int i = 0; i < m->options.watch_count; i++)
        follow_path(m, m->options.watches[i]);
}

/* What the files are now, in one number; a file that is missing counts too. */
static uint64_t signature(const struct monitor *m)
{
    uint64_t sum = 0;

    for (int i = 0; i < m->options.watch_count; i++) {
        struct stat found = {0};

        if (stat(m->options.watches[i], &found) < 0)
            memset(&found, 0, sizeof found);
        const uint64_t parts[] = {found.st_dev, found.st_ino, (uint64_t)found.st_size,
                                  (uint64_t)found.st_mtim.tv_sec, (uint64_t)found.st_mtim.tv_nsec};
        for (size_t at = 0; at < sizeof parts / sizeof *parts; at++)
            sum = (sum ^ parts[at]) * UINT64_C(1099511628211);
    }
    return sum;
}

/* An editor and a desktop can use up what a user may have of inotify (fs.inotify.max_user_instances,
 * 128 as a rule): then the files are looked at now and then. */
void watch_start(struct monitor *m)
{
    if (!m->options.watch_count || !m->options.watch_word_count)
        return;
    m->changes.fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (m->changes.fd >= 0) {
        follow_all(m);
        return;
    }
    m->looked = signature(m);
    m->look_at = now_ms() + LOOK_MS;
}

static void changed(struct monitor *m)
{
    int64_t soon = now_ms() + SETTLE_MS;

    if (!m->follow_at)
        m->follow_at = soon > m->follow_next ? soon : m->follow_next;
}

static bool concerns(const struct monitor *m, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW)
        return true;
    for (int i = 0; i < m->followed_count; i++)
        if (m->followed[i].wd == event->wd &&
            (!event->len || !strcmp(m->followed[i].name, event->name)))
            return true;
    return false;
}

void watch_readable(struct monitor *m)
{
    char buffer[READ_SIZE] __attribute__((aligned(__alignof__(struct inotify_event))));
    ssize_t got;

    while ((got = read(m->changes.fd, buffer, sizeof buffer)) > 0)
        for (char *at = buffer; at < buffer + got;) {
            const struct inotify_event *event = (const struct inotify_event *)at;

            at += sizeof *event + event->len;
            if (concerns(m, event))
                changed(m);
        }
}

static void look(struct monitor *m)
{
    uint64_t now = signature(m);

    m->look_at = now_ms() + LOOK_MS;
    if (now != m->looked)
        changed(m);
    m->looked = now;
}

int64_t watch_wait(const struct monitor *m, int64_t now)
{
    int64_t at = m->follow_at;

    if (m->look_at && (!at || m->look_at < at))
        at = m->look_at;
    if (!at || m->phase != RUNNING)
        return -1;
    return at > now ? at - now : 0;
}

/* Start the command that is due; the watches are renewed first, so that no later change is missed. */
void watch_follow(struct monitor *m)
{
    int64_t now = now_ms();

    if (m->phase == RUNNING && m->look_at && now >= m->look_at)
        look(m);
    if (!m->follow_at || now < m->follow_at || m->phase != RUNNING)
        return;
    m->follow_next = now + APART_MS;
    m->follow_at = 0;
    if (m->follower) {
        m->follow_at = m->follow_next; /* it may have read before this change */
        return;
    }
    if (m->changes.fd >= 0)
        follow_all(m);
    pid_t pid = fork();
    if (pid == 0) {
        default_signals();
        execve(m->options.watch_words[0], m->options.watch_words, environ);
        _exit(CANNOT);
    }
    m->follower = pid < 0 ? 0 : pid;
}
