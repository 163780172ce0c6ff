/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values as YAML, the bytes that go-yaml v2 writes. Sources: go-yaml v2's encode.go and sorter.go
 * for which style a string gets and how keys are sorted, and libyaml's emitter, which it is a port
 * of.
 */
#include "document.h"
#include "format.h"
#include "number.h"
#include "base64.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 80 };

struct emitter {
    struct cf_text *out;
    size_t line_start; /* of the line that is written, in out */
    bool pretty;       /* lists in maps are indented */
    bool unsayable;    /* NaN or an infinity was met, which JSON, on the way to YAML, has not */
};

static size_t column(const struct emitter *e)
{
    return cf_rune_count(e->out->data ? e->out->data + e->line_start : "",
                         e->out->len - e->line_start);
}

static void newline(struct emitter *e, int indent)
{
    cf_text_char(e->out, '\n');
    e->line_start = e->out->len;
    if (indent > 0)
        cf_text_fill(e->out, ' ', (size_t)indent);
}

/* ---- which style ---- */

struct analysis {
    bool multiline, plain, single, block;
};

static bool is_break(uint32_t r)
{
    return r == '\r' || r == '\n' || r == 0x85 || r == 0x2028 || r == 0x2029;
}

static bool is_printable(uint32_t r)
{
    return r == '\n' || (r >= 0x20 && r <= 0x7E) || (r >= 0xA0 && r < 0xD800) ||
           (r >= 0xE000 && r <= 0xFFFD && r != 0xFEFF);
}

static bool is_indicator(uint32_t r, bool first, bool space_before, bool space_behind)
{
    if (first)
        return (r < 0x80 && r && strchr("#,[]{}&*!|>'\"%@`", (int)r)) ||
               ((r == '?' || r == ':' || r == '-') && space_behind);
    return (r == ':' && space_behind) || (r == '#' && space_before);
}

static struct analysis analyze(const char *str, size_t len)
{
    struct analysis a = {false, true, true, true};
    bool space = false, brk = false, space_break = false, break_space = false, special = false;
    bool edges = false, indicators = false, trailing_space = false, white_before = true;
    int width;
    if (!len)
        return (struct analysis){false, true, true, false};
    if (len >= 3 && (!memcmp(str, "---", 3) || !memcmp(str, "...", 3)))
        indicators = true;
    for (size_t i = 0; i < len; i += (size_t)width) {
        uint32_t r = cf_rune_at(str + i, len - i, &width);
        size_t behind = i + (size_t)width;
        bool white_behind = behind >= len || str[behind] == ' ' || str[behind] == '\t';
        if (!white_behind && is_break(cf_rune_at(str + behind, len - behind, &(int){0})))
            white_behind = true;
        indicators = indicators || is_indicator(r, !i, white_before, white_behind);
        special = special || !is_printable(r);
        if (r == ' ') {
            edges = edges || !i || behind >= len;
            trailing_space = behind >= len;
            break_space = break_space || brk;
            space = true;
            brk = false;
        } else if (is_break(r)) {
            a.multiline = true;
            edges = edges || !i || behind >= len;
            space_break = space_break || space;
            space = false;
            brk = true;
        } else {
            space = brk = false;
        }
        white_before = r == ' ' || r == '\t' || is_break(r);
    }
    a.plain = !edges && !indicators && !a.multiline && !break_space && !space_break && !special;
    a.single = !break_space && !space_break && !special;
    a.block = !trailing_space && !space_break && !special;
    return a;
}

/* 190:20:30, which YAML 1.1 took for a number. */
static bool is_base60(const char *str, size_t len)
{
    size_t i = 0, colons = 0;
    if (!len || (!isdigit((unsigned char)str[0]) && str[0] != '+' && str[0] != '-'))
        return false;
    if (str[i] == '+' || str[i] == '-')
        i++;
    if (i >= len || !isdigit((unsigned char)str[i]))
        return false;
    while (i < len && (isdigit((unsigned char)str[i]) || str[i] == '_'))
        i++;
    while (i < len && str[i] == ':') {
        size_t digits = 0;
        for (i++; i < len && isdigit((unsigned char)str[i]) && digits < 2; i++)
            digits++;
        if (!digits || (digits == 2 && str[i - 2] > '5'))
            return false;
        colons++;
    }
    if (colons && i < len && str[i] == '.')
        for (i++; i < len && (isdigit((unsigned char)str[i]) || str[i] == '_');)
            i++;
    return colons && i == len;
}

