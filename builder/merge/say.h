/* SPDX-License-Identifier: Apache-2.0 */
/* What a merged image says of itself. Not public. */
#ifndef CF_MERGE_SAY_H
#define CF_MERGE_SAY_H

#include <cloudfs/buf.h>
#include <cloudfs/commit.h>
#include <cloudfs/image.h>

struct cf_said {
    struct cf_image_options options; /* those given, and what the images say */
    struct cf_json *run;
    struct cf_key_value *labels, *annotations;
    struct cf_buf extension;
};
void cf_said_done(struct cf_said *said);
/* 1: the image at that place has the value of an ENV or LABEL (word) only from a base that it has
 * in common with one before it, as far as their histories tell. Else 0; -ENOMEM. */
int cf_said_inherits(const struct cf_image *const *images, size_t which, const char *word,
                     const char *name, const char *value);
/* Environment, labels and annotations: a later image wins, but not by what it inherited from a base
 * that one before it has, too; the commands of all. What the options
 * give already wins over all. */
int cf_said_merge(const struct cf_image *const *images, size_t count, struct cf_said *said,
                  struct cf_error *err);

#endif
