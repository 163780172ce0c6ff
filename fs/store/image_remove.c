/* SPDX-License-Identifier: Apache-2.0 */
/* Removing names and images. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/image.h>
#include <cloudfs/io.h>
#include <cloudfs/reference.h>
#include <cloudfs/store.h>

#include "image_parse.h"
#include "private.h"

struct names {
    const struct cf_digest *manifest;
    char **texts;
    size_t count;
};

static int collect_name(const char *name, const struct cf_digest *manifest, void *context)
{
    struct names *names = context;

    if (!cf_digest_equal(manifest, names->manifest))
        return 0;
    char **texts = reallocarray(names->texts, names->count + 1, sizeof(*texts));
    if (!texts)
        return -ENOMEM;
    names->texts = texts;
    texts[names->count] = strdup(name);
    if (!texts[names->count])
        return -ENOMEM;
    names->count++;
    return 0;
}

static void names_done(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->texts[i]);
    free(names->texts);
}

struct mount_search {
    const struct cf_digest *manifest;
    char id[256];
    bool damaged;
};

/* Stops at a mount that uses the manifest, or whose description cannot be read. */
static int match_mount(const struct cf_mount_note *note, void *context)
{
    struct mount_search *search = context;

    memcpy(search->id, note->id, sizeof(search->id));
    search->damaged = note->damaged;
    if (note->damaged)
        return 1;
    for (size_t i = 0; i < note->manifest_count; i++)
        if (cf_digest_equal(&note->manifests[i], search->manifest))
            return 1;
    return 0;
}

static int check_mounts(struct cf_store *store, const struct cf_digest *manifest, const char *text,
                        struct cf_error *err)
{
    struct mount_search search = {.manifest = manifest};

    int r = cf_store_each_mount(store, match_mount, &search, err);
    if (r <= 0)
        return r;
    if (search.damaged)
        return cf_fail(err, -EBADMSG,
                       "image %s: cannot tell whether mount %s uses it: its mount.json is damaged "
                       "(see `cloudfs fsck`)",
                       text, search.id);
    return cf_fail(err, -EBUSY, "image %s is in use by mount %s (see `cloudfs umount --discard`)",
                   text, search.id);
}

static int other_manifest(const struct cf_image *image, void *context)
{
    const struct cf_image *gone = context;

    return cf_digest_equal(&image->config, &gone->config) &&
           !cf_digest_equal(&image->manifest, &gone->manifest);
}

