/* SPDX-License-Identifier: Apache-2.0 */
/* New names: create, mknod, mkdir, symlink, link, tmpfile. */
#include <errno.h>
#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "internal.h"

/* What is to be made. */
struct birth {
    struct stat want;
    const char *target;   /* of a symlink */
    int flags;            /* of open(2), for a regular file whose descriptor is wanted */
    int fd;               /* that descriptor, else -1 */
    uint64_t number;      /* of what was made */
    struct cf_buf access; /* as an ordinary user: its access ACL */
    bool acl;             /* the parent's default ACL decides the mode, not the umask */
};

/* Where it is made: in its directory, or in work/ when a whiteout has to be replaced. */
struct cradle {
    struct cf_union *u;
    int fd;
    char name[CF_NAME_MAX + 1];
    bool direct;
    char nest[24]; /* a directory in work/ that hands down the ACL, or "" */
    int nest_fd;
};

static void cradle_done(struct cradle *c)
{
    if (c->nest_fd >= 0)
        (void)close(c->nest_fd);
    if (c->nest[0])
        (void)cf_remove_tree(c->u->work_fd, c->nest);
}

/* Objects inherit ACLs from where they are made: a directory in work/ with the same default ACL
 * does for the real parent, and the kernel does the rest. */
static int make_nest(struct cf_union *u, struct cradle *c, int parent_fd)
{
    struct cf_buf acl cf_autobuf = CF_BUF_INIT;
    int r = cf_at_xattr_value(parent_fd, "", CF_ACL_DEFAULT, &acl);
    if (r)
        return r;
    cf_work_name(u, c->nest);
    if (mkdirat(u->work_fd, c->nest, 0700))
        return -errno;
    c->nest_fd = cf_at_open(u->work_fd, c->nest, O_RDONLY | O_DIRECTORY);
    if (c->nest_fd < 0)
        return c->nest_fd;
    c->fd = c->nest_fd;
    return cf_at_setxattr(c->nest_fd, "", CF_ACL_DEFAULT, acl.data, acl.len, 0);
}

static int make_cradle(struct cf_union *u, int parent_fd, const char *name, bool direct, bool acl,
                       struct cradle *c)
{
    *c = (struct cradle){.u = u, .fd = parent_fd, .direct = direct, .nest_fd = -1};
    if (direct) {
        memcpy(c->name, name, strlen(name) + 1);
        return 0;
    }
    c->fd = u->work_fd;
    cf_work_name(u, c->name);
    return acl ? make_nest(u, c, parent_fd) : 0;
}

static int publish(const struct cradle *c, bool is_dir, int parent_fd, const char *name)
{
    if (c->direct)
        return 0;
    if (!is_dir)
        return renameat(c->fd, c->name, parent_fd, name) ? -errno : 0;
    if (renameat2(c->fd, c->name, parent_fd, name, RENAME_EXCHANGE))
        return -errno;
    (void)unlinkat(c->fd, c->name, 0); /* the whiteout */
    return 0;
}

static void unmake(const struct cradle *c)
{
    if (unlinkat(c->fd, c->name, 0) && errno == EISDIR)
        (void)unlinkat(c->fd, c->name, AT_REMOVEDIR);
}

/* Owner and mode of a newborn, as ext4 gives them. */
static int inherit(struct cf_union *u, struct cf_dirfd *parent, const struct cf_caller *caller,
                   struct birth *b)
{
    struct stat dir;
    int r = cf_upper_stat(u, parent->fd, "", &dir);
    if (r)
        return r;
    mode_t mode = b->want.st_mode;
    b->want.st_uid = caller->uid;
    b->want.st_gid = caller->gid;
    if (dir.st_mode & S_ISGID) {
        b->want.st_gid = dir.st_gid;
        if (S_ISDIR(mode))
            mode |= S_ISGID;
        else if (mode & S_IXGRP && mode & S_ISGID && caller->uid != 0 && caller->gid != dir.st_gid)
            mode &= (mode_t)~S_ISGID;
    }
    bool acl = !S_ISLNK(mode) && cf_dirfd_has_acl(parent);
    b->acl = acl && !u->user;
    b->want.st_mode = acl ? mode : mode & ~(caller->umask & 0777);
    if (acl && u->user)
        return cf_acl_inherit(parent->fd, &b->want.st_mode, &b->access);
    if (S_ISLNK(mode))
        b->want.st_mode = S_IFLNK | 0777;
    return 0;
}

