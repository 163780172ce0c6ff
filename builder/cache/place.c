/* SPDX-License-Identifier: Apache-2.0 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

struct building {
    struct cf_builder *builder;
    const struct cf_tree *tree; /* of the image below */
    int64_t moment;
};

static bool is_object(const struct planned *file)
{
    return file->kind == PLANNED_BLOB && !file->data;
}

static int add_file(struct building *building, const struct planned *file)
{
    const struct cf_inode whiteout = {.mode = S_IFCHR, .nlink = 1};
    struct cf_inode inode = {.mode = S_IFREG | 0644, .mtime_sec = building->moment};
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct cf_node *dir = NULL, *node = NULL;
    int r = cf_buf_printf(&path, CF_REGISTRY_V2 "/%s", file->path);

    if (r < 0)
        return r;
    const char *slash = strrchr(path.data, '/');
    r = cf_builder_dir(building->builder, building->tree, path.data, (size_t)(slash - path.data),
                       building->moment, &dir);
    if (r == 0)
        r = cf_node_add(building->builder, dir, slash + 1, strlen(slash + 1),
                        file->kind == PLANNED_GONE ? &whiteout : &inode, &node);
    if (r < 0 || file->kind == PLANNED_GONE)
        return r;
    return is_object(file)
               ? cf_node_set_object(building->builder, node, &file->digest, file->size)
               : cf_node_set_inline(building->builder, node, file->data, (size_t)file->size);
}

int cf_place_layer(struct cf_store *store, const struct cf_image *image, const struct plan *plan,
                   const struct cf_image_options *options, struct cf_layer_info *ret_info,
                   struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    struct cf_layer_build_options build = {0};
    int r = cf_image_tree(store, image, &tree, NULL, err);

    if (r == 0)
        r = cf_builder_new(cf_store_tmp_fd(store), &builder, err);
    if (r < 0)
        return r;
    struct building building = {builder, tree, cf_image_moment(image, options)};
    for (size_t i = 0; i < plan->count && r == 0; i++)
        r = add_file(&building, &plan->files[i]);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot make the layer of registry/");
    return cf_layer_build(store, builder, &build, ret_info, err);
}

int cf_place_image(struct cf_store *store, const struct cf_image *image,
                   const struct cf_layer_info *info, const struct cf_image_options *options,
                   const char *name, struct cf_image **ret_image, struct cf_error *err)
{
    struct cf_new_layer layer = {
        .created_by = options->created_by ? options->created_by : "cloudfs cache", .info = *info};

    if (info->entries)
        return cf_image_create(store, image, &layer, 1, options, name, ret_image, err);
    int r = name ? cf_name_set(store, name, &image->manifest, err) : 0;
    return r < 0 ? r : cf_image_load(store, &image->manifest, ret_image, err);
}

/* Content beside its place, then renamed. */
static int write_file(struct cf_store *store, int dirfd, const struct planned *file,
                      struct cf_error *err)
{
    char temporary[32], random[17];
    int in cf_autoclose = is_object(file) ? cf_object_open(store, &file->digest) : -1;
    const char *slash = strrchr(file->path, '/');
    struct cf_buf dir cf_autobuf = CF_BUF_INIT;
    int r = cf_buf_add(&dir, file->path, (size_t)(slash - file->path));

    if (r == 0)
        r = cf_mkdir_path(dirfd, dir.data, 0755);
    if (r == 0 && is_object(file) && in < 0)
        r = in;
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot write %s", CF_QUOTE(file->path));
    cf_random_name(random);
    snprintf(temporary, sizeof(temporary), ".new-%s", random);
    int fd cf_autoclose = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    r = fd < 0            ? -errno
        : is_object(file) ? cf_copy_data(in, 0, fd, 0, (size_t)file->size)
                          : cf_write_full(fd, file->data, (size_t)file->size);
    if (r == 0 && renameat(dirfd, temporary, dirfd, file->path) < 0)
        r = -errno;
    if (r < 0) {
        (void)unlinkat(dirfd, temporary, 0);
        return cf_fail_errno(err, -r, "cannot write %s", CF_QUOTE(file->path));
    }
    return 0;
}

static int drop(int dirfd, const struct planned *file, struct cf_error *err)
{
    char *dir cf_autofree = strdup(file->path);
    char *slash = dir ? strrchr(dir, '/') : NULL;

    if (!slash)
        return cf_fail(err, -ENOMEM, "out of memory");
    *slash = '\0';
    int fd cf_autoclose = cf_open_beneath(dirfd, dir, O_RDONLY | O_DIRECTORY, 0);
    int r = fd < 0 ? fd : cf_remove_tree(fd, slash + 1);
    return r < 0 && r != -ENOENT ? cf_fail_errno(err, -r, "cannot remove %s", CF_QUOTE(file->path))
                                 : 0;
}

int cf_place_files(struct cf_store *store, const char *path, const struct plan *plan,
                   struct cf_error *err)
{
    int root cf_autoclose = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = root < 0 ? -errno : plan->count > 0 ? cf_mkdir_path(root, CF_REGISTRY_V2, 0755) : 0;

    if (r < 0)
        return cf_fail_errno(err, -r, "cannot write %s", CF_QUOTE(path));
    if (plan->count == 0)
        return 0;
    int fd cf_autoclose = cf_open_beneath(root, CF_REGISTRY_V2, O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return cf_fail_errno(err, -fd, "cannot open " CF_REGISTRY_V2 " in %s", CF_QUOTE(path));
    bool was_tag = false, is_tag = false;
    for (size_t i = 0; i < plan->count && r == 0; i++, was_tag = is_tag) {
        is_tag = strstr(plan->files[i].path, "/_manifests/tags/") != NULL;
        if (is_tag && !was_tag && syncfs(fd) < 0) /* what a tag leads to is on disk before it */
            r = cf_fail_errno(err, errno, "cannot write %s", CF_QUOTE(path));
        if (r == 0 && plan->files[i].kind == PLANNED_GONE)
            r = drop(fd, &plan->files[i], err);
        else if (r == 0)
            r = write_file(store, fd, &plan->files[i], err);
    }
    if (r == 0 && syncfs(fd) < 0)
        r = cf_fail_errno(err, errno, "cannot write %s", CF_QUOTE(path));
    return r;
}
