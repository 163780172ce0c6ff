/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of builder/kubefile share: a build in progress. */
#ifndef CF_KUBEFILE_INTERNAL_H
#define CF_KUBEFILE_INTERNAL_H

#include <limits.h>

#include <cloudfs/build.h>

#include "pattern.h"

struct cf_context {
    const char *path; /* as given */
    int fd;           /* -1: none */
    struct cf_ignore ignore;
};
/* Opens the directory and reads its ignore file. */
int cf_context_open(const char *path, struct cf_context *ret_context, struct cf_error *err);
void cf_context_done(struct cf_context *context);

/* A list of names and values, in the order in which they were set. */
struct cf_variable {
    char *name, *value; /* value NULL: declared without one */
};
struct cf_variables {
    struct cf_variable *list;
    size_t count;
};
int cf_variables_set(struct cf_variables *variables, const char *name, const char *value);
const char *cf_variables_get(const struct cf_variables *variables, const char *name, size_t len);
void cf_variables_done(struct cf_variables *variables);

struct cf_build {
    struct cf_store *store;
    const struct cf_kubefile *kubefile;
    const struct cf_build_options *options;
    const struct cf_platform *platform; /* that was asked for; NULL: the base's */
    struct cf_image_options image;      /* with the timestamp of the environment */
    struct cf_context context;
    struct cf_image *base; /* NULL: scratch */

    /* Layers and entries of the history that this build adds, and the diff IDs from the base on. */
    struct cf_new_layer *layers;
    char **texts; /* created_by of each, owned */
    size_t layer_count;
    struct cf_digest *diff_ids; /* of all layers, the base's too */
    size_t diff_count;
    int64_t newest_sec; /* of all sources so far: what RUN's files are dated at the latest */

    struct cf_variables args, env;   /* ARG (also those from the command line), ENV */
    struct cf_variables global_args; /* ARG before FROM */
    struct cf_variables labels;
    struct cf_json *applications; /* of APP, CNI, CSI, as sealer 0.9 has them; NULL: none */
    char **commands;              /* of CMD and CMDS */
    size_t command_count;
    char **launch; /* names of LAUNCH */
    size_t launch_count;
};

