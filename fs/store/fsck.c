/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Verifies a store from the bottom up: blobs, layers with their objects, then the names and mounts
 * that need them, and the merged trees.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "fsck.h"
#include "image_parse.h"

void cf_check_tell(struct cf_check *check, enum cf_check_kind kind, bool fixed, const char *format,
                   ...)
{
    struct cf_buf line cf_autobuf = CF_BUF_INIT;
    va_list ap;

    if (kind == CF_CHECK_MISSING)
        check->result.missing++;
    else
        check->result.damaged++;
    check->result.repaired += fixed;
    va_start(ap, format);
    int r = cf_buf_vprintf(&line, format, ap);
    va_end(ap);
    if (r == 0 && fixed)
        r = cf_buf_add_str(&line, " (repaired)");
    if (check->fn)
        check->fn(r == 0 ? line.data : "a problem, and no memory to describe it", check->context);
}

bool cf_check_set_aside(struct cf_check *check, int dirfd, const char *name)
{
    char aside[40], random[17];

    if (!check->repair)
        return false;
    cf_random_name(random);
    snprintf(aside, sizeof(aside), "damaged-%s", random);
    return renameat(dirfd, name, check->store->tmp_fd, aside) == 0 || errno == ENOENT;
}

/* ---- blobs ---- */

static int check_blob(int dirfd, const char *name, void *context)
{
    struct cf_check *check = context;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;

    if (cf_digest_parse_hex(name, &digest) < 0)
        return 0;
    check->result.blobs++;
    int r = cf_blob_get(check->store, &digest, &text, NULL);
    if (r == 0 || r == -ENOENT)
        return 0;
    if (r == -ENOMEM)
        return r;
    bool aside = cf_check_set_aside(check, dirfd, name);
    cf_check_tell(check, CF_CHECK_DAMAGED, aside, "blobs/sha256/%s is damaged", name);
    return 0;
}

/* ---- merged trees ---- */

static bool merged_is_right(struct cf_store *store, const char *hex)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char sum[CF_DIGEST_HEX_SIZE + 8];
    struct cf_digest wanted, found;

    snprintf(sum, sizeof(sum), "%s.sum", hex);
    int fd cf_autoclose = openat(store->trees_fd, hex, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || cf_read_file(store->trees_fd, sum, CF_DIGEST_TEXT_SIZE, &text) < 0 ||
        text.len != CF_DIGEST_TEXT_SIZE || text.data[text.len - 1] != '\n')
        return false;
    text.data[text.len - 1] = 0;
    return cf_digest_parse(text.data, &wanted) == 0 && cf_file_digest(fd, &found) == 0 &&
           cf_digest_equal(&wanted, &found) && cf_tree_open(fd, &tree, NULL) == 0 &&
           cf_tree_verify(tree, NULL) == 0;
}

/* Of an image whose layers are whole. The tree may be absent: it is made on first use. */
static int check_merged(struct cf_check *check, const struct cf_image *image)
{
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest key;

    cf_merged_key(image->diff_ids, image->layer_count, &key);
    cf_digest_hex(&key, hex);
    int r = cf_digest_set_add(&check->good_trees, &key);
    if (r <= 0)
        return r;
    if (faccessat(check->store->trees_fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) < 0 ||
        merged_is_right(check->store, hex))
        return 0;
    bool fixed = check->repair &&
                 cf_merged_build(check->store, image->diff_ids, image->layer_count, NULL) == 0;
    cf_check_tell(check, CF_CHECK_DAMAGED, fixed, "trees/%s is damaged", hex);
    return 0;
}

/* Merged trees that no image needs any more: a damaged one goes, the next use makes it again. */
static int check_loose_tree(int dirfd, const char *name, void *context)
{
    struct cf_check *check = context;
    struct cf_digest digest;

    if (cf_digest_parse_hex(name, &digest) < 0)
        return 0;
    check->result.trees++;
    if (cf_digest_set_has(&check->good_trees, &digest) || merged_is_right(check->store, name))
        return 0;
    bool aside = cf_check_set_aside(check, dirfd, name);
    cf_check_tell(check, CF_CHECK_DAMAGED, aside, "trees/%s is damaged", name);
    return 0;
}

/* ---- images, names, mounts ---- */

/* What the image lacks, written to fault; 0 for a whole image. */
static int image_fault(struct cf_check *check, const struct cf_digest *manifest,
                       struct cf_error *fault)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    char text[CF_DIGEST_TEXT_SIZE];

    int r = cf_image_load(check->store, manifest, &image, fault);
    if (r < 0)
        return r;
    for (size_t i = 0; i < image->layer_count; i++) {
        struct stat st;
        cf_digest_text(&image->diff_ids[i], text);
        if (cf_digest_set_has(&check->lost_layers, &image->diff_ids[i]))
            return cf_fail(fault, -EBADMSG, "layer %s is damaged", text);
        if (fstatat(check->store->layers_fd, text + strlen("sha256:"), &st, 0) < 0)
            return cf_fail(fault, -ENOENT, "layer %s is missing", text);
    }
    return check_merged(check, image);
}

