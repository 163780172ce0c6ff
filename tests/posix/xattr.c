/* SPDX-License-Identifier: Apache-2.0 */
/* Extended attributes of every namespace. */
#include <sys/xattr.h>

#include "posix.h"

static bool lists(const char *name, const char *xattr)
{
    char names[65536];
    ssize_t n = llistxattr(name, names, sizeof(names));
    for (char *p = names; n > 0 && p < names + n; p += strlen(p) + 1)
        if (strcmp(p, xattr) == 0)
            return true;
    return false;
}

static void xattr_user(void)
{
    char value[4096];
    EQ(getxattr("xa", "user.a", value, sizeof(value)), 1);
    EQ(value[0], '1');
    EQ(getxattr("xa", "user.big", value, sizeof(value)), 3000);
    EQ(value[2999], 'B');
    TRUE(lists("xa", "user.a") && lists("xa", "user.big"));
    OK(setxattr("xa", "user.n", "new", 3, 0));
    OK(setxattr("xa", "user.a", "changed", 7, 0));
    EQ(getxattr("xa", "user.a", value, sizeof(value)), 7);
    EQ(getxattr("xa", "user.big", value, sizeof(value)), 3000);
    OK(removexattr("xa", "user.big"));
    FAILS(getxattr("xa", "user.big", value, sizeof(value)), ENODATA);
    FAILS(removexattr("xa", "user.big"), ENODATA);
    TRUE(!lists("xa", "user.big") && lists("xa", "user.n"));
    OK(setxattr("dir", "user.d", "d", 1, 0));
    TRUE(lists("dir", "user.d"));
    OK(setxattr("file", "user.empty", "", 0, 0));
    EQ(getxattr("file", "user.empty", value, sizeof(value)), 0);
    TRUE(has_pattern("file", FILE_SIZE));
}

static void xattr_flags(void)
{
    FAILS(setxattr("xa", "user.a", "x", 1, XATTR_CREATE), EEXIST);
    FAILS(setxattr("xa", "user.none", "x", 1, XATTR_REPLACE), ENODATA);
    OK(setxattr("xa", "user.a", "x", 1, XATTR_REPLACE));
    OK(setxattr("xa", "user.none", "x", 1, XATTR_CREATE));
    FAILS(setxattr("xa", "user.a", "x", 1, 4), EINVAL);
    FAILS(setxattr("file", "user.none", "x", 1, XATTR_REPLACE), ENODATA);
}

static void xattr_errors(void)
{
    char value[64], name[300] = "user.";
    FAILS(getxattr("file", "user.none", value, sizeof(value)), ENODATA);
    FAILS(getxattr("xa", "user.big", value, sizeof(value)), ERANGE);
    EQ(getxattr("xa", "user.big", NULL, 0), 3000);
    FAILS(listxattr("xa", value, 3), ERANGE);
    TRUE(listxattr("xa", NULL, 0) > 10);
    FAILS(setxattr("file", "none.x", "x", 1, 0), EOPNOTSUPP);
    FAILS(getxattr("file", "none.x", value, 1), EOPNOTSUPP);
    FAILS(setxattr("file", "user.", "x", 1, 0), EINVAL);
    FAILS(setxattr("file", "", "x", 1, 0), ERANGE);
    memset(name + 5, 'n', 251);
    FAILS(setxattr("file", name, "x", 1, 0), ERANGE);
    FAILS(getxattr("missing", "user.a", value, 1), ENOENT);
}

static void xattr_longest_name(void)
{
    char name[256] = "user.", value[4];
    memset(name + 5, 'n', 250);
    OK(setxattr("file", name, "x", 1, 0));
    EQ(getxattr("file", name, value, sizeof(value)), 1);
    TRUE(lists("file", name));
    OK(removexattr("file", name));
}

