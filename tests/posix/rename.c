/* SPDX-License-Identifier: Apache-2.0 */
/* rename(2) and renameat2(2). */
#include <linux/fs.h>

#include "posix.h"

static int exchange(const char *a, const char *b)
{
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE);
}
static int noreplace(const char *a, const char *b)
{
    return renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_NOREPLACE);
}

static void rename_file(void)
{
    struct stat before = st_of("file");
    nap();
    OK(rename("file", "moved"));
    TRUE(!exists("file"));
    struct stat after = st_of("moved");
    EQ(after.st_ino, before.st_ino);
    EQ(ns(after.st_mtim), ns(before.st_mtim));
    TRUE(ns(after.st_ctim) > ns(before.st_ctim));
    TRUE(has_pattern("moved", FILE_SIZE));
    OK(rename("moved", "dir/sub/deep"));
    TRUE(has_pattern("dir/sub/deep", FILE_SIZE));
    EQ(ino_of("dir/sub/deep"), before.st_ino);
    OK(rename("dir/sub/deep", "file"));
    TRUE(has_pattern("file", FILE_SIZE));
    OK(put("moved", "x"));
    EQ(strcmp(names_of("dir/sub"), "c "), 0);
}

static void rename_over(void)
{
    struct stat st;
    int fd = open("small", O_RDONLY);
    long long ino = ino_of("file");
    OK(rename("file", "small"));
    TRUE(has_pattern("small", FILE_SIZE));
    EQ(ino_of("small"), ino);
    TRUE(!exists("file"));
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 0);
    char text[8] = "";
    EQ(read(fd, text, 5), 5);
    EQ(strcmp(text, "small"), 0);
    OK(rename("small", "sym"));
    TRUE(has_pattern("sym", FILE_SIZE));
    OK(rename("fifo", "sym"));
    TRUE(S_ISFIFO(st_of("sym").st_mode));
}

static void rename_errors(void)
{
    FAILS(rename("missing", "x"), ENOENT);
    FAILS(rename("file", "missing/x"), ENOENT);
    FAILS(rename("file", "small/x"), ENOTDIR);
    FAILS(rename("file", "dir"), EISDIR);
    FAILS(rename("dir", "file"), ENOTDIR);
    FAILS(rename("edir", "dir"), ENOTEMPTY);
    FAILS(rename("dir", "dir/sub/x"), EINVAL);
    FAILS(rename("dir", "dir/x"), EINVAL);
    FAILS(rename("dir/sub", "dir"), ENOTEMPTY);
    FAILS(rename("edir", "sym"), ENOTDIR);
    FAILS(rename(".", "x"), EBUSY);
    FAILS(rename("dir/..", "x"), EBUSY);
    FAILS(rename("file", "edir/"), ENOTDIR);
    FAILS(rename("file", "new/"), ENOTDIR);
    TRUE(has_pattern("file", FILE_SIZE));
    TRUE(holds("dir/sub/c", "c\n"));
}

static void rename_to_itself(void)
{
    OK(rename("file", "file"));
    OK(rename("h1", "h2"));
    TRUE(exists("h1") && exists("h2"));
    EQ(nlink_of("h1"), 3);
    OK(rename("dir", "dir"));
    OK(link("file", "l"));
    OK(rename("l", "file"));
    TRUE(exists("l"));
    EQ(nlink_of("file"), 2);
}

static void rename_hard_links(void)
{
    long long ino = ino_of("h1");
    OK(rename("h1", "dir/h1"));
    EQ(ino_of("dir/h1"), ino);
    EQ(nlink_of("h2"), 3);
    OK(rename("h2", "small"));
    EQ(ino_of("small"), ino);
    EQ(nlink_of("small"), 3);
    OK(rename("file", "dir/h3"));
    EQ(nlink_of("small"), 2);
    TRUE(has_pattern("small", 3000));
    TRUE(has_pattern("dir/h3", FILE_SIZE));
    OK(unlink("small"));
    EQ(nlink_of("dir/h1"), 1);
    TRUE(has_pattern("dir/h1", 3000));
}

