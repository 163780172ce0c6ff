/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/patch.h>

#include <cloudfs/image.h>
#include <cloudfs/io.h>
#include <cloudfs/look.h>
#include <cloudfs/mount.h>
#include <cloudfs/union.h>

#include "settings.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum kind { ABSENT, TEXT, LINK, LARGE, OTHER };

/* One side of a comparison: says what is at a path, and appends a file's or link's text. */
struct side {
    int (*read)(struct side *side, const char *path, enum kind *ret_kind, struct cf_buf *ret_text,
                struct cf_error *err);
    struct cf_store *store;
    const struct cf_tree *tree; /* of an image; the lower tree of a mount */
    struct cf_union *view;      /* of an idle mount */
    int root_fd;                /* of a live mount */
};

static int read_tree(struct side *side, const char *path, enum kind *ret_kind,
                     struct cf_buf *ret_text, struct cf_error *err)
{
    uint64_t nid;
    struct cf_inode inode;
    struct cf_content content;
    const char *target;
    size_t len;
    int r = cf_tree_walk(side->tree, path, &nid);
    *ret_kind = ABSENT;
    if (r == -ENOENT || r == -ENOTDIR || r == -ELOOP)
        return 0;
    if (r == 0)
        r = cf_tree_inode(side->tree, nid, &inode);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", path);
    *ret_kind = S_ISREG(inode.mode) ? TEXT : S_ISLNK(inode.mode) ? LINK : OTHER;
    if (*ret_kind == LINK) {
        r = cf_tree_readlink(side->tree, nid, &target, &len);
        return r < 0 ? cf_fail_errno(err, -r, "%s", path) : cf_buf_add(ret_text, target, len);
    }
    if (*ret_kind == OTHER)
        return 0;
    r = cf_tree_content(side->tree, nid, &content);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", path);
    if (content.size > CF_PATCH_MAX)
        *ret_kind = LARGE;
    return *ret_kind == LARGE ? 0
                              : cf_content_read(side->store, &content, CF_PATCH_MAX, ret_text, err);
}

static int read_link_at(int dirfd, const char *path, struct cf_buf *ret_text)
{
    char target[CF_SYMLINK_MAX + 1];
    ssize_t n = readlinkat(dirfd, path, target, sizeof target);
    return n < 0 ? -errno : cf_buf_add(ret_text, target, (size_t)n);
}

static int read_live(struct side *side, const char *path, enum kind *ret_kind,
                     struct cf_buf *ret_text, struct cf_error *err)
{
    struct stat st;
    int fd cf_autoclose = cf_open_beneath(side->root_fd, path, O_PATH | O_NOFOLLOW, 0);
    *ret_kind = ABSENT;
    if (fd == -ENOENT || fd == -ENOTDIR)
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return cf_fail_errno(err, fd < 0 ? -fd : errno, "%s", path);
    *ret_kind = S_ISREG(st.st_mode) ? TEXT : S_ISLNK(st.st_mode) ? LINK : OTHER;
    if (*ret_kind == TEXT && st.st_size > CF_PATCH_MAX)
        *ret_kind = LARGE;
    int r = 0;
    if (*ret_kind == LINK)
        r = read_link_at(fd, "", ret_text);
    if (*ret_kind == TEXT) {
        int file cf_autoclose = cf_open_beneath(side->root_fd, path, O_RDONLY | O_NOFOLLOW, 0);
        r = file < 0 ? file : cf_read_fd(file, CF_PATCH_MAX, ret_text);
    }
    return r < 0 ? cf_fail_errno(err, -r, "%s", path) : 0;
}

/* Looks a path up in the union, one component after the other; one counted reference on success. */
static int view_lookup(struct cf_union *view, const char *path, struct cf_entry *ret_entry)
{
    uint64_t dir = CF_ROOT_INO;
    for (;;) {
        char name[CF_NAME_MAX + 1];
        size_t len = strcspn(path, "/");
        if (len == 0 || len > CF_NAME_MAX)
            return len ? -ENAMETOOLONG : -ENOENT;
        memcpy(name, path, len);
        name[len] = 0;
        int r = cf_union_lookup(view, dir, name, ret_entry);
        if (dir != CF_ROOT_INO)
            cf_union_forget(view, dir, 1);
        if (r < 0 || !path[len])
            return r;
        dir = ret_entry->ino;
        path += len + 1;
    }
}

