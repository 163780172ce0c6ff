/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which values a chart sees, and which of its subcharts are used. Source of the rules: Helm's
 * chartutil (coalesce.go, dependencies.go).
 */
#include "model.h"
#include "semver.h"

#include <errno.h>
#include <string.h>

void cf_tables_coalesce(struct cf_run *run, struct cf_dict *dst, const struct cf_dict *src)
{
    cf_run_check_stack(run);
    if (dst == src)
        return;
    for (size_t i = 0; i < src->count; i++) {
        const struct cf_entry *e = &src->entries[i];
        const struct cf_val *old = cf_dict_get(dst, e->key, e->key_len);
        cf_run_step(run, 1);
        if (!old)
            cf_dict_set(run, dst, e->key, e->key_len, e->val);
        else if (old->kind == CF_NIL)
            (void)cf_dict_unset(dst, e->key, e->key_len);
        else if (old->kind == CF_MAP && e->val.kind == CF_MAP)
            cf_tables_coalesce(run, old->dict, e->val.dict);
    }
}

/* The chart's own values below those that are there; null there removes a key. */
static void coalesce_values(struct cf_run *run, const struct cf_subchart *chart,
                            struct cf_dict *vals)
{
    struct cf_val own = cf_val_deep_copy(run, chart->values);
    for (size_t i = 0; i < own.dict->count; i++) {
        const struct cf_entry *e = &own.dict->entries[i];
        const struct cf_val *old = cf_dict_get(vals, e->key, e->key_len);
        if (!old)
            cf_dict_set(run, vals, e->key, e->key_len, e->val);
        else if (old->kind == CF_NIL)
            (void)cf_dict_unset(vals, e->key, e->key_len);
        else if (old->kind == CF_MAP && e->val.kind == CF_MAP)
            cf_tables_coalesce(run, old->dict, e->val.dict);
    }
}

static struct cf_dict *table(struct cf_run *run, struct cf_dict *dict, const char *key)
{
    const struct cf_val *val = cf_dict_get_str(dict, key);
    if (val)
        return val->kind == CF_MAP ? val->dict : NULL;
    struct cf_val map = cf_val_map(run, 0);
    cf_dict_set_str(run, dict, key, map);
    return map.dict;
}

static void coalesce_globals(struct cf_run *run, struct cf_dict *dst, struct cf_dict *src)
{
    const struct cf_val *global = cf_dict_get_str(src, "global");
    struct cf_dict *to = table(run, dst, "global");
    if (!to || !global || global->kind != CF_MAP)
        return;
    for (size_t i = 0; i < global->dict->count; i++) {
        const struct cf_entry *e = &global->dict->entries[i];
        const struct cf_val *old = cf_dict_get(to, e->key, e->key_len);
        if (e->val.kind == CF_MAP) {
            struct cf_val copy = cf_val_deep_copy(run, e->val);
            if (old && old->kind == CF_MAP)
                cf_tables_coalesce(run, copy.dict, old->dict);
            cf_dict_set(run, to, e->key, e->key_len, copy);
        } else if (!old || old->kind != CF_MAP) {
            cf_dict_set(run, to, e->key, e->key_len, e->val);
        }
    }
}

static void coalesce(struct cf_run *run, const struct cf_subchart *chart, struct cf_dict *vals)
{
    coalesce_values(run, chart, vals);
    for (size_t i = 0; i < chart->chart_count; i++) {
        const struct cf_subchart *sub = chart->charts[i];
        struct cf_dict *inner = table(run, vals, sub->name);
        if (!inner)
            cf_run_throw(run, -EINVAL, "type mismatch on %s: its values are no map", sub->name);
        coalesce_globals(run, inner, vals);
        coalesce(run, sub, inner);
    }
}

struct cf_val cf_chart_coalesce(struct cf_run *run, const struct cf_subchart *chart,
                                struct cf_val vals)
{
    coalesce(run, chart, vals.dict);
    return vals;
}

const struct cf_val *cf_value_at(const struct cf_dict *dict, const char *path)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        const struct cf_val *val = cf_dict_get(dict, path, len);
        if (!val || !path[len])
            return val;
        if (val->kind != CF_MAP)
            return NULL;
        dict = val->dict;
        path += len + 1;
    }
}

/* ---- conditions and tags ---- */

