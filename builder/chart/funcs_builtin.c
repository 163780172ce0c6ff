/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of Go's text/template itself. */
#include "format.h"
#include "func.h"

#include <stdio.h>
#include <string.h>

CF_FUNC(f_not)
{
    CF_UNUSED;
    return cf_val_bool(!cf_val_true(a[0]));
}

static bool basic(struct cf_val val)
{
    return val.kind == CF_BOOL || val.kind == CF_INT || val.kind == CF_FLOAT ||
           (val.kind == CF_STRING && val.type != CF_T_BYTES);
}

static bool equal(struct cf_exec *x, struct cf_val a, struct cf_val b)
{
    if (a.kind == CF_NIL || b.kind == CF_NIL)
        return a.kind == b.kind;
    if (basic(a) != basic(b) || (basic(a) && a.kind != b.kind))
        cf_func_fail(x, "incompatible types for comparison");
    if (!basic(a)) {
        if (a.kind == CF_LIST || a.kind == CF_MAP || a.kind == CF_STRING || a.kind == CF_FILES)
            cf_func_fail(x, "non-comparable type %.200s: %s", cf_format_str(x->run, a).str,
                         cf_val_type_name(a));
        return a.kind == b.kind && cf_val_deep_equal(x->run, a, b);
    }
    a.type = b.type = CF_T_PLAIN;
    return cf_val_deep_equal(x->run, a, b);
}

CF_FUNC(f_eq)
{
    if (n < 2)
        cf_func_fail(x, "missing argument for comparison");
    for (size_t i = 1; i < n; i++)
        if (equal(x, a[0], a[i]))
            return cf_val_bool(true);
    return cf_val_bool(false);
}

CF_FUNC(f_ne)
{
    CF_UNUSED;
    return cf_val_bool(!equal(x, a[0], a[1]));
}

static int compare(struct cf_exec *x, struct cf_val a, struct cf_val b)
{
    if (!basic(a) || !basic(b) || a.kind == CF_BOOL)
        cf_func_fail(x, "invalid type for comparison");
    if (a.kind != b.kind)
        cf_func_fail(x, "incompatible types for comparison");
    if (a.kind == CF_INT)
        return a.i < b.i ? -1 : a.i > b.i;
    if (a.kind == CF_FLOAT)
        return a.f < b.f ? -1 : a.f > b.f;
    int order = memcmp(a.str, b.str, a.len < b.len ? a.len : b.len);
    return order ? order : a.len < b.len ? -1 : a.len > b.len;
}

CF_FUNC(f_lt)
{
    CF_UNUSED;
    return cf_val_bool(compare(x, a[0], a[1]) < 0);
}

CF_FUNC(f_le)
{
    CF_UNUSED;
    return cf_val_bool(compare(x, a[0], a[1]) <= 0);
}

CF_FUNC(f_gt)
{
    CF_UNUSED;
    return cf_val_bool(compare(x, a[0], a[1]) > 0);
}

CF_FUNC(f_ge)
{
    CF_UNUSED;
    return cf_val_bool(compare(x, a[0], a[1]) >= 0);
}

CF_FUNC(f_len)
{
    CF_UNUSED;
    switch (a[0].kind) {
    case CF_STRING:
        return cf_val_int(a[0].len);
    case CF_LIST:
        return cf_val_int((int64_t)a[0].seq->count);
    case CF_MAP:
        if (a[0].type != CF_T_STRUCT)
            return cf_val_int((int64_t)a[0].dict->count);
        break;
    case CF_NIL:
        cf_func_fail(x, "len of nil pointer");
    }
    cf_func_fail(x, "len of type %s", cf_val_type_name(a[0]));
}

static struct cf_val index_one(struct cf_exec *x, struct cf_val val, struct cf_val key)
{
    if (val.kind == CF_MAP && val.type != CF_T_STRUCT) {
        if (key.kind == CF_NIL)
            cf_func_fail(x, "value is nil; should be of type string");
        if (key.kind != CF_STRING)
            cf_func_fail(x, "value has type %s; should be string", cf_val_type_name(key));
        const struct cf_val *found = cf_dict_get(val.dict, key.str, key.len);
        struct cf_val got = found                      ? *found
                            : val.type == CF_T_STRINGS ? cf_val_str("", 0)
                                                       : CF_NIL_VAL;
        if (got.kind == CF_NIL)
            got.type = CF_T_INTERFACE;
        return got;
    }
    if (val.kind != CF_LIST && val.kind != CF_STRING) {
        if (val.kind == CF_NIL)
            cf_func_fail(x, val.type == CF_T_INTERFACE ? "index of nil pointer"
                                                       : "index of untyped nil");
        cf_func_fail(x, "can't index item of type %s", cf_val_type_name(val));
    }
    if (key.kind == CF_NIL)
        cf_func_fail(x, "cannot index slice/array with nil");
    if (key.kind != CF_INT)
        cf_func_fail(x, "cannot index slice/array with type %s", cf_val_type_name(key));
    size_t count = val.kind == CF_LIST ? val.seq->count : val.len;
    if (key.i < 0 || (uint64_t)key.i >= count)
        cf_func_fail(x, "index out of range: %lld", (long long)key.i);
    if (val.kind == CF_LIST)
        return val.seq->items[key.i];
    return (struct cf_val){.kind = CF_INT, .type = CF_T_UINT8, .i = (uint8_t)val.str[key.i]};
}

CF_FUNC(f_index)
{
    struct cf_val val = a[0];
    if (val.kind == CF_NIL)
        cf_func_fail(x, "index of untyped nil");
    for (size_t i = 1; i < n; i++)
        val = index_one(x, val, a[i]);
    return val;
}

