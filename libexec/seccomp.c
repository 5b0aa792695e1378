/* SPDX-License-Identifier: Apache-2.0
 *
 * pypod-seccomp: a seccomp profile in words on stdin, a BPF program on stdout.
 *
 * Words are NUL-ended: `pypod-seccomp/1`, then `VERB ARGC ARG...` as in PLAN.md:
 *   default ACTION                  the verdict of everything that no other word names
 *   number NAME N                   the number of a call that this libseccomp may not know
 *   always ACTION NAME...           whatever the arguments
 *   match NAME ACTION (INDEX OP VALUE VALUE2)...   first match wins, in the order written
 *   otherwise NAME ACTION           the verdict of NAME when none of its `match` words does
 * ACTION is allow, errno:N, kill, kill_thread, kill_process, log, trap or trace:N.
 * A call that is not known here is left out, and named on stderr: "unknown: NAME".
 *
 * libseccomp makes the large part, a binary search over numbers. Argument rules are compiled here
 * and put before it: libseccomp has no "else" for a call with argument rules and leaves the order of
 * overlapping ones open. A foreign architecture and, on x86_64, the x32 ABI answer ENOSYS: killing
 * would turn a harmless probe into a crash.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAX_INPUT (256 * 1024)
#define MAX_WORDS 8192
#define MAX_INSNS 4096 /* BPF_MAXINSNS, linux/bpf_common.h */
#define MAX_SPECIAL 64
#define X32_BIT 0x40000000U
#define BAD_ABI (SECCOMP_RET_ERRNO | ENOSYS)

struct match {
        uint32_t verdict;
        int tests;
        struct {
                unsigned index;
                char op[12];
                uint64_t value, second;
        } test[6];
};

/* A call with argument rules. */
struct special {
        const char *name;
        int number;
        uint32_t otherwise;
        struct match *match;
        int matches;
};

struct number {
        const char *name;
        int number;
};

struct profile {
        uint32_t fallback;
        struct special special[MAX_SPECIAL];
        int specials;
        struct number number[MAX_SPECIAL];
        int numbers;
};

struct program {
        struct sock_filter insn[MAX_INSNS];
        size_t length;
};

static void __attribute__((noreturn, format(printf, 1, 2))) die(const char *format, ...) {
        va_list arguments;
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
        fputc('\n', stderr);
        exit(1);
}

static uint64_t number(const char *word, uint64_t most) {
        char *end;
        errno = 0;
        unsigned long long value = strtoull(word, &end, 10);
        if (errno || !*word || *word == '-' || *end || value > most)
                die("%s is not a number from 0 to %llu", word, (unsigned long long)most);
        return value;
}

static uint32_t verdict(const char *word) {
        if (!strcmp(word, "allow"))
                return SECCOMP_RET_ALLOW;
        if (!strncmp(word, "errno:", 6))
                return SECCOMP_RET_ERRNO | (uint32_t)number(word + 6, 4095);
        if (!strcmp(word, "kill") || !strcmp(word, "kill_thread"))
                return SECCOMP_RET_KILL_THREAD;
        if (!strcmp(word, "kill_process"))
                return SECCOMP_RET_KILL_PROCESS;
        if (!strcmp(word, "log"))
                return SECCOMP_RET_LOG;
        if (!strcmp(word, "trap"))
                return SECCOMP_RET_TRAP;
        if (!strncmp(word, "trace:", 6))
                return SECCOMP_RET_TRACE | (uint32_t)number(word + 6, 0xffff);
        die("%s is not an action", word);
}

/* libseccomp's names for the same verdicts. */
static uint32_t scmp_action(uint32_t verdict) {
        switch (verdict & SECCOMP_RET_ACTION_FULL) {
        case SECCOMP_RET_ALLOW:
                return SCMP_ACT_ALLOW;
        case SECCOMP_RET_ERRNO:
                return SCMP_ACT_ERRNO(verdict & SECCOMP_RET_DATA);
        case SECCOMP_RET_KILL_THREAD:
                return SCMP_ACT_KILL_THREAD;
        case SECCOMP_RET_KILL_PROCESS:
                return SCMP_ACT_KILL_PROCESS;
        case SECCOMP_RET_TRAP:
                return SCMP_ACT_TRAP;
        case SECCOMP_RET_TRACE:
                return SCMP_ACT_TRACE(verdict & SECCOMP_RET_DATA);
        default:
                return SCMP_ACT_LOG;
        }
}

