/* SPDX-License-Identifier: Apache-2.0 */
/* Hard links, symlinks, mknod, mkdir. */
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>

#include "posix.h"

static void link_counts(void)
{
    struct stat st;
    OK(link("file", "l1"));
    EQ(nlink_of("file"), 2);
    EQ(ino_of("l1"), ino_of("file"));
    OK(link("l1", "dir/l2"));
    EQ(nlink_of("file"), 3);
    OK(unlink("file"));
    EQ(nlink_of("l1"), 2);
    TRUE(has_pattern("dir/l2", FILE_SIZE));
    int fd = open("l1", O_RDONLY);
    OK(unlink("l1"));
    OK(unlink("dir/l2"));
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 0);
}

static void link_errors(void)
{
    FAILS(link("file", "small"), EEXIST);
    FAILS(link("file", "dir"), EEXIST);
    FAILS(link("file", "sym"), EEXIST);
    FAILS(link("missing", "l"), ENOENT);
    FAILS(link("file", "missing/l"), ENOENT);
    FAILS(link("file", "small/l"), ENOTDIR);
    FAILS(link("dir", "l"), EPERM);
    FAILS(link("file", "l/"), ENOENT);
    EQ(nlink_of("file"), 1);
}

static void link_special(void)
{
    OK(link("sym", "l1"));
    EQ(ino_of("l1"), ino_of("sym"));
    TRUE(S_ISLNK(st_of("l1").st_mode));
    OK(linkat(AT_FDCWD, "sym", AT_FDCWD, "l2", AT_SYMLINK_FOLLOW));
    EQ(ino_of("l2"), ino_of("file"));
    OK(link("fifo", "l3"));
    EQ(nlink_of("fifo"), 2);
    TRUE(S_ISFIFO(st_of("l3").st_mode));
}

/* The three names of a lower hard link stay one inode, whichever is touched first. */
static void link_lower_stays_one(void)
{
    long long ino = ino_of("h1");
    EQ(nlink_of("h2"), 3);
    EQ(ino_of("h2"), ino);
    int fd = open("h2", O_WRONLY);
    EQ(pwrite(fd, "ZZ", 2, 0), 2);
    (void)close(fd);
    EQ(ino_of("h1"), ino);
    EQ(ino_of("dir/h3"), ino);
    EQ(nlink_of("h1"), 3);
    char text[3] = "";
    fd = open("dir/h3", O_RDONLY);
    EQ(read(fd, text, 2), 2);
    EQ(strcmp(text, "ZZ"), 0);
    OK(chmod("dir/h3", 0600));
    EQ(mode_of("h1"), 0600);
    OK(unlink("h1"));
    EQ(nlink_of("h2"), 2);
    OK(link("h2", "h4"));
    EQ(nlink_of("dir/h3"), 3);
    OK(rename("dir/h3", "h1"));
    EQ(ino_of("h1"), ino);
    EQ(nlink_of("h1"), 3);
}

static void link_lower_unlink(void)
{
    struct stat st;
    int fd = open("h3", O_RDONLY);
    fd = open("dir/h3", O_RDONLY);
    MUST(fd);
    OK(unlink("h2"));
    EQ(nlink_of("h1"), 2);
    OK(unlink("h1"));
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 1);
    OK(unlink("dir/h3"));
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 0);
    OK(fchmod(fd, 0600));
    OK(fstat(fd, &st));
    EQ(st.st_mode & 07777, 0600);
    EQ(st.st_size, 3000);
}

static void link_changes_ctime(void)
{
    struct stat before = st_of("file"), dir = st_of("dir");
    nap();
    OK(link("file", "dir/l"));
    struct stat after = st_of("file");
    TRUE(ns(after.st_ctim) > ns(before.st_ctim));
    EQ(ns(after.st_mtim), ns(before.st_mtim));
    TRUE(ns(st_of("dir").st_mtim) > ns(dir.st_mtim));
    nap();
    OK(unlink("dir/l"));
    TRUE(ns(st_of("file").st_ctim) > ns(after.st_ctim));
}

static void symlink_make(void)
{
    char target[4096], got[4097];
    OK(symlink("some/where", "s"));
    EQ(readlink("s", got, sizeof(got)), 10);
    EQ(size_of("s"), 10);
    EQ(mode_of("s"), 0777);
    EQ(readlink("s", got, 3), 3);
    FAILS(symlink("x", "s"), EEXIST);
    FAILS(symlink("", "e"), ENOENT);
    FAILS(readlink("small", got, sizeof(got)), EINVAL);
    memset(target, 't', sizeof(target));
    target[4095] = 0;
    OK(symlink(target, "long"));
    EQ(readlink("long", got, sizeof(got)), 4095);
    EQ(readlink("sym", got, sizeof(got)), 4);
    OK(unlink("sym"));
    OK(symlink("small", "sym"));
    EQ(readlink("sym", got, sizeof(got)), 5);
    FAILS(symlink("x", "file/y"), ENOTDIR);
}

