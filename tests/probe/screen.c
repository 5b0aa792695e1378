/* SPDX-License-Identifier: Apache-2.0 */
/* A full-screen program that shows what it knows of its terminal: a letter in each corner, the size, how
 * often it drew, and the bytes typed. It draws at the start and after every SIGWINCH; q ends it with
 * code 7, z by SIGTERM. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t changed = 1;
static struct termios usual;
static char typed[64];
static int drawn;

static void resized(int number)
{
    (void)number;
    changed = 1;
}

static void draw(void)
{
    struct winsize size = {0};

    ioctl(0, TIOCGWINSZ, &size);
    int rows = size.ws_row ? size.ws_row : 24, columns = size.ws_col ? size.ws_col : 80;
    printf("\033[H\033[2JA\033[1;%dHB\033[%d;1HC\033[%d;%dHD", columns, rows, rows, columns);
    printf("\033[3;3Hsize %dx%d\033[4;3Hdrawn %d\033[5;3Htyped%s\033[2;1H", size.ws_row, size.ws_col,
           drawn, typed);
    fflush(stdout);
}

static void leave(void)
{
    printf("\033[2J\033[H");
    fflush(stdout);
    tcsetattr(0, TCSADRAIN, &usual);
}

static void key(unsigned char byte)
{
    char text[8];

    if (byte == 'q') {
        leave();
        _exit(7);
    }
    if (byte == 'z') {
        leave();
        raise(SIGTERM);
    }
    snprintf(text, sizeof text, " %02x", byte);
    if (strlen(typed) + strlen(text) >= sizeof typed)
        memmove(typed, typed + 3, strlen(typed) - 2);
    strcat(typed, text);
    changed = 1;
}

int main(void)
{
    struct sigaction action = {.sa_handler = resized};
    struct termios raw;
    unsigned char byte;
    sigset_t winch, before;

    if (tcgetattr(0, &usual) < 0)
        return 1;
    raw = usual;
    cfmakeraw(&raw);
    tcsetattr(0, TCSADRAIN, &raw);
    sigemptyset(&winch);
    sigaddset(&winch, SIGWINCH);
    sigprocmask(SIG_BLOCK, &winch, &before);
    sigaction(SIGWINCH, &action, NULL);
    for (;;) {
        struct pollfd input = {.fd = 0, .events = POLLIN};
        if (changed) {
            changed = 0;
            drawn++;
            draw();
        }
        if (ppoll(&input, 1, NULL, &before) < 0)
            continue;
        ssize_t got = read(0, &byte, 1);
        if (got == 0 || (got < 0 && errno != EINTR))
            return 3;
        if (got == 1)
            key(byte);
    }
}