/* ---- scalars ---- */

static void put_plain(struct emitter *e, const char *str, size_t len, int indent, bool fold)
{
    bool spaces = false;
    if (!fold || column(e) + len <= WIDTH) {
        cf_text_add(e->out, str, len);
        return;
    }
    for (size_t i = 0; i < len; i++) {
        if (str[i] == ' ') {
            if (!spaces && i + 1 < len && str[i + 1] != ' ' && column(e) > WIDTH)
                newline(e, indent);
            else
                cf_text_char(e->out, ' ');
            spaces = true;
        } else {
            cf_text_char(e->out, str[i]);
            spaces = false;
        }
    }
}

static void put_single(struct emitter *e, const char *str, size_t len, int indent, bool fold)
{
    bool spaces = false;
    cf_text_char(e->out, '\'');
    for (size_t i = 0; i < len; i++) {
        if (str[i] == ' ') {
            if (fold && !spaces && i > 0 && i + 1 < len && str[i + 1] != ' ' && column(e) > WIDTH)
                newline(e, indent);
            else
                cf_text_char(e->out, ' ');
            spaces = true;
        } else {
            if (str[i] == '\'')
                cf_text_char(e->out, '\'');
            cf_text_char(e->out, str[i]);
            spaces = false;
        }
    }
    cf_text_char(e->out, '\'');
}

static bool put_escaped(struct emitter *e, uint32_t r)
{
    static const char from[] = "\a\b\t\n\v\f\r\x1b\"\\", to[] = "abtnvfre\"\\";
    const char *found = r && r < 0x80 ? strchr(from, (int)r) : NULL;
    if (is_printable(r) && !is_break(r) && r != '"' && r != '\\')
        return false;
    cf_text_char(e->out, '\\');
    if (found)
        cf_text_char(e->out, to[found - from]);
    else if (!r)
        cf_text_char(e->out, '0');
    else if (r == 0x85 || r == 0xA0)
        cf_text_char(e->out, r == 0x85 ? 'N' : '_');
    else if (r == 0x2028 || r == 0x2029)
        cf_text_char(e->out, r == 0x2028 ? 'L' : 'P');
    else
        cf_text_printf(e->out, r < 0x100 ? "x%02X" : r < 0x10000 ? "u%04X" : "U%08X", r);
    return true;
}

static void put_double(struct emitter *e, const char *str, size_t len, int indent, bool fold)
{
    bool spaces = false;
    int width;
    cf_text_char(e->out, '"');
    for (size_t i = 0; i < len; i += (size_t)width) {
        uint32_t r = cf_rune_at(str + i, len - i, &width);
        if (put_escaped(e, r)) {
            spaces = false;
        } else if (r == ' ') {
            if (fold && !spaces && i > 0 && i + 1 < len && column(e) > WIDTH) {
                newline(e, indent);
                if (str[i + 1] == ' ')
                    cf_text_char(e->out, '\\');
            } else {
                cf_text_char(e->out, ' ');
            }
            spaces = true;
        } else {
            cf_text_rune(e->out, r);
            spaces = false;
        }
    }
    cf_text_char(e->out, '"');
}

static void put_literal(struct emitter *e, const char *str, size_t len, int indent)
{
    bool at_start = true;
    cf_text_char(e->out, '|');
    if (str[0] == ' ' || str[0] == '\n')
        cf_text_char(e->out, '2');
    if (str[len - 1] != '\n')
        cf_text_char(e->out, '-');
    else if (len == 1 || str[len - 2] == '\n')
        cf_text_char(e->out, '+');
    newline(e, 0);
    for (size_t i = 0; i < len; i++) {
        if (str[i] == '\n') {
            /* the last break is written by whoever comes next */
            if (i + 1 < len)
                newline(e, 0);
            at_start = true;
            continue;
        }
        if (at_start)
            cf_text_fill(e->out, ' ', (size_t)indent);
        cf_text_char(e->out, str[i]);
        at_start = false;
    }
}