static void rename_dir(void)
{
    long long ino = ino_of("dir"), sub = ino_of("dir/sub"), a = ino_of("dir/a");
    OK(rename("dir", "moved"));
    EQ(ino_of("moved"), ino);
    EQ(ino_of("moved/sub"), sub);
    EQ(ino_of("moved/a"), a);
    TRUE(holds("moved/sub/c", "c\n"));
    EQ(strcmp(names_of("moved"), "a b h3 sub "), 0);
    OK(put("moved/new", "n"));
    OK(rename("moved", "edir/there"));
    TRUE(holds("edir/there/sub/c", "c\n"));
    TRUE(holds("edir/there/new", "n"));
    OK(mkdir("dir", 0755));
    EQ(strlen(names_of("dir")), 0);
    OK(rename("edir/there/sub", "dir/sub"));
    TRUE(holds("dir/sub/c", "c\n"));
    EQ(strcmp(names_of("edir/there"), "a b h3 new "), 0);
    OK(rmdir("gdir"));
    OK(rename("edir/there", "gdir"));
    EQ(ino_of("gdir"), ino);
    TRUE(holds("gdir/a", "a\n"));
}

static void rename_dir_over(void)
{
    int fd = open("edir", O_RDONLY | O_DIRECTORY);
    struct stat st;
    OK(rename("dir", "edir"));
    TRUE(!exists("dir"));
    TRUE(holds("edir/a", "a\n"));
    EQ(strcmp(names_of("edir"), "a b h3 sub "), 0);
    OK(fstat(fd, &st));
    EQ(st.st_nlink, 0);
    OK(mkdir("up", 0755));
    OK(put("up/x", "x"));
    FAILS(rename("up", "edir"), ENOTEMPTY);
    FAILS(rename("edir", "up"), ENOTEMPTY);
    OK(unlink("up/x"));
    OK(rename("edir", "up"));
    TRUE(holds("up/sub/c", "c\n"));
    EQ(strcmp(names_of("up"), "a b h3 sub "), 0);
}

/* Emptied lower directories give way, and nothing of theirs shows up again. */
static void rename_over_emptied(void)
{
    OK(unlink("dir/sub/c"));
    OK(mkdir("x", 0755));
    OK(put("x/y", "y"));
    OK(rename("x", "dir/sub"));
    EQ(strcmp(names_of("dir/sub"), "y "), 0);
    TRUE(holds("dir/sub/y", "y"));
    OK(rename("dir/sub", "x"));
    EQ(strcmp(names_of("dir"), "a b h3 "), 0);
    OK(mkdir("dir/sub", 0755));
    EQ(strlen(names_of("dir/sub")), 0);
}

static void rename_noreplace(void)
{
    FAILS(noreplace("file", "small"), EEXIST);
    FAILS(noreplace("file", "dir"), EEXIST);
    FAILS(noreplace("dir", "file"), EEXIST);
    FAILS(noreplace("missing", "x"), ENOENT);
    FAILS(noreplace("h1", "h2"), EEXIST);
    OK(noreplace("file", "x"));
    TRUE(has_pattern("x", FILE_SIZE));
    OK(noreplace("dir", "y"));
    TRUE(holds("y/sub/c", "c\n"));
    OK(unlink("small"));
    OK(noreplace("x", "small"));
    TRUE(has_pattern("small", FILE_SIZE));
}

static void rename_exchange(void)
{
    long long file = ino_of("file"), dir = ino_of("dir");
    FAILS(exchange("file", "missing"), ENOENT);
    FAILS(exchange("dir", "dir/sub"), EINVAL);
    FAILS(exchange("dir/sub", "dir"), EINVAL);
    OK(exchange("file", "small"));
    TRUE(has_pattern("small", FILE_SIZE));
    TRUE(holds("file", "small content\n"));
    OK(exchange("small", "dir"));
    EQ(ino_of("dir"), file);
    EQ(ino_of("small"), dir);
    TRUE(holds("small/sub/c", "c\n"));
    TRUE(has_pattern("dir", FILE_SIZE));
    OK(exchange("small", "edir"));
    EQ(strlen(names_of("small")), 0);
    TRUE(holds("edir/a", "a\n"));
    OK(exchange("small", "dir"));
    OK(put("dir/x", "x"));
    OK(exchange("sym", "fifo"));
    TRUE(S_ISLNK(st_of("fifo").st_mode));
    OK(exchange("h1", "h2"));
    OK(exchange("h1", "edir/b"));
    EQ(nlink_of("edir/b"), 3);
    TRUE(holds("h1", "b\n"));
}

