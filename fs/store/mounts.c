/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the store itself reads of mounts/<id>/mount.json: which images the mount needs ("manifest",
 * and the list "keeps" of further ones), and where its upper and work directories are ("upper",
 * "work": absolute paths; absent for upper/ and work/ beside it). The mount module owns the rest.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/json.h>

#include "private.h"

#define MOUNT_JSON_MAX (1u << 20)

struct mount_scan {
    cf_mount_note_fn *fn;
    void *context;
};

static int add_manifest(struct cf_mount_note *note, const char *text)
{
    struct cf_digest digest;

    if (!text || cf_digest_parse(text, &digest) < 0)
        return -EBADMSG;
    note->manifests[note->manifest_count++] = digest;
    return 0;
}

static int decode(struct cf_mount_note *note, const struct cf_json *json)
{
    const struct cf_json *keeps = cf_json_get(json, "keeps");
    const char *upper = cf_json_get_string(json, "upper");
    const char *work = cf_json_get_string(json, "work");

    note->manifests = calloc(cf_json_count(keeps) + 1, sizeof(*note->manifests));
    if (!note->manifests)
        return -ENOMEM;
    int r = add_manifest(note, cf_json_get_string(json, "manifest"));
    for (const struct cf_json *keep = cf_json_first(keeps); r == 0 && keep;
         keep = cf_json_next(keep))
        r = add_manifest(note, cf_json_string(keep));
    if (r < 0)
        return r;
    if (upper && *upper == '/' && !(note->upper = strdup(upper)))
        return -ENOMEM;
    if (work && *work == '/' && !(note->work = strdup(work)))
        return -ENOMEM;
    return 0;
}

/* -ENOENT: no such file; -EBADMSG: rubbish. */
static int read_note(struct cf_mount_note *note, int dirfd, const char *name)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[300];

    snprintf(path, sizeof(path), "%s/mount.json", name);
    int r = cf_read_file(dirfd, path, MOUNT_JSON_MAX, &text);
    if (r < 0)
        return r == -EFBIG ? -EBADMSG : r;
    r = cf_json_parse(text.data ? text.data : "", text.len, &json, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : -EBADMSG;
    return decode(note, json);
}

static int scan_mount(int dirfd, const char *name, void *context)
{
    const struct mount_scan *scan = context;
    struct cf_mount_note note = {0};
    struct stat st;

    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISDIR(st.st_mode))
        return 0;
    snprintf(note.id, sizeof(note.id), "%s", name);
    int r = read_note(&note, dirfd, name);
    if (r == -EBADMSG) {
        note.damaged = true;
        note.manifest_count = 0;
    }
    if (r == 0 || r == -EBADMSG || r == -ENOENT)
        r = scan->fn(&note, scan->context);
    free(note.manifests);
    free(note.upper);
    free(note.work);
    return r;
}

int cf_store_each_mount(struct cf_store *store, cf_mount_note_fn *fn, void *context,
                        struct cf_error *err)
{
    struct mount_scan scan = {fn, context};

    int r = cf_each_entry(store->root_fd, "mounts", scan_mount, &scan);
    if (r < 0)
        cf_fail_errno(err, -r, "cannot read the mounts of store %s", store->root);
    return r;
}
