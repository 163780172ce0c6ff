/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX ACLs: checked, masked, inherited. */
#include <sys/xattr.h>

#include "posix.h"

#define ACCESS "system.posix_acl_access"
#define DEFAULT "system.posix_acl_default"

struct entry {
    uint16_t tag, perm;
    uint32_t id;
};
struct acl {
    uint32_t version;
    struct entry entries[6];
};
enum { USER_OBJ = 1, USER_ID = 2, GROUP_OBJ = 4, GROUP_ID = 8, MASK = 16, OTHER = 32 };

static struct acl acl_of(const char *name, const char *kind, int *ret_count)
{
    struct acl acl = {0};
    ssize_t n = getxattr(name, kind, &acl, sizeof(acl));
    *ret_count = n < 4 ? -1 : (int)((n - 4) / 8);
    return acl;
}

static int perm_in(const char *name, const char *kind, int tag)
{
    int count;
    struct acl acl = acl_of(name, kind, &count);
    for (int i = 0; i < count; i++)
        if (acl.entries[i].tag == tag)
            return acl.entries[i].perm;
    return -1;
}

static int set_acl(const char *name, const char *kind, int user, int group, int mask, int other,
                   uint32_t id, int perm)
{
    struct acl acl = {2,
                      {{USER_OBJ, (uint16_t)user, UINT32_MAX},
                       {USER_ID, (uint16_t)perm, id},
                       {GROUP_OBJ, (uint16_t)group, UINT32_MAX},
                       {MASK, (uint16_t)mask, UINT32_MAX},
                       {OTHER, (uint16_t)other, UINT32_MAX}}};
    return setxattr(name, kind, &acl, 4 + 5 * 8, 0);
}

static void acl_shown(void)
{
    EQ(perm_in("acl", ACCESS, USER_ID), 6);
    EQ(perm_in("acl", ACCESS, MASK), 6);
    EQ(mode_of("acl"), 0664);
    EQ(perm_in("adir", DEFAULT, USER_ID), 7);
    EQ(perm_in("adir", ACCESS, USER_ID), -1);
    EQ(mode_of("adir"), 0755);
}

static void acl_mask_is_group(void)
{
    OK(chmod("acl", 0600));
    EQ(perm_in("acl", ACCESS, MASK), 0);
    EQ(perm_in("acl", ACCESS, USER_ID), 6);
    EQ(perm_in("acl", ACCESS, GROUP_OBJ), 4);
    EQ(mode_of("acl"), 0600);
    OK(chmod("acl", 0675));
    EQ(perm_in("acl", ACCESS, MASK), 7);
    EQ(perm_in("acl", ACCESS, OTHER), 5);
    EQ(perm_in("acl", ACCESS, USER_OBJ), 6);
}

static void acl_sets_mode(void)
{
    OK(set_acl("file", ACCESS, 7, 5, 6, 1, 1, 7));
    EQ(mode_of("file"), 0761);
    EQ(perm_in("file", ACCESS, GROUP_OBJ), 5);
    OK(removexattr("file", ACCESS));
    EQ(perm_in("file", ACCESS, USER_ID), -1);
    EQ(mode_of("file"), 0761); /* the mask's bits stay */
    TRUE(has_pattern("file", FILE_SIZE));
}

static void acl_minimal(void)
{
    struct acl acl = {
        2, {{USER_OBJ, 6, UINT32_MAX}, {GROUP_OBJ, 4, UINT32_MAX}, {OTHER, 0, UINT32_MAX}}};
    OK(setxattr("file", ACCESS, &acl, 4 + 3 * 8, 0));
    EQ(mode_of("file"), 0640);
    FAILS(getxattr("file", ACCESS, &acl, sizeof(acl)), ENODATA);
}

static void acl_errors(void)
{
    struct acl acl = {2, {{USER_OBJ, 6, UINT32_MAX}, {OTHER, 0, UINT32_MAX}}};
    FAILS(setxattr("file", ACCESS, &acl, 4 + 2 * 8, 0), EINVAL);
    FAILS(setxattr("file", ACCESS, "x", 1, 0), EINVAL);
    FAILS(set_acl("file", DEFAULT, 6, 4, 6, 0, 1, 6), EACCES);
    FAILS(getxattr("file", DEFAULT, &acl, sizeof(acl)), ENODATA);
    FAILS(getxattr("acl", ACCESS, &acl, 8), ERANGE);
    TRUE(getxattr("acl", ACCESS, NULL, 0) == 44);
    OK(removexattr("file", ACCESS));
}

static void acl_inherited_by_file(void)
{
    (void)umask(077); /* the ACL takes its place */
    OK(open("adir/f", O_CREAT | O_WRONLY, 0666));
    EQ(perm_in("adir/f", ACCESS, USER_ID), 7);
    EQ(perm_in("adir/f", ACCESS, MASK), 6);
    EQ(perm_in("adir/f", ACCESS, GROUP_OBJ), 5);
    EQ(mode_of("adir/f"), 0660);
    EQ(perm_in("adir/f", DEFAULT, USER_ID), -1);
    OK(mkfifo("adir/p", 0644));
    EQ(perm_in("adir/p", ACCESS, USER_ID), 7);
    EQ(perm_in("adir/p", ACCESS, MASK), 4);
    EQ(mode_of("adir/p"), 0640);
    OK(mknod("adir/s", S_IFSOCK | 0600, 0));
    EQ(mode_of("adir/s"), 0600);
    EQ(perm_in("adir/s", ACCESS, MASK), 0);
    OK(symlink("x", "adir/l"));
}

