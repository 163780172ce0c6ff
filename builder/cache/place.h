/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's files into a layer, or into a directory. Not public. */
#ifndef CF_CACHE_PLACE_H
#define CF_CACHE_PLACE_H

#include <cloudfs/commit.h>

#include "plan.h"

/* A layer for the top of the image. The plan is not empty. */
int cf_place_layer(struct cf_store *store, const struct cf_image *image, const struct plan *plan,
                   const struct cf_image_options *options, struct cf_layer_info *ret_info,
                   struct cf_error *err);
/* The image with such a layer on top, with a name (NULL: none); the image itself where the layer
 * has no entries. */
int cf_place_image(struct cf_store *store, const struct cf_image *image,
                   const struct cf_layer_info *info, const struct cf_image_options *options,
                   const char *name, struct cf_image **ret_image, struct cf_error *err);
/* Files below path, each whole or not there, what they refer to first. */
int cf_place_files(struct cf_store *store, const char *path, const struct plan *plan,
                   struct cf_error *err);

#endif
