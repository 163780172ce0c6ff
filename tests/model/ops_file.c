/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on file data, open files, attributes and extended attributes. */
#include "model.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/xattr.h>
#include <unistd.h>

#define BLOCK 4096
#define LARGEST 400000

static char *full_path(struct model *m, int s, const char *path)
{
    static char full[2 * PATH_ROOM];
    (void)snprintf(full, sizeof(full), "%s/%s", m->path[s], path);
    return full;
}

static void compare_open(struct model *m, const int fd[2])
{
    struct stat st[2];
    BOTH(m, fstat(fd[s], &st[s]));
    compare_stat(m, "the open file", st);
}

static void open_op(struct model *m, const char *path)
{
    static const int more[] = {0,
                               0,
                               O_CREAT,
                               O_CREAT,
                               O_CREAT | O_EXCL,
                               O_TRUNC,
                               O_CREAT | O_TRUNC,
                               O_APPEND,
                               O_CREAT | O_APPEND,
                               O_NOFOLLOW,
                               O_DIRECT,
                               O_DIRECTORY,
                               O_NOATIME};
    unsigned i = pick(m, FILES);
    if (m->file[i].fd[0] >= 0) {
        say(m, "close %u", i);
        BOTH(m, close(m->file[i].fd[s]));
        m->file[i].fd[0] = -1;
        return;
    }
    int flags = (int)pick(m, 3) | more[pick(m, COUNT(more))];
    mode_t mode = pick(m, 3) ? 0666 : 04777;
    if (m->user) /* the kernel asks for a file's owner */
        flags &= ~O_NOATIME;
    struct stat now; /* of a truncation by open(2) libfuse before 3.17 does not tell all */
    if ((flags & O_TRUNC) && (m->user || geteuid() != 0) &&
        fstatat(m->root[0], path, &now, 0) == 0 && (now.st_mode & 06000))
        return;
    int fd[2];
    say(m, "open %u '%s', flags %o", i, path, flags);
    if (flags & O_CREAT)
        touch(m, path);
    for (int s = 0; s < 2; s++) {
        fd[s] = openat(m->root[s], path, flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, mode);
        m->result[s] = fd[s] < 0 ? -1 : 0;
        m->error[s] = fd[s] < 0 ? errno : 0;
    }
    check(m);
    if (fd[0] < 0)
        return;
    compare_open(m, fd);
    struct stat st;
    if (fstat(fd[0], &st) || !S_ISREG(st.st_mode)) {
        (void)close(fd[0]);
        (void)close(fd[1]);
        return;
    }
    for (int s = 0; s < 2; s++)
        m->file[i].fd[s] = fd[s];
    m->file[i].flags = flags;
}

static void map_op(struct model *m, const int fd[2], unsigned i)
{
    struct stat st;
    char *map[2];
    if (fstat(fd[0], &st) || st.st_size == 0 || (m->file[i].flags & O_ACCMODE) != O_RDWR)
        return;
    size_t len = (size_t)st.st_size < 65536 ? (size_t)st.st_size : 65536;
    size_t at = pick(m, (unsigned)len), count = 1 + pick(m, 9000);
    say(m, "write to a mapping of %u at %zu", i, at);
    for (int s = 0; s < 2; s++) {
        map[s] = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_SHARED, fd[s], 0);
        if (map[s] == MAP_FAILED)
            wrong(m, "mmap on side %d: %s", s, strerror(errno));
    }
    if (memcmp(map[0], map[1], len) != 0)
        wrong(m, "the mapping shows other data");
    bool synced = pick(m, 2);
    for (int s = 0; s < 2; s++) {
        memset(map[s] + at, 'M', at + count <= len ? count : len - at);
        if (synced && msync(map[s], len, MS_SYNC))
            wrong(m, "msync on side %d: %s", s, strerror(errno));
        (void)munmap(map[s], len);
    }
}

static void allocate_op(struct model *m, const int fd[2], unsigned i, off_t at, off_t len)
{
    static const int modes[] = {0,
                                FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_ZERO_RANGE,
                                FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
                                FALLOC_FL_COLLAPSE_RANGE,
                                FALLOC_FL_INSERT_RANGE};
    int mode = modes[pick(m, COUNT(modes) - (getenv("MODEL_RANGES") ? 0 : 2))];
    say(m, "fallocate %u mode %d at %lld, %lld bytes", i, mode, (long long)at, (long long)len);
    BOTH(m, fallocate(fd[s], mode, at, len));
}

static void read_op(struct model *m, const int fd[2], unsigned i, off_t at, size_t len)
{
    static char data[2][65536] __attribute__((aligned(BLOCK)));
    if (len > sizeof(data[0]))
        len = sizeof(data[0]);
    say(m, "read %u at %lld, %zu bytes", i, (long long)at, len);
    BOTH(m, pread(fd[s], data[s], len, at));
    if (m->result[0] > 0 && memcmp(data[0], data[1], (size_t)m->result[0]) != 0)
        wrong(m, "other data");
}

