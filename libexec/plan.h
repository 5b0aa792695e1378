/* SPDX-License-Identifier: Apache-2.0 */
/* The reader of plans (PLAN.md): NUL-ended words into operations. It knows no verb. */
#ifndef PYPOD_PLAN_H
#define PYPOD_PLAN_H

#include <stddef.h>

enum {
    PLAN_BYTES_MAX = 4 << 20, /* argv and environment are at most 2 MiB (execve(2)) */
    PLAN_OPS_MAX = 20000,
};

struct op {
    const char *verb;
    size_t argc;
    char **argv; /* NULL-ended */
};

struct plan {
    struct op *ops;
    size_t count;
    char **words; /* owns what the ops point into */
    char *text;
};

/* Reads `length` bytes of text, which the plan then owns. On failure returns what is wrong with it,
 * a constant string, and the plan owns nothing but the text. */
const char *plan_parse(struct plan *plan, char *text, size_t length);

void plan_free(struct plan *plan);

#endif