/* The native number of a call; negative when this architecture has no such call. */
static int resolve(const struct profile *profile, const char *name) {
        int found = seccomp_syscall_resolve_name(name);
        if (found >= 0)
                return found;
        for (int i = 0; i < profile->numbers; i++)
                if (!strcmp(profile->number[i].name, name))
                        return profile->number[i].number;
        return -1;
}

static struct special *special(struct profile *profile, const char *name) {
        for (int i = 0; i < profile->specials; i++)
                if (!strcmp(profile->special[i].name, name))
                        return &profile->special[i];
        if (profile->specials == MAX_SPECIAL)
                die("more than %d calls with argument rules", MAX_SPECIAL);
        struct special *new = &profile->special[profile->specials++];
        if (seccomp_syscall_resolve_name(name) == __NR_SCMP_ERROR && resolve(profile, name) < 0)
                fprintf(stderr, "unknown: %s\n", name);
        *new = (struct special){.name = name, .number = resolve(profile, name),
                                .otherwise = profile->fallback};
        return new;
}

static void add_match(struct profile *profile, int argc, char **argv) {
        if (argc < 6 || (argc - 2) % 4 || (argc - 2) / 4 > 6)
                die("match: wrong number of words");
        struct special *call = special(profile, argv[0]);
        call->match = realloc(call->match, sizeof(*call->match) * (size_t)(call->matches + 1));
        if (!call->match)
                die("out of memory");
        struct match *match = &call->match[call->matches++];
        *match = (struct match){.verdict = verdict(argv[1])};
        for (int i = 2; i < argc; i += 4) {
                int t = match->tests++;
                match->test[t].index = (unsigned)number(argv[i], 5);
                if (strlen(argv[i + 1]) >= sizeof(match->test[t].op))
                        die("%s is not a comparison", argv[i + 1]);
                strcpy(match->test[t].op, argv[i + 1]);
                match->test[t].value = number(argv[i + 2], UINT64_MAX);
                match->test[t].second = number(argv[i + 3], UINT64_MAX);
        }
}

static void add_always(const struct profile *profile, scmp_filter_ctx context, int argc,
                       char **argv) {
        uint32_t action = verdict(argv[0]);
        if (action == profile->fallback)
                return; /* libseccomp refuses a rule that equals the default */
        for (int i = 1; i < argc; i++) {
                int call = resolve(profile, argv[i]);
                if (call < 0) { /* a 32-bit or a foreign call: the default answers */
                        if (seccomp_syscall_resolve_name(argv[i]) == __NR_SCMP_ERROR)
                                fprintf(stderr, "unknown: %s\n", argv[i]);
                        continue;
                }
                int error = seccomp_rule_add(context, scmp_action(action), call, 0);
                if (error && error != -EEXIST)
                        die("rule for %s: %s", argv[i], strerror(-error));
        }
}

static void emit(struct program *program, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf) {
        if (program->length == MAX_INSNS)
                die("the filter is longer than the kernel's %d instructions", MAX_INSNS);
        program->insn[program->length++] = (struct sock_filter){code, jt, jf, k};
}

