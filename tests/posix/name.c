/* SPDX-License-Identifier: Apache-2.0 */
/* Long names, deep paths, odd bytes. */
#include <limits.h>

#include "posix.h"

static void name_longest(void)
{
    char name[300], more[320];
    memset(name, 'n', sizeof(name));
    for (size_t len = 250; len <= 255; len++) {
        name[len] = 0;
        struct stat st;
        FAILS(lstat(name, &st), ENOENT);
        OK(put(name, "x"));
        (void)snprintf(more, sizeof(more), "dir/%s", name);
        OK(rename(name, more));
        TRUE(holds(more, "x"));
        OK(unlink(more));
        FAILS(open(more, O_RDONLY), ENOENT);
        OK(mkdir(more, 0755));
        OK(rmdir(more));
        OK(symlink(name, more));
        OK(unlink(more));
        name[len] = 'n';
    }
    name[256] = 0;
    struct stat st;
    FAILS(lstat(name, &st), ENAMETOOLONG);
    FAILS(put(name, "x"), ENAMETOOLONG);
    FAILS(mkdir(name, 0755), ENAMETOOLONG);
    FAILS(rename("file", name), ENAMETOOLONG);
    FAILS(link("file", name), ENAMETOOLONG);
    FAILS(symlink("x", name), ENAMETOOLONG);
    FAILS(unlink(name), ENAMETOOLONG);
    TRUE(has_pattern("file", FILE_SIZE));
}

static void name_odd_bytes(void)
{
    char name[2] = "x";
    OK(mkdir("odd", 0755));
    OK(chdir("odd"));
    for (int c = 1; c < 256; c++) {
        name[0] = (char)c;
        if (c != '/' && c != '.')
            OK(put(name, "o"));
    }
    OK(put("...", "dots"));
    OK(put("#1", "x"));
    OK(put("whiteout", "x"));
    TRUE(holds("\n", "o"));
    TRUE(holds("\xff", "o"));
    OK(chdir(".."));
    OK(remove_tree(AT_FDCWD, "odd"));
}

static void name_path_too_long(void)
{
    char path[PATH_MAX + 10];
    memset(path, '/', sizeof(path));
    path[0] = '.';
    memcpy(path + PATH_MAX - 6, "file", 5);
    OK(open(path, O_RDONLY));
    memset(path, '/', sizeof(path));
    path[0] = '.';
    memcpy(path + PATH_MAX, "file", 5);
    FAILS(open(path, O_RDONLY), ENAMETOOLONG);
}

/* 40 directories of 200 bytes: 8,000 bytes of path. */
static void name_deep(void)
{
    char name[201];
    struct stat st;
    memset(name, 'd', 200);
    name[200] = 0;
    OK(mkdir("deep", 0755));
    int fd = open("deep", O_RDONLY | O_DIRECTORY);
    for (int i = 0; i < 40; i++) {
        if (OK(mkdirat(fd, name, 0755)) == -1)
            return;
        int next = openat(fd, name, O_RDONLY | O_DIRECTORY);
        (void)close(fd);
        fd = next;
    }
    int file = openat(fd, "bottom", O_CREAT | O_RDWR, 0644);
    MUST(file);
    EQ(write(file, "b", 1), 1);
    OK(fstatat(fd, "bottom", &st, 0));
    EQ(st.st_size, 1);
    OK(renameat(fd, "bottom", AT_FDCWD, "top"));
    OK(renameat(AT_FDCWD, "file", fd, "bottom"));
    OK(fchdir(fd));
    TRUE(has_pattern("bottom", FILE_SIZE));
    for (int i = 0; i < 41; i++)
        OK(chdir(".."));
    OK(rename("deep", "dir/deep"));
    OK(remove_tree(AT_FDCWD, "dir/deep"));
    TRUE(!exists("dir/deep"));
    TRUE(holds("top", "b"));
}

static void name_symlink_chain(void)
{
    char a[16], b[16];
    OK(symlink("small", "c0"));
    for (int i = 1; i <= 45; i++) {
        (void)snprintf(a, sizeof(a), "c%d", i - 1);
        (void)snprintf(b, sizeof(b), "c%d", i);
        OK(symlink(a, b));
    }
    OK(open("c39", O_RDONLY));
    FAILS(open("c40", O_RDONLY), ELOOP);
    OK(symlink("../name_symlink_chain/dir", "up"));
    TRUE(holds("up/a", "a\n"));
}

static void name_case(void)
{
    OK(put("File", "upper"));
    TRUE(holds("File", "upper"));
    TRUE(has_pattern("file", FILE_SIZE));
    OK(rename("File", "FILE"));
    TRUE(!exists("File"));
}

static const struct posix_case name_cases[] = {
    CASE(name_longest, FIX), CASE(name_odd_bytes, ANY),     CASE(name_path_too_long, FIX),
    CASE(name_deep, FIX),    CASE(name_symlink_chain, FIX), CASE(name_case, FIX),
};
THEME(name);
