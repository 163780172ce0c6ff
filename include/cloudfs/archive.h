/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images in files: OCI layouts (directory or tar) and docker-archives, in and out.
 * Sources: OCI image-spec image-layout.md; `docker save` (Docker image spec v1.2); skopeo's dir:
 * form.
 */
#ifndef CLOUDFS_ARCHIVE_H
#define CLOUDFS_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/layer.h>
#include <cloudfs/store.h>

struct cf_loaded {
    char *name; /* reference it got, or NULL */
    struct cf_image *image;
};
struct cf_load_options {
    const char *name;     /* -t: for the only image of the archive; NULL: the names it carries */
    const char *platform; /* os/arch[/variant] to choose from an index; NULL: this machine's */
    unsigned jobs;        /* layers read at once; 0: by the number of cores, 2 at most per core */
    cf_progress_fn *progress;
    void *progress_context;
};
/* path: a layout directory, skopeo's dir: directory, a tar of a layout or docker-archive (plain,
 * gzip or zstd), "-". Loads every image found. Layers that the store has are not read again.
 * Manifests and configs are kept byte for byte (docker-archives have none: a local manifest is
 * made). */
int cf_load(struct cf_store *store, const char *path, const struct cf_load_options *options,
            struct cf_loaded **ret_loaded, size_t *ret_count, struct cf_error *err);
void cf_loaded_free(struct cf_loaded *loaded, size_t count);

/* The names in an archive (a tar open behind fd, what for messages) without loading it; manifest is
 * NULL where the archive has none (docker save). fn returns 0 to go on. -EINVAL: it is none. */
typedef int cf_archive_name_fn(const char *name, const struct cf_digest *manifest, void *context);
int cf_archive_names(struct cf_store *store, int fd, const char *what, cf_archive_name_fn *fn,
                     void *context, struct cf_error *err);

enum cf_archive_format { CF_ARCHIVE_OCI, CF_ARCHIVE_OCI_DIR, CF_ARCHIVE_DOCKER };
struct cf_save_options {
    enum cf_archive_format format;
    bool has_compression; /* else plain tars, whose digests are the diff IDs */
    enum cf_compression compression;
    int level;
    cf_progress_fn *progress;
    void *progress_context;
};
/* path "-" is standard output (not for oci-dir). The file is replaced when it is whole; a directory
 * must be absent, empty, or an OCI layout to add to. The same images and options give the same
 * bytes. */
int cf_save(struct cf_store *store, const char *path, const char *const *references, size_t count,
            const struct cf_save_options *options, struct cf_error *err);

#endif
