/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a store, its lock, and making it durable. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/store.h>

#include "private.h"

#define FORMAT_NUMBER 1

static const char *const top_dirs[] = {"objects",      "layers", "trees",  "blobs",
                                       "blobs/sha256", "names",  "mounts", "tmp"};

/* The path that a NULL root stands for; heap. */
static int default_root(char **ret_root)
{
    const char *root = getenv("CLOUDFS_ROOT");
    const char *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    int r;

    if (root && *root)
        r = cf_buf_add_str(&path, root);
    else if (geteuid() == 0)
        r = cf_buf_add_str(&path, "/var/lib/cloudfs");
    else if (data && *data == '/')
        r = cf_buf_printf(&path, "%s/cloudfs", data);
    else if (home && *home == '/')
        r = cf_buf_printf(&path, "%s/.local/share/cloudfs", home);
    else
        return -ENOENT;
    if (r < 0)
        return r;
    *ret_root = cf_buf_take(&path);
    return *ret_root ? 0 : -ENOMEM;
}

static bool is_top_name(const char *name)
{
    for (size_t i = 0; i < CF_COUNT(top_dirs); i++)
        if (!strcmp(name, top_dirs[i]))
            return true;
    if (!strncmp(name, ".new-", 5)) /* of a cf_replace_file that was cut short */
        return true;
    return !strcmp(name, "lock") || !strcmp(name, "format") || !strcmp(name, "lost+found");
}

static int refuse_stranger(int dirfd, const char *name, void *context)
{
    (void)dirfd;
    (void)context;
    return is_top_name(name) ? 0 : -ENOTEMPTY;
}

/* Makes what a store consists of. The file `format` comes last, so that a store without it is one
 * whose making was cut short, and is made again. */
static int make_store(int root_fd)
{
    char format[32];
    char fan[16];

    int r = cf_each_entry(root_fd, ".", refuse_stranger, NULL);
    if (r < 0)
        return r;
    if (fchmod(root_fd, 0700) < 0)
        return -errno;
    for (size_t i = 0; i < CF_COUNT(top_dirs); i++)
        if (mkdirat(root_fd, top_dirs[i], 0700) < 0 && errno != EEXIST)
            return -errno;
    for (unsigned i = 0; i < 256; i++) {
        snprintf(fan, sizeof(fan), "objects/%02x", i);
        if (mkdirat(root_fd, fan, 0700) < 0 && errno != EEXIST)
            return -errno;
    }
    if (syncfs(root_fd) < 0)
        return -errno;
    int len = snprintf(format, sizeof(format), "cloudfs %d\n", FORMAT_NUMBER);
    return cf_replace_file(root_fd, "format", format, (size_t)len, 0444);
}

/* 0 for a store of our format, -ENOENT for none, -ENOTSUP for a newer one, -EBADMSG for rubbish. */
static int check_format(int root_fd)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char end = 0;
    int number = 0;

    int r = cf_read_file(root_fd, "format", 64, &text);
    if (r < 0)
        return r == -EFBIG ? -EBADMSG : r;
    if (!text.data || sscanf(text.data, "cloudfs %9d%c", &number, &end) != 2 || end != '\n' ||
        number < 1)
        return -EBADMSG;
    return number > FORMAT_NUMBER ? -ENOTSUP : 0;
}

static int take_lock(struct cf_store *store, struct cf_error *err)
{
    int operation = store->flags & CF_STORE_EXCLUSIVE ? LOCK_EX : LOCK_SH;

    if (store->flags & CF_STORE_NO_LOCK)
        return 0;
    store->lock_fd = openat(store->root_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->lock_fd < 0)
        return cf_fail_errno(err, errno, "cannot open %s/lock", store->root);
    if (store->flags & CF_STORE_NOWAIT)
        operation |= LOCK_NB;
    while (flock(store->lock_fd, operation) < 0) {
        if (errno == EWOULDBLOCK)
            return cf_fail(err, -EBUSY, "store %s is in use by another process", store->root);
        if (errno != EINTR)
            return cf_fail_errno(err, errno, "cannot lock store %s", store->root);
    }
    return 0;
}

/* Two processes may find an empty directory at once: the making is serialised by a lock on the
 * directory itself. */
