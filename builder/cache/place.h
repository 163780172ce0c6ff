/* SPDX-License-Identifier: Apache-2.0 */
/* A plan's files into a layer, or into a directory. Not public. */
#ifndef CF_CACHE_PLACE_H
#define CF_CACHE_PLACE_H

#include <cloudfs/commit.h>

#include "plan.h"

/* A layer on top of the image, with a name (NULL: none). An empty plan gives the image itself. */
int cf_place_layer(struct cf_store *store, const struct cf_image *image, const struct plan *plan,
                   const struct cf_image_options *options, const char *name,
                   struct cf_image **ret_image, struct cf_error *err);
/* Files below path, each whole or not there, what they refer to first. */
int cf_place_files(struct cf_store *store, const char *path, const struct plan *plan,
                   struct cf_error *err);

#endif
