/* SPDX-License-Identifier: Apache-2.0 */
/* The last steps of every new layer. */
#ifndef CLOUDFS_LAYER_PUBLISH_H
#define CLOUDFS_LAYER_PUBLISH_H

#include <cloudfs/layer.h>

/*
 * Writes tree and forms into the draft, which has its recipe (an empty one is made where none is),
 * and publishes. other: the form that was read, where it is not the plain tar; else NULL.
 */
int cf_layer_publish(struct cf_store *store, struct cf_layer_draft *draft,
                     struct cf_builder *builder, const struct cf_layer_info *info,
                     const struct cf_layer_form *other, struct cf_error *err);
/* Fills info from the store when it has the layer: 1; else 0 or -errno. blob (NULL: the plain
 * tar) is the form that info shall name. */
int cf_layer_find(struct cf_store *store, const struct cf_digest *diff_id,
                  const struct cf_digest *blob, struct cf_layer_info *ret_info,
                  struct cf_error *err);

#endif
