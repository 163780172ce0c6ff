/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings in YAML and JSON files: looked up by path, and changed so that every byte outside the
 * change stays: comments, order, quoting, indentation, line ends.
 *
 * A file is its text and a tree of nodes with their spans. A change writes a few bytes of the text
 * and reads all of it again; what comes out must be what was meant, or nothing is changed and
 * -ENOTSUP says so. Use an edit by one thread at a time. Files up to CF_EDIT_MAX bytes.
 *
 * Paths: keys with dots between them, "networking.podSubnet". A key that has dots, brackets or
 * spaces is quoted ("a.b" or 'a.b'), or has a backslash before each (a\.b). Items of lists are
 * [2], [-1] (the last), or [name=audit]: the one whose key `name` has that value. The first part
 * may be the kind of a document, "ClusterConfiguration.networking.podSubnet", and must be where
 * the file has several; Kind[1] and Kind[name=web] (its metadata.name) tell those of one kind
 * apart. "." is the whole document. A key that is there wins over a kind of that name.
 *
 * Sources: YAML 1.1 as libyaml reads it, scalars typed as Kubernetes reads them; RFC 8259 (JSON);
 * RFC 7386 (merge patch).
 */
#ifndef CLOUDFS_EDIT_H
#define CLOUDFS_EDIT_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>
#include <cloudfs/yaml.h>

#define CF_EDIT_MAX (16u << 20)

enum cf_edit_kind {
    CF_EDIT_SCALAR,
    CF_EDIT_MAP,
    CF_EDIT_LIST,
    CF_EDIT_ALIAS, /* value: the anchor's name */
};

/* One value of a file. All pointers live until the next change, or the closing. */
struct cf_edit_node {
    enum cf_edit_kind kind;
    enum cf_yaml_style style;
    enum cf_yaml_type type; /* of scalars */
    size_t start, end;      /* bytes of the text; start is where its anchor or tag begins */
    size_t content;         /* behind anchor and tag */
    size_t line;            /* of content, from 1 */
    const char *value;      /* of scalars: without quotes, NUL behind */
    size_t len;
    const char *tag, *anchor; /* NULL: none written */
    struct cf_edit_node *key; /* of a map's value; NULL for items of lists and documents */
    struct cf_edit_node *parent, *next, *first, *last;
    size_t count; /* of children */
};

struct cf_edit;

/* Whether a file of that name has settings: .yml, .yaml, .json, Clusterfile, Metadata. */
bool cf_edit_is_name(const char *path);
/* Reads the text of a file; it is copied. name is for messages; one that ends in .json is read as
 * JSON, as is any text that is JSON. -EINVAL "NAME:LINE:COLUMN: what is wrong", -EFBIG. */
int cf_edit_open(const char *name, const void *data, size_t len, struct cf_edit **ret_edit,
                 struct cf_error *err);
/* The same for values and patches: aliases are followed. Not to be changed. */
int cf_edit_open_value(const char *name, const void *data, size_t len, struct cf_edit **ret_edit,
                       struct cf_error *err);
/*
 * A value as people write it on a command line: {...} and [...] are YAML (or JSON), and so is what
 * begins with a quote or a tag; anything else is one plain scalar, "# x" and "a: b" too, which is a
 * truth value only as true or false, and nothing is the empty string. string: the text is a string,
 * as it is. One document.
 */
int cf_edit_open_argument(const char *text, bool string, struct cf_edit **ret_edit,
                          struct cf_error *err);
void cf_edit_close(struct cf_edit *edit);
CF_DEFINE_CLEANUP(struct cf_edit *, cf_edit_close)

const char *cf_edit_name(const struct cf_edit *edit);
/* NUL behind. */
const char *cf_edit_text(const struct cf_edit *edit, size_t *ret_len);
bool cf_edit_is_json(const struct cf_edit *edit);

/* ---- looking ---- */

