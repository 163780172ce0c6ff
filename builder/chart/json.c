/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as JSON, and back, by encoding/json's rules. Not cf_json: that has no float64, no arena
 * and no HTML escapes.
 */
#include "base64.h"
#include "dates.h"
#include "document.h"
#include "format.h"
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

/* ---- out ---- */

static void put_string(struct cf_text *out, const char *str, size_t len, bool escape_html)
{
    int width;
    cf_text_char(out, '"');
    for (size_t i = 0; i < len; i += (size_t)width) {
        uint32_t r = cf_rune_at(str + i, len - i, &width);
        if (r == '"' || r == '\\')
            cf_text_printf(out, "\\%c", (char)r);
        else if (r == '\n')
            cf_text_str(out, "\\n");
        else if (r == '\r')
            cf_text_str(out, "\\r");
        else if (r == '\t')
            cf_text_str(out, "\\t");
        else if (r < 0x20 || r == 0x2028 || r == 0x2029 ||
                 (escape_html && (r == '<' || r == '>' || r == '&')))
            cf_text_printf(out, "\\u%04x", r);
        else if (r == CF_RUNE_ERROR && width == 1)
            cf_text_str(out, "\\ufffd");
        else
            cf_text_add(out, str + i, (size_t)width);
    }
    cf_text_char(out, '"');
}

struct printer {
    struct cf_text *out;
    const char *indent;
    bool escape_html;
    bool unsayable; /* NaN or an infinity was met */
};

static void newline(struct printer *p, unsigned depth)
{
    if (!p->indent)
        return;
    cf_text_char(p->out, '\n');
    while (depth--)
        cf_text_str(p->out, p->indent);
}

static void put(struct printer *p, struct cf_val val, unsigned depth);

static void put_map(struct printer *p, struct cf_val val, unsigned depth)
{
    size_t written = 0;
    cf_text_char(p->out, '{');
    for (size_t i = 0; i < val.dict->count; i++) {
        const struct cf_entry *e = &val.dict->entries[i];
        const char *key = e->key;
        size_t len = e->key_len;
        if (val.type == CF_T_STRUCT) {
            if (!cf_val_true(e->val))
                continue;
            key = cf_json_field(p->out->run, key);
            len = strlen(key);
        }
        if (written++)
            cf_text_char(p->out, ',');
        newline(p, depth + 1);
        put_string(p->out, key, len, p->escape_html);
        cf_text_str(p->out, p->indent ? ": " : ":");
        put(p, e->val, depth + 1);
    }
    if (written)
        newline(p, depth);
    cf_text_char(p->out, '}');
}

static void put_list(struct printer *p, struct cf_val val, unsigned depth)
{
    cf_text_char(p->out, '[');
    for (size_t i = 0; i < val.seq->count; i++) {
        if (i)
            cf_text_char(p->out, ',');
        newline(p, depth + 1);
        put(p, val.seq->items[i], depth + 1);
    }
    if (val.seq->count)
        newline(p, depth);
    cf_text_char(p->out, ']');
}

static void put(struct printer *p, struct cf_val val, unsigned depth)
{
    cf_run_check_stack(p->out->run);
    cf_run_step(p->out->run, 1);
    switch (val.kind) {
    case CF_NIL:
        cf_text_str(p->out, "null");
        break;
    case CF_BOOL:
        cf_text_str(p->out, val.b ? "true" : "false");
        break;
    case CF_INT:
        cf_text_printf(p->out, "%lld", (long long)val.i);
        break;
    case CF_FLOAT:
        p->unsayable = p->unsayable || !isfinite(val.f);
        cf_number_json(p->out, val.f);
        break;
    case CF_STRING:
        if (val.type == CF_T_BYTES)
            val = cf_val_base64_encode(p->out->run, val.str, val.len);
        put_string(p->out, val.str, val.len, p->escape_html);
        break;
    case CF_LIST:
        put_list(p, val, depth);
        break;
    case CF_MAP:
        put_map(p, val, depth);
        break;
    default: {
        struct cf_val text = cf_format_str(p->out->run, val);
        put_string(p->out, text.str, text.len, p->escape_html);
    }
    }
}

bool cf_document_put_json(struct cf_text *out, struct cf_val val, const char *indent,
                          bool escape_html)
{
    struct printer p = {out, indent, escape_html, false};
    put(&p, val, 0);
    return !p.unsayable;
}

/* ---- in ---- */

struct reader {
    struct cf_run *run;
    const char *at, *end;
    const char *why;
};

static void skip_white(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\r' || *r->at == '\n'))
        r->at++;
}

static bool wrong(struct reader *r, const char *where)
{
    if (r->why)
        return false;
    if (r->at >= r->end)
        r->why = "unexpected end of JSON input";
    else
        r->why = cf_run_format(r->run, "invalid character '%c' %s", *r->at, where);
    return false;
}

static bool read_hex(struct reader *r, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        if (r->at >= r->end || !isxdigit((unsigned char)*r->at))
            return wrong(r, "in \\u hexadecimal character escape");
        *ret = *ret * 16 + (uint32_t)(*r->at <= '9' ? *r->at - '0' : (*r->at | 0x20) - 'a' + 10);
    }
    return true;
}

