/* SPDX-License-Identifier: Apache-2.0 */
/* Which images an archive holds, by its documents alone. */
#include <cloudfs/archive.h>

#include <errno.h>

#include "bundle.h"

static int read_json(struct source *source, const char *name, struct cf_json **ret_json,
                     struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_source_read(source, name, CF_BLOB_MAX, &text, err);

    if (r < 0)
        return r;
    r = cf_json_parse(text.data, text.len, ret_json, err);
    return r < 0 ? cf_fail_in(err, r, "%s", name) : 0;
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

static int docker_names(const struct cf_json *list, cf_archive_name_fn *fn, void *context)
{
    int r = 0;

    for (const struct cf_json *item = cf_json_first(list); item && r == 0;
         item = cf_json_next(item))
        for (const struct cf_json *tag = cf_json_first(cf_json_get(item, "RepoTags"));
             tag && r == 0; tag = cf_json_next(tag))
            if (cf_json_string(tag))
                r = fn(cf_json_string(tag), NULL, context);
    return r;
}

int cf_archive_names(struct cf_store *store, int fd, const char *what, cf_archive_name_fn *fn,
                     void *context, struct cf_error *err)
{
    struct source *source cf_cleanup(cf_source_close_ptr) = NULL;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_source_open_fd(store, fd, what, &source, err);

    if (r < 0)
        return r;
    r = read_json(source, "index.json", &json, err);
    if (r == 0)
        return oci_names(json, fn, context);
    if (r == -ENOENT)
        r = read_json(source, "manifest.json", &json, err);
    if (r == -ENOENT || (r == 0 && !cf_json_is_array(json)))
        return cf_fail(err, -EINVAL, "%s is no archive of images", cf_source_name(source));
    return r < 0 ? r : docker_names(json, fn, context);
}
