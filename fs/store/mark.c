/* SPDX-License-Identifier: Apache-2.0 */
/* All that is alive: from names and mounts to manifests, layers, trees and objects. */
#include <errno.h>
#include <string.h>

#include <cloudfs/image.h>

#include "image_parse.h"
#include "mark.h"

struct marking {
    struct cf_store *store;
    struct cf_marks *marks;
    struct cf_error *err;
};

static int mark_object(const struct cf_digest *digest, bool has_size, uint64_t size, void *context)
{
    struct cf_marks *marks = context;

    (void)has_size;
    (void)size;
    int r = cf_digest_set_add(&marks->objects, digest);
    return r < 0 ? r : 0;
}

/* A layer that is missing keeps nothing alive; that its images are broken is fsck's matter. */
static int mark_layer(struct marking *marking, const struct cf_digest *diff_id)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    char text[CF_DIGEST_TEXT_SIZE];

    int r = cf_digest_set_add(&marking->marks->layers, diff_id);
    if (r <= 0)
        return r;
    int fd cf_autoclose = cf_layer_open(marking->store, diff_id, marking->err);
    if (fd < 0)
        return fd == -ENOENT ? 0 : fd;
    r = cf_layer_tree(marking->store, diff_id, &tree, marking->err);
    if (r < 0)
        return r;
    r = cf_tree_each_object(tree, mark_object, marking->marks);
    if (r == 0)
        r = cf_recipe_each_object(fd, mark_object, marking->marks);
    cf_digest_text(diff_id, text);
    return r < 0 ? cf_fail_errno(marking->err, -r, "cannot read layer %s", text) : 0;
}

static int mark_image(struct marking *marking, const struct cf_digest *manifest)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_digest key;

    int r = cf_digest_set_add(&marking->marks->blobs, manifest);
    if (r <= 0)
        return r;
    r = cf_image_load(marking->store, manifest, &image, marking->err);
    if (r < 0)
        return r;
    cf_merged_key(image->diff_ids, image->layer_count, &key);
    r = cf_digest_set_add(&marking->marks->blobs, &image->config);
    if (r >= 0)
        r = cf_digest_set_add(&marking->marks->trees, &key);
    for (size_t i = 0; r >= 0 && i < image->layer_count; i++)
        r = mark_layer(marking, &image->diff_ids[i]);
    return r < 0 ? r : 0;
}

/* A manifest, or an index and all its manifests. */
static int mark_document(struct marking *marking, const struct cf_digest *digest)
{
    struct cf_digest *list cf_autofree = NULL;
    size_t count = 0;
    int r = cf_index_list(marking->store, digest, &list, &count, marking->err);

    if (r < 0 || !list)
        return r < 0 ? r : mark_image(marking, digest);
    r = cf_digest_set_add(&marking->marks->blobs, digest);
    for (size_t i = 0; i < count && r >= 0; i++)
        r = mark_image(marking, &list[i]);
    return r < 0 ? r : 0;
}

static int damaged(struct marking *marking, int code, const char *what, const char *name)
{
    if (code == -ENOENT)
        code = -EBADMSG;
    return cf_fail_in(marking->err, code, "%s %s cannot be followed (see `cloudfs fsck --repair`)",
                      what, name);
}

static int mark_name(const char *name, const struct cf_digest *manifest, void *context)
{
    struct marking *marking = context;

    if (!manifest)
        return cf_fail(marking->err, -EBADMSG,
                       "the name in names/%s is damaged (see `cloudfs fsck --repair`)", name);
    int r = mark_document(marking, manifest);
    return r < 0 ? damaged(marking, r, "the image of name", name) : 0;
}

static int mark_mount(const struct cf_mount_note *note, void *context)
{
    struct marking *marking = context;

    if (note->damaged)
        return cf_fail(marking->err, -EBADMSG,
                       "mounts/%s/mount.json is damaged (see `cloudfs fsck --repair`)", note->id);
    for (size_t i = 0; i < note->manifest_count; i++) {
        int r = mark_image(marking, &note->manifests[i]);
        if (r < 0)
            return damaged(marking, r, "the image of mount", note->id);
    }
    return cf_upper_each_object(marking->store, note, mark_object, marking->marks, marking->err);
}

void cf_marks_done(struct cf_marks *marks)
{
    cf_digest_set_done(&marks->blobs);
    cf_digest_set_done(&marks->layers);
    cf_digest_set_done(&marks->trees);
    cf_digest_set_done(&marks->objects);
}

int cf_store_mark(struct cf_store *store, struct cf_marks *ret_marks, struct cf_error *err)
{
    struct cf_marks marks = {0};
    struct marking marking = {store, &marks, err};

    int r = cf_name_scan(store, mark_name, &marking, err);
    if (r == 0)
        r = cf_store_each_mount(store, mark_mount, &marking, err);
    if (r < 0) {
        cf_marks_done(&marks);
        return r;
    }
    *ret_marks = marks;
    return 0;
}
