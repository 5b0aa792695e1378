/* SPDX-License-Identifier: Apache-2.0 */
/* Volumes: their first content from an image, and their owner.
 *
 * `copyup` copies into `new` beside `_data`, where no container can reach, calls it `ready` when it is
 * whole, and then moves its entries into `_data`: killed on the way, it goes on where it was. `_data`
 * itself stays the directory that it is, since other containers may have it mounted. */
#define _GNU_SOURCE
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "copy.h"
#include "uapi.h"
#include "util.h"

static unsigned number(const char *word)
{
    uint64_t value;

    if (parse_number(word, 10, UINT32_MAX - 1, &value) < 0)
        die_errno(word);
    return (unsigned)value;
}

static bool has_word(const char *words, const char *word)
{
    const char *at = strstr(words, word);
    size_t length = strlen(word);

    return at && (at == words || at[-1] == ',') && (at[length] == 0 || at[length] == ',');
}

static DIR *open_stream(int directory, const char *noun)
{
    int copy = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);

    if (!stream)
        die_errno(noun);
    return stream;
}

static const char *next_name(DIR *stream)
{
    struct dirent *entry;

    while ((entry = readdir(stream)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return entry->d_name;
    return NULL;
}

static bool is_empty(int directory, const char *noun)
{
    DIR *stream = open_stream(directory, noun);
    bool empty = !next_name(stream);

    closedir(stream);
    return empty;
}

static void drop(int volume, const char *name)
{
    int directory = openat(volume, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (directory < 0)
        return;
    remove_content(directory, name);
    close(directory);
    if (unlinkat(volume, name, AT_REMOVEDIR) < 0)
        die_errno(name);
}

/* Moves what is whole to where containers see it. A name that somebody made there meanwhile stays. */
static void move_in(const struct copy *how, int volume, int ready, int data, const char *noun)
{
    DIR *stream = open_stream(ready, noun);
    struct stat before;
    const char *name;

    if (fstat(ready, &before) < 0)
        die_errno(noun);
    struct timespec times[2] = {before.st_atim, before.st_mtim};
    while ((name = next_name(stream)))
        if (syscall(SYS_renameat2, ready, name, data, name, RENAME_NOREPLACE) < 0 && errno != EEXIST)
            die_errno(name);
    closedir(stream);
    if (copy_attributes(how, ready, data) < 0 || futimens(data, times) < 0 || fsync(data) < 0)
        die_errno(noun);
    drop(volume, "ready");
}

static void copy_into(struct copy *copy, int volume, int from, int data, const char *noun)
{
    if (mkdirat(volume, "new", 0700) < 0)
        die_errno(noun);
    cleanup_fd int made = openat(volume, "new", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    copy->from = from;
    copy->to = made;
    if (made < 0 || copy_tree(copy) < 0) {
        int why = errno;
        dprintf(STDERR_FILENO, "%s%s%s: %s\n", noun, *copy->path ? "/" : "", copy->path, strerror(why));
        drop(volume, "new");
        exit(1);
    }
    if (syncfs(made) < 0 || renameat(volume, "new", volume, "ready") < 0)
        die_errno(noun);
    move_in(copy, volume, made, data, noun);
}

static bool is_same(int one, int other)
{
    struct stat a, b;

    return fstat(one, &a) == 0 && fstat(other, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Fills one volume, or gives it its owner; returns the word for what was done. */
static const char *fill(int root, const char *destination, const char *path, const char *words, uid_t uid,
                        gid_t gid, bool owners)
{
    static struct copy copy;
    cleanup_fd int volume = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    cleanup_fd int data = openat(volume, "_data", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    copy.owners = owners;
    if (volume < 0 || data < 0)
        die_errno(path);
    cleanup_fd int ready = openat(volume, "ready", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (ready >= 0) {
        move_in(&copy, volume, ready, data, destination);
        return "copied";
    }
    drop(volume, "new");
    if (!is_empty(data, path))
        return "used";
    cleanup_fd int from = open_below(root, destination, O_RDONLY | O_DIRECTORY);
    if (from < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP)
        die_errno(destination);
    if (from >= 0 && is_same(from, root))
        die(destination, "leads to the root of the image");
    if (from >= 0 && has_word(words, "copy") && !is_empty(from, destination)) {
        copy_into(&copy, volume, from, data, destination);
        return "copied";
    }
    if (!has_word(words, "owner"))
        return "empty";
    if (from >= 0 ? copy_attributes(&copy, from, data) < 0 : owners && fchown(data, uid, gid) < 0)
        die_errno(destination);
    return "owned";
}

/* copyup ROOT UID GID full|single (DESTINATION VOLUME WORDS)...: WORDS are copy and owner. A word for
 * each on standard output: copied, owned, empty, used. */
int verb_copyup(char **argv)
{
    cleanup_fd int root = open(argv[0], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uid_t uid = number(argv[1]);
    gid_t gid = number(argv[2]);
    bool owners = strcmp(argv[3], "single") != 0;

    if (root < 0)
        die_errno(argv[0]);
    for (argv += 4; argv[0]; argv += 3) {
        if (!argv[1] || !argv[2])
            die(argv[0], "words are missing");
        const char *done = fill(root, argv[0], argv[1], argv[2], uid, gid, owners);
        dprintf(STDOUT_FILENO, "%s\n", done);
    }
    return 0;
}

/* A directory that `chown` is in: who it is, so that the way back up can be checked. */
struct chown_level {
    struct chown_level *up;
    dev_t device;
    ino_t inode;
    char **names; /* directories in it that are still to be entered */
    size_t count;
};

struct owner {
    uid_t uid;
    gid_t gid;
    const char *noun;
};

static void give(const struct owner *owner, int directory, const char *name, const struct stat *found)
{
    if (found->st_uid == owner->uid && found->st_gid == owner->gid)
        return;
    int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
    if (fchownat(directory, name, owner->uid, owner->gid, flags) < 0 && errno != ENOENT) {
        dprintf(STDERR_FILENO, "%s: %s: %s\n", owner->noun, *name ? name : ".", strerror(errno));
        exit(1);
    }
}

/* Gives away all that is in the directory, and notes what has to be entered. */
static void give_entries(const struct owner *owner, int directory, struct chown_level *level)
{
    DIR *stream = open_stream(directory, owner->noun);
    struct stat found;
    const char *name;

    while ((name = next_name(stream))) {
        if (fstatat(directory, name, &found, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        if (found.st_dev != level->device)
            continue; /* another file system is somebody else's */
        if (!S_ISDIR(found.st_mode)) {
            give(owner, directory, name, &found);
            continue;
        }
        if ((level->count & (level->count - 1)) == 0) { /* full: 0, 1, 2, 4, 8... */
            size_t room = level->count ? 2 * level->count : 1;
            level->names = realloc(level->names, room * sizeof *level->names);
        }
        char *kept = strdup(name);
        if (!level->names || !kept)
            die(owner->noun, "out of memory");
        level->names[level->count++] = kept;
    }
    closedir(stream);
}

static struct chown_level *enter_level(const struct owner *owner, int directory, struct chown_level *up)
{
    struct chown_level *level = calloc(1, sizeof *level);
    struct stat found;

    if (!level || fstat(directory, &found) < 0)
        die_errno(owner->noun);
    level->up = up;
    level->device = found.st_dev;
    level->inode = found.st_ino;
    give(owner, directory, "", &found);
    give_entries(owner, directory, level);
    return level;
}

static int open_child(int at, const char *name)
{
    struct open_request how = {.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC,
                               .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV};

    return (int)syscall(SYS_openat2, at, name, &how, sizeof how);
}

/* The tree may be moved about by a container while this walks: a directory on the way up that is not
 * the one that was left ends it, for what lies there may be anybody's. */
static void give_tree(const struct owner *owner, int top)
{
    int at = fcntl(top, F_DUPFD_CLOEXEC, 0);
    struct chown_level *level = enter_level(owner, at, NULL);
    struct stat found;

    while (level) {
        if (level->count) {
            char *name = level->names[--level->count];
            int down = open_child(at, name);
            free(name);
            if (down < 0)
                continue; /* it is no directory any more, or another mount */
            level = enter_level(owner, down, level);
            close(at);
            at = down;
            continue;
        }
        struct chown_level *left = level;
        level = level->up;
        free(left->names);
        free(left);
        if (!level)
            break;
        int up = openat(at, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (up < 0 || fstat(up, &found) < 0)
            die_errno(owner->noun);
        if (found.st_dev != level->device || found.st_ino != level->inode)
            die(owner->noun, "the tree changes while its owner is changed");
        close(at);
        at = up;
    }
    close(at);
}

/* chown UID GID (PATH SUBPATH)...: gives trees to one owner. SUBPATH is resolved inside PATH. */
int verb_chown(char **argv)
{
    struct owner owner = {.uid = number(argv[0]), .gid = number(argv[1])};
    struct stat found;

    for (argv += 2; argv[0] && argv[1]; argv += 2) {
        owner.noun = argv[0];
        cleanup_fd int whole = open(argv[0], O_PATH | O_CLOEXEC);
        cleanup_fd int part = whole < 0 || !*argv[1] ? -1 : open_below(whole, argv[1], O_PATH);
        int top = *argv[1] ? part : whole;
        if (top < 0 || fstat(top, &found) < 0)
            die_errno(argv[0]);
        if (!S_ISDIR(found.st_mode)) {
            give(&owner, top, "", &found);
            continue;
        }
        cleanup_fd int directory = openat(top, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
            die_errno(argv[0]);
        give_tree(&owner, directory);
    }
    return 0;
}
