/* SPDX-License-Identifier: Apache-2.0 */
/* Feeds the plan reader bytes: plan SECONDS SEED [FILE...]. Files are plans to start from. Built with
 * the address and undefined-behaviour sanitizers, which end the program at the first wrong step. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "plan.h"

#define LONGEST 4096
#define SEEDS_MAX 64

static uint64_t state;

static uint32_t any(uint32_t below)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return below ? (uint32_t)(state >> 32) % below : 0;
}

struct seed {
    size_t length;
    char bytes[LONGEST];
};

static struct seed seeds[SEEDS_MAX];
static size_t seed_count;

static void add(const char *bytes, size_t length)
{
    if (seed_count == SEEDS_MAX || length > LONGEST)
        return;
    seeds[seed_count].length = length;
    memcpy(seeds[seed_count++].bytes, bytes, length);
}

static size_t mutate(char *bytes, size_t length)
{
    static const char *const words[] = {"0", "1", "-1", "18446744073709551615", "999999", "", "02",
                                        " 1", "1 ", "0x1", "pypod-plan/1", "pypod-plan/2"};

    switch (any(6)) {
    case 0: /* one byte */
        if (length)
            bytes[any((uint32_t)length)] = (char)any(256);
        return length;
    case 1: /* end early */
        return any((uint32_t)length + 1);
    case 2: /* a word somewhere */
    {
        const char *word = words[any(sizeof words / sizeof *words)];
        size_t size = strlen(word) + 1, at = any((uint32_t)length + 1);

        if (length + size > LONGEST)
            return length;
        memmove(bytes + at + size, bytes + at, length - at);
        memcpy(bytes + at, word, size);
        return length + size;
    }
    case 3: /* a piece twice */
    {
        size_t from = any((uint32_t)length + 1), size = any((uint32_t)(length - from) + 1);

        if (length + size > LONGEST)
            return length;
        memmove(bytes + length, bytes + from, size);
        return length + size;
    }
    case 4: /* a piece less */
    {
        size_t from = any((uint32_t)length + 1), size = any((uint32_t)(length - from) + 1);

        memmove(bytes + from, bytes + from + size, length - from - size);
        return length - size;
    }
    default: /* a NUL */
        if (length)
            bytes[any((uint32_t)length)] = 0;
        return length;
    }
}

static void check(const struct plan *plan, const char *text, size_t length)
{
    for (size_t i = 0; i < plan->count; i++) {
        const struct op *op = &plan->ops[i];

        for (size_t j = 0; j < op->argc; j++)
            if (op->argv[j] < text || op->argv[j] >= text + length)
                abort();
        if (op->argv[op->argc])
            abort();
    }
}

int main(int argc, char **argv)
{
    static const char small[] = "pypod-plan/1\0hostname\0001\0box\0release\0000\0exec\0002\0sh\0-c";
    static char bytes[LONGEST * 2];
    unsigned long long count = 0, good = 0;
    time_t end;

    if (argc < 3)
        return 2;
    end = time(NULL) + atoi(argv[1]);
    state = strtoull(argv[2], NULL, 10) * 2654435761u + 88172645463325252u;
    add(small, sizeof small);
    for (int i = 3; i < argc; i++) {
        FILE *file = fopen(argv[i], "rb");

        if (file) {
            add(bytes, fread(bytes, 1, LONGEST, file));
            fclose(file);
        }
    }
    while (count % 1024 || time(NULL) < end) {
        const struct seed *seed = &seeds[any((uint32_t)seed_count)];
        size_t length = seed->length;
        struct plan plan;
        char *text;

        memcpy(bytes, seed->bytes, length);
        for (uint32_t steps = any(6); steps; steps--)
            length = mutate(bytes, length);
        text = malloc(length ? length : 1); /* its own size, so that one byte too far is seen */
        if (!text)
            return 2;
        memcpy(text, bytes, length);
        if (!plan_parse(&plan, text, length)) {
            check(&plan, text, length);
            good++;
        }
        plan_free(&plan);
        count++;
    }
    printf("%llu plans, %llu of them well formed\n", count, good);
    return 0;
}
