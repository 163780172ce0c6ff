/* SPDX-License-Identifier: Apache-2.0 */
/* Values as text: scalars in the style that is wished for where it can hold them, collections. */
#include "nodes.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- what a style can hold ---- */

/* How many bytes are one character that YAML takes as it is; 0: it must be escaped. */
static size_t printable(const unsigned char *at, size_t len)
{
    static const struct {
        const char *bytes;
        size_t len;
    } hidden[] = {{"\xe2\x80\xa8", 3},
                  {"\xe2\x80\xa9", 3},
                  {"\xef\xbb\xbf", 3},
                  {"\xef\xbf\xbe", 3},
                  {"\xef\xbf\xbf", 3}};

    if (at[0] < 0x80)
        return at[0] >= 0x20 && at[0] != 0x7f;
    if (at[0] == 0xc2 && len > 1 && at[1] < 0xa0)
        return 0;
    for (size_t i = 0; i < CF_COUNT(hidden); i++)
        if (len >= 3 && !memcmp(at, hidden[i].bytes, 3))
            return 0;
    size_t size = at[0] < 0xe0 ? 2 : at[0] < 0xf0 ? 3 : 4;
    return size <= len ? size : 0;
}

/* also: further bytes that may be in it. */
static bool all_printable(const char *value, size_t len, const char *also)
{
    for (size_t i = 0; i < len;) {
        size_t size = printable((const unsigned char *)value + i, len - i);
        if (size == 0 && (!value[i] || !strchr(also, value[i])))
            return false;
        i += size ? size : 1;
    }
    return true;
}

static bool can_be_plain(const char *value, size_t len, bool flow)
{
    struct cf_yaml_plain plain;

    if (len == 0 || !all_printable(value, len, "") || isspace((unsigned char)value[0]) ||
        isspace((unsigned char)value[len - 1]) || value[len - 1] == ':')
        return false;
    if (strchr(",[]{}#&*!|>'\"%@`", value[0]))
        return false;
    if (strchr("-?:", value[0]) && (len == 1 || value[1] == ' ' || flow))
        return false;
    if (len >= 3 && (!memcmp(value, "---", 3) || !memcmp(value, "...", 3)))
        return false;
    for (size_t i = 0; i + 1 < len; i++)
        if ((value[i] == ':' && value[i + 1] == ' ') || (value[i] == ' ' && value[i + 1] == '#'))
            return false;
    if (flow && strpbrk(value, ",[]{}?:"))
        return false;
    cf_yaml_resolve(value, len, &plain);
    return plain.type == CF_YAML_STRING && !plain.doubtful;
}

static bool can_be_block(const char *value, size_t len)
{
    size_t breaks = 0;

    if (len == 0 || value[0] == '\n' || value[0] == ' ' || value[0] == '\t')
        return false;
    while (breaks < len && value[len - 1 - breaks] == '\n')
        breaks++;
    if (breaks > 1 || !all_printable(value, len, "\n\t"))
        return false;
    for (size_t i = 0; i < len; i++) /* no line of white space alone */
        if (value[i] == '\n' && i + 1 < len && strchr(" \t", value[i + 1]))
            if (value[i + 1 + strspn(value + i + 1, " \t")] == '\n' ||
                i + 1 + strspn(value + i + 1, " \t") == len)
                return false;
    return true;
}

/* ---- strings ---- */

