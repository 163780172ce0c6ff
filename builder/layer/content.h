/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A regular file's content on its way into the store: up to CF_INLINE_MAX bytes into the tree, more
 * into an object. Holes become zeros. One file after the other, by one thread.
 */
#ifndef CLOUDFS_LAYER_CONTENT_H
#define CLOUDFS_LAYER_CONTENT_H

#include <stdbool.h>
#include <stdint.h>

#include <cloudfs/error.h>
#include <cloudfs/store.h>
#include <cloudfs/tree.h>

struct cf_content_sink {
    struct cf_store *store;
    struct cf_builder *builder;
    struct cf_object_writer *small;  /* kept from file to file */
    struct cf_object_writer *large;  /* of the file at hand, told its size beforehand */
    struct cf_object_writer *writer; /* the one of them in use; NULL: inline */
    struct cf_node *node;
    uint64_t size, at;
    uint8_t data[CF_INLINE_MAX];
};

/* builder NULL: for files that become objects alone, which the caller sets on their nodes. */
void cf_content_sink_init(struct cf_content_sink *sink, struct cf_store *store,
                          struct cf_builder *builder);
void cf_content_sink_done(struct cf_content_sink *sink);
/* Begins the content of node, size bytes. */
int cf_content_begin(struct cf_content_sink *sink, struct cf_node *node, uint64_t size,
                     struct cf_error *err);
/* Whether the content at hand becomes an object. */
static inline bool cf_content_is_object(const struct cf_content_sink *sink)
{
    return sink->writer != NULL;
}
/* Bytes at offset, which ascends; what is left out is zeros. */
int cf_content_put(struct cf_content_sink *sink, uint64_t offset, const void *data, size_t len,
                   struct cf_error *err);
/* Ends it, and sets it on the node. ret_digest: of an object. */
int cf_content_end(struct cf_content_sink *sink, struct cf_digest *ret_digest,
                   struct cf_error *err);

#endif
