/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON documents: parse, look, build, print. The only door to libcjson. Key order is kept, and
 * printing is the same for the same document on any machine. Depth is bounded by libcjson (1000).
 */
#ifndef CLOUDFS_JSON_H
#define CLOUDFS_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>

struct cf_json; /* a value; owned by its parent, or by the caller while it has none */

/* The one document that fills len bytes (trailing white space allowed); -EINVAL otherwise. */
int cf_json_parse(const void *data, size_t len, struct cf_json **ret_json, struct cf_error *err);
/* Where a text stops to be one: -EINVAL with the byte in *ret_at, 0 where it is one. */
int cf_json_check(const void *data, size_t len, size_t *ret_at, struct cf_error *err);
void cf_json_free(struct cf_json *json);
CF_DEFINE_CLEANUP(struct cf_json *, cf_json_free)

/* Getters borrow, accept NULL, and give NULL (or false) for what is absent or of another type. */
const struct cf_json *cf_json_get(const struct cf_json *object, const char *key);
const struct cf_json *cf_json_at(const struct cf_json *array, size_t index);
size_t cf_json_count(const struct cf_json *array_or_object);
/* The first child of an array or object, and the one behind a child: O(1) iteration. */
const struct cf_json *cf_json_first(const struct cf_json *array_or_object);
const struct cf_json *cf_json_next(const struct cf_json *child);
const char *cf_json_key(const struct cf_json *child); /* of an object's child */
const char *cf_json_string(const struct cf_json *value);
bool cf_json_int(const struct cf_json *value, int64_t *ret_value); /* whole numbers to 2^53 */
bool cf_json_bool(const struct cf_json *value, bool *ret_value);
bool cf_json_is_object(const struct cf_json *value);
bool cf_json_is_array(const struct cf_json *value);
/* cf_json_string(cf_json_get(object, key)) */
const char *cf_json_get_string(const struct cf_json *object, const char *key);

/* Builders return NULL for no memory; set and append take over value (also on failure), accept a
 * NULL value as that failure, and return -ENOMEM. cf_json_set replaces an existing key in place. */
struct cf_json *cf_json_object(void);
struct cf_json *cf_json_array(void);
struct cf_json *cf_json_new_string(const char *text);
struct cf_json *cf_json_new_int(int64_t value);
struct cf_json *cf_json_new_bool(bool value);
struct cf_json *cf_json_null(void);
struct cf_json *cf_json_copy(const struct cf_json *value);
int cf_json_set(struct cf_json *object, const char *key, struct cf_json *value);
int cf_json_append(struct cf_json *array, struct cf_json *value);
struct cf_json *cf_json_edit(struct cf_json *object, const char *key); /* mutable child or NULL */
struct cf_json *cf_json_edit_at(struct cf_json *array, size_t index);
void cf_json_remove(struct cf_json *object, const char *key);
/* Shorthands for cf_json_set(object, key, cf_json_new_...(value)). */
int cf_json_set_string(struct cf_json *object, const char *key, const char *text);
int cf_json_set_int(struct cf_json *object, const char *key, int64_t value);
int cf_json_set_bool(struct cf_json *object, const char *key, bool value);

/* Appends the text of value: one line, or indented for people with a final newline. */
int cf_json_print(const struct cf_json *value, bool pretty, struct cf_buf *ret_buf);

#endif