/* The same of an index: what any of its images lacks. */
static int document_fault(struct cf_check *check, const struct cf_digest *digest,
                          struct cf_error *fault)
{
    struct cf_digest *list cf_autofree = NULL;
    size_t count = 0;
    int r = cf_index_list(check->store, digest, &list, &count, fault);

    if (r == -ENOMEM)
        return r;
    if (r < 0 || !list) { /* what cannot be read counts as an image */
        struct cf_error of_list = *fault;
        *fault = (struct cf_error){0};
        int e = image_fault(check, digest, fault);
        if (e == 0 && r < 0)
            *fault = of_list;
        return e ? e : r;
    }
    for (size_t i = 0; i < count && r == 0; i++)
        r = image_fault(check, &list[i], fault);
    return r;
}

static int check_name(const char *name, const struct cf_digest *manifest, void *context)
{
    struct cf_check *check = context;
    struct cf_error fault = {0};

    check->result.names++;
    if (!manifest) {
        bool fixed = cf_check_set_aside(check, check->store->names_fd, name);
        cf_check_tell(check, CF_CHECK_DAMAGED, fixed, "names/%s is damaged", name);
        return 0;
    }
    int r = document_fault(check, manifest, &fault);
    if (r == 0 || r == -ENOMEM)
        return r;
    bool fixed = check->repair && cf_name_drop(check->store, name, NULL) == 0;
    cf_check_tell(check, r == -ENOENT ? CF_CHECK_MISSING : CF_CHECK_DAMAGED, fixed,
                  "name %s is lost: %s", name, fault.text);
    return 0;
}

/* The upper of a mount holds someone's work: only the description is ever touched. */
static int check_mount(const struct cf_mount_note *note, void *context)
{
    struct cf_check *check = context;
    struct cf_error fault = {0};
    char path[300], aside[320];

    check->result.mounts++;
    snprintf(path, sizeof(path), "%s/mount.json", note->id);
    snprintf(aside, sizeof(aside), "%s.damaged", path);
    if (note->damaged) {
        bool fixed = check->repair &&
                     renameat(check->store->mounts_fd, path, check->store->mounts_fd, aside) == 0;
        cf_check_tell(check, CF_CHECK_DAMAGED, fixed,
                      "mounts/%s is damaged; its edits are in mounts/%s/upper", path, note->id);
        return 0;
    }
    for (size_t i = 0; i < note->manifest_count; i++) {
        int r = image_fault(check, &note->manifests[i], &fault);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            cf_check_tell(check, r == -ENOENT ? CF_CHECK_MISSING : CF_CHECK_DAMAGED, false,
                          "mount %s lacks its image: %s", note->id, fault.text);
    }
    return 0;
}

static int check_all(struct cf_check *check, struct cf_error *err)
{
    struct cf_store *store = check->store;

    int r = cf_each_entry(store->root_fd, "blobs/sha256", check_blob, check);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot check the blobs of store %s", store->root);
    r = cf_check_layers(check, err);
    if (r == 0)
        r = cf_check_objects(check, err);
    if (r == 0)
        r = cf_name_scan(store, check_name, check, err);
    if (r == 0)
        r = cf_store_each_mount(store, check_mount, check, err);
    if (r < 0)
        return r;
    r = cf_each_entry(store->root_fd, "trees", check_loose_tree, check);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot check the trees of store %s", store->root);
    if (check->repair && syncfs(store->root_fd) < 0)
        return cf_fail_errno(err, errno, "cannot write store %s to the disk", store->root);
    return 0;
}

int cf_store_fsck(struct cf_store *store, bool deep, bool repair, cf_fsck_fn *fn, void *context,
                  struct cf_fsck_result *ret_result, struct cf_error *err)
{
    struct cf_check check = {
        .store = store, .deep = deep, .repair = repair, .fn = fn, .context = context};

    if (repair && !(store->flags & CF_STORE_EXCLUSIVE))
        return cf_fail(err, -EINVAL, "a repair needs the exclusive lock of store %s", store->root);
    int r = check_all(&check, err);
    cf_digest_set_done(&check.lost_layers);
    cf_digest_set_done(&check.used_objects);
    cf_digest_set_done(&check.lost_objects);
    cf_digest_set_done(&check.good_trees);
    if (r < 0)
        return r;
    uint64_t left = check.result.damaged + check.result.missing - check.result.repaired;
    *ret_result = check.result;
    if (left > 0)
        return cf_fail(err, -EBADMSG, "store %s has %llu problem%s", store->root,
                       (unsigned long long)left, left == 1 ? "" : "s");
    return 0;
}
