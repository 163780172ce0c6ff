/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/commit.h>

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/log.h>
#include <cloudfs/reference.h>

struct reading {
    int fd;
    const char *what;
};

static ssize_t read_source(void *context, void *data, size_t len, struct cf_error *err)
{
    struct reading *reading = context;
    ssize_t n;

    do
        n = read(reading->fd, data, len);
    while (n < 0 && errno == EINTR);
    return n < 0 ? cf_fail_errno(err, errno, "cannot read %s", reading->what) : n;
}

static int import_tar(struct cf_store *store, int fd, const char *what,
                      const struct cf_import_options *options, struct cf_layer_info *ret_info,
                      struct cf_error *err)
{
    struct reading reading = {fd, what};
    struct cf_layer_read_options read_options = {
        .source = read_source,
        .source_context = &reading,
        .what = what,
        .any_compression = true,
        .canonical = true,
        .has_clamp = options->image.has_timestamp,
        .clamp_sec = options->image.timestamp,
        .progress = options->progress,
        .progress_context = options->progress_context,
    };
    return cf_layer_read(store, &read_options, ret_info, err);
}

static int import_dir(struct cf_store *store, const char *path,
                      const struct cf_import_options *options, struct cf_layer_info *ret_info,
                      struct cf_error *err)
{
    struct cf_import_dir_options dir_options = {
        .has_clamp = options->image.has_timestamp,
        .clamp_sec = options->image.timestamp,
        .progress = options->progress,
        .progress_context = options->progress_context,
    };
    return cf_layer_import_dir(store, path, &dir_options, ret_info, err);
}

static int import_layer(struct cf_store *store, const char *source,
                        const struct cf_import_options *options, struct cf_layer_info *ret_info,
                        struct cf_error *err)
{
    struct stat st;
    bool is_stdin = !strcmp(source, "-");
    int fd cf_autoclose = is_stdin ? -1 : open(source, O_RDONLY | O_CLOEXEC);

    if (is_stdin)
        return import_tar(store, STDIN_FILENO, "standard input", options, ret_info, err);
    if (fd < 0 || fstat(fd, &st) < 0)
        return cf_fail_errno(err, errno, "cannot open %s", CF_QUOTE(source));
    if (S_ISDIR(st.st_mode))
        return import_dir(store, source, options, ret_info, err);
    return import_tar(store, fd, source, options, ret_info, err);
}

int cf_import(struct cf_store *store, const char *source, const struct cf_import_options *options,
              struct cf_image **ret_image, struct cf_error *err)
{
    /* Where the content lay is not part of it: the same content gives the same image. */
    struct cf_new_layer layer = {.created_by = "cloudfs import"};
    struct cf_image *base cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    char tagged[CF_TAGGED_SIZE];
    struct cf_image_options said = options->image;
    int r = options->name ? cf_reference_tagged(options->name, tagged, err) : 0;

    said.unsynced = options->name != NULL;
    if (r == 0 && options->base)
        r = cf_image_find(store, options->base, &base, err);
    if (r == 0)
        r = import_layer(store, source, options, &layer.info, err);
    /* The name comes last, when the first mount would find everything. */
    if (r == 0)
        r = cf_image_create(store, base, &layer, 1, &said, NULL, &image, err);
    if (r == 0)
        r = cf_image_tree(store, image, &tree, NULL, err);
    if (r == 0 && options->name)
        r = cf_name_set(store, tagged, &image->manifest, err);
    if (r < 0)
        return r;
    *ret_image = CF_TAKE(image);
    return 0;
}
