/* SPDX-License-Identifier: Apache-2.0 */
/*
 * POSIX ACLs in an upper of an ordinary user, where the disk does not know them: they are kept as
 * user.containers.override_system.posix_acl_*, and what the disk would do with them is done here.
 * The form is the kernel's: version 2, then entries of tag, permissions and id, little endian.
 */
#include <endian.h>
#include <errno.h>

#include "internal.h"

enum { USER_OBJ = 0x01, GROUP_OBJ = 0x04, MASK = 0x10, OTHER = 0x20 };
#define ENTRY_SIZE 8

static size_t count_of(const struct cf_buf *acl)
{
    return acl->len < 4 ? 0 : (acl->len - 4) / ENTRY_SIZE;
}

static uint16_t *field(struct cf_buf *acl, size_t i, size_t which)
{
    return (uint16_t *)(void *)(acl->data + 4 + i * ENTRY_SIZE + 2 * which);
}

/* The permissions of the entry with that tag, or NULL. */
static uint16_t *perm_of(struct cf_buf *acl, uint16_t tag)
{
    for (size_t i = 0; i < count_of(acl); i++)
        if (le16toh(*field(acl, i, 0)) == tag)
            return field(acl, i, 1);
    return NULL;
}

static bool is_minimal(const struct cf_buf *acl)
{
    return count_of(acl) <= 3;
}

/* The entries that the permission bits stand for: owner, mask or group, others. False: not all are
 * there. */
static bool entries_of_mode(struct cf_buf *acl, uint16_t *ret_perms[3])
{
    ret_perms[0] = perm_of(acl, USER_OBJ);
    ret_perms[1] = perm_of(acl, MASK);
    if (!ret_perms[1])
        ret_perms[1] = perm_of(acl, GROUP_OBJ);
    ret_perms[2] = perm_of(acl, OTHER);
    return ret_perms[0] && ret_perms[1] && ret_perms[2];
}

static int stored_value(int fd, const char *name, const char *xattr, struct cf_buf *ret_acl)
{
    char stored[256];
    int r = cf_upper_xattr_stored(xattr, true, stored);
    return r ? r : cf_at_xattr_value(fd, name, stored, ret_acl);
}

static int store(int fd, const char *name, const char *xattr, const struct cf_buf *acl)
{
    char stored[256];
    int r = cf_upper_xattr_stored(xattr, true, stored);
    return r ? r : cf_at_setxattr(fd, name, stored, acl->data, acl->len, 0);
}

bool cf_acl_is_default_there(int fd)
{
    char stored[256];
    return cf_upper_xattr_stored(CF_ACL_DEFAULT, true, stored) == 0 &&
           cf_at_getxattr(fd, "", stored, NULL, 0) > 0;
}

int cf_acl_inherit(int parent_fd, mode_t *mode, struct cf_buf *ret_access)
{
    uint16_t *perms[3];
    int r = stored_value(parent_fd, "", CF_ACL_DEFAULT, ret_access);
    if (r || !entries_of_mode(ret_access, perms))
        return r;
    mode_t bits = 0;
    for (int i = 0; i < 3; i++) {
        uint16_t perm = le16toh(*perms[i]) & (*mode >> (6 - 3 * i)) & 7;
        *perms[i] = htole16(perm);
        bits |= (mode_t)perm << (6 - 3 * i);
    }
    *mode = (*mode & ~(mode_t)0777) | bits;
    return 0;
}

int cf_acl_put(int parent_fd, int fd, const char *name, bool is_dir, const struct cf_buf *access)
{
    struct cf_buf inherited cf_autobuf = CF_BUF_INIT;
    int r = is_minimal(access) ? 0 : store(fd, name, CF_ACL_ACCESS, access);
    if (r || !is_dir)
        return r;
    r = stored_value(parent_fd, "", CF_ACL_DEFAULT, &inherited);
    return r ? r : store(fd, name, CF_ACL_DEFAULT, &inherited);
}

int cf_acl_follow_mode(int fd, const char *name, mode_t mode)
{
    struct cf_buf acl cf_autobuf = CF_BUF_INIT;
    uint16_t *perms[3];
    int r = stored_value(fd, name, CF_ACL_ACCESS, &acl);
    if (r)
        return r == -ENODATA ? 0 : r;
    if (!entries_of_mode(&acl, perms))
        return 0;
    for (int i = 0; i < 3; i++)
        *perms[i] = htole16((mode >> (6 - 3 * i)) & 7);
    return store(fd, name, CF_ACL_ACCESS, &acl);
}

int cf_acl_set(struct cf_union *u, int fd, const char *name, const void *value, size_t size)
{
    struct cf_buf acl cf_autobuf = CF_BUF_INIT;
    struct stat disk, want;
    uint16_t *perms[3];
    char stored[256];
    int r = cf_buf_add(&acl, value, size);
    if (!r)
        r = cf_upper_xattr_stored(CF_ACL_ACCESS, true, stored);
    if (!r && !entries_of_mode(&acl, perms))
        r = -EINVAL;
    if (!r)
        r = cf_at_stat(fd, name, &disk);
    if (!r)
        r = cf_upper_stat(u, fd, name, &want);
    if (r)
        return r;
    want.st_mode &= ~(mode_t)0777;
    for (int i = 0; i < 3; i++)
        want.st_mode |= (mode_t)(le16toh(*perms[i]) & 7) << (6 - 3 * i);
    r = cf_upper_set_owner(u, fd, name, &disk, &want, true);
    if (!r && !is_minimal(&acl))
        return store(fd, name, CF_ACL_ACCESS, &acl);
    if (!r)
        r = cf_at_removexattr(fd, name, stored);
    return r == -ENODATA ? 0 : r;
}