static int write_escaped(struct cf_buf *out, const char *value, size_t len, bool json)
{
    static const char named[] = "\"\\\n\t\r\b\f", letters[] = "\"\\ntrbf";
    int r = cf_buf_add_char(out, '"');

    for (size_t i = 0; i < len && r == 0;) {
        const unsigned char *at = (const unsigned char *)value + i;
        const char *known = *at ? strchr(named, *at) : NULL;
        size_t size = known ? 0 : printable(at, len - i);
        if (size) {
            r = cf_buf_add(out, value + i, size);
        } else if (known) {
            r = cf_buf_printf(out, "\\%c", letters[known - named]);
            size = 1;
        } else if (*at == 0xc2) {
            r = cf_buf_printf(out, "\\u%04x", at[1]);
            size = 2;
        } else if (*at >= 0xe0 && len - i >= 3) {
            r = cf_buf_printf(out, "\\u%04x",
                              (unsigned)((at[0] & 15) << 12 | (at[1] & 63) << 6 | (at[2] & 63)));
            size = 3;
        } else {
            r = cf_buf_printf(out, json ? "\\u%04x" : "\\x%02x", *at);
            size = 1;
        }
        i += size;
    }
    return r < 0 ? r : cf_buf_add_char(out, '"');
}

static int write_single(struct cf_buf *out, const char *value, size_t len)
{
    int r = cf_buf_add_char(out, '\'');

    for (size_t i = 0; i < len && r == 0; i++)
        r = value[i] == '\'' ? cf_buf_add_str(out, "''") : cf_buf_add_char(out, value[i]);
    return r < 0 ? r : cf_buf_add_char(out, '\'');
}

static int write_spaces(struct cf_buf *out, size_t count)
{
    int r = cf_buf_reserve(out, count);

    for (size_t i = 0; i < count && r == 0; i++)
        r = cf_buf_add_char(out, ' ');
    return r;
}

/* "|" and lines; the last one's break is left to the caller. */
static int write_block_scalar(struct cf_buf *out, const char *value, size_t len,
                              const struct form *form)
{
    bool ends = value[len - 1] == '\n';
    size_t end = ends ? len - 1 : len;
    bool folded = form->style == CF_YAML_FOLDED && !memchr(value, '\n', end);
    int r = cf_buf_printf(out, "%c%s", folded ? '>' : '|', ends ? "" : "-");

    for (size_t at = 0; at <= end && r == 0;) {
        const char *stop = memchr(value + at, '\n', end - at);
        size_t line = stop ? (size_t)(stop - value) - at : end - at;
        r = cf_buf_add_str(out, form->eol);
        if (r == 0 && line)
            r = write_spaces(out, form->indent);
        if (r == 0)
            r = cf_buf_add(out, value + at, line);
        at += line + 1;
    }
    return r;
}

static int write_string(struct cf_buf *out, const struct cf_edit_node *value,
                        const struct form *form)
{
    const char *text = value->value;
    size_t len = value->len;
    bool block = form->style == CF_YAML_LITERAL || form->style == CF_YAML_FOLDED;

    if (form->json || form->careful)
        return write_escaped(out, text, len, form->json);
    if (form->style == CF_YAML_PLAIN && can_be_plain(text, len, form->flow))
        return cf_buf_add(out, text, len);
    block = block || (form->style == CF_YAML_PLAIN && memchr(text, '\n', len));
    if (block && !form->flow && can_be_block(text, len))
        return write_block_scalar(out, text, len, form);
    if (form->style != CF_YAML_DOUBLE && all_printable(text, len, ""))
        return write_single(out, text, len);
    return write_escaped(out, text, len, false);
}

/* ---- other scalars ---- */

/* -?(0|[1-9][0-9]*)(.[0-9]+)?([eE][+-]?[0-9]+)? */
static bool is_json_number(const char *s)
{
    if (*s == '-')
        s++;
    if (!isdigit((unsigned char)*s) || (s[0] == '0' && isdigit((unsigned char)s[1])))
        return false;
    s += strspn(s, "0123456789");
    if (*s == '.') {
        size_t digits = strspn(s + 1, "0123456789");
        if (!digits)
            return false;
        s += 1 + digits;
    }
    if (*s == 'e' || *s == 'E') {
        s += 1 + (s[1] == '+' || s[1] == '-');
        if (!isdigit((unsigned char)*s))
            return false;
        s += strspn(s, "0123456789");
    }
    return !*s;
}