/* Not O_APPEND: it can be taken away from a descriptor, and whoever writes says where. */
static int open_flags(int flags)
{
    return flags & (O_ACCMODE | O_SYNC | O_DSYNC);
}

static int make(struct cf_union *u, const struct cradle *c, struct birth *b)
{
    if (!S_ISREG(b->want.st_mode) || b->flags < 0)
        return cf_upper_make(u, c->fd, c->name, &b->want, b->target, false);
    mode_t mode = b->want.st_mode & 07777;
    b->fd = openat(c->fd, c->name, open_flags(b->flags) | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                   u->user ? (mode & 0777) | 0600 : mode);
    return b->fd >= 0 ? 0 : -errno;
}

/* Owner, mode and marks; the result as users see it goes to ret_stat. */
static int finish(struct cf_union *u, const struct cradle *c, struct birth *b, int parent_fd,
                  bool merged, struct stat *ret_stat)
{
    struct stat made;
    int r = cf_at_stat(c->fd, c->name, &made);
    if (r)
        return r;
    if (b->acl)
        b->want.st_mode = (b->want.st_mode & (S_IFMT | 07000)) | (made.st_mode & 0777);
    bool special = u->user && (made.st_mode & S_IFMT) != (b->want.st_mode & S_IFMT);
    r = cf_upper_set_owner(u, c->fd, c->name, &made, &b->want, special);
    if (!r && b->access.len)
        r = cf_acl_put(parent_fd, c->fd, c->name, S_ISDIR(made.st_mode), &b->access);
    if (!r && merged && S_ISDIR(made.st_mode))
        r = cf_upper_set_opaque(u, c->fd, c->name);
    if (!r)
        b->number = cf_upper_number(c->fd, c->name, &made);
    *ret_stat = made;
    if (r || (!u->user && made.st_uid == b->want.st_uid && made.st_gid == b->want.st_gid &&
              made.st_mode == b->want.st_mode && !S_ISDIR(made.st_mode)))
        return r;
    return cf_upper_stat(u, c->fd, c->name, ret_stat);
}

static int make_in(struct cf_union *u, struct cf_vnode *dir, const char *name, bool whiteout,
                   const struct cf_caller *caller, struct birth *b, struct stat *ret_stat)
{
    struct cf_dirfd parent cf_autodirfd = CF_DIRFD_INIT;
    int r = cf_dirfd_get(u, dir, &parent);
    if (!r)
        r = inherit(u, &parent, caller, b);
    if (r)
        return r;
    struct cradle c cf_cleanup(cradle_done) = {.nest_fd = -1};
    r = make_cradle(u, parent.fd, name, !whiteout, b->acl, &c);
    if (!r)
        r = make(u, &c, b);
    if (r)
        return r;
    r = finish(u, &c, b, parent.fd, dir->nid != CF_NID_NONE, ret_stat);
    if (!r)
        r = publish(&c, S_ISDIR(b->want.st_mode), parent.fd, name);
    if (r)
        unmake(&c);
    return r;
}

static int node_of_newborn(struct cf_union *u, struct cf_vnode *dir, const char *name,
                           const struct stat *st, uint64_t number, struct cf_entry *ret_entry,
                           struct cf_vnode **ret_node)
{
    struct cf_found found = {.here = true, .upper = true, .nid = CF_NID_NONE};
    found.entry.attr = *st;
    found.entry.links = -1;
    found.ino = number;
    int r = cf_found_node(u, dir, name, &found, ret_node);
    if (!r)
        r = cf_found_stat(u, &found, *ret_node, &ret_entry->attr);
    if (r)
        return r;
    ret_entry->ino = (*ret_node)->ino;
    cf_vnode_ref(u, *ret_node);
    return 0;
}

static int check_free(struct cf_union *u, struct cf_vnode *dir, const char *name,
                      bool *ret_whiteout)
{
    struct cf_found found cf_autofound = {0};
    int r = cf_find(u, dir, name, &found);
    *ret_whiteout = found.whiteout;
    if (r == 0)
        return -EEXIST;
    return r == -ENOENT && *name && !(dir->flags & CF_VN_DELETED) ? 0 : r;
}

