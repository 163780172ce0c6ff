/* SPDX-License-Identifier: Apache-2.0 */
/* stat, statx, statfs, inotify. */
#include <sys/inotify.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "posix.h"

static void stat_types(void)
{
    TRUE(S_ISREG(st_of("file").st_mode));
    TRUE(S_ISDIR(st_of("dir").st_mode));
    TRUE(S_ISLNK(st_of("sym").st_mode));
    TRUE(S_ISFIFO(st_of("fifo").st_mode));
    EQ(size_of("file"), FILE_SIZE);
    EQ(size_of("sym"), 4);
    EQ(size_of("fifo"), 0);
    EQ(size_of("empty"), 0);
    EQ(size_of("sparse"), SPARSE_SIZE);
    TRUE(st_of("file").st_blocks * 512 >= FILE_SIZE);
    EQ(st_of("empty").st_blocks, 0);
    TRUE(st_of("file").st_blksize >= 512);
    EQ(nlink_of("file"), 1);
}

static void stat_device(void)
{
    EQ(st_of("chr").st_rdev, makedev(1, 3));
    TRUE(S_ISCHR(st_of("chr").st_mode));
    OK(chmod("chr", 0600));
    EQ(st_of("chr").st_rdev, makedev(1, 3));
}

/* One st_dev, and numbers that stay through copy-up and rename. */
static void stat_numbers(void)
{
    static const char *const names[] = {"file", "dir", "sym", "fifo", "h1", "xa", "edir"};
    struct stat before[7];
    for (int i = 0; i < 7; i++) {
        before[i] = st_of(names[i]);
        EQ(before[i].st_dev, st_of(".").st_dev);
        for (int k = 0; k < i; k++)
            TRUE(before[i].st_ino != before[k].st_ino);
    }
    OK(chmod("file", 0600));
    OK(open("file", O_WRONLY | O_APPEND));
    OK(put("dir/new", "x"));
    OK(lchown("sym", geteuid(), getegid()));
    OK(chmod("fifo", 0600));
    OK(open("h2", O_WRONLY));
    OK(rename("xa", "dir/xa"));
    OK(rename("dir/xa", "xa"));
    OK(rename("edir", "dir/edir"));
    OK(rename("dir/edir", "edir"));
    for (int i = 0; i < 7; i++) {
        EQ(ino_of(names[i]), before[i].st_ino);
        EQ(st_of(names[i]).st_dev, before[i].st_dev);
    }
}

static void stat_dir_links(void)
{
    long before = nlink_of("dir");
    if (before == 1) /* not counted */
        return;
    EQ(before, 3);
    OK(mkdir("dir/more", 0755));
    EQ(nlink_of("dir"), 4);
    OK(rmdir("dir/more"));
    EQ(nlink_of("dir"), 3);
}

static void stat_empty_path(void)
{
    struct stat st;
    int fd = open("file", O_PATH);
    OK(fstatat(fd, "", &st, AT_EMPTY_PATH));
    EQ(st.st_size, FILE_SIZE);
    int sym = open("sym", O_PATH | O_NOFOLLOW);
    OK(fstatat(sym, "", &st, AT_EMPTY_PATH));
    TRUE(S_ISLNK(st.st_mode));
    FAILS(fstatat(fd, "", &st, 0), ENOENT);
    FAILS(stat("loop", &st), ELOOP);
    FAILS(stat("dangling", &st), ENOENT);
    FAILS(stat("file/", &st), ENOTDIR);
    OK(stat("symdir/", &st));
    OK(lstat("symdir/", &st));
    TRUE(S_ISDIR(st.st_mode));
}

static void statx_fields(void)
{
    struct statx x;
    OK(statx(AT_FDCWD, "file", AT_SYMLINK_NOFOLLOW, STATX_BASIC_STATS | STATX_BTIME, &x));
    EQ(x.stx_mask & STATX_BASIC_STATS, STATX_BASIC_STATS);
    EQ(x.stx_size, FILE_SIZE);
    EQ(x.stx_ino, ino_of("file"));
    EQ(x.stx_nlink, 1);
    OK(statx(AT_FDCWD, "file", AT_STATX_FORCE_SYNC, STATX_SIZE, &x));
    EQ(x.stx_size, FILE_SIZE);
    OK(statx(AT_FDCWD, "file", AT_STATX_DONT_SYNC, STATX_SIZE, &x));
    EQ(x.stx_size, FILE_SIZE);
    FAILS(statx(AT_FDCWD, "file", 0x80000, STATX_SIZE, &x), EINVAL);
    FAILS(statx(AT_FDCWD, "missing", 0, STATX_SIZE, &x), ENOENT);
}

