/* SPDX-License-Identifier: Apache-2.0 */
/* Sprig's functions on lists. They make new lists, and leave the given ones alone. */
#include "format.h"
#include "func.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* What Sprig takes for a list: anything else is an error. */
static struct cf_seq *list_of(struct cf_exec *x, struct cf_val val, const char *what)
{
    if (val.kind != CF_LIST)
        cf_func_fail(x, "Cannot find %s on type %s", what, cf_val_kind_name(val));
    return val.seq;
}

static struct cf_val sublist(struct cf_exec *x, const struct cf_seq *seq, size_t from, size_t to)
{
    struct cf_val list = cf_val_list(x->run, to - from);
    for (size_t i = from; i < to; i++)
        list.seq->items[i - from] = seq->items[i];
    list.seq->count = to - from;
    return list;
}

CF_FUNC(f_list)
{
    struct cf_val list = cf_val_list(x->run, n);
    for (size_t i = 0; i < n; i++)
        list.seq->items[i] = a[i];
    list.seq->count = n;
    return list;
}

CF_FUNC(f_first)
{
    CF_UNUSED;
    struct cf_seq *seq = list_of(x, a[0], "first");
    return seq->count ? seq->items[0] : CF_NIL_VAL;
}

CF_FUNC(f_last)
{
    CF_UNUSED;
    struct cf_seq *seq = list_of(x, a[0], "last");
    return seq->count ? seq->items[seq->count - 1] : CF_NIL_VAL;
}

CF_FUNC(f_rest)
{
    CF_UNUSED;
    struct cf_seq *seq = list_of(x, a[0], "rest");
    return sublist(x, seq, seq->count ? 1 : 0, seq->count);
}

CF_FUNC(f_initial)
{
    CF_UNUSED;
    struct cf_seq *seq = list_of(x, a[0], "initial");
    return sublist(x, seq, 0, seq->count ? seq->count - 1 : 0);
}

CF_FUNC(f_append)
{
    CF_UNUSED;
    if (a[0].kind != CF_LIST)
        cf_func_fail(x, "Cannot push on type %s", cf_val_kind_name(a[0]));
    struct cf_val list = sublist(x, a[0].seq, 0, a[0].seq->count);
    cf_seq_add(x->run, list.seq, a[1]);
    return list;
}

CF_FUNC(f_prepend)
{
    CF_UNUSED;
    if (a[0].kind != CF_LIST)
        cf_func_fail(x, "Cannot prepend on type %s", cf_val_kind_name(a[0]));
    struct cf_val list = cf_val_list(x->run, a[0].seq->count + 1);
    cf_seq_add(x->run, list.seq, a[1]);
    for (size_t i = 0; i < a[0].seq->count; i++)
        cf_seq_add(x->run, list.seq, a[0].seq->items[i]);
    return list;
}

CF_FUNC(f_concat)
{
    struct cf_val list = cf_val_list(x->run, 8);
    for (size_t i = 0; i < n; i++) {
        if (a[i].kind != CF_LIST)
            cf_func_fail(x, "Cannot concat type %s as list", cf_val_kind_name(a[i]));
        for (size_t j = 0; j < a[i].seq->count; j++)
            cf_seq_add(x->run, list.seq, a[i].seq->items[j]);
    }
    return list;
}

CF_FUNC(f_reverse)
{
    CF_UNUSED;
    struct cf_seq *seq = list_of(x, a[0], "reverse");
    struct cf_val list = sublist(x, seq, 0, seq->count);
    for (size_t i = 0; i < seq->count; i++)
        list.seq->items[i] = seq->items[seq->count - 1 - i];
    return list;
}

CF_FUNC(f_compact)
{
    CF_UNUSED;
    struct cf_seq *seq = list_of(x, a[0], "compact");
    struct cf_val list = cf_val_list(x->run, seq->count);
    for (size_t i = 0; i < seq->count; i++)
        if (cf_val_true(seq->items[i]))
            cf_seq_add(x->run, list.seq, seq->items[i]);
    return list;
}

static bool contains(struct cf_exec *x, const struct cf_seq *seq, struct cf_val val)
{
    for (size_t i = 0; i < seq->count; i++)
        if (cf_val_deep_equal(x->run, seq->items[i], val))
            return true;
    return false;
}

CF_FUNC(f_uniq)
{
    CF_UNUSED;
    struct cf_seq *seq = list_of(x, a[0], "uniq");
    struct cf_val list = cf_val_list(x->run, seq->count);
    for (size_t i = 0; i < seq->count; i++)
        if (!contains(x, list.seq, seq->items[i]))
            cf_seq_add(x->run, list.seq, seq->items[i]);
    return list;
}

CF_FUNC(f_without)
{
    struct cf_seq *seq = list_of(x, a[0], "without");
    struct cf_seq unwanted = {.count = n - 1, .items = (struct cf_val *)a + 1};
    struct cf_val list = cf_val_list(x->run, seq->count);
    for (size_t i = 0; i < seq->count; i++)
        if (!contains(x, &unwanted, seq->items[i]))
            cf_seq_add(x->run, list.seq, seq->items[i]);
    return list;
}

