/* SPDX-License-Identifier: Apache-2.0 */
#include "extract.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

void cf_extraction_done(struct extraction *extraction)
{
    for (size_t i = 0; i < extraction->link_room; i++)
        free(extraction->links[i].path);
    free(extraction->links);
    cf_buf_done(&extraction->path);
    if (extraction->dir_fd >= 0)
        close(extraction->dir_fd);
    if (extraction->root_fd >= 0)
        close(extraction->root_fd);
}

/* ---- hard links ---- */

static struct extracted_link *slot_of(struct extracted_link *links, size_t room, uint64_t nid)
{
    size_t at = (size_t)(nid * 11400714819323198485u >> 20) & (room - 1);

    while (links[at].nid && links[at].nid != nid)
        at = (at + 1) & (room - 1);
    return &links[at];
}

static int remember(struct extraction *extraction, uint64_t nid)
{
    if (extraction->link_count * 2 >= extraction->link_room) {
        size_t room = extraction->link_room ? extraction->link_room * 2 : 64;
        struct extracted_link *grown = calloc(room, sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        for (size_t i = 0; i < extraction->link_room; i++)
            if (extraction->links[i].nid)
                *slot_of(grown, room, extraction->links[i].nid) = extraction->links[i];
        free(extraction->links);
        extraction->links = grown;
        extraction->link_room = room;
    }
    struct extracted_link *link = slot_of(extraction->links, extraction->link_room, nid);
    if (link->nid)
        return 0;
    link->path = strdup(extraction->path.data);
    if (!link->path)
        return -ENOMEM;
    link->nid = nid;
    extraction->link_count++;
    return 0;
}

/* A further name of what was made already. 1: there is none yet, or it cannot be linked to. */
static int link_again(struct extraction *extraction, const struct cf_inode *inode,
                      const char *temporary)
{
    char proc[40];

    if (!extraction->link_room)
        return 1;
    const struct extracted_link *link =
        slot_of(extraction->links, extraction->link_room, inode->nid);
    if (!link->nid)
        return 1;
    int fd cf_autoclose = cf_open_beneath(extraction->root_fd, link->path, O_PATH | O_NOFOLLOW, 0);
    if (fd < 0)
        return 1;
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    return linkat(AT_FDCWD, proc, extraction->dir_fd, temporary, AT_SYMLINK_FOLLOW) < 0 ? 1 : 0;
}

/* ---- metadata ---- */

/* Which kinds of xattr an ordinary user, or this disk, cannot have is no failure. */
static int set_xattrs(struct extraction *extraction, const char *path, int fd,
                      const struct cf_inode *inode, struct cf_error *err)
{
    struct cf_xattr xattr;
    uint64_t cookie = 0;
    char buffer[256];
    const char *shown = NULL;
    int r;

    while ((r = cf_tree_xattr_list(extraction->tree, inode->nid, cookie, &xattr)) > 0) {
        cookie = xattr.next;
        if (!cf_xattr_shown(xattr.name, buffer, &shown))
            continue;
        int done = fd >= 0 ? fsetxattr(fd, shown, xattr.value, xattr.value_len, 0)
                           : lsetxattr(path, shown, xattr.value, xattr.value_len, 0);
        if (done == 0)
            continue;
        if (errno != EPERM && errno != EACCES && errno != ENOTSUP)
            return cf_fail_errno(err, errno, "cannot set %s of %s", CF_QUOTE(shown),
                                 CF_QUOTE(extraction->path.data ? extraction->path.data : "."));
        extraction->skipped++;
    }
    return r < 0 ? cf_fail_errno(err, -r, "cannot read the image's tree") : 0;
}

/* The mode that a thing gets: without its owner, a setuid bit would mean somebody else. */
static mode_t mode_for(const struct extraction *extraction, const struct cf_inode *inode)
{
    mode_t mode = inode->mode & 07777;
    return extraction->is_root ? mode : mode & (S_ISDIR(inode->mode) ? 03777 : 01777);
}

static void count_owner(struct extraction *extraction, const struct cf_inode *inode)
{
    /* Root's things become the user's: the user stands for root. */
    if (!extraction->is_root && (inode->uid != 0 || inode->gid != 0))
        extraction->skipped++;
}

static struct timespec mtime_of(const struct cf_inode *inode)
{
    return (struct timespec){.tv_sec = (time_t)inode->mtime_sec, .tv_nsec = inode->mtime_nsec};
}

int cf_extract_metadata(struct extraction *extraction, int fd, const struct cf_inode *inode,
                        struct cf_error *err)
{
    const char *path = extraction->path.len ? extraction->path.data : ".";
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime_of(inode)};

    if (extraction->is_root && fchown(fd, inode->uid, inode->gid) < 0)
        return cf_fail_errno(err, errno, "cannot set the owner of %s", CF_QUOTE(path));
    count_owner(extraction, inode);
    int r = set_xattrs(extraction, NULL, fd, inode, err);
    if (r < 0)
        return r;
    if (fchmod(fd, mode_for(extraction, inode)) < 0)
        return cf_fail_errno(err, errno, "cannot set the mode of %s", CF_QUOTE(path));
    if (futimens(fd, times) < 0)
        return cf_fail_errno(err, errno, "cannot set the time of %s", CF_QUOTE(path));
    return 0;
}