static void write_op(struct model *m, const int fd[2], unsigned i, off_t at, size_t len)
{
    static char data[65536] __attribute__((aligned(BLOCK)));
    if (len > sizeof(data))
        len = sizeof(data);
    struct stat st; /* docs/posix.md, suid_set_while_open */
    if (geteuid() == 0 && fstat(fd[0], &st) == 0 && (st.st_mode & 06000))
        return;
    memset(data, 'A' + (int)pick(m, 26), len);
    say(m, "write %u at %lld, %zu bytes", i, (long long)at, len);
    BOTH(m, pwrite(fd[s], data, len, at));
}

static void copy_op(struct model *m, const int fd[2], unsigned i, off_t at, size_t len)
{
    unsigned to = pick(m, FILES);
    off_t out = pick(m, 60000), in[2] = {at, at}, outs[2] = {out, out};
    struct stat st;
    if (m->file[to].fd[0] < 0 || fstat(m->file[to].fd[0], &st) ||
        ((m->user || geteuid() != 0) && (st.st_mode & 06000)))
        return;
    say(m, "copy from %u at %lld to %u at %lld, %zu bytes", i, (long long)at, to, (long long)out,
        len);
    BOTH(m, copy_file_range(fd[s], &in[s], m->file[to].fd[s], &outs[s], len, 0));
    compare_open(m, m->file[to].fd);
}

/* An open file is used, whatever became of its name. */
static void use_op(struct model *m)
{
    static const size_t sizes[] = {1, 10, 100, 4096, 5000, 20000, 65536};
    unsigned i = pick(m, FILES), what = pick(m, 20);
    const int *fd = m->file[i].fd;
    off_t at = pick(m, 8) ? pick(m, 50000) : pick(m, LARGEST);
    size_t len = sizes[pick(m, COUNT(sizes))];
    struct stat st; /* of setuid and fallocate or copy_file_range FUSE does not tell all */
    if (fd[0] < 0 || (what >= 12 && what < 15 && (m->user || geteuid() != 0) &&
                      (fstat(fd[0], &st) || (st.st_mode & 06000))))
        return;
    if (m->file[i].flags & O_DIRECT) {
        at -= at % BLOCK;
        len = len < BLOCK ? BLOCK : len - len % BLOCK;
    }
    if (what < 5) {
        read_op(m, fd, i, at, len);
    } else if (what < 10) {
        write_op(m, fd, i, at, len);
    } else if (what < 12) {
        map_op(m, fd, i);
    } else if (what < 14) {
        allocate_op(m, fd, i, at, (off_t)len);
    } else if (what < 15) {
        copy_op(m, fd, i, at, len);
    } else if (what < 17) {
        off_t size = pick(m, 3) ? (off_t)pick(m, 30000) : 0;
        say(m, "ftruncate %u to %lld", i, (long long)size);
        BOTH(m, ftruncate(fd[s], size));
    } else if (what < 18) {
        say(m, "fchmod %u", i);
        BOTH(m, fchmod(fd[s], 0600 + (mode_t)what));
    } else if (what < 19) {
        say(m, "fsetxattr %u", i);
        BOTH(m, fsetxattr(fd[s], "user.open", m->op, 12, 0));
    } else {
        say(m, "fsync %u", i);
        BOTH(m, fsync(fd[s]));
    }
    compare_open(m, fd);
}

