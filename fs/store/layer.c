/* SPDX-License-Identifier: Apache-2.0 */
/* Layers: layers/<diff-id>/{tree,recipe,blobs.json}, made in tmp/ and renamed into place. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/json.h>
#include <cloudfs/store.h>

#include "layer.h"

int cf_layer_draft_new(struct cf_store *store, struct cf_layer_draft *ret_draft,
                       struct cf_error *err)
{
    struct cf_layer_draft draft = {.fd = -1};
    char random[17];

    cf_random_name(random);
    snprintf(draft.name, sizeof(draft.name), "layer-%s", random);
    if (mkdirat(store->tmp_fd, draft.name, 0700) < 0)
        return cf_fail_errno(err, errno, "cannot make a directory in %s/tmp", store->root);
    draft.fd = openat(store->tmp_fd, draft.name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (draft.fd < 0) {
        int code = errno;
        (void)unlinkat(store->tmp_fd, draft.name, AT_REMOVEDIR);
        return cf_fail_errno(err, code, "cannot open %s/tmp/%s", store->root, draft.name);
    }
    *ret_draft = draft;
    return 0;
}

void cf_layer_draft_drop(struct cf_store *store, struct cf_layer_draft *draft)
{
    cf_close_fd(&draft->fd);
    draft->fd = -1;
    if (draft->name[0])
        (void)cf_remove_tree(store->tmp_fd, draft->name);
    draft->name[0] = 0;
}

static int file_sum(int dirfd, const char *name, struct cf_digest *ret_digest)
{
    int fd cf_autoclose = openat(dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (fchmod(fd, 0444) < 0)
        return -errno;
    return cf_file_digest(fd, ret_digest);
}

static int set_sum(struct cf_json *json, int dirfd, const char *name, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];
    struct cf_digest digest;

    int r = file_sum(dirfd, name, &digest);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the layer's %s", name);
    cf_digest_text(&digest, text);
    r = cf_json_set_string(json, name, text);
    return r < 0 ? cf_fail_errno(err, -r, "describe a layer") : 0;
}

/* Adds the checksums by which fsck knows whether the files are as they were written. */
static int add_sums(struct cf_layer_draft *draft, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;

    int r = cf_forms_load(draft->fd, &json, err);
    if (r == -ENOENT) {
        json = cf_json_object();
        r = json ? 0 : -ENOMEM;
    }
    if (r == 0)
        r = set_sum(json, draft->fd, "tree", err);
    if (r == 0)
        r = set_sum(json, draft->fd, "recipe", err);
    if (r == 0)
        r = cf_forms_save(draft->fd, json, err);
    return r;
}

/* A layer that fsck has marked as incomplete gives way to a whole one. */
static int rename_draft(struct cf_store *store, struct cf_layer_draft *draft, const char *hex,
                        const struct cf_digest *diff_id)
{
    if (renameat2(store->tmp_fd, draft->name, store->layers_fd, hex, RENAME_NOREPLACE) == 0) {
        draft->name[0] = 0;
        return 0;
    }
    int r = -errno;
    if (r == -EINVAL && renameat(store->tmp_fd, draft->name, store->layers_fd, hex) == 0) {
        draft->name[0] = 0;
        return 0;
    }
    if (r == -EINVAL)
        r = errno == ENOTEMPTY ? -EEXIST : -errno;
    if (r != -EEXIST || cf_layer_exists(store, diff_id))
        return r == -EEXIST ? 0 : r;
    if (renameat2(store->tmp_fd, draft->name, store->layers_fd, hex, RENAME_EXCHANGE) < 0)
        return -errno;
    return 0;
}

int cf_layer_draft_publish(struct cf_store *store, struct cf_layer_draft *draft,
                           const struct cf_digest *diff_id, struct cf_error *err)
{
    static const char *const files[] = {"/tree", "/recipe", "/" FORMS_FILE, ""};
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(diff_id, hex);
    int r = add_sums(draft, err);
    if (r < 0)
        return cf_fail_in(err, r, "layer sha256:%s", hex);
    for (size_t i = 0; i < CF_COUNT(files); i++)
        cf_store_note(store, "tmp/%s%s", draft->name, files[i]);
    r = cf_store_sync(store, err);
    if (r < 0)
        return cf_fail_in(err, r, "layer sha256:%s", hex);
    r = rename_draft(store, draft, hex, diff_id);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot publish layer sha256:%s in store %s", hex,
                             store->root);
    cf_store_note(store, "layers");
    cf_layer_draft_drop(store, draft);
    return 0;
}

bool cf_layer_exists(struct cf_store *store, const struct cf_digest *diff_id)
{
    char path[CF_DIGEST_HEX_SIZE + 16];
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(diff_id, hex);
    snprintf(path, sizeof(path), "%s/tree", hex);
    if (faccessat(store->layers_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    snprintf(path, sizeof(path), "%s/" INCOMPLETE_FILE, hex);
    return faccessat(store->layers_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) < 0;
}

int cf_layer_open(struct cf_store *store, const struct cf_digest *diff_id, struct cf_error *err)
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(diff_id, hex);
    int fd = openat(store->layers_fd, hex, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd >= 0)
        return fd;
    if (errno == ENOENT)
        return cf_fail(err, -ENOENT, "layer sha256:%s is not in store %s", hex, store->root);
    return cf_fail_errno(err, errno, "cannot open layer sha256:%s of store %s", hex, store->root);
}

int cf_layer_tree(struct cf_store *store, const struct cf_digest *diff_id,
                  struct cf_tree **ret_tree, struct cf_error *err)
{
    char text[CF_DIGEST_TEXT_SIZE];

    cf_digest_text(diff_id, text);
    int dirfd cf_autoclose = cf_layer_open(store, diff_id, err);
    if (dirfd < 0)
        return dirfd;
    int fd cf_autoclose = openat(dirfd, "tree", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot open the tree of layer %s", text);
    int r = cf_tree_open(fd, ret_tree, err);
    return r < 0 ? cf_fail_in(err, r, "layer %s", text) : 0;
}

int cf_layer_lock(struct cf_store *store, const struct cf_digest *diff_id, struct cf_error *err)
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(diff_id, hex);
    int fd = cf_store_lock_name(store, hex);
    return fd < 0 ? cf_fail_errno(err, -fd, "cannot lock layer sha256:%s of store %s", hex,
                                  store->root)
                  : fd;
}
