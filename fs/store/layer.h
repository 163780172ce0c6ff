/* SPDX-License-Identifier: Apache-2.0 */
/* blobs.json of a layer: which forms of it are known, and the checksums of its own files. */
#ifndef CF_STORE_LAYER_H
#define CF_STORE_LAYER_H

#include <cloudfs/json.h>

#include "private.h"

#define FORMS_FILE "blobs.json"
#define FORMS_MAX (1u << 20)
/* Its presence says that objects of the layer are lost: loading it again heals it. */
#define INCOMPLETE_FILE "incomplete"

/* The document in a layer's directory: -ENOENT, -EBADMSG. err as usual, but not for -ENOENT. */
int cf_forms_load(int layer_fd, struct cf_json **ret_json, struct cf_error *err);
/* Writes it into a directory that nobody sees yet. */
int cf_forms_save(int layer_fd, const struct cf_json *json, struct cf_error *err);
/* The forms in the document as a heap array: -EBADMSG. */
int cf_forms_decode(const struct cf_json *json, struct cf_layer_form **ret_forms,
                    size_t *ret_count);

#endif
