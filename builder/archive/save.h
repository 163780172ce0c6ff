/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Saving, in three steps: the images are found, their documents and the list of blobs are made
 * (compressed layers are compressed now, for their digests are needed), then all of it is written
 * in the form asked for. Not public.
 */
#ifndef CF_ARCHIVE_SAVE_H
#define CF_ARCHIVE_SAVE_H

#include <cloudfs/archive.h>
#include <cloudfs/buf.h>
#include <cloudfs/reference.h>

/* One form of one layer, shared by the images that have it. */
struct saved_layer {
    struct cf_digest diff_id;
    struct cf_digest blob; /* of the form to be written */
    uint64_t size;
    int fd; /* the compressed form, in a file without a name; -1: the plain tar, from the store */
    const char *media_type;
    struct cf_json *annotations; /* of its descriptor; NULL for none */
    bool is_there;               /* push: the registry has it */
};

struct saved_image {
    struct cf_image *image;
    size_t index;                  /* 1 + the place of the index that lists it; 0: none */
    char name[CF_TAGGED_SIZE];     /* "" for one that was given by its ID; an index's is here, too,
                                    * at its first image */
    char ref_name[CF_TAGGED_SIZE]; /* what org.opencontainers.image.ref.name says; "" for nothing */
    const char *media_type;        /* of the manifest */
    struct cf_buf manifest, config;
    struct cf_digest manifest_digest;
};

/* An index; its images stand in its order among those of the saving. */
struct saved_index {
    struct cf_json *json;
    struct cf_buf text; /* empty: to be made of json */
    struct cf_digest digest;
    const char *media_type;
    size_t first, count;
};

struct saving {
    struct cf_store *store;
    const struct cf_save_options *options;
    struct saved_image *images;
    size_t image_count;
    struct saved_index *indexes;
    size_t index_count;
    struct saved_layer *layers; /* ascending diff IDs, each once */
    size_t layer_count;
    uint64_t done, total; /* bytes for the progress */
};

const struct saved_layer *cf_saving_layer(const struct saving *saving,
                                          const struct cf_digest *diff_id);
/* What text means becomes one more of those to be saved: an image, or an index with all its images;
 * of it only those for the platforms (os/arch,...; NULL: all). */
int cf_saving_add(struct saving *saving, const char *text, const char *platforms,
                  struct cf_error *err);
/* The image of that document (name: "" for none) at the end of the saving's. */
int cf_saving_add_image(struct saving *saving, const struct cf_digest *manifest, const char *name,
                        struct cf_error *err);
/* Every layer of the images once, as its plain tar. */
int cf_saving_collect(struct saving *saving, struct cf_error *err);
/* The manifests for the forms that the layers have by now. */
int cf_saving_manifests(struct saving *saving, struct cf_error *err);
int cf_saving_manifest(struct saving *saving, struct saved_image *saved, struct cf_error *err);
/* Then the indexes, of the manifests as they are by now. */
int cf_saving_indexes(struct saving *saving, struct cf_error *err);
/* Whether the image stands for itself, or is the first of an index. */
bool cf_saving_is_top(const struct saving *saving, size_t image);
void cf_saving_done(struct saving *saving);
/* Works out digest and size of every layer's form. */
int cf_saving_layers(struct saving *saving, struct cf_error *err);
/* Tells the progress of len more bytes. */
void cf_saving_tell(struct saving *saving, uint64_t len);

int cf_saving_write_tar(struct saving *saving, const char *path, struct cf_error *err);
int cf_saving_write_dir(struct saving *saving, const char *path, struct cf_error *err);

/* Bytes of a layer in its form, to a sink. */
int cf_saving_send(struct saving *saving, const struct saved_layer *layer, cf_sink_fn *sink,
                   void *sink_context, struct cf_error *err);
/* index.json, on top of an existing one (NULL: none), pretty or not as all JSON of layouts: plain.
 */
int cf_saving_index(const struct saving *saving, const struct cf_json *old, struct cf_buf *ret_buf);
/* docker's manifest.json. */
int cf_saving_docker(const struct saving *saving, struct cf_buf *ret_buf);

/* sealer's ID.yaml (name: ID.yaml) of one image, and the index of all. -EINVAL: one has no name. */
int cf_saving_sealer_image(const struct saving *saving, const struct saved_image *saved,
                           char ret_file[CF_DIGEST_HEX_SIZE + 8], struct cf_buf *ret_buf,
                           struct cf_error *err);
int cf_saving_sealer_index(const struct saving *saving, struct cf_buf *ret_buf,
                           struct cf_error *err);

#define CF_OCI_LAYOUT_TEXT "{\"imageLayoutVersion\":\"1.0.0\"}"

#endif
