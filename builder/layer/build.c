/* SPDX-License-Identifier: Apache-2.0 */
/* A layer out of a builder. */
#include <string.h>

#include "canonical.h"
#include "publish.h"

static int write_tar(struct cf_store *store, struct cf_builder *builder,
                     const struct cf_layer_build_options *options, struct cf_layer_info *info,
                     struct cf_error *err)
{
    struct cf_out out cf_cleanup(cf_out_done) = {0};
    int r = cf_out_init(&out, true, NULL, NULL, err);
    if (r < 0)
        return r;
    struct cf_canonical canonical = {
        .store = store,
        .builder = builder,
        .content = options->content,
        .file_done = options->file_done,
        .file_done_context = options->file_done_context,
        .progress = options->progress,
        .progress_context = options->progress_context,
        .out = &out,
    };
    r = cf_canonical_write(&canonical, err);
    if (r == 0)
        r = cf_out_finish(&out, &info->diff_id, err);
    info->tar_size = out.size;
    info->entries = canonical.entries;
    info->newest_sec = canonical.newest_sec;
    info->newest_nsec = canonical.newest_nsec;
    return r;
}

int cf_layer_build(struct cf_store *store, struct cf_builder *builder,
                   const struct cf_layer_build_options *options, struct cf_layer_info *ret_info,
                   struct cf_error *err)
{
    struct cf_layer_info info = {0};
    int r = write_tar(store, builder, options, &info, err);
    if (r == 0 && options->before_publish)
        r = options->before_publish(options->before_publish_context, err);
    if (r < 0)
        return r;
    info.blob = info.diff_id;
    info.blob_size = info.tar_size;
    info.existed = cf_layer_exists(store, &info.diff_id);
    if (!info.existed) {
        struct cf_layer_draft draft = {.fd = -1};
        r = cf_layer_draft_new(store, &draft, err);
        if (r == 0)
            r = cf_layer_publish(store, &draft, builder, &info, NULL, err);
        cf_layer_draft_drop(store, &draft);
    }
    if (r == 0)
        *ret_info = info;
    return r;
}
