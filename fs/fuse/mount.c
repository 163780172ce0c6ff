/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Mounting and unmounting: by mount(2) as root, else by fusermount3, which hands an open /dev/fuse
 * through the socket that _FUSE_COMMFD names. Source: libfuse, util/fusermount.c; the kernel's
 * Documentation/filesystems/fuse.rst "Mount options".
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cloudfs/buf.h>
#include <cloudfs/fuse.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/scope.h>

#define FS_TYPE "fuse.cloudfs"
#define HELPER "fusermount3"

static int open_device(struct cf_error *err)
{
    int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
        return cf_fail(err, -errno,
                       "no FUSE here (/dev/fuse is missing): load the kernel module fuse");
    return cf_fail_errno(err, errno, "not allowed to use FUSE here: open /dev/fuse");
}

static int mount_as_root(const struct cf_fuse_mount *m, int *ret_fd, struct cf_error *err)
{
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    int fd cf_autoclose = open_device(err);
    if (fd < 0)
        return fd;
    int r = cf_buf_printf(&data, "fd=%d,rootmode=%o,user_id=%u,group_id=%u%s%s%s%s", fd, S_IFDIR,
                          geteuid(), getegid(), m->allow_other ? ",allow_other" : "",
                          m->default_permissions ? ",default_permissions" : "",
                          m->context ? "," : "", m->context ? m->context : "");
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot mount");
    if (mount(m->source, m->mountpoint, FS_TYPE, m->flags, data.data) < 0) {
        if (errno == EPERM)
            return cf_fail(err, -EPERM, "not allowed to mount here (no CAP_SYS_ADMIN)");
        if (errno == ENODEV)
            return cf_fail(err, -ENODEV, "the kernel has no FUSE: load the module fuse");
        return cf_fail_errno(err, errno, "mount(2) refuses %s", CF_QUOTE(m->mountpoint));
    }
    *ret_fd = CF_TAKE_FD(fd);
    return 0;
}

/* One value of fusermount3's -o, with its separators escaped. */
static int add_option(struct cf_buf *options, const char *name, const char *value)
{
    int r = cf_buf_printf(options, ",%s", name);
    for (; r == 0 && value && *value; value++) {
        if (*value == ',' || *value == '\\')
            r = cf_buf_add_char(options, '\\');
        if (r == 0)
            r = cf_buf_add_char(options, *value);
    }
    return r;
}

static int helper_options(const struct cf_fuse_mount *m, struct cf_buf *options)
{
    static const struct {
        unsigned long flag;
        const char *name;
    } flags[] = {{MS_NOSUID, "nosuid"},   {MS_NODEV, "nodev"},      {MS_NOEXEC, "noexec"},
                 {MS_NOATIME, "noatime"}, {MS_SYNCHRONOUS, "sync"}, {MS_DIRSYNC, "dirsync"}};
    int r = cf_buf_add_str(options, m->flags & MS_RDONLY ? "ro" : "rw");
    for (size_t i = 0; r == 0 && i < CF_COUNT(flags); i++)
        if (m->flags & flags[i].flag)
            r = add_option(options, flags[i].name, NULL);
    if (r == 0 && m->allow_other)
        r = add_option(options, "allow_other", NULL);
    if (r == 0 && m->default_permissions)
        r = add_option(options, "default_permissions", NULL);
    if (r == 0)
        r = add_option(options, "subtype=", "cloudfs");
    if (r == 0)
        r = add_option(options, "fsname=", m->source);
    return r;
}

/* The environment plus the name of the socket; the array is the caller's, the strings are not. */
static char **helper_environment(char *comm_fd)
{
    size_t count = 0;
    while (environ[count])
        count++;
    char **copy = calloc(count + 2, sizeof(*copy));
    if (!copy)
        return NULL;
    copy[0] = comm_fd;
    memcpy(copy + 1, environ, count * sizeof(*copy));
    return copy;
}

/*
 * Runs fusermount3 with the descriptor comm_fd (or -1) as its 3, and what it says on stderr
 * in error_fd.
 */
static int spawn_helper(char *const argv[], int comm_fd, int error_fd, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none;
    char name[] = "_FUSE_COMMFD=3";
    char **environment cf_autofree = helper_environment(name);

    if (!environment)
        return -ENOMEM;
    (void)sigemptyset(&none);
    if (posix_spawn_file_actions_init(&actions) != 0)
        return -ENOMEM;
    if (posix_spawnattr_init(&attr) != 0) {
        (void)posix_spawn_file_actions_destroy(&actions);
        return -ENOMEM;
    }
    int r = posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
    if (r == 0)
        r = posix_spawnattr_setsigmask(&attr, &none);
    if (r == 0)
        r = posix_spawn_file_actions_adddup2(&actions, error_fd, 2);
    if (r == 0 && comm_fd >= 0)
        r = posix_spawn_file_actions_adddup2(&actions, comm_fd, 3);
    if (r == 0)
        r = posix_spawnp(ret_pid, HELPER, &actions, &attr, argv, environment);
    (void)posix_spawnattr_destroy(&attr);
    (void)posix_spawn_file_actions_destroy(&actions);
    return -r;
}