static void xattr_big_value(void)
{
    static char big[65537], got[65536];
    for (size_t i = 0; i < sizeof(big); i++)
        big[i] = pattern(i);
    OK(setxattr("file", "user.v", big, 3500, 0)); /* an inode and a block of ext4 */
    EQ(getxattr("file", "user.v", got, sizeof(got)), 3500);
    EQ(memcmp(big, got, 3500), 0);
    FAILS(setxattr("file", "user.v", big, 65536, 0), ENOSPC);
    FAILS(setxattr("file", "user.v", big, 65537, 0), E2BIG);
    EQ(getxattr("file", "user.v", got, sizeof(got)), 3500);
}

static void xattr_trusted(void)
{
    char value[8];
    EQ(getxattr("xa", "trusted.t", value, 8), 1);
    TRUE(lists("xa", "trusted.t"));
    OK(setxattr("file", "trusted.x", "y", 1, 0));
    EQ(getxattr("file", "trusted.x", value, 8), 1);
    OK(lsetxattr("sym", "trusted.x", "link", 4, 0));
    EQ(lgetxattr("sym", "trusted.x", value, 8), 4);
    EQ(getxattr("sym", "trusted.x", value, 8), 1);
    OK(lsetxattr("dangling", "trusted.x", "d", 1, 0));
    TRUE(lists("dangling", "trusted.x"));
    OK(lremovexattr("sym", "trusted.x"));
    FAILS(lgetxattr("sym", "trusted.x", value, 8), ENODATA);
    OK(setxattr("fifo", "trusted.x", "p", 1, 0));
    EQ(getxattr("fifo", "trusted.x", value, 8), 1);
}

static void trusted_hidden(void)
{
    char value[8];
    FAILS(getxattr("xa", "trusted.t", value, 8), ENODATA);
    TRUE(!lists("xa", "trusted.t"));
    FAILS(setxattr("xa", "trusted.t", "x", 1, 0), EPERM);
    TRUE(lists("xa", "user.a"));
}
static void xattr_trusted_hidden(void)
{
    as_user(trusted_hidden);
}

/* An overlay's own names, of an overlay within this one: they belong to users here. */
static void xattr_overlay_names(void)
{
    char value[16];
    FAILS(getxattr("dir", "trusted.overlay.opaque", value, 16), ENODATA);
    OK(chmod("dir", 0700));
    OK(unlink("dir/a"));
    OK(setxattr("dir", "trusted.overlay.opaque", "y", 1, 0));
    EQ(getxattr("dir", "trusted.overlay.opaque", value, 16), 1);
    TRUE(lists("dir", "trusted.overlay.opaque"));
    TRUE(holds("dir/b", "b\n"));
    OK(removexattr("dir", "trusted.overlay.opaque"));
    OK(setxattr("file", "trusted.overlay.metacopy", "", 0, 0));
    OK(setxattr("file", "user.overlay.redirect", "/x", 2, 0));
    TRUE(has_pattern("file", FILE_SIZE));
    OK(rename("file", "dir/file"));
    TRUE(lists("dir/file", "trusted.overlay.metacopy"));
    TRUE(!lists("dir/file", "trusted.overlay.redirect"));
    OK(open("dir/file", O_RDWR));
    EQ(getxattr("dir/file", "user.overlay.redirect", value, 16), 2);
}

static void xattr_none_leaks(void)
{
    char names[4096];
    OK(chmod("file", 0600));
    OK(rename("dir", "edir/dir"));
    OK(rename("file", "small"));
    int fd = open("h1", O_WRONLY);
    MUST(fd);
    EQ(llistxattr("small", names, sizeof(names)), 0);
    EQ(llistxattr("edir/dir", names, sizeof(names)), 0);
    EQ(llistxattr("h2", names, sizeof(names)), 0);
    EQ(llistxattr("edir", names, sizeof(names)), 0);
    EQ(llistxattr("sym", names, sizeof(names)), 0);
    OK(lchown("sym", geteuid(), getegid()));
    EQ(llistxattr("sym", names, sizeof(names)), 0);
}

