/* SPDX-License-Identifier: Apache-2.0 */
/* Layers on top of each other, seen as overlayfs shows them and without mounting anything. */
#ifndef PYPOD_VIEW_H
#define PYPOD_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum { VIEW_LAYERS_MAX = 512 };

struct view {
    int fd[VIEW_LAYERS_MAX]; /* the lowest first */
    size_t count;
};

/* Finds an exact path in the lowest `top` layers; the number of the layer that shows it, or -1. */
int view_find(const struct view *view, size_t top, const char *path, struct stat *found);

/* Opens what view_find finds; -1 when there is nothing. */
int view_open(const struct view *view, size_t top, const char *path, uint64_t flags, struct stat *found);

/* Follows the links of `path` through all layers into `exact`, of TAR_NAME_MAX + 1 bytes; 0 or -1. */
int view_resolve(const struct view *view, size_t top, const char *path, char *exact);

/* Whether a directory of a layer, itself or by one above it, shows nothing of the layers below. */
bool view_is_opaque(int layer, const char *path);

/* The same of an open directory alone. */
bool view_has_opaque(int directory);

#endif
