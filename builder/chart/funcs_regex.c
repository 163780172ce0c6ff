/* SPDX-License-Identifier: Apache-2.0 */
/* Sprig's functions with regular expressions. */
#include "func.h"
#include "regex.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

static const struct cf_regex *compile(struct cf_exec *x, struct cf_val pattern)
{
    const char *why;
    const struct cf_regex *regex = cf_regex_compile(x->run, pattern.str, pattern.len, &why);
    if (!regex)
        cf_func_fail(x, "error parsing regexp: %s: `%.200s`", why, pattern.str);
    return regex;
}

static bool match(struct cf_exec *x, const struct cf_regex *regex, struct cf_val s, size_t from,
                  struct cf_match *ret_match)
{
    int r = cf_regex_match(regex, s.str, s.len, from, ret_match);
    cf_run_step(x->run, 64 + (s.len - from) / 16);
    if (r < 0)
        cf_func_fail(x, "the regular expression takes too many steps");
    return r > 0;
}

/* Go's walk over all matches: an empty one directly behind the last match does not count. */
struct walk {
    const struct cf_regex *regex;
    struct cf_val s;
    size_t at, last_end;
    bool any;
};

static bool next_match(struct cf_exec *x, struct walk *w, struct cf_match *ret_match)
{
    while (w->at <= w->s.len && match(x, w->regex, w->s, w->at, ret_match)) {
        size_t start = ret_match->start[0], end = ret_match->end[0];
        bool counts = end > start || !w->any || start != w->last_end;
        int width = 1;
        if (end == start && end < w->s.len)
            (void)cf_rune_at(w->s.str + end, w->s.len - end, &width);
        w->at = end > start ? end : end + (size_t)width;
        w->last_end = end;
        w->any = true;
        if (counts)
            return true;
    }
    return false;
}

static struct cf_val cut(struct cf_exec *x, struct cf_val s, size_t from, size_t to)
{
    return cf_val_copy_str(x->run, s.str + from, to - from);
}

CF_FUNC(f_match)
{
    CF_UNUSED;
    struct cf_match m;
    const char *why;
    const struct cf_regex *regex = cf_regex_compile(x->run, a[0].str, a[0].len, &why);
    return cf_val_bool(regex && match(x, regex, a[1], 0, &m));
}

CF_FUNC(f_must_match)
{
    CF_UNUSED;
    struct cf_match m;
    return cf_val_bool(match(x, compile(x, a[0]), a[1], 0, &m));
}

CF_FUNC(f_find)
{
    CF_UNUSED;
    struct cf_match m;
    if (!match(x, compile(x, a[0]), a[1], 0, &m))
        return cf_val_str("", 0);
    return cut(x, a[1], m.start[0], m.end[0]);
}

CF_FUNC(f_find_all)
{
    CF_UNUSED;
    struct walk w = {compile(x, a[0]), a[1], 0, 0, false};
    struct cf_val list = cf_val_list(x->run, 0);
    struct cf_match m;
    list.type = CF_T_STRINGS;
    while ((a[2].i < 0 || (int64_t)list.seq->count < a[2].i) && next_match(x, &w, &m))
        cf_seq_add(x->run, list.seq, cut(x, a[1], m.start[0], m.end[0]));
    return list;
}

