/* SPDX-License-Identifier: Apache-2.0 */
/* Record locks, OFD locks, flock, leases. */
#include <signal.h>
#include <sys/file.h>

#include "posix.h"

static struct flock region(short type, off_t start, off_t len)
{
    return (struct flock){.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = len};
}

static void child_finds_locked(void)
{
    int fd = open("file", O_RDWR);
    struct flock l = region(F_WRLCK, 0, 50);
    FAILS(fcntl(fd, F_SETLK, &l), EAGAIN);
    l = region(F_RDLCK, 0, 50);
    OK(fcntl(fd, F_GETLK, &l));
    EQ(l.l_type, F_WRLCK);
    EQ(l.l_pid, getppid());
    l = region(F_WRLCK, 100, 50);
    OK(fcntl(fd, F_SETLK, &l));
}
static void lock_fcntl(void)
{
    int fd = open("file", O_RDWR);
    struct flock l = region(F_WRLCK, 0, 100);
    MUST(fcntl(fd, F_SETLK, &l));
    (void)in_child(child_finds_locked);
    l = region(F_UNLCK, 0, 0);
    OK(fcntl(fd, F_SETLK, &l));
    int r = open("file", O_RDONLY);
    l = region(F_WRLCK, 0, 1);
    FAILS(fcntl(r, F_SETLK, &l), EBADF);
}

static void lock_ofd(void)
{
    int a = open("file", O_RDWR), b = open("file", O_RDWR);
    struct flock l = region(F_WRLCK, 0, 10);
    OK(fcntl(a, F_OFD_SETLK, &l));
    l = region(F_RDLCK, 5, 1);
    FAILS(fcntl(b, F_OFD_SETLK, &l), EAGAIN);
    l = region(F_RDLCK, 20, 1);
    OK(fcntl(b, F_OFD_SETLK, &l));
    OK(close(a));
    l = region(F_WRLCK, 0, 10);
    OK(fcntl(b, F_OFD_SETLK, &l));
}

static void lock_flock(void)
{
    int a = open("file", O_RDONLY), b = open("file", O_RDONLY);
    OK(flock(a, LOCK_EX));
    FAILS(flock(b, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    OK(flock(a, LOCK_SH));
    OK(flock(b, LOCK_SH | LOCK_NB));
    OK(flock(b, LOCK_UN));
    int d = open("dir", O_RDONLY), e = open("dir", O_RDONLY);
    OK(flock(d, LOCK_EX));
    FAILS(flock(e, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

/* A lock taken before the copy-up holds after it, too. */
static void lock_survives_copyup(void)
{
    int a = open("file", O_RDONLY);
    OK(flock(a, LOCK_EX));
    int b = open("file", O_RDWR);
    EQ(pwrite(b, "x", 1, 0), 1);
    FAILS(flock(b, LOCK_EX | LOCK_NB), EWOULDBLOCK);
    OK(rename("file", "dir/file"));
    int c = open("dir/file", O_RDONLY);
    FAILS(flock(c, LOCK_SH | LOCK_NB), EWOULDBLOCK);
    int h = open("h1", O_RDONLY), k = open("h2", O_RDWR);
    OK(flock(h, LOCK_EX));
    FAILS(flock(k, LOCK_EX | LOCK_NB), EWOULDBLOCK);
}

static void child_waits(void)
{
    int fd = open("file", O_RDWR);
    struct flock l = region(F_WRLCK, 0, 10);
    OK(fcntl(fd, F_SETLKW, &l));
    EQ(pwrite(fd, "w", 1, 0), 1);
}
static void lock_waits(void)
{
    int fd = open("file", O_RDWR);
    struct flock l = region(F_WRLCK, 0, 10);
    OK(fcntl(fd, F_SETLK, &l));
    pid_t pid = fork();
    if (pid == 0) {
        child_waits();
        _exit(0);
    }
    nap();
    char byte = 0;
    EQ(pread(fd, &byte, 1, 0), 1);
    EQ(byte, pattern(0));
    l.l_type = F_UNLCK;
    OK(fcntl(fd, F_SETLK, &l));
    (void)waitpid(pid, NULL, 0);
    EQ(pread(fd, &byte, 1, 0), 1);
    EQ(byte, 'w');
}

static void lease(void)
{
    int fd = open("file", O_RDONLY);
    EQ(fcntl(fd, F_GETLEASE), F_UNLCK);
    OK(fcntl(fd, F_SETLEASE, F_RDLCK));
    EQ(fcntl(fd, F_GETLEASE), F_RDLCK);
    OK(fcntl(fd, F_SETLEASE, F_UNLCK));
}

static const struct posix_case lock_cases[] = {
    CASE(lock_fcntl, FIX),           CASE(lock_ofd, FIX),   CASE(lock_flock, FIX),
    CASE(lock_survives_copyup, FIX), CASE(lock_waits, FIX), CASE(lease, FIX),
};
THEME(lock);
