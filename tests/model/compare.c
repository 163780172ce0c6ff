/* SPDX-License-Identifier: Apache-2.0 */
/* Whether both sides hold the same. */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

/* Which inode of the mount stands for which one of the plain side; numbers must stay, through
 * copy-up and remounts. The time of birth tells a number that was used again. */
struct pair {
    uint64_t plain, mount;
    int64_t born, born_nsec;
    unsigned seen, before; /* in which comparison; 0: not */
};
#define PAIRS 32768
static struct pair pairs[PAIRS];
static unsigned pair_count, round_number;

bool inodes_load(const char *file)
{
    FILE *f = fopen(file, "r");
    pair_count = 0;
    if (f) {
        pair_count = (unsigned)fread(pairs, sizeof(pairs[0]), PAIRS, f);
        (void)fclose(f);
    }
    for (unsigned i = 0; i < pair_count; i++)
        pairs[i].seen = 0;
    return true;
}

void inodes_save(const char *file)
{
    FILE *f = fopen(file, "w");
    if (!f || fwrite(pairs, sizeof(pairs[0]), pair_count, f) != pair_count || fclose(f))
        abort();
}

static void check_inode(struct model *m, const char *path, const struct stat st[2])
{
    struct statx x = {0};
    if (statx(m->root[0], path, AT_SYMLINK_NOFOLLOW, STATX_BTIME, &x))
        return;
    for (unsigned i = 0; i < pair_count; i++) {
        struct pair *p = &pairs[i];
        bool plain = p->plain == st[0].st_ino && p->born == x.stx_btime.tv_sec &&
                     p->born_nsec == (int64_t)x.stx_btime.tv_nsec;
        if (plain && p->mount != st[1].st_ino)
            wrong(m, "%s: inode %llu, which was %llu", path, (unsigned long long)st[1].st_ino,
                  (unsigned long long)p->mount);
        if (!plain && p->mount == st[1].st_ino && p->seen == round_number)
            wrong(m, "%s: shares its inode with another", path);
        if (plain) {
            p->seen = round_number;
            return;
        }
    }
    if (pair_count < PAIRS)
        pairs[pair_count++] = (struct pair){st[0].st_ino,        st[1].st_ino, x.stx_btime.tv_sec,
                                            x.stx_btime.tv_nsec, round_number, 0};
}

/* Those that are gone are forgotten: their number may come again. */
static void forget_inodes(void)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < pair_count; i++)
        if (pairs[i].seen == round_number)
            pairs[kept++] = pairs[i];
    pair_count = kept;
}

/* Times that were given are the same; those that operations made are about the same. */
static bool same_time(struct model *m, struct timespec a, struct timespec b)
{
    if (m->exact || a.tv_sec < m->start || b.tv_sec < m->start)
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
    return a.tv_sec - b.tv_sec < 10 && b.tv_sec - a.tv_sec < 10;
}

void compare_stat(struct model *m, const char *what, const struct stat st[2])
{
    bool is_dir = S_ISDIR(st[0].st_mode);
    if (st[0].st_mode != st[1].st_mode)
        wrong(m, "%s: mode %o instead of %o", what, st[1].st_mode, st[0].st_mode);
    if (!m->user && (st[0].st_uid != st[1].st_uid || st[0].st_gid != st[1].st_gid))
        wrong(m, "%s: owner %u:%u instead of %u:%u", what, st[1].st_uid, st[1].st_gid, st[0].st_uid,
              st[0].st_gid);
    if (!is_dir && st[0].st_nlink != st[1].st_nlink)
        wrong(m, "%s: %lu links instead of %lu", what, (unsigned long)st[1].st_nlink,
              (unsigned long)st[0].st_nlink);
    if (!is_dir && st[0].st_size != st[1].st_size)
        wrong(m, "%s: %lld bytes instead of %lld", what, (long long)st[1].st_size,
              (long long)st[0].st_size);
    if (st[0].st_rdev != st[1].st_rdev)
        wrong(m, "%s: another device", what);
    if (!(is_dir && m->exact) && !same_time(m, st[0].st_mtim, st[1].st_mtim))
        wrong(m, "%s: mtime %lld.%09ld instead of %lld.%09ld", what,
              (long long)st[1].st_mtim.tv_sec, st[1].st_mtim.tv_nsec,
              (long long)st[0].st_mtim.tv_sec, st[0].st_mtim.tv_nsec);
}

static void compare_data(struct model *m, const char *path)
{
    static char data[2][1 << 16];
    ssize_t n[2];
    int fd[2];
    off_t at = 0;
    for (int s = 0; s < 2; s++) {
        fd[s] = openat(m->root[s], path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd[s] < 0)
            wrong(m, "%s: cannot be opened on side %d: %s", path, s, strerror(errno));
    }
    do {
        for (int s = 0; s < 2; s++)
            n[s] = pread(fd[s], data[s], sizeof(data[s]), at);
        if (n[0] != n[1])
            wrong(m, "%s: read %zd bytes at %lld instead of %zd (%s)", path, n[1], (long long)at,
                  n[0], strerror(errno));
        for (ssize_t i = 0; i < n[0]; i++)
            if (data[0][i] != data[1][i])
                wrong(m, "%s: differs at byte %lld: %02x instead of %02x", path, (long long)at + i,
                      data[1][i] & 255, data[0][i] & 255);
        at += n[0] > 0 ? n[0] : 0;
    } while (n[0] > 0);
    (void)close(fd[0]);
    (void)close(fd[1]);
}

