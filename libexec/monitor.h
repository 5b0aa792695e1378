/* SPDX-License-Identifier: Apache-2.0 */
/* pypod-monitor: the process that stays with a container. Everything it knows is in struct monitor. */
#ifndef PYPOD_MONITOR_H
#define PYPOD_MONITOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "log.h"
#include "proto.h"

enum {
    FD_CHANNEL = 3, /* to the client that started this monitor */
    FD_RECORD = 4,  /* directory of the container's record */
    FD_SOCKETS = 5, /* directory of the attach sockets */
    FD_FIRST_HANDED = 6,

    FRAME_MAX = 65536, /* payload of one frame */
    STDIN_SLOTS = 8,   /* stdin frames kept while the container does not read */
    CLIENTS_MAX = 32,
    HANDED_MAX = 128,
    EXIT_WORDS_MAX = 32,
    WATCHES_MAX = 4,
    FOLLOWED_MAX = 16,
    FOLLOWED_NAME = 64,
    NETWORK_WORDS_MAX = 512,
};

/* A descriptor in the epoll set. `events` is what epoll was told; 0 = not in the set at all, because
 * epoll reports EPOLLHUP and EPOLLERR even to those who asked for nothing, and that would spin. */
struct source {
    int fd; /* -1: closed */
    uint32_t tag;
    uint32_t events;
};

enum source_kind { SOURCE_SIGNALS, SOURCE_STATUS, SOURCE_CONSOLE, SOURCE_LISTENER, SOURCE_STDIN,
                   SOURCE_OUTPUT, SOURCE_CLIENT, SOURCE_CHANGES, SOURCE_NETWORK };

struct options {
    bool tty, takes_stdin, stdin_once, no_record;
    bool network_outside; /* its program stays in our user namespace: root's, for ports below 1024 */
    unsigned long run;
    int64_t timeout_ms; /* --timeout: the container's time from its exec on; 0 = no end */
    const char *attach_name;
    int handed[HANDED_MAX]; /* descriptors that the runtime gets at the same numbers */
    int handed_count;
    char *exit_words[EXIT_WORDS_MAX + 1];
    int exit_word_count;
    char *watches[WATCHES_MAX]; /* --watch: files of the host to follow */
    int watch_count;
    char *watch_words[EXIT_WORDS_MAX + 1]; /* what is run when one changes; [0] is absolute */
    int watch_word_count;
    char *network_words[NETWORK_WORDS_MAX + 1]; /* what connects the container's network; [0] is absolute */
    int network_word_count;
    int network_ready_fd; /* where it writes when it is ready; 0: stdout */
    const char *network_socket; /* where it takes requests */
    char *network_requests[NETWORK_WORDS_MAX];
    int network_request_count;
    char **runtime; /* argv of the runtime */
};

struct client {
    struct source source;
    bool known;          /* said hello; the channel need not */
    bool output;         /* wants what the container writes */
    bool sends_stdin;    /* feeds the container */
    bool told_start;     /* it has the pid */
    bool behind;         /* the pending output frame has not gone to it yet */
    bool deaf;           /* it closed its end; what it sent before is still to be read */
    int64_t stuck_since; /* monotonic ms of the first refused send; 0 = not stuck */
    uint32_t credit;     /* stdin frames taken and not yet acknowledged */
};

/* A name in a watched directory, "" for a watched file. */
struct followed {
    int wd;
    char name[FOLLOWED_NAME];
};

enum sent { SEND_DONE, SEND_LATER, SEND_LOST };

struct output {
    struct source source;
    char type; /* of its frames: 'o' or 'e' */
    const char *stream;
};

struct slot {
    uint32_t offset, size;
    int client; /* who sent it; -1: gone */
};

enum phase {
    STARTING, /* until the runtime's exec */
    RUNNING,
    DRAINING, /* the container is reaped; its last output and the clients' last frames go out */
};

struct monitor {
    struct options options;
    enum phase phase;
    int epoll;
    struct source signals, status, console, listener, in, changes, network_ready;
    struct output out[2];
    struct client clients[CLIENTS_MAX]; /* [0] is the channel */
    struct log log;

    pid_t runtime; /* what was started: pypod-init's outer half; 0 when reaped */
    int runtime_status; /* its wait status, once reaped */
    pid_t child;   /* the container's process; 0 before it is known and after it is reaped */
    pid_t network; /* its network's program; 0: none, or reaped */
    int network_said; /* what that program says on stderr */
    bool network_up; /* it is ready */
    bool released; /* the runtime was told to exec */
    bool failed;   /* the start failed; `error` says how */
    struct status_record error;
    pid_t pid; /* of the container, for the records */
    int code, signal;
    uint64_t early_signals; /* asked for before the container could take them */

