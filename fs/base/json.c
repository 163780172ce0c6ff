/* SPDX-License-Identifier: Apache-2.0 */
/*
 * struct cf_json is libcjson's cJSON under another name. Printing is ours: the bytes of a config
 * or manifest decide its digest, so they must not depend on the version of a library.
 */
#include <cloudfs/json.h>

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#define MAX_WHOLE 9007199254740992.0 /* 2^53: to here a double holds every whole number */

static cJSON *item(const struct cf_json *json)
{
    union { /* the getters only look, but libcjson has no const iteration */
        const struct cf_json *in;
        cJSON *out;
    } cast = {.in = json};
    return cast.out;
}

static struct cf_json *wrap(cJSON *value)
{
    return (struct cf_json *)value;
}

/* NUL, raw or as \u0000, would silently end a C string. */
static bool holds_nul(const char *text, size_t len)
{
    if (memchr(text, '\0', len))
        return true;
    for (size_t i = 0; i + 1 < len; i++) {
        if (text[i] != '\\')
            continue;
        i++;
        if (text[i] == 'u' && len - i >= 5 && memcmp(text + i + 1, "0000", 4) == 0)
            return true;
    }
    return false;
}

static size_t skip_space(const char *text, size_t at, size_t len)
{
    while (at < len && memchr(" \t\r\n", text[at], 4))
        at++;
    return at;
}

/* *ret_at gets where it went wrong. */
static int parse(const void *data, size_t len, struct cf_json **ret_json, size_t *ret_at,
                 struct cf_error *err)
{
    /* A copy with a NUL that counts: libcjson before 1.7.18 reads one byte too far without. */
    struct cf_buf copy cf_autobuf = CF_BUF_INIT;
    const char *end = NULL;
    if (len > INT_MAX)
        return cf_fail(err, -EFBIG, "JSON of %zu bytes is too long", len);
    if (cf_buf_add(&copy, data, len) < 0)
        return cf_fail_errno(err, ENOMEM, "JSON of %zu bytes", len);
    if (holds_nul(copy.data, len))
        return cf_fail(err, -EINVAL, "not JSON that cloudfs reads: it holds a NUL character");
    cJSON *value = cJSON_ParseWithLengthOpts(copy.data, len + 1, &end, 0);
    size_t at = end ? (size_t)(end - copy.data) : 0;
    *ret_at = at < len ? at : len;
    if (!value)
        return cf_fail(err, -EINVAL, "not JSON: something is wrong near byte %zu of %zu",
                       at < len ? at : len, len);
    if (skip_space(copy.data, at, len) < len) {
        cJSON_Delete(value);
        return cf_fail(err, -EINVAL, "not JSON: more text behind the document, at byte %zu", at);
    }
    *ret_json = wrap(value);
    return 0;
}

int cf_json_parse(const void *data, size_t len, struct cf_json **ret_json, struct cf_error *err)
{
    size_t at = 0;
    return parse(data, len, ret_json, &at, err);
}

int cf_json_check(const void *data, size_t len, size_t *ret_at, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    size_t at = 0;
    int r = parse(data, len, &json, &at, err);
    *ret_at = at;
    return r;
}

void cf_json_free(struct cf_json *json)
{
    cJSON_Delete(item(json));
}

const struct cf_json *cf_json_get(const struct cf_json *object, const char *key)
{
    if (!cJSON_IsObject(item(object)))
        return NULL;
    return wrap(cJSON_GetObjectItemCaseSensitive(item(object), key));
}

const struct cf_json *cf_json_at(const struct cf_json *array, size_t index)
{
    if (!cJSON_IsArray(item(array)) || index > INT_MAX)
        return NULL;
    return wrap(cJSON_GetArrayItem(item(array), (int)index));
}

const struct cf_json *cf_json_first(const struct cf_json *json)
{
    const cJSON *value = item(json);
    return cJSON_IsArray(value) || cJSON_IsObject(value) ? wrap(value->child) : NULL;
}

const struct cf_json *cf_json_next(const struct cf_json *child)
{
    return child ? wrap(item(child)->next) : NULL;
}

size_t cf_json_count(const struct cf_json *json)
{
    size_t n = 0;
    for (const struct cf_json *c = cf_json_first(json); c; c = cf_json_next(c))
        n++;
    return n;
}

const char *cf_json_key(const struct cf_json *child)
{
    return child ? item(child)->string : NULL;
}

const char *cf_json_string(const struct cf_json *value)
{
    return cJSON_IsString(item(value)) ? item(value)->valuestring : NULL;
}

const char *cf_json_get_string(const struct cf_json *object, const char *key)
{
    return cf_json_string(cf_json_get(object, key));
}

bool cf_json_int(const struct cf_json *value, int64_t *ret_value)
{
    if (!cJSON_IsNumber(item(value)))
        return false;
    double number = item(value)->valuedouble;
    if (!(number >= -MAX_WHOLE && number <= MAX_WHOLE) || number != floor(number))
        return false;
    *ret_value = (int64_t)number;
    return true;
}

bool cf_json_bool(const struct cf_json *value, bool *ret_value)
{
    if (!cJSON_IsBool(item(value)))
        return false;
    *ret_value = cJSON_IsTrue(item(value));
    return true;
}

bool cf_json_is_object(const struct cf_json *value)
{
    return cJSON_IsObject(item(value));
}

bool cf_json_is_array(const struct cf_json *value)
{
    return cJSON_IsArray(item(value));
}

struct cf_json *cf_json_object(void)
{
    return wrap(cJSON_CreateObject());
}

struct cf_json *cf_json_array(void)
{
    return wrap(cJSON_CreateArray());
}

