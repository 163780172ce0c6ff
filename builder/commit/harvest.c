/* SPDX-License-Identifier: Apache-2.0 */
#include "harvest.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#define MOVE_MIN CF_HARVEST_MOVE_MIN
/* The kernel is asked to begin writing such a file while it is being hashed. */
#define EARLY_MIN (1u << 20)
#define COPY_SIZE (256u << 10)
/* So many files are made durable one by one; for more, the disk is. */
#define FEW_FILES 8
#define PATH_PIECE 3000

static const char *path_of(const struct harvest *harvest, const struct delta_file *file)
{
    return harvest->delta->paths.data + file->path;
}

static int compare_files(const void *a, const void *b)
{
    const struct delta_file *x = a, *y = b;
    return x->node < y->node ? -1 : x->node > y->node;
}

void cf_harvest_init(struct harvest *harvest, struct delta *delta, bool may_move)
{
    *harvest = (struct harvest){.delta = delta, .may_move = may_move, .fd = -1};
    if (delta->file_count > 1)
        qsort(delta->files, delta->file_count, sizeof(*delta->files), compare_files);
}

void cf_harvest_done(struct harvest *harvest)
{
    if (harvest->fd >= 0)
        close(harvest->fd);
    harvest->fd = -1;
    cf_buf_done(&harvest->small);
}

/* ---- opening ---- */

