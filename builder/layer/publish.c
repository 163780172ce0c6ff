/* SPDX-License-Identifier: Apache-2.0 */
#include "publish.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipe.h"

static int write_files(struct cf_layer_draft *draft, struct cf_builder *builder,
                       const struct cf_digest *diff_id, struct cf_error *err)
{
    int recipe cf_autoclose =
        openat(draft->fd, CF_RECIPE_FILE, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (recipe < 0)
        return cf_fail_errno(err, errno, "cannot write the layer's recipe");
    int tree cf_autoclose = openat(draft->fd, "tree", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (tree < 0)
        return cf_fail_errno(err, errno, "cannot write the layer's tree");
    return cf_builder_write(builder, diff_id, tree, err);
}

int cf_layer_publish(struct cf_store *store, struct cf_layer_draft *draft,
                     struct cf_builder *builder, const struct cf_layer_info *info,
                     const struct cf_layer_form *other, struct cf_error *err)
{
    struct cf_layer_form forms[2] = {{.digest = info->diff_id, .size = info->tar_size}};
    (void)snprintf(forms[0].media_type, sizeof forms[0].media_type,
                   "application/vnd.oci.image.layer.v1.tar");
    if (other)
        forms[1] = *other;
    int r = write_files(draft, builder, &info->diff_id, err);
    if (r == 0)
        r = cf_layer_forms_write(draft->fd, forms, other ? 2 : 1, err);
    if (r == 0)
        r = cf_layer_draft_publish(store, draft, &info->diff_id, err);
    return r;
}

int cf_layer_find(struct cf_store *store, const struct cf_digest *diff_id,
                  const struct cf_digest *blob, struct cf_layer_info *ret_info,
                  struct cf_error *err)
{
    struct cf_layer_form *forms cf_autofree = NULL;
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    size_t count;
    if (!cf_layer_exists(store, diff_id))
        return 0;
    int r = cf_layer_forms_read(store, diff_id, &forms, &count, err);
    if (r == 0)
        r = cf_layer_tree(store, diff_id, &tree, err);
    if (r < 0)
        return r;
    if (count == 0)
        return cf_fail(err, -EBADMSG, "no form of the layer is known");
    size_t found = 0;
    for (size_t i = 0; blob && i < count; i++)
        if (cf_digest_equal(&forms[i].digest, blob))
            found = i;
    *ret_info = (struct cf_layer_info){
        .diff_id = *diff_id,
        .tar_size = forms[0].size,
        .blob = forms[found].digest,
        .blob_size = forms[found].size,
        .entries = cf_tree_count(tree),
        .existed = true,
    };
    return 1;
}