static bool fits(struct cf_run *run, const struct cf_subchart *chart,
                 const struct cf_dependency *dependency)
{
    struct cf_version version;
    if (strcmp(chart->name, dependency->name))
        return false;
    if (!*dependency->version)
        return true;
    if (!cf_version_parse(run, chart->version, strlen(chart->version), &version))
        return false;
    return cf_version_matches(run, dependency->version, strlen(dependency->version), &version) > 0;
}

static struct cf_subchart *copy_chart(struct cf_run *run, const struct cf_subchart *chart,
                                      const char *name)
{
    struct cf_subchart *copy = cf_run_alloc(run, sizeof *copy);
    *copy = *chart;
    copy->name = name;
    copy->metadata = cf_val_deep_copy(run, chart->metadata);
    cf_dict_set_str(run, copy->metadata.dict, "Name", cf_val_cstr(name));
    copy->charts = cf_run_alloc_array(run, chart->chart_count + 1, sizeof(struct cf_subchart *));
    for (size_t i = 0; i < chart->chart_count; i++)
        copy->charts[i] = copy_chart(run, chart->charts[i], chart->charts[i]->name);
    copy->dependencies =
        cf_run_alloc_array(run, chart->dependency_count + 1, sizeof *copy->dependencies);
    if (chart->dependency_count)
        memcpy(copy->dependencies, chart->dependencies,
               chart->dependency_count * sizeof *copy->dependencies);
    return copy;
}

/* What Chart.yaml lists, under its aliases; and what it does not list. */
static void apply_aliases(struct cf_run *run, struct cf_subchart *chart)
{
    size_t count = 0;
    struct cf_subchart **charts =
        cf_run_alloc_array(run, chart->chart_count + chart->dependency_count + 1, sizeof *charts);
    for (size_t i = 0; i < chart->chart_count; i++) {
        bool listed = false;
        for (size_t j = 0; j < chart->dependency_count && !listed; j++)
            listed = fits(run, chart->charts[i], &chart->dependencies[j]);
        if (!listed)
            charts[count++] = chart->charts[i];
    }
    for (size_t j = 0; j < chart->dependency_count; j++) {
        struct cf_dependency *d = &chart->dependencies[j];
        for (size_t i = 0; i < chart->chart_count; i++)
            if (fits(run, chart->charts[i], d)) {
                charts[count++] = copy_chart(run, chart->charts[i], *d->alias ? d->alias : d->name);
                break;
            }
        if (*d->alias)
            d->name = d->alias;
        d->enabled = true;
    }
    chart->charts = charts;
    chart->chart_count = count;
}

static void apply_tags(struct cf_subchart *chart, const struct cf_dict *vals)
{
    const struct cf_val *tags = cf_dict_get_str(vals, "tags");
    for (size_t i = 0; tags && tags->kind == CF_MAP && i < chart->dependency_count; i++) {
        struct cf_dependency *d = &chart->dependencies[i];
        bool yes = false, no = false;
        for (size_t j = 0; j < d->tags.seq->count; j++) {
            const struct cf_val tag = d->tags.seq->items[j];
            const struct cf_val *val =
                tag.kind == CF_STRING ? cf_dict_get(tags->dict, tag.str, tag.len) : NULL;
            if (val && val->kind == CF_BOOL) {
                yes = yes || val->b;
                no = no || !val->b;
            }
        }
        if (no && !yes)
            d->enabled = false;
    }
}

/* The first of the paths that has a boolean decides. */
static void apply_conditions(struct cf_run *run, struct cf_subchart *chart,
                             const struct cf_dict *vals, const char *prefix)
{
    for (size_t i = 0; i < chart->dependency_count; i++) {
        struct cf_dependency *d = &chart->dependencies[i];
        for (const char *at = d->condition; *at;) {
            size_t len = strcspn(at, ",");
            const char *start = at;
            at += len + (at[len] == ',');
            while (len && *start == ' ') {
                start++;
                len--;
            }
            while (len && start[len - 1] == ' ')
                len--;
            if (!len)
                continue;
            const struct cf_val *val =
                cf_value_at(vals, cf_run_format(run, "%s%.*s", prefix, (int)len, start));
            if (val && val->kind == CF_BOOL) {
                d->enabled = val->b;
                break;
            }
        }
    }
}