/* indent: of what a folded or literal string's further lines get. */
static void put_string(struct emitter *e, const char *str, size_t len, int indent, bool key)
{
    struct cf_val ignored;
    struct analysis a = analyze(str, len);
    bool can_plain = cf_tag_resolve(str, len, &ignored) == CF_TAG_STR && !is_base60(str, len);
    if (memchr(str, '\n', len)) {
        if (a.block && !key)
            put_literal(e, str, len, indent);
        else
            put_double(e, str, len, indent, !key);
    } else if (!can_plain || (key && a.multiline)) {
        put_double(e, str, len, indent, !key);
    } else if (a.plain && (len || !key)) {
        put_plain(e, str, len, indent, !key);
    } else if (a.single) {
        put_single(e, str, len, indent, !key);
    } else {
        put_double(e, str, len, indent, !key);
    }
}

static void put_number(struct emitter *e, double f)
{
    if (!isfinite(f))
        e->unsayable = true;
    else if (f == floor(f) && fabs(f) < 18446744073709551616.0 &&
             (f > 0 || f >= -9223372036854775808.0))
        cf_number_json(e->out, f == 0 ? 0 : f);
    else
        cf_number_float(e->out, f, 'g', -1);
}

/* ---- keys ---- */

static bool is_letter(uint32_t r)
{
    if (r < 0x80)
        return isalpha((int)r) != 0;
    bool symbol = (r >= 0x2000 && r < 0x2C00) || (r >= 0xFE00 && r < 0xFE70) ||
                  (r >= 0x1F000 && r < 0x20000) || r == 0xD7 || r == 0xF7;
    return !symbol && (r >= 0xC0 || r == 0xAA || r == 0xB5 || r == 0xBA);
}

static bool is_digit(const char *s, size_t len, size_t at)
{
    return at < len && isdigit((unsigned char)s[at]);
}

/* sorter.go: letters behind the rest, runs of digits by their value. Bytes do for runes here. */
static bool key_less(const struct cf_entry *a, const struct cf_entry *b)
{
    size_t i = 0;
    int width;
    while (i < a->key_len && i < b->key_len && a->key[i] == b->key[i])
        i++;
    if (i == a->key_len || i == b->key_len)
        return a->key_len < b->key_len;
    while (i > 0 && ((uint8_t)a->key[i] & 0xC0) == 0x80)
        i--;
    uint32_t ra = cf_rune_at(a->key + i, a->key_len - i, &width),
             rb = cf_rune_at(b->key + i, b->key_len - i, &width);
    bool la = is_letter(ra), lb = is_letter(rb);
    if (la && lb)
        return ra < rb;
    if (la || lb)
        return lb;
    uint64_t an = 0, bn = 0;
    if (ra == '0' || rb == '0')
        for (size_t j = i; j-- > 0 && is_digit(a->key, a->key_len, j);)
            if (a->key[j] != '0') {
                an = bn = 1;
                break;
            }
    size_t ai = i, bi = i;
    for (; is_digit(a->key, a->key_len, ai); ai++)
        an = an * 10 + (uint64_t)(a->key[ai] - '0');
    for (; is_digit(b->key, b->key_len, bi); bi++)
        bn = bn * 10 + (uint64_t)(b->key[bi] - '0');
    if (an != bn)
        return (int64_t)an < (int64_t)bn;
    return ai != bi ? ai < bi : ra < rb;
}

static int compare_keys(const void *a, const void *b)
{
    const struct cf_entry *const *left = a, *const *right = b;
    return key_less(*left, *right) ? -1 : key_less(*right, *left) ? 1 : 0;
}

/* ---- nodes ---- */

static void put_node(struct emitter *e, struct cf_val val, int indent, bool compact);

static bool is_simple_key(const char *str, size_t len)
{
    return len <= 128 && !memchr(str, '\n', len);
}

static bool is_empty(struct cf_val val)
{
    return val.kind == CF_LIST ? !val.seq->count : val.kind == CF_MAP ? !val.dict->count : true;
}

/* A map's value: on the key's line, unless it is a collection with something in it. */
static void put_map_value(struct emitter *e, struct cf_val val, int indent)
{
    if ((val.kind == CF_LIST || val.kind == CF_MAP) && !is_empty(val)) {
        put_node(e, val, val.kind == CF_MAP || e->pretty ? indent + 2 : indent, false);
        return;
    }
    cf_text_char(e->out, ' ');
    put_node(e, val, indent, false);
}