static int unlink_blob(struct cf_store *store, const struct cf_digest *digest)
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    return unlinkat(store->blobs_fd, hex, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* The config stays where another manifest has the same one. */
static int delete_image(struct cf_store *store, const struct cf_digest *manifest,
                        struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int shared = 1;

    if (cf_blob_get(store, manifest, &text, NULL) == 0 &&
        cf_manifest_parse(text.data, text.len, &image, NULL) == 0)
        shared = cf_manifest_each(store, other_manifest, image, err);
    if (shared < 0)
        return shared;
    int r = unlink_blob(store, manifest);
    if (r == 0 && !shared)
        r = unlink_blob(store, &image->config);
    return r < 0 ? cf_fail_errno(err, -r, "cannot remove an image of store %s", store->root) : 0;
}

static int remove_names(struct cf_store *store, const struct names *names, const char *only,
                        size_t *ret_untagged, struct cf_error *err)
{
    for (size_t i = 0; i < names->count; i++) {
        if (only && strcmp(names->texts[i], only) != 0)
            continue;
        int r = cf_name_drop(store, names->texts[i], err);
        if (r < 0)
            return r;
        (*ret_untagged)++;
    }
    return 0;
}

struct user_search {
    struct cf_store *store;
    const struct cf_digest *manifest, *but; /* a document whose names do not count */
    char name[CF_TAGGED_SIZE];
};

static int match_user(const char *name, const struct cf_digest *digest, void *context)
{
    struct user_search *search = context;
    struct cf_digest *list cf_autofree = NULL;
    size_t count = 0;

    if (cf_digest_equal(digest, search->but))
        return 0;
    bool uses = cf_digest_equal(digest, search->manifest);
    if (!uses && cf_index_list(search->store, digest, &list, &count, NULL) == -ENOMEM)
        return -ENOMEM;
    for (size_t i = 0; i < count && !uses; i++)
        uses = cf_digest_equal(&list[i], search->manifest);
    (void)snprintf(search->name, sizeof(search->name), "%s", uses ? name : "");
    return uses;
}

/* Its own names are gone. An image that an index has under another name stays. */
static int delete_unused(struct cf_store *store, const struct cf_digest *manifest,
                         const struct cf_digest *but, struct cf_error *err)
{
    struct user_search search = {.store = store, .manifest = manifest, .but = but};
    int r = cf_name_each(store, match_user, &search, err);
    return r == 0 ? delete_image(store, manifest, err) : r < 0 ? r : 0;
}

/* What a document's last name leads to: an image, or an index with its images. */
static int delete_document(struct cf_store *store, const struct cf_digest *digest,
                           const struct cf_digest *list, size_t count, struct cf_error *err)
{
    int r = 0;

    if (!list)
        return delete_unused(store, digest, digest, err);
    for (size_t i = 0; i < count && r == 0; i++)
        r = delete_unused(store, &list[i], digest, err);
    if (r == 0 && (r = unlink_blob(store, digest)) < 0)
        r = cf_fail_errno(err, -r, "cannot remove an index of store %s", store->root);
    return r;
}

/* By an ID: an image that has several names, or is one of an index's, needs force. */
static int check_named(struct cf_store *store, const struct cf_digest *manifest, const char *text,
                       const struct names *names, bool force, struct cf_error *err)
{
    struct user_search search = {.store = store, .manifest = manifest, .but = manifest};

    if (names->count > 1 && !force)
        return cf_fail(err, -EBUSY, "image %s has %zu names: remove these, or force", text,
                       names->count);
    int r = cf_name_each(store, match_user, &search, err);
    return r <= 0 ? r
                  : cf_fail(err, -EBUSY, "image %s is one of those of %s: remove that name", text,
                            search.name);
}

/* The caller holds the lock of the names. */
static int remove_locked(struct cf_store *store, const char *text, bool force, size_t *ret_untagged,
                         bool *ret_deleted, struct names *names, struct cf_error *err)
{
    char tagged[CF_TAGGED_SIZE];
    struct cf_digest manifest;
    struct cf_digest *list cf_autofree = NULL;
    size_t count = 0;
    bool named = false;

    int r = cf_image_resolve(store, text, &manifest, &named, err);
    if (r < 0)
        return r;
    names->manifest = &manifest;
    r = cf_name_each(store, collect_name, names, err);
    if (r == 0 && named)
        r = cf_reference_tagged(text, tagged, err);
    if (r == 0 && !named)
        r = check_named(store, &manifest, text, names, force, err);
    if (r == 0 && cf_index_list(store, &manifest, &list, &count, NULL) == -ENOMEM)
        r = cf_fail_errno(err, ENOMEM, "remove image %s", text);
    if (r < 0)
        return r;
    bool last = !named || names->count <= 1;
    if (last)
        r = check_mounts(store, &manifest, text, err);
    for (size_t i = 0; last && i < count && r == 0; i++)
        r = check_mounts(store, &list[i], text, err);
    if (r == 0)
        r = remove_names(store, names, named ? tagged : NULL, ret_untagged, err);
    if (r == 0 && last)
        r = delete_document(store, &manifest, list, count, err);
    *ret_deleted = r == 0 && last;
    return r;
}

int cf_image_remove(struct cf_store *store, const char *text, bool force, size_t *ret_untagged,
                    bool *ret_deleted, struct cf_error *err)
{
    struct names names = {0};
    size_t untagged = 0;
    bool deleted = false;

    int lock cf_autoclose = cf_store_lock_name(store, "names");
    if (lock < 0)
        return cf_fail_errno(err, -lock, "cannot lock the names of store %s", store->root);
    int r = remove_locked(store, text, force, &untagged, &deleted, &names, err);
    names_done(&names);
    if (r == -ENOTUNIQ) {
        r = -EINVAL;
        if (err)
            err->code = r;
    }
    if (r < 0)
        return r;
    *ret_untagged = untagged;
    *ret_deleted = deleted;
    return 0;
}
