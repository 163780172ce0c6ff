/* SPDX-License-Identifier: Apache-2.0 */
/*
 * blobs.json of a layer:
 *   {"forms": [{"digest": "sha256:...", "size": N, "mediaType": "...", "notes": {...}} ...],
 *    "tree": "sha256:...", "recipe": "sha256:..."}
 * tree and recipe are the checksums of these files as they were published.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/json.h>

#include "layer.h"

int cf_forms_load(int layer_fd, struct cf_json **ret_json, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    int r = cf_read_file(layer_fd, FORMS_FILE, FORMS_MAX, &text);
    if (r == -ENOENT)
        return r;
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read " FORMS_FILE);
    r = cf_json_parse(text.data ? text.data : "", text.len, ret_json, err);
    return r == -EINVAL ? cf_fail_in(err, -EBADMSG, FORMS_FILE " is damaged") : r;
}

static int print_to(int fd, const struct cf_json *json)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    int r = cf_json_print(json, true, &text);
    return r < 0 ? r : cf_write_full(fd, text.data, text.len);
}

int cf_forms_save(int layer_fd, const struct cf_json *json, struct cf_error *err)
{
    if (unlinkat(layer_fd, FORMS_FILE, 0) < 0 && errno != ENOENT)
        return cf_fail_errno(err, errno, "cannot replace " FORMS_FILE);
    int fd cf_autoclose =
        openat(layer_fd, FORMS_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);
    int r = fd < 0 ? -errno : print_to(fd, json);
    return r < 0 ? cf_fail_errno(err, -r, "cannot write " FORMS_FILE) : 0;
}

static struct cf_json *encode_form(const struct cf_layer_form *form)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_json *json = cf_json_object();

    cf_digest_text(&form->digest, text);
    if (!json || cf_json_set_string(json, "digest", text) < 0 ||
        cf_json_set_int(json, "size", (int64_t)form->size) < 0 ||
        cf_json_set_string(json, "mediaType", form->media_type) < 0) {
        cf_json_free(json);
        return NULL;
    }
    struct cf_json *notes = NULL;
    if (form->notes[0] && cf_json_parse(form->notes, strlen(form->notes), &notes, NULL) == 0 &&
        cf_json_set(json, "notes", notes) < 0) {
        cf_json_free(json);
        return NULL;
    }
    return json;
}

static struct cf_json *encode_forms(const struct cf_layer_form *forms, size_t count)
{
    struct cf_json *array = cf_json_array();

    for (size_t i = 0; array && i < count; i++)
        if (cf_json_append(array, encode_form(&forms[i])) < 0) {
            cf_json_free(array);
            return NULL;
        }
    return array;
}

int cf_layer_forms_write(int layer_fd, const struct cf_layer_form *forms, size_t count,
                         struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();

    if (!json || cf_json_set(json, "forms", encode_forms(forms, count)) < 0)
        return cf_fail_errno(err, ENOMEM, "describe a layer");
    return cf_forms_save(layer_fd, json, err);
}

static int decode_form(const struct cf_json *json, struct cf_layer_form *ret_form)
{
    const char *digest = cf_json_get_string(json, "digest");
    const char *media_type = cf_json_get_string(json, "mediaType");
    int64_t size = -1;

    memset(ret_form, 0, sizeof(*ret_form));
    if (!digest || cf_digest_parse(digest, &ret_form->digest) < 0 || !media_type ||
        strlen(media_type) >= sizeof(ret_form->media_type) ||
        !cf_json_int(cf_json_get(json, "size"), &size) || size < 0)
        return -EBADMSG;
    ret_form->size = (uint64_t)size;
    memcpy(ret_form->media_type, media_type, strlen(media_type) + 1);
    /* Notes only spare work: those that do not fit are forgotten. */
    struct cf_buf notes cf_autobuf = CF_BUF_INIT;
    const struct cf_json *value = cf_json_get(json, "notes");
    if (cf_json_is_object(value) && cf_json_print(value, false, &notes) == 0 &&
        notes.len < sizeof(ret_form->notes))
        memcpy(ret_form->notes, notes.data, notes.len + 1);
    return 0;
}

int cf_forms_decode(const struct cf_json *json, struct cf_layer_form **ret_forms, size_t *ret_count)
{
    const struct cf_json *array = cf_json_get(json, "forms");
    size_t count = cf_json_count(array);

    if (array && !cf_json_is_array(array))
        return -EBADMSG;
    struct cf_layer_form *forms = calloc(count ? count : 1, sizeof(*forms));
    if (!forms)
        return -ENOMEM;
    const struct cf_json *child = cf_json_first(array);
    for (size_t i = 0; i < count; i++, child = cf_json_next(child)) {
        int r = decode_form(child, &forms[i]);
        if (r < 0) {
            free(forms);
            return r;
        }
    }
    *ret_forms = forms;
    *ret_count = count;
    return 0;
}