static int view_text(struct cf_union *view, uint64_t ino, struct cf_buf *ret_text)
{
    char data[65536];
    struct cf_file *file;
    int r = cf_union_open_file(view, ino, O_RDONLY, &file);
    if (r < 0)
        return r;
    off_t offset = 0;
    ssize_t n;
    while ((n = cf_file_read(file, data, sizeof data, offset)) > 0 && r == 0) {
        r = cf_buf_add(ret_text, data, (size_t)n);
        offset += n;
    }
    cf_file_close(file);
    return n < 0 ? (int)n : r;
}

static int read_view(struct side *side, const char *path, enum kind *ret_kind,
                     struct cf_buf *ret_text, struct cf_error *err)
{
    struct cf_entry entry;
    int r = view_lookup(side->view, path, &entry);
    *ret_kind = ABSENT;
    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", path);
    mode_t mode = entry.attr.st_mode;
    *ret_kind = S_ISREG(mode) ? TEXT : S_ISLNK(mode) ? LINK : OTHER;
    if (*ret_kind == TEXT && entry.attr.st_size > CF_PATCH_MAX)
        *ret_kind = LARGE;
    if (*ret_kind == TEXT)
        r = view_text(side->view, entry.ino, ret_text);
    if (*ret_kind == LINK) {
        char target[CF_SYMLINK_MAX + 1];
        r = cf_union_readlink(side->view, entry.ino, target, sizeof target);
        r = r < 0 ? r : cf_buf_add_str(ret_text, target);
    }
    cf_union_forget(side->view, entry.ino, 1);
    return r < 0 ? cf_fail_errno(err, -r, "%s", path) : 0;
}

/* Who is told: of text, or of settings. */
struct out {
    cf_sink_fn *sink;
    cf_setting_fn *setting;
    void *context;
};

static int put_settings(const struct cf_change *change, bool texts, const struct cf_buf *old_text,
                        const struct cf_buf *new_text, const struct out *out, struct cf_error *err)
{
    int r = texts ? cf_settings_compare(change->path, old_text, new_text, out->setting,
                                        out->context, err)
                  : 0;
    const struct cf_setting whole = {.file = change->path, .change = change};

    return r != 0 ? (r < 0 ? r : 0) : out->setting(&whole, out->context);
}

static int put_line(cf_sink_fn *sink, void *context, struct cf_error *err, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static int put_line(cf_sink_fn *sink, void *context, struct cf_error *err, const char *format, ...)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    va_list ap;
    va_start(ap, format);
    int r = cf_buf_vprintf(&text, format, ap);
    va_end(ap);
    return r < 0 ? cf_fail(err, r, "out of memory") : sink(context, text.data, text.len, err);
}

static int put_texts(const char *path, enum kind old_kind, const struct cf_buf *old_text,
                     enum kind new_kind, const struct cf_buf *new_text, cf_sink_fn *sink,
                     void *context, struct cf_error *err)
{
    struct cf_buf patch cf_autobuf = CF_BUF_INIT;
    int r = cf_text_diff(path, old_text->data, old_text->len, new_text->data, new_text->len,
                         old_kind == TEXT, new_kind == TEXT, &patch);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", path);
    return patch.len ? sink(context, patch.data, patch.len, err) : 0;
}

static int patch_one(struct side *older, struct side *newer, const struct cf_change *change,
                     const struct out *out, struct cf_error *err)
{
    const char *path = change->path;
    cf_sink_fn *sink = out->sink;
    void *context = out->context;
    enum kind old_kind, new_kind;
    struct cf_buf old_text cf_autobuf = CF_BUF_INIT;
    struct cf_buf new_text cf_autobuf = CF_BUF_INIT;
    int r = older->read(older, path, &old_kind, &old_text, err);
    if (r == 0)
        r = newer->read(newer, path, &new_kind, &new_text, err);
    if (r < 0)
        return r;
    if (out->setting)
        return put_settings(change, old_kind == TEXT && new_kind == TEXT && !change->meta_only,
                            &old_text, &new_text, out, err);
    if (old_kind == LARGE || new_kind == LARGE)
        return put_line(sink, context, err, "Large files a/%s and b/%s differ\n", path, path);
    bool texts =
        (old_kind == TEXT || old_kind == ABSENT) && (new_kind == TEXT || new_kind == ABSENT);
    if (texts && !change->meta_only && old_kind + new_kind != 0)
        return put_texts(path, old_kind, &old_text, new_kind, &new_text, sink, context, err);
    if (old_kind == LINK && new_kind == LINK && !change->meta_only)
        return put_line(sink, context, err, "Symbolic link %s: %s -> %s\n", path, old_text.data,
                        new_text.data);
    if (change->kind == 'C')
        return put_line(
            sink, context, err, "%s of %s changed\n",
            change->meta_only || old_kind == new_kind ? "Mode, owner, times or attributes" : "Type",
            path);
    return put_line(sink, context, err, "%s %s\n", change->kind == 'A' ? "Added" : "Deleted", path);
}

