/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a piece of work in a child process, and kills it at its n-th system call that changes
 * something on disk, or makes that call fail. By ptrace(2): the code under test is the product's,
 * unchanged, threads included. fault_possible() is false where the machine does not allow it.
 */
#ifndef FAULT_H
#define FAULT_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <linux/ptrace.h>

enum fault_kind { FAULT_KILL, FAULT_FAIL };

/* The child's verdict: what work returned (0 to 100), or one of these. */
#define FAULT_KILLED (-1) /* as asked */
#define FAULT_BROKEN (-2) /* a crash, or ptrace does not work here */

typedef int fault_work(void *context); /* returns 0 to 100, which becomes the exit status */

static inline bool fault_changes_disk(const struct ptrace_syscall_info *info)
{
    switch (info->entry.nr) {
    case SYS_openat:
        return (info->entry.args[2] & O_CREAT) || (info->entry.args[2] & O_TMPFILE) == O_TMPFILE;
    case SYS_write:
    case SYS_pwrite64:
    case SYS_writev:
    case SYS_pwritev:
    case SYS_mkdirat:
    case SYS_mknodat:
    case SYS_linkat:
    case SYS_symlinkat:
    case SYS_unlinkat:
    case SYS_renameat2:
#ifdef SYS_renameat
    case SYS_renameat:
#endif
#ifdef SYS_rename
    case SYS_rename:
    case SYS_unlink:
    case SYS_rmdir:
    case SYS_mkdir:
#endif
    case SYS_fsync:
    case SYS_fdatasync:
    case SYS_syncfs:
    case SYS_sync_file_range:
    case SYS_ftruncate:
    case SYS_fallocate:
    case SYS_fchmod:
    case SYS_fchmodat:
    case SYS_fchown:
    case SYS_fchownat:
    case SYS_utimensat:
    case SYS_setxattr:
    case SYS_lsetxattr:
    case SYS_fsetxattr:
    case SYS_removexattr:
    case SYS_lremovexattr:
    case SYS_fremovexattr:
    case SYS_copy_file_range:
        return true;
    default:
        return false;
    }
}

/* At the entry of a call: lets the kernel do nothing. At its exit: puts the result. */
static inline bool fault_skip_call(pid_t tid)
{
#ifdef __x86_64__
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
        return false;
    regs.orig_rax = (unsigned long long)-1;
    return ptrace(PTRACE_SETREGS, tid, NULL, &regs) == 0;
#else
    (void)tid;
    return false;
#endif
}

static inline bool fault_set_result(pid_t tid, int result)
{
#ifdef __x86_64__
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, tid, NULL, &regs) < 0)
        return false;
    regs.rax = (unsigned long long)(long long)result;
    return ptrace(PTRACE_SETREGS, tid, NULL, &regs) == 0;
#else
    (void)tid;
    (void)result;
    return false;
#endif
}

struct fault_run {
    enum fault_kind kind;
    int code;    /* negative errno, for FAULT_FAIL */
    unsigned at; /* the number of the call, from 1 */
    unsigned seen;
    pid_t failing; /* the thread whose call is being made to fail, or 0 */
};

/* One stop of one thread; returns the signal to hand on, or -1 when the child was killed. */
static inline int fault_stop(struct fault_run *run, pid_t tid, int status)
{
    struct ptrace_syscall_info info;
    int signal = WSTOPSIG(status);

    if (status >> 16 || signal == SIGSTOP)
        return 0; /* a ptrace event, or the first stop of a new thread */
    if (signal != (SIGTRAP | 0x80))
        return signal;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, tid, sizeof(info), &info) <= 0)
        return 0;
    if (info.op == PTRACE_SYSCALL_INFO_EXIT && run->failing == tid) {
        run->failing = 0;
        (void)fault_set_result(tid, run->code);
    }
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY || !fault_changes_disk(&info) ||
        ++run->seen != run->at)
        return 0;
    if (run->kind == FAULT_KILL)
        return -1;
    if (fault_skip_call(tid))
        run->failing = tid;
    return 0;
}

static inline int fault_follow(struct fault_run *run, pid_t pid)
{
    for (;;) {
        int status;
        pid_t tid = waitpid(-1, &status, __WALL);
        if (tid < 0 && errno == EINTR)
            continue;
        if (tid < 0)
            return FAULT_BROKEN;
        if (WIFEXITED(status) || WIFSIGNALED(status)) {
            if (tid != pid)
                continue;
            return WIFEXITED(status) ? WEXITSTATUS(status) : FAULT_BROKEN;
        }
        int signal = fault_stop(run, tid, status);
        if (signal < 0) {
            (void)kill(pid, SIGKILL);
            while (waitpid(-1, &status, __WALL) > 0)
                ;
            return FAULT_KILLED;
        }
        (void)ptrace(PTRACE_SYSCALL, tid, NULL, (void *)(intptr_t)signal);
    }
}

/* Runs work with the fault; *ret_seen gets the number of calls that changed something: when it is
 * below `at`, the fault did not happen. The caller has no other children. */
static inline int fault_run(fault_work *work, void *context, enum fault_kind kind, int code,
                            unsigned at, unsigned *ret_seen)
{
    struct fault_run run = {.kind = kind, .code = code, .at = at};
    int status;

    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0)
            _exit(127);
        raise(SIGSTOP);
        _exit(work(context));
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFSTOPPED(status))
        return FAULT_BROKEN;
    (void)ptrace(
        PTRACE_SETOPTIONS, pid, NULL,
        (void *)(uintptr_t)(PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL));
    (void)ptrace(PTRACE_SYSCALL, pid, NULL, NULL);
    int r = fault_follow(&run, pid);
    *ret_seen = run.seen;
    return r;
}

static inline int fault_probe(void *context)
{
    (void)context;
    return fsync(-1) == 0 || errno != ENOSPC ? 1 : 7;
}

static inline bool fault_possible(void)
{
    unsigned seen = 0;

    return fault_run(fault_probe, NULL, FAULT_FAIL, -ENOSPC, 1, &seen) == 7 && seen == 1;
}

#endif
