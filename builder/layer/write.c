/* SPDX-License-Identifier: Apache-2.0 */
/* A layer's exact tar out of the store. */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cloudfs/layer.h>

#include "canonical.h"
#include "out.h"
#include "recipe.h"

static int write_recipe(struct cf_store *store, int fd, struct cf_out *out, struct cf_error *err)
{
    struct cf_recipe_reader *recipe cf_cleanup(cf_recipe_reader_free_ptr) = NULL;
    struct cf_object_cache cache cf_cleanup(cf_object_cache_done) = {.fd = -1};
    struct cf_recipe_step step;
    int r = cf_recipe_reader_new(fd, &recipe, err);
    if (r < 0)
        return r;
    while ((r = cf_recipe_next(recipe, &step, err)) > 0) {
        r = step.data ? cf_out_put(out, step.data, step.len, err)
                      : cf_out_object(out, store, &cache, &step.object, step.offset, step.len, err);
        if (r < 0)
            return r;
    }
    return r;
}

static int write_tree(struct cf_store *store, const struct cf_digest *diff_id, struct cf_out *out,
                      struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    int r = cf_layer_tree(store, diff_id, &tree, err);
    if (r == 0)
        r = cf_builder_new(cf_store_tmp_fd(store), &builder, err);
    if (r == 0)
        r = cf_builder_apply(builder, tree, true, err);
    if (r < 0)
        return r;
    struct cf_canonical canonical = {.store = store, .builder = builder, .out = out};
    return cf_canonical_write(&canonical, err);
}

static int write_layer(struct cf_store *store, const struct cf_digest *diff_id, struct cf_out *out,
                       struct cf_error *err)
{
    int dir cf_autoclose = cf_layer_open(store, diff_id, err);
    if (dir < 0)
        return dir;
    int fd cf_autoclose = openat(dir, CF_RECIPE_FILE, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (fd < 0 || fstat(fd, &st) < 0)
        return cf_fail_errno(err, errno, "cannot open its recipe");
    return st.st_size == 0 ? write_tree(store, diff_id, out, err)
                           : write_recipe(store, fd, out, err);
}

int cf_layer_write(struct cf_store *store, const struct cf_digest *diff_id, cf_sink_fn *sink,
                   void *sink_context, struct cf_error *err)
{
    struct cf_out out cf_cleanup(cf_out_done) = {0};
    struct cf_digest digest;
    char text[CF_DIGEST_TEXT_SIZE];
    int r = cf_out_init(&out, true, sink, sink_context, err);
    if (r == 0)
        r = write_layer(store, diff_id, &out, err);
    if (r == 0)
        r = cf_out_finish(&out, &digest, err);
    if (r == 0 && !cf_digest_equal(&digest, diff_id))
        r = cf_fail(err, -EBADMSG, "what the store has of it does not match its digest");
    cf_digest_text(diff_id, text);
    return r < 0 ? cf_fail_in(err, r, "layer %s", text) : 0;
}
