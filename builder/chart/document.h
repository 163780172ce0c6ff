/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML, JSON and TOML <-> values, as Helm has them: YAML goes through JSON, so all numbers are
 * float64 and all keys are strings; printing is sigs.k8s.io/yaml's (go-yaml v2: keys in natural
 * order, lists not indented, lines folded at 80).
 */
#ifndef CF_DOCUMENT_H
#define CF_DOCUMENT_H

#include "value.h"

/* The first document. 0, or -EINVAL with why in ret_why. An empty document is NIL. */
int cf_document_load(struct cf_run *run, const char *data, size_t len, struct cf_val *ret_val,
                     const char **ret_why);
/* One strict JSON value; numbers are float64. */
int cf_document_load_json(struct cf_run *run, const char *data, size_t len, struct cf_val *ret_val,
                          const char **ret_why);
/* With a final newline, as Marshal gives it. All three: false when there is a NaN or an infinity in
 * it, which JSON cannot say; then the text is of no use. */
bool cf_document_put(struct cf_text *out, struct cf_val val);
/* The same with lists in maps indented (toYamlPretty). */
bool cf_document_put_pretty(struct cf_text *out, struct cf_val val);
/* indent NULL: on one line; escape_html: as encoding/json does by default. */
bool cf_document_put_json(struct cf_text *out, struct cf_val val, const char *indent,
                          bool escape_html);
/* False when TOML cannot say it (no map, or a list of mixed kinds). */
bool cf_document_put_toml(struct cf_text *out, struct cf_val val);

/* What go-yaml v2 makes of a plain scalar. */
enum cf_tag { CF_TAG_STR, CF_TAG_NULL, CF_TAG_BOOL, CF_TAG_INT, CF_TAG_FLOAT, CF_TAG_TIMESTAMP };
enum cf_tag cf_tag_resolve(const char *str, size_t len, struct cf_val *ret_val);
/* A struct's field name in JSON: APIVersion -> apiVersion. */
const char *cf_json_field(struct cf_run *run, const char *name);

#endif
