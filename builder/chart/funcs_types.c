/* SPDX-License-Identifier: Apache-2.0 */
/* Sprig's defaults, and what it tells of types. */
#include "func.h"

#include <string.h>

CF_FUNC(f_default)
{
    (void)x;
    return n > 1 && cf_val_true(a[1]) ? a[1] : a[0];
}

CF_FUNC(f_empty)
{
    CF_UNUSED;
    return cf_val_bool(!cf_val_true(a[0]));
}

CF_FUNC(f_coalesce)
{
    (void)x;
    for (size_t i = 0; i < n; i++)
        if (cf_val_true(a[i]))
            return a[i];
    return CF_NIL_VAL;
}

CF_FUNC(f_all)
{
    (void)x;
    for (size_t i = 0; i < n; i++)
        if (!cf_val_true(a[i]))
            return cf_val_bool(false);
    return cf_val_bool(true);
}

CF_FUNC(f_any)
{
    (void)x;
    for (size_t i = 0; i < n; i++)
        if (cf_val_true(a[i]))
            return cf_val_bool(true);
    return cf_val_bool(false);
}

CF_FUNC(f_ternary)
{
    CF_UNUSED;
    return a[2].b ? a[0] : a[1];
}

static const char *type_of(struct cf_val val)
{
    return val.kind == CF_NIL ? "<nil>" : cf_val_type_name(val);
}

CF_FUNC(f_type_of)
{
    CF_UNUSED;
    return cf_val_cstr(type_of(a[0]));
}

CF_FUNC(f_type_is)
{
    CF_UNUSED;
    return cf_val_bool(cf_val_is_str(a[0], type_of(a[1])));
}

CF_FUNC(f_type_is_like)
{
    CF_UNUSED;
    const char *type = type_of(a[1]);
    return cf_val_bool(cf_val_is_str(a[0], type) ||
                       (*type == '*' && cf_val_is_str(a[0], type + 1)));
}

CF_FUNC(f_kind_of)
{
    CF_UNUSED;
    return cf_val_cstr(cf_val_kind_name(a[0]));
}

CF_FUNC(f_kind_is)
{
    CF_UNUSED;
    return cf_val_bool(cf_val_is_str(a[0], cf_val_kind_name(a[1])));
}

CF_FUNC(f_deep_equal)
{
    CF_UNUSED;
    return cf_val_bool(cf_val_deep_equal(x->run, a[0], a[1]));
}

const struct cf_func cf_funcs_types[] = {
    {"default", "a*a", f_default},
    {"empty", "a", f_empty},
    {"coalesce", "*a", f_coalesce},
    {"all", "*a", f_all},
    {"any", "*a", f_any},
    {"ternary", "aab", f_ternary},
    {"typeOf", "a", f_type_of},
    {"typeIs", "sa", f_type_is},
    {"typeIsLike", "sa", f_type_is_like},
    {"kindOf", "a", f_kind_of},
    {"kindIs", "sa", f_kind_is},
    {"deepEqual", "aa", f_deep_equal},
    {NULL},
};