/* [from, to) of `slice`, checked. */
static void slice_bounds(struct cf_exec *x, const struct cf_val *a, size_t n, size_t count,
                         size_t bounds[2])
{
    bounds[0] = 0;
    bounds[1] = count;
    if (n > 3)
        cf_func_fail(x, "too many slice indexes: %zu", n - 1);
    for (size_t i = 1; i < n; i++) {
        if (a[i].kind != CF_INT)
            cf_func_fail(x, "cannot index slice/array with type %s", cf_val_type_name(a[i]));
        if (a[i].i < 0 || (uint64_t)a[i].i > count)
            cf_func_fail(x, "index out of range: %lld", (long long)a[i].i);
        bounds[i - 1] = (size_t)a[i].i;
    }
    if (bounds[0] > bounds[1])
        cf_func_fail(x, "invalid slice index: %zu > %zu", bounds[0], bounds[1]);
}

/* Sprig's, which hides Go's: for lists; the second bound may be left out. */
CF_FUNC(f_slice)
{
    size_t bounds[2];
    if (a[0].kind != CF_LIST)
        cf_func_fail(x, "list should be type of slice or array but %s", cf_val_kind_name(a[0]));
    struct cf_val rest[3];
    for (size_t i = 0; i < n && i < 3; i++)
        rest[i] = i ? cf_val_int(cf_val_to_int(a[i])) : a[0];
    slice_bounds(x, rest, n, a[0].seq->count, bounds);
    struct cf_val list = cf_val_list(x->run, bounds[1] - bounds[0]);
    list.type = a[0].type;
    for (size_t i = bounds[0]; i < bounds[1]; i++)
        cf_seq_add(x->run, list.seq, a[0].seq->items[i]);
    return list;
}

/* Sprint puts spaces between operands when neither is a string. */
static struct cf_val print(struct cf_exec *x, const struct cf_val *a, size_t n, bool line)
{
    struct cf_text text;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < n; i++) {
        if (i && (line || (a[i].kind != CF_STRING && a[i - 1].kind != CF_STRING)))
            cf_text_char(&text, ' ');
        cf_format_value(&text, a[i]);
    }
    if (line)
        cf_text_char(&text, '\n');
    return cf_val_text(&text);
}

CF_FUNC(f_print)
{
    return print(x, a, n, false);
}

CF_FUNC(f_println)
{
    return print(x, a, n, true);
}

CF_FUNC(f_printf)
{
    struct cf_text text;
    cf_text_init(&text, x->run);
    cf_format_printf(&text, a[0].str, a[0].len, a + 1, n - 1);
    return cf_val_text(&text);
}

struct cf_val cf_func_escapable(struct cf_exec *x, const struct cf_val *a, size_t n)
{
    struct cf_val *shown = cf_run_alloc_array(x->run, n + 1, sizeof *shown);
    for (size_t i = 0; i < n; i++)
        shown[i] = a[i].kind == CF_NIL ? cf_val_cstr("<no value>") : a[i];
    return print(x, shown, n, false);
}

CF_FUNC(f_html)
{
    struct cf_val in = cf_func_escapable(x, a, n);
    struct cf_text text;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < in.len; i++) {
        switch (in.str[i]) {
        case 0:
            cf_text_str(&text, "\xEF\xBF\xBD");
            break;
        case '"':
            cf_text_str(&text, "&#34;");
            break;
        case '\'':
            cf_text_str(&text, "&#39;");
            break;
        case '&':
            cf_text_str(&text, "&amp;");
            break;
        case '<':
            cf_text_str(&text, "&lt;");
            break;
        case '>':
            cf_text_str(&text, "&gt;");
            break;
        default:
            cf_text_char(&text, in.str[i]);
        }
    }
    return cf_val_text(&text);
}

CF_FUNC(f_js)
{
    struct cf_val in = cf_func_escapable(x, a, n);
    struct cf_text text;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < in.len; i++) {
        char c = in.str[i];
        if (c == '\\' || c == '\'' || c == '"')
            cf_text_printf(&text, "\\%c", c);
        else if ((uint8_t)c < 0x20 || c == '<' || c == '>' || c == '&' || c == '=')
            cf_text_printf(&text, "\\u%04X", (uint8_t)c);
        else
            cf_text_char(&text, c);
    }
    return cf_val_text(&text);
}

CF_FUNC(f_call)
{
    CF_UNUSED;
    if (a[0].kind == CF_NIL)
        cf_func_fail(x, "call of nil");
    cf_func_fail(x, "non-function of type %s", cf_val_type_name(a[0]));
}

/* Evaluated by the executor itself. */
CF_FUNC(f_logic)
{
    CF_UNUSED;
    return CF_NIL_VAL;
}

const struct cf_func cf_funcs_builtin[] = {
    {"and", "&and", f_logic},
    {"or", "&or", f_logic},
    {"not", "a", f_not},
    {"eq", "a*a", f_eq},
    {"ne", "aa", f_ne},
    {"lt", "aa", f_lt},
    {"le", "aa", f_le},
    {"gt", "aa", f_gt},
    {"ge", "aa", f_ge},
    {"len", "a", f_len},
    {"index", "a*a", f_index},
    {"slice", "a*a", f_slice},
    {"mustSlice", "a*a", f_slice},
    {"print", "*a", f_print},
    {"println", "*a", f_println},
    {"printf", "s*a", f_printf},
    {"html", "*a", f_html},
    {"js", "*a", f_js},
    {"call", "a*a", f_call},
    {NULL},
};
