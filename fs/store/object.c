/* SPDX-License-Identifier: Apache-2.0 */
/* Objects: content of one regular file, named by its SHA-256. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/store.h>

#include "object.h"

void cf_object_path(const struct cf_digest *digest, char ret_path[CF_OBJECT_PATH_SIZE])
{
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(digest, hex);
    ret_path[0] = hex[0];
    ret_path[1] = hex[1];
    ret_path[2] = '/';
    memcpy(ret_path + 3, hex + 2, sizeof(hex) - 2);
}

static void note_object(struct cf_store *store, const char *path)
{
    cf_store_note(store, "objects/%s", path);
    cf_store_note(store, "objects/%.2s", path);
}

bool cf_object_found(struct cf_store *store, const char *path, uint64_t size)
{
    char noted[STORE_NOTE_SIZE];
    struct stat st;

    if (fstatat(store->objects_fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode) ||
        (uint64_t)st.st_size != size)
        return false;
    snprintf(noted, sizeof(noted), "objects/%s", path);
    cf_store_note_found(store, &st, noted);
    return true;
}

/* What is at path has the wrong size, as a power cut can leave it: it goes out of the way. */
static int replace_damaged(struct cf_store *store, struct cf_temp *temp, const char *path)
{
    char name[40];
    char random[17];

    cf_random_name(random);
    snprintf(name, sizeof(name), "damaged-%s", random);
    if (renameat(store->objects_fd, path, store->tmp_fd, name) < 0 && errno != ENOENT)
        return -errno;
    int r = cf_temp_link(store, temp, store->objects_fd, path);
    return r == -EEXIST ? 0 : r;
}

int cf_object_publish(struct cf_store *store, struct cf_temp *temp, const struct cf_digest *digest,
                      uint64_t size)
{
    char path[CF_OBJECT_PATH_SIZE];
    char fan[3];

    cf_object_path(digest, path);
    if (cf_object_found(store, path, size))
        return 0;
    int r = cf_temp_link(store, temp, store->objects_fd, path);
    if (r == -ENOENT) {
        memcpy(fan, path, 2);
        fan[2] = 0;
        if (mkdirat(store->objects_fd, fan, 0700) < 0 && errno != EEXIST)
            return -errno;
        cf_store_note(store, "objects");
        r = cf_temp_link(store, temp, store->objects_fd, path);
    }
    if (r == -EEXIST && cf_object_found(store, path, size))
        return 0;
    if (r == -EEXIST)
        r = replace_damaged(store, temp, path);
    if (r < 0)
        return r;
    note_object(store, path);
    return 0;
}

int cf_object_store(struct cf_store *store, const void *data, size_t len,
                    const struct cf_digest *digest)
{
    struct cf_temp temp = CF_TEMP_INIT;
    char path[CF_OBJECT_PATH_SIZE];

    cf_object_path(digest, path);
    if (cf_object_found(store, path, len))
        return 0;
    int r = cf_temp_open(store, false, 0444, &temp);
    if (r < 0)
        return r;
    r = cf_write_full(temp.fd, data, len);
    if (r == 0)
        r = cf_object_publish(store, &temp, digest, len);
    cf_temp_drop(store, &temp);
    return r;
}

int cf_object_put(struct cf_store *store, const void *data, size_t len,
                  struct cf_digest *ret_digest, struct cf_error *err)
{
    struct cf_digest digest;

    cf_digest_of(data, len, &digest);
    int r = cf_object_store(store, data, len, &digest);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot write an object of %zu bytes to store %s", len,
                             store->root);
    *ret_digest = digest;
    return 0;
}

int cf_object_put_node(struct cf_store *store, struct cf_builder *builder, struct cf_node *node,
                       const struct cf_buf *content, struct cf_error *err)
{
    struct cf_digest digest;

    if (content->len <= CF_INLINE_MAX)
        return cf_node_set_inline(builder, node, content->data ? content->data : "", content->len);
    int r = cf_object_put(store, content->data, content->len, &digest, err);
    return r < 0 ? r : cf_node_set_object(builder, node, &digest, content->len);
}

