/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making images: an upper directory becomes one layer on top of an image (commit), a directory or
 * tar becomes a layer (import). Cost follows the size of the change.
 *
 * The same content gives the same digests on any machine: see docs/design.md, "Same input, same
 * digest". Local manifests describe each layer by its plain tar.
 */
#ifndef CLOUDFS_COMMIT_H
#define CLOUDFS_COMMIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/layer.h>
#include <cloudfs/store.h>

struct cf_key_value {
    const char *key;
    const char *value;
};

/* What a new image says of itself; all optional. */
struct cf_image_options {
    const char *message; /* history comment */
    const char *author;
    const char *created_by; /* history; NULL: made from what changed */
    bool has_timestamp;     /* `created`, and mtimes of the new layer are clamped to it */
    int64_t timestamp;      /* seconds since the epoch */
    const struct cf_key_value *labels;
    size_t label_count;
    const struct cf_key_value *annotations;
    size_t annotation_count;
    const char *os, *architecture, *variant; /* NULL: of the base; else linux and this machine's */
    /* Members for the config's own "config" object (Env, Cmd ...), in the place of the base's;
     * NULL: none. Borrowed. */
    const struct cf_json *run;
    bool unsynced; /* without a name: whoever gives it one makes it durable (cf_name_set) */
};
/* SOURCE_DATE_EPOCH into options where that has no timestamp yet; -EINVAL when it is no number. */
int cf_image_options_environment(struct cf_image_options *options, struct cf_error *err);
/* When the files of a layer that is worked out were made, as far as anybody can see: at the
 * timestamp, else with the image that they are put on, so that the same work gives the same layer
 * on any day. */
int64_t cf_image_moment(const struct cf_image *image, const struct cf_image_options *options);

/*
 * Puts config and manifest of base + layers (base NULL: from scratch) into the store, durably, and
 * then the name (NULL: none). Layers are in the store already. The base's config is kept, unknown
 * members too; its history is continued, one entry for each layer (count may be 0: a copy of the
 * base with other metadata).
 */
struct cf_new_layer {
    struct cf_layer_info info;
    const char *created_by;
    bool empty; /* an entry of the history without a layer; info says nothing */
};
int cf_image_create(struct cf_store *store, const struct cf_image *base,
                    const struct cf_new_layer *layers, size_t count,
                    const struct cf_image_options *options, const char *name,
                    struct cf_image **ret_image, struct cf_error *err);
/* Size of a stored layer's plain tar. */
int cf_layer_tar_size(struct cf_store *store, const struct cf_digest *diff_id, uint64_t *ret_size,
                      struct cf_error *err);
/* What that image would be, without its documents in the store. */
int cf_image_draft(struct cf_store *store, const struct cf_image *base,
                   const struct cf_new_layer *layers, size_t count,
                   const struct cf_image_options *options, struct cf_image **ret_image,
                   struct cf_error *err);

struct cf_commit_options {
    struct cf_image_options image;
    const char *name; /* reference to publish under; NULL only with dry_run */
    bool squash;      /* one layer of everything instead of base + 1 */
    bool dry_run;     /* says what would be in the layer, stores nothing */
    bool layer_only;  /* the layer is made, but no image (name is NULL): for who builds one of
                         several  layers. Not with squash, dry_run, advance */
    /* Afterwards the mount is on the new image with an empty upper. A live mount is unmounted and
     * mounted again for that; where it is in use, the commit is made all the same (the result is
     * set), and -EBUSY tells that it was not advanced. */
    bool advance;
    /* Told of the new layer before there is an image of it (not where nothing changed): what it
     * returns below 0 ends the commit, and nothing is published. */
    int (*look)(void *context, const struct cf_image *base, const struct cf_layer_info *layer,
                struct cf_error *err);
    void *look_context;
    cf_progress_fn *progress;
    void *progress_context;
};

/* One difference: 'A' added, 'C' changed, 'D' deleted. */
struct cf_change {
    char kind;
    char *path;     /* no leading slash */
    bool meta_only; /* C: the content is the same */
    bool is_dir;
    uint64_t size; /* of the new content */
};
struct cf_changes {
    struct cf_change *list; /* ascending paths */
    size_t count;
};
void cf_changes_done(struct cf_changes *changes);
/* For who makes such a list: adds change with a copy of path_len bytes of path (-ENOMEM); puts the
 * list into ascending order of whole paths' bytes. */
int cf_changes_add(struct cf_changes *changes, const struct cf_change *change, const char *path,
                   size_t path_len);
void cf_changes_sort(struct cf_changes *changes);

struct cf_commit_result {
    struct cf_image *image; /* NULL for a dry run; the base's own where nothing changed */
    bool unchanged;         /* no layer was made */
    struct cf_layer_info layer;
    struct cf_changes changes;
    uint64_t pause_us; /* how long a live mount was frozen */
};
void cf_commit_result_done(struct cf_commit_result *result);

/*
 * Commits the changes of a mount (live: frozen meanwhile; idle: locked). Files move to objects/ and
 * leave a stub, where nobody has them open for writing; else they are copied or reflinked. The
 * mount goes on.
 */
struct cf_mount;
int cf_commit(struct cf_store *store, const struct cf_mount *mount,
              const struct cf_commit_options *options, struct cf_commit_result *ret_result,
              struct cf_error *err);

/* The mount's changes against its image, without storing anything. */
int cf_mount_changes(struct cf_store *store, const struct cf_mount *mount,
                     struct cf_changes *ret_changes, struct cf_error *err);

struct cf_import_options {
    struct cf_image_options image;
    const char *name;
    const char *base; /* reference to put the layer on top of; NULL: none */
    cf_progress_fn *progress;
    void *progress_context;
};
/* source: a directory, a tar file of any compression libarchive reads, or "-" (standard input). The
 * layer gets the canonical form. */
int cf_import(struct cf_store *store, const char *source, const struct cf_import_options *options,
              struct cf_image **ret_image, struct cf_error *err);

#endif