/* $1, ${1}, $name: Go's Expand. */
static void expand(struct cf_exec *x, struct cf_text *out, struct cf_val with, const struct walk *w,
                   const struct cf_match *m)
{
    for (size_t i = 0; i < with.len; i++) {
        if (with.str[i] != '$' || i + 1 >= with.len) {
            cf_text_char(out, with.str[i]);
            continue;
        }
        if (with.str[i + 1] == '$') {
            cf_text_char(out, '$');
            i++;
            continue;
        }
        bool braced = with.str[i + 1] == '{';
        size_t start = i + 1 + braced, end = start;
        while (end < with.len && (isalnum((unsigned char)with.str[end]) || with.str[end] == '_'))
            end++;
        if (end == start || (braced && (end >= with.len || with.str[end] != '}'))) {
            cf_text_char(out, '$');
            continue;
        }
        char *name = cf_run_copy(x->run, with.str + start, end - start);
        int group = 0;
        if (strspn(name, "0123456789") == strlen(name) && strlen(name) < 4)
            for (const char *c = name; *c; c++)
                group = group * 10 + *c - '0';
        else
            group = cf_regex_group(w->regex, name);
        if (group >= 0 && (size_t)group < m->count && m->start[group] != SIZE_MAX)
            cf_text_add(out, w->s.str + m->start[group], m->end[group] - m->start[group]);
        i = end - !braced;
    }
}

static struct cf_val replace(struct cf_exec *x, const struct cf_val *a, bool literal)
{
    struct walk w = {compile(x, a[0]), a[1], 0, 0, false};
    struct cf_match m;
    struct cf_text out;
    size_t copied = 0;
    cf_text_init(&out, x->run);
    while (next_match(x, &w, &m)) {
        cf_text_add(&out, a[1].str + copied, m.start[0] - copied);
        if (literal)
            cf_text_add(&out, a[2].str, a[2].len);
        else
            expand(x, &out, a[2], &w, &m);
        copied = m.end[0];
    }
    cf_text_add(&out, a[1].str + copied, a[1].len - copied);
    return cf_val_text(&out);
}

CF_FUNC(f_replace_all)
{
    CF_UNUSED;
    return replace(x, a, false);
}

CF_FUNC(f_replace_all_literal)
{
    CF_UNUSED;
    return replace(x, a, true);
}

CF_FUNC(f_split)
{
    CF_UNUSED;
    struct walk w = {compile(x, a[0]), a[1], 0, 0, false};
    struct cf_val list = cf_val_list(x->run, 0);
    struct cf_match m;
    size_t begin = 0, end = 0;
    list.type = CF_T_STRINGS;
    if (!a[2].i)
        return CF_NIL_VAL;
    if (a[0].len && !a[1].len) {
        cf_seq_add(x->run, list.seq, cf_val_str("", 0));
        return list;
    }
    while (next_match(x, &w, &m)) {
        if (a[2].i > 0 && (int64_t)list.seq->count == a[2].i - 1)
            break;
        end = m.start[0];
        if (m.end[0])
            cf_seq_add(x->run, list.seq, cut(x, a[1], begin, end));
        begin = m.end[0];
    }
    if (end != a[1].len)
        cf_seq_add(x->run, list.seq, cut(x, a[1], begin, a[1].len));
    return list;
}

CF_FUNC(f_quote_meta)
{
    CF_UNUSED;
    struct cf_text out;
    cf_text_init(&out, x->run);
    for (size_t i = 0; i < a[0].len; i++) {
        if (a[0].str[i] && strchr("\\.+*?()|[]{}^$", a[0].str[i]))
            cf_text_char(&out, '\\');
        cf_text_char(&out, a[0].str[i]);
    }
    return cf_val_text(&out);
}

const struct cf_func cf_funcs_regex[] = {
    {"regexMatch", "ss", f_match},
    {"mustRegexMatch", "ss", f_must_match},
    CF_FUNC_AND_MUST("regexFind", "mustRegexFind", "ss", f_find),
    CF_FUNC_AND_MUST("regexFindAll", "mustRegexFindAll", "ssi", f_find_all),
    CF_FUNC_AND_MUST("regexReplaceAll", "mustRegexReplaceAll", "sss", f_replace_all),
    CF_FUNC_AND_MUST("regexReplaceAllLiteral", "mustRegexReplaceAllLiteral", "sss",
                     f_replace_all_literal),
    CF_FUNC_AND_MUST("regexSplit", "mustRegexSplit", "ssi", f_split),
    {"regexQuoteMeta", "s", f_quote_meta},
    {NULL},
};
