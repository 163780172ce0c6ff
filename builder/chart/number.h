/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as Go's strconv reads and writes them. */
#ifndef CF_NUMBER_H
#define CF_NUMBER_H

#include "value.h"

/* A number constant of a template. */
bool cf_number_parse_go(const char *str, size_t len, struct cf_val *ret_val);
/* strconv.ParseInt(str, base, 64); base 0: by the prefix (0x, 0o, 0b, 0), underscores allowed. */
bool cf_number_parse_int(const char *str, size_t len, int base, int64_t *ret);
bool cf_number_parse_float(const char *str, size_t len, double *ret);
/* FormatFloat(value, format, precision, 64); format is e, f, g; precision -1: the shortest. */
void cf_number_float(struct cf_text *out, double value, char format, int precision);
/* As encoding/json writes it. */
void cf_number_json(struct cf_text *out, double value);

#endif