int cf_layer_forms_read(struct cf_store *store, const struct cf_digest *diff_id,
                        struct cf_layer_form **ret_forms, size_t *ret_count, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    char text[CF_DIGEST_TEXT_SIZE];

    cf_digest_text(diff_id, text);
    int fd cf_autoclose = cf_layer_open(store, diff_id, err);
    if (fd < 0)
        return fd;
    int r = cf_forms_load(fd, &json, err);
    if (r == -ENOENT) /* the directory is there */
        return cf_fail(err, -EBADMSG, "layer %s: " FORMS_FILE " is missing", text);
    if (r < 0)
        return cf_fail_in(err, r, "layer %s", text);
    r = cf_forms_decode(json, ret_forms, ret_count);
    if (r < 0)
        return cf_fail(err, r, "layer %s: " FORMS_FILE " is damaged", text);
    return 0;
}

/* Takes the first child of that digest out, if there is one. */
static int merge_form(struct cf_json *json, const struct cf_layer_form *form)
{
    struct cf_layer_form *forms cf_autofree = NULL;
    size_t count = 0;

    int r = cf_forms_decode(json, &forms, &count);
    if (r < 0)
        return r;
    struct cf_layer_form *all cf_autofree = calloc(count + 1, sizeof(*all));
    if (!all)
        return -ENOMEM;
    memcpy(all, forms, count * sizeof(*all));
    size_t i = 0;
    while (i < count && !cf_digest_equal(&all[i].digest, &form->digest))
        i++;
    all[i] = *form;
    return cf_json_set(json, "forms", encode_forms(all, i == count ? count + 1 : count));
}

static int replace_forms(struct cf_store *store, int layer_fd, const struct cf_json *json)
{
    struct cf_temp temp = CF_TEMP_INIT;

    int r = cf_temp_open(store, true, 0444, &temp);
    if (r < 0)
        return r;
    r = print_to(temp.fd, json);
    if (r == 0 && fsync(temp.fd) < 0)
        r = -errno;
    if (r == 0)
        r = cf_temp_rename(store, &temp, layer_fd, FORMS_FILE);
    cf_temp_drop(store, &temp);
    return r < 0 ? r : cf_sync_dir(layer_fd, ".");
}

int cf_layer_form_add(struct cf_store *store, const struct cf_digest *diff_id,
                      const struct cf_layer_form *form, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    char text[CF_DIGEST_TEXT_SIZE];
    char name[CF_DIGEST_HEX_SIZE + 8];

    cf_digest_text(diff_id, text);
    int fd cf_autoclose = cf_layer_open(store, diff_id, err);
    if (fd < 0)
        return fd;
    /* A lock of its own: callers may hold the layer's. */
    snprintf(name, sizeof(name), "forms-%s", text + strlen("sha256:"));
    int lock cf_autoclose = cf_store_lock_name(store, name);
    if (lock < 0)
        return cf_fail_errno(err, -lock, "cannot lock layer %s", text);
    int r = cf_forms_load(fd, &json, err);
    if (r < 0)
        return cf_fail_in(err, r, "layer %s", text);
    r = merge_form(json, form);
    if (r == 0)
        r = replace_forms(store, fd, json);
    return r < 0 ? cf_fail_errno(err, -r, "cannot change " FORMS_FILE " of layer %s", text) : 0;
}

struct form_search {
    const struct cf_digest *digest;
    struct cf_digest found;
};

static int search_layer(int dirfd, const char *name, void *context)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_layer_form *forms cf_autofree = NULL;
    struct form_search *search = context;
    size_t count = 0;

    if (cf_digest_parse_hex(name, &search->found) < 0)
        return 0;
    int fd cf_autoclose = openat(dirfd, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || cf_forms_load(fd, &json, NULL) < 0 || cf_forms_decode(json, &forms, &count) < 0)
        return 0; /* fsck tells of damage; a search goes on */
    for (size_t i = 0; i < count; i++)
        if (cf_digest_equal(&forms[i].digest, search->digest))
            return 1;
    return 0;
}

int cf_layer_by_form(struct cf_store *store, const struct cf_digest *digest,
                     struct cf_digest *ret_diff_id)
{
    struct form_search search = {.digest = digest};

    int r = cf_each_entry(store->root_fd, "layers", search_layer, &search);
    if (r < 0)
        return r;
    if (r == 0)
        return -ENOENT;
    *ret_diff_id = search.found;
    return 0;
}
