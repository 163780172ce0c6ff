/* SPDX-License-Identifier: Apache-2.0 */
/* What Helm adds: include, tpl, required, fail, lookup. */
#include "format.h"
#include "func.h"

#include <string.h>

/* What a missing value prints as is dropped, wherever text of a template becomes final. */
struct cf_val cf_without_no_value(struct cf_run *run, struct cf_text *text)
{
    static const char mark[] = "<no value>";
    const size_t size = sizeof mark - 1;
    if (!text->data || !memmem(text->data, text->len, mark, size))
        return cf_val_text(text);
    struct cf_text out;
    cf_text_init(&out, run);
    for (size_t at = 0; at < text->len;) {
        const char *found = memmem(text->data + at, text->len - at, mark, size);
        size_t end = found ? (size_t)(found - text->data) : text->len;
        cf_text_add(&out, text->data + at, end - at);
        at = found ? end + size : end;
    }
    return cf_val_text(&out);
}

CF_FUNC(f_include)
{
    CF_UNUSED;
    struct cf_text text;
    const struct cf_tree *tree = cf_template_find(x->engine->set, a[0].str, a[0].len);
    if (!tree)
        cf_func_fail(x, "template: no template \"%s\" associated with template \"gotpl\"",
                     a[0].str);
    cf_text_init(&text, x->run);
    cf_exec_template(x->engine, tree, a[1], &text);
    return cf_val_text(&text);
}

/* The text's own definitions are seen by it alone. */
CF_FUNC(f_tpl)
{
    CF_UNUSED;
    const struct cf_template_set *outer = x->engine->set;
    struct cf_template_set *set = cf_run_alloc(x->run, sizeof *set);
    struct cf_text text;
    if (!memmem(a[0].str, a[0].len, "{{", 2)) {
        cf_text_init(&text, x->run);
        cf_text_add(&text, a[0].str, a[0].len);
        return cf_without_no_value(x->run, &text);
    }
    set->trees = cf_val_map(x->run, 4).dict;
    set->outer = outer;
    const struct cf_tree *tree = cf_template_parse(
        x->run, set, cf_run_strdup(x->run, x->tree->parse_name), a[0].str, a[0].len);
    x->engine->set = set;
    cf_text_init(&text, x->run);
    cf_exec_template(x->engine, tree, a[1], &text);
    x->engine->set = outer;
    return cf_without_no_value(x->run, &text);
}

CF_FUNC(f_required)
{
    CF_UNUSED;
    if (a[1].kind == CF_NIL || (a[1].kind == CF_STRING && !a[1].len))
        cf_func_fail_message(x, a[0].str);
    return a[1];
}

CF_FUNC(f_fail)
{
    CF_UNUSED;
    cf_func_fail_message(x, a[0].str);
}

/* There is no cluster. */
CF_FUNC(f_lookup)
{
    CF_UNUSED;
    return cf_val_map(x->run, 0);
}

const struct cf_func cf_funcs_helm[] = {
    {"include", "sa", f_include}, {"tpl", "sa", f_tpl},         {"required", "sa", f_required},
    {"fail", "s", f_fail},        {"lookup", "ssss", f_lookup}, {NULL},
};
