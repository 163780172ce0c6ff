/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The fixture of a case. U is the owner that was asked for. With FIX:
 *
 *   file 0644, small, empty              6000 bytes of the pattern, 14 bytes, none
 *   h1, h2, dir/h3                       one inode of 3000 bytes
 *   dir/a, dir/b, dir/sub/c, edir        a tree of small files, an empty directory
 *   sym, symdir, dangling, loop, fifo
 *
 * and with FULL also:
 *
 *   suid 04755, sgid 02755, exe 0755     exe is a script that exits 7
 *   gdir 02775 of group 1234, sparse     256 KiB with one x in the middle
 *   sticky 01777 of root                 sticky/other is user 1's, sticky/mine is U's
 *   chr (1:3; by root)
 *   xa: user.a=1, user.big=3000 bytes, trusted.t=t (made by root)
 *   acl: user 1 may write; adir: user 1 may do all by default
 *   rootfile 0600, rootpub 0644, rootdir/f    root's, whoever U is
 *
 * and with ELF: elf, a program.
 */
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include "posix.h"

static const char SCRIPT[] = "#!/bin/sh\nexit 7\n";

struct file {
    const char *name;
    mode_t mode;
    const char *content; /* NULL: the pattern */
    size_t len;
    char owner; /* 'U', 'r'oot, user '1' */
    bool more;
};
static const struct file FILES[] = {
    {"dir", S_IFDIR | 0755, NULL, 0, 'U', false},
    {"dir/sub", S_IFDIR | 0755, NULL, 0, 'U', false},
    {"edir", S_IFDIR | 0755, NULL, 0, 'U', false},
    {"file", 0644, NULL, FILE_SIZE, 'U', false},
    {"small", 0644, "small content\n", 14, 'U', false},
    {"empty", 0644, "", 0, 'U', false},
    {"h1", 0644, NULL, 3000, 'U', false},
    {"dir/a", 0644, "a\n", 2, 'U', false},
    {"dir/b", 0644, "b\n", 2, 'U', false},
    {"dir/sub/c", 0644, "c\n", 2, 'U', false},
    {"gdir", S_IFDIR | 02775, NULL, 0, 'g', true},
    {"sticky", S_IFDIR | 01777, NULL, 0, 'r', true},
    {"adir", S_IFDIR | 0755, NULL, 0, 'U', true},
    {"rootdir", S_IFDIR | 0755, NULL, 0, 'r', true},
    {"suid", 04755, NULL, FILE_SIZE, 'U', true},
    {"sgid", 02755, NULL, FILE_SIZE, 'U', true},
    {"exe", 0755, SCRIPT, sizeof(SCRIPT) - 1, 'U', true},
    {"sparse", 0644, "", 0, 'U', true},
    {"xa", 0644, "x", 1, 'U', true},
    {"acl", 0644, "x", 1, 'U', true},
    {"sticky/other", 0666, "o", 1, '1', true},
    {"sticky/mine", 0644, "m", 1, 'U', true},
    {"rootfile", 0600, "secret", 6, 'r', true},
    {"rootpub", 0644, "public", 6, 'r', true},
    {"rootdir/f", 0644, "f", 1, 'r', true},
};

static int give(int dir, const char *name, uid_t owner, char whom)
{
    uid_t uid = whom == 'U' || whom == 'g' ? owner : whom == '1' ? 1 : 0;
    gid_t gid = whom == 'g' ? 1234 : uid;
    return fchownat(dir, name, uid, gid, AT_SYMLINK_NOFOLLOW) && is_root();
}

