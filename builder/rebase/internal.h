/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a rebase share. Not public. */
#ifndef CF_REBASE_INTERNAL_H
#define CF_REBASE_INTERNAL_H

#include <cloudfs/buf.h>
#include <cloudfs/look.h>
#include <cloudfs/rebase.h>

/* What a path is to be. */
enum deed {
    DEED_TAKE,   /* ours, as it is */
    DEED_REMOVE, /* nothing */
    DEED_MERGE,  /* theirs, with another content or other attributes */
};
struct decision {
    enum deed deed;
    char *path;
    bool our_content; /* MERGE: ours, else theirs or the text */
    bool has_text;
    struct cf_buf text;    /* MERGE: the content */
    struct cf_inode inode; /* MERGE: mode and owner */
    bool our_xattrs;       /* MERGE: ours, else theirs */
};

struct rebasing {
    struct cf_store *store;
    const struct cf_rebase_options *options;
    const char *reference;
    struct cf_image *image, *base, *onto;
    bool is_below; /* the base's layers are the image's lower ones */
    struct cf_tree *old, *ours, *theirs;
    struct cf_tree *made; /* what the new image is to have */
    struct decision *decisions;
    size_t count;
    struct cf_rebase_result result;
    struct cf_error *err;
};

int cf_rebase_no_memory(struct rebasing *rebasing);
/* One more conflict; texts are copied, NULL is "(absent)". */
int cf_rebase_conflict(struct rebasing *rebasing, const char *file, const char *setting,
                       size_t line, const char *base, const char *ours, const char *theirs);
/* Takes those from a number on back. */
void cf_rebase_forget(struct rebasing *rebasing, size_t count);

/* base.c: finds the images. */
int cf_rebase_images(struct rebasing *rebasing);
/* tree.c: decides each path that the image has changed. */
int cf_rebase_decide(struct rebasing *rebasing);
/* settings.c: three texts of a YAML or JSON file. 1: merged (conflicts are told); 0: it cannot be
 * done by settings. */
int cf_rebase_settings(struct rebasing *rebasing, const char *path, const struct cf_text *base,
                       const struct cf_text *ours, const struct cf_text *theirs,
                       struct cf_buf *ret_text);
/* made.c: the tree that comes of the decisions, and the layer that makes it of what lies below
 * (no entries where that is so already). */
int cf_rebase_make(struct rebasing *rebasing, int64_t moment);
int cf_rebase_layer(struct rebasing *rebasing, const struct cf_tree *below, int64_t moment,
                    struct cf_layer_info *ret_info);

/* words.c: what the new image says of itself; borrows from rebasing. */
struct words {
    struct cf_image_options options;
    struct cf_json *run;
    struct cf_key_value *labels, *annotations;
    struct cf_buf clusterfile;
};
void cf_rebase_words_done(struct words *words);
/* Conflicts are told. */
int cf_rebase_words(struct rebasing *rebasing, struct words *ret_words);
/* The annotation that has etc/Clusterfile of what was made. */
int cf_rebase_clusterfile(struct rebasing *rebasing, struct words *words);

#endif
