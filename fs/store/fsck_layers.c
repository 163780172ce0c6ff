/* SPDX-License-Identifier: Apache-2.0 */
/* fsck of layers and of the objects that they name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "fsck.h"
#include "layer.h"

struct layer_check {
    struct cf_check *check;
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest diff_id;
    int fd;
    uint64_t lost; /* objects */
};

/* ---- objects, as they are named ---- */

static bool object_is_there(struct cf_store *store, const struct cf_digest *digest, bool has_size,
                            uint64_t size)
{
    char path[CF_OBJECT_PATH_SIZE];
    struct stat st;

    cf_object_path(digest, path);
    return fstatat(store->objects_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
           (!has_size || (uint64_t)st.st_size == size);
}

static bool content_is_right(struct cf_store *store, const struct cf_digest *digest)
{
    struct cf_digest found;
    int fd cf_autoclose = cf_object_open(store, digest);

    return fd >= 0 && cf_file_digest(fd, &found) == 0 && cf_digest_equal(&found, digest);
}

static void tell_object(struct cf_check *check, const struct cf_digest *digest, const char *user)
{
    char path[CF_OBJECT_PATH_SIZE];
    bool there = cf_object_exists(check->store, digest);

    cf_object_path(digest, path);
    if (!there) {
        cf_check_tell(check, CF_CHECK_MISSING, false, "objects/%s is missing; %s needs it", path,
                      user);
        return;
    }
    cf_check_tell(check, CF_CHECK_DAMAGED, false,
                  "objects/%s is damaged: its content does not match its name; %s needs it", path,
                  user);
    (void)cf_check_set_aside(check, check->store->objects_fd, path);
}

/* Each object is looked at once, however many name it. Returns 1 for a lost one. */
static int check_object(struct cf_check *check, const struct cf_digest *digest, bool has_size,
                        uint64_t size, const char *user)
{
    if (cf_digest_set_has(&check->lost_objects, digest))
        return 1;
    int fresh = cf_digest_set_add(&check->used_objects, digest);
    if (fresh < 0)
        return fresh;
    bool good = object_is_there(check->store, digest, has_size, size);
    if (good && fresh && check->deep)
        good = content_is_right(check->store, digest);
    if (good)
        return 0;
    tell_object(check, digest, user);
    int r = cf_digest_set_add(&check->lost_objects, digest);
    return r < 0 ? r : 1;
}

static int layer_object(const struct cf_digest *digest, bool has_size, uint64_t size, void *context)
{
    struct layer_check *layer = context;
    char user[100];

    snprintf(user, sizeof(user), "layer sha256:%s", layer->hex);
    int r = check_object(layer->check, digest, has_size, size, user);
    if (r > 0)
        layer->lost++;
    return r < 0 ? r : 0;
}

/* ---- layers ---- */

static bool sum_is_right(int layer_fd, const struct cf_json *json, const char *name)
{
    const char *text = cf_json_get_string(json, name);
    struct cf_digest wanted, found;

    int fd cf_autoclose = openat(layer_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return text && fd >= 0 && cf_digest_parse(text, &wanted) == 0 &&
           cf_file_digest(fd, &found) == 0 && cf_digest_equal(&wanted, &found);
}

static bool tree_is_right(struct cf_store *store, const struct cf_digest *diff_id)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;

    return cf_layer_tree(store, diff_id, &tree, NULL) == 0 && cf_tree_verify(tree, NULL) == 0;
}

/* What is wrong with the layer's own files, or NULL. */
static const char *layer_fault(struct layer_check *layer)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_layer_form *forms cf_autofree = NULL;
    size_t count;

    if (cf_forms_load(layer->fd, &json, NULL) < 0 || cf_forms_decode(json, &forms, &count) < 0)
        return "blobs.json";
    if (!sum_is_right(layer->fd, json, "tree") ||
        !tree_is_right(layer->check->store, &layer->diff_id))
        return "tree";
    return sum_is_right(layer->fd, json, "recipe") ? NULL : "recipe";
}

static int check_layer_objects(struct layer_check *layer)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;

    int r = cf_layer_tree(layer->check->store, &layer->diff_id, &tree, NULL);
    if (r == 0)
        r = cf_tree_each_object(tree, layer_object, layer);
    return r < 0 ? r : cf_recipe_each_object(layer->fd, layer_object, layer);
}

