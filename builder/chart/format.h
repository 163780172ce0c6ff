/* SPDX-License-Identifier: Apache-2.0 */
/* Values as Go's package fmt prints them. Source: the documentation of fmt ("Printing"). */
#ifndef CF_FORMAT_H
#define CF_FORMAT_H

#include "value.h"

void cf_format_value(struct cf_text *out, struct cf_val val);           /* %v */
void cf_format_quote(struct cf_text *out, const char *str, size_t len); /* %q */
void cf_format_printf(struct cf_text *out, const char *format, size_t len,
                      const struct cf_val *args, size_t count);
/* %v as a string of its own: Sprig's strval(). A string is itself. */
struct cf_val cf_format_str(struct cf_run *run, struct cf_val val);
/* The shortest names: time.Duration.String() */
void cf_format_duration(struct cf_text *out, int64_t nanoseconds);

#endif
