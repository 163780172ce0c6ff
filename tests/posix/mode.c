/* SPDX-License-Identifier: Apache-2.0 */
/* chmod, chown, setuid and setgid, sticky and setgid directories. */
#include <sys/fsuid.h>
#include <sys/mman.h>

#include "posix.h"

static void chmod_all(void)
{
    static const mode_t modes[] = {0, 0400, 0644, 0777, 01777, 02755, 04755, 06711, 07777, 0600};
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        OK(chmod("file", modes[i]));
        EQ(mode_of("file"), modes[i]);
        OK(chmod("dir", modes[i] | 0700));
        EQ(mode_of("dir"), modes[i] | 0700);
    }
    TRUE(has_pattern("file", FILE_SIZE));
    OK(chmod("sym", 0640));
    EQ(mode_of("file"), 0640);
    EQ(mode_of("sym"), 0777);
    FAILS(fchmodat(AT_FDCWD, "sym", 0600, AT_SYMLINK_NOFOLLOW), EOPNOTSUPP);
    OK(chmod("fifo", 0606));
    EQ(mode_of("fifo"), 0606);
    FAILS(chmod("missing", 0600), ENOENT);
    FAILS(chmod("file/x", 0600), ENOTDIR);
    FAILS(chmod("loop", 0600), ELOOP);
}

static void chmod_changes_ctime(void)
{
    struct stat before = st_of("file");
    nap();
    OK(chmod("file", 0644));
    struct stat after = st_of("file");
    TRUE(ns(after.st_ctim) > ns(before.st_ctim));
    EQ(ns(after.st_mtim), ns(before.st_mtim));
    EQ(after.st_size, FILE_SIZE);
}

static void chown_root(void)
{
    OK(chown("file", 12, 34));
    EQ(st_of("file").st_uid, 12);
    EQ(st_of("file").st_gid, 34);
    OK(chown("file", (uid_t)-1, 56));
    EQ(st_of("file").st_uid, 12);
    EQ(st_of("file").st_gid, 56);
    OK(lchown("sym", 7, 8));
    EQ(st_of("sym").st_uid, 7);
    EQ(st_of("file").st_uid, 12);
    OK(chown("sym", 9, 9));
    EQ(st_of("file").st_uid, 9);
    OK(chown("dir", 1, 2));
    EQ(st_of("dir").st_gid, 2);
    OK(chown("fifo", 70000, 4000000000u));
    EQ(st_of("fifo").st_gid, 4000000000u);
    TRUE(has_pattern("file", FILE_SIZE));
}

/* chown takes setuid and setgid away, from root's hand too; not those of a directory. */
static void chown_kills_suid(void)
{
    OK(chown("suid", 12, 34));
    EQ(mode_of("suid"), 0755);
    OK(chown("sgid", 12, 34));
    EQ(mode_of("sgid"), 0755);
    OK(chown("gdir", 12, 34));
    EQ(mode_of("gdir"), 02775);
    OK(put("locking", "x"));
    OK(chmod("locking", 02644));
    OK(chown("locking", 12, 34));
    EQ(mode_of("locking"), 02644);
}

static void chown_to_itself(void)
{
    struct stat before = st_of("file");
    nap();
    OK(chown("file", (uid_t)-1, (gid_t)-1));
    OK(chown("file", before.st_uid, before.st_gid));
    TRUE(ns(st_of("file").st_ctim) > ns(before.st_ctim));
    OK(chown("suid", before.st_uid, before.st_gid));
    EQ(mode_of("suid"), 0755);
}

static void write_as_user(void)
{
    int fd = open("suid", O_WRONLY | O_APPEND);
    MUST(fd);
    EQ(write(fd, "x", 1), 1);
    EQ(mode_of("suid"), 0777);
    fd = open("sgid", O_WRONLY);
    EQ(pwrite(fd, "x", 1, 0), 1);
    EQ(mode_of("sgid"), 0777);
}
static void suid_killed_by_write(void)
{
    OK(chmod("suid", 04777));
    OK(chmod("sgid", 02777));
    as_user(write_as_user);
}

static void truncate_as_user(void)
{
    OK(truncate("suid", 100));
    EQ(mode_of("suid"), 0777);
    OK(open("sgid", O_WRONLY | O_TRUNC));
    EQ(mode_of("sgid"), 0777);
}
static void suid_killed_by_truncate(void)
{
    OK(chmod("suid", 04777));
    OK(chmod("sgid", 02777));
    as_user(truncate_as_user);
}

static void fallocate_as_user(void)
{
    int fd = open("suid", O_WRONLY), out = open("sgid", O_WRONLY), in = open("file", O_RDONLY);
    OK(fallocate(fd, 0, 0, 10000));
    EQ(mode_of("suid"), 0777);
    EQ(copy_file_range(in, NULL, out, NULL, 100, 0), 100);
    EQ(mode_of("sgid"), 0777);
}
static void suid_killed_by_fallocate(void)
{
    OK(chmod("suid", 04777));
    OK(chmod("sgid", 02777));
    as_user(fallocate_as_user);
}

