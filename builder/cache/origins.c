/* SPDX-License-Identifier: Apache-2.0 */
#include "origins.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#define COPY_SIZE (256u << 10)

struct opening {
    struct cf_store *store;
    struct cf_rootfs *rootfs;
    struct archives archives;
};

void cf_archives_done(struct archives *archives)
{
    for (size_t i = 0; i < archives->count; i++)
        cf_archive_close(archives->list[i]);
    free(archives->list);
    *archives = (struct archives){0};
}

static int open_archive(const struct cf_rootfs_entry *entry, void *context)
{
    struct opening *opening = context;
    struct archives *archives = &opening->archives;
    struct cf_archive *archive = NULL;
    struct cf_rootfs_file file;

    if (S_ISDIR(entry->mode) || !strstr(entry->name, ".t") ||
        cf_rootfs_open_file(opening->rootfs, entry->path, &file, NULL) < 0 || file.fd < 0)
        return 0;
    int fd cf_autoclose = file.fd;
    if (cf_archive_open(opening->store, fd, entry->path, &archive, NULL) < 0)
        return 0;
    void *grown = realloc(archives->list, (archives->count + 1) * sizeof(*archives->list));
    if (!grown) {
        cf_archive_close(archive);
        return -ENOMEM;
    }
    archives->list = grown;
    archives->list[archives->count++] = archive;
    return 0;
}

int cf_archives_open(struct cf_store *store, struct cf_rootfs *rootfs,
                     struct archives *ret_archives, struct cf_error *err)
{
    struct opening opening = {.store = store, .rootfs = rootfs};
    int r = cf_rootfs_walk(rootfs, "images", open_archive, &opening, err);

    if (r < 0) {
        cf_archives_done(&opening.archives);
        return r == -ENOMEM ? cf_fail(err, r, "out of memory") : r;
    }
    *ret_archives = opening.archives;
    return 0;
}

static int archive_document(void *context, const struct cf_digest *digest, struct cf_buf *ret_text,
                            struct cf_error *err)
{
    struct asked *asked = context;
    return cf_archive_document(asked->archive, asked->whole, digest ? digest : asked->digest,
                               ret_text, err);
}

static int archive_blob(void *context, const struct cf_digest *digest, uint64_t size,
                        cf_sink_fn *sink, void *sink_context, struct cf_error *err)
{
    struct asked *asked = context;

    (void)size;
    return cf_archive_blob(asked->archive, digest, sink, sink_context, err);
}

struct origin cf_origin_archive(struct asked *asked)
{
    return (struct origin){archive_document, archive_blob, asked};
}

void cf_others_done(struct others *others)
{
    for (size_t i = 0; i < others->count; i++)
        cf_rootfs_close(others->list[i]);
    free(others->list);
    *others = (struct others){0};
}

static bool is_registry(const struct cf_rootfs_entry *entry)
{
    return S_ISDIR(entry->mode);
}

static int see_registry(const struct cf_rootfs_entry *entry, void *context)
{
    *(bool *)context = true;
    return is_registry(entry) ? CF_ROOTFS_SKIP : 0;
}

static int open_other(struct cf_store *store, const struct cf_digest *manifest,
                      struct cf_rootfs **ret_rootfs)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    bool has = false;
    int r = cf_image_load(store, manifest, &image, NULL);

    if (r == 0)
        r = cf_rootfs_open_image(store, image, &rootfs, NULL);
    if (r == 0)
        r = cf_rootfs_walk(rootfs, CF_REGISTRY_V2, see_registry, &has, NULL);
    if (r < 0 || !has)
        return r < 0 ? r : -ENOENT;
    *ret_rootfs = CF_TAKE(rootfs);
    return 0;
}

int cf_others_open(struct cf_store *store, const struct cf_image *but, struct others *ret_others,
                   struct cf_error *err)
{
    struct cf_image_entry *entries = NULL;
    struct others others = {0};
    size_t count = 0;
    int r = cf_image_list(store, &entries, &count, err);

    if (r < 0)
        return r;
    others.list = calloc(count + 1, sizeof(*others.list));
    for (size_t i = 0; i < count && others.list; i++)
        if ((!but || !cf_digest_equal(&entries[i].manifest, &but->manifest)) &&
            open_other(store, &entries[i].manifest, &others.list[others.count]) == 0)
            others.count++; /* a damaged image is no origin */
    cf_image_list_free(entries, count);
    if (!others.list)
        return cf_fail(err, -ENOMEM, "out of memory");
    *ret_others = others;
    return 0;
}

static int other_document(void *context, const struct cf_digest *digest, struct cf_buf *ret_text,
                          struct cf_error *err)
{
    struct asked *asked = context;
    char path[CF_REGISTRY_PATH_SIZE];
    struct cf_digest wanted, found;

    if (digest)
        wanted = *digest;
    else if (!cf_registry_has(asked->other, asked->whole, asked->domain_len, NULL, &wanted))
        return -ENOENT;
    cf_registry_blob_path(&wanted, path);
    int r = cf_rootfs_read(asked->other, path, CF_BLOB_MAX, ret_text, err);
    if (r < 0)
        return r;
    cf_digest_of(ret_text->data ? ret_text->data : "", ret_text->len, &found);
    return cf_digest_equal(&found, &wanted)
               ? 0
               : cf_fail(err, -EBADMSG, "%s does not match its digest", path);
}

static int other_blob(void *context, const struct cf_digest *digest, uint64_t size,
                      cf_sink_fn *sink, void *sink_context, struct cf_error *err)
{
    struct asked *asked = context;
    char path[CF_REGISTRY_PATH_SIZE];
    char *buffer cf_autofree = malloc(COPY_SIZE);
    struct cf_rootfs_file file;
    ssize_t n;

    (void)size;
    cf_registry_blob_path(digest, path);
    int r = buffer ? cf_rootfs_open_file(asked->other, path, &file, err)
                   : cf_fail(err, -ENOMEM, "out of memory");
    if (r < 0)
        return r;
    if (file.fd < 0)
        return sink(sink_context, file.data, (size_t)file.size, err);
    int fd cf_autoclose = file.fd;
    while (r == 0 && (n = cf_read_full(fd, buffer, COPY_SIZE)) != 0)
        r = n < 0 ? cf_fail_errno(err, (int)-n, "cannot read %s", path)
                  : sink(sink_context, buffer, (size_t)n, err);
    return r;
}

struct origin cf_origin_other(struct asked *asked)
{
    return (struct origin){other_document, other_blob, asked};
}