static int by_line(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of all xattrs, sorted; the count. */
static int xattr_names(struct model *m, int s, const char *path, char *room, size_t size,
                       char **names, int most)
{
    char full[2 * PATH_ROOM];
    int count = 0;
    (void)snprintf(full, sizeof(full), "%s/%s", m->path[s], path);
    ssize_t n = llistxattr(full, room, size);
    if (n < 0)
        wrong(m, "listxattr of %s on side %d: %s", path, s, strerror(errno));
    for (char *p = room; p < room + n && count < most; p += strlen(p) + 1)
        names[count++] = p;
    qsort(names, (size_t)count, sizeof(*names), by_line);
    return count;
}

static void compare_xattrs(struct model *m, const char *path)
{
    static char room[2][4096], value[2][65536];
    char *names[2][64], full[2 * PATH_ROOM];
    ssize_t n[2];
    int count[2];
    for (int s = 0; s < 2; s++)
        count[s] = xattr_names(m, s, path, room[s], sizeof(room[s]), names[s], 64);
    for (int i = 0; i < count[0] || i < count[1]; i++) {
        if (i >= count[1] || (i < count[0] && strcmp(names[0][i], names[1][i]) != 0))
            wrong(m, "%s: xattr %s: not as on the other side", path,
                  i < count[1] ? names[1][i] : names[0][i]);
        if (i >= count[0])
            wrong(m, "%s: xattr %s: only on the mount", path, names[1][i]);
        for (int s = 0; s < 2; s++) {
            (void)snprintf(full, sizeof(full), "%s/%s", m->path[s], path);
            n[s] = lgetxattr(full, names[0][i], value[s], sizeof(value[s]));
        }
        if (n[0] != n[1] || (n[0] > 0 && memcmp(value[0], value[1], (size_t)n[0]) != 0))
            wrong(m, "%s: xattr %s: %zd bytes, or others, instead of %zd", path, names[0][i], n[1],
                  n[0]);
    }
}

void compare_path(struct model *m, const char *path, bool whole)
{
    char target[2][PATH_ROOM] = {{0}};
    struct stat st[2];
    int r[2], e[2];
    for (int s = 0; s < 2; s++) {
        r[s] = fstatat(m->root[s], path, &st[s], AT_SYMLINK_NOFOLLOW);
        e[s] = r[s] ? errno : 0;
    }
    if (e[0] != e[1])
        wrong(m, "stat of %s: %s instead of %s", path, strerror(e[1]), strerror(e[0]));
    if (r[0])
        return;
    if (m->adopt && S_ISDIR(st[0].st_mode) && S_ISDIR(st[1].st_mode)) {
        const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, st[1].st_mtim};
        st[0].st_mtim = st[1].st_mtim;
        (void)utimensat(m->root[0], path, times, AT_SYMLINK_NOFOLLOW);
    }
    compare_stat(m, path, st);
    if (!whole)
        return;
    if (!m->exact)
        check_inode(m, path, st);
    if (S_ISLNK(st[0].st_mode)) {
        for (int s = 0; s < 2; s++)
            if (readlinkat(m->root[s], path, target[s], PATH_ROOM - 1) < 0)
                wrong(m, "readlink of %s: %s", path, strerror(errno));
        if (strcmp(target[0], target[1]) != 0)
            wrong(m, "%s leads to %s instead of %s", path, target[1], target[0]);
    }
    if (S_ISREG(st[0].st_mode))
        compare_data(m, path);
    compare_xattrs(m, path);
}

/* The listing and, whatever it says, each name that is in one of them. */
static void compare_names(struct model *m, const char *dir, char *names[2])
{
    for (int s = 0; s < 2; s++) {
        int fd = openat(m->root[s], *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        names[s] = fd >= 0 ? list_names(fd) : NULL;
        if (!names[s])
            wrong(m, "cannot list %s on side %d: %s", dir, s, strerror(errno));
        (void)close(fd);
    }
    if (strcmp(names[0], names[1]) != 0)
        wrong(m, "the listing of '%s' is\n%snot\n%s", dir, names[1], names[0]);
    free(names[1]);
}

static void compare_dir(struct model *m, const char *dir)
{
    char *names[2], *save = NULL;
    struct stat st;
    compare_names(m, dir, names);
    for (char *name = strtok_r(names[0], "\n", &save); name; name = strtok_r(NULL, "\n", &save)) {
        char path[PATH_ROOM];
        (void)snprintf(path, sizeof(path), "%s%s%s", dir, *dir ? "/" : "", name);
        compare_path(m, path, true);
        if (fstatat(m->root[0], path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode))
            compare_dir(m, path);
    }
    free(names[0]);
}

void compare_trees(struct model *m)
{
    round_number++;
    compare_path(m, ".", true);
    compare_dir(m, "");
    forget_inodes();
}