static void map_as_user(void)
{
    int fd = open("suid", O_RDWR);
    char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        t_fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
        return;
    }
    p[0] = 'M';
    OK(msync(p, 4096, MS_SYNC));
    int again = open("suid", O_WRONLY);
    EQ(pwrite(again, "y", 1, 1), 1);
    EQ(mode_of("suid"), 0777);
    EQ(p[1], 'y');
}
static void suid_killed_beside_map(void)
{
    OK(chmod("suid", 04777));
    as_user(map_as_user);
}

/* Root, who may do as he likes, keeps them. */
static void suid_kept_by_root(void)
{
    int fd = open("suid", O_WRONLY);
    EQ(pwrite(fd, "x", 1, 0), 1);
    EQ(mode_of("suid"), 04755);
    OK(truncate("sgid", 10));
    EQ(mode_of("sgid"), 02755);
    OK(fallocate(fd, 0, 0, 8000));
    EQ(mode_of("suid"), 04755);
    OK(rename("suid", "dir/suid"));
    EQ(mode_of("dir/suid"), 04755);
    OK(utimensat(AT_FDCWD, "sgid", NULL, 0));
    EQ(mode_of("sgid"), 02755);
}

/* A file that is given them while somebody has it open. */
static void suid_set_while_open(void)
{
    int fd = open("file", O_WRONLY);
    OK(fchmod(fd, 04755));
    EQ(pwrite(fd, "x", 1, 0), 1);
    EQ(mode_of("file"), 04755);
}

static void sgid_dir_inherits(void)
{
    (void)umask(0);
    gid_t gid = st_of("gdir").st_gid;
    OK(mkdir("gdir/d", 0755));
    EQ(mode_of("gdir/d"), 02755);
    EQ(st_of("gdir/d").st_gid, gid);
    OK(put("gdir/f", "x"));
    EQ(st_of("gdir/f").st_gid, gid);
    OK(mkfifo("gdir/p", 0640));
    EQ(st_of("gdir/p").st_gid, gid);
    EQ(mode_of("gdir/p"), 0640);
    OK(mknod("gdir/s", S_IFSOCK | 0600, 0));
    EQ(st_of("gdir/s").st_gid, gid);
    OK(symlink("x", "gdir/l"));
    EQ(st_of("gdir/l").st_gid, gid);
    OK(mkdir("gdir/d/e", 0700));
    EQ(mode_of("gdir/d/e"), 02700);
    EQ(st_of("gdir/d/e").st_gid, gid);
    OK(rename("file", "gdir/file"));
    EQ(st_of("gdir/file").st_gid, getegid() == gid ? gid : st_of("small").st_gid);
}

static void sgid_refused_to_stranger(void)
{
    OK(put("gdir/f", "x"));
    OK(chmod("gdir/f", 02755));
    EQ(mode_of("gdir/f"), 0755); /* not in that group */
    OK(open("gdir/g", O_CREAT | O_WRONLY, 02755));
    EQ(mode_of("gdir/g"), 0755);
    OK(mkdir("gdir/d", 0755));
    EQ(mode_of("gdir/d"), 02755);
}
static void sgid_dir_of_another_group(void)
{
    OK(chmod("gdir", 02777));
    as_user(sgid_refused_to_stranger);
}

static void sticky_as_user(void)
{
    FAILS(unlink("sticky/other"), EPERM);
    FAILS(rename("sticky/other", "sticky/x"), EPERM);
    FAILS(rename("sticky/own", "sticky/other"), EPERM);
    OK(put("sticky/new", "n"));
    OK(rename("sticky/new", "sticky/new2"));
    OK(unlink("sticky/new2"));
    OK(open("sticky/other", O_WRONLY));
}
static void sticky_dir(void)
{
    OK(put("sticky/own", "x"));
    OK(chown("sticky/own", NOBODY, NOBODY));
    as_user(sticky_as_user);
    OK(unlink("sticky/other"));
}

static void mode_survives_copyup(void)
{
    struct stat before = st_of("suid");
    OK(utimensat(AT_FDCWD, "suid", NULL, 0));
    struct stat after = st_of("suid");
    EQ(after.st_mode, before.st_mode);
    EQ(after.st_uid, before.st_uid);
    OK(chmod("gdir", 02775));
    EQ(mode_of("gdir"), 02775);
    OK(chmod("sticky", 01777));
    EQ(mode_of("sticky"), 01777);
    EQ(st_of("sticky").st_uid, 0);
}

static const struct posix_case mode_cases[] = {
    CASE(chmod_all, FIX),
    CASE(chmod_changes_ctime, FIX),
    CASE(chown_root, FIX | ROOT),
    CASE(chown_kills_suid, FULL | ROOT),
    CASE(chown_to_itself, FULL),
    CASE(suid_killed_by_write, FULL),
    CASE(suid_killed_by_truncate, FULL),
    CASE(suid_killed_by_fallocate, FULL),
    CASE(suid_killed_beside_map, FULL),
    CASE(suid_kept_by_root, FULL | ROOT),
    CASE(suid_set_while_open, FULL | ROOT),
    CASE(sgid_dir_inherits, FULL),
    CASE(sgid_dir_of_another_group, FULL | ROOT),
    CASE(sticky_dir, FULL | ROOT),
    CASE(mode_survives_copyup, FULL | ROOT),
};
THEME(mode);
