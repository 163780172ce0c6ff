/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Overrides: single settings and files of a CloudRootfs changed, on an image (a layer on top of it,
 * without a mount or privilege) or in a directory (also a mount's). A list of them is applied in
 * order, all or nothing, and a second time changes nothing. docs/overrides.md has the file that
 * holds such a list.
 */
#ifndef CLOUDFS_OVERRIDE_H
#define CLOUDFS_OVERRIDE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include <cloudfs/buf.h>
#include <cloudfs/commit.h>
#include <cloudfs/edit.h>
#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/rootfs.h>
#include <cloudfs/store.h>

/* Files that are edited or put are at most this large. */
#define CF_OVERRIDE_FILE_MAX (256u << 20)

enum cf_override_kind {
    CF_OVERRIDE_SET,        /* FILE:PATH=VALUE */
    CF_OVERRIDE_SET_STRING, /* the same, VALUE is a string */
    CF_OVERRIDE_APPEND,     /* FILE:PATH=VALUE */
    CF_OVERRIDE_DELETE,     /* FILE:PATH */
    CF_OVERRIDE_MERGE,      /* FILE=PATCHFILE */
    CF_OVERRIDE_REPLACE,    /* FILE=SOURCE: the file is there */
    CF_OVERRIDE_COPY,       /* FILE=SOURCE: it may be new, the source may be a directory */
    CF_OVERRIDE_REMOVE,     /* FILE: or a directory */
    CF_OVERRIDE_CHMOD,      /* FILE=MODE */
};

struct cf_override {
    enum cf_override_kind kind;
    char *file;                       /* in the rootfs, no slash at its ends */
    char *path;                       /* of the setting, as edit.h has it */
    const struct cf_edit_node *value; /* SET, APPEND */
    const struct cf_edit *patch;      /* MERGE */
    char *data;                       /* REPLACE, COPY: the content */
    size_t len;
    bool has_mode;
    mode_t mode; /* CHMOD; COPY: of a new file */
    char *where; /* "overrides.yaml:12"; NULL: of the command line */
};
/* Variables of templates; of each name, the values of the highest rank count: more than one make a
 * list. */
enum cf_override_env_rank {
    CF_OVERRIDE_ENV_ROOTFS,      /* etc/Clusterfile of the rootfs */
    CF_OVERRIDE_ENV_CLUSTERFILE, /* a Clusterfile that was given */
    CF_OVERRIDE_ENV_COMMAND,     /* --env */
};
struct cf_override_variable {
    enum cf_override_env_rank rank;
    char *key, *value;
};
struct cf_override_env {
    struct cf_override_variable *list;
    size_t count;
};
void cf_override_env_done(struct cf_override_env *env);
/* "NAME=VALUE"; "NAME=a;b" is two values, as in a Clusterfile. -EINVAL. */
int cf_override_env_add(struct cf_override_env *env, enum cf_override_env_rank rank,
                        const char *text, struct cf_error *err);
/* spec.env of the documents of kind Cluster in a file. -EINVAL "NAME:LINE: ...". */
int cf_override_env_read(struct cf_override_env *env, const char *path, struct cf_error *err);

struct cf_overrides {
    struct cf_override *list;
    size_t count;
    struct cf_edit **texts; /* which values and patches are in */
    size_t text_count;
    struct cf_override_env env; /* only for cf_overrides_render */
};
void cf_overrides_done(struct cf_overrides *overrides);

/* One as the command line has it; sources and patches are read now. -EINVAL, and as the system
 * says. */
int cf_overrides_add(struct cf_overrides *overrides, enum cf_override_kind kind, const char *text,
                     struct cf_error *err);
/* All of a file: kind Overrides, or a Clusterfile with documents of kind Config. Sources are
 * relative to its directory. -EINVAL "NAME:LINE: ..." */
int cf_overrides_read(struct cf_overrides *overrides, const char *path, struct cf_error *err);

/*
 * Renders every NAME.tmpl below etc/, charts/, manifests/ and statics/ of a rootfs as a Go
 * template, with overrides->env (spec.env of a Clusterfile that was read is in it) and that of the
 * rootfs's own etc/Clusterfile, and puts NAME with the result in front of the list: what else is in
 * it works on that. -EINVAL with file and line.
 */
int cf_overrides_render(struct cf_overrides *overrides, struct cf_rootfs *rootfs,
                        struct cf_error *err);

struct cf_override_result {
    struct cf_changes changes;
    struct cf_buf patch;    /* the unified diff of what changes; NULs, and a line, for binaries */
    struct cf_image *image; /* the new one; the given one where nothing changes; NULL: dry run */
};
void cf_override_result_done(struct cf_override_result *result);

/*
 * A layer on top of image, published as name (NULL: none). Nothing changes: no layer, and name
 * becomes that of the image itself. New files are 0644 root:root, changed ones keep owner, mode and
 * attributes. dry_run: only what would change.
 */
int cf_override_image(struct cf_store *store, const struct cf_image *image,
                      const struct cf_overrides *overrides, const struct cf_image_options *options,
                      const char *name, bool dry_run, struct cf_override_result *ret_result,
                      struct cf_error *err);
/* The same in a directory: each file is replaced at once, the others before it stay changed where
 * one fails to be written. */
int cf_override_dir(const char *path, const struct cf_overrides *overrides, bool dry_run,
                    struct cf_override_result *ret_result, struct cf_error *err);

#endif