static bool read_escape(struct reader *r, struct cf_text *out)
{
    static const char from[] = "bfnrt\"\\/", to[] = "\b\f\n\r\t\"\\/";
    const char *found = r->at < r->end && *r->at ? strchr(from, *r->at) : NULL;
    uint32_t rune, low;
    if (found) {
        cf_text_char(out, to[found - from]);
        r->at++;
        return true;
    }
    if (r->at >= r->end || *r->at != 'u')
        return wrong(r, "in string escape code");
    r->at++;
    if (!read_hex(r, &rune))
        return false;
    if (rune >= 0xD800 && rune < 0xDC00 && r->end - r->at >= 6 && r->at[0] == '\\' &&
        r->at[1] == 'u') {
        const char *before = r->at;
        r->at += 2;
        if (!read_hex(r, &low))
            return false;
        if (low >= 0xDC00 && low < 0xE000)
            rune = 0x10000 + ((rune - 0xD800) << 10) + (low - 0xDC00);
        else
            r->at = before;
    }
    cf_text_rune(out, rune);
    return true;
}

static bool read_string(struct reader *r, struct cf_val *ret_val)
{
    struct cf_text out;
    int width;
    cf_text_init(&out, r->run);
    for (r->at++; r->at < r->end && *r->at != '"';) {
        if (*r->at == '\\') {
            r->at++;
            if (!read_escape(r, &out))
                return false;
            continue;
        }
        if ((uint8_t)*r->at < 0x20)
            return wrong(r, "in string literal");
        cf_text_rune(&out, cf_rune_at(r->at, (size_t)(r->end - r->at), &width));
        r->at += width;
    }
    if (r->at >= r->end)
        return wrong(r, "");
    r->at++;
    *ret_val = cf_val_text(&out);
    return true;
}

static bool read_number(struct reader *r, struct cf_val *ret_val)
{
    const char *start = r->at;
    double f;
    if (*r->at == '-')
        r->at++;
    if (r->at >= r->end || !isdigit((unsigned char)*r->at))
        return wrong(r, "in numeric literal");
    if (*r->at == '0' && r->end - r->at > 1 && isdigit((unsigned char)r->at[1])) {
        r->at++;
        return wrong(r, "after top-level value");
    }
    while (r->at < r->end && (isdigit((unsigned char)*r->at) || strchr("+-.eE", *r->at)))
        r->at++;
    if (!cf_number_parse_float(start, (size_t)(r->at - start), &f))
        return wrong(r, "in numeric literal");
    *ret_val = cf_val_float(f);
    return true;
}

static bool read_value(struct reader *r, struct cf_val *ret_val);

static bool read_list(struct reader *r, struct cf_val *ret_val)
{
    struct cf_val list = cf_val_list(r->run, 0), item;
    r->at++;
    skip_white(r);
    if (r->at < r->end && *r->at == ']') {
        r->at++;
        *ret_val = list;
        return true;
    }
    for (;;) {
        if (!read_value(r, &item))
            return false;
        cf_seq_add(r->run, list.seq, item);
        skip_white(r);
        if (r->at < r->end && *r->at == ',') {
            r->at++;
            continue;
        }
        if (r->at >= r->end || *r->at != ']')
            return wrong(r, "after array element");
        r->at++;
        *ret_val = list;
        return true;
    }
}

static bool read_map(struct reader *r, struct cf_val *ret_val)
{
    struct cf_val map = cf_val_map(r->run, 0), key, val;
    r->at++;
    skip_white(r);
    bool empty = r->at < r->end && *r->at == '}';
    while (!empty) {
        skip_white(r);
        if (r->at >= r->end || *r->at != '"')
            return wrong(r, "looking for beginning of object key string");
        if (!read_string(r, &key))
            return false;
        skip_white(r);
        if (r->at >= r->end || *r->at != ':')
            return wrong(r, "after object key");
        r->at++;
        if (!read_value(r, &val))
            return false;
        cf_dict_append(r->run, map.dict, key.str, key.len, val);
        skip_white(r);
        if (r->at < r->end && *r->at == ',') {
            r->at++;
            continue;
        }
        if (r->at >= r->end || *r->at != '}')
            return wrong(r, "after object key:value pair");
        break;
    }
    r->at++;
    cf_dict_sort(r->run, map.dict);
    *ret_val = map;
    return true;
}

static bool read_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len))
        return wrong(r, "looking for beginning of value");
    r->at += len;
    return true;
}

static bool read_value(struct reader *r, struct cf_val *ret_val)
{
    cf_run_check_stack(r->run);
    skip_white(r);
    switch (r->at < r->end ? *r->at : 0) {
    case '{':
        return read_map(r, ret_val);
    case '[':
        return read_list(r, ret_val);
    case '"':
        return read_string(r, ret_val);
    case 't':
        *ret_val = cf_val_bool(true);
        return read_word(r, "true");
    case 'f':
        *ret_val = cf_val_bool(false);
        return read_word(r, "false");
    case 'n':
        *ret_val = CF_NIL_VAL;
        return read_word(r, "null");
    default:
        if (r->at < r->end && (*r->at == '-' || isdigit((unsigned char)*r->at)))
            return read_number(r, ret_val);
        return wrong(r, "looking for beginning of value");
    }
}

int cf_document_load_json(struct cf_run *run, const char *data, size_t len, struct cf_val *ret_val,
                          const char **ret_why)
{
    struct reader r = {run, data, data + len, NULL};
    bool good = read_value(&r, ret_val);
    skip_white(&r);
    if (good && r.at < r.end)
        good = wrong(&r, "after top-level value");
    if (!good)
        *ret_why = r.why;
    return good ? 0 : -EINVAL;
}
