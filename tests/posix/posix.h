/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The POSIX suite: what ext4 does, as small functions. Each runs in a process and a directory of
 * its own; those with FIX find the fixture (fixture.c) there, made beforehand: in the image
 * (lower), through the mount (upper), or in the image and then touched through the mount (mixed).
 */
#ifndef POSIX_H
#define POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    ANY = 0,
    ROOT = 1, /* by root alone */
    USER = 2, /* by an ordinary user alone */
    FIX = 4,  /* works on the fixture, and runs once for each kind of it */
    MORE = 32,
    FULL = FIX | MORE, /* ... on all of the fixture */
    ELF = 8,           /* the fixture has a program too */
    ONCE = 16          /* takes long: on lower only */
};

struct posix_case {
    const char *name;
    void (*run)(void);
    unsigned flags;
};
struct posix_theme {
    const char *name;
    const struct posix_case *cases;
    size_t count;
};
#define CASE(function, flags)      \
    {                              \
#function, function, flags \
    }
#define THEME(which)                                                 \
    const struct posix_theme theme_##which = {#which, which##_cases, \
                                              sizeof(which##_cases) / sizeof(which##_cases[0])}

extern const struct posix_theme theme_acl, theme_data, theme_dir, theme_handle, theme_lock,
    theme_mode, theme_name, theme_open, theme_link, theme_rename, theme_stat, theme_time,
    theme_unlink, theme_user, theme_xattr, theme_map;

/* ---- what a case says ---- */

void t_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
long t_ok(long r, const char *what, const char *file, int line);
void t_fails(long r, int wanted, const char *what, const char *file, int line);
bool t_eq(long long got, long long wanted, const char *what, const char *file, int line);

/* The call does not return -1; its value. */
#define OK(call) t_ok((long)(call), #call, __FILE__, __LINE__)
/* The call returns -1 and sets errno to this. */
#define FAILS(call, error) t_fails((long)(call), error, #call, __FILE__, __LINE__)
#define EQ(got, wanted) t_eq((long long)(got), (long long)(wanted), #got, __FILE__, __LINE__)
#define TRUE(truth) t_eq((truth) ? 1 : 0, 1, #truth, __FILE__, __LINE__)
/* Ends the case when what everything else needs cannot be had. */
#define MUST(call)          \
    do {                    \
        if (OK(call) == -1) \
            return;         \
    } while (0)

/* ---- who asks ---- */

#define NOBODY 65534
/* Runs fn as an ordinary user: at once where this process is one's. */
void as_user(void (*fn)(void));
bool is_root(void);
/* Runs fn in a child; its exit status when it calls exit, else 0. */
int in_child(void (*fn)(void));

/* ---- short forms; all on the working directory, none follows a symlink ---- */

#define FILE_SIZE 6000 /* of "file": byte i is pattern(i) */
#define SPARSE_SIZE (1 << 18)
static inline char pattern(size_t i)
{
    return (char)('a' + i % 26);
}
struct stat st_of(const char *name); /* zeroes where there is none */
bool exists(const char *name);
mode_t mode_of(const char *name); /* permission bits */
long long ino_of(const char *name);
long nlink_of(const char *name);
long long size_of(const char *name);
long long ns(struct timespec t);
void nap(void);                                 /* until the disk's clock has moved on */
int put(const char *name, const char *content); /* makes or rewrites a file */
int make_dir(const char *name);                 /* 0755, whatever the umask */
bool holds(const char *name, const char *content);
bool has_pattern(const char *name, size_t size);
int remove_tree(int dirfd, const char *name);
/* The sorted names of a directory, each followed by a space, without "." and "..". */
const char *names_of(const char *dir);

/* flags: those of the case */
int fixture_make(int dirfd, uid_t owner, unsigned flags);
int fixture_mix(int dirfd, unsigned flags);
int manifest(const char *dir);

#endif
