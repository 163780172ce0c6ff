/* SPDX-License-Identifier: Apache-2.0 */
/* An archive of images that is asked for documents and blobs, like a registry. */
#include <cloudfs/archive.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "bundle.h"

#define COPY_SIZE (256u << 10)

struct cf_archive {
    struct cf_store *store;
    struct source *source;
    struct cf_json *index; /* of OCI, else manifest.json of docker */
    bool is_oci;
};

void cf_archive_close(struct cf_archive *archive)
{
    if (!archive)
        return;
    cf_source_close(archive->source);
    cf_json_free(archive->index);
    free(archive);
}

int cf_archive_open(struct cf_store *store, int fd, const char *what,
                    struct cf_archive **ret_archive, struct cf_error *err)
{
    struct cf_archive *archive cf_cleanup(cf_archive_close_ptr) = calloc(1, sizeof(*archive));
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    if (!archive)
        return cf_fail(err, -ENOMEM, "out of memory");
    archive->store = store;
    int r = cf_source_open_fd(store, fd, what, &archive->source, err);
    if (r < 0)
        return r;
    archive->is_oci = cf_source_has(archive->source, "index.json");
    r = cf_source_read(archive->source, archive->is_oci ? "index.json" : "manifest.json",
                       CF_BLOB_MAX, &text, err);
    if (r == -ENOENT)
        return cf_fail(err, -EINVAL, "%s is no archive of images", cf_source_name(archive->source));
    if (r == 0)
        r = cf_json_parse(text.data, text.len, &archive->index, err);
    if (r == 0 && !archive->is_oci && !cf_json_is_array(archive->index))
        r = cf_fail(err, -EINVAL, "%s is no archive of images", cf_source_name(archive->source));
    if (r < 0)
        return r;
    *ret_archive = CF_TAKE(archive);
    return 0;
}

static int oci_names(const struct cf_json *index, cf_archive_name_fn *fn, void *context)
{
    char name[CF_TAGGED_SIZE];
    struct cf_digest manifest;
    int r = 0;

    for (const struct cf_json *item = cf_json_first(cf_json_get(index, "manifests"));
         item && r == 0; item = cf_json_next(item)) {
        const char *digest = cf_json_get_string(item, "digest");
        cf_oci_entry_name(item, name);
        if (name[0] && digest && cf_digest_parse(digest, &manifest) == 0)
            r = fn(name, &manifest, context);
    }
    return r;
}

int cf_archive_names(const struct cf_archive *archive, cf_archive_name_fn *fn, void *context)
{
    int r = 0;

    if (archive->is_oci)
        return oci_names(archive->index, fn, context);
    for (const struct cf_json *item = cf_json_first(archive->index); item && r == 0;
         item = cf_json_next(item))
        for (const struct cf_json *tag = cf_json_first(cf_json_get(item, "RepoTags"));
             tag && r == 0; tag = cf_json_next(tag))
            if (cf_json_string(tag))
                r = fn(cf_json_string(tag), NULL, context);
    return r;
}

/* Whether a name of the archive means the whole form. */
static bool is_name(const char *name, const char *whole)
{
    struct cf_reference reference;
    char text[CF_REFERENCE_WHOLE_SIZE];

    if (!name || cf_reference_parse(name, &reference, NULL) < 0)
        return false;
    (void)cf_reference_whole(&reference, text);
    return !strcmp(text, whole);
}

static int oci_blob_name(const struct cf_digest *digest, char ret_name[80])
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    return snprintf(ret_name, 80, "blobs/sha256/%s", hex);
}

static int oci_document(struct cf_archive *archive, const char *whole,
                        const struct cf_digest *wanted, struct cf_buf *ret_text,
                        struct cf_error *err)
{
    char name[CF_TAGGED_SIZE], member[80];
    struct cf_digest digest, found;
    bool have = wanted != NULL;

