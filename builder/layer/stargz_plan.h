/* SPDX-License-Identifier: Apache-2.0 */
/* A layer in one of stargz's forms as pieces. */
#ifndef CLOUDFS_LAYER_STARGZ_PLAN_H
#define CLOUDFS_LAYER_STARGZ_PLAN_H

#include "chunked_plan.h"

/* text: the JSON of the TOC, of a blob whose members end at end. Adds to the plan, which points
 * into ret_toc. */
int cf_stargz_plan(struct cf_store *store, const char *text, size_t len, uint64_t end,
                   struct cf_toc *ret_toc, struct cf_plan *plan, struct cf_error *err);

/* Fetches the TOC of a blob whose annotations are stargz's, verifies it against them, and plans.
 * ret_kind: what the members are. */
int cf_stargz_tables(const struct cf_chunked_source *source, struct cf_store *store,
                     enum cf_compression *ret_kind, struct cf_toc *ret_toc, struct cf_plan *plan,
                     struct cf_error *err);

#endif
