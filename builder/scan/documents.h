/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text cut into its YAML documents, which stand on their own: one that is broken does not keep
 * the others from being read. A line that begins with "---" or "..." can be nothing but such a
 * mark, also in block scalars and quotes (YAML 1.1, c-forbidden). Not public.
 */
#ifndef CF_SCAN_DOCUMENTS_H
#define CF_SCAN_DOCUMENTS_H

#include "scan_private.h"

struct documents {
    const char *data; /* the text, or the window of a source */
    size_t len, at;   /* of the window; where the next document begins in it */
    size_t line;      /* from 1; of that place */
    cf_source_fn *source;
    void *source_context;
    struct cf_buf window;
    size_t clear; /* bytes from at on that are known to be the large document's */
    bool ended;   /* the source is */
    bool last;    /* the large document ends behind what is clear */
    bool cut;     /* and is over */
};
void cf_documents_init(struct documents *documents, const void *data, size_t len,
                       cf_source_fn *source, void *source_context);
void cf_documents_done(struct documents *documents);

struct document {
    const char *data; /* NULL: too large to be at hand, to be read by cf_documents_read */
    size_t len;
    size_t line; /* of the file, where it begins */
};
/* Returns 1, 0 at the end, or what the source failed with. */
int cf_documents_next(struct documents *documents, struct document *ret_document,
                      struct cf_error *err);
/* A source of the large document that next has told. */
cf_source_fn cf_documents_read; /* context: the documents */

#endif