static void xattr_security(void)
{
    char value[32];
    OK(setxattr("file", "security.test", "s", 1, 0));
    EQ(getxattr("file", "security.test", value, 32), 1);
    TRUE(lists("file", "security.test"));
    /* cap_net_raw+ep, version 2: a write takes it away */
    static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};
    OK(setxattr("exe", "security.capability", cap, sizeof(cap), 0));
    EQ(getxattr("exe", "security.capability", value, 32), 20);
    OK(chmod("exe", 0700));
    EQ(getxattr("exe", "security.capability", value, 32), 20);
    int fd = open("exe", O_WRONLY);
    EQ(pwrite(fd, "#", 1, 0), 1);
    FAILS(getxattr("exe", "security.capability", value, 32), ENODATA);
}

static void xattr_capability_killed_by_chown(void)
{
    char value[32];
    static const unsigned char cap[20] = {1, 0, 0, 2, 0, 0x20};
    OK(setxattr("exe", "security.capability", cap, sizeof(cap), 0));
    OK(chown("exe", 5, 5));
    FAILS(getxattr("exe", "security.capability", value, 32), ENODATA);
    OK(setxattr("file", "security.capability", cap, sizeof(cap), 0));
    OK(truncate("file", 10));
    FAILS(getxattr("file", "security.capability", value, 32), ENODATA);
}

static void xattr_symlink_user(void)
{
    char value[8];
    FAILS(lsetxattr("sym", "user.x", "y", 1, 0), EPERM);
    FAILS(lgetxattr("sym", "user.x", value, 8), ENODATA);
    FAILS(lsetxattr("fifo", "user.x", "y", 1, 0), EPERM);
    TRUE(!lists("file", "user.x"));
    OK(setxattr("sym", "user.x", "y", 1, 0));
    TRUE(lists("file", "user.x"));
    FAILS(lsetxattr("dangling", "user.x", "y", 1, 0), EPERM);
    FAILS(setxattr("dangling", "user.x", "y", 1, 0), ENOENT);
}

static void xattr_changes_ctime(void)
{
    struct stat before = st_of("file");
    nap();
    OK(setxattr("file", "user.x", "y", 1, 0));
    struct stat after = st_of("file");
    TRUE(ns(after.st_ctim) > ns(before.st_ctim));
    EQ(ns(after.st_mtim), ns(before.st_mtim));
    nap();
    OK(removexattr("file", "user.x"));
    TRUE(ns(st_of("file").st_ctim) > ns(after.st_ctim));
}

static void xattr_survives_copyup(void)
{
    char value[4096];
    int fd = open("xa", O_WRONLY | O_APPEND);
    EQ(write(fd, "y", 1), 1);
    EQ(getxattr("xa", "user.big", value, sizeof(value)), 3000);
    EQ(fgetxattr(fd, "user.a", value, sizeof(value)), 1);
    OK(rename("xa", "dir/xa"));
    OK(link("dir/xa", "xl"));
    EQ(getxattr("xl", "user.a", value, sizeof(value)), 1);
    OK(fsetxattr(fd, "user.f", "f", 1, 0));
    EQ(getxattr("dir/xa", "user.f", value, sizeof(value)), 1);
}

static const struct posix_case xattr_cases[] = {
    CASE(xattr_user, FULL),
    CASE(xattr_flags, FULL),
    CASE(xattr_errors, FULL),
    CASE(xattr_longest_name, FIX),
    CASE(xattr_big_value, FIX),
    CASE(xattr_trusted, FULL | ROOT),
    CASE(xattr_trusted_hidden, FULL),
    CASE(xattr_overlay_names, FIX | ROOT),
    CASE(xattr_none_leaks, FIX),
    CASE(xattr_security, FULL | ROOT),
    CASE(xattr_capability_killed_by_chown, FULL | ROOT),
    CASE(xattr_symlink_user, FIX),
    CASE(xattr_changes_ctime, FIX),
    CASE(xattr_survives_copyup, FULL),
};
THEME(xattr);