    if (wanted)
        digest = *wanted;
    for (const struct cf_json *item = cf_json_first(cf_json_get(archive->index, "manifests"));
         item && !have; item = cf_json_next(item)) {
        const char *text = cf_json_get_string(item, "digest");
        cf_oci_entry_name(item, name);
        have = is_name(name, whole) && text && cf_digest_parse(text, &digest) == 0;
    }
    if (!have)
        return -ENOENT;
    (void)oci_blob_name(&digest, member);
    int r = cf_source_read(archive->source, member, CF_BLOB_MAX, ret_text, err);
    if (r < 0)
        return r;
    cf_digest_of(ret_text->data, ret_text->len, &found);
    if (!cf_digest_equal(&digest, &found))
        return cf_fail(err, -EBADMSG, "%s: %s does not match its digest",
                       cf_source_name(archive->source), member);
    return 0;
}

static int copy_member(struct cf_archive *archive, const char *name, cf_sink_fn *sink,
                       void *sink_context, struct cf_error *err)
{
    struct source_member member;
    char *buffer cf_autofree = malloc(COPY_SIZE);
    int r = cf_source_member(archive->source, name, &member, err);

    if (r < 0)
        return r;
    int fd cf_autoclose = member.fd;
    for (uint64_t at = 0; buffer && at < member.size && r == 0;) {
        size_t len = member.size - at < COPY_SIZE ? (size_t)(member.size - at) : COPY_SIZE;
        ssize_t n = cf_pread_full(fd, buffer, len, (off_t)(member.offset + at));
        if (n <= 0)
            return cf_fail_errno(err, n < 0 ? (int)-n : EIO, "cannot read %s of %s", name,
                                 cf_source_name(archive->source));
        r = sink(sink_context, buffer, (size_t)n, err);
        at += (uint64_t)n;
    }
    return buffer ? r : cf_fail(err, -ENOMEM, "out of memory");
}

static int to_object(void *context, const void *data, size_t len, struct cf_error *err)
{
    return cf_object_writer_add(context, data, len, err);
}

/* {"mediaType", "digest", "size"} */
static int add_descriptor(struct cf_json *parent, bool is_array, const char *media_type,
                          const struct cf_digest *digest, uint64_t size)
{
    struct cf_json *json = cf_json_object();
    char text[CF_DIGEST_TEXT_SIZE];

    cf_digest_text(digest, text);
    if (!json || cf_json_set_string(json, "mediaType", media_type) < 0 ||
        cf_json_set_string(json, "digest", text) < 0 ||
        cf_json_set_int(json, "size", (int64_t)size) < 0) {
        cf_json_free(json);
        return -ENOMEM;
    }
    return is_array ? cf_json_append(parent, json) : cf_json_set(parent, "config", json);
}

/* Puts a layer of a docker-archive into the store, and describes it. */
static int add_layer(struct cf_archive *archive, const char *member, const char *diff_id,
                     struct cf_json *layers, struct cf_error *err)
{
    struct cf_object_writer *writer cf_cleanup(cf_object_writer_free_ptr) = NULL;
    struct cf_digest digest, said;
    uint64_t size = 0;
    uint8_t magic[8] = {0};
    int r = cf_object_writer_new(archive->store, 0, &writer, err);

    if (r == 0)
        r = copy_member(archive, member, to_object, writer, err);
    if (r == 0)
        r = cf_object_writer_finish(writer, &digest, &size, err);
    if (r == -ENOENT)
        return cf_fail(err, -EINVAL, "%s: the layer %s is not in the archive",
                       cf_source_name(archive->source), member);
    if (r < 0)
        return r;
    int fd cf_autoclose = cf_object_open(archive->store, &digest);
    ssize_t n = fd < 0 ? 0 : cf_pread_full(fd, magic, sizeof(magic), 0);
    enum cf_compression form = cf_compression_detect(magic, n > 0 ? (size_t)n : 0);
    if (form == CF_PLAIN &&
        (cf_digest_parse(diff_id, &said) < 0 || !cf_digest_equal(&said, &digest)))
        return cf_fail(err, -EBADMSG, "%s: the layer %s does not match its diff ID",
                       cf_source_name(archive->source), member);
    const char *type = form == CF_GZIP   ? CF_MEDIA_LAYER_GZIP
                       : form == CF_ZSTD ? CF_MEDIA_LAYER_ZSTD
                                         : CF_MEDIA_LAYER;
    r = add_descriptor(layers, true, type, &digest, size);
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}