size_t cf_edit_count(const struct cf_edit *edit); /* documents; an empty file has none */
const struct cf_edit_node *cf_edit_document(const struct cf_edit *edit, size_t index);
/* The first child of that key, or NULL; NULL is taken for a map without keys. */
const struct cf_edit_node *cf_edit_child(const struct cf_edit_node *map, const char *key);
/* The text of such a child that is a scalar, or NULL. */
const char *cf_edit_child_text(const struct cf_edit_node *map, const char *key);
/* What an alias means, or the node itself; NULL: nothing has that anchor. */
const struct cf_edit_node *cf_edit_follow(const struct cf_edit *edit,
                                          const struct cf_edit_node *node);
/* Same kinds, types, values and keys, keys in any order; notation does not count. */
bool cf_edit_equal(const struct cf_edit_node *a, const struct cf_edit_node *b);
/* The value at that path: -ENOENT, -EINVAL, with "NAME:LINE: ..." */
int cf_edit_find(const struct cf_edit *edit, const char *path, const struct cf_edit_node **ret_node,
                 struct cf_error *err);
/* The path of a node, as cf_edit_find takes it. */
int cf_edit_path(const struct cf_edit *edit, const struct cf_edit_node *node,
                 struct cf_buf *ret_path);
/* A value on one line, as YAML in its flow style, or as JSON. */
int cf_edit_put_value(const struct cf_edit_node *node, bool json, struct cf_buf *ret_buf);

/* One setting that differs between two texts; was or now NULL: it is not in that one. */
struct cf_edit_change {
    const char *path;
    const struct cf_edit_node *was, *now;
};
typedef int cf_edit_change_fn(const struct cf_edit_change *change, void *context);
/* Tells each, in the order of the texts; fn returns 0 to go on. Documents are matched by kind and
 * name, items of lists by name; other lists are told as a whole. */
int cf_edit_compare(const struct cf_edit *was, const struct cf_edit *now, cf_edit_change_fn *fn,
                    void *context);

/* ---- changing: 1 where the text has changed, 0 where it was so already ---- */

/* After a failure, parts of a larger change may have been made: drop the edit. */

/*
 * Sets what is at path. Only the last part may be new: it is then added behind its siblings. A
 * plain scalar over a string stays a string, in its quotes; over a number or a truth value
 * it must be one too; a map or list is never replaced by a scalar, nor a scalar (but null) by
 * these: -EINVAL. A quoted scalar, and one with a tag, goes over any scalar. Of a map or list, only
 * what differs is rewritten.
 */
int cf_edit_set(struct cf_edit *edit, const char *path, const struct cf_edit_node *value,
                struct cf_error *err);
/* Adds an item to the list at path (absent or null: a new list), unless it has an equal one. */
int cf_edit_append(struct cf_edit *edit, const char *path, const struct cf_edit_node *value,
                   struct cf_error *err);
/* Removes what is at path; where it is not there, but what would hold it is, that is 0. A
 * document's whole is removed by its kind. */
int cf_edit_delete(struct cf_edit *edit, const char *path, struct cf_error *err);
/*
 * Merges a patch: maps go into maps, null deletes, everything else replaces (RFC 7386); lists whose
 * items all have a `name` are merged by that, an item with "$patch: delete" is deleted. A
 * document of the patch that has a kind goes into the document of that kind (and of that
 * metadata.name where there are several), or is added behind the last; one without goes into the
 * only document, or each of its keys into those documents that have it: -EINVAL where none has.
 */
int cf_edit_merge(struct cf_edit *edit, const struct cf_edit *patch, struct cf_error *err);

/*
 * Adds what another text has and this one lacks: documents, by their kind (the first of each), and
 * keys of their maps. What is there stays, also false, 0, [] and {}; null is as if it were not
 * there. Lists stay as they are, but of pairs (below), those of other names are added. below is of
 * cf_edit_open_value.
 */
int cf_edit_complete(struct cf_edit *edit, const struct cf_edit *below, struct cf_error *err);
/* A list of maps with a name and a value each: a map in another form. */
bool cf_edit_is_pairs(const struct cf_edit_node *list);

/* Where an assignment PATH=VALUE has its "=": outside of brackets and quotes. NULL: nowhere. */
const char *cf_edit_split(const char *assignment);

#endif
