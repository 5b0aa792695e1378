/* SPDX-License-Identifier: Apache-2.0
 *
 * A program whose first thread ends while another lives on: its process looks like a zombie. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *stay(void *nothing)
{
    for (;;)
        sleep(1000);
    return nothing;
}

int main(void)
{
    pthread_t thread;

    pthread_create(&thread, NULL, stay, NULL);
    syscall(SYS_exit, 0);
}
