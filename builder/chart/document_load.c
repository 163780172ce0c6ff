/* SPDX-License-Identifier: Apache-2.0 */
#include "base64.h"
#include "document.h"
#include "number.h"

#include <cloudfs/yaml.h>

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_one_of(const char *str, size_t len, const char *const *words)
{
    for (; *words; words++)
        if (strlen(*words) == len && !memcmp(*words, str, len))
            return true;
    return false;
}

/* A number of one or two digits, within bounds, and the mark behind it (0: none). */
static bool take_two(const char **at, int least, int most, char mark)
{
    const char *s = *at;
    int n = 0, digits = 0;
    for (; digits < 2 && isdigit((unsigned char)*s); digits++)
        n = n * 10 + *s++ - '0';
    if (!digits || n < least || n > most || (mark && *s != mark))
        return false;
    *at = s + (mark != 0);
    return true;
}

/* 2001-12-14; with a time behind it: T, h:m:s, a fraction, a zone; or a space and no zone. */
static bool is_timestamp(const char *str, size_t len)
{
    char buf[64];
    if (len < 8 || len >= sizeof buf || str[4] != '-')
        return false;
    memcpy(buf, str, len);
    buf[len] = 0;
    const char *at = buf + 5;
    if (strspn(buf, "0123456789") != 4 || !take_two(&at, 1, 12, '-') || !take_two(&at, 1, 31, 0))
        return false;
    if (!*at)
        return true;
    if (*at != 'T' && *at != 't' && *at != ' ')
        return false;
    const bool zoned = *at++ != ' ';
    if (!take_two(&at, 0, 23, ':') || !take_two(&at, 0, 59, ':') || !take_two(&at, 0, 60, 0))
        return false;
    if (*at == '.')
        at += 1 + strspn(at + 1, "0123456789");
    if (!zoned || !*at)
        return !zoned && !*at;
    if (!strcmp(at, "Z"))
        return true;
    return (*at == '+' || *at == '-') && strlen(at) == 6 && at[3] == ':' &&
           strspn(at + 1, "0123456789") == 2 && strspn(at + 4, "0123456789") == 2;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? */
static bool is_float(const char *s)
{
    if (*s == '-' || *s == '+')
        s++;
    size_t whole = strspn(s, "0123456789"), fraction = 0;
    s += whole;
    if (*s == '.') {
        fraction = strspn(s + 1, "0123456789");
        s += 1 + fraction;
    }
    if (!whole && !fraction)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        if (*s == '-' || *s == '+')
            s++;
        if (!isdigit((unsigned char)*s))
            return false;
        s += strspn(s, "0123456789");
    }
    return !*s;
}

static enum cf_tag resolve_number(const char *str, size_t len, struct cf_val *ret_val)
{
    char plain[128];
    size_t n = 0;
    int64_t i;
    double f;
    if (is_timestamp(str, len))
        return CF_TAG_TIMESTAMP;
    for (size_t k = 0; k < len; k++) {
        if (n >= sizeof plain - 1 || !str[k])
            return CF_TAG_STR;
        if (str[k] != '_')
            plain[n++] = str[k];
    }
    plain[n] = 0;
    if (cf_number_parse_int(plain, n, 0, &i)) {
        *ret_val = cf_val_int(i);
        return CF_TAG_INT;
    }
    if (n && strspn(plain, "0123456789") == n && plain[0] != '0') { /* to 2^64: an uint64 */
        if (!cf_number_parse_float(plain, n, &f))
            return CF_TAG_STR;
        *ret_val = cf_val_float(f);
        return f < 18446744073709551616.0 ? CF_TAG_INT : CF_TAG_FLOAT;
    }
    if (is_float(plain) && cf_number_parse_float(plain, n, &f)) {
        *ret_val = cf_val_float(f);
        return CF_TAG_FLOAT;
    }
    return CF_TAG_STR;
}