void op_file(struct model *m)
{
    static const off_t sizes[] = {0, 1, 100, 2048, 5000, 70000, LARGEST};
    char path[PATH_ROOM];
    unsigned what = pick(m, 10);
    random_path(m, path);
    if (what < 4) {
        open_op(m, path);
    } else if (what < 9) {
        use_op(m);
    } else {
        off_t size = sizes[pick(m, COUNT(sizes))];
        say(m, "truncate '%s' to %lld", path, (long long)size);
        struct stat st;
        if (fstatat(m->root[0], path, &st, 0) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
            return; /* devices of the host */
        BOTH(m, truncate(full_path(m, s, path), size));
        compare_path(m, path, false);
    }
}

/* ---- attributes ---- */

static void times_op(struct model *m, const char *path)
{
    struct timespec times[2];
    for (int i = 0; i < 2; i++) {
        unsigned how = pick(m, 4);
        times[i].tv_sec = 1500000000 + pick(m, 100000);
        times[i].tv_nsec = how == 0 ? UTIME_NOW : how == 1 ? UTIME_OMIT : pick(m, 999999999);
    }
    int flags = pick(m, 2) ? AT_SYMLINK_NOFOLLOW : 0;
    say(m, "times of '%s', flags %d: %ld %ld", path, flags, times[0].tv_nsec, times[1].tv_nsec);
    BOTH(m, utimensat(m->root[s], path, times, flags));
    struct stat st[2];
    for (int s = 0; s < 2; s++)
        if (fstatat(m->root[s], path, &st[s], flags))
            return;
    if (times[0].tv_nsec < 1000000000 && m->result[0] == 0 &&
        (st[0].st_atim.tv_sec != st[1].st_atim.tv_sec ||
         st[0].st_atim.tv_nsec != st[1].st_atim.tv_nsec))
        wrong(m, "atime %lld.%09ld instead of %lld.%09ld", (long long)st[1].st_atim.tv_sec,
              st[1].st_atim.tv_nsec, (long long)st[0].st_atim.tv_sec, st[0].st_atim.tv_nsec);
}

/* A list as the kernel keeps it; its size. Source: linux/posix_acl_xattr.h. */
static size_t make_acl(struct model *m, char acl[64])
{
    static const uint16_t tags[] = {0x01, 0x02, 0x04, 0x08, 0x10, 0x20};
    size_t len = 4;
    bool extended = pick(m, 3);
    memcpy(acl, &(uint32_t){2}, 4);
    for (unsigned i = 0; i < COUNT(tags); i++) {
        bool named = tags[i] == 0x02 || tags[i] == 0x08;
        if (!extended && (named || tags[i] == 0x10))
            continue;
        uint16_t perm = (uint16_t)(pick(m, 8) | (m->user ? 6 : 0));
        memcpy(acl + len, &tags[i], 2);
        memcpy(acl + len + 2, &perm, 2);
        memcpy(acl + len + 4, &(uint32_t){named ? 1000 : UINT32_MAX}, 4);
        len += 8;
    }
    return len;
}

static void acl_op(struct model *m, const char *path)
{
    static const char *const names[] = {"system.posix_acl_access", "system.posix_acl_default"};
    const char *name = names[pick(m, 2)];
    char acl[64];
    struct stat st; /* whether setgid goes is for the kernel to say, and FUSE does not tell us */
    if (geteuid() != 0 && fstatat(m->root[0], path, &st, 0) == 0 && (st.st_mode & S_ISGID))
        return;
    if (pick(m, 4) == 0) {
        say(m, "remove %s of '%s'", name, path);
        BOTH(m, removexattr(full_path(m, s, path), name));
    } else {
        size_t len = make_acl(m, acl);
        say(m, "set %s of '%s', %zu bytes", name, path, len);
        BOTH(m, setxattr(full_path(m, s, path), name, acl, len, 0));
    }
}

static void xattr_op(struct model *m, const char *path)
{
    static const char *const names[] = {"user.a",    "user.color",        "user.overlay.x",
                                        "trusted.a", "trusted.overlay.x", "security.test"};
    const char *name = names[pick(m, m->user ? 3 : COUNT(names))];
    static char value[3000];
    size_t len = pick(m, 5) ? pick(m, 50) : pick(m, sizeof(value));
    int flags = (int)pick(m, 3);
    if (pick(m, 3) == 0) {
        say(m, "remove xattr %s of '%s'", name, path);
        BOTH(m, lremovexattr(full_path(m, s, path), name));
        return;
    }
    memset(value, 'a' + (int)pick(m, 26), len);
    say(m, "set xattr %s of '%s', %zu bytes, flags %d", name, path, len, flags);
    BOTH(m, lsetxattr(full_path(m, s, path), name, value, len, flags));
}

static void mode_op(struct model *m, const char *path)
{
    static const mode_t modes[] = {0644, 0755, 0700, 01777, 0600, 04755, 02755, 06777, 0, 0444};
    mode_t mode = modes[pick(m, COUNT(modes))];
    struct stat st;
    if (m->user && fstatat(m->root[0], path, &st, 0) == 0 && S_ISDIR(st.st_mode))
        mode &= ~(mode_t)07000; /* the kernel asks for owners in sticky directories */
    say(m, "chmod '%s' %o", path, mode);
    BOTH(m, fchmodat(m->root[s], path, mode, 0));
}

static void owner_op(struct model *m, const char *path)
{
    static const uid_t ids[] = {0, 1000, 1001, 65534, (uid_t)-1};
    uid_t uid = ids[pick(m, COUNT(ids))];
    gid_t gid = ids[pick(m, COUNT(ids) - (uid == (uid_t)-1))]; /* of no change FUSE is not told */
    int flags = pick(m, 2) ? AT_SYMLINK_NOFOLLOW : 0;
    say(m, "chown '%s' %d:%d, flags %d", path, (int)uid, (int)gid, flags);
    BOTH(m, fchownat(m->root[s], path, uid, gid, flags));
}

void op_attribute(struct model *m)
{
    char path[PATH_ROOM];
    unsigned what = pick(m, 12);
    random_path(m, path);
    if (what < 3) {
        mode_op(m, path);
    } else if (what < 5) {
        if (!m->user)
            owner_op(m, path);
    } else if (what < 7) {
        times_op(m, path);
    } else if (what < 9) {
        xattr_op(m, path);
    } else if (what < 10) {
        if (getenv("MODEL_ACL") &&
            !m->user) /* the kernel lets only a file's owner: not him who stands for root */
            acl_op(m, path);
    } else {
        int how = (int)pick(m, 8);
        say(m, "access '%s' %d", path, how);
        BOTH(m, faccessat(m->root[s], path, how, AT_EACCESS));
    }
    compare_path(m, path, false);
}
