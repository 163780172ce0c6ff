/* SPDX-License-Identifier: Apache-2.0 */
/* Two versions of a file, by settings. Not public. */
#ifndef CF_LOOK_SETTINGS_H
#define CF_LOOK_SETTINGS_H

#include <cloudfs/buf.h>
#include <cloudfs/look.h>
#include <cloudfs/patch.h>

/* 1 when both could be compared so, and all differences were told; 0 where one cannot be read as
 * YAML or JSON, or the file's name is not of such. */
int cf_settings_compare(const char *file, const struct cf_buf *was, const struct cf_buf *now,
                        cf_setting_fn *fn, void *context, struct cf_error *err);

#endif