/* Renames without replacing; link and unlink where the disk has no RENAME_NOREPLACE. */
static int rename_new(int from_fd, const char *from, int to_fd, const char *to)
{
    if (renameat2(from_fd, from, to_fd, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL)
        return -errno;
    if (linkat(from_fd, from, to_fd, to, 0) < 0)
        return -errno;
    return unlinkat(from_fd, from, 0) < 0 ? -errno : 0;
}

static int take_file(struct cf_store *store, int dirfd, const char *name, const char *path,
                     uint64_t size)
{
    if (cf_object_found(store, path, size))
        return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
    if (fchmodat(dirfd, name, 0444, 0) < 0)
        return -errno;
    int r = rename_new(dirfd, name, store->objects_fd, path);
    if (r == -EEXIST && cf_object_found(store, path, size))
        return unlinkat(dirfd, name, 0) < 0 ? -errno : 0;
    if (r == -EEXIST)
        r = renameat(dirfd, name, store->objects_fd, path) < 0 ? -errno : 0;
    if (r == 0)
        note_object(store, path);
    return r;
}

int cf_object_take(struct cf_store *store, int dirfd, const char *name,
                   const struct cf_digest *digest, struct cf_error *err)
{
    char path[CF_OBJECT_PATH_SIZE];
    struct stat st;
    int r = 0;

    cf_object_path(digest, path);
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        r = -errno;
    else if (!S_ISREG(st.st_mode) || st.st_nlink != 1)
        r = -EINVAL; /* an object is never a hard link to what can be written */
    else
        r = take_file(store, dirfd, name, path, (uint64_t)st.st_size);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot move '%s' into the objects of store %s", name,
                             store->root);
    return 0;
}

int cf_object_open(struct cf_store *store, const struct cf_digest *digest)
{
    char path[CF_OBJECT_PATH_SIZE];

    cf_object_path(digest, path);
    int fd = openat(store->objects_fd, path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

bool cf_object_exists(struct cf_store *store, const struct cf_digest *digest)
{
    char path[CF_OBJECT_PATH_SIZE];

    cf_object_path(digest, path);
    return faccessat(store->objects_fd, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int read_object(struct cf_store *store, const struct cf_content *content,
                       struct cf_buf *ret_buf, struct cf_error *err)
{
    char hex[CF_DIGEST_HEX_SIZE];
    struct stat st;

    cf_digest_hex(&content->digest, hex);
    int fd cf_autoclose = cf_object_open(store, &content->digest);
    if (fd == -ENOENT)
        return cf_fail(err, -ENOENT, "object %s is missing from store %s", hex, store->root);
    if (fd < 0 || fstat(fd, &st) < 0)
        return cf_fail_errno(err, fd < 0 ? -fd : errno, "cannot open object %s", hex);
    if ((uint64_t)st.st_size != content->size)
        return cf_fail(err, -EBADMSG, "object %s is damaged: %llu bytes instead of %llu", hex,
                       (unsigned long long)st.st_size, (unsigned long long)content->size);
    int r = cf_read_fd(fd, content->size, ret_buf);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read object %s", hex);
    return 0;
}

int cf_content_read(struct cf_store *store, const struct cf_content *content, uint64_t max,
                    struct cf_buf *ret_buf, struct cf_error *err)
{
    if (content->size > max)
        return cf_fail(err, -EFBIG, "content has %llu bytes, more than the limit of %llu",
                       (unsigned long long)content->size, (unsigned long long)max);
    if (content->kind == CF_CONTENT_OBJECT)
        return read_object(store, content, ret_buf, err);
    int r = cf_buf_add(ret_buf, content->data, content->size);
    return r < 0 ? cf_fail_errno(err, -r, "read content") : 0;
}
