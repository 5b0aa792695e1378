/* SPDX-License-Identifier: Apache-2.0 */
/* pypod-files: what its verbs share. */
#ifndef PYPOD_FILES_H
#define PYPOD_FILES_H

#include <stdbool.h>
#include <stdint.h>

/* Writes one line to stderr and ends with 1. The path may be NULL. */
void die(const char *path, const char *text) __attribute__((noreturn));
void die_errno(const char *path) __attribute__((noreturn));

/* Directories that are still to be looked at, by path: trees are walked without recursion. */
struct task {
    struct task *next;
    char path[];
};
void remember(struct task **tasks, const char *path);

/* openat2(2) below a directory, links resolved inside it. */
int open_below(int root, const char *path, uint64_t flags);

/* The same, but a link on the way is an error, ELOOP. */
int open_exact(int root, const char *path, uint64_t flags);

/* Removes a directory's content, then nothing of it is left but the directory itself. */
void remove_content(int directory, const char *name);

/* unpack.c: unpack DIRECTORY full|single [durable], the tar on stdin; pending work on stdout. */
int verb_unpack(char **argv);

/* volume.c: copyup ROOT UID GID full|single, triples of words. chown UID GID, pairs of paths. */
int verb_copyup(char **argv);
int verb_chown(char **argv);

/* finish.c: finish, triples of words on stdin. */
int verb_finish(char **argv);

/* pack.c: pack ROOT flat|layer full|single [MTIME]; the tar on stdout. */
int verb_pack(char **argv);

/* changes.c: diff UPPER LOWER...; what changed on stdout. */
int verb_diff(char **argv);

/* between.c: between LAYER... "" BASE...; what is other in some layers than in others, on stdout. */
int verb_between(char **argv);

/* shift.c: shift UIDS GIDS, pairs FROM TO. flatten UIDS GIDS FROM TO LAYERS CHAIN... */
int verb_shift(char **argv);
int verb_flatten(char **argv);

/* weigh.c: size PATH...; bytes on stdout. owners PATH...; the largest ids on stdout. */
int verb_size(char **argv);
int verb_owners(char **argv);

/* What an id that a map lacks is shown as; files of it belong to nobody under every map. */
enum { NOBODY = 65534 };

/* compare.c: compare FIRST SECOND; where they differ on stdout. */
int verb_compare(char **argv);

/* accounts.c: accounts DIRECTORY; its passwd and group on stdout. */
int verb_accounts(char **argv);

#define XATTR_OPAQUE "user.overlay.opaque"
/* On a directory without an entry, until `finish`. */
#define XATTR_IMPLIED "user.pypod.implied"
/* "UID:GID:MODE" of what a file has in the archive and not here. */
#define XATTR_OWNER "user.pypod.owner"

#endif