/* While the mark is there, loading the layer again writes it anew, with all its objects. */
static int set_incomplete(struct layer_check *layer)
{
    struct cf_check *check = layer->check;
    char path[CF_DIGEST_HEX_SIZE + 16];

    if (!check->repair)
        return 0;
    snprintf(path, sizeof(path), "%s/" INCOMPLETE_FILE, layer->hex);
    if (layer->lost == 0)
        return unlinkat(check->store->layers_fd, path, 0) < 0 && errno != ENOENT ? -errno : 0;
    int fd cf_autoclose =
        openat(check->store->layers_fd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0444);
    return fd < 0 && errno != EACCES ? -errno : 0;
}

static int check_layer(struct layer_check *layer)
{
    struct cf_check *check = layer->check;

    check->result.layers++;
    const char *fault = layer_fault(layer);
    if (!fault) {
        int r = check_layer_objects(layer);
        return r < 0 ? r : set_incomplete(layer);
    }
    bool aside = cf_check_set_aside(check, check->store->layers_fd, layer->hex);
    cf_check_tell(check, CF_CHECK_DAMAGED, aside, "layers/%s/%s is damaged", layer->hex, fault);
    int r = cf_digest_set_add(&check->lost_layers, &layer->diff_id);
    return r < 0 ? r : 0;
}

static int check_layer_entry(int dirfd, const char *name, void *context)
{
    struct layer_check layer = {.check = context};

    if (cf_digest_parse_hex(name, &layer.diff_id) < 0)
        return 0;
    cf_digest_hex(&layer.diff_id, layer.hex);
    layer.fd = openat(dirfd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (layer.fd < 0)
        return -errno;
    int r = check_layer(&layer);
    close(layer.fd);
    return r;
}

int cf_check_layers(struct cf_check *check, struct cf_error *err)
{
    int r = cf_each_entry(check->store->root_fd, "layers", check_layer_entry, check);

    return r < 0 ? cf_fail_errno(err, -r, "cannot check the layers of store %s", check->store->root)
                 : 0;
}

/* ---- stubs of uppers, and what nothing refers to ---- */

struct mount_check {
    struct cf_check *check;
    const char *id;
};

static int stub_object(const struct cf_digest *digest, bool has_size, uint64_t size, void *context)
{
    const struct mount_check *mount = context;
    char user[300];

    snprintf(user, sizeof(user), "a file of mount %s", mount->id);
    int r = check_object(mount->check, digest, has_size, size, user);
    return r < 0 ? r : 0;
}

static int check_stubs(const struct cf_mount_note *note, void *context)
{
    struct mount_check mount = {context, note->id};

    return cf_upper_each_object(mount.check->store, note, stub_object, &mount, NULL);
}

struct fan {
    struct cf_check *check;
    const char *name;
};

/*
 * An object that nothing refers to may be half written: a power cut can come before its data. It
 * is no problem, but a repair removes it, so that nothing comes to refer to it.
 */
static int check_loose(int dirfd, const char *name, void *context)
{
    const struct fan *fan = context;
    struct cf_check *check = fan->check;
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest digest;

    snprintf(hex, sizeof(hex), "%.2s%.62s", fan->name, name);
    if (strlen(name) != CF_DIGEST_HEX_SIZE - 3 || cf_digest_parse_hex(hex, &digest) < 0)
        return 0;
    check->result.objects++;
    if (check->repair && check->deep && !cf_digest_set_has(&check->used_objects, &digest) &&
        !content_is_right(check->store, &digest))
        (void)cf_check_set_aside(check, dirfd, name);
    return 0;
}

static int check_fan(int dirfd, const char *name, void *context)
{
    struct fan fan = {context, name};

    return cf_is_hex(name, 2) ? cf_each_entry(dirfd, name, check_loose, &fan) : 0;
}

int cf_check_objects(struct cf_check *check, struct cf_error *err)
{
    int r = cf_store_each_mount(check->store, check_stubs, check, err);
    if (r == 0)
        r = cf_each_entry(check->store->root_fd, "objects", check_fan, check);
    return r < 0
               ? cf_fail_errno(err, -r, "cannot check the objects of store %s", check->store->root)
               : 0;
}