    char *frame;       /* one type byte, FRAME_MAX bytes */
    size_t frame_size; /* 0: no output is pending */
    char *slots;       /* STDIN_SLOTS times FRAME_MAX bytes */
    struct slot slot[STDIN_SLOTS];
    int slot_first, slot_count;
    bool stdin_open;  /* the container has a stdin that takes bytes, now or when its pty is there */
    bool stdin_ended; /* close the container's stdin when the slots are empty */
    uint16_t rows, columns;
    bool has_size;

    int exit_fd;  /* `exit.tmp`, its block already allocated: a full disk loses no exit status */
    int peer_fd;  /* the pty's other end, held open so that the master never hangs up early */
    int64_t kill_at;     /* monotonic ms: the end of --timeout; 0 = none */
    int64_t drain_until; /* monotonic ms: until then `exit` waits for the log to be complete */
    struct followed followed[FOLLOWED_MAX];
    int followed_count;
    pid_t follower;      /* the command of --watch-word that runs now */
    int64_t follow_at;   /* monotonic ms: when to run it; 0 = nothing has changed */
    int64_t follow_next; /* not before */
    int64_t look_at;     /* when to look at the files, where inotify cannot be had; 0 = never */
    uint64_t looked;     /* what they were then */
    bool written; /* `exit` is in place */
    bool stop_asked; /* by `pypod stop`, when that was written */
    bool dirty;   /* buffers hold memory */
    bool grown;   /* pipes are enlarged */
};

/* monitor.c */
void source_close(struct monitor *m, struct source *source);
int64_t now_ms(void);
void container_signal(struct monitor *m, int signo);
void default_signals(void); /* in a child: nothing blocked, nothing ignored */

/* setup.c: before the start */
bool setup_options(struct options *options, struct log *log, int count, char **words);
bool setup_monitor(struct monitor *m); /* false: errno says why no monitor can be had */

/* start.c: from fork to the runtime's exec */
void start_runtime(struct monitor *m);
void start_status(struct monitor *m);  /* the status socket is readable */
void start_release(struct monitor *m); /* let the container go, if everything is there */
void start_console(struct monitor *m); /* the console socket is readable */
void start_failed(struct monitor *m, int stage, int error, const char *text);

/* network.c: the program that connects the container's network */
void network_start(struct monitor *m, const int namespaces[2]); /* user, net */
void network_readable(struct monitor *m);
void network_stop(struct monitor *m);

/* record.c: what others read of the container, in its record directory */
bool record_prepare(struct monitor *m);
bool record_pids(struct monitor *m); /* false: errno says why */
void record_exit(struct monitor *m);
bool record_claimed(void);

/* watch.c: files of the host that the container's follow */
void watch_start(struct monitor *m);
void watch_readable(struct monitor *m);
void watch_follow(struct monitor *m);
int64_t watch_wait(const struct monitor *m, int64_t now); /* ms until it has to; -1 = never */

/* stream.c: stdin into the container, output out of it */
bool stream_prepare(struct monitor *m);
void stream_output(struct monitor *m, struct output *output);
bool stream_drained(struct monitor *m); /* after the end: read all; false while a client is behind */
void stream_retry(struct monitor *m, struct client *client); /* it can take the pending frame now */
void stream_settle(struct monitor *m);                       /* has everyone got the pending frame? */
char *stream_space(struct monitor *m); /* where the next stdin frame may be received; NULL: full */
bool stream_take(struct monitor *m, struct client *client, size_t size); /* keep what is there */
void stream_stdin(struct monitor *m);
void stream_end(struct monitor *m);  /* no more stdin */
void stream_tidy(struct monitor *m); /* give memory back */

/* attach.c: clients and their frames */
void attach_listen(struct monitor *m);
bool attach_accept(struct monitor *m); /* false: nobody was waiting */
void attach_close(struct monitor *m);
void attach_window(struct monitor *m); /* give the pty the size that a client told */
void client_adopt(struct client *client, int fd);
enum sent client_send(struct client *client, const void *data, size_t size);
void client_receive(struct monitor *m, struct client *client);
void client_drop(struct monitor *m, struct client *client, bool detached);
void client_update(struct monitor *m, struct client *client); /* send what it should know by now */
uint32_t client_events(struct monitor *m, const struct client *client);
bool clients_gone(const struct monitor *m);

#endif