static int make_file(int dir, const struct file *f)
{
    char text[FILE_SIZE];
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = pattern(i);
    int fd = openat(dir, f->name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int r = write(fd, f->content ? f->content : text, f->len) != (ssize_t)f->len;
    if (strcmp(f->name, "sparse") == 0)
        r = r || ftruncate(fd, SPARSE_SIZE) || pwrite(fd, "x", 1, SPARSE_SIZE / 2) != 1;
    return close(fd) || r;
}

static int make_files(int dir, uid_t owner, bool full)
{
    for (size_t i = 0; i < sizeof(FILES) / sizeof(FILES[0]); i++) {
        const struct file *f = &FILES[i];
        if (f->more && !full)
            continue;
        if (S_ISDIR(f->mode) ? mkdirat(dir, f->name, 0700) : make_file(dir, f))
            return -1;
        if (give(dir, f->name, owner, f->owner) || fchmodat(dir, f->name, f->mode & 07777, 0))
            return -1;
    }
    return linkat(dir, "h1", dir, "h2", 0) || linkat(dir, "h1", dir, "dir/h3", 0);
}

static int make_special(int dir, uid_t owner, bool full)
{
    static const char *const links[][2] = {
        {"file", "sym"}, {"dir", "symdir"}, {"nowhere", "dangling"}, {"loop", "loop"}};
    for (int i = 0; i < 4; i++)
        if (symlinkat(links[i][0], dir, links[i][1]) || give(dir, links[i][1], owner, 'U'))
            return -1;
    if (mknodat(dir, "fifo", S_IFIFO | 0644, 0) || give(dir, "fifo", owner, 'U'))
        return -1;
    return full && is_root() && mknodat(dir, "chr", S_IFCHR | 0666, makedev(1, 3));
}

/* version 2; entries of tag, permissions, id */
struct acl_entry {
    uint16_t tag, perm;
    uint32_t id;
};
struct acl {
    uint32_t version;
    struct acl_entry entries[5];
};
static struct acl acl_for(uint16_t user1, uint16_t other)
{
    return (struct acl){2,
                        {{0x01, 6 | (user1 & 1), UINT32_MAX},
                         {0x02, user1, 1},
                         {0x04, 4 | (user1 & 1), UINT32_MAX},
                         {0x10, user1, UINT32_MAX},
                         {0x20, other, UINT32_MAX}}};
}

static int make_xattrs(int dir)
{
    char big[3000];
    memset(big, 'B', sizeof(big));
    struct acl access = acl_for(6, 4), inherited = acl_for(7, 0);
    int fd = openat(dir, "xa", O_RDONLY | O_CLOEXEC);
    int r = fsetxattr(fd, "user.a", "1", 1, 0) || fsetxattr(fd, "user.big", big, sizeof(big), 0) ||
            (is_root() && fsetxattr(fd, "trusted.t", "t", 1, 0));
    (void)close(fd);
    fd = openat(dir, "acl", O_RDONLY | O_CLOEXEC);
    r = r || fsetxattr(fd, "system.posix_acl_access", &access, sizeof(access), 0);
    (void)close(fd);
    fd = openat(dir, "adir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = r || fsetxattr(fd, "system.posix_acl_default", &inherited, sizeof(inherited), 0);
    (void)close(fd);
    return r;
}

static int add_program(int dir, uid_t owner)
{
    char buf[65536];
    int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    int out = openat(dir, "elf", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0755);
    int r = in < 0 || out < 0;
    ssize_t n;
    while (!r && (n = read(in, buf, sizeof(buf))) > 0)
        r = write(out, buf, (size_t)n) != n;
    (void)close(in);
    (void)close(out);
    return r || give(dir, "elf", owner, 'U');
}

int fixture_make(int dir, uid_t owner, unsigned flags)
{
    bool full = flags & MORE;
    return make_files(dir, owner, full) || make_special(dir, owner, full) ||
           (full && make_xattrs(dir)) || (flags & ELF && add_program(dir, owner));
}

/* Copied up, with and without content; directories that have something in both; names moved. */
int fixture_mix(int dir, unsigned flags)
{
    struct stat st;
    int fd = openat(dir, "small", O_WRONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st))
        return -1;
    (void)close(fd);
    if (fchmodat(dir, "file", 0600, 0) || fchmodat(dir, "file", 0644, 0) ||
        mknodat(dir, "dir/new", S_IFREG | 0644, 0) || unlinkat(dir, "dir/new", 0) ||
        mknodat(dir, "edir/new", S_IFREG | 0644, 0) || unlinkat(dir, "edir/new", 0) ||
        renameat(dir, "dir/b", dir, "dir/b2") || renameat(dir, "dir/b2", dir, "dir/b") ||
        renameat(dir, "sym", dir, "sym2") || renameat(dir, "sym2", dir, "sym") ||
        fchmodat(dir, "h2", 0600, 0) || fchmodat(dir, "h2", 0644, 0))
        return -1;
    if (!(flags & MORE))
        return 0;
    fd = openat(dir, "xa", O_RDONLY | O_CLOEXEC);
    int r = fsetxattr(fd, "user.m", "m", 1, 0) || fremovexattr(fd, "user.m");
    (void)close(fd);
    return r;
}
