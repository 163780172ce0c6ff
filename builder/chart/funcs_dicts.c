/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sprig's functions on maps. `set`, `unset` and the merges change the map that they are given, and
 * nested maps are shared, all as in Go; `keys` and `values` come sorted, where Go's order is
 * chance.
 */
#include "dicts.h"
#include "format.h"
#include "func.h"

#include <string.h>

static const struct cf_dict *dict_of(struct cf_val val)
{
    static const struct cf_dict none;
    return val.kind == CF_MAP ? val.dict : &none;
}

CF_FUNC(f_dict)
{
    struct cf_val map = cf_val_map(x->run, n / 2 + 1);
    for (size_t i = 0; i < n; i += 2) {
        struct cf_val key = cf_format_str(x->run, a[i]);
        struct cf_val val = i + 1 < n ? a[i + 1] : cf_val_str("", 0);
        if (val.kind == CF_NIL)
            val.type = CF_T_INTERFACE;
        cf_dict_set(x->run, map.dict, key.str, key.len, val);
    }
    return map;
}

CF_FUNC(f_get)
{
    CF_UNUSED;
    const struct cf_val *found = cf_dict_get(dict_of(a[0]), a[1].str, a[1].len);
    return found ? *found : cf_val_str("", 0);
}

CF_FUNC(f_set)
{
    CF_UNUSED;
    if (a[0].kind == CF_NIL)
        cf_func_fail(x, "assignment to entry in nil map");
    cf_dict_set(x->run, a[0].dict, a[1].str, a[1].len, a[2]);
    return a[0];
}

CF_FUNC(f_unset)
{
    CF_UNUSED;
    if (a[0].kind == CF_MAP)
        (void)cf_dict_unset(a[0].dict, a[1].str, a[1].len);
    return a[0];
}

CF_FUNC(f_has_key)
{
    CF_UNUSED;
    return cf_val_bool(cf_dict_get(dict_of(a[0]), a[1].str, a[1].len) != NULL);
}

CF_FUNC(f_pluck)
{
    struct cf_val list = cf_val_list(x->run, n);
    for (size_t i = 1; i < n; i++) {
        const struct cf_val *found = cf_dict_get(dict_of(a[i]), a[0].str, a[0].len);
        if (found)
            cf_seq_add(x->run, list.seq, *found);
    }
    return list;
}

CF_FUNC(f_keys)
{
    struct cf_val list = cf_val_list(x->run, 8);
    list.type = CF_T_STRINGS;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < dict_of(a[i])->count; j++)
            cf_seq_add(x->run, list.seq,
                       cf_val_str(a[i].dict->entries[j].key, a[i].dict->entries[j].key_len));
    return list;
}

CF_FUNC(f_values)
{
    CF_UNUSED;
    struct cf_val list = cf_val_list(x->run, 8);
    for (size_t j = 0; j < dict_of(a[0])->count; j++)
        cf_seq_add(x->run, list.seq, a[0].dict->entries[j].val);
    return list;
}

static struct cf_val pick(struct cf_exec *x, const struct cf_val *a, size_t n, bool wanted)
{
    const struct cf_dict *dict = dict_of(a[0]);
    struct cf_val map = cf_val_map(x->run, dict->count);
    for (size_t i = 0; i < dict->count; i++) {
        bool named = false;
        for (size_t j = 1; j < n && !named; j++)
            named = a[j].len == dict->entries[i].key_len &&
                    !memcmp(a[j].str, dict->entries[i].key, a[j].len);
        if (named == wanted)
            map.dict->entries[map.dict->count++] = dict->entries[i];
    }
    return map;
}

CF_FUNC(f_pick)
{
    return pick(x, a, n, true);
}

CF_FUNC(f_omit)
{
    return pick(x, a, n, false);
}

void cf_dict_merge(struct cf_run *run, struct cf_dict *dst, const struct cf_dict *src,
                   bool overwrite)
{
    cf_run_check_stack(run);
    if (dst == src)
        return;
    for (size_t i = 0; i < src->count; i++) {
        const struct cf_entry *e = &src->entries[i];
        const struct cf_val *old = cf_dict_get(dst, e->key, e->key_len);
        bool full = old && cf_val_true(*old);
        cf_run_step(run, 1);
        if (e->val.kind == CF_NIL) {
            if (overwrite)
                cf_dict_set(run, dst, e->key, e->key_len, e->val);
            continue;
        }
        if (e->val.kind == CF_MAP && old && old->kind == CF_MAP)
            cf_dict_merge(run, old->dict, e->val.dict, overwrite);
        if (e->val.kind == CF_MAP && full)
            continue;
        if (overwrite || !full)
            cf_dict_set(run, dst, e->key, e->key_len, e->val);
    }
}

static struct cf_val merge(struct cf_exec *x, const struct cf_val *a, size_t n, bool overwrite)
{
    for (size_t i = 1; i < n; i++) {
        if (a[0].kind == CF_NIL && dict_of(a[i])->count)
            cf_func_fail(x, "assignment to entry in nil map");
        if (a[i].kind == CF_MAP && a[0].kind == CF_MAP)
            cf_dict_merge(x->run, a[0].dict, a[i].dict, overwrite);
    }
    return a[0].kind == CF_NIL ? cf_val_map(x->run, 0) : a[0];
}

CF_FUNC(f_merge)
{
    return merge(x, a, n, false);
}

CF_FUNC(f_merge_overwrite)
{
    return merge(x, a, n, true);
}

CF_FUNC(f_deep_copy)
{
    CF_UNUSED;
    return cf_val_deep_copy(x->run, a[0]);
}

/* dig "a" "b" DEFAULT MAP */
CF_FUNC(f_dig)
{
    struct cf_val at = a[n - 1];
    if (n < 3)
        cf_func_fail(x, "runtime error: dig needs at least three arguments");
    if (at.kind != CF_MAP)
        cf_func_fail(x, "interface conversion: interface {} is %s, not map[string]interface {}",
                     at.kind == CF_NIL ? "nil" : cf_val_type_name(at));
    for (size_t i = 0; i + 2 < n; i++) {
        if (a[i].kind != CF_STRING)
            cf_func_fail(x, "interface conversion: interface {} is %s, not string",
                         cf_val_type_name(a[i]));
        const struct cf_val *found = cf_dict_get(dict_of(at), a[i].str, a[i].len);
        if (!found)
            return a[n - 2];
        at = *found;
        if (i + 3 < n && at.kind != CF_MAP)
            cf_func_fail(x, "interface conversion: interface {} is %s, not map[string]interface {}",
                         at.kind == CF_NIL ? "nil" : cf_val_type_name(at));
    }
    return at;
}

const struct cf_func cf_funcs_dicts[] = {
    {"dict", "*a", f_dict},
    {"get", "ms", f_get},
    {"set", "msa", f_set},
    {"unset", "ms", f_unset},
    {"hasKey", "ms", f_has_key},
    {"pluck", "s*m", f_pluck},
    {"keys", "*m", f_keys},
    {"values", "m", f_values},
    {"pick", "m*s", f_pick},
    {"omit", "m*s", f_omit},
    CF_FUNC_AND_MUST("merge", "mustMerge", "m*m", f_merge),
    CF_FUNC_AND_MUST("mergeOverwrite", "mustMergeOverwrite", "m*m", f_merge_overwrite),
    CF_FUNC_AND_MUST("deepCopy", "mustDeepCopy", "a", f_deep_copy),
    {"dig", "a*a", f_dig},
    {NULL},
};
