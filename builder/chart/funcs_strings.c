/* SPDX-License-Identifier: Apache-2.0 */
/* Sprig's functions on strings: cutting, joining, searching. */
#include "format.h"
#include "func.h"
#include "number.h"

#include <errno.h>
#include <string.h>

static bool has_prefix(struct cf_val s, struct cf_val prefix)
{
    return s.len >= prefix.len && !memcmp(s.str, prefix.str, prefix.len);
}

static bool has_suffix(struct cf_val s, struct cf_val suffix)
{
    return s.len >= suffix.len && !memcmp(s.str + s.len - suffix.len, suffix.str, suffix.len);
}

static struct cf_val part(struct cf_exec *x, struct cf_val s, size_t from, size_t to)
{
    return cf_val_copy_str(x->run, s.str + from, to - from);
}

static bool is_white(uint32_t rune)
{
    return rune == ' ' || (rune >= '\t' && rune <= '\r') || rune == 0x85 || rune == 0xA0 ||
           rune == 0x1680 || (rune >= 0x2000 && rune <= 0x200A) || rune == 0x2028 ||
           rune == 0x2029 || rune == 0x202F || rune == 0x205F || rune == 0x3000;
}

static bool in_set(uint32_t rune, struct cf_val set)
{
    int width;
    for (size_t i = 0; i < set.len; i += (size_t)width)
        if (cf_rune_at(set.str + i, set.len - i, &width) == rune)
            return true;
    return false;
}

enum { LEFT = 1, RIGHT = 2 };

/* set NULL: white space. */
static struct cf_val trim(struct cf_exec *x, struct cf_val s, const struct cf_val *set, int sides)
{
    size_t from = 0, to = s.len;
    int width;
    while (sides & LEFT && from < to) {
        uint32_t rune = cf_rune_at(s.str + from, to - from, &width);
        if (!(set ? in_set(rune, *set) : is_white(rune)))
            break;
        from += (size_t)width;
    }
    while (sides & RIGHT && from < to) {
        size_t at = to - 1;
        while (at > from && to - at < 4 && ((uint8_t)s.str[at] & 0xC0) == 0x80)
            at--;
        uint32_t rune = cf_rune_at(s.str + at, to - at, &width);
        if (at + (size_t)width != to) {
            at = to - 1;
            rune = CF_RUNE_ERROR;
        }
        if (!(set ? in_set(rune, *set) : is_white(rune)))
            break;
        to = at;
    }
    return part(x, s, from, to);
}

CF_FUNC(f_trim)
{
    CF_UNUSED;
    return trim(x, a[0], NULL, LEFT | RIGHT);
}

CF_FUNC(f_trim_all)
{
    CF_UNUSED;
    return trim(x, a[1], &a[0], LEFT | RIGHT);
}

CF_FUNC(f_trim_prefix)
{
    CF_UNUSED;
    return has_prefix(a[1], a[0]) ? part(x, a[1], a[0].len, a[1].len) : a[1];
}

CF_FUNC(f_trim_suffix)
{
    CF_UNUSED;
    return has_suffix(a[1], a[0]) ? part(x, a[1], 0, a[1].len - a[0].len) : a[1];
}

CF_FUNC(f_has_prefix)
{
    CF_UNUSED;
    return cf_val_bool(has_prefix(a[1], a[0]));
}

CF_FUNC(f_has_suffix)
{
    CF_UNUSED;
    return cf_val_bool(has_suffix(a[1], a[0]));
}

CF_FUNC(f_contains)
{
    CF_UNUSED;
    return cf_val_bool(memmem(a[1].str, a[1].len, a[0].str, a[0].len) != NULL);
}

/* Negative: the last ones. Counts bytes, as Sprig does. */
CF_FUNC(f_trunc)
{
    CF_UNUSED;
    int64_t count = a[0].i;
    if (count < 0 && count > -(int64_t)a[1].len)
        return part(x, a[1], a[1].len - (size_t)-count, a[1].len);
    return count >= 0 && count < (int64_t)a[1].len ? part(x, a[1], 0, (size_t)count) : a[1];
}

