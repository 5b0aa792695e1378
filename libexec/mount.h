/* SPDX-License-Identifier: Apache-2.0 */
/* pypod-init: what the verbs that mount (mount.c, rootfs.c) share. */
#ifndef PYPOD_MOUNT_H
#define PYPOD_MOUNT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "init.h"
#include "uapi.h"

/* Gives attributes to a mount, or to all mounts of its tree. */
void set_attributes(struct init *init, int mount, const struct mount_attributes *wanted, bool all);

/* Attaches a detached mount to a place, both by descriptor. */
void attach(struct init *init, int mount, int place);

bool is_directory(struct init *init, int fd);

/* Makes a detached file system; options are `key=value` or flags, ended by NULL. They are changed. */
int make_filesystem(struct init *init, const char *type, char **options, uint64_t attributes);

/* Takes a device of the host, detached; it must be the one that its name says. */
int take_device(struct init *init, const char *name, dev_t wanted);

#endif