enum cf_tag cf_tag_resolve(const char *str, size_t len, struct cf_val *ret_val)
{
    static const char *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};
    static const char *const null[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
    static const char *const inf[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF", NULL};
    static const char *const minus[] = {"-.inf", "-.Inf", "-.INF", NULL};
    double f;
    *ret_val = CF_NIL_VAL;
    if (is_one_of(str, len, null))
        return CF_TAG_NULL;
    if (len <= 5) {
        bool truth = is_one_of(str, len, yes);
        if (truth || is_one_of(str, len, no)) {
            *ret_val = cf_val_bool(truth);
            return CF_TAG_BOOL;
        }
        f = is_one_of(str, len, nan)     ? NAN
            : is_one_of(str, len, inf)   ? INFINITY
            : is_one_of(str, len, minus) ? -INFINITY
                                         : 0;
        if (f != 0) {
            *ret_val = cf_val_float(f);
            return CF_TAG_FLOAT;
        }
    }
    if (*str == '.' && cf_number_parse_float(str, len, &f)) {
        *ret_val = cf_val_float(f);
        return CF_TAG_FLOAT;
    }
    return isdigit((unsigned char)*str) || *str == '-' || *str == '+'
               ? resolve_number(str, len, ret_val)
               : CF_TAG_STR;
}

struct loader {
    struct cf_run *run;
    struct cf_yaml *yaml;
    struct cf_yaml_event event;
    struct cf_error err;
};

static bool next(struct loader *l)
{
    return cf_yaml_next(l->yaml, &l->event, &l->err) > 0;
}

static struct cf_val copied(struct loader *l)
{
    return cf_val_copy_str(l->run, l->event.value, l->event.len);
}

/* As JSON would have it: numbers are floats, dates are strings. */
static struct cf_val scalar(struct loader *l)
{
    const struct cf_yaml_event *e = &l->event;
    struct cf_val val;
    bool plain = e->style == CF_YAML_PLAIN;
    if (e->tag) {
        const char *tag = !strncmp(e->tag, "tag:yaml.org,2002:", 18) ? e->tag + 18 : "";
        if (strcmp(tag, "int") && strcmp(tag, "float") && strcmp(tag, "bool") &&
            strcmp(tag, "null")) {
            size_t wrong;
            if (!strcmp(tag, "binary") &&
                cf_val_base64_decode(l->run, e->value, e->len, &val, &wrong))
                return val;
            return copied(l);
        }
        plain = true;
    }
    if (!plain)
        return copied(l);
    switch (cf_tag_resolve(e->value, e->len, &val)) {
    case CF_TAG_INT:
        return val.kind == CF_INT ? cf_val_float((double)val.i) : val;
    case CF_TAG_FLOAT:
        if (!isfinite(val.f) && !l->err.code)
            (void)cf_fail(&l->err, -EINVAL, "json: unsupported value: %s",
                          isnan(val.f) ? "NaN"
                          : val.f < 0  ? "-Inf"
                                       : "+Inf");
        return val;
    case CF_TAG_NULL:
    case CF_TAG_BOOL:
        return val;
    default:
        return copied(l);
    }
}

static bool load_node(struct loader *l, struct cf_val *ret_val);

static struct cf_val key_of(struct loader *l, struct cf_val key)
{
    struct cf_text text;
    if (key.kind == CF_STRING)
        return key;
    cf_text_init(&text, l->run);
    if (key.kind == CF_FLOAT)
        cf_number_json(&text, key.f);
    else
        cf_text_str(&text, key.kind == CF_BOOL ? key.b ? "true" : "false" : "null");
    return cf_val_text(&text);
}

static void merge_in(struct loader *l, struct cf_dict *into, struct cf_val from)
{
    if (from.kind == CF_LIST)
        for (size_t i = from.seq->count; i-- > 0;)
            merge_in(l, into, from.seq->items[i]);
    if (from.kind == CF_MAP)
        for (size_t i = 0; i < from.dict->count; i++)
            cf_dict_append(l->run, into, from.dict->entries[i].key, from.dict->entries[i].key_len,
                           from.dict->entries[i].val);
}

static bool load_map(struct loader *l, struct cf_val *ret_val)
{
    struct cf_val map = cf_val_map(l->run, 4);
    for (;;) {
        struct cf_val key, val;
        if (!next(l))
            return false;
        if (l->event.kind == CF_YAML_MAP_END)
            break;
        bool merge = l->event.kind == CF_YAML_SCALAR && l->event.style == CF_YAML_PLAIN &&
                     l->event.len == 2 && !memcmp(l->event.value, "<<", 2);
        if (!load_node(l, &key) || !next(l) || !load_node(l, &val))
            return false;
        if (merge) {
            merge_in(l, map.dict, val);
            continue;
        }
        if (key.kind == CF_LIST || key.kind == CF_MAP) {
            (void)cf_fail(&l->err, -EINVAL, "a key of a map must be a scalar");
            return false;
        }
        key = key_of(l, key);
        cf_dict_append(l->run, map.dict, key.str, key.len, val);
    }
    cf_dict_sort(l->run, map.dict);
    *ret_val = map;
    return true;
}

static bool load_node(struct loader *l, struct cf_val *ret_val)
{
    switch (l->event.kind) {
    case CF_YAML_SCALAR:
        *ret_val = scalar(l);
        return true;
    case CF_YAML_SEQUENCE: {
        struct cf_val list = cf_val_list(l->run, 0), item;
        for (;;) {
            if (!next(l))
                return false;
            if (l->event.kind == CF_YAML_SEQUENCE_END)
                break;
            if (!load_node(l, &item))
                return false;
            cf_seq_add(l->run, list.seq, item);
        }
        *ret_val = list;
        return true;
    }
    default:
        return load_map(l, ret_val);
    }
}

/* The reader is no arena memory: what the arena throws is caught, and thrown on behind its closing.
 */
static int load(struct loader *l, struct cf_val *ret_val)
{
    jmp_buf outer;
    memcpy(&outer, &l->run->trap, sizeof outer);
    if (setjmp(l->run->trap)) {
        cf_yaml_close(l->yaml);
        memcpy(&l->run->trap, &outer, sizeof outer);
        longjmp(l->run->trap, 1);
    }
    bool good = true;
    *ret_val = CF_NIL_VAL;
    if (next(l) && l->event.kind == CF_YAML_DOCUMENT && next(l) &&
        l->event.kind != CF_YAML_DOCUMENT_END)
        good = load_node(l, ret_val);
    if (good && !l->err.code)
        (void)next(l); /* what follows must at least be YAML */
    memcpy(&l->run->trap, &outer, sizeof outer);
    return l->err.code;
}

int cf_document_load(struct cf_run *run, const char *data, size_t len, struct cf_val *ret_val,
                     const char **ret_why)
{
    struct loader l = {.run = run};
    struct cf_yaml_options options = {.data = data, .len = len};
    int r = cf_yaml_open(&options, &l.yaml, &l.err);
    if (r < 0)
        cf_run_throw(run, r, "%s", l.err.text);
    r = load(&l, ret_val);
    cf_yaml_close(l.yaml);
    if (r < 0)
        *ret_why = cf_run_strdup(run, l.err.text);
    return r;
}
