/* SPDX-License-Identifier: Apache-2.0 */
#include "value.h"

#include <stdlib.h>
#include <string.h>

struct cf_val cf_val_cstr(const char *str)
{
    return cf_val_str(str, strlen(str));
}

struct cf_val cf_val_copy_str(struct cf_run *run, const char *data, size_t len)
{
    return len ? cf_val_str(cf_run_copy(run, data, len), len) : cf_val_str("", 0);
}

struct cf_val cf_val_text(struct cf_text *text)
{
    return text->data ? cf_val_str(text->data, text->len) : cf_val_str("", 0);
}

struct cf_val cf_val_list(struct cf_run *run, size_t room)
{
    struct cf_seq *seq = cf_run_alloc(run, sizeof *seq);
    seq->room = room;
    if (room)
        seq->items = cf_run_alloc_array(run, room, sizeof *seq->items);
    return (struct cf_val){.kind = CF_LIST, .seq = seq};
}

struct cf_val cf_val_map(struct cf_run *run, size_t room)
{
    struct cf_dict *dict = cf_run_alloc(run, sizeof *dict);
    dict->room = room;
    if (room)
        dict->entries = cf_run_alloc_array(run, room, sizeof *dict->entries);
    return (struct cf_val){.kind = CF_MAP, .dict = dict};
}

void cf_seq_add(struct cf_run *run, struct cf_seq *seq, struct cf_val val)
{
    if (seq->count == seq->room) {
        size_t room = seq->room ? seq->room * 2 : 4;
        struct cf_val *items = cf_run_alloc_array(run, room, sizeof *items);
        if (seq->count)
            memcpy(items, seq->items, seq->count * sizeof *items);
        seq->items = items;
        seq->room = room;
    }
    seq->items[seq->count++] = val;
}

static int compare_keys(const char *a, size_t a_len, const char *b, size_t b_len)
{
    int order = memcmp(a, b, a_len < b_len ? a_len : b_len);
    return order ? order : a_len < b_len ? -1 : a_len > b_len;
}

