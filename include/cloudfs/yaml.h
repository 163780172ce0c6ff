/* SPDX-License-Identifier: Apache-2.0 */
/*
 * YAML (and JSON, its flow style) as a stream of events with their places. The only door to
 * libyaml. Memory does not grow with the input: only with the longest scalar, and up to a bound
 * with what anchors name. Use a reader by one thread at a time.
 *
 * Aliases are resolved here: where *a stands, the events of the node &a come again (replayed is
 * set, their marks are those of the node itself). How much may be repeated is bounded, so that no
 * input of a few lines makes millions of events. Merge keys (<<) are the caller's: they come as a
 * key "<<" with the merged map (or a sequence of them) as its value.
 *
 * Sources: YAML 1.1 as libyaml reads it; RFC 8259 for JSON.
 */
#ifndef CLOUDFS_YAML_H
#define CLOUDFS_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/error.h>
#include <cloudfs/json.h>
#include <cloudfs/layer.h>
#include <cloudfs/scope.h>

enum cf_yaml_kind {
    CF_YAML_DOCUMENT,
    CF_YAML_DOCUMENT_END,
    CF_YAML_MAP, /* then key, value, key, value ... each a scalar or a whole collection */
    CF_YAML_MAP_END,
    CF_YAML_SEQUENCE,
    CF_YAML_SEQUENCE_END,
    CF_YAML_SCALAR,
    CF_YAML_ALIAS, /* only with keep_aliases; anchor says which */
};

enum cf_yaml_style {
    CF_YAML_PLAIN, /* scalars: may be a number, a bool or null to who wants types */
    CF_YAML_SINGLE,
    CF_YAML_DOUBLE,
    CF_YAML_LITERAL, /* | */
    CF_YAML_FOLDED,  /* > */
    CF_YAML_BLOCK,   /* collections by indentation */
    CF_YAML_FLOW,    /* collections in brackets */
};

/* A place in the input. */
struct cf_yaml_mark {
    uint64_t offset; /* bytes from the beginning */
    size_t line;     /* from 1 */
    size_t column;   /* from 1, in characters */
};

/* Strings live until the next call; they are NUL-terminated (value may hold NULs too). */
struct cf_yaml_event {
    enum cf_yaml_kind kind;
    enum cf_yaml_style style;
    /* Scalars: from the first byte (quote or indicator included) to behind the last. A block
     * scalar's end may lie behind the white space that follows it. */
    struct cf_yaml_mark start, end;
    const char *value; /* scalars: UTF-8 */
    size_t len;
    const char *tag;    /* as resolved, "tag:yaml.org,2002:str"; NULL: none was written */
    const char *anchor; /* NULL: none */
    bool replayed;      /* comes from an alias */
    bool explicit;      /* documents: "---" or "..." was written */
};

#define CF_YAML_MAX_DEPTH 1000
#define CF_YAML_MAX_REPLAYED 1000000

struct cf_yaml_options {
    /* The input: bytes that stay until the reader is closed, or a source where data is NULL. */
    const void *data;
    size_t len;
    cf_source_fn *source;
    void *source_context;
    /* Where the input begins in its file, for marks and messages; first_line 0 is 1. */
    uint64_t first_offset;
    size_t first_line;
    size_t max_depth;    /* of collections: 0 is CF_YAML_MAX_DEPTH */
    size_t max_replayed; /* events in one document: 0 is CF_YAML_MAX_REPLAYED */
    bool keep_aliases;   /* aliases are events, nothing is replayed */
};

struct cf_yaml;
int cf_yaml_open(const struct cf_yaml_options *options, struct cf_yaml **ret_yaml,
                 struct cf_error *err);
void cf_yaml_close(struct cf_yaml *yaml);
CF_DEFINE_CLEANUP(struct cf_yaml *, cf_yaml_close)

/*
 * The next event. Returns 1, 0 at the end of the input, or an error, "line L, column C: what is
 * wrong": -EINVAL, -EFBIG for nesting or aliases beyond the bounds, or what the source failed with.
 * After an error every call fails again; cf_yaml_where has its place.
 */
int cf_yaml_next(struct cf_yaml *yaml, struct cf_yaml_event *ret_event, struct cf_error *err);

/* Hands each event of the input to fn, which can fail for want of memory only (-ENOMEM). */
typedef int cf_yaml_event_fn(void *context, const struct cf_yaml_event *event);
int cf_yaml_each(const struct cf_yaml_options *options, cf_yaml_event_fn *fn, void *context,
                 struct cf_error *err);

/* What a plain scalar is to Kubernetes, which reads YAML 1.1 (go-yaml v2) and turns it into JSON:
 * dates are strings. */
enum cf_yaml_type {
    CF_YAML_STRING,
    CF_YAML_NULL,
    CF_YAML_BOOL,
    CF_YAML_INT,
    CF_YAML_FLOAT,
};
struct cf_yaml_plain {
    enum cf_yaml_type type;
    bool doubtful; /* a string that others take for something else: a date, "<<" */
    bool truth;
    bool has_whole; /* INT: within 64 bits with sign */
    int64_t whole;
    double number; /* INT too */
};
void cf_yaml_resolve(const char *value, size_t len, struct cf_yaml_plain *ret_plain);

/* The first document as JSON: aliases written out, plain scalars as cf_yaml_resolve says, but
 * numbers that are not whole, which stay strings. For small documents; nested 100 deep at most. */
int cf_yaml_json(const void *data, size_t len, struct cf_json **ret_json, struct cf_error *err);

/* Where the last event began, or the last error lies. */
struct cf_yaml_mark cf_yaml_where(const struct cf_yaml *yaml);

#endif
