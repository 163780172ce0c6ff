/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images in files: OCI layouts (directory or tar), docker-archives and sealer's, in and out.
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
    char *name;             /* reference it got, or NULL */
    struct cf_image *image; /* has_index: an index was loaded, and this is one of its images */
};
struct cf_load_options {
    const char *name;     /* -t: for the only image of the archive; NULL: the names it carries */
    const char *platform; /* os/arch[/variant] to choose from an index; of several, with commas,
                           * an index is kept; NULL: this machine's */
    bool all_platforms;   /* without that: an index is kept, with all its images */
    unsigned jobs;        /* layers read at once; 0: by the number of cores, 2 at most per core */
    cf_progress_fn *progress;
    void *progress_context;
};
/* path: a layout directory, skopeo's dir: directory, a tar of a layout, docker-archive or sealer's
 * (plain, gzip or zstd), "-". Loads every image found. Layers that the store has are not read
 * again. Manifests and configs are kept byte for byte (docker-archives have none: a local manifest
 * is made; nor have sealer's, whose layers get the canonical form and so other digests). */
int cf_load(struct cf_store *store, const char *path, const struct cf_load_options *options,
            struct cf_loaded **ret_loaded, size_t *ret_count, struct cf_error *err);
void cf_loaded_free(struct cf_loaded *loaded, size_t count);

/*
 * An archive (a tar that is open behind fd; what: for messages) that is asked for documents and
 * blobs, like a registry, without loading it. docker save keeps no manifests: they are made, and
 * its layers are objects of the store then. One thread at a time. -EINVAL: it is no archive.
 */
struct cf_archive;
int cf_archive_open(struct cf_store *store, int fd, const char *what,
                    struct cf_archive **ret_archive, struct cf_error *err);
void cf_archive_close(struct cf_archive *archive);
CF_DEFINE_CLEANUP(struct cf_archive *, cf_archive_close)
/* Every name in it; manifest is NULL where the archive has none. fn returns 0 to go on. */
typedef int cf_archive_name_fn(const char *name, const struct cf_digest *manifest, void *context);
int cf_archive_names(const struct cf_archive *archive, cf_archive_name_fn *fn, void *context);
/* The manifest or index of a name in docker's whole form, or (not NULL) of that digest, verified;
 * a blob, not verified. -ENOENT without a line. */
int cf_archive_document(struct cf_archive *archive, const char *whole,
                        const struct cf_digest *digest, struct cf_buf *ret_text,
                        struct cf_error *err);
int cf_archive_blob(struct cf_archive *archive, const struct cf_digest *digest, cf_sink_fn *sink,
                    void *sink_context, struct cf_error *err);

enum cf_archive_format {
    CF_ARCHIVE_OCI,
    CF_ARCHIVE_OCI_DIR,
    CF_ARCHIVE_DOCKER,
    CF_ARCHIVE_SEALER, /* of sealer v0.8: images that have names, plain layers */
};
struct cf_save_options {
    enum cf_archive_format format;
    const char *platform; /* of indexes only these images: os/arch,...; NULL: all */
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