/* The same of a thing that cannot be opened: a symlink, a device, a fifo. */
static int metadata_of_name(struct extraction *extraction, const struct cf_inode *inode,
                            const char *name, struct cf_error *err)
{
    const char *path = extraction->path.data;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, mtime_of(inode)};
    char proc[64 + CF_NAME_MAX];

    if (extraction->is_root &&
        fchownat(extraction->dir_fd, name, inode->uid, inode->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return cf_fail_errno(err, errno, "cannot set the owner of %s", CF_QUOTE(path));
    count_owner(extraction, inode);
    if (!S_ISLNK(inode->mode) &&
        fchmodat(extraction->dir_fd, name, mode_for(extraction, inode), 0) < 0)
        return cf_fail_errno(err, errno, "cannot set the mode of %s", CF_QUOTE(path));
    snprintf(proc, sizeof(proc), "/proc/self/fd/%d/%s", extraction->dir_fd, name);
    int r = set_xattrs(extraction, proc, -1, inode, err);
    if (r < 0)
        return r;
    if (utimensat(extraction->dir_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return cf_fail_errno(err, errno, "cannot set the time of %s", CF_QUOTE(path));
    return 0;
}

/* ---- the things ---- */

static int write_content(struct extraction *extraction, int fd, const struct cf_inode *inode,
                         struct cf_error *err)
{
    struct cf_content content;
    char text[CF_DIGEST_TEXT_SIZE];
    int r = cf_tree_content(extraction->tree, inode->nid, &content);

    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the image's tree");
    if (content.kind == CF_CONTENT_INLINE) {
        r = cf_write_full(fd, content.data, (size_t)content.size);
    } else {
        int object cf_autoclose = cf_object_open(extraction->store, &content.digest);
        struct stat st;
        cf_digest_text(&content.digest, text);
        if (object < 0 || fstat(object, &st) < 0)
            return cf_fail_errno(err, object < 0 ? -object : errno, "cannot open object %s", text);
        if ((uint64_t)st.st_size != content.size)
            return cf_fail(err, -EBADMSG, "object %s of the store is damaged: its size is wrong",
                           text);
        r = cf_clone_file(object, fd) == 0 ? 0
                                           : cf_copy_data(object, 0, fd, 0, (size_t)content.size);
    }
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot write %s", CF_QUOTE(extraction->path.data));
    return 0;
}

static int make_file(struct extraction *extraction, const struct cf_inode *inode,
                     const char *temporary, struct cf_error *err)
{
    int fd cf_autoclose = openat(extraction->dir_fd, temporary,
                                 O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);

    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot write %s", CF_QUOTE(extraction->path.data));
    int r = write_content(extraction, fd, inode, err);
    return r == 0 ? cf_extract_metadata(extraction, fd, inode, err) : r;
}

static int make_symlink(struct extraction *extraction, const struct cf_inode *inode,
                        const char *temporary, struct cf_error *err)
{
    const char *text = NULL;
    size_t len = 0;
    int r = cf_tree_readlink(extraction->tree, inode->nid, &text, &len);
    char *target cf_autofree = r == 0 ? strndup(text, len) : NULL;

    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the image's tree");
    if (!target)
        return cf_fail(err, -ENOMEM, "out of memory");
    if (symlinkat(target, extraction->dir_fd, temporary) < 0)
        return cf_fail_errno(err, errno, "cannot make %s", CF_QUOTE(extraction->path.data));
    return metadata_of_name(extraction, inode, temporary, err);
}

/* A fifo, socket or device. 1: left out, for want of privilege. */
static int make_special(struct extraction *extraction, const struct cf_inode *inode,
                        const char *temporary, struct cf_error *err)
{
    dev_t device = makedev(inode->rdev_major, inode->rdev_minor);

    /* Whiteouts of a layer are made even by users: they are how overlayfs tells them. */
    if (mknodat(extraction->dir_fd, temporary, (inode->mode & S_IFMT) | 0600, device) < 0) {
        if ((errno != EPERM && errno != EACCES) || extraction->is_root)
            return cf_fail_errno(err, errno, "cannot make %s", CF_QUOTE(extraction->path.data));
        extraction->skipped++;
        return 1;
    }
    return metadata_of_name(extraction, inode, temporary, err);
}

int cf_extract_one(struct extraction *extraction, const struct cf_inode *inode, const char *name,
                   struct cf_error *err)
{
    char temporary[40], random[17];
    bool linked = inode->nlink > 1;
    int r = 1;

    cf_random_name(random);
    snprintf(temporary, sizeof(temporary), ".cloudfs-%s", random);
    if (linked)
        r = link_again(extraction, inode, temporary);
    if (r == 1 && S_ISREG(inode->mode))
        r = make_file(extraction, inode, temporary, err);
    else if (r == 1 && S_ISLNK(inode->mode))
        r = make_symlink(extraction, inode, temporary, err);
    else if (r == 1)
        r = make_special(extraction, inode, temporary, err);
    if (r == 1)
        return 0;
    if (r == 0 && renameat(extraction->dir_fd, temporary, extraction->dir_fd, name) < 0)
        r = cf_fail_errno(err, errno, "cannot replace %s", CF_QUOTE(extraction->path.data));
    /* Also after success: a rename between two names of one inode does nothing. */
    (void)unlinkat(extraction->dir_fd, temporary, 0);
    if (r == 0 && linked && remember(extraction, inode->nid) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    return r;
}
