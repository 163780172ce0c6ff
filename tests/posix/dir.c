/* SPDX-License-Identifier: Apache-2.0 */
/* Reading directories. */
#include <dirent.h>

#include "posix.h"

static void dir_entries(void)
{
    bool dot = false, dots = false;
    DIR *d = opendir("dir");
    struct dirent *e;
    while ((e = readdir(d))) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0) {
            dot = true;
            EQ(e->d_ino, ino_of("dir"));
        } else if (strcmp(e->d_name, "..") == 0) {
            dots = true;
            EQ(e->d_ino, ino_of("."));
        } else {
            OK(fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW));
            EQ(e->d_ino, st.st_ino);
            EQ(DTTOIF(e->d_type), st.st_mode & S_IFMT);
        }
    }
    TRUE(dot && dots);
    EQ(strcmp(names_of("dir"), "a b h3 sub "), 0);
}

static void dir_types(void)
{
    static const struct {
        const char *name;
        unsigned char type;
    } wanted[] = {{"file", DT_REG},  {"dir", DT_DIR}, {"sym", DT_LNK},
                  {"fifo", DT_FIFO}, {"chr", DT_CHR}, {"loop", DT_LNK}};
    OK(chmod("file", 0600));
    OK(chmod("fifo", 0600));
    unsigned seen = 0;
    DIR *d = opendir(".");
    struct dirent *e;
    while ((e = readdir(d)))
        for (int i = 0; i < 6; i++)
            if (strcmp(e->d_name, wanted[i].name) == 0) {
                EQ(e->d_type, wanted[i].type);
                seen++;
            }
    EQ(seen, exists("chr") ? 6 : 5);
}

/* Places told before stay right while entries come and go. */
static void dir_seek(void)
{
    enum { COUNT = 400 };
    char name[32];
    static long places[COUNT + 50];
    static char names[COUNT + 50][32];
    int n = 0;
    for (int i = 0; i < COUNT; i++) {
        (void)snprintf(name, sizeof(name), "dir/file-%d", i);
        OK(put(name, ""));
    }
    DIR *d = opendir("dir");
    struct dirent *e;
    while ((e = readdir(d)) && n < COUNT + 50) {
        (void)snprintf(names[n], sizeof(names[n]), "%.31s", e->d_name);
        places[n++] = telldir(d);
    }
    EQ(n, COUNT + 6);
    for (int i = 3; i < n; i += 41) {
        seekdir(d, places[i - 1]);
        e = readdir(d);
        TRUE(e && strcmp(e->d_name, names[i]) == 0);
    }
    seekdir(d, places[200]);
    (void)snprintf(name, sizeof(name), "dir/%.26s", names[100]);
    if (strncmp(names[100], "file", 4) == 0)
        OK(unlink(name));
    OK(put("dir/another", ""));
    e = readdir(d);
    TRUE(e && strcmp(e->d_name, names[201]) == 0);
    rewinddir(d);
    int again = 0;
    bool another = false;
    while ((e = readdir(d))) {
        again++;
        another = another || strcmp(e->d_name, "another") == 0;
    }
    EQ(again, n);
    TRUE(another);
}

/* What is there all the time is seen once, whatever else comes and goes. */
static void dir_changes_while_read(void)
{
    char name[64];
    static unsigned char seen[1000];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof(name), "dir/stay-%d", i);
        OK(put(name, ""));
    }
    DIR *d = opendir("dir");
    struct dirent *e;
    int n = 0, which;
    while ((e = readdir(d))) {
        if (sscanf(e->d_name, "stay-%d", &which) == 1)
            seen[which]++;
        (void)snprintf(name, sizeof(name), "dir/come-%d", n++);
        OK(put(name, ""));
        if (n > 3) {
            (void)snprintf(name, sizeof(name), "dir/come-%d", n - 3);
            OK(unlink(name));
        }
        if (n > 5000)
            break;
    }
    int missing = 0, twice = 0;
    for (int i = 0; i < 1000; i++) {
        missing += seen[i] == 0;
        twice += seen[i] > 1;
    }
    EQ(missing, 0);
    EQ(twice, 0);
}

static void dir_remove_while_read(void)
{
    char name[64];
    for (int i = 0; i < 500; i++) {
        (void)snprintf(name, sizeof(name), "dir/some-%d", i);
        OK(put(name, ""));
    }
    DIR *d = opendir("dir");
    struct dirent *e;
    while ((e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            (void)remove_tree(dirfd(d), e->d_name);
    (void)closedir(d);
    EQ(strlen(names_of("dir")), 0);
    OK(rmdir("dir"));
}

static void dir_large(void)
{
    char name[64];
    static unsigned char seen[10000];
    int n = 0, which;
    OK(mkdir("large", 0755));
    OK(chdir("large"));
    for (int i = 0; i < 10000; i++) {
        (void)snprintf(name, sizeof(name), "a-rather-long-name-of-a-file-%d", i);
        if (OK(mknod(name, S_IFREG | 0644, 0)) == -1)
            return;
    }
    DIR *d = opendir(".");
    struct dirent *e;
    while ((e = readdir(d)))
        if (sscanf(e->d_name, "a-rather-long-name-of-a-file-%d", &which) == 1) {
            n++;
            seen[which]++;
        }
    EQ(n, 10000);
    for (int i = 0; i < 10000; i++)
        if (seen[i] != 1)
            t_fail(__FILE__, __LINE__, "name %d is seen %d times", i, seen[i]);
    OK(chdir(".."));
    OK(rename("large", "larger"));
    OK(remove_tree(AT_FDCWD, "larger"));
}

/* Two readers see a change of the other at once when they begin anew. */
static void dir_fresh_listing(void)
{
    EQ(strcmp(names_of("dir"), "a b h3 sub "), 0);
    OK(put("dir/n", ""));
    EQ(strcmp(names_of("dir"), "a b h3 n sub "), 0);
    OK(unlink("dir/a"));
    EQ(strcmp(names_of("dir"), "b h3 n sub "), 0);
    OK(rename("dir/b", "dir/z"));
    EQ(strcmp(names_of("dir"), "h3 n sub z "), 0);
    DIR *d = opendir("dir");
    while (readdir(d))
        continue;
    OK(put("dir/y", ""));
    rewinddir(d);
    int n = 0;
    while (readdir(d))
        n++;
    EQ(n, 7);
}

static void dir_errors(void)
{
    TRUE(!opendir("file") && errno == ENOTDIR);
    TRUE(!opendir("missing") && errno == ENOENT);
    int fd = open("dir", O_RDONLY);
    FAILS(lseek(fd, -5, SEEK_SET), EINVAL);
    FAILS(write(fd, "x", 1), EBADF);
    FAILS(ftruncate(fd, 0), EINVAL);
}

static const struct posix_case dir_cases[] = {
    CASE(dir_entries, FIX),
    CASE(dir_types, FULL),
    CASE(dir_seek, FIX),
    CASE(dir_changes_while_read, FIX),
    CASE(dir_remove_while_read, FIX),
    CASE(dir_large, ONCE),
    CASE(dir_fresh_listing, FIX),
    CASE(dir_errors, FIX),
};
THEME(dir);
