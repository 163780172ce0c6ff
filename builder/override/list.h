/* SPDX-License-Identifier: Apache-2.0 */
/* How lists of overrides are made, from a command line or a file. Not public. */
#ifndef CF_OVERRIDE_LIST_H
#define CF_OVERRIDE_LIST_H

#include <cloudfs/override.h>

/* Takes the text over, also on failure. */
int cf_overrides_keep(struct cf_overrides *overrides, struct cf_edit *text, struct cf_error *err);
/* One more, with nothing but its file. where may be NULL. */
int cf_overrides_new(struct cf_overrides *overrides, enum cf_override_kind kind, const char *file,
                     size_t file_len, const char *where, struct cf_override **ret_override,
                     struct cf_error *err);
/* REPLACE, or COPY: of all that is in a directory. depth: 0. */
int cf_overrides_copy(struct cf_overrides *overrides, enum cf_override_kind kind, const char *file,
                      const char *source, const char *where, unsigned depth, struct cf_error *err);
int cf_overrides_patch(struct cf_overrides *overrides, const char *file, const char *name,
                       const void *data, size_t len, const char *where, struct cf_error *err);
int cf_overrides_patch_file(struct cf_overrides *overrides, const char *file, const char *source,
                            const char *where, struct cf_error *err);
int cf_overrides_mode(struct cf_overrides *overrides, const char *file, const char *mode,
                      const char *where, struct cf_error *err);
/* spec.env of a document of kind Cluster, in the file of that name. */
int cf_override_env_cluster(struct cf_override_env *env, enum cf_override_env_rank rank,
                            const char *name, const struct cf_edit_node *document,
                            struct cf_error *err);

#endif
