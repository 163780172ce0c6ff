/* SPDX-License-Identifier: Apache-2.0 */
/*
 * values.schema.json: the keywords of JSON schema draft-7 that charts use. "format" says nothing,
 * and
 * "$ref" leads within the same document only. Messages are worded as by gojsonschema, which Helm
 * uses.
 */
#include "document.h"
#include "model.h"
#include "number.h"
#include "regex.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_MESSAGES = 8, MAX_REFS = 64 };

struct checker {
    struct cf_run *run;
    struct cf_val root;  /* the schema */
    struct cf_text *out; /* NULL: only whether it is good */
    unsigned messages, refs;
};

static bool check(struct checker *c, struct cf_val schema, struct cf_val val, const char *path);

/* Always false, for `return complain(...)`. */
static bool complain(struct checker *c, const char *path, const char *what)
{
    if (c->out && c->messages++ < MAX_MESSAGES)
        cf_text_printf(c->out, " - %s: %s", *path ? path : "(root)", what);
    return false;
}

static const struct cf_val *get(struct cf_val schema, const char *key)
{
    return cf_dict_get_str(schema.dict, key);
}

static const char *kind_name(struct cf_val val)
{
    switch (val.kind) {
    case CF_NIL:
        return "null";
    case CF_BOOL:
        return "boolean";
    case CF_INT:
        return "integer";
    case CF_FLOAT:
        return val.f == floor(val.f) ? "integer" : "number";
    case CF_STRING:
        return "string";
    case CF_LIST:
        return "array";
    default:
        return "object";
    }
}

static bool has_kind(struct cf_val val, struct cf_val name)
{
    const char *kind = kind_name(val);
    return cf_val_is_str(name, kind) || (cf_val_is_str(name, "number") && !strcmp(kind, "integer"));
}

static bool check_type(struct checker *c, struct cf_val type, struct cf_val val, const char *path)
{
    struct cf_text wanted;
    bool good = type.kind == CF_STRING && has_kind(val, type);
    cf_text_init(&wanted, c->run);
    if (type.kind == CF_STRING)
        cf_text_str(&wanted, type.str);
    for (size_t i = 0; type.kind == CF_LIST && i < type.seq->count; i++) {
        struct cf_val one = type.seq->items[i];
        good = good || has_kind(val, one);
        cf_text_printf(&wanted, "%s%s", i ? "/" : "", one.kind == CF_STRING ? one.str : "");
    }
    return good || complain(c, path,
                            cf_run_format(c->run, "Invalid type. Expected: %s, given: %s",
                                          wanted.data ? wanted.data : "", kind_name(val)));
}

static double number(struct cf_val val)
{
    return val.kind == CF_INT ? (double)val.i : val.f;
}

static bool is_number(const struct cf_val *val)
{
    return val && (val->kind == CF_FLOAT || val->kind == CF_INT);
}

static bool equal(struct checker *c, struct cf_val a, struct cf_val b)
{
    struct cf_text left, right; /* as JSON, so that integers of --set equal those of files */
    cf_text_init(&left, c->run);
    cf_text_init(&right, c->run);
    (void)cf_document_put_json(&left, a, NULL, false);
    (void)cf_document_put_json(&right, b, NULL, false);
    return left.len == right.len && !memcmp(left.data, right.data, left.len);
}

static bool check_enum(struct checker *c, struct cf_val list, struct cf_val val, const char *path)
{
    struct cf_text all;
    cf_text_init(&all, c->run);
    for (size_t i = 0; list.kind == CF_LIST && i < list.seq->count; i++) {
        if (equal(c, list.seq->items[i], val))
            return true;
        if (i)
            cf_text_str(&all, ", ");
        (void)cf_document_put_json(&all, list.seq->items[i], NULL, false);
    }
    const char *last = strrchr(path, '.');
    return complain(c, path,
                    cf_run_format(c->run, "%s must be one of the following: %s",
                                  last    ? last + 1
                                  : *path ? path
                                          : "(root)",
                                  all.data ? all.data : ""));
}

/* One keyword that compares a size with a number. */
static bool check_bound(struct checker *c, struct cf_val schema, const char *key, double size,
                        int sign, bool open, const char *path, const char *what)
{
    const struct cf_val *bound = get(schema, key);
    char digits[64];
    struct cf_text text;
    if (!is_number(bound))
        return true;
    double distance = (size - number(*bound)) * sign; /* sign 1: a least, -1: a most */
    if (open ? distance > 0 : distance >= 0)
        return true;
    cf_text_init(&text, c->run);
    cf_number_json(&text, number(*bound));
    snprintf(digits, sizeof digits, "%.60s", text.data);
    return complain(c, path, cf_run_format(c->run, "%s %s", what, digits));
}

static bool matches(struct checker *c, struct cf_val pattern, const char *str, size_t len)
{
    const char *why;
    struct cf_match m;
    const struct cf_regex *regex =
        pattern.kind == CF_STRING ? cf_regex_compile(c->run, pattern.str, pattern.len, &why) : NULL;
    return !regex || cf_regex_match(regex, str, len, 0, &m) != 0;
}

