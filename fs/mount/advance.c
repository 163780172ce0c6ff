/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Another base image and an empty upper for an idle mount, at once: a note of what is to be done is
 * made durable, then the old upper is exchanged for an empty one, then the description is changed.
 * Whoever finds the note goes on: an empty upper tells that the exchange was done.
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
#include <cloudfs/log.h>

#include "internal.h"

#define NOTE "advance.json"
#define NOTE_MAX 65536
#define OLD ".old" /* behind the path of the upper, while it is being exchanged */

static int note_path(const struct cf_mount *mount, char ret_path[64])
{
    (void)snprintf(ret_path, 64, "%s/" NOTE, mount->id);
    return 0;
}

static int write_note(struct cf_store *store, const struct cf_mount *mount, const char *reference,
                      const struct cf_digest *manifest)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char digest[CF_DIGEST_TEXT_SIZE], path[64];

    cf_digest_text(manifest, digest);
    (void)note_path(mount, path);
    int r = json ? cf_json_set_string(json, "reference", reference) : -ENOMEM;
    if (r == 0)
        r = cf_json_set_string(json, "manifest", digest);
    if (r == 0)
        r = cf_json_print(json, true, &text);
    return r == 0 ? cf_replace_file(cf_store_mounts_fd(store), path, text.data, text.len, 0600) : r;
}

static int read_note(struct cf_store *store, const struct cf_mount *mount, char **ret_reference,
                     struct cf_digest *ret_manifest)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[64];

    (void)note_path(mount, path);
    int r = cf_read_file(cf_store_mounts_fd(store), path, NOTE_MAX, &text);
    if (r == 0)
        r = cf_json_parse(text.data ? text.data : "", text.len, &json, NULL);
    if (r < 0)
        return r;
    const char *reference = cf_json_get_string(json, "reference");
    const char *manifest = cf_json_get_string(json, "manifest");
    if (!reference || !manifest || cf_digest_parse(manifest, ret_manifest) < 0)
        return -EBADMSG;
    *ret_reference = strdup(reference);
    return *ret_reference ? 0 : -ENOMEM;
}

static int drop_note(struct cf_store *store, const struct cf_mount *mount)
{
    char path[64];

    (void)note_path(mount, path);
    if (unlinkat(cf_store_mounts_fd(store), path, 0) < 0 && errno != ENOENT)
        return -errno;
    return 0;
}

static int old_path(const struct cf_mount *mount, struct cf_buf *ret_path)
{
    return cf_buf_printf(ret_path, "%s" OLD, mount->upper);
}

/* An empty directory in the place of the upper, which is then at its path with OLD behind. */
static int exchange(const struct cf_mount *mount)
{
    struct cf_buf other cf_autobuf = CF_BUF_INIT;
    struct stat st;
    int r = old_path(mount, &other);

    if (r == 0)
        r = cf_remove_tree(AT_FDCWD, other.data);
    if (r == 0 && stat(mount->upper, &st) < 0)
        r = -errno;
    if (r == 0 && mkdir(other.data, st.st_mode & 07777) < 0)
        r = -errno;
    if (r == 0 && renameat2(AT_FDCWD, other.data, AT_FDCWD, mount->upper, RENAME_EXCHANGE) < 0)
        r = -errno;
    if (r < 0)
        return r;
    /* On the disk before the description says otherwise. */
    char *slash = strrchr(other.data, '/');
    *slash = '\0';
    return cf_sync_dir(AT_FDCWD, slash == other.data ? "/" : other.data);
}

/* The upper is empty: what belongs to its former content goes, and the new base is recorded. */
static int finish(struct cf_store *store, const struct cf_mount *mount, const char *reference,
                  const struct cf_digest *manifest, struct cf_error *err)
{
    struct cf_buf other cf_autobuf = CF_BUF_INIT;
    int work_fd cf_autoclose = open(mount->work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = work_fd < 0 ? -errno : cf_remove_tree(work_fd, "index");

    if (r < 0)
        return cf_fail_errno(err, -r, "cannot clean %s", CF_QUOTE(mount->work));
    r = cf_mount_set_image(store, mount, reference, manifest, err);
    if (r < 0)
        return r;
    r = drop_note(store, mount);
    if (r == 0)
        r = old_path(mount, &other);
    if (r == 0)
        r = cf_remove_tree(AT_FDCWD, other.data);
    return r < 0 ? cf_fail_errno(err, -r, "cannot remove what mount %s had before", mount->id) : 0;
}

static int upper_is_empty(const struct cf_mount *mount)
{
    int fd cf_autoclose = open(mount->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : cf_dir_is_empty(fd);
}

int cf_mount_advance(struct cf_store *store, const struct cf_mount *mount, const char *reference,
                     const struct cf_digest *manifest, struct cf_error *err)
{
    if (mount->state == CF_MOUNT_LIVE)
        return cf_fail(err, -EBUSY, "mount %s is mounted: unmount it first", mount->id);
    if (!mount->upper)
        return cf_mount_set_image(store, mount, reference, manifest, err);
    int empty = upper_is_empty(mount);
    int r = empty < 0 ? empty : write_note(store, mount, reference, manifest);
    if (r == 0 && !empty)
        r = exchange(mount);
    if (r < 0) {
        (void)drop_note(store, mount);
        return cf_fail_errno(err, -r, "cannot give mount %s an empty upper directory", mount->id);
    }
    return finish(store, mount, reference, manifest, err);
}

int cf_mount_advance_recover(struct cf_store *store, struct cf_mount *mount)
{
    char *reference cf_autofree = NULL;
    struct cf_digest manifest;

    if (!mount->upper || mount->state == CF_MOUNT_LIVE)
        return 0;
    int r = read_note(store, mount, &reference, &manifest);
    if (r == -ENOENT)
        return 0;
    int lock_fd cf_autoclose = cf_mount_lock_open(store, mount->id);
    if (lock_fd < 0 || cf_mount_lock_take(lock_fd) < 0 || cf_mount_is_in_kernel(mount))
        return 0; /* who holds it is at work on it */
    int empty = upper_is_empty(mount);
    if (r == 0 && empty > 0)
        r = finish(store, mount, reference, &manifest, NULL);
    else if (empty == 0 || r == -EBADMSG || r == -EINVAL)
        r = drop_note(store, mount); /* nothing was exchanged yet */
    else if (empty < 0)
        r = empty;
    if (r < 0 || empty <= 0 || !reference)
        return r;
    mount->manifest = manifest;
    free(mount->reference);
    mount->reference = CF_TAKE(reference);
    return 0;
}
