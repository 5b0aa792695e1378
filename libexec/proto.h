/* SPDX-License-Identifier: Apache-2.0 */
/* What the helpers and Python say to each other in numbers. pypod/constants.py has the same numbers,
 * tests/unit/test_proto.py compares them. */
#ifndef PYPOD_PROTO_H
#define PYPOD_PROTO_H

#include <errno.h>
#include <stdint.h>

#define PLAN_VERSION "pypod-plan/1"

#define RECORD_MAGIC 0x50595030

/* One packet on the status socket (SOCK_SEQPACKET), native byte order. */
struct status_record {
    uint32_t magic;
    uint32_t kind;
    int32_t stage;
    int32_t op;  /* index of the operation that failed, -1 for none */
    int32_t err; /* errno */
    int32_t pid; /* of the container's first process, as the sender sees it */
    char text[232];
};

enum { RECORD_PID = 1, RECORD_ERROR = 2, RECORD_NAMESPACES = 3 };

enum {
    STAGE_PLAN = 1,
    STAGE_CLONE = 2,
    STAGE_IDMAP = 3,
    STAGE_SETUP = 4,
    STAGE_USER = 5,
    STAGE_EXEC = 6,
    STAGE_NETWORK = 7,
};

/* Descriptors of a runtime under pypod-monitor. */
enum { FD_STATUS = 3, FD_CONSOLE = 4 };

/* The exit code of a container whose start failed, as podman and docker give it. */
static inline int start_exit_code(int stage, int err)
{
    if (stage != STAGE_EXEC)
        return 125;
    return err == ENOENT || err == ENOTDIR ? 127 : 126;
}

#endif
