/* SPDX-License-Identifier: Apache-2.0 */
/* open(2) with every flag, and running programs. */
#include <signal.h>
#include <sys/mman.h>

#include "posix.h"

static void open_excl(void)
{
    FAILS(open("file", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    FAILS(open("dangling", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    FAILS(open("dir", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    OK(open("new", O_CREAT | O_EXCL | O_WRONLY, 0644));
    FAILS(open("new", O_CREAT | O_EXCL | O_WRONLY, 0644), EEXIST);
    OK(unlink("file"));
    OK(open("file", O_CREAT | O_EXCL | O_WRONLY, 0644));
    EQ(size_of("file"), 0);
}

static void open_create_through_link(void)
{
    OK(open("dangling", O_CREAT | O_WRONLY, 0600));
    EQ(mode_of("nowhere"), 0600);
    TRUE(S_ISLNK(st_of("dangling").st_mode));
}

static void open_nofollow(void)
{
    char target[64];
    struct stat st;
    FAILS(open("sym", O_RDONLY | O_NOFOLLOW), ELOOP);
    FAILS(open("symdir", O_RDONLY | O_NOFOLLOW), ELOOP);
    FAILS(open("symdir", O_RDONLY | O_NOFOLLOW | O_DIRECTORY), ENOTDIR);
    int fd = open("sym", O_PATH | O_NOFOLLOW);
    MUST(fd);
    OK(fstat(fd, &st));
    TRUE(S_ISLNK(st.st_mode));
    EQ(readlinkat(fd, "", target, sizeof(target)), 4);
    OK(open("symdir/a", O_RDONLY | O_NOFOLLOW));
}

static void open_directory(void)
{
    FAILS(open("file", O_RDONLY | O_DIRECTORY), ENOTDIR);
    FAILS(open("sym", O_RDONLY | O_DIRECTORY), ENOTDIR);
    FAILS(open("fifo", O_RDONLY | O_DIRECTORY), ENOTDIR);
    OK(open("symdir", O_RDONLY | O_DIRECTORY));
    FAILS(open("dir", O_WRONLY), EISDIR);
    FAILS(open("dir", O_RDWR), EISDIR);
    FAILS(open("dir", O_RDONLY | O_CREAT, 0644), EISDIR);
    FAILS(open("dir", O_RDONLY | O_TRUNC), EISDIR);
    char byte;
    int fd = open("dir", O_RDONLY);
    FAILS(read(fd, &byte, 1), EISDIR);
}

static void open_bad_path(void)
{
    FAILS(open("missing", O_RDONLY), ENOENT);
    FAILS(open("missing/x", O_RDONLY | O_CREAT, 0644), ENOENT);
    FAILS(open("file/x", O_RDONLY), ENOTDIR);
    FAILS(open("file/x", O_RDONLY | O_CREAT, 0644), ENOTDIR);
    FAILS(open("file/", O_RDONLY), ENOTDIR);
    FAILS(open("new/", O_CREAT | O_WRONLY, 0644), EISDIR);
    FAILS(open("", O_RDONLY), ENOENT);
    FAILS(open("dangling", O_RDONLY), ENOENT);
    FAILS(open("loop", O_RDONLY), ELOOP);
    FAILS(open("loop/x", O_RDONLY), ELOOP);
    OK(open("./dir/../dir/./sub/../a", O_RDONLY));
}

static void open_trunc(void)
{
    struct stat before = st_of("file");
    nap();
    OK(open("file", O_WRONLY | O_TRUNC));
    struct stat after = st_of("file");
    EQ(after.st_size, 0);
    EQ(after.st_ino, before.st_ino);
    TRUE(ns(after.st_mtim) > ns(before.st_mtim));
    TRUE(ns(after.st_ctim) > ns(before.st_ctim));
    OK(open("small", O_RDONLY | O_TRUNC));
    EQ(size_of("small"), 0);
}

static void open_append(void)
{
    int a = open("small", O_WRONLY | O_APPEND), b = open("small", O_WRONLY | O_APPEND);
    MUST(a);
    MUST(b);
    EQ(write(a, "one\n", 4), 4);
    EQ(write(b, "two\n", 4), 4);
    EQ(pwrite(a, "three\n", 6, 0), 6);
    EQ(lseek(b, 0, SEEK_CUR), 22);
    TRUE(holds("small", "small content\none\ntwo\nthree\n"));
    OK(fcntl(a, F_SETFL, 0));
    EQ(pwrite(a, "S", 1, 0), 1);
    TRUE(holds("small", "Small content\none\ntwo\nthree\n"));
}

static void open_accmode(void)
{
    char byte;
    int r = open("file", O_RDONLY), w = open("file", O_WRONLY);
    FAILS(write(r, "x", 1), EBADF);
    FAILS(read(w, &byte, 1), EBADF);
    FAILS(ftruncate(r, 0), EINVAL);
    FAILS(fallocate(r, 0, 0, 10), EBADF);
    TRUE(has_pattern("file", FILE_SIZE));
}

static void open_tmpfile(void)
{
    struct stat st;
    char path[64];
    int fd = open("dir", O_TMPFILE | O_RDWR, 0640);
    MUST(fd);
    EQ(write(fd, "tmp\n", 4), 4);
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 0);
    EQ(st.st_mode, S_IFREG | 0640);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    OK(linkat(AT_FDCWD, path, AT_FDCWD, "dir/named", AT_SYMLINK_FOLLOW));
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 1);
    EQ(st.st_ino, ino_of("dir/named"));
    TRUE(holds("dir/named", "tmp\n"));
    EQ(write(fd, "more\n", 5), 5);
    TRUE(holds("dir/named", "tmp\nmore\n"));
}

static void open_tmpfile_excl(void)
{
    char path[64];
    int fd = open(".", O_TMPFILE | O_WRONLY | O_EXCL, 0600);
    MUST(fd);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    FAILS(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), ENOENT);
    FAILS(open(".", O_TMPFILE | O_RDONLY, 0600), EINVAL);
    FAILS(open("small", O_TMPFILE | O_RDWR, 0600), ENOTDIR);
}

static void open_direct(void)
{
    char *page;
    if (posix_memalign((void **)&page, 4096, 8192))
        return;
    int fd = open("file", O_RDWR | O_DIRECT);
    MUST(fd);
    EQ(pread(fd, page, 4096, 0), 4096);
    EQ(page[100], pattern(100));
    memset(page, 'D', 4096);
    EQ(pwrite(fd, page, 4096, 4096), 4096);
    EQ(size_of("file"), 8192);
    int cached = open("file", O_RDONLY);
    char byte = 0;
    EQ(pread(cached, &byte, 1, 5000), 1);
    EQ(byte, 'D');
    EQ(pread(fd, page, 8192, 8192), 0);
}

static void open_path(void)
{
    char byte;
    struct stat st;
    int fd = open("file", O_PATH);
    MUST(fd);
    FAILS(read(fd, &byte, 1), EBADF);
    FAILS(fchmod(fd, 0600), EBADF);
    OK(fstat(fd, &st));
    EQ(st.st_size, FILE_SIZE);
    OK(fchownat(fd, "", (uid_t)-1, (gid_t)-1, AT_EMPTY_PATH));
    int dir = open("dir", O_PATH | O_DIRECTORY);
    OK(openat(dir, "a", O_RDONLY));
    OK(fchdir(dir));
    TRUE(exists("a"));
}

static void open_sync(void)
{
    int a = open("file", O_WRONLY | O_SYNC), b = open("small", O_WRONLY | O_DSYNC | O_APPEND);
    EQ(write(a, "XYZ", 3), 3);
    EQ(write(b, "b", 1), 1);
    TRUE(holds("small", "small content\nb"));
    OK(fsync(a));
    OK(fdatasync(b));
    int dir = open("dir", O_RDONLY);
    OK(fsync(dir));
    OK(syncfs(dir));
}

static void noatime_denied(void)
{
    FAILS(open("rootpub", O_RDONLY | O_NOATIME), EPERM);
}
static void open_noatime(void)
{
    OK(open("file", O_RDONLY | O_NOATIME));
    as_user(noatime_denied);
}

static void open_unlinked_again(void)
{
    char path[64], text[16] = "";
    int fd = open("small", O_RDWR);
    MUST(fd);
    OK(unlink("small"));
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int again = open(path, O_RDWR);
    MUST(again);
    EQ(pwrite(again, "S", 1, 0), 1);
    EQ(read(fd, text, 5), 5);
    EQ(strcmp(text, "Small"), 0);
    OK(ftruncate(again, 2));
    struct stat st;
    OK(fstat(fd, &st));
    EQ(st.st_size, 2);
    EQ(st.st_nlink, 0);
}

static void open_fifo(void)
{
    char text[8] = "";
    FAILS(open("fifo", O_WRONLY | O_NONBLOCK), ENXIO);
    int r = open("fifo", O_RDONLY | O_NONBLOCK), w = open("fifo", O_WRONLY | O_NONBLOCK);
    MUST(r);
    MUST(w);
    EQ(write(w, "abc", 3), 3);
    EQ(read(r, text, 8), 3);
    FAILS(lseek(r, 0, SEEK_SET), ESPIPE);
    OK(mknod("sock", S_IFSOCK | 0644, 0));
    FAILS(open("sock", O_RDONLY), ENXIO);
}

static void open_device(void)
{
    char byte;
    int fd = open("chr", O_RDWR);
    MUST(fd);
    EQ(read(fd, &byte, 1), 0);
    EQ(write(fd, "x", 1), 1);
}

/* ---- programs ---- */

static void run_exe(void)
{
    (void)execl("./exe", "exe", (char *)NULL);
    _exit(errno);
}
static void run_elf(void)
{
    (void)execl("./elf", "elf", "exit7", (char *)NULL);
    _exit(errno);
}
static void exec_program(void)
{
    EQ(in_child(run_exe), 7);
    EQ(in_child(run_elf), 7);
    OK(chmod("exe", 0644));
    EQ(in_child(run_exe), EACCES);
    OK(chmod("exe", 0755));
    EQ(in_child(run_exe), 7);
}

static void exec_written(void)
{
    int fd = open("elf", O_RDWR);
    MUST(fd);
    EQ(in_child(run_elf), ETXTBSY);
    (void)close(fd);
    EQ(in_child(run_elf), 7);
}

static void open_running(void)
{
    int fds[2];
    char byte;
    OK(pipe2(fds, O_CLOEXEC));
    pid_t pid = fork();
    if (pid == 0) {
        (void)execl("./elf", "elf", "hang", (char *)NULL);
        _exit(1);
    }
    (void)close(fds[1]);
    (void)read(fds[0], &byte, 1); /* the end: it runs */
    FAILS(open("elf", O_WRONLY), ETXTBSY);
    FAILS(open("elf", O_RDWR | O_TRUNC), ETXTBSY);
    FAILS(truncate("elf", 0), ETXTBSY);
    OK(chmod("elf", 0711));
    OK(rename("elf", "elf2"));
    OK(kill(pid, SIGKILL));
    (void)waitpid(pid, NULL, 0);
    OK(open("elf2", O_WRONLY));
}

static void open_umask(void)
{
    (void)umask(0027);
    OK(open("u1", O_CREAT | O_WRONLY, 0666));
    EQ(mode_of("u1"), 0640);
    OK(mkdir("u2", 0777));
    EQ(mode_of("u2"), 0750);
    OK(mkfifo("u3", 0666));
    EQ(mode_of("u3"), 0640);
    OK(mknod("u4", S_IFREG | 0666, 0));
    EQ(mode_of("u4"), 0640);
    OK(mknod("u5", S_IFSOCK | 0777, 0));
    EQ(mode_of("u5"), 0750);
    (void)umask(0);
    OK(open("u6", O_CREAT | O_WRONLY, 06777));
    EQ(mode_of("u6"), 06777);
    OK(mkdir("u7", 01777));
    EQ(mode_of("u7"), 01777);
}

static void open_many(void)
{
    int fds[200];
    char text[16];
    for (int i = 0; i < 200; i++) {
        (void)snprintf(text, sizeof(text), "f%d", i);
        fds[i] = open(text, O_CREAT | O_RDWR, 0644);
        EQ(write(fds[i], text, strlen(text)), strlen(text));
        OK(unlink(text));
    }
    for (int i = 0; i < 200; i++) {
        char got[16] = "";
        (void)snprintf(text, sizeof(text), "f%d", i);
        EQ(pread(fds[i], got, 15, 0), strlen(text));
        EQ(strcmp(got, text), 0);
    }
}

static const struct posix_case open_cases[] = {
    CASE(open_excl, FIX),           CASE(open_create_through_link, FIX),
    CASE(open_nofollow, FIX),       CASE(open_directory, FIX),
    CASE(open_bad_path, FIX),       CASE(open_trunc, FIX),
    CASE(open_append, FIX),         CASE(open_accmode, FIX),
    CASE(open_tmpfile, FIX),        CASE(open_tmpfile_excl, FIX),
    CASE(open_direct, FIX),         CASE(open_path, FIX),
    CASE(open_sync, FIX),           CASE(open_noatime, FULL),
    CASE(open_unlinked_again, FIX), CASE(open_fifo, FIX),
    CASE(open_device, FULL | ROOT), CASE(exec_program, FULL | ELF),
    CASE(exec_written, FIX | ELF),  CASE(open_running, FIX | ELF),
    CASE(open_umask, ANY),          CASE(open_many, ANY),
};
THEME(open);
