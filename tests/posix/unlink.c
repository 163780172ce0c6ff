/* SPDX-License-Identifier: Apache-2.0 */
/* unlink and rmdir: of what is open, of what is below, of what others fill. */
#include <dirent.h>
#include <limits.h>
#include <sys/xattr.h>

#include "posix.h"

static void unlink_errors(void)
{
    FAILS(unlink("missing"), ENOENT);
    FAILS(unlink("file/x"), ENOTDIR);
    FAILS(unlink("dir"), EISDIR);
    FAILS(unlink("file/"), ENOTDIR);
    FAILS(rmdir("file"), ENOTDIR);
    FAILS(rmdir("sym"), ENOTDIR);
    FAILS(rmdir("symdir"), ENOTDIR);
    FAILS(rmdir("missing"), ENOENT);
    FAILS(rmdir("dir"), ENOTEMPTY);
    FAILS(rmdir("."), EINVAL);
    FAILS(rmdir("edir/.."), ENOTEMPTY);
    FAILS(unlinkat(AT_FDCWD, "edir", 0), EISDIR);
    FAILS(unlinkat(AT_FDCWD, "file", AT_REMOVEDIR), ENOTDIR);
    FAILS(unlinkat(AT_FDCWD, "file", 0x40000), EINVAL);
}

static void unlink_open_file(void)
{
    struct stat st;
    char text[16] = "";
    int fd = open("file", O_RDWR);
    MUST(fd);
    OK(unlink("file"));
    FAILS(open("file", O_RDONLY), ENOENT);
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 0);
    EQ(st.st_size, FILE_SIZE);
    EQ(pwrite(fd, "hello", 5, 0), 5);
    EQ(pread(fd, text, 5, 0), 5);
    EQ(strcmp(text, "hello"), 0);
    OK(fchmod(fd, 0600));
    OK(ftruncate(fd, 10));
    OK(futimens(fd, NULL));
    OK(fsetxattr(fd, "user.x", "y", 1, 0));
    EQ(fgetxattr(fd, "user.x", text, 16), 1);
    OK(fstat(fd, &st));
    EQ(st.st_size, 10);
    EQ(st.st_mode & 0777, 0600);
    OK(put("file", "another"));
    TRUE(ino_of("file") != (long long)st.st_ino);
    EQ(pread(fd, text, 5, 0), 5);
    EQ(strcmp(text, "hello"), 0);
}

/* Opened for reading alone: nothing was copied up before its name went. */
static void unlink_open_for_reading(void)
{
    struct stat st;
    char byte = 0;
    int fd = open("file", O_RDONLY);
    MUST(fd);
    OK(unlink("file"));
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 0);
    EQ(pread(fd, &byte, 1, 30), 1);
    EQ(byte, pattern(30));
    OK(fchmod(fd, 0640));
    OK(fstat(fd, &st));
    EQ(st.st_mode & 0777, 0640);
    EQ(st.st_nlink, 0);
    EQ(pread(fd, &byte, 1, 31), 1);
    EQ(byte, pattern(31));
}

static void rmdir_open(void)
{
    struct stat st;
    int fd = open("edir", O_RDONLY | O_DIRECTORY);
    MUST(fd);
    OK(rmdir("edir"));
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 0);
    TRUE(S_ISDIR(st.st_mode));
    FAILS(openat(fd, "x", O_CREAT | O_WRONLY, 0644), ENOENT);
    FAILS(mkdirat(fd, "x", 0755), ENOENT);
    FAILS(openat(fd, "..", O_CREAT | O_WRONLY, 0644), EISDIR);
    DIR *d = fdopendir(fd);
    errno = 0;
    TRUE(readdir(d) == NULL);
}