CF_FUNC(f_substr)
{
    CF_UNUSED;
    int64_t start = a[0].i, end = a[1].i, len = a[2].len;
    if (start < 0 && (end < 0 || end > len))
        return a[2];
    if (start < 0)
        start = 0;
    if (end < 0 || end > len)
        end = len;
    if (start > end)
        cf_func_fail(x, "runtime error: slice bounds out of range [%lld:%lld]", (long long)start,
                     (long long)end);
    return part(x, a[2], (size_t)start, (size_t)end);
}

CF_FUNC(f_repeat)
{
    CF_UNUSED;
    struct cf_text text;
    if (a[0].i < 0)
        cf_func_fail(x, "strings: negative Repeat count");
    if (a[1].len && (uint64_t)a[0].i > x->run->limit / a[1].len)
        cf_run_throw(x->run, -EFBIG, "more than %zu MiB of memory are needed", x->run->limit >> 20);
    cf_text_init(&text, x->run);
    for (int64_t i = 0; a[1].len && i < a[0].i; i++)
        cf_text_add(&text, a[1].str, a[1].len);
    return cf_val_text(&text);
}

CF_FUNC(f_replace)
{
    CF_UNUSED;
    struct cf_val old = a[0], new = a[1], s = a[2];
    struct cf_text text;
    int width;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i <= s.len;) {
        const char *found = old.len ? memmem(s.str + i, s.len - i, old.str, old.len) : s.str + i;
        if (!found)
            found = s.str + s.len;
        cf_text_add(&text, s.str + i, (size_t)(found - s.str) - i);
        i = (size_t)(found - s.str);
        if (old.len && i == s.len)
            break;
        cf_text_add(&text, new.str, new.len);
        i += old.len;
        if (!old.len) { /* between all runes */
            width = 1;
            if (i < s.len)
                (void)cf_rune_at(s.str + i, s.len - i, &width);
            cf_text_add(&text, s.str + i, i < s.len ? (size_t)width : 0);
            i += (size_t)width;
        }
    }
    return cf_val_text(&text);
}

static struct cf_val indent(struct cf_exec *x, int64_t spaces, struct cf_val s, bool newline)
{
    struct cf_text text;
    if (spaces < 0)
        cf_func_fail(x, "strings: negative Repeat count");
    if (spaces > 1000000)
        cf_run_throw(x->run, -EFBIG, "an indentation of %lld is too much", (long long)spaces);
    cf_text_init(&text, x->run);
    if (newline)
        cf_text_char(&text, '\n');
    cf_text_fill(&text, ' ', (size_t)spaces);
    for (size_t i = 0; i < s.len;) {
        const char *end = memchr(s.str + i, '\n', s.len - i);
        size_t stop = end ? (size_t)(end - s.str) + 1 : s.len;
        cf_text_add(&text, s.str + i, stop - i);
        if (end)
            cf_text_fill(&text, ' ', (size_t)spaces);
        i = stop;
    }
    return cf_val_text(&text);
}

CF_FUNC(f_indent)
{
    CF_UNUSED;
    return indent(x, a[0].i, a[1], false);
}

CF_FUNC(f_nindent)
{
    CF_UNUSED;
    return indent(x, a[0].i, a[1], true);
}

/* The parts of s between separators, at most limit (0: no limit); an empty separator: its runes. */
static struct cf_val split(struct cf_exec *x, struct cf_val s, struct cf_val separator,
                           int64_t limit)
{
    struct cf_val list = cf_val_list(x->run, 4);
    size_t at = 0;
    int width;
    list.type = CF_T_STRINGS;
    while (limit <= 0 || (int64_t)list.seq->count + 1 < limit) {
        size_t end;
        cf_run_step(x->run, 1);
        if (!separator.len) {
            if (at >= s.len)
                return list;
            (void)cf_rune_at(s.str + at, s.len - at, &width);
            end = at + (size_t)width;
            if (end == s.len)
                break;
        } else {
            const char *found = memmem(s.str + at, s.len - at, separator.str, separator.len);
            if (!found)
                break;
            end = (size_t)(found - s.str);
        }
        cf_seq_add(x->run, list.seq, part(x, s, at, end));
        at = end + separator.len;
    }
    cf_seq_add(x->run, list.seq, part(x, s, at, s.len));
    return list;
}

CF_FUNC(f_split_list)
{
    CF_UNUSED;
    return split(x, a[1], a[0], 0);
}