static int open_format(struct cf_store *store, struct cf_error *err)
{
    int r = check_format(store->root_fd);
    if (r == -ENOENT) {
        if (flock(store->root_fd, LOCK_EX) < 0)
            return cf_fail_errno(err, errno, "cannot lock directory %s", store->root);
        r = check_format(store->root_fd);
        if (r == -ENOENT)
            r = make_store(store->root_fd);
        (void)flock(store->root_fd, LOCK_UN);
    }
    if (r == -ENOTSUP)
        return cf_fail(err, r,
                       "store %s has a newer format than this cloudfs knows: use a newer cloudfs",
                       store->root);
    if (r == -ENOTEMPTY)
        return cf_fail(err, -EINVAL, "directory %s is not empty, and is no cloudfs store",
                       store->root);
    if (r == -EBADMSG)
        return cf_fail(err, r, "%s/format is damaged: it should say \"cloudfs %d\"", store->root,
                       FORMAT_NUMBER);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot make store %s", store->root);
    return 0;
}

static int open_dirs(struct cf_store *store, struct cf_error *err)
{
    const struct {
        const char *name;
        int *fd;
    } dirs[] = {
        {"objects", &store->objects_fd}, {"layers", &store->layers_fd},
        {"trees", &store->trees_fd},     {"blobs/sha256", &store->blobs_fd},
        {"names", &store->names_fd},     {"mounts", &store->mounts_fd},
        {"tmp", &store->tmp_fd},
    };
    for (size_t i = 0; i < CF_COUNT(dirs); i++) {
        *dirs[i].fd = openat(store->root_fd, dirs[i].name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (*dirs[i].fd < 0)
            return cf_fail_errno(err, errno, "cannot open %s/%s", store->root, dirs[i].name);
    }
    return 0;
}

static int open_root(struct cf_store *store, const char *path, struct cf_error *err)
{
    int r = cf_mkdir_path(AT_FDCWD, path, 0755);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot make directory %s", path);
    store->root = realpath(path, NULL);
    if (!store->root)
        return cf_fail_errno(err, errno, "cannot resolve %s", path);
    store->root_fd = open(store->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->root_fd < 0)
        return cf_fail_errno(err, errno, "cannot open store %s", store->root);
    return 0;
}

static int open_all(struct cf_store *store, const char *path, struct cf_error *err)
{
    int r = open_root(store, path, err);
    if (r < 0)
        return r;
    r = open_format(store, err);
    if (r < 0)
        return r;
    r = open_dirs(store, err);
    if (r < 0)
        return r;
    return take_lock(store, err);
}

int cf_store_open(const char *root, unsigned flags, struct cf_store **ret_store,
                  struct cf_error *err)
{
    char *default_path cf_autofree = NULL;

    if (!root) {
        int r = default_root(&default_path);
        if (r < 0)
            return cf_fail(err, r, "no place for the store: set HOME, CLOUDFS_ROOT or --root");
        root = default_path;
    }
    if (!*root)
        return cf_fail(err, -EINVAL, "the store's directory is an empty string");
    struct cf_store *store = calloc(1, sizeof(*store));
    if (!store)
        return cf_fail_errno(err, ENOMEM, "open store %s", root);
    store->flags = flags;
    store->lock_fd = store->root_fd = store->objects_fd = store->layers_fd = -1;
    store->trees_fd = store->blobs_fd = store->names_fd = store->mounts_fd = store->tmp_fd = -1;
    pthread_mutex_init(&store->sync_mutex, NULL);
    pthread_mutex_init(&store->note_mutex, NULL);
    int r = open_all(store, root, err);
    if (r < 0) {
        cf_store_close(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

void cf_store_unlock(struct cf_store *store)
{
    cf_close_fd(&store->lock_fd);
}

void cf_store_close(struct cf_store *store)
{
    if (!store)
        return;
    cf_close_fd(&store->objects_fd);
    cf_close_fd(&store->layers_fd);
    cf_close_fd(&store->trees_fd);
    cf_close_fd(&store->blobs_fd);
    cf_close_fd(&store->names_fd);
    cf_close_fd(&store->mounts_fd);
    cf_close_fd(&store->tmp_fd);
    cf_close_fd(&store->root_fd);
    cf_close_fd(&store->lock_fd);
    pthread_mutex_destroy(&store->sync_mutex);
    pthread_mutex_destroy(&store->note_mutex);
    free(store->root);
    free(store);
}

const char *cf_store_root(const struct cf_store *store)
{
    return store->root;
}

int cf_store_root_fd(const struct cf_store *store)
{
    return store->root_fd;
}

int cf_store_objects_fd(const struct cf_store *store)
{
    return store->objects_fd;
}

int cf_store_tmp_fd(const struct cf_store *store)
{
    return store->tmp_fd;
}

int cf_store_mounts_fd(const struct cf_store *store)
{
    return store->mounts_fd;
}
