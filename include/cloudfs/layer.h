/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers: tar streams <-> trees and objects.
 *
 * Reading is strict and streaming: ustar, PAX, GNU long names and sparse forms, base-256 numbers,
 * SCHILY.xattr, hard links, devices, whiteouts, opaque marks, entries without parents; plain, gzip
 * or zstd by the first bytes. Every layer can be written again bit for bit: from its recipe, or,
 * when its tar is the canonical one, from the tree alone.
 *
 * Sources: POSIX.1-2017 pax(1) "Interchange Formats"; GNU tar manual "Tar Internals"; OCI
 * image-spec layer.md.
 */
#ifndef CLOUDFS_LAYER_H
#define CLOUDFS_LAYER_H

#include <stdbool.h>
#include <stdint.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/store.h>
#include <cloudfs/tree.h>

/* Bytes from somewhere: fills data, returns the count, 0 at the end, -errno (err is set). */
typedef ssize_t cf_source_fn(void *context, void *data, size_t len, struct cf_error *err);
/* Bytes to somewhere: takes all of them or fails. */
typedef int cf_sink_fn(void *context, const void *data, size_t len, struct cf_error *err);

/* Told now and then while work goes on; bytes done so far of total (0: unknown). May be NULL. */
typedef void cf_progress_fn(void *context, const char *what, uint64_t done, uint64_t total);

struct cf_tar_entry; /* tar.h */

struct cf_layer_info {
    struct cf_digest diff_id;
    uint64_t tar_size;     /* bytes of the tar */
    struct cf_digest blob; /* digest and size of the form that was read */
    uint64_t blob_size;
    uint64_t entries;
    int64_t newest_sec; /* the newest mtime among the entries; 0 when there are none */
    uint32_t newest_nsec;
    bool existed; /* the store had the layer already; if it was not read, newest_* are 0 and
                   * entries counts inodes */
};

struct cf_layer_read_options {
    cf_source_fn *source; /* by one thread at a time, not always the caller's */
    void *source_context;
    const char *what;       /* what the source is, for messages */
    const char *media_type; /* of the form read, recorded in blobs.json; NULL: by its magic */
    /* Checked where not NULL, before anything is published: -EBADMSG. */
    const struct cf_digest *expected_diff_id;
    const struct cf_digest *expected_blob;
    uint64_t expected_blob_size; /* checked when expected_blob is given */
    /* Guards: -EFBIG. 0: CF_LAYER_MAX_SIZE and CF_LAYER_MAX_ENTRIES. */
    uint64_t max_size; /* bytes of tar */
    uint64_t max_entries;
    /* For archives of any kind given by a user (import): also bzip2, xz, lz4 ... by libarchive. */
    bool any_compression;
    /* Rewrite the layer in canonical form instead of keeping the tar as it is (import). Entries'
     * mtimes newer than clamp_sec then become clamp_sec if has_clamp. */
    bool canonical;
    bool has_clamp;
    int64_t clamp_sec;
    /*
     * Told of each regular file larger than CF_INLINE_MAX: true when its content in the source
     * comes out of the object *ret_digest of this store, which then is neither hashed nor written
     * again. That it is so the diff ID proves, which must be expected. NULL: it never is.
     */
    bool (*known)(void *context, const struct cf_tar_entry *entry, struct cf_digest *ret_digest);
    void *known_context;
    cf_progress_fn *progress;
    void *progress_context;
};
#define CF_LAYER_MAX_SIZE (1ull << 40)
#define CF_LAYER_MAX_ENTRIES 100000000ull

/*
 * Reads a layer into the store and publishes it (durable). Reading, inflating, hashing and storing
 * overlap on several threads; resident memory stays under about 32 MiB whatever the sizes. Safe to
 * call from several threads at once for different layers. Bad input: -EINVAL "layer X: entry
 * 'name': what is wrong"; nothing is left behind but unreferenced objects for gc.
 */
int cf_layer_read(struct cf_store *store, const struct cf_layer_read_options *options,
                  struct cf_layer_info *ret_info, struct cf_error *err);

/* Writes the layer's exact tar to the sink, and checks it against the diff ID: -EBADMSG. */
int cf_layer_write(struct cf_store *store, const struct cf_digest *diff_id, cf_sink_fn *sink,
                   void *sink_context, struct cf_error *err);

/* ---- the canonical form ---- */

/*
 * Content of files whose object is not known yet (the size set, an all-zero digest), while the
 * canonical tar is written: one file after the other, from its first byte; read returns up to len
 * bytes, and 0 too early is -EIO. open and close may be NULL. close is called once open succeeded.
 */
struct cf_content_source {
    int (*open)(void *context, struct cf_node *node, struct cf_error *err);
    ssize_t (*read)(void *context, struct cf_node *node, void *data, size_t len,
                    struct cf_error *err);
    int (*close)(void *context, struct cf_node *node, struct cf_error *err);
    void *context;
};

/*
 * The canonical tar of a builder that holds one layer (whiteouts as 0:0 devices, opaque marks,
 * implicit directories left out): paths in the order of cf_builder_walk, opaque mark and whiteouts
 * before siblings, hard links after their first name, ustar headers with numeric owners and empty
 * names, PAX records only where ustar cannot say it, sorted; mtimes as they are; 1024 zero bytes
 * at the end. content NULL: from inline data and the store's objects. Sizes come from
 * cf_node_content; a node whose object digest is not known yet has the size set and an all-zero
 * digest.
 */