static bool check_string(struct checker *c, struct cf_val schema, struct cf_val val,
                         const char *path)
{
    double runes = (double)cf_rune_count(val.str, val.len);
    const struct cf_val *pattern = get(schema, "pattern");
    bool good = check_bound(c, schema, "minLength", runes, 1, false, path,
                            "String length must be greater than or equal to") &
                check_bound(c, schema, "maxLength", runes, -1, false, path,
                            "String length must be less than or equal to");
    if (pattern && !matches(c, *pattern, val.str, val.len))
        good =
            complain(c, path, cf_run_format(c->run, "Does not match pattern '%s'", pattern->str));
    return good;
}

static bool check_number(struct checker *c, struct cf_val schema, struct cf_val val,
                         const char *path)
{
    const struct cf_val *step = get(schema, "multipleOf");
    double f = number(val);
    bool good =
        check_bound(c, schema, "minimum", f, 1, false, path, "Must be greater than or equal to") &
        check_bound(c, schema, "maximum", f, -1, false, path, "Must be less than or equal to") &
        check_bound(c, schema, "exclusiveMinimum", f, 1, true, path, "Must be greater than") &
        check_bound(c, schema, "exclusiveMaximum", f, -1, true, path, "Must be less than");
    if (is_number(step) && number(*step) > 0 && fmod(f, number(*step)) != 0)
        good = complain(c, path, "Must be a multiple of the schema's multipleOf");
    return good;
}

static const char *join(struct checker *c, const char *path, const char *key, size_t len)
{
    return cf_run_format(c->run, "%s%s%.*s", path, *path ? "." : "", (int)len, key);
}

static bool check_items(struct checker *c, struct cf_val schema, struct cf_val val,
                        const char *path)
{
    const struct cf_val *items = get(schema, "items"), *unique = get(schema, "uniqueItems");
    double count = (double)val.seq->count;
    bool good =
        check_bound(c, schema, "minItems", count, 1, false, path, "Array must have at least") &
        check_bound(c, schema, "maxItems", count, -1, false, path, "Array must have at most");
    for (size_t i = 0; items && i < val.seq->count; i++) {
        char *inner = cf_run_format(c->run, "%s%s%zu", path, *path ? "." : "", i);
        if (items->kind != CF_LIST)
            good = check(c, *items, val.seq->items[i], inner) && good;
        else if (i < items->seq->count)
            good = check(c, items->seq->items[i], val.seq->items[i], inner) && good;
    }
    for (size_t i = 0;
         unique && unique->kind == CF_BOOL && unique->b && i < val.seq->count && i < 1000; i++)
        for (size_t j = 0; j < i; j++)
            if (equal(c, val.seq->items[i], val.seq->items[j]))
                return complain(c, path, "array items must be unique");
    return good;
}

/* One member: by its name, by patterns, else by additionalProperties. */
static bool check_member(struct checker *c, struct cf_val schema, const struct cf_entry *e,
                         const char *path)
{
    const struct cf_val *named = get(schema, "properties"),
                        *patterns = get(schema, "patternProperties"),
                        *more = get(schema, "additionalProperties"),
                        *names = get(schema, "propertyNames");
    const struct cf_val *own =
        named && named->kind == CF_MAP ? cf_dict_get(named->dict, e->key, e->key_len) : NULL;
    const char *inner = join(c, path, e->key, e->key_len);
    bool known = own != NULL, good = !own || check(c, *own, e->val, inner);
    for (size_t i = 0; patterns && patterns->kind == CF_MAP && i < patterns->dict->count; i++) {
        const struct cf_entry *p = &patterns->dict->entries[i];
        if (!matches(c, cf_val_str(p->key, p->key_len), e->key, e->key_len))
            continue;
        known = true;
        good = check(c, p->val, e->val, inner) && good;
    }
    if (names)
        good = check(c, *names, cf_val_str(e->key, e->key_len), inner) && good;
    if (known || !more)
        return good;
    if (more->kind == CF_BOOL && !more->b)
        return complain(c, path,
                        cf_run_format(c->run, "Additional property %.*s is not allowed",
                                      (int)e->key_len, e->key));
    return check(c, *more, e->val, inner) && good;
}

static bool check_object(struct checker *c, struct cf_val schema, struct cf_val val,
                         const char *path)
{
    const struct cf_val *required = get(schema, "required");
    double count = (double)val.dict->count;
    bool good =
        check_bound(c, schema, "minProperties", count, 1, false, path, "Must have at least") &
        check_bound(c, schema, "maxProperties", count, -1, false, path, "Must have at most");
    for (size_t i = 0; required && required->kind == CF_LIST && i < required->seq->count; i++) {
        struct cf_val name = required->seq->items[i];
        if (name.kind == CF_STRING && !cf_dict_get(val.dict, name.str, name.len))
            good = complain(c, path, cf_run_format(c->run, "%s is required", name.str));
    }
    for (size_t i = 0; i < val.dict->count; i++)
        good = check_member(c, schema, &val.dict->entries[i], path) && good;
    return good;
}

