/* SPDX-License-Identifier: Apache-2.0 */
/* Overrides on an image: a layer of the changed files on top of it. */
#include "work.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/log.h>

struct source {
    struct cf_store *store;
    struct cf_tree *tree;
};

static int look_in_tree(void *context, const char *path, struct found *ret_found,
                        struct cf_error *err)
{
    struct source *source = context;
    struct cf_content content;
    uint64_t nid = 0;
    int r = cf_tree_walk(source->tree, path, &nid);

    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r == 0)
        r = cf_tree_inode(source->tree, nid, &ret_found->inode);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", CF_QUOTE(path));
    ret_found->exists = true;
    ret_found->is_dir = S_ISDIR(ret_found->inode.mode);
    if (!S_ISREG(ret_found->inode.mode))
        return 0;
    r = cf_tree_content(source->tree, nid, &content);
    if (r < 0)
        return cf_fail_errno(err, -r, "%s", CF_QUOTE(path));
    return cf_content_read(source->store, &content, CF_OVERRIDE_FILE_MAX, &ret_found->text, err);
}

static int read_link_in_tree(void *context, const char *path, struct cf_buf *ret_target,
                             struct cf_error *err)
{
    struct source *source = context;
    struct cf_inode inode;
    const char *target;
    size_t len;
    uint64_t nid = 0;
    int r = cf_tree_walk(source->tree, path, &nid);

    if (r == -ENOENT || r == -ENOTDIR)
        return 0;
    if (r == 0)
        r = cf_tree_inode(source->tree, nid, &inode);
    if (r == 0 && !S_ISLNK(inode.mode))
        return 0;
    if (r == 0)
        r = cf_tree_readlink(source->tree, nid, &target, &len);
    if (r == 0)
        r = cf_buf_add(ret_target, target, len);
    return r < 0 ? cf_fail_errno(err, -r, "%s", CF_QUOTE(path)) : 1;
}

static int copy_xattrs(const struct cf_tree *tree, const char *path, struct cf_builder *builder,
                       struct cf_node *node)
{
    struct cf_xattr xattr = {0};
    const char *shown = NULL;
    char buffer[256];
    uint64_t nid = 0;
    int r = cf_tree_walk(tree, path, &nid);

    if (r < 0)
        return 0; /* a new file */
    while ((r = cf_tree_xattr_list(tree, nid, xattr.next, &xattr)) == 1) {
        if (!cf_xattr_shown(xattr.name, buffer, &shown))
            continue;
        r = cf_node_set_xattr(builder, node, xattr.name, xattr.value, xattr.value_len);
        if (r < 0)
            return r;
    }
    return r;
}

static int add_file(const struct source *source, struct cf_builder *builder,
                    const struct file *file, int64_t moment)
{
    const char *slash = strrchr(file->path, '/');
    const char *name = slash ? slash + 1 : file->path;
    struct cf_inode inode = file->now.inode;
    struct cf_node *dir = NULL, *node = NULL;
    int r = cf_builder_dir(builder, source->tree, file->path,
                           slash ? (size_t)(slash - file->path) : 0, moment, &dir);

    inode.mtime_sec = moment;
    inode.mtime_nsec = 0;
    if (!file->now.exists)
        inode = (struct cf_inode){.mode = S_IFCHR, .mtime_sec = moment};
    if (r == 0 && file->now.is_dir && file->now.exists) { /* its mode alone */
        r = cf_builder_dir(builder, source->tree, file->path, strlen(file->path), moment, &node);
        if (r == 0)
            cf_node_set_inode(node, &inode);
        return r < 0 ? r : copy_xattrs(source->tree, file->path, builder, node);
    }
    if (r == 0)
        r = cf_node_add(builder, dir, name, strlen(name), &inode, &node);
    if (r == 0 && file->now.exists)
        r = copy_xattrs(source->tree, file->path, builder, node);
    if (r == 0 && file->now.exists && S_ISREG(inode.mode))
        r = cf_object_put_node(source->store, builder, node, &file->now.text, NULL);
    return r;
}

static int make_layer(const struct source *source, const struct work *work, int64_t moment,
                      struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    struct cf_layer_build_options build = {0};
    int r = cf_builder_new(cf_store_tmp_fd(source->store), &builder, err);

    for (size_t i = 0; i < work->count && r == 0; i++) {
        if (!cf_file_changed(work->files[i]))
            continue;
        r = add_file(source, builder, work->files[i], moment);
        if (r < 0)
            (void)cf_fail_errno(err, -r, "%s", CF_QUOTE(work->files[i]->path));
    }
    return r < 0 ? r : cf_layer_build(source->store, builder, &build, ret_info, err);
}

/* "cloudfs override: C etc/daemon.json": files and settings, never their values. */
static int describe(const struct cf_overrides *overrides, struct cf_buf *out)
{
    int r = cf_buf_add_str(out, "cloudfs override");

    for (size_t i = 0; i < overrides->count && r == 0; i++) {
        const struct cf_override *override = &overrides->list[i];
        if (i == 8)
            return cf_buf_printf(out, " and %zu more", overrides->count - i);
        r = cf_buf_printf(out, "%s %s%s%s", i ? "," : ":", override->file,
                          override->path ? ":" : "", override->path ? override->path : "");
    }
    return r;
}

static int publish(const struct source *source, const struct cf_image *image,
                   const struct work *work, const struct cf_overrides *overrides,
                   const struct cf_image_options *options, const char *name,
                   struct cf_override_result *result, struct cf_error *err)
{
    struct cf_image_options with_time = *options;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_new_layer layer = {0};
    int r = cf_image_options_environment(&with_time, err);

    if (r < 0)
        return r;
    if (result->changes.count == 0) {
        r = name ? cf_name_set(source->store, name, &image->manifest, err) : 0;
        return r < 0 ? r : cf_image_load(source->store, &image->manifest, &result->image, err);
    }
    if (describe(overrides, &text) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    layer.created_by = options->created_by ? options->created_by : text.data;
    r = make_layer(source, work, cf_image_moment(image, &with_time), &layer.info, err);
    return r < 0 ? r
                 : cf_image_create(source->store, image, &layer, 1, &with_time, name,
                                   &result->image, err);
}

void cf_override_result_done(struct cf_override_result *result)
{
    cf_changes_done(&result->changes);
    cf_buf_done(&result->patch);
    cf_image_free(result->image);
    *result = (struct cf_override_result){0};
}

int cf_override_image(struct cf_store *store, const struct cf_image *image,
                      const struct cf_overrides *overrides, const struct cf_image_options *options,
                      const char *name, bool dry_run, struct cf_override_result *ret_result,
                      struct cf_error *err)
{
    struct source source = {.store = store};
    struct place place = {look_in_tree, read_link_in_tree, &source};
    struct work work cf_cleanup(cf_work_done) = {.place = &place};
    int r = cf_image_tree(store, image, &source.tree, NULL, err);

    if (r == 0)
        r = cf_work_apply(&work, overrides, err);
    if (r == 0)
        r = cf_work_finish(&work, ret_result, err);
    if (r == 0 && !dry_run)
        r = publish(&source, image, &work, overrides, options, name, ret_result, err);
    cf_tree_close(source.tree);
    return r;
}
