/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names: names/<components>/@<tag>, a file of "sha256:<64 hex>\n". '@' is in no component, so a
 * tag never meets a directory.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/json.h>
#include <cloudfs/reference.h>
#include <cloudfs/store.h>

#include "private.h"

#define NAME_PATH_SIZE (CF_TAGGED_SIZE + 1)
#define NAME_DEPTH_MAX 128 /* a name of 255 characters has fewer parts */
/* Who set it may have been killed before its last sync; the kernel does that by itself by then. */
#define NAME_SETTLED_SECONDS 60
#define RETRIES 16 /* when another process removes a directory under our hands */

/* "name:tag" as the path below names/. */
static int name_path(const char *name, char ret_path[NAME_PATH_SIZE], struct cf_error *err)
{
    struct cf_reference reference;

    int r = cf_reference_parse(name, &reference, err);
    if (r < 0)
        return r;
    if (!reference.tag[0] || reference.has_digest)
        return cf_fail(err, -EINVAL, "'%s' is not of the form name:tag", name);
    snprintf(ret_path, NAME_PATH_SIZE, "%s/@%s", reference.name, reference.tag);
    return 0;
}

static int read_name(struct cf_store *store, const char *path, struct cf_digest *ret_manifest)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    int r = cf_read_file(store->names_fd, path, CF_DIGEST_TEXT_SIZE, &text);
    if (r == -EFBIG)
        return -EBADMSG;
    if (r < 0)
        return r == -ENOTDIR ? -ENOENT : r;
    if (text.len != CF_DIGEST_TEXT_SIZE || text.data[text.len - 1] != '\n')
        return -EBADMSG;
    text.data[text.len - 1] = 0;
    return cf_digest_parse(text.data, ret_manifest) < 0 ? -EBADMSG : 0;
}

int cf_name_get(struct cf_store *store, const char *name, struct cf_digest *ret_manifest)
{
    char path[NAME_PATH_SIZE];

    int r = name_path(name, path, NULL);
    return r < 0 ? r : read_name(store, path, ret_manifest);
}

/* mkdir -p below names/; notes the directories that got a new entry. */
static int make_dirs(struct cf_store *store, const char *dir)
{
    char prefix[NAME_PATH_SIZE];
    size_t parent = 0; /* length of the path whose entry is made */

    for (size_t i = 0; i <= strlen(dir); i++) {
        if (dir[i] && dir[i] != '/')
            continue;
        snprintf(prefix, sizeof(prefix), "%.*s", (int)i, dir);
        if (mkdirat(store->names_fd, prefix, 0700) == 0)
            cf_store_note(store, "names/%.*s", (int)parent, dir);
        else if (errno != EEXIST)
            return -errno;
        parent = i;
    }
    return 0;
}

static int place(struct cf_store *store, struct cf_temp *temp, const char *path)
{
    char dir[NAME_PATH_SIZE];
    int r = -ENOENT;

    snprintf(dir, sizeof(dir), "%s", path);
    *strrchr(dir, '/') = 0;
    for (int i = 0; i < RETRIES && r == -ENOENT; i++) {
        r = make_dirs(store, dir);
        if (r == 0)
            r = cf_temp_rename(store, temp, store->names_fd, path);
    }
    if (r == 0)
        cf_store_note(store, "names/%s", dir);
    return r;
}

static int prepare(struct cf_store *store, const struct cf_digest *manifest,
                   struct cf_temp *ret_temp)
{
    char text[CF_DIGEST_TEXT_SIZE];

    int r = cf_temp_open(store, true, 0444, ret_temp);
    if (r < 0)
        return r;
    cf_digest_text(manifest, text);
    text[CF_DIGEST_TEXT_SIZE - 1] = '\n';
    r = cf_write_full(ret_temp->fd, text, sizeof(text));
    if (r < 0)
        cf_temp_drop(store, ret_temp);
    else
        cf_store_note(store, "tmp/%s", ret_temp->name);
    return r;
}

