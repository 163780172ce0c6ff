/* SPDX-License-Identifier: Apache-2.0 */
/* Source: distribution 2.8, registry/storage/paths.go. */
#include "contents.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define V2 CF_REGISTRY_V2 "/"
#define DIGEST_PATH "sha256/"

struct reading {
    struct contents contents;
};

void cf_contents_done(struct contents *contents)
{
    for (size_t i = 0; i < contents->count; i++) {
        free(contents->files[i].path);
        free(contents->files[i].repository);
        free(contents->files[i].tag);
    }
    free(contents->files);
    *contents = (struct contents){0};
}

static const char *after(const char *text, const char *lead)
{
    size_t len = strlen(lead);
    return text && !strncmp(text, lead, len) ? text + len : NULL;
}

/* "sha256/HEX/link", and nothing else. */
static bool is_digest_link(const char *text, struct cf_digest *ret_digest)
{
    char whole[CF_DIGEST_TEXT_SIZE];
    const char *hex = after(text, DIGEST_PATH);
    size_t len = sizeof(whole) - 1 - strlen("sha256:");

    if (!hex || strlen(hex) != len + strlen("/link") || strcmp(hex + len, "/link") != 0)
        return false;
    memcpy(whole, "sha256:", 7);
    memcpy(whole + 7, hex, len);
    whole[sizeof(whole) - 1] = '\0';
    return cf_digest_parse(whole, ret_digest) == 0;
}

static bool is_blob(const char *text, struct cf_digest *ret_digest)
{
    char path[CF_REGISTRY_PATH_SIZE], whole[CF_DIGEST_TEXT_SIZE];
    size_t hex = sizeof(whole) - 1 - strlen("sha256:");

    if (strlen(text) != strlen("blobs/sha256/ab//data") + hex)
        return false;
    memcpy(whole, "sha256:", 7);
    memcpy(whole + 7, text + strlen("blobs/sha256/ab/"), hex);
    whole[sizeof(whole) - 1] = '\0';
    if (cf_digest_parse(whole, ret_digest) < 0)
        return false;
    cf_registry_blob_path(ret_digest, path);
    return !strcmp(path + strlen(V2), text);
}

/* What a file below "repositories/" is; name ends before "/_". */
static enum part part_of(const char *rest, struct part_file *file)
{
    const char *link;

    if ((link = after(rest, "_layers/")))
        return is_digest_link(link, &file->digest) ? PART_LAYER : PART_OTHER;
    if ((link = after(rest, "_manifests/revisions/")))
        return is_digest_link(link, &file->digest) ? PART_REVISION : PART_OTHER;
    const char *tag = after(rest, "_manifests/tags/");
    const char *slash = tag ? strchr(tag, '/') : NULL;
    if (!slash)
        return PART_OTHER;
    bool current = !strcmp(slash, "/current/link");
    if (!current && !is_digest_link(after(slash, "/index/"), &file->digest))
        return PART_OTHER;
    file->tag = strndup(tag, (size_t)(slash - tag));
    return current ? PART_TAG : PART_TAG_INDEX;
}

static int add_file(const struct cf_rootfs_entry *entry, void *context)
{
    struct contents *contents = &((struct reading *)context)->contents;
    const char *below = after(entry->path, V2);
    struct part_file file = {.size = entry->size};

    if (S_ISDIR(entry->mode) || !below)
        return 0;
    if (contents->count == contents->room) {
        size_t room = contents->room ? contents->room * 2 : 256;
        struct part_file *grown = realloc(contents->files, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        contents->files = grown;
        contents->room = room;
    }
    const char *name = after(below, "repositories/");
    const char *end = name ? strstr(name, "/_") : NULL;
    if (!name)
        file.part = is_blob(below, &file.digest) ? PART_BLOB : PART_OTHER;
    else if (end)
        file.part = part_of(end + 1, &file);
    if (end)
        file.repository = strndup(name, (size_t)(end - name));
    file.path = strdup(entry->path);
    contents->files[contents->count++] = file;
    bool lost = !file.path || (end && !file.repository) || (file.part >= PART_TAG && !file.tag);
    return lost ? -ENOMEM : 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct part_file *)a)->path, ((const struct part_file *)b)->path);
}

int cf_contents_read(struct cf_rootfs *rootfs, struct contents *ret_contents, struct cf_error *err)
{
    struct reading reading = {0};
    int r = cf_rootfs_walk(rootfs, CF_REGISTRY_V2, add_file, &reading, err);

    if (r < 0) {
        cf_contents_done(&reading.contents);
        return r == -ENOMEM ? cf_fail(err, r, "out of memory") : r;
    }
    if (reading.contents.count > 1)
        qsort(reading.contents.files, reading.contents.count, sizeof(struct part_file), by_path);
    *ret_contents = reading.contents;
    return 0;
}

const struct part_file *cf_contents_find(const struct contents *contents, const char *path)
{
    size_t low = 0, high = contents->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(contents->files[middle].path, path);
        if (order == 0)
            return &contents->files[middle];
        low = order < 0 ? middle + 1 : low;
        high = order < 0 ? high : middle;
    }
    return NULL;
}

int cf_contents_document(struct cf_rootfs *rootfs, const struct cf_digest *digest,
                         struct cf_json **ret_document)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[CF_REGISTRY_PATH_SIZE];
    struct cf_digest found;

    cf_registry_blob_path(digest, path);
    int r = cf_rootfs_read(rootfs, path, CF_BLOB_MAX, &text, NULL);
    if (r < 0)
        return r;
    cf_digest_of(text.data ? text.data : "", text.len, &found);
    if (!cf_digest_equal(&found, digest))
        return -EBADMSG;
    return cf_json_parse(text.data, text.len, ret_document, NULL);
}

int cf_contents_link(const char *repository, const char *kind, const struct cf_digest *digest,
                     struct cf_buf *ret_path)
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    cf_buf_clear(ret_path);
    return cf_buf_printf(ret_path, V2 "repositories/%s/%s/sha256/%s/link", repository, kind, hex);
}
