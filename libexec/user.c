/* SPDX-License-Identifier: Apache-2.0 */
/* user-name NAME[:GROUP] setgroups|keep: a user of the container's own /etc/passwd, for `exec -u`.
 *
 * No nss: it would load the container's libraries into a process that still has rights. The files are
 * the container's, so they may be anything: only regular ones, at most 1 MiB of them, found inside the
 * container's root, and no waiting for a FIFO. */
#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "util.h"

enum { FILE_MAX = 1 << 20, FIELDS = 7, GROUPS = 64 };

static char *read_file(struct init *init, const char *path)
{
    struct stat found;
    char *text;
    cleanup_fd int fd = open_in_root(init, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

    if (fd < 0)
        return NULL;
    if (fstat(fd, &found) < 0 || !S_ISREG(found.st_mode))
        fail_errno(init, EINVAL, "the container's passwd or group file is no regular file");
    if (read_all(fd, &text, FILE_MAX) < 0)
        fail(init, "the container's passwd or group file");
    return text;
}

/* Splits the next line of *text into fields; the number of fields, 0 at the end. */
static int next_line(char **text, char *field[static FIELDS])
{
    int count = 0;

    if (!*text || !**text)
        return 0;
    char *line = *text, *end = line + strcspn(line, "\n");
    *text = *end ? end + 1 : end;
    *end = 0;
    while (count < FIELDS && line)
        field[count++] = strsep(&line, ":");
    for (int i = count; i < FIELDS; i++)
        field[i] = "";
    return count;
}

static bool is_id(const char *word, uint32_t *id)
{
    uint64_t value;

    if (parse_number(word, 10, UINT32_MAX - 1, &value) < 0)
        return false;
    *id = (uint32_t)value;
    return true;
}

static bool in_list(char *members, const char *name)
{
    for (char *member; (member = strsep(&members, ","));)
        if (strcmp(member, name) == 0)
            return true;
    return false;
}

static void look_up_user(struct init *init, const char *name, char **login, uint32_t *uid, uint32_t *gid)
{
    char *all = read_file(init, "/etc/passwd"), *rest = all, *field[FIELDS];
    bool number = is_id(name, uid), found = false;

    while (!found && next_line(&rest, field)) {
        uint32_t its_uid, its_gid;

        if (!is_id(field[2], &its_uid) || !is_id(field[3], &its_gid))
            continue;
        if (number ? its_uid != *uid : strcmp(field[0], name) != 0)
            continue;
        *uid = its_uid;
        *gid = its_gid;
        *login = strdup(field[0]);
        init->home = strdup(field[5]);
        found = true;
    }
    free(all);
    if (!found && !number)
        fail_errno(init, 0, "no such user in the container's /etc/passwd");
}

void op_user_name(struct init *init, const struct op *op)
{
    char *name = strdup(op->argv[0]), *group = strchr(name, ':'), *login = NULL, *field[FIELDS];
    uint32_t uid = 0, gid = 0, groups[GROUPS];
    size_t count = 0;

    if (group)
        *group++ = 0;
    look_up_user(init, name, &login, &uid, &gid);
    bool wanted = group && *group, found = wanted && is_id(group, &gid);
    char *all = read_file(init, "/etc/group"), *rest = all;
    while (next_line(&rest, field)) {
        uint32_t its_gid;

        if (!is_id(field[2], &its_gid))
            continue;
        if (wanted) {
            if (!found && strcmp(field[0], group) == 0) {
                gid = its_gid;
                found = true;
            }
        } else if (login && count < GROUPS && in_list(field[3], login)) {
            groups[count++] = its_gid;
        }
    }
    free(all);
    if (wanted && !found)
        fail_errno(init, 0, "no such group in the container's /etc/group");

    /* The same verbs as for numbers, with what was found. */
    char words[GROUPS + 2][12], *argv[GROUPS + 3];
    for (size_t i = 0; i < count; i++) {
        snprintf(words[i], sizeof words[i], "%u", groups[i]);
        argv[i] = words[i];
    }
    argv[count] = NULL;
    if (strcmp(op->argv[1], "setgroups") == 0)
        op_groups(init, &(struct op){.verb = "groups", .argc = count, .argv = argv});
    /* The terminal was made before there was a name to give it to. */
    if (init->pty_fd >= 0 && fchown(init->pty_fd, uid, (gid_t)-1) < 0)
        fail(init, "the user is not mapped into the container");
    snprintf(words[0], sizeof words[0], "%u", uid);
    snprintf(words[1], sizeof words[1], "%u", gid);
    op_user(init, &(struct op){.verb = "user", .argc = 2, .argv = (char *[]){words[0], words[1], NULL}});
    free(login);
    free(name);
}

/* append PATH LINE: a line at the end of a file of the container, unless it has it. A file that is not
 * there, or is no file, is left: an image without users needs none. */
void op_append(struct init *init, const struct op *op)
{
    enum { MOST = 1 << 20 };
    char *text = NULL;
    struct stat found;
    const char *line = op->argv[1];
    cleanup_fd int fd = open_in_root(init, op->argv[0], O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);

    if (fd < 0 || fstat(fd, &found) < 0 || !S_ISREG(found.st_mode))
        return;
    ssize_t length = read_all(fd, &text, MOST);
    if (length < 0)
        fail(init, op->argv[0]);
    bool has = false;
    for (char *at = text; !has && (at = strstr(at, line)); at++) {
        char end = at[strlen(line)];
        has = (at == text || at[-1] == '\n') && (end == '\n' || end == 0);
    }
    bool ended = length == 0 || text[length - 1] == '\n';
    free(text);
    if (has)
        return;
    cleanup_fd int out = open_in_root(init, op->argv[0], O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY, 0);
    if (out < 0 || dprintf(out, "%s%s\n", ended ? "" : "\n", line) < 0)
        fail(init, op->argv[0]);
}
