/* SPDX-License-Identifier: Apache-2.0 */
#include "content.h"

#include <errno.h>
#include <string.h>

/* From here on a file gets a writer of its own, so that disk is set aside for all of it. */
enum { LARGE = 1 << 20 };

void cf_content_sink_init(struct cf_content_sink *sink, struct cf_store *store,
                          struct cf_builder *builder)
{
    memset(sink, 0, sizeof *sink);
    sink->store = store;
    sink->builder = builder;
}

void cf_content_sink_done(struct cf_content_sink *sink)
{
    cf_object_writer_free(sink->small);
    cf_object_writer_free(sink->large);
    sink->small = sink->large = sink->writer = NULL;
}

int cf_content_begin(struct cf_content_sink *sink, struct cf_node *node, uint64_t size,
                     struct cf_error *err)
{
    int r = 0;
    sink->node = node;
    sink->size = size;
    sink->at = 0;
    sink->writer = NULL;
    if (size > LARGE) {
        r = cf_object_writer_new(sink->store, size, &sink->large, err);
        sink->writer = sink->large;
    } else if (size > CF_INLINE_MAX) {
        if (!sink->small)
            r = cf_object_writer_new(sink->store, 0, &sink->small, err);
        sink->writer = sink->small;
    }
    return r;
}

static int add(struct cf_content_sink *sink, const void *data, size_t len, struct cf_error *err)
{
    sink->at += len;
    if (sink->writer)
        return cf_object_writer_add(sink->writer, data, len, err);
    memcpy(sink->data + sink->at - len, data, len);
    return 0;
}

static int add_zeros(struct cf_content_sink *sink, uint64_t len, struct cf_error *err)
{
    static const uint8_t zeros[64 << 10];
    int r = 0;
    while (len > 0 && r == 0) {
        const size_t n = len < sizeof zeros ? (size_t)len : sizeof zeros;
        r = add(sink, zeros, n, err);
        len -= n;
    }
    return r;
}

int cf_content_put(struct cf_content_sink *sink, uint64_t offset, const void *data, size_t len,
                   struct cf_error *err)
{
    if (offset < sink->at || offset > sink->size || len > sink->size - offset)
        return cf_fail(err, -EINVAL, "its content leaves the file");
    int r = add_zeros(sink, offset - sink->at, err);
    return r < 0 ? r : add(sink, data, len, err);
}

int cf_content_end(struct cf_content_sink *sink, struct cf_digest *ret_digest, struct cf_error *err)
{
    uint64_t size;
    int r = add_zeros(sink, sink->size - sink->at, err);
    if (r < 0)
        return r;
    if (sink->writer) {
        r = cf_object_writer_finish(sink->writer, ret_digest, &size, err);
        cf_object_writer_free(sink->large);
        sink->large = NULL;
        if (r < 0)
            return r;
        if (sink->builder)
            r = cf_node_set_object(sink->builder, sink->node, ret_digest, size);
    } else {
        r = cf_node_set_inline(sink->builder, sink->node, sink->data, sink->size);
    }
    return r < 0 ? cf_fail_errno(err, -r, "its content in the tree") : 0;
}