static void put_map(struct emitter *e, struct cf_val val, int indent, bool compact)
{
    struct cf_run *run = e->out->run;
    size_t count = val.dict->count;
    struct cf_entry **entries = cf_run_alloc_array(run, count, sizeof *entries);
    bool is_struct = val.type == CF_T_STRUCT;
    for (size_t i = 0; i < count; i++)
        entries[i] = &val.dict->entries[i];
    qsort(entries, count, sizeof *entries, compare_keys);
    for (size_t i = 0; i < count; i++) {
        const char *key = entries[i]->key;
        size_t len = entries[i]->key_len;
        if (is_struct) {
            key = cf_json_field(run, key);
            len = strlen(key);
        }
        if (i || !compact)
            newline(e, indent);
        if (is_simple_key(key, len)) {
            put_string(e, key, len, indent + 2, true);
            cf_text_char(e->out, ':');
        } else {
            cf_text_str(e->out, "? ");
            put_string(e, key, len, indent + 2, false);
            newline(e, indent);
            cf_text_char(e->out, ':');
        }
        put_map_value(e, entries[i]->val, indent);
    }
}

static void put_list(struct emitter *e, struct cf_val val, int indent, bool compact)
{
    for (size_t i = 0; i < val.seq->count; i++) {
        struct cf_val item = val.seq->items[i];
        if (i || !compact)
            newline(e, indent);
        cf_text_str(e->out, "- ");
        bool collection = (item.kind == CF_LIST || item.kind == CF_MAP) && !is_empty(item);
        put_node(e, item, collection ? indent + 2 : indent, true);
    }
}

/* compact: the line has its indicator already, and the node begins behind it. */
static void put_node(struct emitter *e, struct cf_val val, int indent, bool compact)
{
    cf_run_check_stack(e->out->run);
    cf_run_step(e->out->run, 1);
    switch (val.kind) {
    case CF_NIL:
        cf_text_str(e->out, "null");
        break;
    case CF_BOOL:
        cf_text_str(e->out, val.b ? "true" : "false");
        break;
    case CF_INT:
        cf_text_printf(e->out, "%lld", (long long)val.i);
        break;
    case CF_FLOAT:
        put_number(e, val.f);
        break;
    case CF_STRING:
        if (val.type == CF_T_BYTES)
            val = cf_val_base64_encode(e->out->run, val.str, val.len);
        if (!cf_utf8_valid(val.str, val.len)) { /* JSON has made U+FFFD of what is none */
            struct cf_text text;
            int width;
            cf_text_init(&text, e->out->run);
            for (size_t i = 0; i < val.len; i += (size_t)width)
                cf_text_rune(&text, cf_rune_at(val.str + i, val.len - i, &width));
            val = cf_val_text(&text);
        }
        put_string(e, val.str, val.len, indent + 2, false);
        break;
    case CF_LIST:
        if (val.seq->count)
            put_list(e, val, indent, compact);
        else
            cf_text_str(e->out, "[]");
        break;
    case CF_MAP:
        if (val.dict->count)
            put_map(e, val, indent, compact);
        else
            cf_text_str(e->out, "{}");
        break;
    default: {
        struct cf_val text = cf_format_str(e->out->run, val);
        put_string(e, text.str, text.len, indent + 2, false);
    }
    }
}

static bool put_document(struct cf_text *out, struct cf_val val, bool pretty)
{
    struct emitter e = {out, out->len, pretty, false};
    put_node(&e, val, 0, true);
    cf_text_char(out, '\n');
    return !e.unsayable;
}

bool cf_document_put(struct cf_text *out, struct cf_val val)
{
    return put_document(out, val, false);
}

bool cf_document_put_pretty(struct cf_text *out, struct cf_val val)
{
    return put_document(out, val, true);
}

const char *cf_json_field(struct cf_run *run, const char *name)
{
    char *copy = cf_run_strdup(run, name);
    if (!strcmp(name, "APIVersion"))
        return "apiVersion";
    if (!strcmp(name, "IsRoot"))
        return name;
    copy[0] = (char)tolower((unsigned char)copy[0]);
    return copy;
}