static void rmdir_working_directory(void)
{
    char path[PATH_MAX];
    MUST(chdir("edir"));
    OK(rmdir("../edir"));
    FAILS(open("x", O_CREAT | O_WRONLY, 0644), ENOENT);
    FAILS(mkdir("y", 0755), ENOENT);
    TRUE(getcwd(path, sizeof(path)) == NULL);
    EQ(errno, ENOENT);
    OK(chdir(".."));
    TRUE(exists("file"));
}

static void rmdir_lower_emptied(void)
{
    FAILS(rmdir("dir"), ENOTEMPTY);
    OK(unlink("dir/a"));
    OK(unlink("dir/b"));
    OK(unlink("dir/h3"));
    FAILS(rmdir("dir"), ENOTEMPTY);
    OK(unlink("dir/sub/c"));
    OK(rmdir("dir/sub"));
    EQ(strlen(names_of("dir")), 0);
    OK(rmdir("dir"));
    FAILS(rmdir("dir"), ENOENT);
}

static void unlink_and_make_again(void)
{
    for (int i = 0; i < 5; i++) {
        OK(unlink("file"));
        TRUE(!exists("file"));
        OK(put("file", "again"));
        TRUE(holds("file", "again"));
    }
    OK(unlink("dir/a"));
    OK(mkdir("dir/a", 0755));
    FAILS(unlink("dir/a"), EISDIR);
    OK(rmdir("dir/a"));
    TRUE(!exists("dir/a"));
    EQ(strcmp(names_of("dir"), "b h3 sub "), 0);
}

static void unlink_special(void)
{
    OK(unlink("sym"));
    OK(unlink("dangling"));
    OK(unlink("loop"));
    OK(unlink("fifo"));
    TRUE(exists("file"));
    TRUE(!exists("fifo"));
    OK(unlink("symdir"));
    TRUE(exists("dir/a"));
}

/* Removes what is there while two others make and remove files in it. */
static void fill(unsigned seed)
{
    char name[32];
    for (int i = 0; i < 400; i++) {
        (void)snprintf(name, sizeof(name), "dir/n%u.%d", seed, i);
        int fd = open(name, O_CREAT | O_WRONLY, 0644);
        if (fd < 0)
            break;
        (void)close(fd);
        if (i % 3)
            (void)unlink(name);
    }
    _exit(0);
}
static void rm_while_filled(void)
{
    pid_t pids[2];
    for (unsigned i = 0; i < 2; i++)
        if ((pids[i] = fork()) == 0)
            fill(i);
    for (int tries = 0; tries < 1000 && remove_tree(AT_FDCWD, "dir"); tries++)
        TRUE(errno == ENOTEMPTY);
    for (int i = 0; i < 2; i++)
        (void)waitpid(pids[i], NULL, 0);
    (void)remove_tree(AT_FDCWD, "dir");
    TRUE(!exists("dir"));
}

static void unlink_changes_times(void)
{
    struct stat dir = st_of("dir"), sub = st_of("dir/sub"), b = st_of("dir/b");
    nap();
    OK(unlink("dir/a"));
    struct stat after = st_of("dir");
    TRUE(ns(after.st_mtim) > ns(dir.st_mtim));
    TRUE(ns(after.st_ctim) > ns(dir.st_ctim));
    EQ(ns(st_of("dir/sub").st_mtim), ns(sub.st_mtim));
    EQ(ns(st_of("dir/b").st_mtim), ns(b.st_mtim));
    EQ(ns(st_of("dir/b").st_ctim), ns(b.st_ctim));
}

static const struct posix_case unlink_cases[] = {
    CASE(unlink_errors, FIX),           CASE(unlink_open_file, FIX),
    CASE(unlink_open_for_reading, FIX), CASE(rmdir_open, FIX),
    CASE(rmdir_working_directory, FIX), CASE(rmdir_lower_emptied, FIX),
    CASE(unlink_and_make_again, FIX),   CASE(unlink_special, FIX),
    CASE(rm_while_filled, FIX),         CASE(unlink_changes_times, FIX),
};
THEME(unlink);