static int bear(struct cf_union *u, uint64_t dir, const char *name, const struct cf_caller *caller,
                struct birth *b, struct cf_entry *ret_entry, struct cf_file **ret_file)
{
    CF_CHANGE(u);
    struct cf_pin parent cf_autopin = cf_pin_get(u, dir);
    if (!parent.node)
        return -ESTALE;
    struct cf_pin child cf_autopin = {u, NULL};
    CF_NS_EXCLUSIVE(u);
    bool whiteout;
    struct stat st;
    int r = check_free(u, parent.node, name, &whiteout);
    if (!r)
        r = cf_copy_up(u, parent.node);
    if (!r)
        r = make_in(u, parent.node, name, whiteout, caller, b, &st);
    bool plain = !b->acl && !b->access.len;
    cf_buf_done(&b->access);
    int fd cf_autoclose = b->fd;
    struct cf_entry entry;
    if (!r)
        r = node_of_newborn(u, parent.node, name, &st, b->number, &entry, &child.node);
    if (!r && plain)
        child.node->plain = true;
    if (!r && ret_file)
        r = cf_file_new(u, child.node, b->flags, CF_TAKE_FD(fd), ret_file);
    if (!r)
        *ret_entry = entry;
    return r;
}

int cf_union_mknod(struct cf_union *u, uint64_t dir, const char *name, mode_t mode, dev_t rdev,
                   const struct cf_caller *caller, struct cf_entry *ret_entry)
{
    if ((mode & S_IFMT) == 0)
        mode |= S_IFREG;
    if (S_ISDIR(mode))
        return -EPERM;
    if (S_ISLNK(mode))
        return -EINVAL;
    if (S_ISCHR(mode) && rdev == 0)
        return -EPERM; /* would be a whiteout */
    struct birth b = {.want = {.st_mode = mode, .st_rdev = rdev}, .flags = -1, .fd = -1};
    return bear(u, dir, name, caller, &b, ret_entry, NULL);
}

int cf_union_mkdir(struct cf_union *u, uint64_t dir, const char *name, mode_t mode,
                   const struct cf_caller *caller, struct cf_entry *ret_entry)
{
    struct birth b = {.want = {.st_mode = S_IFDIR | (mode & 07777)}, .flags = -1, .fd = -1};
    return bear(u, dir, name, caller, &b, ret_entry, NULL);
}

int cf_union_symlink(struct cf_union *u, const char *target, uint64_t dir, const char *name,
                     const struct cf_caller *caller, struct cf_entry *ret_entry)
{
    size_t len = strlen(target);
    if (len == 0 || len > CF_SYMLINK_MAX)
        return len ? -ENAMETOOLONG : -ENOENT;
    struct birth b = {.want = {.st_mode = S_IFLNK}, .target = target, .flags = -1, .fd = -1};
    return bear(u, dir, name, caller, &b, ret_entry, NULL);
}

int cf_union_create(struct cf_union *u, uint64_t dir, const char *name, mode_t mode, int flags,
                    const struct cf_caller *caller, struct cf_entry *ret_entry,
                    struct cf_file **ret_file)
{
    struct birth b = {.want = {.st_mode = S_IFREG | (mode & 07777)}, .flags = flags, .fd = -1};
    return bear(u, dir, name, caller, &b, ret_entry, ret_file);
}

/* ---- tmpfile ---- */

static int make_unnamed(struct cf_union *u, struct cf_vnode *dir, const struct cf_caller *caller,
                        struct birth *b, struct stat *ret_stat)
{
    struct cf_dirfd parent cf_autodirfd = CF_DIRFD_INIT;
    int r = cf_dirfd_get(u, dir, &parent);
    if (!r)
        r = inherit(u, &parent, caller, b);
    if (r)
        return r;
    mode_t mode = b->want.st_mode & 07777;
    int flags = open_flags(b->flags);
    if ((flags & O_ACCMODE) == O_RDONLY)
        return -EINVAL;
    b->fd = openat(parent.fd, ".", flags | O_TMPFILE | O_CLOEXEC,
                   u->user ? (mode & 0777) | 0600 : mode);
    if (b->fd < 0)
        return -errno;
    struct cradle c = {.u = u, .fd = b->fd, .name = "", .nest_fd = -1};
    return finish(u, &c, b, parent.fd, false, ret_stat);
}