static void acl_inherited_by_dir(void)
{
    OK(mkdir("adir/d", 0755));
    EQ(perm_in("adir/d", DEFAULT, USER_ID), 7);
    EQ(perm_in("adir/d", ACCESS, USER_ID), 7);
    EQ(perm_in("adir/d", ACCESS, MASK), 5);
    EQ(mode_of("adir/d"), 0750);
    OK(mkdir("adir/d/e", 0700));
    EQ(perm_in("adir/d/e", DEFAULT, MASK), 7);
    OK(put("adir/d/e/f", "x"));
    EQ(perm_in("adir/d/e/f", ACCESS, USER_ID), 7);
    OK(unlink("adir/d/e/f"));
    OK(put("adir/d/e/f", "x"));
    EQ(perm_in("adir/d/e/f", ACCESS, USER_ID), 7);
}

/* A name that was lower before: made in work/, and inherits all the same. */
static void acl_inherited_over_removed(void)
{
    OK(set_acl("dir", DEFAULT, 7, 5, 7, 0, 1, 7));
    OK(unlink("dir/a"));
    OK(open("dir/a", O_CREAT | O_WRONLY, 0666));
    EQ(perm_in("dir/a", ACCESS, USER_ID), 7);
    EQ(mode_of("dir/a"), 0660);
    OK(remove_tree(AT_FDCWD, "dir/sub"));
    OK(mkdir("dir/sub", 0777));
    EQ(perm_in("dir/sub", DEFAULT, USER_ID), 7);
    EQ(mode_of("dir/sub"), 0770);
    OK(removexattr("dir", DEFAULT));
    OK(put("dir/plain", "x"));
    EQ(perm_in("dir/plain", ACCESS, USER_ID), -1);
    EQ(mode_of("dir/plain"), 0644);
}

static void acl_inherited_by_tmpfile(void)
{
    char path[64];
    int fd = open("adir", O_TMPFILE | O_RDWR, 0666);
    MUST(fd);
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    OK(linkat(AT_FDCWD, path, AT_FDCWD, "adir/t", AT_SYMLINK_FOLLOW));
    EQ(perm_in("adir/t", ACCESS, USER_ID), 7);
    EQ(mode_of("adir/t"), 0660);
}

static void acl_grants(void)
{
    OK(open("granted", O_RDWR));
    FAILS(open("denied", O_RDONLY), EACCES);
    FAILS(open("masked", O_WRONLY), EACCES);
    OK(open("masked", O_RDONLY));
    OK(open("gdir2/x", O_CREAT | O_WRONLY, 0644));
    OK(access("granted", R_OK | W_OK));
    FAILS(access("denied", R_OK), EACCES);
    FAILS(set_acl("granted", ACCESS, 7, 7, 7, 7, 1, 7), EPERM);
}
static void acl_is_checked(void)
{
    OK(put("granted", "x"));
    OK(put("denied", "x"));
    OK(put("masked", "x"));
    OK(mkdir("gdir2", 0700));
    OK(set_acl("granted", ACCESS, 6, 0, 6, 0, NOBODY, 6));
    OK(set_acl("denied", ACCESS, 6, 4, 7, 4, NOBODY, 0));
    OK(set_acl("masked", ACCESS, 6, 0, 4, 0, NOBODY, 6));
    OK(set_acl("gdir2", ACCESS, 7, 0, 7, 0, NOBODY, 7));
    as_user(acl_grants);
    OK(chmod("granted", 0600));
    OK(removexattr("denied", ACCESS));
    OK(chmod("denied", 0644));
}

static void lower_acl_grants(void)
{
    FAILS(open("acl", O_WRONLY), EACCES);
    OK(open("acl", O_RDONLY));
}
static void acl_of_image_is_checked(void)
{
    OK(chmod("acl", 0664));
    as_user(lower_acl_grants);
    EQ(perm_in("acl", ACCESS, USER_ID), 6);
}

static void acl_survives_copyup(void)
{
    int fd = open("acl", O_WRONLY | O_APPEND);
    EQ(write(fd, "y", 1), 1);
    EQ(perm_in("acl", ACCESS, USER_ID), 6);
    OK(put("adir/x", "x"));
    EQ(perm_in("adir", DEFAULT, USER_ID), 7);
    OK(rename("acl", "dir/acl"));
    EQ(perm_in("dir/acl", ACCESS, USER_ID), 6);
    OK(rename("adir", "adir2"));
    EQ(perm_in("adir2", DEFAULT, MASK), 7);
}

static const struct posix_case acl_cases[] = {
    CASE(acl_shown, FULL),
    CASE(acl_mask_is_group, FULL),
    CASE(acl_sets_mode, FIX),
    CASE(acl_minimal, FIX),
    CASE(acl_errors, FULL),
    CASE(acl_inherited_by_file, FULL),
    CASE(acl_inherited_by_dir, FULL),
    CASE(acl_inherited_over_removed, FIX),
    CASE(acl_inherited_by_tmpfile, FULL),
    CASE(acl_is_checked, ROOT),
    CASE(acl_of_image_is_checked, FULL | ROOT),
    CASE(acl_survives_copyup, FULL),
};
THEME(acl);