static struct cf_val numbered(struct cf_exec *x, struct cf_val list)
{
    struct cf_val map = cf_val_map(x->run, list.seq->count);
    map.type = CF_T_STRINGS;
    for (size_t i = 0; i < list.seq->count; i++) {
        char *key = cf_run_format(x->run, "_%zu", i);
        cf_dict_append(x->run, map.dict, key, strlen(key), list.seq->items[i]);
    }
    cf_dict_sort(x->run, map.dict);
    return map;
}

CF_FUNC(f_split)
{
    CF_UNUSED;
    return numbered(x, split(x, a[1], a[0], 0));
}

CF_FUNC(f_splitn)
{
    CF_UNUSED;
    return numbered(x, split(x, a[2], a[0], a[1].i));
}

CF_FUNC(f_join)
{
    CF_UNUSED;
    struct cf_val list = cf_val_to_strings(x->run, a[1]);
    struct cf_text text;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < list.seq->count; i++) {
        if (i)
            cf_text_add(&text, a[0].str, a[0].len);
        cf_text_add(&text, list.seq->items[i].str, list.seq->items[i].len);
    }
    return cf_val_text(&text);
}

static struct cf_val quoted(struct cf_exec *x, const struct cf_val *a, size_t n, char quote)
{
    struct cf_text text;
    bool first = true;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < n; i++) {
        if (a[i].kind == CF_NIL)
            continue;
        if (!first)
            cf_text_char(&text, ' ');
        first = false;
        if (quote == '"') {
            struct cf_val s = cf_format_str(x->run, a[i]);
            cf_format_quote(&text, s.str, s.len);
        } else {
            cf_text_char(&text, quote);
            cf_format_value(&text, a[i]);
            cf_text_char(&text, quote);
        }
    }
    return cf_val_text(&text);
}

CF_FUNC(f_quote)
{
    return quoted(x, a, n, '"');
}

CF_FUNC(f_squote)
{
    return quoted(x, a, n, '\'');
}

CF_FUNC(f_cat)
{
    struct cf_text text;
    bool first = true;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < n; i++) {
        if (a[i].kind == CF_NIL)
            continue;
        if (!first)
            cf_text_char(&text, ' ');
        first = false;
        cf_format_value(&text, a[i]);
    }
    return cf_val_text(&text);
}

CF_FUNC(f_nospace)
{
    CF_UNUSED;
    struct cf_text text;
    int width;
    cf_text_init(&text, x->run);
    for (size_t i = 0; i < a[0].len; i += (size_t)width)
        if (!is_white(cf_rune_at(a[0].str + i, a[0].len - i, &width)))
            cf_text_add(&text, a[0].str + i, (size_t)width);
    return cf_val_text(&text);
}

CF_FUNC(f_to_string)
{
    CF_UNUSED;
    return cf_format_str(x->run, a[0]);
}

CF_FUNC(f_to_strings)
{
    CF_UNUSED;
    return cf_val_to_strings(x->run, a[0]);
}

CF_FUNC(f_plural)
{
    CF_UNUSED;
    return a[2].i == 1 ? a[0] : a[1];
}

CF_FUNC(f_hello)
{
    CF_UNUSED;
    return cf_val_cstr("Hello!");
}

const struct cf_func cf_funcs_strings[] = {
    {"trim", "s", f_trim},
    {"trimAll", "ss", f_trim_all},
    {"trimall", "ss", f_trim_all},
    {"trimPrefix", "ss", f_trim_prefix},
    {"trimSuffix", "ss", f_trim_suffix},
    {"hasPrefix", "ss", f_has_prefix},
    {"hasSuffix", "ss", f_has_suffix},
    {"contains", "ss", f_contains},
    {"trunc", "is", f_trunc},
    {"substr", "iis", f_substr},
    {"repeat", "is", f_repeat},
    {"replace", "sss", f_replace},
    {"indent", "is", f_indent},
    {"nindent", "is", f_nindent},
    {"splitList", "ss", f_split_list},
    {"split", "ss", f_split},
    {"splitn", "sis", f_splitn},
    {"join", "sa", f_join},
    {"quote", "*a", f_quote},
    {"squote", "*a", f_squote},
    {"cat", "*a", f_cat},
    {"nospace", "s", f_nospace},
    {"toString", "a", f_to_string},
    {"toStrings", "a", f_to_strings},
    {"plural", "ssi", f_plural},
    {"hello", "", f_hello},
    {NULL},
};