static void rename_flags(void)
{
    FAILS(renameat2(AT_FDCWD, "file", AT_FDCWD, "x", RENAME_NOREPLACE | RENAME_EXCHANGE), EINVAL);
    FAILS(renameat2(AT_FDCWD, "file", AT_FDCWD, "x", RENAME_WHITEOUT | RENAME_EXCHANGE), EINVAL);
    FAILS(renameat2(AT_FDCWD, "file", AT_FDCWD, "x", 1u << 10), EINVAL);
    TRUE(exists("file"));
}

static void rename_whiteout(void)
{
    MUST(renameat2(AT_FDCWD, "file", AT_FDCWD, "x", RENAME_WHITEOUT));
    TRUE(has_pattern("x", FILE_SIZE));
    TRUE(S_ISCHR(st_of("file").st_mode));
    EQ(st_of("file").st_rdev, 0);
    OK(renameat2(AT_FDCWD, "dir", AT_FDCWD, "y", RENAME_WHITEOUT));
    TRUE(S_ISCHR(st_of("dir").st_mode));
}

static void rename_dir_times(void)
{
    struct stat top = st_of("."), dir = st_of("dir"), edir = st_of("edir");
    nap();
    OK(rename("dir", "edir/d"));
    TRUE(ns(st_of(".").st_mtim) > ns(top.st_mtim));
    TRUE(ns(st_of("edir").st_mtim) > ns(edir.st_mtim));
    EQ(ns(st_of("edir/d").st_mtim) >= ns(dir.st_mtim), 1);
    EQ(st_of("edir/d").st_uid, dir.st_uid);
    EQ(mode_of("edir/d"), 0755);
}

static void rename_open_file(void)
{
    char byte = 0;
    int r = open("file", O_RDONLY), w = open("dir/a", O_RDWR), d = open("dir", O_RDONLY);
    OK(rename("file", "dir/file"));
    OK(rename("dir", "moved"));
    EQ(pread(r, &byte, 1, 7), 1);
    EQ(byte, pattern(7));
    EQ(pwrite(w, "A", 1, 0), 1);
    TRUE(holds("moved/a", "A\n"));
    OK(fchmod(r, 0600));
    EQ(mode_of("moved/file"), 0600);
    OK(openat(d, "sub/c", O_RDONLY));
    OK(mkdirat(d, "made", 0755));
    TRUE(exists("moved/made"));
    OK(fchdir(d));
    TRUE(holds("../moved/sub/c", "c\n"));
}

static void rename_chain(void)
{
    char from[16] = "dir", to[16];
    for (int i = 0; i < 20; i++) {
        (void)snprintf(to, sizeof(to), "d%d", i);
        OK(rename(from, to));
        (void)snprintf(from, sizeof(from), "%s", to);
        OK(mkdir(i % 2 ? "dir" : "dir", 0755));
        OK(rmdir("dir"));
    }
    EQ(strcmp(names_of("d19"), "a b h3 sub "), 0);
    TRUE(holds("d19/sub/c", "c\n"));
}

/* A merged directory into a directory of a merged one, and the outer one moved after. */
static void rename_nested(void)
{
    OK(rename("dir/sub", "edir/s"));
    OK(rename("edir", "dir/e"));
    TRUE(holds("dir/e/s/c", "c\n"));
    OK(rename("dir", "top"));
    TRUE(holds("top/e/s/c", "c\n"));
    OK(rename("top/e/s/c", "c"));
    EQ(strlen(names_of("top/e/s")), 0);
    OK(rmdir("top/e/s"));
    OK(rmdir("top/e"));
    EQ(strcmp(names_of("top"), "a b h3 "), 0);
    OK(remove_tree(AT_FDCWD, "top"));
    TRUE(!exists("top"));
}

static const struct posix_case rename_cases[] = {
    CASE(rename_file, FIX),      CASE(rename_over, FIX),         CASE(rename_errors, FIX),
    CASE(rename_to_itself, FIX), CASE(rename_hard_links, FIX),   CASE(rename_dir, FULL),
    CASE(rename_dir_over, FIX),  CASE(rename_over_emptied, FIX), CASE(rename_noreplace, FIX),
    CASE(rename_exchange, FIX),  CASE(rename_flags, FIX),        CASE(rename_whiteout, FIX),
    CASE(rename_dir_times, FIX), CASE(rename_open_file, FIX),    CASE(rename_chain, FIX),
    CASE(rename_nested, FIX),
};
THEME(rename);