int cf_layer_write_canonical(struct cf_store *store, struct cf_builder *builder,
                             const struct cf_content_source *content, cf_sink_fn *sink,
                             void *sink_context, struct cf_error *err);

/*
 * Publishes the layer that a builder holds, in canonical form (durable): writes its tree, an empty
 * recipe, blobs.json. Where content is given, the bytes that content->read hands out are hashed
 * into the tar's digest and into the file's own at the same time, on other cores. For each such
 * file: open, read to the end, file_done with its digest (already set on the node), close;
 * file_done, or before_publish for all of them at the end, must see to it that the object is there.
 * Whiteouts and implicit directories of the builder lose what their tar does not say (owners,
 * times). An empty builder makes the layer of no entries.
 */
struct cf_layer_build_options {
    const struct cf_content_source *content; /* NULL: all content is in the builder and store */
    int (*file_done)(void *context, struct cf_node *node, const struct cf_digest *digest,
                     uint64_t size, struct cf_error *err);
    void *file_done_context;
    /* Called when all content was read and hashed, before anything is published: the caller sees to
     * it that every file's object is there. May be NULL. */
    int (*before_publish)(void *context, struct cf_error *err);
    void *before_publish_context;
    cf_progress_fn *progress;
    void *progress_context;
};
int cf_layer_build(struct cf_store *store, struct cf_builder *builder,
                   const struct cf_layer_build_options *options, struct cf_layer_info *ret_info,
                   struct cf_error *err);

/*
 * Imports a directory of the machine as one canonical layer: every file, link, device and xattr
 * (security.selinux and overlayfs's own left out; a char device 0:0 is a plain device there,
 * -EINVAL). Files owned by the calling user become 0:0 unless that is root. mtimes newer than clamp
 * (if has_clamp) become clamp. The directory's own metadata becomes the root's. Never follows a
 * symlink; stays on what it finds.
 */
struct cf_import_dir_options {
    bool has_clamp;
    int64_t clamp_sec;
    cf_progress_fn *progress;
    void *progress_context;
};
int cf_layer_import_dir(struct cf_store *store, const char *path,
                        const struct cf_import_dir_options *options, struct cf_layer_info *ret_info,
                        struct cf_error *err);

/*
 * The same for single things that become part of a layer in the making. Directories of one name are
 * merged, everything else is replaced. Files that are hard links of each other stay that also
 * across calls.
 */
enum cf_keep {
    CF_KEEP_NOT,
    CF_KEEP,
    CF_KEEP_INSIDE, /* a directory that is only kept for what else is kept inside it */
};
struct cf_importer_options {
    bool has_clamp; /* mtimes newer than clamp_sec become that */
    int64_t clamp_sec;
    bool
        has_owner; /* everything is uid:gid; else as found, the calling user's as 0:0 unless root */
    uint32_t uid, gid;
    bool has_mode; /* permission bits of everything but symlinks */
    mode_t mode;
    /* Asked for each thing with its path; NULL: all is kept. */
    int (*keep)(void *context, const char *path, bool is_dir);
    void *keep_context;
    cf_progress_fn *progress;
    void *progress_context;
};
struct cf_importer;
/* what: for messages and progress; builder, what and the contexts are borrowed. */
int cf_importer_new(struct cf_store *store, struct cf_builder *builder, const char *what,
                    const struct cf_importer_options *options, struct cf_importer **ret_importer,
                    struct cf_error *err);
void cf_importer_free(struct cf_importer *importer);
CF_DEFINE_CLEANUP(struct cf_importer *, cf_importer_free)
/* dirfd/name (never followed; one component) becomes the entry `as` of node. path is that of dirfd,
 * for keep and messages. After a failure only free. */
int cf_importer_add(struct cf_importer *importer, struct cf_node *node, const char *as, int dirfd,
                    const char *name, const char *path, struct cf_error *err);
/* All that is in the directory dirfd, into node; itself: node gets its metadata too. */
int cf_importer_add_inside(struct cf_importer *importer, struct cf_node *node, int dirfd,
                           const char *path, bool itself, struct cf_error *err);

/* ---- compression, one door each ---- */

enum cf_compression { CF_PLAIN, CF_GZIP, CF_ZSTD };
/* By the first bytes (at least 6 of them where the data is that long). */
enum cf_compression cf_compression_detect(const void *data, size_t len);

/* A sink that compresses into another sink, on all cores; -EINVAL: no such level, which is 0 for
 * the default (gzip 6, zstd 3). Each MiB is compressed for itself, so that the result is the same
 * on any machine; gzip has no name, mtime 0, OS 255. finish flushes; free without finish drops. */
struct cf_compressor;
int cf_compressor_new(enum cf_compression kind, int level, cf_sink_fn *sink, void *sink_context,
                      struct cf_compressor **ret_compressor, struct cf_error *err);
/* zstd as one frame, by the caller's thread: for tables. */
int cf_compressor_new_frame(int level, cf_sink_fn *sink, void *sink_context,
                            struct cf_compressor **ret_compressor, struct cf_error *err);
cf_sink_fn cf_compressor_write; /* context: the compressor */
int cf_compressor_finish(struct cf_compressor *compressor, struct cf_error *err);
void cf_compressor_free(struct cf_compressor *compressor);
CF_DEFINE_CLEANUP(struct cf_compressor *, cf_compressor_free)

#endif
