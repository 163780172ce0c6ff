/* SPDX-License-Identifier: Apache-2.0 */
/* An OCI layout as a directory, new or added to: blobs first, index.json last. */
#include "save.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

struct writing {
    const char *path; /* for messages */
    int fd;
};

static int put(void *context, const void *data, size_t len, struct cf_error *err)
{
    struct writing *writing = context;
    int r = cf_write_full(writing->fd, data, len);

    return r < 0 ? cf_fail_errno(err, -r, "cannot write to %s", writing->path) : 0;
}

/* Whether the layout has the blob already: by its size, as every reader checks its digest. */
static bool has_blob(int blobs_fd, const char *hex, uint64_t size)
{
    struct stat st;
    return fstatat(blobs_fd, hex, &st, 0) == 0 && S_ISREG(st.st_mode) &&
           (uint64_t)st.st_size == size;
}

static int write_blob(struct saving *saving, int blobs_fd, const char *path,
                      const struct cf_digest *digest, uint64_t size,
                      const struct saved_layer *layer, const struct cf_buf *buf,
                      struct cf_error *err)
{
    char hex[CF_DIGEST_HEX_SIZE], temporary[32], random[17];
    struct writing writing = {.path = path};

    cf_digest_hex(digest, hex);
    if (has_blob(blobs_fd, hex, size))
        return 0;
    cf_random_name(random);
    snprintf(temporary, sizeof(temporary), ".tmp-%s", random);
    int fd cf_autoclose =
        openat(blobs_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot write to %s", path);
    writing.fd = fd;
    int r = layer ? cf_saving_send(saving, layer, put, &writing, err)
                  : put(&writing, buf->data, buf->len, err);
    if (r == 0 && renameat(blobs_fd, temporary, blobs_fd, hex) < 0)
        r = cf_fail_errno(err, errno, "cannot write to %s", path);
    if (r < 0)
        (void)unlinkat(blobs_fd, temporary, 0);
    return r;
}

static int write_blobs(struct saving *saving, int dir_fd, const char *path, struct cf_error *err)
{
    int r = cf_mkdir_path(dir_fd, "blobs/sha256", 0755);
    int blobs_fd cf_autoclose =
        r < 0 ? -1 : cf_open_beneath(dir_fd, "blobs/sha256", O_RDONLY | O_DIRECTORY, 0);

    if (r < 0 || blobs_fd < 0)
        return cf_fail_errno(err, r < 0 ? -r : -blobs_fd, "cannot write to %s", path);
    for (size_t i = 0; i < saving->layer_count && r == 0; i++) {
        const struct saved_layer *layer = &saving->layers[i];
        r = write_blob(saving, blobs_fd, path, &layer->blob, layer->size, layer, NULL, err);
    }
    for (size_t i = 0; i < saving->image_count && r == 0; i++) {
        const struct saved_image *saved = &saving->images[i];
        r = write_blob(saving, blobs_fd, path, &saved->image->config, saved->config.len, NULL,
                       &saved->config, err);
        if (r == 0)
            r = write_blob(saving, blobs_fd, path, &saved->manifest_digest, saved->manifest.len,
                           NULL, &saved->manifest, err);
    }
    for (size_t i = 0; i < saving->index_count && r == 0; i++) {
        const struct saved_index *index = &saving->indexes[i];
        r = write_blob(saving, blobs_fd, path, &index->digest, index->text.len, NULL, &index->text,
                       err);
    }
    return r;
}

static int is_empty(int dir_fd)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir cf_autoclosedir = fd < 0 ? NULL : fdopendir(fd);
    int found = 0;

    if (!dir)
        return -errno;
    for (struct dirent *entry; (entry = readdir(dir));)
        found += strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..");
    return found == 0;
}

/* The index of the layout that is there; NULL where the directory is empty. */
static int read_old(int dir_fd, const char *path, struct cf_json **ret_index, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct stat st;
    int r = is_empty(dir_fd);

    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read %s", path);
    if (r > 0)
        return 0;
    if (fstatat(dir_fd, "oci-layout", &st, 0) < 0)
        return cf_fail(err, -ENOTEMPTY, "%s is neither empty nor an OCI layout", path);
    r = cf_read_file(dir_fd, "index.json", CF_BLOB_MAX, &text);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read index.json of %s", path);
    r = cf_json_parse(text.data, text.len, ret_index, err);
    return r < 0 ? cf_fail_in(err, r, "index.json of %s", path) : 0;
}

int cf_saving_write_dir(struct saving *saving, const char *path, struct cf_error *err)
{
    struct cf_json *old cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf index cf_autobuf = CF_BUF_INIT;
    const char *quoted = CF_QUOTE(path);

    if (mkdir(path, 0777) < 0 && errno != EEXIST)
        return cf_fail_errno(err, errno, "cannot make %s", quoted);
    int dir_fd cf_autoclose = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0)
        return cf_fail_errno(err, errno, "cannot write to %s", quoted);
    int r = read_old(dir_fd, quoted, &old, err);
    /* First, so that what a crash leaves is a layout that can be added to. */
    if (r == 0) {
        r = cf_replace_file(dir_fd, "oci-layout", CF_OCI_LAYOUT_TEXT, strlen(CF_OCI_LAYOUT_TEXT),
                            0644);
        if (r < 0)
            return cf_fail_errno(err, -r, "cannot write to %s", quoted);
    }
    if (r == 0)
        r = write_blobs(saving, dir_fd, quoted, err);
    if (r < 0)
        return r;
    r = cf_saving_index(saving, old, &index);
    if (r < 0)
        return cf_fail(err, r, "out of memory");
    r = cf_replace_file(dir_fd, "index.json", index.data, index.len, 0644);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot write to %s", quoted);
    return 0;
}
