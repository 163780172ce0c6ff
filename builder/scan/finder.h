/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inner life of a finder. Events make frames (the collections that are open); scalars under
 * keys that matter become fields of their map; a map that ends makes candidates of its fields, and
 * the object (a map with kind and apiVersion) around them decides which of them count. Not public.
 */
#ifndef CF_SCAN_FINDER_H
#define CF_SCAN_FINDER_H

#include "scan_private.h"

/* What a collection is, by where it stands. */
enum role {
    ROLE_PLAIN,
    ROLE_SKIP,       /* nothing below counts */
    ROLE_CONTAINERS, /* a list of containers */
    ROLE_CONTAINER,
    ROLE_ARGS,
    ROLE_ENV,       /* a map of variables */
    ROLE_IMAGE_MAP, /* below a key that names an image: {repository, tag} */
    ROLE_IMAGES,    /* a list of images */
    ROLE_DATA,      /* of a ConfigMap or Secret */
    ROLE_METADATA,
    ROLE_ANNOTATIONS,
    ROLE_MERGE, /* what << adds to the map around it */
};

struct frame {
    bool is_map, at_value;
    enum role role;
    enum key key; /* of the value that comes */
    bool imageish, suffix;
    size_t key_text; /* offset of the key's text in finder->text; only if imageish */
    size_t fields, candidates, text; /* how many there were when it began */
    bool flag_open;                  /* arguments: the last one was "--x-image" */
};

/* A scalar that its map may need. */
struct field {
    enum key key;
    size_t value, len; /* in finder->text */
    size_t line;
    bool plain;
    bool merged; /* by <<: a key of the map itself comes first */
};

/* Who takes a candidate. */
enum class {
    CLASS_CONTAINER, /* any object but a definition */
    CLASS_CUSTOM,    /* objects that Kubernetes itself does not define, and what has no kind */
    CLASS_ANY,       /* as CLASS_CONTAINER, said in another way: embedded */
    CLASS_DATA,      /* text to read, of ConfigMaps, Secrets and custom objects */
    CLASS_TEXT,      /* text to read, of custom objects */
    CLASS_OBJECTS,   /* the same, but only objects in it count */
};
struct candidate {
    enum class class;
    enum cf_scan_kind kind;
    size_t value, len; /* in finder->found */
    size_t line;
    bool fixed_line; /* texts: lines inside cannot be told */
    bool warning;    /* it cannot be read */
    bool decided;
};

#define FIELD_MAX 512

struct finder {
    struct finder_options options;
    struct frame *frames;
    size_t depth, room;
    struct field *fields;
    size_t field_count, field_room;
    struct candidate *candidates;
    size_t candidate_count, candidate_room;
    struct cf_buf text;  /* of fields; what a map kept goes with it */
    struct cf_buf found; /* of candidates */
};

/* The array with room for one more element; NULL: no memory. */
void *cf_finder_grow(void *array, size_t count, size_t *room, size_t size);
int cf_finder_add(struct finder *finder, enum class class, enum cf_scan_kind kind, const char *text,
                  size_t len, size_t line, bool warning);

/* One item of args or command, perhaps a whole script. */
int cf_finder_argument(struct finder *finder, struct frame *frame,
                       const struct cf_yaml_event *event);
/* "NAME=VALUE", or a variable. */
int cf_finder_setting(struct finder *finder, const char *name, size_t name_len, const char *value,
                      size_t len, size_t line);

/* A map is over: what its fields say together. */
int cf_finder_fields(struct finder *finder, const struct frame *frame);
/* Decides the candidates from first on, for an object of that kind, or NULL. */
int cf_finder_decide(struct finder *finder, size_t first, const char *kind,
                     const char *api_version);

#endif