/* What the helper said, as one line; and whether it succeeded. */
static int wait_helper(pid_t pid, int error_fd, char *ret_text, size_t size)
{
    struct cf_buf said cf_autobuf = CF_BUF_INIT;
    int status = 0;

    (void)cf_read_fd(error_fd, 4096, &said);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    const char *text = said.data ? said.data : "";
    if (!strncmp(text, HELPER ": ", strlen(HELPER ": ")))
        text += strlen(HELPER ": ");
    (void)snprintf(ret_text, size, "%.*s", (int)strcspn(text, "\n"), text);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int receive_fd(int socket_fd)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
    ssize_t n;
    int fd;

    do
        n = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    struct cmsghdr *header = n > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (!header || header->cmsg_type != SCM_RIGHTS || header->cmsg_len < CMSG_LEN(sizeof(fd)))
        return -EPROTO;
    memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

static int helper_missing(int r, struct cf_error *err)
{
    if (r == -ENOENT)
        return cf_fail(err, r, HELPER " is missing: install the package fuse3");
    return cf_fail_errno(err, -r, "cannot run " HELPER);
}

static int mount_as_user(const struct cf_fuse_mount *m, int *ret_fd, struct cf_error *err)
{
    struct cf_buf options cf_autobuf = CF_BUF_INIT;
    int sockets[2], errors[2];
    char said[512];
    pid_t pid;

    if (access("/dev/fuse", F_OK) < 0)
        return cf_fail(err, -ENOENT,
                       "no FUSE here (/dev/fuse is missing): load the kernel module fuse");
    int r = helper_options(m, &options);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot mount");
    if (pipe2(errors, O_CLOEXEC) < 0)
        return cf_fail_errno(err, errno, "cannot make a pipe");
    int error_fd cf_autoclose = errors[0], error_end cf_autoclose = errors[1];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
        return cf_fail_errno(err, errno, "cannot make a socket");
    int socket_fd cf_autoclose = sockets[0], socket_end cf_autoclose = sockets[1];
    char helper[] = HELPER, o[] = "-o", end[] = "--";
    char *argv[] = {helper, o, options.data, end, (char *)m->mountpoint, NULL};
    r = spawn_helper(argv, socket_end, error_end, &pid);
    if (r < 0)
        return helper_missing(r, err);
    cf_close_fd(&socket_end);
    cf_close_fd(&error_end);
    int fd cf_autoclose = receive_fd(socket_fd);
    r = wait_helper(pid, error_fd, said, sizeof(said));
    if (fd < 0)
        return cf_fail(err, r < 0 ? r : fd, HELPER ": %s", *said ? said : "no descriptor came");
    *ret_fd = CF_TAKE_FD(fd);
    return 0;
}

int cf_fuse_mount(const struct cf_fuse_mount *mount, int *ret_fd, struct cf_error *err)
{
    return geteuid() == 0 ? mount_as_root(mount, ret_fd, err) : mount_as_user(mount, ret_fd, err);
}

static int unmount_as_user(const char *mountpoint, bool lazy, struct cf_error *err)
{
    char helper[] = HELPER, how[] = "-uz", end[] = "--";
    char *argv[] = {helper, how, end, (char *)mountpoint, NULL};
    char said[512];
    int errors[2];
    pid_t pid;

    if (!lazy)
        how[2] = '\0';
    if (pipe2(errors, O_CLOEXEC) < 0)
        return cf_fail_errno(err, errno, "cannot make a pipe");
    int error_fd cf_autoclose = errors[0], error_end cf_autoclose = errors[1];
    int r = spawn_helper(argv, -1, error_end, &pid);
    if (r < 0)
        return helper_missing(r, err);
    cf_close_fd(&error_end);
    r = wait_helper(pid, error_fd, said, sizeof(said));
    if (r == 0)
        return 0;
    if (strstr(said, "busy"))
        return cf_fail(err, -EBUSY, "%s is in use: close what is open there, or unmount lazily",
                       CF_QUOTE(mountpoint));
    return cf_fail(err, strstr(said, "not found") ? -EINVAL : r, HELPER ": %s", said);
}

int cf_fuse_unmount(const char *mountpoint, bool lazy, struct cf_error *err)
{
    if (geteuid() != 0)
        return unmount_as_user(mountpoint, lazy, err);
    if (umount2(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    if (errno == EBUSY)
        return cf_fail(err, -EBUSY, "%s is in use: close what is open there, or unmount lazily",
                       CF_QUOTE(mountpoint));
    return cf_fail_errno(err, errno, "cannot unmount %s", CF_QUOTE(mountpoint));
}