static void mknod_types(void)
{
    OK(mknod("reg", S_IFREG | 0640, 0));
    TRUE(S_ISREG(st_of("reg").st_mode));
    OK(mknod("fif", S_IFIFO | 0640, 0));
    TRUE(S_ISFIFO(st_of("fif").st_mode));
    OK(mknod("soc", S_IFSOCK | 0640, 0));
    TRUE(S_ISSOCK(st_of("soc").st_mode));
    OK(mknod("zero", 0640, 0));
    TRUE(S_ISREG(st_of("zero").st_mode));
    FAILS(mknod("d", S_IFDIR | 0755, 0), EPERM);
    FAILS(mknod("l", S_IFLNK | 0755, 0), EINVAL);
    FAILS(mknod("reg", S_IFIFO | 0640, 0), EEXIST);
}

static void mknod_devices(void)
{
    OK(mknod("c", S_IFCHR | 0620, makedev(5, 1)));
    EQ(st_of("c").st_rdev, makedev(5, 1));
    TRUE(S_ISCHR(st_of("c").st_mode));
    OK(mknod("b", S_IFBLK | 0600, makedev(7, 300)));
    EQ(st_of("b").st_rdev, makedev(7, 300));
    TRUE(S_ISBLK(st_of("b").st_mode));
    OK(mknod("big", S_IFCHR | 0600, makedev(4095, 1048575)));
    EQ(st_of("big").st_rdev, makedev(4095, 1048575));
    OK(rename("c", "dir/c"));
    EQ(st_of("dir/c").st_rdev, makedev(5, 1));
}

static void mknod_zero(void)
{
    OK(mknod("c00", S_IFCHR | 0600, makedev(0, 0)));
    TRUE(S_ISCHR(st_of("c00").st_mode));
    OK(mknod("b00", S_IFBLK | 0600, makedev(0, 0)));
}

static void mknod_refused(void)
{
    FAILS(mknod("c", S_IFCHR | 0600, makedev(1, 3)), EPERM);
    FAILS(mknod("b", S_IFBLK | 0600, makedev(1, 3)), EPERM);
}

static void socket_bind(void)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "bound"};
    int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
    OK(bind(s, (struct sockaddr *)&a, sizeof(a)));
    OK(listen(s, 1));
    TRUE(S_ISSOCK(st_of("bound").st_mode));
    OK(connect(c, (struct sockaddr *)&a, sizeof(a)));
    int d = socket(AF_UNIX, SOCK_STREAM, 0);
    FAILS(bind(d, (struct sockaddr *)&a, sizeof(a)), EADDRINUSE);
    OK(unlink("bound"));
}

static void mkdir_errors(void)
{
    FAILS(mkdir("file", 0755), EEXIST);
    FAILS(mkdir("dir", 0755), EEXIST);
    FAILS(mkdir("sym", 0755), EEXIST);
    FAILS(mkdir("dangling", 0755), EEXIST);
    FAILS(mkdir("missing/d", 0755), ENOENT);
    FAILS(mkdir("file/d", 0755), ENOTDIR);
    FAILS(mkdir(".", 0755), EEXIST);
    FAILS(mkdir("..", 0755), EEXIST);
    OK(mkdir("new/", 0700));
    EQ(mode_of("new"), 0700);
}

/* What ".wh." means in an OCI layer means nothing here. */
static void names_wh_are_ordinary(void)
{
    OK(put(".wh.file", "w"));
    OK(put("dir/.wh.a", "w"));
    OK(put("dir/.wh..wh..opq", "w"));
    OK(mkdir(".wh.dir", 0755));
    TRUE(holds("dir/a", "a\n"));
    TRUE(has_pattern("file", FILE_SIZE));
    OK(rename("file", ".wh.small"));
    TRUE(has_pattern(".wh.small", FILE_SIZE));
    TRUE(holds("small", "small content\n"));
    OK(unlink("dir/.wh.a"));
    EQ(strcmp(names_of("dir"), ".wh..wh..opq a b h3 sub "), 0);
}

/* A directory in the place of a removed one shows nothing of it. */
static void mkdir_over_removed(void)
{
    OK(remove_tree(AT_FDCWD, "dir"));
    TRUE(!exists("dir"));
    OK(mkdir("dir", 0755));
    EQ(strlen(names_of("dir")), 0);
    OK(mkdir("dir/sub", 0755));
    EQ(strlen(names_of("dir/sub")), 0);
    OK(put("dir/a", "new"));
    TRUE(holds("dir/a", "new"));
    FAILS(open("dir/b", O_RDONLY), ENOENT);
    OK(unlink("file"));
    OK(mkdir("file", 0755));
    OK(put("file/x", "x"));
    OK(remove_tree(AT_FDCWD, "file"));
    OK(symlink("small", "file"));
    TRUE(holds("file", "small content\n"));
}

static const struct posix_case link_cases[] = {
    CASE(link_counts, FIX),          CASE(link_errors, FIX),
    CASE(link_special, FIX),         CASE(link_lower_stays_one, FIX),
    CASE(link_lower_unlink, FIX),    CASE(link_changes_ctime, FIX),
    CASE(symlink_make, FIX),         CASE(mknod_types, ANY),
    CASE(mknod_devices, FIX | ROOT), CASE(mknod_zero, ROOT),
    CASE(mknod_refused, USER),       CASE(socket_bind, ANY),
    CASE(mkdir_errors, FIX),         CASE(names_wh_are_ordinary, FIX),
    CASE(mkdir_over_removed, FIX),
};
THEME(link);