/* Where key is, or would be. */
static size_t find(const struct cf_dict *dict, const char *key, size_t key_len, bool *ret_found)
{
    size_t low = 0, high = dict->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct cf_entry *e = &dict->entries[middle];
        int order = compare_keys(e->key, e->key_len, key, key_len);
        if (!order) {
            *ret_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_found = false;
    return low;
}

const struct cf_val *cf_dict_get(const struct cf_dict *dict, const char *key, size_t key_len)
{
    bool found;
    size_t at = find(dict, key, key_len, &found);
    return found ? &dict->entries[at].val : NULL;
}

const struct cf_val *cf_dict_get_str(const struct cf_dict *dict, const char *key)
{
    return cf_dict_get(dict, key, strlen(key));
}

static void make_room(struct cf_run *run, struct cf_dict *dict)
{
    if (dict->count < dict->room)
        return;
    size_t room = dict->room ? dict->room * 2 : 4;
    struct cf_entry *entries = cf_run_alloc_array(run, room, sizeof *entries);
    if (dict->count)
        memcpy(entries, dict->entries, dict->count * sizeof *entries);
    dict->entries = entries;
    dict->room = room;
}

void cf_dict_set(struct cf_run *run, struct cf_dict *dict, const char *key, size_t key_len,
                 struct cf_val val)
{
    bool found;
    size_t at = find(dict, key, key_len, &found);
    if (found) {
        dict->entries[at].val = val;
        return;
    }
    make_room(run, dict);
    size_t behind = dict->count - at;
    cf_run_step(run, behind / 64);
    memmove(dict->entries + at + 1, dict->entries + at, behind * sizeof *dict->entries);
    dict->entries[at] = (struct cf_entry){key, (uint32_t)key_len, val};
    dict->count++;
}

void cf_dict_set_str(struct cf_run *run, struct cf_dict *dict, const char *key, struct cf_val val)
{
    cf_dict_set(run, dict, key, strlen(key), val);
}

bool cf_dict_unset(struct cf_dict *dict, const char *key, size_t key_len)
{
    bool found;
    size_t at = find(dict, key, key_len, &found);
    if (!found)
        return false;
    memmove(dict->entries + at, dict->entries + at + 1,
            (dict->count - at - 1) * sizeof *dict->entries);
    dict->count--;
    return true;
}

void cf_dict_append(struct cf_run *run, struct cf_dict *dict, const char *key, size_t key_len,
                    struct cf_val val)
{
    make_room(run, dict);
    dict->entries[dict->count++] = (struct cf_entry){key, (uint32_t)key_len, val};
}

static void merge_sort(struct cf_entry *entries, struct cf_entry *spare, size_t count)
{
    if (count < 2)
        return;
    size_t half = count / 2, a = 0, b = half, n = 0;
    merge_sort(entries, spare, half);
    merge_sort(entries + half, spare, count - half);
    while (a < half || b < count) {
        bool left =
            b == count || (a < half && compare_keys(entries[a].key, entries[a].key_len,
                                                    entries[b].key, entries[b].key_len) <= 0);
        spare[n++] = left ? entries[a++] : entries[b++];
    }
    memcpy(entries, spare, count * sizeof *entries);
}

void cf_dict_sort(struct cf_run *run, struct cf_dict *dict)
{
    bool sorted = true;
    for (size_t i = 1; i < dict->count && sorted; i++)
        sorted = compare_keys(dict->entries[i - 1].key, dict->entries[i - 1].key_len,
                              dict->entries[i].key, dict->entries[i].key_len) < 0;
    if (sorted)
        return;
    struct cf_entry *spare = cf_run_alloc_array(run, dict->count, sizeof *spare);
    merge_sort(dict->entries, spare, dict->count);
    size_t kept = 0;
    for (size_t i = 0; i < dict->count; i++) {
        const struct cf_entry *e = &dict->entries[i];
        if (kept && !compare_keys(dict->entries[kept - 1].key, dict->entries[kept - 1].key_len,
                                  e->key, e->key_len))
            kept--;
        dict->entries[kept++] = *e;
    }
    dict->count = kept;
}

struct cf_val cf_val_deep_copy(struct cf_run *run, struct cf_val val)
{
    if (val.kind == CF_LIST) {
        struct cf_val copy = cf_val_list(run, val.seq->count);
        cf_run_check_stack(run);
        cf_run_step(run, val.seq->count / 16);
        for (size_t i = 0; i < val.seq->count; i++)
            copy.seq->items[i] = cf_val_deep_copy(run, val.seq->items[i]);
        copy.seq->count = val.seq->count;
        copy.type = val.type;
        return copy;
    }
    if (val.kind == CF_MAP) {
        struct cf_val copy = cf_val_map(run, val.dict->count);
        cf_run_check_stack(run);
        cf_run_step(run, val.dict->count / 16);
        for (size_t i = 0; i < val.dict->count; i++) {
            copy.dict->entries[i] = val.dict->entries[i];
            copy.dict->entries[i].val = cf_val_deep_copy(run, val.dict->entries[i].val);
        }
        copy.dict->count = val.dict->count;
        copy.dict->type_name = val.dict->type_name;
        copy.type = val.type;
        return copy;
    }
    return val;
}

bool cf_val_true(struct cf_val val)
{
    switch (val.kind) {
    case CF_NIL:
        return false;
    case CF_BOOL:
        return val.b;
    case CF_INT:
        return val.i != 0;
    case CF_FLOAT:
        return val.f != 0;
    case CF_STRING:
        return val.len > 0;
    case CF_LIST:
        return val.seq->count > 0;
    case CF_MAP:
        return val.type == CF_T_STRUCT || val.dict->count > 0;
    default:
        return true;
    }
}

static bool equal_maps(struct cf_run *run, const struct cf_dict *a, const struct cf_dict *b)
{
    if (a == b)
        return true;
    if (a->count != b->count)
        return false;
    for (size_t i = 0; i < a->count; i++) {
        const struct cf_entry *x = &a->entries[i], *y = &b->entries[i];
        if (compare_keys(x->key, x->key_len, y->key, y->key_len) ||
            !cf_val_deep_equal(run, x->val, y->val))
            return false;
    }
    return true;
}

bool cf_val_deep_equal(struct cf_run *run, struct cf_val a, struct cf_val b)
{
    if (a.kind != b.kind || (a.kind != CF_NIL && a.type != b.type))
        return false;
    cf_run_step(run, 1);
    switch (a.kind) {
    case CF_NIL:
        return true;
    case CF_BOOL:
        return a.b == b.b;
    case CF_INT:
        return a.i == b.i;
    case CF_FLOAT:
        return a.f == b.f;
    case CF_STRING:
        return a.len == b.len && !memcmp(a.str, b.str, a.len);
    case CF_LIST:
        cf_run_check_stack(run);
        if (a.seq->count != b.seq->count)
            return false;
        for (size_t i = 0; i < a.seq->count; i++)
            if (!cf_val_deep_equal(run, a.seq->items[i], b.seq->items[i]))
                return false;
        return true;
    case CF_MAP:
        cf_run_check_stack(run);
        return equal_maps(run, a.dict, b.dict);
    case CF_TIME:
        return a.time->sec == b.time->sec && a.time->nsec == b.time->nsec;
    default:
        return a.pointer == b.pointer;
    }
}

bool cf_val_is_str(struct cf_val val, const char *text)
{
    return val.kind == CF_STRING && val.len == strlen(text) && !memcmp(val.str, text, val.len);
}

static const char *int_name(uint8_t type)
{
    switch (type) {
    case CF_T_INT64:
        return "int64";
    case CF_T_UINT8:
        return "uint8";
    case CF_T_INT32:
        return "int32";
    case CF_T_DURATION:
        return "time.Duration";
    case CF_T_MONTH:
        return "time.Month";
    case CF_T_WEEKDAY:
        return "time.Weekday";
    default:
        return "int";
    }
}

const char *cf_val_type_name(struct cf_val val)
{
    switch (val.kind) {
    case CF_BOOL:
        return "bool";
    case CF_INT:
        return int_name(val.type);
    case CF_FLOAT:
        return "float64";
    case CF_STRING:
        return val.type == CF_T_BYTES ? "[]uint8" : "string";
    case CF_LIST:
        return val.type == CF_T_STRINGS       ? "[]string"
               : val.type == CF_T_INTS        ? "[]int"
               : val.type == CF_T_APIVERSIONS ? "chartutil.VersionSet"
                                              : "[]interface {}";
    case CF_MAP:
        return val.type == CF_T_STRINGS  ? "map[string]string"
               : val.type == CF_T_VALUES ? "chartutil.Values"
               : val.type == CF_T_STRUCT ? val.dict->type_name
                                         : "map[string]interface {}";
    case CF_TIME:
        return "time.Time";
    case CF_FILES:
        return "engine.files";
    case CF_SEMVER:
        return "*semver.Version";
    default:
        return "interface {}";
    }
}

const char *cf_val_kind_name(struct cf_val val)
{
    switch (val.kind) {
    case CF_INT:
        return val.type == CF_T_UINT8                                ? "uint8"
               : val.type == CF_T_INT32                              ? "int32"
               : val.type == CF_T_INT64 || val.type == CF_T_DURATION ? "int64"
                                                                     : "int";
    case CF_STRING:
        return val.type == CF_T_BYTES ? "slice" : "string";
    case CF_LIST:
        return "slice";
    case CF_MAP:
        return val.type == CF_T_STRUCT ? "struct" : "map";
    case CF_TIME:
        return "struct";
    case CF_FILES:
        return "map";
    case CF_SEMVER:
        return "ptr";
    case CF_NIL:
        return "invalid";
    default:
        return cf_val_type_name(val);
    }
}
