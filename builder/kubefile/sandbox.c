/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where RUN runs: namespaces of its own (mounts, processes, IPC, host name; network unless allowed;
 * users where it is not root), in a root made of the machine's directories, all read-only. The
 * rootfs is /rootfs, the only place that keeps what is written; /tmp, /run and /dev are its own and
 * vanish.
 *
 * As root it keeps the capabilities that containers usually have: none that could undo the mounts.
 * Sources: mount_namespaces(7), user_namespaces(7), pivot_root(2), mount_setattr(2).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <limits.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "internal.h"

#define NEW_ROOT "/tmp" /* where the root is put together: it is on every machine */
#define INSIDE "/rootfs"

/* What the child tells before it becomes the command; code 0 is never sent. */
struct report {
    int code; /* errno */
    char what[128];
};

struct child {
    const struct cf_sandbox *sandbox;
    int report_fd, out_fd;
    uid_t uid;
    gid_t gid;
    bool as_root;
};

static void __attribute__((noreturn)) give_up(const struct child *child, const char *what)
{
    struct report report = {.code = errno};
    (void)snprintf(report.what, sizeof(report.what), "%s", what);
    (void)cf_write_full(child->report_fd, &report, sizeof(report));
    _exit(127);
}

static int write_text(const char *path, const char *text)
{
    int fd cf_autoclose = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : cf_write_full(fd, text, strlen(text));
}

/* Inside, the user is root: what he makes belongs to the image's root. */
static void map_user(const struct child *child)
{
    char map[64];
    (void)write_text("/proc/self/setgroups", "deny");
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)child->uid);
    if (write_text("/proc/self/uid_map", map) < 0)
        give_up(child, "cannot map the user ID");
    (void)snprintf(map, sizeof(map), "0 %u 1", (unsigned)child->gid);
    if (write_text("/proc/self/gid_map", map) < 0)
        give_up(child, "cannot map the group ID");
}

static void bind(const struct child *child, const char *from, const char *to)
{
    if (mount(from, to, NULL, MS_BIND | MS_REC, NULL) < 0)
        give_up(child, from);
}

/* One entry of / into the new root. */
static void take_entry(const char *name)
{
    static const char *const own[] = {"proc", "dev", "tmp", "run", "sys", "rootfs", "lost+found"};
    char from[NAME_MAX + 2], to[NAME_MAX + 16], target[PATH_MAX];
    struct stat st;

    for (size_t i = 0; i < CF_COUNT(own); i++)
        if (!strcmp(name, own[i]))
            return;
    (void)snprintf(from, sizeof(from), "/%s", name);
    (void)snprintf(to, sizeof(to), NEW_ROOT "/%s", name);
    if (lstat(from, &st) < 0)
        return;
    if (S_ISLNK(st.st_mode)) {
        ssize_t len = readlink(from, target, sizeof(target) - 1);
        if (len > 0) {
            target[len] = '\0';
            (void)symlink(target, to);
        }
        return;
    }
    if (!S_ISDIR(st.st_mode) || mkdir(to, 0755) < 0)
        return;
    /* A directory that cannot be had (another user's) is left empty. */
    (void)mount(from, to, NULL, MS_BIND | MS_REC, NULL);
}

static void make_dev(const struct child *child)
{
    static const char *const nodes[] = {"null", "zero", "full", "random", "urandom"};
    static const char *const links[][2] = {{"/proc/self/fd", "fd"},
                                           {"/proc/self/fd/0", "stdin"},
                                           {"/proc/self/fd/1", "stdout"},
                                           {"/proc/self/fd/2", "stderr"}};
    char from[32], to[48];

    if (mkdir(NEW_ROOT "/dev", 0755) < 0 ||
        mount("dev", NEW_ROOT "/dev", "tmpfs", MS_NOSUID, "mode=755") < 0)
        give_up(child, "cannot mount /dev");
    for (size_t i = 0; i < CF_COUNT(nodes); i++) {
        (void)snprintf(from, sizeof(from), "/dev/%s", nodes[i]);
        (void)snprintf(to, sizeof(to), NEW_ROOT "/dev/%s", nodes[i]);
        int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
        if (fd >= 0)
            (void)close(fd);
        bind(child, from, to);
    }
    for (size_t i = 0; i < CF_COUNT(links); i++) {
        (void)snprintf(to, sizeof(to), NEW_ROOT "/dev/%s", links[i][1]);
        (void)symlink(links[i][0], to);
    }
    if (mkdir(NEW_ROOT "/dev/shm", 01777) < 0 || chmod(NEW_ROOT "/dev/shm", 01777) < 0)
        give_up(child, "cannot make /dev/shm");
}