static void statx_btime(void)
{
    struct statx x, later;
    OK(put("born", "x"));
    OK(statx(AT_FDCWD, "born", 0, STATX_BTIME, &x));
    TRUE(x.stx_mask & STATX_BTIME);
    TRUE(x.stx_btime.tv_sec > 1000000000);
    nap();
    OK(chmod("born", 0600));
    OK(statx(AT_FDCWD, "born", 0, STATX_BTIME, &later));
    EQ(later.stx_btime.tv_nsec, x.stx_btime.tv_nsec);
}

static void statfs_fields(void)
{
    struct statvfs v, f;
    OK(statvfs(".", &v));
    int fd = open("file", O_RDONLY);
    OK(fstatvfs(fd, &f));
    EQ(v.f_namemax, 255);
    TRUE(v.f_bsize >= 512);
    TRUE(v.f_blocks > 0 && v.f_bavail <= v.f_bfree && v.f_bfree <= v.f_blocks);
    EQ(f.f_namemax, 255);
    EQ(v.f_flag & ST_RDONLY, 0);
    FAILS(statvfs("missing", &v), ENOENT);
    EQ(pathconf(".", _PC_NAME_MAX), 255);
}

static void statfs_counts(void)
{
    struct statvfs before, after;
    OK(statvfs(".", &before));
    int fd = open("big", O_CREAT | O_WRONLY, 0644);
    OK(fallocate(fd, 0, 0, 8 << 20));
    OK(statvfs(".", &after));
    TRUE(after.f_blocks == before.f_blocks);
    OK(ftruncate(fd, 0));
}

static bool heard(int in, uint32_t wanted, const char *name)
{
    char buf[4096] __attribute__((aligned(8)));
    for (;;) {
        ssize_t n = read(in, buf, sizeof(buf));
        if (n <= 0)
            return false;
        for (char *p = buf; p < buf + n;) {
            struct inotify_event *e = (void *)p;
            if (e->mask & wanted && (!name || (e->len && strcmp(e->name, name) == 0)))
                return true;
            p += sizeof(*e) + e->len;
        }
    }
}

static void inotify_events(void)
{
    int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    MUST(inotify_add_watch(in, "dir", IN_ALL_EVENTS));
    OK(put("dir/new", "x"));
    TRUE(heard(in, IN_CREATE, "new"));
    int fd = open("dir/a", O_WRONLY | O_APPEND);
    EQ(write(fd, "x", 1), 1);
    TRUE(heard(in, IN_MODIFY, "a"));
    OK(close(fd));
    TRUE(heard(in, IN_CLOSE_WRITE, "a"));
    OK(chmod("dir/b", 0600));
    TRUE(heard(in, IN_ATTRIB, "b"));
    OK(rename("dir/a", "dir/a2"));
    TRUE(heard(in, IN_MOVED_TO, "a2"));
    OK(unlink("dir/b"));
    TRUE(heard(in, IN_DELETE, "b"));
    OK(rename("dir", "moved"));
    TRUE(heard(in, IN_MOVE_SELF, NULL));
}

static void inotify_file(void)
{
    int in = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    MUST(inotify_add_watch(in, "file", IN_ALL_EVENTS));
    int fd = open("file", O_RDWR);
    TRUE(heard(in, IN_OPEN, NULL));
    EQ(pwrite(fd, "x", 1, 0), 1);
    TRUE(heard(in, IN_MODIFY, NULL));
    OK(close(fd));
    TRUE(heard(in, IN_CLOSE_WRITE, NULL));
    OK(unlink("file"));
    TRUE(heard(in, IN_DELETE_SELF, NULL));
}

static const struct posix_case stat_cases[] = {
    CASE(stat_types, FULL),    CASE(stat_device, FULL | ROOT), CASE(stat_numbers, FULL),
    CASE(stat_dir_links, FIX), CASE(stat_empty_path, FIX),     CASE(statx_fields, FIX),
    CASE(statx_btime, ANY),    CASE(statfs_fields, FIX),       CASE(statfs_counts, ANY),
    CASE(inotify_events, FIX), CASE(inotify_file, FIX),
};
THEME(stat);