/* How many of the alternatives hold, told to nobody. */
static size_t count_good(struct checker *c, struct cf_val list, struct cf_val val, const char *path)
{
    struct cf_text *out = c->out;
    size_t good = 0;
    c->out = NULL;
    for (size_t i = 0; list.kind == CF_LIST && i < list.seq->count; i++)
        good += check(c, list.seq->items[i], val, path);
    c->out = out;
    return good;
}

static bool holds(struct checker *c, struct cf_val schema, struct cf_val val, const char *path)
{
    struct cf_text *out = c->out;
    c->out = NULL;
    bool good = check(c, schema, val, path);
    c->out = out;
    return good;
}

static bool check_combined(struct checker *c, struct cf_val schema, struct cf_val val,
                           const char *path)
{
    const struct cf_val *all = get(schema, "allOf"), *any = get(schema, "anyOf"),
                        *one = get(schema, "oneOf"), *not = get(schema, "not"),
                        *condition = get(schema, "if");
    bool good = true;
    for (size_t i = 0; all && all->kind == CF_LIST && i < all->seq->count; i++)
        good = check(c, all->seq->items[i], val, path) && good;
    if (any && !count_good(c, *any, val, path))
        good = complain(c, path, "Must validate at least one schema (anyOf)");
    if (one && count_good(c, *one, val, path) != 1)
        good = complain(c, path, "Must validate one and only one schema (oneOf)");
    if (not &&holds(c, *not, val, path))
        good = complain(c, path, "Must not validate the schema (not)");
    if (condition) {
        const struct cf_val *then = get(schema, holds(c, *condition, val, path) ? "then" : "else");
        good = (!then || check(c, *then, val, path)) && good;
    }
    return good;
}

/* "#/definitions/x" */
static bool check_reference(struct checker *c, const char *to, struct cf_val val, const char *path)
{
    struct cf_val at = c->root;
    if (*to != '#' || c->refs > MAX_REFS)
        return true;
    for (to++; *to == '/';) {
        size_t len = strcspn(++to, "/");
        const struct cf_val *found = at.kind == CF_MAP ? cf_dict_get(at.dict, to, len) : NULL;
        if (!found)
            return true;
        at = *found;
        to += len;
    }
    c->refs++;
    bool good = check(c, at, val, path);
    c->refs--;
    return good;
}

static bool check(struct checker *c, struct cf_val schema, struct cf_val val, const char *path)
{
    cf_run_check_stack(c->run);
    cf_run_step(c->run, 10);
    if (schema.kind == CF_BOOL)
        return schema.b || complain(c, path, "False always fails validation");
    if (schema.kind != CF_MAP)
        return true;
    const struct cf_val *ref = get(schema, "$ref"), *type = get(schema, "type"),
                        *list = get(schema, "enum"), *constant = get(schema, "const");
    if (ref && ref->kind == CF_STRING)
        return check_reference(c, ref->str, val, path);
    bool good = !type || check_type(c, *type, val, path);
    if (list)
        good = check_enum(c, *list, val, path) && good;
    if (constant && !equal(c, *constant, val))
        good = complain(c, path, "does not match the schema's constant");
    if (val.kind == CF_STRING)
        good = check_string(c, schema, val, path) && good;
    else if (val.kind == CF_INT || val.kind == CF_FLOAT)
        good = check_number(c, schema, val, path) && good;
    else if (val.kind == CF_LIST)
        good = check_items(c, schema, val, path) && good;
    else if (val.kind == CF_MAP)
        good = check_object(c, schema, val, path) && good;
    return check_combined(c, schema, val, path) && good;
}

static void check_chart(struct cf_run *run, const struct cf_subchart *chart, struct cf_val vals,
                        struct cf_text *out)
{
    if (chart->schema_wrong)
        cf_run_throw(run, -EINVAL, "%s: values.schema.json: %s", chart->path, chart->schema_wrong);
    if (chart->schema.kind != CF_NIL) {
        struct cf_text own;
        cf_text_init(&own, run);
        struct checker c = {.run = run, .out = &own, .root = chart->schema};
        if (!check(&c, c.root, vals, ""))
            cf_text_printf(out, " %s:%s", chart->name, own.data ? own.data : "");
    }
    for (size_t i = 0; i < chart->chart_count; i++) {
        const struct cf_val *inner = cf_dict_get_str(vals.dict, chart->charts[i]->name);
        if (inner && inner->kind == CF_MAP)
            check_chart(run, chart->charts[i], *inner, out);
    }
}

void cf_schema_check(struct cf_run *run, const struct cf_subchart *chart, struct cf_val vals)
{
    struct cf_text out;
    cf_text_init(&out, run);
    check_chart(run, chart, vals, &out);
    if (out.len)
        cf_run_throw(
            run, -EINVAL,
            "values don't meet the specifications of the schema(s) in the following chart(s):%s",
            out.data);
}
