/* SPDX-License-Identifier: Apache-2.0 */
/* Values as TOML, in the order and indentation of BurntSushi/toml: plain keys first, then tables.
 */
#include "document.h"
#include "number.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

static void put_text(struct cf_text *out, const char *str, size_t len)
{
    cf_text_char(out, '"');
    for (size_t i = 0; i < len; i++) {
        char c = str[i];
        static const char from[] = "\b\t\n\f\r\"\\", to[] = "btnfr\"\\";
        const char *found = c ? strchr(from, c) : NULL;
        if (found)
            cf_text_printf(out, "\\%c", to[found - from]);
        else if ((uint8_t)c < 0x20 || c == 0x7f)
            cf_text_printf(out, "\\u%04x", (uint8_t)c);
        else
            cf_text_char(out, c);
    }
    cf_text_char(out, '"');
}

static void put_key(struct cf_text *out, const struct cf_entry *e)
{
    bool bare = e->key_len > 0;
    for (size_t i = 0; i < e->key_len; i++)
        bare = bare && (isalnum((unsigned char)e->key[i]) || e->key[i] == '_' || e->key[i] == '-');
    if (bare)
        cf_text_add(out, e->key, e->key_len);
    else
        put_text(out, e->key, e->key_len);
}

/* Lists of nothing but maps are [[tables]]. */
static bool is_table(struct cf_val val)
{
    if (val.kind == CF_LIST) {
        for (size_t i = 0; i < val.seq->count; i++)
            if (val.seq->items[i].kind != CF_MAP)
                return false;
        return val.seq->count > 0;
    }
    return val.kind == CF_MAP;
}

static bool put_plain(struct cf_text *out, struct cf_val val)
{
    switch (val.kind) {
    case CF_BOOL:
        cf_text_str(out, val.b ? "true" : "false");
        return true;
    case CF_INT:
        cf_text_printf(out, "%lld", (long long)val.i);
        return true;
    case CF_FLOAT:
        cf_number_float(out, val.f, 'f', -1);
        if (val.f == floor(val.f) && !isinf(val.f))
            cf_text_str(out, ".0");
        return true;
    case CF_STRING:
        put_text(out, val.str, val.len);
        return true;
    case CF_LIST:
        cf_text_char(out, '[');
        for (size_t i = 0; i < val.seq->count; i++) {
            if (i)
                cf_text_str(out, ", ");
            if (!put_plain(out, val.seq->items[i]))
                return false;
        }
        cf_text_char(out, ']');
        return true;
    case CF_MAP: /* inline */
        cf_text_char(out, '{');
        for (size_t i = 0; i < val.dict->count; i++) {
            if (i)
                cf_text_str(out, ", ");
            put_key(out, &val.dict->entries[i]);
            cf_text_str(out, " = ");
            if (!put_plain(out, val.dict->entries[i].val))
                return false;
        }
        cf_text_char(out, '}');
        return true;
    default:
        return false;
    }
}

static void indent(struct cf_text *out, unsigned depth)
{
    cf_text_fill(out, ' ', depth * 2);
}

static bool put_map(struct cf_text *out, struct cf_val map, const char *path, unsigned depth);

static bool put_table(struct cf_text *out, struct cf_val val, const char *path, unsigned depth)
{
    if (val.kind == CF_MAP) {
        if (out->len && !depth)
            cf_text_char(out, '\n');
        indent(out, depth);
        cf_text_printf(out, "[%s]\n", path);
        return put_map(out, val, path, depth + 1);
    }
    for (size_t i = 0; i < val.seq->count; i++) {
        if (out->len)
            cf_text_char(out, '\n');
        indent(out, depth);
        cf_text_printf(out, "[[%s]]\n", path);
        if (!put_map(out, val.seq->items[i], path, depth + 1))
            return false;
    }
    return true;
}

static bool put_map(struct cf_text *out, struct cf_val map, const char *path, unsigned depth)
{
    cf_run_check_stack(out->run);
    for (size_t i = 0; i < map.dict->count; i++) {
        const struct cf_entry *e = &map.dict->entries[i];
        if (e->val.kind == CF_NIL || is_table(e->val))
            continue;
        indent(out, depth);
        put_key(out, e);
        cf_text_str(out, " = ");
        if (!put_plain(out, e->val))
            return false;
        cf_text_char(out, '\n');
    }
    for (size_t i = 0; i < map.dict->count; i++) {
        const struct cf_entry *e = &map.dict->entries[i];
        struct cf_text name;
        if (!is_table(e->val))
            continue;
        cf_text_init(&name, out->run);
        if (*path)
            cf_text_printf(&name, "%s.", path);
        put_key(&name, e);
        if (!put_table(out, e->val, name.data, depth))
            return false;
    }
    return true;
}

bool cf_document_put_toml(struct cf_text *out, struct cf_val val)
{
    return val.kind == CF_MAP && put_map(out, val, "", 0);
}
