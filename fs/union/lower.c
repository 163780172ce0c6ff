/* SPDX-License-Identifier: Apache-2.0 */
/* The lower side: an image's tree, whose answers take no system call, or a stack of directories. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/sysmacros.h>

#include "stack.h"

uint64_t cf_lower_root(const struct cf_union *u)
{
    if (u->stack)
        return cf_stack_root(u->stack);
    return cf_tree_root(u->lower);
}

int cf_lower_mode(struct cf_union *u, uint64_t nid, mode_t *ret_mode)
{
    if (u->stack)
        return cf_stack_mode(u->stack, nid, ret_mode);
    struct cf_inode inode;
    int r = cf_tree_inode(u->lower, nid, &inode);
    if (!r)
        *ret_mode = inode.mode;
    return r;
}

bool cf_lower_is_dir(struct cf_union *u, uint64_t nid)
{
    mode_t mode = 0;
    return cf_lower_mode(u, nid, &mode) == 0 && S_ISDIR(mode);
}

int cf_lower_stat(struct cf_union *u, uint64_t nid, struct stat *ret_stat)
{
    if (u->stack)
        return cf_stack_stat(u->stack, nid, ret_stat);
    struct cf_inode inode;
    int r = cf_tree_inode(u->lower, nid, &inode);
    if (r)
        return r;
    struct stat st = {0};
    st.st_ino = nid;
    st.st_mode = inode.mode;
    st.st_nlink = inode.nlink;
    st.st_uid = inode.uid;
    st.st_gid = inode.gid;
    st.st_rdev = makedev(inode.rdev_major, inode.rdev_minor);
    st.st_size = S_ISDIR(inode.mode) ? CF_LOWER_DIR_SIZE : (off_t)inode.size;
    st.st_blksize = 4096;
    st.st_blocks = (blkcnt_t)((st.st_size + 4095) / 4096 * 8);
    if (S_ISLNK(inode.mode))
        st.st_blocks = 0;
    st.st_mtim.tv_sec = inode.mtime_sec;
    st.st_mtim.tv_nsec = inode.mtime_nsec;
    st.st_atim = st.st_ctim = st.st_mtim;
    *ret_stat = st;
    return 0;
}

uint32_t cf_lower_links(struct cf_union *u, uint64_t nid)
{
    struct stat st;
    if (cf_lower_stat(u, nid, &st) || S_ISDIR(st.st_mode))
        return 0;
    return (uint32_t)st.st_nlink;
}

int cf_lower_find(struct cf_union *u, uint64_t dir, const char *name, size_t len, uint64_t *ret_nid,
                  const char **ret_name)
{
    if (u->stack) {
        if (ret_name)
            *ret_name = NULL;
        return cf_stack_find(u->stack, dir, name, len, ret_nid);
    }
    return cf_tree_lookup(u->lower, dir, name, len, ret_nid, ret_name);
}

int cf_lower_walk(struct cf_union *u, const char *path, uint64_t *ret_nid)
{
    if (u->stack)
        return cf_stack_walk(u->stack, path, ret_nid);
    return cf_tree_walk(u->lower, path, ret_nid);
}

int cf_lower_readdir(struct cf_union *u, uint64_t dir, uint64_t cookie, struct cf_dirent *ret_entry)
{
    if (u->stack)
        return cf_stack_readdir(u->stack, dir, cookie, ret_entry);
    return cf_tree_readdir(u->lower, dir, cookie, ret_entry);
}

int cf_lower_readlink(struct cf_union *u, uint64_t nid, char ret_target[CF_SYMLINK_MAX + 1])
{
    if (u->stack)
        return cf_stack_readlink(u->stack, nid, ret_target);
    const char *text;
    size_t len;
    int r = cf_tree_readlink(u->lower, nid, &text, &len);
    if (r || len > CF_SYMLINK_MAX)
        return r ? r : -EBADMSG;
    memcpy(ret_target, text, len);
    ret_target[len] = 0;
    return 0;
}

/* With ns held alone nobody has a number that is not a node's. */
static void sweep(struct cf_union *u)
{
    if (!cf_stack_wants_sweep(u->stack))
        return;
    CF_NS_EXCLUSIVE(u);
    cf_stack_sweep_begin(u->stack);
    cf_table_each_lower(u, cf_stack_keep);
    cf_stack_sweep_end(u->stack);
}

void cf_lower_trim(struct cf_union *u)
{
    if (u->stack)
        sweep(u);
    else
        cf_tree_trim(u->lower);
}

int cf_lower_statfs(struct cf_union *u, struct statvfs *ret_statfs)
{
    if (u->stack)
        return cf_stack_statfs(u->stack, ret_statfs);
    return fstatvfs(u->objects_fd, ret_statfs) ? -errno : 0;
}

/* ---- xattrs ---- */

int cf_lower_xattr_names(struct cf_union *u, uint64_t nid, struct cf_buf *ret_names)
{
    if (u->stack)
        return cf_stack_xattr_names(u->stack, nid, ret_names);
    struct cf_xattr xattr = {.next = 0};
    int r;
    while ((r = cf_tree_xattr_list(u->lower, nid, xattr.next, &xattr)) > 0) {
        char buffer[256];
        const char *shown;
        if (!cf_xattr_shown(xattr.name, buffer, &shown))
            continue;
        r = cf_buf_add(ret_names, shown, strlen(shown) + 1);
        if (r)
            return r;
    }
    return r;
}

