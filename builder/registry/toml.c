/* SPDX-License-Identifier: Apache-2.0 */
#include "toml.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 16, KEYS_MAX = 8 };

struct parser {
    const char *at, *end;
    unsigned line;
    struct cf_json *root;
    struct cf_json *table; /* the one that keys go to */
    struct cf_error *err;
};

static int wrong(const struct parser *p, const char *what)
{
    return cf_fail(p->err, -EINVAL, "line %u: %s", p->line, what);
}

static int no_memory(const struct parser *p)
{
    return cf_fail(p->err, -ENOMEM, "out of memory");
}

static char peek(const struct parser *p)
{
    return p->at < p->end ? *p->at : '\0';
}

static void skip_blanks(struct parser *p)
{
    while (peek(p) == ' ' || peek(p) == '\t')
        p->at++;
}

/* Blanks, comments and ends of lines. */
static void skip_space(struct parser *p)
{
    for (;;) {
        skip_blanks(p);
        if (peek(p) == '#')
            while (p->at < p->end && *p->at != '\n')
                p->at++;
        if (peek(p) == '\r')
            p->at++;
        if (peek(p) != '\n')
            return;
        p->at++;
        p->line++;
    }
}

static int end_of_line(struct parser *p)
{
    skip_blanks(p);
    if (p->at < p->end && !strchr("#\r\n", *p->at))
        return wrong(p, "something follows the value");
    return 0;
}

static int escape(struct parser *p, struct cf_buf *ret_text)
{
    static const char from[] = "btnfr\"\\", to[] = "\b\t\n\f\r\"\\";
    const char c = peek(p);
    const char *at = c ? strchr(from, c) : NULL;
    if (!at)
        return wrong(p, "an escape in a string is not known");
    p->at++;
    return cf_buf_add_char(ret_text, to[at - from]) < 0 ? no_memory(p) : 0;
}

static int parse_string(struct parser *p, struct cf_buf *ret_text)
{
    const char quote = *p->at++;
    cf_buf_clear(ret_text);
    if (p->end - p->at >= 2 && p->at[0] == quote && p->at[1] == quote)
        return wrong(p, "strings of several lines are not understood");
    while (peek(p) != quote) {
        const char c = peek(p);
        int r = 0;
        if (p->at >= p->end || c == '\n' || c == '\0')
            return wrong(p, "a string does not end");
        p->at++;
        if (c == '\\' && quote == '"')
            r = escape(p, ret_text);
        else if (cf_buf_add_char(ret_text, c) < 0)
            r = no_memory(p);
        if (r < 0)
            return r;
    }
    p->at++;
    return ret_text->data ? 0 : cf_buf_add(ret_text, "", 0) < 0 ? no_memory(p) : 0;
}