static int set_read_only(int dirfd, const char *path, bool recursive, bool read_only)
{
    struct mount_attr attr = {.attr_set = read_only ? MOUNT_ATTR_RDONLY : 0,
                              .attr_clr = read_only ? 0 : MOUNT_ATTR_RDONLY};
    unsigned flags = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    return (int)syscall(SYS_mount_setattr, dirfd, path, flags, &attr, sizeof(attr));
}

static void take_entries(const struct child *child)
{
    DIR *dir cf_autoclosedir = opendir("/");
    if (!dir)
        give_up(child, "cannot read /");
    for (const struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            take_entry(entry->d_name);
}

static void own_tmpfs(const struct child *child, const char *path, const char *mode)
{
    if (mkdir(path, 0755) < 0 || mount("tmpfs", path, "tmpfs", MS_NOSUID | MS_NODEV, mode) < 0)
        give_up(child, path);
}

/* The tree of mounts, and this process in it. rootfs: its mount, from before /tmp was covered. */
static void make_root(const struct child *child, int rootfs)
{
    char from[32];

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        give_up(child, "cannot make the mounts private");
    if (mount("root", NEW_ROOT, "tmpfs", MS_NOSUID | MS_NODEV, "mode=755") < 0)
        give_up(child, "cannot mount a new root");
    take_entries(child);
    if (mkdir(NEW_ROOT INSIDE, 0755) < 0)
        give_up(child, "cannot make " INSIDE);
    (void)snprintf(from, sizeof(from), "/proc/self/fd/%d", rootfs);
    if (mkdir(NEW_ROOT "/sys", 0755) == 0)
        (void)mount("/sys", NEW_ROOT "/sys", NULL, MS_BIND | MS_REC, NULL);
    if (set_read_only(AT_FDCWD, NEW_ROOT, true, true) < 0)
        give_up(child, "cannot make the machine's directories read-only");
    if (set_read_only(AT_FDCWD, NEW_ROOT, false, false) < 0)
        give_up(child, "cannot write into the new root");
    bind(child, from, NEW_ROOT INSIDE);
    make_dev(child);
    own_tmpfs(child, NEW_ROOT "/tmp", "mode=1777");
    own_tmpfs(child, NEW_ROOT "/run", "mode=755");
    if (mkdir(NEW_ROOT "/proc", 0755) < 0 ||
        mount("proc", NEW_ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
        give_up(child, "cannot mount /proc");
    if (child->as_root && set_read_only(AT_FDCWD, NEW_ROOT "/proc", false, true) < 0)
        give_up(child, "cannot make /proc read-only");
    if (set_read_only(AT_FDCWD, NEW_ROOT, false, true) < 0)
        give_up(child, "cannot make the new root read-only");
    if (chdir(NEW_ROOT) < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
        umount2(".", MNT_DETACH) < 0)
        give_up(child, "cannot change to the new root");
    if (chdir(INSIDE) < 0)
        give_up(child, "cannot enter " INSIDE);
}

/* The usual capabilities of a container. */
static void drop_capabilities(const struct child *child)
{
    static const unsigned kept[] = {CAP_CHOWN,  CAP_DAC_OVERRIDE, CAP_FOWNER,  CAP_FSETID,
                                    CAP_KILL,   CAP_SETGID,       CAP_SETUID,  CAP_SETPCAP,
                                    CAP_MKNOD,  CAP_SYS_CHROOT,   CAP_SETFCAP, CAP_NET_BIND_SERVICE,
                                    CAP_NET_RAW};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    uint64_t mask = 0;

    for (size_t i = 0; i < CF_COUNT(kept); i++)
        mask |= UINT64_C(1) << kept[i];
    for (unsigned cap = 0; cap <= CAP_LAST_CAP; cap++)
        if (!(mask >> cap & 1))
            (void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (unsigned i = 0; i < 2; i++) {
        data[i].effective = data[i].permitted = (uint32_t)(mask >> (32 * i));
        data[i].inheritable = 0;
    }
    if (syscall(SYS_capset, &header, data) < 0)
        give_up(child, "cannot give up capabilities");
}

static void __attribute__((noreturn)) become(const struct child *child)
{
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        give_up(child, "cannot give up new privileges");
    drop_capabilities(child);
    if (null_fd < 0 || dup2(null_fd, STDIN_FILENO) < 0 || dup2(child->out_fd, STDOUT_FILENO) < 0 ||
        dup2(child->out_fd, STDERR_FILENO) < 0)
        give_up(child, "cannot redirect the output");
    (void)umask(022);
    (void)setsid();
    execvpe(child->sandbox->argv[0], (char *const *)(uintptr_t)child->sandbox->argv,
            (char *const *)(uintptr_t)child->sandbox->envp);
    give_up(child, child->sandbox->argv[0]);
}

/* In the new namespaces: the first process of its PID namespace waits for the command. */
static void __attribute__((noreturn)) run_inside(const struct child *child)
{
    int rootfs = open(child->sandbox->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    sigset_t none;
    int status = 0;

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    if (rootfs < 0)
        give_up(child, child->sandbox->root);
    make_root(child, rootfs);
    (void)sethostname("cloudfs", 7);
    pid_t pid = fork();
    if (pid < 0)
        give_up(child, "cannot start a process");
    if (pid == 0)
        become(child);
    (void)close(child->report_fd);
    (void)close(child->out_fd);
    for (;;) { /* also those whose parents are gone */
        int s = 0;
        pid_t ended = wait(&s);
        if (ended == pid)
            status = s;
        if (ended == pid || (ended < 0 && errno != EINTR))
            break;
    }
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

static void __attribute__((noreturn)) enter(struct child *child)
{
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS |
                (child->sandbox->network ? 0 : CLONE_NEWNET) | (child->as_root ? 0 : CLONE_NEWUSER);

    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    if (unshare(flags) < 0)
        give_up(child, "cannot make namespaces");
    if (!child->as_root)
        map_user(child);
    pid_t pid = fork();
    if (pid < 0)
        give_up(child, "cannot start a process");
    if (pid == 0)
        run_inside(child);
    (void)close(child->report_fd);
    (void)close(child->out_fd);
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* Hands on what comes out of fd, until all who could write are gone. */
static void relay(const struct cf_sandbox *sandbox, int fd)
{
    char data[16384];
    for (;;) {
        ssize_t n = read(fd, data, sizeof(data));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        sandbox->output(sandbox->output_context, data, (size_t)n);
    }
}

int cf_sandbox_run(const struct cf_sandbox *sandbox, struct cf_error *err)
{
    int report[2] = {-1, -1}, out[2] = {-1, -1}, status = 0;
    struct report told = {0};
    struct child child = {
        .sandbox = sandbox, .uid = geteuid(), .gid = getegid(), .as_root = geteuid() == 0};

    if (pipe2(report, O_CLOEXEC) < 0)
        return cf_fail_errno(err, errno, "cannot make a pipe");
    int report_in cf_autoclose = report[0], report_out cf_autoclose = report[1];
    if (pipe2(out, O_CLOEXEC) < 0)
        return cf_fail_errno(err, errno, "cannot make a pipe");
    int out_in cf_autoclose = out[0], out_out cf_autoclose = out[1];
    child.report_fd = report_out;
    child.out_fd = out_out;
    pid_t pid = fork();
    if (pid < 0)
        return cf_fail_errno(err, errno, "cannot start a process");
    if (pid == 0)
        enter(&child);
    cf_close_fd(&report_out);
    cf_close_fd(&out_out);
    relay(sandbox, out_in);
    ssize_t n = cf_read_full(report_in, &told, sizeof(told));
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (n == (ssize_t)sizeof(told))
        return cf_fail_errno(err, told.code, "RUN: %s", told.what);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
