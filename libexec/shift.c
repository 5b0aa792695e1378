/* SPDX-License-Identifier: Apache-2.0 */
/* Layers for another id map: the same tree with other owners.
 *
 * `flatten` makes what overlayfs calls metacopies: the inode has owner, mode and attributes, and two
 * attributes say in which file of a data-only lower directory the data is (overlayfs.rst, "Data-only
 * lower layers"). One tree for the whole image, since Linux 6.18 follows a user's metacopy only from the
 * lowest of the other layers. `shift` copies the data too, with shared blocks where there are such. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "copy.h"
#include "files.h"
#include "uapi.h"
#include "util.h"

enum { EXTENTS_MAX = 700, CAPS_2 = 20, CAPS_3 = 24, CAPS_VERSION_3 = 0x03000000, ACL_HEAD = 4, ACL_ENTRY = 8 };
enum { ACL_USER = 2, ACL_GROUP = 8 };

struct map {
    size_t count;
    struct {
        uint64_t from, to, count;
    } extents[EXTENTS_MAX];
};

static struct map uids, gids;
/* Where the data of a merged tree lies: directories of `layers`, uppermost first. None: copy it. */
static int layers = -1;
static char **chains;
static uint64_t *done; /* by all processes together */

static void read_map(struct map *map, char *text)
{
    char *word = strtok(text, ",");

    while (word && map->count < EXTENTS_MAX) {
        uint64_t numbers[3];
        for (int i = 0; i < 3; i++, word = strtok(NULL, ","))
            if (!word || parse_number(word, 10, UINT32_MAX, &numbers[i]) < 0)
                die(NULL, "shift: the map is made of threes of numbers");
        map->extents[map->count].from = numbers[0];
        map->extents[map->count].to = numbers[1];
        map->extents[map->count++].count = numbers[2];
    }
}

static int shifted(const struct map *map, uint32_t id, uint32_t *to)
{
    for (size_t i = 0; i < map->count; i++)
        if (id >= map->extents[i].from && id - map->extents[i].from < map->extents[i].count) {
            *to = (uint32_t)(map->extents[i].to + (id - map->extents[i].from));
            return 0;
        }
    if (id == NOBODY) { /* whoever it is: in the container it is nobody as well */
        *to = id;
        return 0;
    }
    errno = EOVERFLOW; /* "Value too large": the id is not in the map */
    return -1;
}

static int owner(const struct copy *copy, const struct stat *found, uid_t *uid, gid_t *gid)
{
    (void)copy;
    return shifted(&uids, found->st_uid, uid) < 0 || shifted(&gids, found->st_gid, gid) < 0 ? -1 : 0;
}

/* A directory in each of the layers, -1 where it is none: all files of one directory are read in a row. */
static char directory[PATH_MAX];
static int *opened;
static char *place; /* of the file whose data is wanted, below `layers` */

static int enter(const char *path, size_t length)
{
    size_t count = 0;

    while (chains[count])
        count++;
    if (!opened) {
        opened = calloc(count, sizeof *opened);
        place = malloc(2 * PATH_MAX);
        if (!opened || !place)
            return -1;
    } else if (strlen(directory) == length && memcmp(directory, path, length) == 0) {
        return 0;
    } else {
        for (size_t i = 0; i < count; i++)
            close_fd(&opened[i]);
    }
    memcpy(directory, path, length);
    directory[length] = 0;
    for (size_t i = 0; i < count; i++) {
        snprintf(place, 2 * PATH_MAX, "%s%s%s", chains[i], length ? "/" : "", directory);
        opened[i] = open_exact(layers, place, O_PATH | O_DIRECTORY | O_NOFOLLOW);
    }
    return 0;
}

/* The file as the layer has it that shows it: the uppermost one. To ask the overlay takes twice as long. */
static int open_layer(const struct copy *copy, int parent, const char *file)
{
    const char *slash = strrchr(copy->path, '/');

    if (layers < 0)
        return openat(parent, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (enter(copy->path, slash ? (size_t)(slash - copy->path) : 0) < 0)
        return -1;
    for (size_t i = 0; chains[i]; i++) {
        int fd = opened[i] < 0 ? -1 : openat(opened[i], file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0) {
            snprintf(place, 2 * PATH_MAX, "/%s/%s", chains[i], copy->path);
            return fd;
        }
        if (opened[i] >= 0 && errno != ENOENT)
            break;
    }
    /* Not what copying takes for an entry that has gone: of a layer nothing goes. */
    if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == EACCES)
        return -1;
    errno = EIO; /* the overlay has it, and no layer */
    return -1;
}

/* On stdout, which is a file of memory: who waits may look how far it is. Bytes, or files without data. */
static void count(off_t size)
{
    enum { EVERY_BYTES = 1 << 24, EVERY_FILES = 256 };
    uint64_t more = layers < 0 ? (uint64_t)size : 1, every = layers < 0 ? EVERY_BYTES : EVERY_FILES;
    uint64_t now = __atomic_add_fetch(done, more, __ATOMIC_RELAXED);
    char text[24];

    if (now / every == (now - more) / every)
        return;
    int length = snprintf(text, sizeof text, "%20llu\n", (unsigned long long)now);
    if (pwrite(STDOUT_FILENO, text, (size_t)length, 0) < 0)
        return; /* it is only for show */
}

