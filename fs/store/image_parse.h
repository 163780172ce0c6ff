/* SPDX-License-Identifier: Apache-2.0 */
/* The two halves of cf_image_parse, for who has to fetch the config by its digest first; and the
 * search for an image. */
#ifndef CF_STORE_IMAGE_PARSE_H
#define CF_STORE_IMAGE_PARSE_H

#include <cloudfs/image.h>

/* An image without config_json, its diff_ids all zero. */
int cf_manifest_parse(const void *data, size_t len, struct cf_image **ret_image,
                      struct cf_error *err);
/* Completes it: -EINVAL where the two do not belong together. */
int cf_config_parse(struct cf_image *image, const void *data, size_t len, struct cf_error *err);

/*
 * The manifest that text means. -EINVAL: text is neither reference nor ID; -ENOENT; -ENOTUNIQ: an
 * ambiguous prefix. ret_named (NULL: not wanted): it was found by a name:tag, not by an ID or
 * digest.
 */
int cf_image_resolve(struct cf_store *store, const char *text, struct cf_digest *ret_manifest,
                     bool *ret_named, struct cf_error *err);

/* Whether the bytes are an index, and then its document. */
bool cf_index_parse(const void *data, size_t len, struct cf_json **ret_json);
/* The image of an index for a platform (NULL: this machine's, or the only one). -ENOENT. */
struct cf_platform;
int cf_index_choose(const struct cf_json *index, const struct cf_platform *platform,
                    struct cf_digest *ret_manifest, struct cf_error *err);

/* Calls fn with every blob of the store that is an image's manifest, in no order; damaged blobs
 * are passed over. fn returns 0 to go on. */
typedef int cf_manifest_fn(const struct cf_image *image, void *context);
int cf_manifest_each(struct cf_store *store, cf_manifest_fn *fn, void *context,
                     struct cf_error *err);

#endif
