/* SPDX-License-Identifier: Apache-2.0 */
/* The user's values: files, and what --set says. Source of the syntax: Helm's strvals. */
#include "document.h"
#include "model.h"
#include "number.h"

#include <errno.h>
#include <string.h>

enum { MAX_INDEX = 65536 };

struct setter {
    struct cf_run *run;
    const char *at;
    enum cf_value_kind kind;
};

static _Noreturn void fail(const struct setter *s, const char *why)
{
    cf_run_throw(s->run, -EINVAL, "failed parsing --set data: %s at \"%.60s\"", why, s->at);
}

/* Up to one of the stops, backslashes taken away. */
static struct cf_val take_until(struct setter *s, const char *stops)
{
    struct cf_text text;
    cf_text_init(&text, s->run);
    for (; *s->at && !strchr(stops, *s->at); s->at++) {
        if (*s->at == '\\' && s->at[1])
            s->at++;
        cf_text_char(&text, *s->at);
    }
    return cf_val_text(&text);
}

static struct cf_val typed(const struct setter *s, struct cf_val text)
{
    int64_t i;
    if (s->kind == CF_VALUES_STRING)
        return text;
    if (cf_val_is_str(text, "true") || cf_val_is_str(text, "false"))
        return cf_val_bool(text.str[0] == 't');
    if (cf_val_is_str(text, "null"))
        return CF_NIL_VAL;
    if (cf_val_is_str(text, "0"))
        return cf_val_int64(0);
    if (text.len && text.str[0] != '0' && text.str[0] != '+' &&
        cf_number_parse_int(text.str, text.len, 10, &i))
        return cf_val_int64(i);
    return text;
}

static struct cf_val take_value(struct setter *s)
{
    if (s->kind == CF_VALUES_JSON) {
        struct cf_val val;
        const char *why;
        if (cf_document_load_json(s->run, s->at, strlen(s->at), &val, &why) < 0)
            fail(s, why);
        s->at += strlen(s->at);
        return val;
    }
    if (*s->at != '{')
        return typed(s, take_until(s, ","));
    struct cf_val list = cf_val_list(s->run, 4);
    for (s->at++; *s->at != '}'; s->at += *s->at == ',') {
        if (!*s->at)
            fail(s, "list must terminate with '}'");
        cf_seq_add(s->run, list.seq, typed(s, take_until(s, ",}")));
    }
    s->at++;
    return list;
}

static void set_in_list(struct setter *s, struct cf_seq *seq);

/* What stands at a key or an index, made a map or a list where it is neither. */
static void set_inside(struct setter *s, struct cf_val *slot)
{
    cf_run_check_stack(s->run);
    switch (*s->at) {
    case '=':
        s->at++;
        *slot = take_value(s);
        break;
    case '[':
        if (slot->kind != CF_LIST)
            *slot = cf_val_list(s->run, 4);
        set_in_list(s, slot->seq);
        break;
    case '.': {
        s->at++;
        if (slot->kind != CF_MAP)
            *slot = cf_val_map(s->run, 4);
        struct cf_val key = take_until(s, "=[,."), inner = CF_NIL_VAL;
        if (!key.len)
            fail(s, "a key is empty");
        const struct cf_val *old = cf_dict_get(slot->dict, key.str, key.len);
        if (old)
            inner = *old;
        struct cf_dict *dict = slot->dict;
        set_inside(s, &inner);
        cf_dict_set(s->run, dict, key.str, key.len, inner);
        break;
    }
    default:
        fail(s, "key has no value");
    }
}

static void set_in_list(struct setter *s, struct cf_seq *seq)
{
    size_t index = 0;
    s->at++;
    if (*s->at < '0' || *s->at > '9')
        fail(s, "error parsing index");
    for (; *s->at >= '0' && *s->at <= '9'; s->at++)
        if ((index = index * 10 + (size_t)(*s->at - '0')) > MAX_INDEX)
            fail(s, "index is greater than maximum supported index of 65536");
    if (*s->at++ != ']')
        fail(s, "error parsing index");
    while (seq->count <= index)
        cf_seq_add(s->run, seq, CF_NIL_VAL);
    set_inside(s, &seq->items[index]);
}

void cf_values_set(struct cf_run *run, struct cf_dict *dict, const struct cf_chart_values *set)
{
    struct setter s = {run, cf_run_copy(run, set->text, set->len), set->kind};
    while (*s.at) {
        struct cf_val key = take_until(&s, "=[,."), val = CF_NIL_VAL;
        if (!key.len)
            fail(&s, "a key is empty");
        const struct cf_val *old = cf_dict_get(dict, key.str, key.len);
        if (old)
            val = *old;
        set_inside(&s, &val);
        cf_dict_set(run, dict, key.str, key.len, val);
        if (*s.at == ',')
            s.at++;
        else if (*s.at)
            fail(&s, "a comma is missing");
    }
}

/* Later files win; maps are merged. */
static void overlay(struct cf_run *run, struct cf_dict *dst, const struct cf_dict *src)
{
    cf_run_check_stack(run);
    for (size_t i = 0; i < src->count; i++) {
        const struct cf_entry *e = &src->entries[i];
        const struct cf_val *old = cf_dict_get(dst, e->key, e->key_len);
        if (old && old->kind == CF_MAP && e->val.kind == CF_MAP)
            overlay(run, old->dict, e->val.dict);
        else
            cf_dict_set(run, dst, e->key, e->key_len, e->val);
    }
}

static void read_file(struct cf_run *run, struct cf_dict *dict, const struct cf_chart_values *file)
{
    struct cf_val val;
    const char *why, *name = file->name ? file->name : "values";
    if (cf_document_load(run, file->text, file->len, &val, &why) < 0)
        cf_run_throw(run, -EINVAL, "failed to parse %s: %s", name, why);
    if (val.kind == CF_MAP)
        overlay(run, dict, val.dict);
    else if (val.kind != CF_NIL)
        cf_run_throw(run, -EINVAL, "failed to parse %s: it is no map", name);
}

struct cf_val cf_values_read(struct cf_run *run, const struct cf_chart_values *values, size_t count)
{
    struct cf_val map = cf_val_map(run, 8);
    for (size_t i = 0; i < count; i++)
        if (values[i].kind == CF_VALUES_FILE)
            read_file(run, map.dict, &values[i]);
    for (size_t i = 0; i < count; i++)
        if (values[i].kind != CF_VALUES_FILE)
            cf_values_set(run, map.dict, &values[i]);
    return map;
}