/* The directory of a path of any length below fd, and the last name. A descriptor to close. */
static int open_parent(int fd, const char *path, const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    int dir cf_autoclose = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *ret_name = slash ? slash + 1 : path;
    while (dir >= 0 && path < *ret_name) {
        char piece[PATH_PIECE + 1];
        size_t len = strnlen(path, PATH_PIECE);
        if (path + len >= *ret_name)
            len = (size_t)(*ret_name - 1 - path);
        else
            while (len > 0 && path[len] != '/')
                len--;
        if (len == 0)
            return -ENAMETOOLONG;
        memcpy(piece, path, len);
        piece[len] = '\0';
        int next = cf_open_beneath(dir, piece, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
        if (next < 0)
            return next;
        close(dir);
        dir = next;
        path += len + 1;
    }
    return dir < 0 ? -errno : CF_TAKE_FD(dir);
}

static int fail_at(const struct harvest *harvest, const struct delta_file *file, int r,
                   const char *what, struct cf_error *err)
{
    return cf_fail_errno(err, -r, "cannot %s %s of the upper directory", what,
                         CF_QUOTE(path_of(harvest, file)));
}

/* Opens the file as it was found: its directory, and itself. */
static int open_file(struct harvest *harvest, const struct delta_file *file, int *ret_dir,
                     const char **ret_name, struct cf_error *err)
{
    int base = file->indexed ? harvest->delta->index_fd : harvest->delta->upper_fd;
    struct stat st;
    int dir cf_autoclose = open_parent(base, path_of(harvest, file), ret_name);
    int fd cf_autoclose =
        dir < 0 ? dir : openat(dir, *ret_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);

    if (dir < 0 || fd < 0)
        return fail_at(harvest, file, dir < 0 ? dir : -errno, "open", err);
    if (fstat(fd, &st) < 0)
        return fail_at(harvest, file, -errno, "read", err);
    if (st.st_ino != file->ino || st.st_dev != file->dev || (uint64_t)st.st_size != file->size ||
        st.st_ctim.tv_sec != file->ctime.tv_sec || st.st_ctim.tv_nsec != file->ctime.tv_nsec)
        return cf_fail(err, -EBUSY, "%s was changed below the mount while it was committed",
                       CF_QUOTE(path_of(harvest, file)));
    if (ret_dir)
        *ret_dir = CF_TAKE_FD(dir);
    return CF_TAKE_FD(fd);
}

/* ---- reading, for the layer's tar ---- */

static int source_open(void *context, struct cf_node *node, struct cf_error *err)
{
    struct harvest *harvest = context;
    const struct delta_file key = {.node = node};
    const char *name = NULL;

    harvest->file = bsearch(&key, harvest->delta->files, harvest->delta->file_count, sizeof(key),
                            compare_files);
    if (!harvest->file)
        return cf_fail(err, -EINVAL, "a file of the layer has no content");
    cf_buf_clear(&harvest->small);
    harvest->fd = open_file(harvest, harvest->file, NULL, &name, err);
    if (harvest->fd < 0)
        return harvest->fd;
    if (harvest->file->size >= EARLY_MIN && harvest->may_move)
        (void)sync_file_range(harvest->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    return 0;
}

static ssize_t source_read(void *context, struct cf_node *node, void *data, size_t len,
                           struct cf_error *err)
{
    struct harvest *harvest = context;
    ssize_t n = cf_read_full(harvest->fd, data, len);

    (void)node;
    if (n < 0)
        return fail_at(harvest, harvest->file, (int)n, "read", err);
    if (harvest->file->size < MOVE_MIN && cf_buf_add(&harvest->small, data, (size_t)n) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    return n;
}

static int source_close(void *context, struct cf_node *node, struct cf_error *err)
{
    struct harvest *harvest = context;

    (void)node;
    (void)err;
    if (harvest->fd >= 0)
        close(harvest->fd);
    harvest->fd = -1;
    return 0;
}

struct cf_content_source cf_harvest_source(struct harvest *harvest)
{
    return (struct cf_content_source){
        .open = source_open, .read = source_read, .close = source_close, .context = harvest};
}

static void know_digest(struct harvest *harvest, struct delta_file *file,
                        const struct cf_digest *digest)
{
    file->digest = *digest;
    if (file->change != SIZE_MAX && file->has_lower && cf_digest_equal(&file->lower, digest))
        harvest->delta->changes.list[file->change].meta_only = true;
}

int cf_harvest_file_done(void *context, struct cf_node *node, const struct cf_digest *digest,
                         uint64_t size, struct cf_error *err)
{
    struct harvest *harvest = context;
    struct delta_file *file = harvest->file;
    struct cf_digest put;

    (void)node;
    (void)size;
    know_digest(harvest, file, digest);
    if (file->size >= MOVE_MIN)
        return 0;
    int r =
        cf_object_put(harvest->delta->store, harvest->small.data, harvest->small.len, &put, err);
    file->stored = r == 0;
    return r;
}

/* ---- large files ---- */

bool cf_harvest_lease(int fd)
{
    return fcntl(fd, F_SETSIG, SIGURG) == 0 && fcntl(fd, F_SETLEASE, F_RDLCK) == 0;
}

int cf_harvest_hash(int fd, struct cf_digest *ret_digest)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    char *buffer cf_autofree = malloc(COPY_SIZE);
    int r = buffer ? cf_hasher_new(&hasher) : -ENOMEM;
    ssize_t n = 0;
    off_t at = 0;

    while (r == 0 && (n = cf_pread_full(fd, buffer, COPY_SIZE, at)) > 0) {
        cf_hasher_update(hasher, buffer, (size_t)n);
        at += n;
    }
    if (r == 0 && n < 0)
        r = (int)n;
    if (r == 0)
        cf_hasher_final(hasher, ret_digest);
    return r;
}

/* By reflink, where the disk can: 1 when it was done. */
static int clone_file(struct harvest *harvest, struct delta_file *file, int fd,
                      struct cf_error *err)
{
    struct cf_digest digest;
    char name[17];
    int tmp_fd = cf_store_tmp_fd(harvest->delta->store);

    cf_random_name(name);
    int out cf_autoclose = openat(tmp_fd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
    if (out < 0)
        return fail_at(harvest, file, -errno, "copy", err);
    int r = cf_clone_file(fd, out) == 0 ? 1 : 0;
    if (r == 1 && (cf_harvest_hash(out, &digest) < 0 || !cf_digest_equal(&digest, &file->digest)))
        r = cf_fail(err, -EBUSY, "%s was changed below the mount while it was committed",
                    CF_QUOTE(path_of(harvest, file)));
    if (r == 1) {
        r = cf_object_take(harvest->delta->store, tmp_fd, name, &file->digest, err);
        r = r < 0 ? r : 1;
    }
    (void)unlinkat(tmp_fd, name, 0);
    return r;
}

static int copy_file(struct harvest *harvest, struct delta_file *file, int fd, struct cf_error *err)
{
    struct cf_object_writer *writer cf_cleanup(cf_object_writer_free_ptr) = NULL;
    char *buffer cf_autofree = malloc(COPY_SIZE);
    struct cf_digest digest;
    uint64_t at = 0;
    int r = clone_file(harvest, file, fd, err);

    if (r != 0)
        return r < 0 ? r : 0;
    r = buffer ? cf_object_writer_new(harvest->delta->store, file->size, &writer, err)
               : cf_fail(err, -ENOMEM, "out of memory");
    while (r == 0 && at < file->size) {
        size_t len = file->size - at < COPY_SIZE ? (size_t)(file->size - at) : COPY_SIZE;
        ssize_t n = cf_pread_full(fd, buffer, len, (off_t)at);
        if (n != (ssize_t)len)
            return fail_at(harvest, file, n < 0 ? (int)n : -EIO, "read", err);
        r = cf_object_writer_add(writer, buffer, len, err);
        at += len;
    }
    if (r == 0)
        r = cf_object_writer_finish(writer, &digest, &at, err);
    if (r == 0 && !cf_digest_equal(&digest, &file->digest))
        r = cf_fail(err, -EBUSY, "%s was changed below the mount while it was committed",
                    CF_QUOTE(path_of(harvest, file)));
    return r;
}

/*
 * The stub first, then the object: a file's inode is in one place at any time, and never in two
 * where one can be written. What a crash leaves in work/ under its digest is put into objects/ when
 * the upper is next used.
 */
static int move_file(struct harvest *harvest, struct delta_file *file, int dir, const char *name,
                     struct cf_error *err)
{
    struct delta *delta = harvest->delta;
    char hex[CF_DIGEST_HEX_SIZE];

    cf_digest_hex(&file->digest, hex);
    int r = cf_upper_make_stub(dir, name, delta->work_fd, hex, &file->digest, delta->user, err);
    return r == 0 ? cf_object_take(delta->store, delta->work_fd, hex, &file->digest, err) : r;
}

static bool may_move(const struct harvest *harvest, const struct delta_file *file)
{
    return harvest->may_move && !file->linked && !file->indexed && file->size >= MOVE_MIN;
}

static int take_file(struct harvest *harvest, struct delta_file *file, struct cf_error *err)
{
    const char *name = NULL;
    int dir cf_autoclose = -1;
    int fd cf_autoclose = open_file(harvest, file, &dir, &name, err);

    if (fd < 0)
        return fd;
    int r = may_move(harvest, file) && cf_harvest_lease(fd)
                ? move_file(harvest, file, dir, name, err)
                : copy_file(harvest, file, fd, err);
    file->stored = r == 0;
    return r;
}

static bool needs_sync(const struct harvest *harvest, const struct delta_file *file)
{
    return !file->stored && !file->hashed && may_move(harvest, file);
}

/* Content that will be moved must be on the disk first: an object is whole or not there. */
static int sync_large(struct harvest *harvest, struct cf_error *err)
{
    struct delta *delta = harvest->delta;
    size_t count = 0;
    int r = 0;

    for (size_t i = 0; i < delta->file_count; i++)
        count += needs_sync(harvest, &delta->files[i]);
    if (count > FEW_FILES && syncfs(delta->upper_fd) < 0)
        return cf_fail_errno(err, errno, "cannot write the upper directory to the disk");
    for (size_t i = 0; i < delta->file_count && count <= FEW_FILES && r == 0; i++) {
        const char *name = NULL;
        if (!needs_sync(harvest, &delta->files[i]))
            continue;
        int fd cf_autoclose = open_file(harvest, &delta->files[i], NULL, &name, err);
        if (fd < 0)
            return fd;
        if (fdatasync(fd) < 0)
            r = fail_at(harvest, &delta->files[i], -errno, "write to the disk", err);
    }
    return r;
}

int cf_harvest_finish(void *context, struct cf_error *err)
{
    struct harvest *harvest = context;
    struct delta *delta = harvest->delta;
    int r = sync_large(harvest, err);

    for (size_t i = 0; i < delta->file_count && r == 0; i++)
        if (!delta->files[i].stored)
            r = take_file(harvest, &delta->files[i], err);
    if (r == 0 && harvest->taken)
        harvest->taken(harvest->taken_context);
    return r;
}

/* A file whose content nobody has looked at yet. */
static int hash_file(struct harvest *harvest, struct delta_file *file, struct cf_error *err)
{
    struct cf_buf data cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    const char *name = NULL;
    int fd cf_autoclose = open_file(harvest, file, NULL, &name, err);

    if (fd < 0)
        return fd;
    int r = file->size < MOVE_MIN ? cf_read_fd(fd, MOVE_MIN, &data) : cf_harvest_hash(fd, &digest);
    if (r == 0 && file->size < MOVE_MIN && data.len != file->size)
        r = -EBUSY;
    if (r < 0)
        return fail_at(harvest, file, r, "read", err);
    if (file->size < MOVE_MIN) {
        r = cf_object_put(harvest->delta->store, data.data, data.len, &digest, err);
        file->stored = r == 0;
    }
    if (r == 0)
        know_digest(harvest, file, &digest);
    return r;
}

int cf_harvest_take_all(struct harvest *harvest, struct cf_error *err)
{
    struct delta *delta = harvest->delta;
    int r = sync_large(harvest, err);

    for (size_t i = 0; i < delta->file_count && r == 0; i++) {
        struct delta_file *file = &delta->files[i];
        struct cf_digest known = file->digest;
        if (file->hashed)
            know_digest(harvest, file, &known);
        else
            r = hash_file(harvest, file, err);
        if (r == 0 && !file->stored)
            r = take_file(harvest, file, err);
        if (r == 0)
            r = cf_node_set_object(delta->builder, file->node, &file->digest, file->size) < 0
                    ? cf_fail(err, -ENOMEM, "out of memory")
                    : 0;
    }
    return r;
}

/* ---- after a crash ---- */

static int rescue(struct cf_store *store, int work_fd, const char *name,
                  const struct cf_digest *digest, struct cf_error *err)
{
    struct cf_digest found;
    struct stat st;
    int fd cf_autoclose = openat(work_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode))
        return 0;
    /* A stub that was not put into its place yet has no content that would match. */
    int r = cf_harvest_hash(fd, &found);
    if (r == 0 && cf_digest_equal(&found, digest))
        return cf_object_take(store, work_fd, name, digest, err);
    if (r == 0 && unlinkat(work_fd, name, 0) < 0)
        r = -errno;
    return r < 0 ? cf_fail_errno(err, -r, "cannot clean the work directory") : 0;
}

int cf_harvest_rescue(struct cf_store *store, int work_fd, struct cf_error *err)
{
    struct cf_digest digest;
    struct dirent *entry;
    int fd = openat(work_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir cf_autoclosedir = fd < 0 ? NULL : fdopendir(fd);
    int r = 0;

    if (!dir) {
        r = cf_fail_errno(err, errno, "cannot read the work directory");
        if (fd >= 0)
            close(fd);
        return r;
    }
    while (r == 0 && (entry = readdir(dir)))
        if (cf_digest_parse_hex(entry->d_name, &digest) == 0)
            r = rescue(store, work_fd, entry->d_name, &digest, err);
    return r;
}