static void drop_disabled(struct cf_run *run, struct cf_subchart *chart, struct cf_val vals,
                          const char *prefix)
{
    if (!chart->has_dependencies)
        return;
    apply_aliases(run, chart);
    vals = cf_chart_coalesce(run, chart, cf_val_deep_copy(run, vals));
    apply_tags(chart, vals.dict);
    apply_conditions(run, chart, vals.dict, prefix);
    size_t kept = 0;
    for (size_t i = 0; i < chart->chart_count; i++) {
        bool enabled = true;
        for (size_t j = 0; j < chart->dependency_count; j++)
            if (!chart->dependencies[j].enabled &&
                !strcmp(chart->dependencies[j].name, chart->charts[i]->name))
                enabled = false;
        if (enabled)
            chart->charts[kept++] = chart->charts[i];
    }
    chart->chart_count = kept;
    for (size_t i = 0; i < kept; i++)
        drop_disabled(run, chart->charts[i], vals,
                      cf_run_format(run, "%s%s.", prefix, chart->charts[i]->name));
}

/* ---- import-values ---- */

/* from, as a.b.c says, merged into what is imported. */
static void import_into(struct cf_run *run, struct cf_dict *imported, const char *path,
                        const struct cf_dict *from)
{
    struct cf_val tree = cf_val_map(run, 1), at = tree;
    if (strcmp(path, ".") && *path) {
        for (size_t len; *path; path += len + (path[len] == '.')) {
            struct cf_val inner = cf_val_map(run, 1);
            len = strcspn(path, ".");
            cf_dict_set(run, at.dict, path, len, inner);
            at = inner;
        }
    }
    cf_tables_coalesce(run, at.dict, from);
    cf_tables_coalesce(run, imported, tree.dict);
}

static void import_one(struct cf_run *run, const struct cf_dependency *d, struct cf_val what,
                       const struct cf_dict *vals, struct cf_dict *imported)
{
    const char *child = NULL, *parent = ".";
    if (what.kind == CF_STRING) {
        child = cf_run_format(run, "exports.%s", what.str);
    } else if (what.kind == CF_MAP) {
        const struct cf_val *c = cf_dict_get_str(what.dict, "child"),
                            *p = cf_dict_get_str(what.dict, "parent");
        if (c && p && c->kind == CF_STRING && p->kind == CF_STRING) {
            child = c->str;
            parent = p->str;
        }
    }
    if (!child)
        return;
    const struct cf_val *table_val = cf_value_at(vals, cf_run_format(run, "%s.%s", d->name, child));
    if (table_val && table_val->kind == CF_MAP)
        import_into(run, imported, parent, cf_val_deep_copy(run, *table_val).dict);
}

static void import_values(struct cf_run *run, struct cf_subchart *chart)
{
    bool any = false;
    for (size_t i = 0; i < chart->chart_count; i++)
        import_values(run, chart->charts[i]);
    for (size_t i = 0; i < chart->dependency_count; i++)
        any = any ||
              (chart->dependencies[i].enabled && chart->dependencies[i].import_values.seq->count);
    if (!any)
        return;
    struct cf_val vals = cf_chart_coalesce(run, chart, cf_val_map(run, 0)),
                  imported = cf_val_map(run, 0);
    for (size_t i = 0; i < chart->dependency_count; i++) {
        const struct cf_dependency *d = &chart->dependencies[i];
        for (size_t j = 0; d->enabled && j < d->import_values.seq->count; j++)
            import_one(run, d, d->import_values.seq->items[j], vals.dict, imported.dict);
    }
    cf_tables_coalesce(run, vals.dict, imported.dict); /* what the parent says has priority */
    chart->values = vals;
}

static void set_paths(struct cf_run *run, struct cf_subchart *chart, struct cf_subchart *parent)
{
    chart->parent = parent;
    chart->path =
        parent ? cf_run_format(run, "%s/charts/%s", parent->path, chart->name) : chart->name;
    for (size_t i = 0; i < chart->chart_count; i++)
        set_paths(run, chart->charts[i], chart);
}

struct cf_subchart *cf_chart_prepare(struct cf_run *run, const struct cf_subchart *chart,
                                     struct cf_val vals)
{
    struct cf_subchart *copy = copy_chart(run, chart, chart->name);
    drop_disabled(run, copy, vals, "");
    import_values(run, copy);
    set_paths(run, copy, NULL);
    return copy;
}