/* An image that another process removes at this moment does not get a new name. */
static int check_whole(struct cf_store *store, const struct cf_digest *manifest,
                       struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest config;

    int r = cf_blob_get(store, manifest, &text, err);
    if (r < 0)
        return r;
    r = cf_json_parse(text.data, text.len, &json, err);
    if (r < 0)
        return r;
    const struct cf_json *list = cf_json_get(json, "manifests");
    for (const struct cf_json *item = cf_json_first(list); item; item = cf_json_next(item)) {
        const char *one = cf_json_get_string(item, "digest");
        if (!one || cf_digest_parse(one, &config) < 0 || !cf_blob_exists(store, &config))
            return cf_fail(err, -ENOENT, "its manifest %s is not in the store", one ? one : "");
    }
    if (list)
        return 0;
    const char *digest = cf_json_get_string(cf_json_get(json, "config"), "digest");
    if (!digest || cf_digest_parse(digest, &config) < 0)
        return cf_fail(err, -EINVAL, "its manifest names no config");
    if (!cf_blob_exists(store, &config))
        return cf_fail(err, -ENOENT, "its config %s is not in the store", digest);
    return 0;
}

/* Whether the name says so already, has long been on the disk with all that it stands for, and
 * nothing was written that should be there with it. */
static bool is_set(struct cf_store *store, const char *path, const struct cf_digest *manifest)
{
    struct cf_digest now;
    struct stat st;

    return !cf_store_has_written(store) && read_name(store, path, &now) == 0 &&
           cf_digest_equal(&now, manifest) &&
           fstatat(store->names_fd, path, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
           st.st_ctim.tv_sec + NAME_SETTLED_SECONDS < time(NULL);
}

static int set_locked(struct cf_store *store, const char *path, const struct cf_digest *manifest,
                      struct cf_error *err)
{
    struct cf_temp temp = CF_TEMP_INIT;

    int r = check_whole(store, manifest, err);
    if (r < 0 || is_set(store, path, manifest))
        return r;
    r = prepare(store, manifest, &temp);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot write store %s", store->root);
    r = cf_store_sync(store, err);
    if (r == 0) {
        r = place(store, &temp, path);
        if (r < 0)
            r = cf_fail_errno(err, -r, "cannot write names/%s of store %s", path, store->root);
    }
    cf_temp_drop(store, &temp);
    return r < 0 ? r : cf_store_sync(store, err);
}

int cf_name_set(struct cf_store *store, const char *name, const struct cf_digest *manifest,
                struct cf_error *err)
{
    char path[NAME_PATH_SIZE];

    int r = name_path(name, path, err);
    if (r < 0)
        return r;
    int lock cf_autoclose = cf_store_lock_name(store, "names");
    if (lock < 0)
        return cf_fail_errno(err, -lock, "cannot lock the names of store %s", store->root);
    r = set_locked(store, path, manifest, err);
    return r < 0 ? cf_fail_in(err, r, "name %s", name) : 0;
}

int cf_name_drop_path(struct cf_store *store, const char *path)
{
    char dir[PATH_MAX];

    if (unlinkat(store->names_fd, path, 0) < 0 && errno != EISDIR)
        return errno == ENOTDIR ? -ENOENT : -errno;
    if (snprintf(dir, sizeof(dir), "%s", path) >= (int)sizeof(dir))
        return -ENAMETOOLONG;
    /* Up to the first directory that something is left in, and make its loss durable. */
    for (;;) {
        char *slash = strrchr(dir, '/');
        if (slash)
            *slash = 0;
        if (!slash || unlinkat(store->names_fd, dir, AT_REMOVEDIR) < 0)
            return cf_sync_dir(store->names_fd, slash ? dir : ".");
    }
}

int cf_name_drop(struct cf_store *store, const char *name, struct cf_error *err)
{
    char path[NAME_PATH_SIZE];

    int r = name_path(name, path, err);
    if (r < 0)
        return r;
    r = cf_name_drop_path(store, path);
    if (r == -ENOENT)
        return cf_fail(err, r, "no image is named %s", name);
    return r < 0 ? cf_fail_errno(err, -r, "cannot remove the name %s", name) : 0;
}

int cf_name_remove(struct cf_store *store, const char *name, struct cf_error *err)
{
    int lock cf_autoclose = cf_store_lock_name(store, "names");

    if (lock < 0)
        return cf_fail_errno(err, -lock, "cannot lock the names of store %s", store->root);
    return cf_name_drop(store, name, err);
}

/* ---- all names ---- */

struct found_name {
    char *text; /* name:tag, or the path of rubbish */
    bool rubbish;
    struct cf_digest manifest;
};

struct name_scan {
    struct cf_store *store;
    struct found_name *names;
    size_t count, room;
    const char *dir; /* below names/, "" at first */
    int depth;
};

static int add_name(struct name_scan *scan, char *text, bool rubbish,
                    const struct cf_digest *manifest)
{
    if (scan->count == scan->room) {
        size_t room = scan->room ? scan->room * 2 : 64;
        struct found_name *names = reallocarray(scan->names, room, sizeof(*names));
        if (!names)
            return -ENOMEM;
        scan->names = names;
        scan->room = room;
    }
    struct found_name *name = &scan->names[scan->count++];
    name->text = text;
    name->rubbish = rubbish;
    if (!rubbish)
        name->manifest = *manifest;
    return 0;
}

static int scan_file(struct name_scan *scan, const char *path)
{
    struct cf_digest manifest;
    struct cf_reference reference;
    const char *at = strstr(path, "/@");
    struct cf_buf text cf_autobuf = CF_BUF_INIT;

    int r = at ? cf_buf_printf(&text, "%.*s:%s", (int)(at - path), path, at + 2)
               : cf_buf_add_str(&text, path);
    if (r < 0)
        return r;
    bool rubbish = !at || cf_reference_parse(text.data, &reference, NULL) < 0 ||
                   !reference.tag[0] || reference.has_digest;
    if (!rubbish) {
        r = read_name(scan->store, path, &manifest);
        if (r == -ENOENT)
            return 0; /* removed meanwhile */
        if (r < 0 && r != -EBADMSG)
            return r;
        rubbish = r == -EBADMSG;
    }
    if (rubbish) {
        cf_buf_clear(&text);
        r = cf_buf_add_str(&text, path);
        if (r < 0)
            return r;
    }
    char *taken = cf_buf_take(&text);
    r = taken ? add_name(scan, taken, rubbish, &manifest) : -ENOMEM;
    if (r < 0)
        free(taken);
    return r;
}

static int scan_entry(int dirfd, const char *name, void *context)
{
    struct name_scan *scan = context;
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct stat st;

    int r = cf_buf_printf(&path, "%s%s%s", scan->dir, scan->dir[0] ? "/" : "", name);
    if (r < 0)
        return r;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISDIR(st.st_mode) || scan->depth >= NAME_DEPTH_MAX)
        return scan_file(scan, path.data);
    const char *parent = scan->dir;
    scan->dir = path.data;
    scan->depth++;
    r = cf_each_entry(dirfd, name, scan_entry, scan);
    scan->depth--;
    scan->dir = parent;
    return r == -ENOENT ? 0 : r;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct found_name *)a)->text, ((const struct found_name *)b)->text);
}