static int write_json_number(struct cf_buf *out, const struct cf_edit_node *value)
{
    struct cf_yaml_plain plain;

    if (is_json_number(value->value))
        return cf_buf_add(out, value->value, value->len);
    cf_yaml_resolve(value->value, value->len, &plain);
    if (plain.has_whole)
        return cf_buf_printf(out, "%lld", (long long)plain.whole);
    return isfinite(plain.number) ? cf_buf_printf(out, "%.17g", plain.number) : -EINVAL;
}

int cf_write_scalar(struct cf_buf *out, const struct cf_edit_node *value, const struct form *form)
{
    struct cf_yaml_plain plain;

    switch (value->type) {
    case CF_YAML_STRING:
        return write_string(out, value, form);
    case CF_YAML_NULL:
        return cf_buf_add_str(out, value->len && !form->json ? value->value : "null");
    case CF_YAML_BOOL:
        cf_yaml_resolve(value->value, value->len, &plain);
        return form->json ? cf_buf_add_str(out, plain.truth ? "true" : "false")
                          : cf_buf_add(out, value->value, value->len);
    case CF_YAML_INT:
    case CF_YAML_FLOAT:
        return form->json ? write_json_number(out, value)
                          : cf_buf_add(out, value->value, value->len);
    }
    return -EINVAL;
}

int cf_write_key(struct cf_buf *out, const struct cf_edit_node *key, const struct form *form)
{
    struct form one_line = *form;

    if (key->kind != CF_EDIT_SCALAR)
        return -EINVAL;
    one_line.flow = true; /* so that it stays on its line */
    if (form->json)
        return write_escaped(out, key->value, key->len, true);
    return cf_write_scalar(out, key, &one_line);
}

/* ---- collections ---- */

static bool is_empty(const struct cf_edit_node *value)
{
    return value->kind != CF_EDIT_SCALAR && value->count == 0;
}

int cf_write_flow(struct cf_buf *out, const struct cf_edit_node *value, const struct form *form)
{
    struct form inner = *form;
    bool map = value->kind == CF_EDIT_MAP;

    if (value->kind == CF_EDIT_ALIAS)
        return -EINVAL;
    if (value->kind == CF_EDIT_SCALAR)
        return cf_write_scalar(out, value, form);
    inner.flow = true;
    inner.style = CF_YAML_PLAIN;
    int r = cf_buf_add_char(out, map ? '{' : '[');
    for (const struct cf_edit_node *n = value->first; n && r == 0; n = n->next) {
        if (map)
            r = cf_write_key(out, n->key, &inner);
        if (r == 0 && map)
            r = cf_buf_add_str(out, ": ");
        if (r == 0)
            r = cf_write_flow(out, n, &inner);
        if (r == 0 && n->next)
            r = cf_buf_add_str(out, ", ");
    }
    return r < 0 ? r : cf_buf_add_char(out, map ? '}' : ']');
}

int cf_write_pretty(struct cf_buf *out, const struct cf_edit_node *value, const char *prefix,
                    const char *step, const struct form *form)
{
    struct cf_buf deeper cf_autobuf = CF_BUF_INIT;
    bool map = value->kind == CF_EDIT_MAP;

    if (value->kind == CF_EDIT_SCALAR || value->kind == CF_EDIT_ALIAS || is_empty(value))
        return cf_write_flow(out, value, form);
    int r = cf_buf_printf(&deeper, "%s%s", prefix, step);
    if (r == 0)
        r = cf_buf_add_char(out, map ? '{' : '[');
    for (const struct cf_edit_node *n = value->first; n && r == 0; n = n->next) {
        r = cf_buf_printf(out, "%s%s", form->eol, deeper.data ? deeper.data : "");
        if (r == 0 && map)
            r = cf_write_key(out, n->key, form);
        if (r == 0 && map)
            r = cf_buf_add_str(out, ": ");
        if (r == 0)
            r = cf_write_pretty(out, n, deeper.data ? deeper.data : "", step, form);
        if (r == 0 && n->next)
            r = cf_buf_add_char(out, ',');
    }
    return r < 0 ? r : cf_buf_printf(out, "%s%s%c", form->eol, prefix, map ? '}' : ']');
}