static void load(struct program *program, size_t offset) {
        emit(program, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static size_t argument(unsigned index, int high) {
        int little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
        return offsetof(struct seccomp_data, args) + index * 8 + ((high == little) ? 4 : 0);
}

/* A jump to the next rule, patched when its place is known. 0xff marks it: a rule is far shorter. */
enum { FAIL = 0xff };

static void compile_test(struct program *program, unsigned index, const char *op, uint64_t value,
                         uint64_t second) {
        if (!strcmp(op, "masked_eq") || !strcmp(op, "eq")) {
                uint64_t mask = op[0] == 'm' ? value : UINT64_MAX;
                uint64_t wanted = op[0] == 'm' ? second : value;
                for (int high = 0; high < 2; high++) {
                        uint32_t part = (uint32_t)(high ? mask >> 32 : mask);
                        uint32_t want = (uint32_t)(high ? wanted >> 32 : wanted);
                        if (!part) {
                                if (want)
                                        emit(program, BPF_JMP | BPF_JA, FAIL, 0, 0);
                                continue;
                        }
                        load(program, argument(index, high));
                        if (part != UINT32_MAX)
                                emit(program, BPF_ALU | BPF_AND | BPF_K, part, 0, 0);
                        emit(program, BPF_JMP | BPF_JEQ | BPF_K, want, 0, FAIL);
                }
                return;
        }
        uint32_t high = (uint32_t)(value >> 32), low = (uint32_t)value;
        load(program, argument(index, 1));
        if (!strcmp(op, "ne")) {
                emit(program, BPF_JMP | BPF_JEQ | BPF_K, high, 0, 2);
                load(program, argument(index, 0));
                emit(program, BPF_JMP | BPF_JEQ | BPF_K, low, FAIL, 0);
                return;
        }
        int or_equal = !strcmp(op, "ge") || !strcmp(op, "lt");
        int negated = !strcmp(op, "lt") || !strcmp(op, "le");
        if (!negated && strcmp(op, "gt") && strcmp(op, "ge"))
                die("%s is not a comparison", op);
        /* `lt` is not-`ge`, `le` is not-`gt`. A larger high word decides; an equal one asks the low. */
        uint8_t yes = negated ? FAIL : 0, no = negated ? 0 : FAIL;
        emit(program, BPF_JMP | BPF_JGT | BPF_K, high, negated ? FAIL : 3, 0);
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, high, 0, negated ? 2 : FAIL);
        load(program, argument(index, 0));
        emit(program, BPF_JMP | (or_equal ? BPF_JGE : BPF_JGT) | BPF_K, low, yes, no);
}

static void compile_match(struct program *program, const struct match *match) {
        size_t start = program->length;
        for (int i = 0; i < match->tests; i++)
                compile_test(program, match->test[i].index, match->test[i].op,
                             match->test[i].value, match->test[i].second);
        emit(program, BPF_RET | BPF_K, match->verdict, 0, 0);
        for (size_t at = start; at < program->length; at++) {
                struct sock_filter *insn = &program->insn[at];
                uint8_t skip = (uint8_t)(program->length - at - 1);
                if (insn->code == (BPF_JMP | BPF_JA) && insn->k == FAIL)
                        insn->k = skip;
                else if (BPF_CLASS(insn->code) == BPF_JMP) {
                        if (insn->jt == FAIL)
                                insn->jt = skip;
                        if (insn->jf == FAIL)
                                insn->jf = skip;
                }
        }
}

/* Appends libseccomp's program; its jumps are relative, so it may stand anywhere. */
static void append_libseccomp(struct program *program, scmp_filter_ctx context) {
        int fd = memfd_create("filter", MFD_CLOEXEC);
        if (fd < 0)
                die("memfd: %s", strerror(errno));
        int error = seccomp_export_bpf(context, fd);
        if (error)
                die("libseccomp: %s", strerror(-error));
        off_t size = lseek(fd, 0, SEEK_END);
        size_t insns = (size_t)size / sizeof(struct sock_filter);
        if (program->length + insns > MAX_INSNS)
                die("the filter is longer than the kernel's %d instructions", MAX_INSNS);
        if (pread(fd, program->insn + program->length, (size_t)size, 0) != size)
                die("memfd: short read");
        program->length += insns;
        close(fd);
}

static void compile(struct program *program, const struct profile *profile,
                    scmp_filter_ctx context) {
        size_t jump[MAX_SPECIAL];
        uint32_t native = seccomp_arch_native(); /* libseccomp's tokens are AUDIT_ARCH values */
        load(program, offsetof(struct seccomp_data, arch));
        emit(program, BPF_JMP | BPF_JEQ | BPF_K, native, 1, 0);
        emit(program, BPF_RET | BPF_K, BAD_ABI, 0, 0);
        load(program, offsetof(struct seccomp_data, nr));
        if (native == SCMP_ARCH_X86_64) {
                emit(program, BPF_JMP | BPF_JGE | BPF_K, X32_BIT, 0, 1);
                emit(program, BPF_RET | BPF_K, BAD_ABI, 0, 0);
        }
        for (int i = 0; i < profile->specials; i++) {
                if (profile->special[i].number < 0)
                        continue;
                emit(program, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)profile->special[i].number, 0, 1);
                jump[i] = program->length;
                emit(program, BPF_JMP | BPF_JA, 0, 0, 0);
        }
        append_libseccomp(program, context);
        for (int i = 0; i < profile->specials; i++) {
                const struct special *call = &profile->special[i];
                if (call->number < 0)
                        continue;
                program->insn[jump[i]].k = (uint32_t)(program->length - jump[i] - 1);
                for (int m = 0; m < call->matches; m++)
                        compile_match(program, &call->match[m]);
                emit(program, BPF_RET | BPF_K, call->otherwise, 0, 0);
        }
}