/* The manifest that an image of a docker-archive has not: its layers as they are. */
static int make_manifest(struct cf_archive *archive, const struct cf_json *item,
                         struct cf_buf *ret_text, struct cf_error *err)
{
    struct cf_json *manifest cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *config_json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf config cf_autobuf = CF_BUF_INIT;
    struct cf_json *layers = cf_json_array();
    const char *name = cf_json_get_string(item, "Config");
    struct cf_digest digest;
    int r = name ? cf_source_read(archive->source, name, CF_BLOB_MAX, &config, err) : -ENOENT;

    if (r == -ENOENT)
        r = cf_fail(err, -EINVAL, "%s: an image has no config", cf_source_name(archive->source));
    if (r == 0)
        r = cf_json_parse(config.data, config.len, &config_json, err);
    if (r == 0)
        r = cf_object_put(archive->store, config.data, config.len, &digest, err);
    if (r == 0 && (!manifest || cf_json_set_int(manifest, "schemaVersion", 2) < 0 ||
                   cf_json_set_string(manifest, "mediaType", CF_MEDIA_MANIFEST) < 0 ||
                   add_descriptor(manifest, false, CF_MEDIA_CONFIG, &digest, config.len) < 0))
        r = cf_fail(err, -ENOMEM, "out of memory");
    const struct cf_json *id =
        cf_json_first(cf_json_get(cf_json_get(config_json, "rootfs"), "diff_ids"));
    for (const struct cf_json *layer = cf_json_first(cf_json_get(item, "Layers")); layer && r == 0;
         layer = cf_json_next(layer), id = id ? cf_json_next(id) : NULL) {
        const char *diff_id = cf_json_string(id);
        r = add_layer(archive, cf_json_string(layer) ? cf_json_string(layer) : "",
                      diff_id ? diff_id : "", layers, err);
    }
    if (r < 0) {
        cf_json_free(layers);
        return r;
    }
    if (cf_json_set(manifest, "layers", layers) < 0 || cf_json_print(manifest, false, ret_text) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return 0;
}

int cf_archive_document(struct cf_archive *archive, const char *whole,
                        const struct cf_digest *digest, struct cf_buf *ret_text,
                        struct cf_error *err)
{
    if (archive->is_oci)
        return oci_document(archive, whole, digest, ret_text, err);
    for (const struct cf_json *item = cf_json_first(archive->index); item && !digest;
         item = cf_json_next(item))
        for (const struct cf_json *tag = cf_json_first(cf_json_get(item, "RepoTags")); tag;
             tag = cf_json_next(tag))
            if (is_name(cf_json_string(tag), whole))
                return make_manifest(archive, item, ret_text, err);
    return -ENOENT;
}

/* The blobs of docker save are objects since the manifest was made. */
static int copy_object(struct cf_store *store, const struct cf_digest *digest, cf_sink_fn *sink,
                       void *sink_context, struct cf_error *err)
{
    char *buffer cf_autofree = malloc(COPY_SIZE);
    int fd cf_autoclose = cf_object_open(store, digest);
    ssize_t n = 0;
    int r = 0;

    if (fd < 0 || !buffer)
        return fd < 0 ? fd : cf_fail(err, -ENOMEM, "out of memory");
    while (r == 0 && (n = cf_read_full(fd, buffer, COPY_SIZE)) > 0)
        r = sink(sink_context, buffer, (size_t)n, err);
    return r == 0 && n < 0 ? cf_fail_errno(err, (int)-n, "cannot read an object of the store") : r;
}

int cf_archive_blob(struct cf_archive *archive, const struct cf_digest *digest, cf_sink_fn *sink,
                    void *sink_context, struct cf_error *err)
{
    char member[80];

    if (!archive->is_oci)
        return copy_object(archive->store, digest, sink, sink_context, err);
    (void)oci_blob_name(digest, member);
    return copy_member(archive, member, sink, sink_context, err);
}