int cf_union_tmpfile(struct cf_union *u, uint64_t dir, mode_t mode, int flags,
                     const struct cf_caller *caller, struct cf_entry *ret_entry,
                     struct cf_file **ret_file)
{
    CF_CHANGE(u);
    struct cf_pin parent cf_autopin = cf_pin_get(u, dir);
    if (!parent.node)
        return -ESTALE;
    struct cf_pin child cf_autopin = {u, NULL};
    struct birth b = {.want = {.st_mode = S_IFREG | (mode & 07777)}, .flags = flags, .fd = -1};
    CF_NS_EXCLUSIVE(u);
    if (!cf_vnode_is_dir(parent.node))
        return -ENOTDIR;
    if (parent.node->flags & CF_VN_DELETED)
        return -ENOENT;
    struct stat st;
    int r = cf_copy_up(u, parent.node);
    if (!r)
        r = make_unnamed(u, parent.node, caller, &b, &st);
    cf_buf_done(&b.access);
    int fd cf_autoclose = b.fd;
    if (r)
        return r;
    struct cf_entry entry = {.ino = b.number, .attr = st};
    struct cf_vnode_spec spec = {.ino = entry.ino,
                                 .nid = CF_NID_NONE,
                                 .name = "",
                                 .flags = CF_VN_UPPER | CF_VN_DELETED,
                                 .mode = S_IFREG};
    r = cf_vnode_add(u, &spec, &child.node);
    struct cf_extra *extra;
    if (!r)
        r = cf_vnode_extra(child.node, &extra);
    if (!r && (extra->fd = cf_at_open(fd, "", O_PATH)) < 0)
        r = extra->fd;
    if (!r)
        r = cf_file_new(u, child.node, flags, CF_TAKE_FD(fd), ret_file);
    if (r)
        return r;
    cf_vnode_ref(u, child.node);
    entry.attr.st_ino = entry.ino;
    entry.attr.st_dev = 0;
    *ret_entry = entry;
    return 0;
}

/* ---- link ---- */

static int link_to(struct cf_union *u, const struct cf_place *from, int parent_fd, const char *name,
                   bool whiteout)
{
    if (!whiteout)
        return cf_at_link(from->fd, from->name, parent_fd, name);
    char temp[24];
    cf_work_name(u, temp);
    int r = cf_at_link(from->fd, from->name, u->work_fd, temp);
    if (!r && renameat(u->work_fd, temp, parent_fd, name)) {
        r = -errno;
        (void)unlinkat(u->work_fd, temp, 0);
    }
    return r;
}

static int name_linked(struct cf_union *u, struct cf_vnode *node, struct cf_vnode *dir,
                       const char *name)
{
    if (node->flags & CF_VN_INDEXED)
        return 0;
    if (!(node->flags & CF_VN_DELETED))
        return cf_vnode_add_alias(u, node, dir, name, strlen(name));
    return cf_vnode_revive(u, node, dir, name);
}

int cf_union_link(struct cf_union *u, uint64_t ino, uint64_t dir, const char *name,
                  struct cf_entry *ret_entry)
{
    CF_CHANGE(u);
    struct cf_pin parent cf_autopin = cf_pin_get(u, dir);
    struct cf_pin node cf_autopin = cf_pin_get(u, ino);
    if (!parent.node || !node.node)
        return -ESTALE;
    struct cf_dirfd at cf_autodirfd = CF_DIRFD_INIT;
    struct cf_place from cf_autoplace = CF_PLACE_INIT;
    CF_NS_EXCLUSIVE(u);
    if (node.node->flags & CF_VN_DELETED && !(node.node->flags & CF_VN_UPPER))
        return -ENOENT;
    bool whiteout;
    int r = check_free(u, parent.node, name, &whiteout);
    if (!r && cf_vnode_is_dir(node.node))
        r = -EPERM;
    if (!r)
        r = cf_copy_up(u, parent.node);
    if (!r)
        r = cf_copy_up(u, node.node);
    if (!r && !(node.node->flags & (CF_VN_INDEXED | CF_VN_DELETED)))
        r = cf_vnode_set_redirect(u, node.node);
    if (!r)
        r = cf_vnode_place(u, node.node, &from);
    if (!r)
        r = cf_dirfd_get(u, parent.node, &at);
    if (!r)
        r = link_to(u, &from, at.fd, name, whiteout);
    if (!r)
        r = name_linked(u, node.node, parent.node, name);
    return r ? r : cf_vnode_entry(u, node.node, ret_entry);
}