CF_FUNC(f_has)
{
    CF_UNUSED;
    if (a[1].kind == CF_NIL)
        return cf_val_bool(false);
    return cf_val_bool(contains(x, list_of(x, a[1], "has"), a[0]));
}

CF_FUNC(f_chunk)
{
    CF_UNUSED;
    struct cf_seq *seq = list_of(x, a[1], "chunk");
    struct cf_val list = cf_val_list(x->run, 4);
    size_t size = a[0].i > 0 ? (size_t)a[0].i : 1;
    for (size_t at = 0; at < seq->count; at += size)
        cf_seq_add(x->run, list.seq,
                   sublist(x, seq, at, seq->count - at < size ? seq->count : at + size));
    return list;
}

static int compare_strings(const void *left, const void *right)
{
    const struct cf_val *a = left, *b = right;
    int order = memcmp(a->str, b->str, a->len < b->len ? a->len : b->len);
    return order ? order : a->len < b->len ? -1 : a->len > b->len;
}

CF_FUNC(f_sort_alpha)
{
    CF_UNUSED;
    struct cf_val list = cf_val_to_strings(x->run, a[0]);
    if (list.seq->count)
        qsort(list.seq->items, list.seq->count, sizeof(struct cf_val), compare_strings);
    return list;
}

static struct cf_val count_up(struct cf_exec *x, int64_t start, int64_t stop, int64_t step)
{
    struct cf_val list = cf_val_list(x->run, 0);
    list.type = CF_T_INTS;
    if (!step || (step > 0) != (stop > start))
        return list;
    uint64_t span = step > 0 ? (uint64_t)stop - (uint64_t)start : (uint64_t)start - (uint64_t)stop;
    uint64_t stride = step > 0 ? (uint64_t)step : 0 - (uint64_t)step;
    uint64_t count = (span + stride - 1) / stride;
    cf_run_step(x->run, count);
    list = cf_val_list(x->run, count);
    list.type = CF_T_INTS;
    for (uint64_t i = 0; i < count; i++)
        list.seq->items[i] = cf_val_int(start + (int64_t)i * step);
    list.seq->count = count;
    return list;
}

CF_FUNC(f_until)
{
    CF_UNUSED;
    return count_up(x, 0, a[0].i, a[0].i < 0 ? -1 : 1);
}

CF_FUNC(f_until_step)
{
    CF_UNUSED;
    return count_up(x, a[0].i, a[1].i, a[2].i);
}

/* seq LAST, seq FIRST LAST, seq FIRST STEP LAST: as seq(1), inclusive, with spaces between. */
CF_FUNC(f_seq)
{
    int64_t start = 1, step = 1, end = 0;
    struct cf_text text;
    cf_text_init(&text, x->run);
    if (!n || n > 3)
        return cf_val_str("", 0);
    end = a[n - 1].i;
    if (n > 1)
        start = a[0].i;
    step = n == 3 ? a[1].i : end < start ? -1 : 1;
    if (!step || (n == 3 && (step > 0) != (end > start) && end != start))
        return cf_val_str("", 0);
    for (int64_t i = start; step > 0 ? i <= end : i >= end;) {
        cf_run_step(x->run, 1);
        cf_text_printf(&text, text.len ? " %lld" : "%lld", (long long)i);
        if (__builtin_add_overflow(i, step, &i))
            break;
    }
    return cf_val_text(&text);
}

const struct cf_func cf_funcs_lists[] = {
    {"list", "*a", f_list},
    {"tuple", "*a", f_list},
    CF_FUNC_AND_MUST("first", "mustFirst", "a", f_first),
    CF_FUNC_AND_MUST("last", "mustLast", "a", f_last),
    CF_FUNC_AND_MUST("rest", "mustRest", "a", f_rest),
    CF_FUNC_AND_MUST("initial", "mustInitial", "a", f_initial),
    CF_FUNC_AND_MUST("append", "mustAppend", "aa", f_append),
    CF_FUNC_AND_MUST("push", "mustPush", "aa", f_append),
    CF_FUNC_AND_MUST("prepend", "mustPrepend", "aa", f_prepend),
    {"concat", "*a", f_concat},
    CF_FUNC_AND_MUST("reverse", "mustReverse", "a", f_reverse),
    CF_FUNC_AND_MUST("compact", "mustCompact", "a", f_compact),
    CF_FUNC_AND_MUST("uniq", "mustUniq", "a", f_uniq),
    CF_FUNC_AND_MUST("without", "mustWithout", "a*a", f_without),
    CF_FUNC_AND_MUST("has", "mustHas", "aa", f_has),
    CF_FUNC_AND_MUST("chunk", "mustChunk", "ia", f_chunk),
    {"sortAlpha", "a", f_sort_alpha},
    {"until", "i", f_until},
    {"untilStep", "iii", f_until_step},
    {"seq", "*i", f_seq},
    {NULL},
};
