/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

#include "internal.h"

/*
 * Forks twice, so that the orphan is nobody's child and its end leaves no zombie with us. The one
 * between only forks and ends: it borrows our memory (vfork) instead of copying its page tables,
 * which takes about a millisecond each time. The orphan has a copy of its own again.
 */
int cf_fork_orphan(void)
{
    int status = 0;
    pid_t pid = vfork();

    if (pid == 0) {
        pid_t orphan = fork();
        if (orphan == 0)
            return 0;
        _exit(orphan < 0 ? errno : 0);
    }
    if (pid < 0)
        return -errno;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) ? -WEXITSTATUS(status) : 1;
}
