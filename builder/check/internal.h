/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the checker share: a check in progress. Not public. */
#ifndef CF_CHECK_INTERNAL_H
#define CF_CHECK_INTERNAL_H

#include <cloudfs/check.h>
#include <cloudfs/edit.h>

/* Larger texts are not read: nobody writes such settings or scripts. */
#define CHECK_TEXT_MAX (1u << 20)

struct checking {
    struct cf_store *store;
    struct cf_rootfs *files; /* where the files that are checked are read */
    struct cf_rootfs *whole; /* all of the rootfs; NULL: not needed yet */
    const struct cf_digest *diff_ids;
    size_t count; /* of the layers of the whole; 0: it is there */
    const struct cf_check_options *options;
    struct cf_check_result *result;
    const char *architecture;       /* NULL: unknown */
    const char *kubernetes_version; /* of Metadata; NULL: not at hand */
    const char *path;               /* of the file at hand */
    int failed;                     /* -errno: nothing else counts */
    struct cf_error *err;
};

/* One more finding, at the file at hand. mend may be NULL: the text says it all. */
void cf_check_found(struct checking *checking, enum cf_severity severity, enum cf_check_rule rule,
                    size_t line, const char *mend, const char *format, ...)
    __attribute__((format(printf, 6, 7)));
/* NULL where that failed (see failed). */
struct cf_rootfs *cf_check_whole(struct checking *checking);
/* Which of the words is meant by one that is none of them; NULL: none is near. */
const char *cf_check_near(const char *word, const char *const *words, size_t count);

/* ---- fields.c: keys and types ---- */

enum field_type {
    FIELD_ANY,
    FIELD_BOOL,
    FIELD_INT,
    FIELD_STRING, /* a number is none */
    FIELD_TEXT,   /* any scalar */
    FIELD_SIZE,   /* a number, or a string */
    FIELD_TEXTS,  /* a list of scalars */
    FIELD_STRINGS,
    FIELD_STRING_MAP, /* all values are strings */
    FIELD_LIST,       /* of maps, with the keys below */
    FIELD_MAP,        /* with the keys below; NULL: any */
};
struct field {
    const char *name; /* NULL: the end of the table */
    enum field_type type;
    const struct field *below;
};
/* Who reads the keys. */
struct reader {
    enum cf_check_rule rule;
    const char *name;         /* "dockerd" */
    enum cf_severity unknown; /* of a key that is near a known one */
    const char *consequence;  /* of one that nobody knows */
};
void cf_check_fields(struct checking *checking, const struct cf_edit_node *map,
                     const struct field *table, const struct reader *reader);

/* ---- documents at hand ---- */

/* The file's settings, NULL where it does not parse: that is told. as_json: nothing else will do.
 */
struct cf_edit *cf_check_open(struct checking *checking, const struct cf_buf *text, bool as_json);
/* Keys that a map has twice. */
void cf_check_duplicates(struct checking *checking, const struct cf_edit_node *node);
/* Whether it is YAML, JSON; what is wrong is told. */
void cf_check_yaml(struct checking *checking, const struct cf_buf *text, enum cf_severity severity);
void cf_check_json(struct checking *checking, const struct cf_buf *text, enum cf_severity severity);

void cf_check_daemon(struct checking *checking, const struct cf_buf *text);
void cf_check_kubeadm(struct checking *checking, const struct cf_buf *text);
void cf_check_registry_config(struct checking *checking, const struct cf_buf *text);
void cf_check_registry(struct checking *checking, const struct cf_buf *text);
void cf_check_metadata(struct checking *checking, const struct cf_buf *text);
void cf_check_plugin(struct checking *checking, const struct cf_buf *text);
void cf_check_clusterfile(struct checking *checking, const struct cf_buf *text);
void cf_check_unit(struct checking *checking, const struct cf_buf *text);
/* A document of kind Plugin. */
void cf_check_plugin_document(struct checking *checking, const struct cf_edit_node *document);

/* A document of one of kubeadm's kinds, or what stands in the place of one. */
void cf_check_kubeadm_document(struct checking *checking, const struct cf_edit *edit,
                               const struct cf_edit_node *document);

/* ---- files ---- */

/* A script by its name or first bytes, and what it holds. */
void cf_check_script(struct checking *checking, const struct cf_rootfs_entry *entry);
/* The first bytes of a file: whether they are those of a program, and for which machine. */
bool cf_check_program(struct checking *checking, const unsigned char *head, size_t len);
void cf_check_link(struct checking *checking, const char *path);

/* ---- the rootfs as a whole ---- */

/* base NULL: there is none; what it has too is not told. */
void cf_check_names(struct checking *checking, struct cf_rootfs *rootfs, struct cf_rootfs *base);
void cf_check_images(struct checking *checking);
void cf_check_contents(struct checking *checking);

#endif