static int patch_all(struct side *older, struct side *newer, const struct cf_changes *changes,
                     const struct out *out, struct cf_error *err)
{
    for (size_t i = 0; i < changes->count; i++) {
        int r = patch_one(older, newer, &changes->list[i], out, err);
        if (r < 0)
            return r;
    }
    return 0;
}

int cf_image_patch(struct cf_store *store, const struct cf_tree *older, const struct cf_tree *newer,
                   const struct cf_changes *changes, cf_sink_fn *sink, void *sink_context,
                   struct cf_error *err)
{
    struct side a = {.read = read_tree, .store = store, .tree = older};
    struct side b = {.read = read_tree, .store = store, .tree = newer};
    const struct out out = {.sink = sink, .context = sink_context};
    return patch_all(&a, &b, changes, &out, err);
}

static int patch_idle(struct cf_store *store, struct side *older, const struct cf_mount *mount,
                      const struct cf_changes *changes, const struct out *out, struct cf_error *err)
{
    int upper_fd cf_autoclose = open(mount->upper, O_PATH | O_DIRECTORY | O_CLOEXEC);
    int work_fd cf_autoclose = open(mount->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (upper_fd < 0 || work_fd < 0)
        return cf_fail_errno(err, errno, "%s", upper_fd < 0 ? mount->upper : mount->work);
    struct cf_union_options options = {
        .lower = older->tree,
        .objects_fd = cf_store_objects_fd(store),
        .upper_fd = upper_fd,
        .work_fd = work_fd,
        .user_xattrs = mount->user_xattrs,
    };
    struct cf_union *view cf_cleanup(cf_union_close_ptr) = NULL;
    int r = cf_union_open(&options, &view, err);
    if (r < 0)
        return r;
    struct side newer = {.read = read_view, .store = store, .view = view};
    return patch_all(older, &newer, changes, out, err);
}

static int patch_mount(struct cf_store *store, const struct cf_tree *older,
                       const struct cf_mount *mount, const struct cf_changes *changes,
                       const struct out *out, struct cf_error *err)
{
    struct side a = {.read = read_tree, .store = store, .tree = older};
    if (!changes->count)
        return 0;
    if (mount->state != CF_MOUNT_LIVE)
        return patch_idle(store, &a, mount, changes, out, err);
    int root_fd cf_autoclose = open(mount->mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0)
        return cf_fail_errno(err, errno, "%s", mount->mountpoint);
    struct side b = {.read = read_live, .store = store, .root_fd = root_fd};
    return patch_all(&a, &b, changes, out, err);
}

int cf_mount_patch(struct cf_store *store, const struct cf_tree *older,
                   const struct cf_mount *mount, const struct cf_changes *changes, cf_sink_fn *sink,
                   void *sink_context, struct cf_error *err)
{
    const struct out out = {.sink = sink, .context = sink_context};
    return patch_mount(store, older, mount, changes, &out, err);
}

int cf_patch_settings(struct cf_store *store, const struct cf_tree *older,
                      const struct cf_tree *newer, const struct cf_mount *mount,
                      const struct cf_changes *changes, cf_setting_fn *fn, void *context,
                      struct cf_error *err)
{
    struct side a = {.read = read_tree, .store = store, .tree = older};
    struct side b = {.read = read_tree, .store = store, .tree = newer};
    const struct out out = {.setting = fn, .context = context};
    return mount ? patch_mount(store, older, mount, changes, &out, err)
                 : patch_all(&a, &b, changes, &out, err);
}