struct cf_json *cf_json_new_string(const char *text)
{
    return wrap(cJSON_CreateString(text));
}

struct cf_json *cf_json_new_int(int64_t value)
{
    return wrap(cJSON_CreateNumber((double)value));
}

struct cf_json *cf_json_new_bool(bool value)
{
    return wrap(cJSON_CreateBool(value));
}

struct cf_json *cf_json_null(void)
{
    return wrap(cJSON_CreateNull());
}

struct cf_json *cf_json_copy(const struct cf_json *value)
{
    return wrap(cJSON_Duplicate(item(value), 1));
}

int cf_json_set(struct cf_json *object, const char *key, struct cf_json *value)
{
    bool done = false;
    if (value && cJSON_IsObject(item(object)))
        done = cf_json_get(object, key)
                   ? cJSON_ReplaceItemInObjectCaseSensitive(item(object), key, item(value))
                   : cJSON_AddItemToObject(item(object), key, item(value));
    if (!done)
        cf_json_free(value);
    return done ? 0 : -ENOMEM;
}

int cf_json_append(struct cf_json *array, struct cf_json *value)
{
    bool done =
        value && cJSON_IsArray(item(array)) && cJSON_AddItemToArray(item(array), item(value));
    if (!done)
        cf_json_free(value);
    return done ? 0 : -ENOMEM;
}

struct cf_json *cf_json_edit(struct cf_json *object, const char *key)
{
    return wrap(item(cf_json_get(object, key)));
}

struct cf_json *cf_json_edit_at(struct cf_json *array, size_t index)
{
    return wrap(item(cf_json_at(array, index)));
}

void cf_json_remove(struct cf_json *object, const char *key)
{
    if (cJSON_IsObject(item(object)))
        cJSON_DeleteItemFromObjectCaseSensitive(item(object), key);
}

int cf_json_set_string(struct cf_json *object, const char *key, const char *text)
{
    return cf_json_set(object, key, cf_json_new_string(text));
}

int cf_json_set_int(struct cf_json *object, const char *key, int64_t value)
{
    return cf_json_set(object, key, cf_json_new_int(value));
}

int cf_json_set_bool(struct cf_json *object, const char *key, bool value)
{
    return cf_json_set(object, key, cf_json_new_bool(value));
}

static int print_string(const char *text, struct cf_buf *buf)
{
    static const char special[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    int r = cf_buf_add_char(buf, '"');
    for (; r == 0 && *text; text++) {
        const char *known = strchr(special, *text);
        if (known)
            r = cf_buf_printf(buf, "\\%c", letters[known - special]);
        else if ((unsigned char)*text < 0x20)
            r = cf_buf_printf(buf, "\\u%04x", (unsigned char)*text);
        else
            r = cf_buf_add_char(buf, *text);
    }
    return r < 0 ? r : cf_buf_add_char(buf, '"');
}

static int print_number(double number, struct cf_buf *buf)
{
    char text[40];
    if (!isfinite(number)) /* JSON has no word for it; "1e999" was read */
        return cf_buf_add_str(buf, "null");
    if (number == floor(number) && fabs(number) <= MAX_WHOLE)
        return cf_buf_printf(buf, "%.0f", number == 0 ? 0.0 : number);
    for (int digits = 1; digits <= 17; digits++) { /* the shortest that reads back the same */
        (void)snprintf(text, sizeof(text), "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    for (char *p = text; *p; p++) { /* the decimal point of the locale */
        if (!strchr("0123456789+-e", *p))
            *p = '.';
    }
    return cf_buf_add_str(buf, text);
}

static int new_line(bool pretty, int depth, struct cf_buf *buf)
{
    return pretty ? cf_buf_printf(buf, "\n%*s", 2 * depth, "") : 0;
}

static int print_value(const cJSON *value, bool pretty, int depth, struct cf_buf *buf);

static int print_children(const cJSON *value, bool pretty, int depth, struct cf_buf *buf)
{
    bool object = cJSON_IsObject(value);
    int r = cf_buf_add_char(buf, object ? '{' : '[');
    for (const cJSON *c = value->child; c && r == 0; c = c->next) {
        if (c != value->child)
            r = cf_buf_add_char(buf, ',');
        if (r == 0)
            r = new_line(pretty, depth + 1, buf);
        if (r == 0 && object)
            r = print_string(c->string ? c->string : "", buf);
        if (r == 0 && object)
            r = cf_buf_add_str(buf, pretty ? ": " : ":");
        if (r == 0)
            r = print_value(c, pretty, depth + 1, buf);
    }
    if (r == 0 && value->child)
        r = new_line(pretty, depth, buf);
    return r < 0 ? r : cf_buf_add_char(buf, object ? '}' : ']');
}

static int print_value(const cJSON *value, bool pretty, int depth, struct cf_buf *buf)
{
    if (cJSON_IsObject(value) || cJSON_IsArray(value))
        return print_children(value, pretty, depth, buf);
    if (cJSON_IsString(value))
        return print_string(value->valuestring, buf);
    if (cJSON_IsNumber(value))
        return print_number(value->valuedouble, buf);
    if (cJSON_IsBool(value))
        return cf_buf_add_str(buf, cJSON_IsTrue(value) ? "true" : "false");
    return cf_buf_add_str(buf, "null");
}

int cf_json_print(const struct cf_json *value, bool pretty, struct cf_buf *ret_buf)
{
    size_t start = ret_buf->len;
    int r = print_value(item(value), pretty, 0, ret_buf);
    if (r == 0 && pretty)
        r = cf_buf_add_char(ret_buf, '\n');
    if (r < 0 && ret_buf->data) {
        ret_buf->len = start;
        ret_buf->data[start] = '\0';
    }
    return r;
}