void cf_build_tell(const struct cf_build *build, enum cf_build_event event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The merged tree of base and layers so far; *ret_tree NULL where there is none. */
int cf_build_tree(struct cf_build *build, struct cf_tree **ret_tree, struct cf_error *err);
/* For cf_kubefile_split: ENV before ARG. context: the build. */
cf_variable_fn cf_build_variable;
/* The words of an instruction with variables replaced, or of its JSON form. */
int cf_build_words(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                   struct cf_kubefile_words *ret_words, struct cf_error *err);

/* ---- cache.c ---- */

/* What some work gave under that key: 1 (info has no entries: it changed nothing), or 0. */
int cf_build_recall(struct cf_build *build, const struct cf_digest *key,
                    struct cf_layer_info *ret_info);
int cf_build_remember(struct cf_build *build, const struct cf_digest *key,
                      const struct cf_layer_info *info, struct cf_error *err);
/* A key in the making: the layers so far, then what is added. */
struct cf_hasher;
int cf_build_key_new(struct cf_build *build, const char *what, struct cf_hasher **ret_hasher,
                     struct cf_error *err);
void cf_build_key_add(struct cf_hasher *hasher, const char *text); /* with its end */
/* All that a builder holds, but for mtimes. */
int cf_build_key_tree(struct cf_hasher *hasher, struct cf_builder *builder, struct cf_error *err);
/* Adds the layer (NULL: an entry of the history only) with its history text. */
int cf_build_add_layer(struct cf_build *build, const struct cf_layer_info *info, const char *text,
                       struct cf_error *err);

/* ---- the instructions ---- */

int cf_build_from(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                  struct cf_error *err);
int cf_build_copy(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                  struct cf_error *err); /* COPY and ADD */
int cf_build_run(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                 struct cf_error *err);
/* All others but FROM. */
int cf_build_note(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                  struct cf_error *err);

/* ---- after them ---- */

/* Checks what sealer would read, warns of what it would not, and gives Metadata the charts'
 * kubeVersion. */
int cf_build_check(struct cf_build *build, struct cf_error *err);
/* The layer of the container images that the rootfs refers to, where that is wanted. */
int cf_build_images(struct cf_build *build, struct cf_error *err);
/* The image, without a name. */
int cf_build_image(struct cf_build *build, struct cf_image **ret_image, struct cf_error *err);

/* ---- target.c: where COPY puts things ---- */

struct cf_destination {
    char *dir;   /* path from the rootfs, no slash at its ends; "" is the rootfs */
    char *name;  /* the one name that the source gets there; NULL: its own */
    bool is_own; /* one of the CloudRootfs's own directories */
};
void cf_destination_done(struct cf_destination *destination);
/*
 * text as written; tree NULL: nothing is there yet. one_file: a single file is copied, source its
 * name. Symlinks of the tree are followed as in a chroot. -EINVAL: it leaves the rootfs; -ENOTDIR.
 */
int cf_destination_find(const struct cf_tree *tree, const char *text, bool one_file,
                        const char *source, bool docker, struct cf_destination *ret_destination,
                        struct cf_error *err);
/* The node of a directory of the builder, made where it is not there: implicit where the tree has
 * it, else 0755 (counted in made, whose times are to be set). */
int cf_destination_node(struct cf_builder *builder, const struct cf_tree *tree, const char *path,
                        struct cf_node **ret_node, struct cf_node ***made, size_t *made_count,
                        struct cf_error *err);

/* ---- source.c: what COPY takes ---- */

struct cf_found_source {
    char *path; /* in the context, no slash at its ends; "" is the context itself */
    bool is_dir;
    bool contents; /* only what is in the directory */
};
struct cf_found_sources {
    struct cf_found_source *list;
    size_t count;
};
void cf_found_sources_done(struct cf_found_sources *sources);
/* What a word of COPY means: one thing, or all that a pattern matches, ascending. -ENOENT where it
 * is nothing, -EINVAL where it leaves the context. */
int cf_source_find(const struct cf_context *context, const char *text,
                   struct cf_found_sources *sources, struct cf_error *err);
/* For cf_importer_options.keep; context: a struct cf_context. */
int cf_context_keep(void *context, const char *path, bool is_dir);

/* ---- quick.c ---- */

/* Adds what stat(2) tells of a source and all in it; *newest becomes its newest ctime, where that
 * is newer. A failure only means that the source must be read. */
int cf_quick_source(struct cf_hasher *hasher, const struct cf_context *context, const char *path,
                    bool contents, int64_t *newest);
/* Whether a change from now on would show in it. */
bool cf_quick_settled(int64_t newest);

/* ---- remote.c: sources that are not in the context ---- */

enum cf_source_kind { CF_SOURCE_LOCAL, CF_SOURCE_WEB, CF_SOURCE_GIT };
enum cf_source_kind cf_source_kind_of(const char *text);

struct cf_web_file {
    struct cf_digest digest; /* an object */
    uint64_t size;
    int64_t modified;     /* -1: the server does not say */
    struct cf_digest key; /* of a memo with note, for the next time; "" for none */
    char note[400];
};
int cf_web_fetch(struct cf_build *build, const char *url, struct cf_web_file *ret_file,
                 struct cf_error *err);
/* The last part of the URL's path; -EINVAL where there is none. */
int cf_web_name(const char *url, char ret_name[NAME_MAX + 1]);

struct cf_git_tree {
    char name[24]; /* in tmp/ of the store */
    int fd;        /* the directory that is meant */
    char commit[65];
    int64_t moment; /* of the commit */
};
/* "URL#REF:DIRECTORY", both optional. cf_git_done in any case. */
int cf_git_fetch(struct cf_build *build, const char *text, struct cf_git_tree *ret_tree,
                 struct cf_error *err);
void cf_git_done(struct cf_build *build, struct cf_git_tree *tree);

/* ---- graft.c ---- */

/* Puts all of a tree into a directory of a builder. */
int cf_graft(struct cf_builder *builder, struct cf_node *dir, const struct cf_tree *tree,
             const struct cf_importer_options *options, struct cf_error *err);

/* ---- sandbox.c ---- */

struct cf_sandbox {
    const char *root;        /* the mounted rootfs; becomes /rootfs, the working directory */
    const char *const *argv; /* what runs */
    const char *const *envp;
    bool network;
    void (*output)(void *context, const char *data, size_t len);
    void *output_context;
};
/* Runs and waits. Returns the exit status (128 + signal), or -errno when it could not start. */
int cf_sandbox_run(const struct cf_sandbox *sandbox, struct cf_error *err);

#endif
