/* SPDX-License-Identifier: Apache-2.0 */
/* `VERB ARGC ARG...`: the count stands in the plan so that this reader, which is fuzzed, and the
 * verbs, which are not, need to know nothing of each other. */
#include "plan.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto.h"
#include "util.h"

static size_t count_words(const char *text, size_t length)
{
    size_t words = 0;

    for (size_t at = 0; at < length; at++)
        words += text[at] == 0;
    return words;
}

const char *plan_parse(struct plan *plan, char *text, size_t length)
{
    *plan = (struct plan){.text = text};
    if (length == 0 || text[length - 1] != 0)
        return "the plan does not end with a NUL";
    if (length > PLAN_BYTES_MAX)
        return "the plan is too long";
    if (strcmp(text, PLAN_VERSION) != 0)
        return "the plan is of another version: pypod and its helpers do not belong together";
    size_t words = count_words(text, length);
    /* Each op gets one word more than it has, for the NULL at the end of its argv; it has at least
     * the two words that this reuses: verb and count. */
    plan->words = calloc(words + 1, sizeof *plan->words);
    plan->ops = calloc(words / 2 + 1, sizeof *plan->ops);
    if (!plan->words || !plan->ops)
        return "out of memory";
    char *word = text + strlen(text) + 1;
    char *end = text + length;
    size_t used = 0;
    while (word < end) {
        struct op *op = &plan->ops[plan->count];
        uint64_t argc;

        if (plan->count == PLAN_OPS_MAX)
            return "the plan has too many operations";
        op->verb = word;
        word += strlen(word) + 1;
        if (word >= end || parse_number(word, 10, words, &argc) < 0)
            return "an operation has no count of words";
        word += strlen(word) + 1;
        op->argc = (size_t)argc;
        op->argv = plan->words + used;
        for (size_t i = 0; i < op->argc; i++) {
            if (word >= end)
                return "an operation has fewer words than it says";
            op->argv[i] = word;
            word += strlen(word) + 1;
        }
        used += op->argc + 1;
        plan->count++;
    }
    return NULL;
}

void plan_free(struct plan *plan)
{
    free(plan->ops);
    free(plan->words);
    free(plan->text);
    *plan = (struct plan){0};
}
