/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fault kill|CODE N SEEN COMMAND...: runs a command, its threads and its children; at the N-th
 * system call (of all of them together, from 1) that changes something on disk, kills the process
 * that makes it, or lets the call fail with that error number and do nothing. The count of such
 * calls so far is written to the file SEEN when the command ends: below N, nothing was done to it.
 * Ends with the command's status, 137 when it was killed, 126 where ptrace does not work. What the
 * command leaves running in the background is killed at the end.
 */
#include "fault.h"

#include <string.h>

static void trace_child(pid_t pid)
{
    (void)ptrace(PTRACE_SETOPTIONS, pid, NULL,
                 (void *)(uintptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE |
                                     PTRACE_O_TRACEFORK | PTRACE_O_TRACEVFORK | PTRACE_O_TRACEEXEC |
                                     PTRACE_O_EXITKILL));
    (void)ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
}

static int follow(struct fault_run *run, pid_t pid)
{
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0)
            return 126;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (tid != pid)
                continue;
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        }
        int signal = fault_stop(run, tid, status);
        if (signal < 0)
            (void)kill(tid, SIGKILL); /* the whole process of this thread */
        else
            (void)ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(intptr_t)signal);
    }
}

static int write_seen(const char *path, unsigned seen)
{
    FILE *file = fopen(path, "w");

    if (!file)
        return -1;
    fprintf(file, "%u\n", seen);
    return fclose(file);
}

int main(int argc, char **argv)
{
    struct fault_run run = {.kind = FAULT_KILL};
    int status;

    if (argc < 5)
        return 2;
    if (strcmp(argv[1], "kill") != 0) {
        run.kind = FAULT_FAIL;
        run.code = -atoi(argv[1]);
    }
    run.at = (unsigned)strtoul(argv[2], NULL, 10);
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 && raise(SIGSTOP) == 0)
            execvp(argv[4], argv + 4);
        _exit(126);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return 126;
    trace_child(pid);
    status = follow(&run, pid);
    return write_seen(argv[3], run.seen) < 0 ? 126 : status;
}