static int parse_key(struct parser *p, struct cf_buf *ret_key)
{
    static const char bare[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
    skip_blanks(p);
    if (peek(p) == '"' || peek(p) == '\'')
        return parse_string(p, ret_key);
    cf_buf_clear(ret_key);
    while (p->at < p->end && *p->at && strchr(bare, *p->at))
        if (cf_buf_add_char(ret_key, *p->at++) < 0)
            return no_memory(p);
    return ret_key->len ? 0 : wrong(p, "a key is expected");
}

static int parse_value(struct parser *p, int depth, struct cf_json **ret_value);

static int parse_array(struct parser *p, int depth, struct cf_json **ret_value)
{
    struct cf_json *array cf_cleanup(cf_json_free_ptr) = cf_json_array();
    if (!array)
        return no_memory(p);
    p->at++;
    for (;;) {
        struct cf_json *value = NULL;
        skip_space(p);
        if (peek(p) == ']')
            break;
        int r = parse_value(p, depth + 1, &value);
        if (r < 0)
            return r;
        if (cf_json_append(array, value) < 0)
            return no_memory(p);
        skip_space(p);
        if (peek(p) == ',')
            p->at++;
        else if (peek(p) != ']')
            return wrong(p, "an array does not end");
    }
    p->at++;
    *ret_value = CF_TAKE(array);
    return 0;
}

static int parse_pair(struct parser *p, struct cf_json *table, int depth)
{
    struct cf_buf key cf_autobuf = CF_BUF_INIT;
    struct cf_json *value = NULL;
    int r = parse_key(p, &key);
    if (r < 0)
        return r;
    skip_blanks(p);
    if (peek(p) == '.')
        return wrong(p, "dotted keys are not understood");
    if (peek(p) != '=')
        return wrong(p, "'=' is expected behind the key");
    p->at++;
    if (cf_json_get(table, key.data ? key.data : ""))
        return wrong(p, "a key is there twice");
    r = parse_value(p, depth, &value);
    if (r < 0)
        return r;
    return cf_json_set(table, key.data ? key.data : "", value) < 0 ? no_memory(p) : 0;
}

static int parse_inline(struct parser *p, int depth, struct cf_json **ret_value)
{
    struct cf_json *table cf_cleanup(cf_json_free_ptr) = cf_json_object();
    if (!table)
        return no_memory(p);
    p->at++;
    skip_blanks(p);
    while (peek(p) != '}') {
        int r = parse_pair(p, table, depth + 1);
        if (r < 0)
            return r;
        skip_blanks(p);
        if (peek(p) == ',')
            p->at++;
        else if (peek(p) != '}')
            return wrong(p, "an inline table does not end");
        skip_blanks(p);
    }
    p->at++;
    *ret_value = CF_TAKE(table);
    return 0;
}

static bool take_word(struct parser *p, const char *word)
{
    const size_t len = strlen(word);
    if ((size_t)(p->end - p->at) < len || memcmp(p->at, word, len) != 0)
        return false;
    p->at += len;
    return true;
}

static int parse_number(struct parser *p, struct cf_json **ret_value)
{
    char text[24];
    size_t n = 0;
    while (n + 1 < sizeof text && p->at < p->end && *p->at && strchr("+-0123456789_", *p->at)) {
        if (*p->at != '_')
            text[n++] = *p->at;
        p->at++;
    }
    text[n] = '\0';
    char *rest;
    const long long number = strtoll(text, &rest, 10);
    if (n == 0 || *rest || (p->at < p->end && *p->at && !strchr(" \t\r\n,]}#", *p->at)))
        return wrong(p, "a value is none of string, true, false, whole number, array, table");
    *ret_value = cf_json_new_int(number);
    return 0;
}

static int parse_value(struct parser *p, int depth, struct cf_json **ret_value)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = 0;
    skip_blanks(p);
    if (depth > DEPTH_MAX)
        return wrong(p, "values lie too deep in each other");
    if (peek(p) == '[')
        return parse_array(p, depth, ret_value);
    if (peek(p) == '{')
        return parse_inline(p, depth, ret_value);
    if (peek(p) == '"' || peek(p) == '\'') {
        r = parse_string(p, &text);
        *ret_value = r == 0 ? cf_json_new_string(text.data) : NULL;
    } else if (take_word(p, "true")) {
        *ret_value = cf_json_new_bool(true);
    } else if (take_word(p, "false")) {
        *ret_value = cf_json_new_bool(false);
    } else {
        r = parse_number(p, ret_value);
    }
    return r < 0 ? r : *ret_value ? 0 : no_memory(p);
}

/* The last of an array of tables, which is what a path through it means. */
static struct cf_json *last_of(struct cf_json *parent, const char *key)
{
    struct cf_json *value = cf_json_edit(parent, key);
    if (!value || !cf_json_is_array(value))
        return value;
    const struct cf_json *last = NULL;
    for (const struct cf_json *item = cf_json_first(value); item; item = cf_json_next(item))
        last = item;
    return (struct cf_json *)(uintptr_t)last; /* of a value that is ours to change */
}

static int open_table(struct parser *p, const char *key, bool last, bool is_array)
{
    struct cf_json *there = cf_json_edit(p->table, key);
    if (!there) {
        struct cf_json *fresh = last && is_array ? cf_json_array() : cf_json_object();
        if (cf_json_set(p->table, key, fresh) < 0)
            return no_memory(p);
        there = cf_json_edit(p->table, key);
    } else if (last && is_array != cf_json_is_array(there)) {
        return wrong(p, "a name is a table here and something else above");
    }
    if (last && is_array && cf_json_append(there, cf_json_object()) < 0)
        return no_memory(p);
    p->table = last_of(p->table, key);
    return cf_json_is_object(p->table) ? 0 : wrong(p, "a table lies in what is no table");
}

/* [a.b] or [[a.b]] */
static int parse_header(struct parser *p)
{
    struct cf_buf key cf_autobuf = CF_BUF_INIT;
    p->at++;
    const bool is_array = peek(p) == '[';
    if (is_array)
        p->at++;
    p->table = p->root;
    for (int i = 0; i < KEYS_MAX; i++) {
        int r = parse_key(p, &key);
        if (r < 0)
            return r;
        skip_blanks(p);
        const bool last = peek(p) != '.';
        r = open_table(p, key.data ? key.data : "", last, is_array);
        if (r < 0)
            return r;
        if (last)
            break;
        p->at++;
    }
    if (!take_word(p, is_array ? "]]" : "]"))
        return wrong(p, "the name of a table does not end");
    return end_of_line(p);
}

int cf_toml_parse(const char *text, size_t len, struct cf_json **ret_json, struct cf_error *err)
{
    struct cf_json *root cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct parser p = {text, text + len, 1, root, root, err};
    if (!root)
        return no_memory(&p);
    for (;;) {
        skip_space(&p);
        if (p.at >= p.end)
            break;
        int r = *p.at == '[' ? parse_header(&p) : parse_pair(&p, p.table, 0);
        if (r == 0)
            r = end_of_line(&p);
        if (r < 0)
            return r;
    }
    *ret_json = CF_TAKE(root);
    return 0;
}
