/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs: manifests, indexes and configs, byte for byte. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/store.h>

#include "private.h"

/* Whether the blob is there, and whole. */
static bool blob_found(struct cf_store *store, const struct cf_digest *digest)
{
    char noted[STORE_NOTE_SIZE];
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest found;
    struct stat st;

    cf_digest_hex(digest, hex);
    int fd cf_autoclose = openat(store->blobs_fd, hex, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > CF_BLOB_MAX ||
        cf_file_digest(fd, &found) < 0 || !cf_digest_equal(&found, digest))
        return false;
    snprintf(noted, sizeof(noted), "blobs/sha256/%s", hex);
    cf_store_note_found(store, &st, noted);
    return true;
}

static int put(struct cf_store *store, const void *data, size_t len, const struct cf_digest *digest,
               const char *hex)
{
    struct cf_temp temp = CF_TEMP_INIT;

    int r = cf_temp_open(store, true, 0444, &temp);
    if (r < 0)
        return r;
    r = cf_write_full(temp.fd, data, len);
    if (r == 0)
        r = cf_temp_link(store, &temp, store->blobs_fd, hex);
    /* Another process may have put it meanwhile; what is damaged is replaced. */
    if (r == -EEXIST)
        r = blob_found(store, digest) ? 0 : cf_temp_rename(store, &temp, store->blobs_fd, hex);
    cf_temp_drop(store, &temp);
    if (r == 0) {
        cf_store_note(store, "blobs/sha256/%s", hex);
        cf_store_note(store, "blobs/sha256");
    }
    return r;
}

int cf_blob_put(struct cf_store *store, const void *data, size_t len, struct cf_digest *ret_digest,
                struct cf_error *err)
{
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest digest;

    if (len > CF_BLOB_MAX)
        return cf_fail(err, -EFBIG, "a document of %zu bytes is larger than the limit of %u", len,
                       CF_BLOB_MAX);
    cf_digest_of(data, len, &digest);
    cf_digest_hex(&digest, hex);
    if (!blob_found(store, &digest)) {
        int r = put(store, data, len, &digest, hex);
        if (r < 0)
            return cf_fail_errno(err, -r, "cannot write blob sha256:%s to store %s", hex,
                                 store->root);
    }
    *ret_digest = digest;
    return 0;
}

int cf_blob_get(struct cf_store *store, const struct cf_digest *digest, struct cf_buf *ret_buf,
                struct cf_error *err)
{
    char hex[CF_DIGEST_HEX_SIZE];
    struct cf_digest found;
    size_t before = ret_buf->len;

    cf_digest_hex(digest, hex);
    int r = cf_read_file(store->blobs_fd, hex, CF_BLOB_MAX, ret_buf);
    if (r == -ENOENT)
        return cf_fail(err, r, "blob sha256:%s is not in store %s", hex, store->root);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read blob sha256:%s of store %s", hex, store->root);
    cf_digest_of(ret_buf->data ? ret_buf->data + before : "", ret_buf->len - before, &found);
    if (!cf_digest_equal(&found, digest))
        return cf_fail(
            err, -EBADMSG,
            "blob sha256:%s of store %s is damaged: its content does not match its digest", hex,
            store->root);
    return 0;
}

bool cf_blob_exists(struct cf_store *store, const struct cf_digest *digest)
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    return faccessat(store->blobs_fd, hex, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}