static int tell_names(struct name_scan *scan, cf_name_fn *fn, void *context)
{
    for (size_t i = 0; i < scan->count; i++) {
        const struct found_name *name = &scan->names[i];
        int r = fn(name->text, name->rubbish ? NULL : &name->manifest, context);
        if (r)
            return r;
    }
    return 0;
}

int cf_name_scan(struct cf_store *store, cf_name_fn *fn, void *context, struct cf_error *err)
{
    struct name_scan scan = {.store = store, .dir = ""};

    int r = cf_each_entry(store->root_fd, "names", scan_entry, &scan);
    if (r < 0)
        cf_fail_errno(err, -r, "cannot read the names of store %s", store->root);
    if (r == 0 && scan.count > 0) {
        qsort(scan.names, scan.count, sizeof(*scan.names), compare_names);
        r = tell_names(&scan, fn, context);
    }
    for (size_t i = 0; i < scan.count; i++)
        free(scan.names[i].text);
    free(scan.names);
    return r;
}

struct good_names {
    cf_name_fn *fn;
    void *context;
};

static int tell_good(const char *name, const struct cf_digest *manifest, void *context)
{
    const struct good_names *good = context;

    return manifest ? good->fn(name, manifest, good->context) : 0;
}

int cf_name_each(struct cf_store *store, cf_name_fn *fn, void *context, struct cf_error *err)
{
    struct good_names good = {fn, context};

    return cf_name_scan(store, tell_good, &good, err);
}
