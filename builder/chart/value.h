/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The values that templates work on: what Go's interface{} holds in Helm. All memory is the run's;
 * lists and maps are shared by reference, as in Go, and maps change in place (`set`).
 */
#ifndef CF_VALUE_H
#define CF_VALUE_H

#include "run.h"

enum cf_kind {
    CF_NIL, /* no value at all */
    CF_BOOL,
    CF_INT,
    CF_FLOAT,
    CF_STRING,
    CF_LIST,
    CF_MAP,
    CF_TIME,
    CF_FILES,   /* .Files */
    CF_SEMVER,  /* of semver */
    CF_POINTER, /* the engine's own: never seen by a template */
};

/* Go's type where the kind does not tell it. */
enum cf_type {
    CF_T_PLAIN,     /* int, float64, string, []interface {}, map[string]interface {} */
    CF_T_INTERFACE, /* NIL: an interface that holds nothing, as a missing key of a map gives */
    CF_T_INT64,
    CF_T_UINT8,
    CF_T_INT32,
    CF_T_DURATION,
    CF_T_MONTH,
    CF_T_WEEKDAY,
    CF_T_STRINGS,    /* []string, map[string]string */
    CF_T_INTS,       /* []int */
    CF_T_BYTES,      /* STRING: []byte */
    CF_T_VALUES,     /* MAP: chartutil.Values */
    CF_T_STRUCT,     /* MAP: a struct, whose unknown fields are errors; see cf_dict.type_name */
    CF_T_APIVERSIONS /* LIST: chartutil.VersionSet */
};

struct cf_list_value;
struct cf_dict;
struct cf_time;
struct cf_files;

struct cf_val {
    uint8_t kind;
    uint8_t type;
    uint32_t len; /* of str */
    union {
        bool b;
        int64_t i;
        double f;
        const char *str; /* NUL behind, which is not counted */
        struct cf_seq *seq;
        struct cf_dict *dict;
        struct cf_time *time;
        const struct cf_files *files;
        void *pointer;
    };
};

struct cf_seq {
    size_t count, room;
    struct cf_val *items;
};

struct cf_entry {
    const char *key;
    uint32_t key_len;
    struct cf_val val;
};

/* Sorted by key as Go sorts strings: bytewise. */
struct cf_dict {
    size_t count, room;
    struct cf_entry *entries;
    const char *type_name; /* of a CF_T_STRUCT */
};

/* The wall clock: seconds since 1970 in UTC, nanoseconds, and the zone. */
struct cf_time {
    int64_t sec;
    int32_t nsec;
    int32_t offset;   /* seconds east of UTC */
    const char *zone; /* "UTC" */
};

#define CF_NIL_VAL ((struct cf_val){0})
static inline struct cf_val cf_val_bool(bool b)
{
    return (struct cf_val){.kind = CF_BOOL, .b = b};
}
static inline struct cf_val cf_val_int(int64_t i)
{
    return (struct cf_val){.kind = CF_INT, .i = i};
}
static inline struct cf_val cf_val_int64(int64_t i)
{
    return (struct cf_val){.kind = CF_INT, .type = CF_T_INT64, .i = i};
}
static inline struct cf_val cf_val_float(double f)
{
    return (struct cf_val){.kind = CF_FLOAT, .f = f};
}
/* Borrows the bytes, which end with a NUL. */
static inline struct cf_val cf_val_str(const char *str, size_t len)
{
    return (struct cf_val){.kind = CF_STRING, .len = (uint32_t)len, .str = str};
}
struct cf_val cf_val_cstr(const char *str);
struct cf_val cf_val_copy_str(struct cf_run *run, const char *data, size_t len);
struct cf_val cf_val_text(struct cf_text *text); /* what was built */
struct cf_val cf_val_list(struct cf_run *run, size_t room);
struct cf_val cf_val_map(struct cf_run *run, size_t room);

void cf_seq_add(struct cf_run *run, struct cf_seq *seq, struct cf_val val);

const struct cf_val *cf_dict_get(const struct cf_dict *dict, const char *key, size_t key_len);
const struct cf_val *cf_dict_get_str(const struct cf_dict *dict, const char *key);
/* Borrows the key. */
void cf_dict_set(struct cf_run *run, struct cf_dict *dict, const char *key, size_t key_len,
                 struct cf_val val);
void cf_dict_set_str(struct cf_run *run, struct cf_dict *dict, const char *key, struct cf_val val);
bool cf_dict_unset(struct cf_dict *dict, const char *key, size_t key_len);
/* For loaders: adds at the end, then sorts once; of equal keys the last stays. */
void cf_dict_append(struct cf_run *run, struct cf_dict *dict, const char *key, size_t key_len,
                    struct cf_val val);
void cf_dict_sort(struct cf_run *run, struct cf_dict *dict);

/* Lists and maps are copied all the way down; text is shared. */
struct cf_val cf_val_deep_copy(struct cf_run *run, struct cf_val val);
/* Go's truth: false, 0, "", empty lists and maps, nil are not true. Also Sprig's `empty`. */
bool cf_val_true(struct cf_val val);
bool cf_val_deep_equal(struct cf_run *run, struct cf_val a, struct cf_val b);
bool cf_val_is_str(struct cf_val val, const char *text);
/* reflect's Type.String() and Kind.String(): "map[string]interface {}", "map". */
const char *cf_val_type_name(struct cf_val val);
const char *cf_val_kind_name(struct cf_val val);

#endif