static int read_words(char *text, char **word) {
        size_t length = 0;
        ssize_t got;
        while ((got = read(STDIN_FILENO, text + length, MAX_INPUT - length)) > 0)
                length += (size_t)got;
        if (got < 0 || length == MAX_INPUT || !length || text[length - 1])
                die("stdin is not a profile of at most %d bytes", MAX_INPUT);
        int words = 0;
        for (char *at = text; at < text + length; at += strlen(at) + 1) {
                if (words == MAX_WORDS)
                        die("more than %d words", MAX_WORDS);
                word[words++] = at;
        }
        return words;
}

int main(void) {
        static char text[MAX_INPUT];
        static char *word[MAX_WORDS];
        static struct profile profile;
        static struct program program;
        int words = read_words(text, word);
        if (strcmp(word[0], "pypod-seccomp/1"))
                die("%.40s is not a version that this helper knows", word[0]);
        scmp_filter_ctx context = NULL;
        for (int at = 1; at < words;) {
                const char *verb = word[at];
                int argc = at + 1 < words ? (int)number(word[at + 1], MAX_WORDS) : 0;
                char **argv = word + at + 2;
                if (argc < 1 || at + 2 + argc > words)
                        die("%.40s: words are missing", verb);
                at += 2 + argc;
                if (!context) {
                        if (strcmp(verb, "default"))
                                die("the first verb must be default");
                        profile.fallback = verdict(argv[0]);
                        context = seccomp_init(scmp_action(profile.fallback));
                        if (!context ||
                            seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH,
                                             SCMP_ACT_ERRNO(ENOSYS)) ||
                            seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 0))
                                die("libseccomp could not be set up");
                        /* 2.5 and newer: binary search over numbers; a linear filter is as right. */
                        seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2);
                } else if (!strcmp(verb, "number") && argc == 2) {
                        if (profile.numbers == MAX_SPECIAL)
                                die("more than %d numbers", MAX_SPECIAL);
                        profile.number[profile.numbers++] =
                                (struct number){argv[0], (int)number(argv[1], 0xffff)};
                } else if (!strcmp(verb, "always"))
                        add_always(&profile, context, argc, argv);
                else if (!strcmp(verb, "match"))
                        add_match(&profile, argc, argv);
                else if (!strcmp(verb, "otherwise") && argc == 2) {
                        struct special *call = special(&profile, argv[0]);
                        if (!call->matches) /* it would replace what `always` says of the call */
                                die("otherwise: %.40s has no match before it", argv[0]);
                        call->otherwise = verdict(argv[1]);
                }
                else
                        die("%.40s: not a verb of a profile", verb);
        }
        if (!context)
                die("the profile has no default");
        compile(&program, &profile, context);
        size_t size = program.length * sizeof(struct sock_filter);
        for (size_t done = 0; done < size;) {
                ssize_t put = write(STDOUT_FILENO, (char *)program.insn + done, size - done);
                if (put <= 0)
                        die("stdout: %s", strerror(errno));
                done += (size_t)put;
        }
        return 0;
}