/* What stands behind "key:" or "-": a scalar or {} on that line, or a block. */
static int write_behind(struct cf_buf *out, const struct cf_edit_node *value, bool item,
                        const struct form *form)
{
    struct form inner = *form;
    int r;

    if (value->kind != CF_EDIT_MAP && value->kind != CF_EDIT_LIST) {
        inner.indent += item ? 2 : form->step;
        inner.style = value->kind == CF_EDIT_SCALAR && value->style != CF_YAML_PLAIN &&
                              value->style != CF_YAML_FOLDED
                          ? value->style
                          : CF_YAML_PLAIN;
        r = cf_buf_add_char(out, ' ');
        return r < 0 ? r : cf_write_flow(out, value, &inner);
    }
    if (is_empty(value) || form->careful) {
        r = cf_buf_add_char(out, ' ');
        return r < 0 ? r : cf_write_flow(out, value, form);
    }
    if (item) {
        inner.indent += 2;
        r = cf_buf_add_char(out, ' ');
    } else {
        inner.indent += value->kind == CF_EDIT_LIST ? form->dash : form->step;
        r = cf_buf_add_str(out, form->eol);
        if (r == 0)
            r = write_spaces(out, inner.indent);
    }
    return r < 0 ? r : cf_write_block(out, value, &inner);
}

int cf_write_block(struct cf_buf *out, const struct cf_edit_node *value, const struct form *form)
{
    struct form plain = *form;
    int r = 0;

    plain.style = CF_YAML_PLAIN;
    for (const struct cf_edit_node *n = value->first; n && r == 0; n = n->next) {
        if (n != value->first) {
            r = cf_buf_add_str(out, form->eol);
            if (r == 0)
                r = write_spaces(out, form->indent);
        }
        if (r == 0 && value->kind == CF_EDIT_MAP)
            r = cf_write_key(out, n->key, &plain);
        if (r == 0)
            r = cf_buf_add_char(out, value->kind == CF_EDIT_MAP ? ':' : '-');
        if (r == 0)
            r = write_behind(out, n, value->kind == CF_EDIT_LIST, &plain);
    }
    return r;
}

/* ---- the file's own habits ---- */

struct habits {
    const struct cf_buf *text;
    size_t step, dash;
    bool has_step, has_dash;
};

static void look_at(struct habits *habits, const struct cf_edit_node *node)
{
    const struct cf_edit_node *key = node->key;

    if (key && node->count > 0 && node->style == CF_YAML_BLOCK &&
        cf_has_break(habits->text, key->end, node->content)) {
        size_t outer = cf_column(habits->text, key->content);
        size_t inner = cf_column(habits->text, node->content);
        if (node->kind == CF_EDIT_MAP && !habits->has_step && inner > outer) {
            habits->step = inner - outer;
            habits->has_step = true;
        }
        if (node->kind == CF_EDIT_LIST && !habits->has_dash && inner >= outer) {
            habits->dash = inner - outer;
            habits->has_dash = true;
        }
    }
    for (const struct cf_edit_node *n = node->first; n && (!habits->has_step || !habits->has_dash);
         n = n->next)
        look_at(habits, n);
}

struct form cf_form_of(const struct cf_edit *edit, bool careful)
{
    struct habits habits = {.text = &edit->text, .step = 2, .dash = 2};

    for (size_t i = 0; i < edit->nodes.count && !edit->json; i++)
        look_at(&habits, edit->nodes.documents[i]);
    return (struct form){
        .eol = cf_line_break(&edit->text),
        .json = edit->json,
        .flow = edit->json,
        .careful = careful,
        .style = CF_YAML_PLAIN,
        .step = habits.step,
        .dash = habits.dash,
    };
}