static int find_xattr(struct cf_union *u, uint64_t nid, const char *name, const void **ret_value,
                      size_t *ret_len)
{
    char stored[256], buffer[256];
    const char *shown;
    int r = cf_xattr_stored(name, stored);
    if (!r && !cf_xattr_shown(stored, buffer, &shown))
        r = -ENODATA;
    return r ? r : cf_tree_xattr_get(u->lower, nid, stored, ret_value, ret_len);
}

int cf_lower_xattr_value(struct cf_union *u, uint64_t nid, const char *name,
                         struct cf_buf *ret_value)
{
    if (u->stack)
        return cf_stack_xattr_value(u->stack, nid, name, ret_value);
    const void *value;
    size_t len;
    int r = find_xattr(u, nid, name, &value, &len);
    return r ? r : cf_buf_add(ret_value, value, len);
}

ssize_t cf_lower_xattr_get(struct cf_union *u, uint64_t nid, const char *name, void *ret_value,
                           size_t size)
{
    if (u->stack) {
        struct cf_buf found cf_autobuf = CF_BUF_INIT;
        int e = cf_stack_xattr_value(u->stack, nid, name, &found);
        return e ? e : cf_xattr_hand_out(found.data, found.len, ret_value, size);
    }
    const void *value;
    size_t len;
    int r = find_xattr(u, nid, name, &value, &len);
    return r ? r : cf_xattr_hand_out(value, len, ret_value, size);
}

/* ---- paths ---- */

/* Name of a directory in its parent: a scan, for trees keep no names in directories. */
static int name_in_parent(struct cf_union *u, uint64_t parent, uint64_t dir,
                          struct cf_dirent *ret_entry)
{
    int r;
    ret_entry->next = 0;
    while ((r = cf_tree_readdir(u->lower, parent, ret_entry->next, ret_entry)) > 0)
        if (ret_entry->nid == dir)
            return 0;
    return r < 0 ? r : -ENOENT;
}

/* Built from the end: the pieces are collected in reverse order. */
int cf_lower_path(struct cf_union *u, uint64_t dir, struct cf_buf *ret_path)
{
    if (u->stack)
        return cf_stack_path(u->stack, dir, ret_path);
    struct cf_buf pieces cf_autobuf = CF_BUF_INIT; /* each: name, '/', reversed as a whole */
    uint64_t root = cf_tree_root(u->lower);
    for (uint64_t steps = cf_tree_count(u->lower) + 1; dir != root; steps--) {
        uint64_t parent;
        struct cf_dirent entry;
        int r = steps ? cf_tree_parent(u->lower, dir, &parent) : -EBADMSG;
        if (!r)
            r = name_in_parent(u, parent, dir, &entry);
        for (size_t i = r ? 0 : entry.name_len; i > 0 && !r; i--)
            r = cf_buf_add_char(&pieces, entry.name[i - 1]);
        if (!r)
            r = cf_buf_add_char(&pieces, '/');
        if (r)
            return r;
        dir = parent;
    }
    for (size_t i = pieces.len; i > 0; i--) {
        int r = cf_buf_add_char(ret_path, pieces.data[i - 1]);
        if (r)
            return r;
    }
    return 0;
}

int cf_object_open_at(int objects_fd, const struct cf_digest *digest)
{
    char hex[CF_DIGEST_HEX_SIZE], path[CF_DIGEST_HEX_SIZE + 1];
    cf_digest_hex(digest, hex);
    (void)snprintf(path, sizeof(path), "%.2s/%s", hex, hex + 2);
    int fd = openat(objects_fd, path, O_RDONLY | O_CLOEXEC | O_NOATIME);
    if (fd < 0 && errno == EPERM)
        fd = openat(objects_fd, path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 ? fd : -errno;
}

/* ---- content ---- */

int cf_lower_content(struct cf_union *u, uint64_t nid, struct cf_data_source *ret_source)
{
    struct cf_content content;
    struct stat st;
    int r = u->stack ? cf_stack_stat(u->stack, nid, &st) : cf_tree_content(u->lower, nid, &content);
    if (r)
        return r;
    if (u->stack) {
        *ret_source =
            (struct cf_data_source){.kind = CF_DATA_FILE, .size = (uint64_t)st.st_size, .nid = nid};
        return S_ISREG(st.st_mode) ? 0 : -EINVAL;
    }
    bool in_memory = content.kind == CF_CONTENT_INLINE;
    *ret_source = (struct cf_data_source){
        .kind = in_memory ? CF_DATA_MEMORY : CF_DATA_OBJECT,
        .size = content.size,
        .data = content.data,
        .digest = content.digest,
    };
    return 0;
}

int cf_lower_open(struct cf_union *u, const struct cf_data_source *source)
{
    if (source->kind == CF_DATA_FILE)
        return cf_stack_open_content(u->stack, source->nid);
    int fd = cf_object_open_at(u->objects_fd, &source->digest);
    return fd == -ENOENT ? -EIO : fd;
}
