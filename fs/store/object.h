/* SPDX-License-Identifier: Apache-2.0 */
/* What the object writer uses of objects. */
#ifndef CF_STORE_OBJECT_H
#define CF_STORE_OBJECT_H

#include "private.h"

/* Whether objects/path is there with that size; notes it for the next sync if it is young. */
bool cf_object_found(struct cf_store *store, const char *path, uint64_t size);
/* Publishes a whole temporary file; one that is there already wins, unless its size is wrong. The
 * caller drops temp. */
int cf_object_publish(struct cf_store *store, struct cf_temp *temp, const struct cf_digest *digest,
                      uint64_t size);
/* Writes and publishes content whose digest is known, unless it is there. */
int cf_object_store(struct cf_store *store, const void *data, size_t len,
                    const struct cf_digest *digest);

#endif