static int data(const struct copy *copy, int from, int to, off_t size)
{
    (void)copy;
    count(size);
    if (layers < 0 || size == 0)
        return copy_data(from, to, size);
    if (fsetxattr(to, "user.overlay.redirect", place, strlen(place), 0) < 0) {
        if (errno == ENOSPC || errno == ERANGE || errno == E2BIG) /* a very long path: its data */
            return copy_data(from, to, size);
        return -1;
    }
    if (fsetxattr(to, "user.overlay.metacopy", "", 0, 0) < 0)
        return -1;
    return ftruncate(to, size);
}

/* The root that a capability is good for is the container's (capabilities(7), "Namespaced file
 * capabilities"). The kernel shows our own root's as version 2. */
static int capability(int to, const char *name, const unsigned char *value, size_t size)
{
    unsigned char full[CAPS_3];
    uint32_t magic, root = 0;

    if (size != CAPS_2 && size != CAPS_3)
        return 0;
    memcpy(full, value, size);
    memcpy(&magic, full, sizeof magic);
    magic = CAPS_VERSION_3 | (magic & 1);
    if (size == CAPS_3)
        memcpy(&root, full + CAPS_2, sizeof root);
    if (shifted(&uids, root, &root) < 0)
        return -1;
    memcpy(full, &magic, sizeof magic);
    memcpy(full + CAPS_2, &root, sizeof root);
    return fsetxattr(to, name, full, sizeof full, 0);
}

static int acl(int to, const char *name, unsigned char *value, size_t size)
{
    for (size_t at = ACL_HEAD; at + ACL_ENTRY <= size; at += ACL_ENTRY) {
        uint16_t tag;
        uint32_t id;
        memcpy(&tag, value + at, sizeof tag);
        memcpy(&id, value + at + 4, sizeof id);
        if ((tag == ACL_USER && shifted(&uids, id, &id) < 0) ||
            (tag == ACL_GROUP && shifted(&gids, id, &id) < 0))
            return -1;
        memcpy(value + at + 4, &id, sizeof id);
    }
    return fsetxattr(to, name, value, size, 0);
}

static int attribute(const struct copy *copy, int to, const char *name, void *value, size_t size)
{
    int failed;

    (void)copy;
    if (strcmp(name, "security.capability") == 0)
        failed = capability(to, name, value, size);
    else if (strncmp(name, "system.posix_acl_", 17) == 0)
        failed = acl(to, name, value, size);
    else
        failed = fsetxattr(to, name, value, size, 0);
    return failed < 0 && errno != ENOTSUP && errno != EPERM && errno != EINVAL ? -1 : 0;
}

/* Whiteouts; a layer has no other devices. */
static int other(const struct copy *copy, int into, const char *name, const struct stat *found)
{
    (void)copy;
    if (!S_ISCHR(found->st_mode) || found->st_rdev != 0)
        return 0;
    return mknodat(into, name, S_IFCHR | 0600, makedev(0, 0));
}

static const struct copy_rules rules = {owner, data, attribute, other, open_layer};

/* As many as there are processors without work: more of them take longer together than one (measured). */
static unsigned processes(void)
{
    enum { MOST = 4 };
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    double load = 0;

    if (getloadavg(&load, 1) < 1)
        return 1;
    long idle = online - (long)load;
    return idle < 1 ? 1 : idle > MOST ? MOST : (unsigned)idle;
}

static void shift(const char *from, const char *to)
{
    struct copy *copy = calloc(1, sizeof *copy);

    if (!done)
        done = mmap(NULL, sizeof *done, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (!copy || done == MAP_FAILED)
        die(from, "out of memory");
    copy->owners = true;
    copy->rules = &rules;
    copy->from = open(from, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    copy->to = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (copy->from < 0 || copy->to < 0)
        die_errno(from);
    if (copy_tree_apart(copy, processes()) < 0) {
        if (errno == EOVERFLOW)
            die(copy->path, "its owner is not an id of this map");
        die_errno(copy->path);
    }
    if (syncfs(copy->to) < 0)
        die_errno(to);
    close(copy->from);
    close(copy->to);
    free(copy);
}

/* shift UIDS GIDS (FROM TO)...: copies layers. Each map is FROM,TO,COUNT and so on. */
int verb_shift(char **argv)
{
    umask(0);
    read_map(&uids, argv[0]);
    read_map(&gids, argv[1]);
    for (argv += 2; argv[0] && argv[1]; argv += 2)
        shift(argv[0], argv[1]);
    return 0;
}

/* flatten UIDS GIDS FROM TO LAYERS CHAIN...: makes one layer of a mounted image, without data. */
int verb_flatten(char **argv)
{
    umask(0);
    read_map(&uids, argv[0]);
    read_map(&gids, argv[1]);
    layers = open(argv[4], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (layers < 0)
        die_errno(argv[4]);
    chains = argv + 5;
    shift(argv[2], argv[3]);
    return 0;
}
