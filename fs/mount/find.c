/* SPDX-License-Identifier: Apache-2.0 */
/* Finding mounts: all of a store, by id, by a path. Dead mounts, FIFOs and devices must not make
 * anybody wait. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "internal.h"

/* ---- paths ---- */

/* dir + "/" + rest, where either may be empty. */
static char *join(const char *dir, const char *rest)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    while (*rest == '/')
        rest++;
    bool slash = *rest && strcmp(dir, "/") != 0;
    if (cf_buf_printf(&path, "%s%s%s", dir, slash ? "/" : "", rest) < 0)
        return NULL;
    while (path.len > 1 && path.data[path.len - 1] == '/')
        path.data[--path.len] = '\0';
    return cf_buf_take(&path);
}

char *cf_path_resolve(const char *path)
{
    struct cf_buf head cf_autobuf = CF_BUF_INIT;
    size_t len = strlen(path);

    /* The longest head that resolves, with the rest as it is. */
    for (;;) {
        cf_buf_clear(&head);
        if (cf_buf_add(&head, path, len) < 0)
            return NULL;
        char *full cf_autofree = realpath(len ? head.data : ".", NULL);
        if (full)
            return join(full, path + len);
        if (len <= 1)
            return strdup(path);
        while (len > 0 && path[len - 1] == '/')
            len--;
        while (len > 0 && path[len - 1] != '/')
            len--;
    }
}

static int ask_info(int fd, struct cf_ioctl_info *ret_info)
{
    if (ioctl(fd, CF_IOC_INFO, ret_info) < 0)
        return -errno;
    ret_info->id[sizeof(ret_info->id) - 1] = '\0';
    ret_info->root[sizeof(ret_info->root) - 1] = '\0';
    return 0;
}

/* Asks the mount that holds the object of an O_PATH descriptor; only files and directories are
 * opened, which cannot block. */
static int ask_object(int path_fd, mode_t mode, struct cf_ioctl_info *ret_info)
{
    char name[64];

    if (!S_ISREG(mode) && !S_ISDIR(mode))
        return -ENOTTY;
    (void)snprintf(name, sizeof(name), "/proc/self/fd/%d", path_fd);
    int fd cf_autoclose = open(name, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return fd < 0 ? -errno : ask_info(fd, ret_info);
}

/* Another kind of object, or a file that may not be opened: its directory tells as well. */
static int ask_parent(const char *path, struct cf_ioctl_info *ret_info)
{
    char *full cf_autofree = cf_path_resolve(path);
    char *slash = full ? strrchr(full, '/') : NULL;
    if (!full)
        return -ENOMEM;
    if (!slash)
        return -ENOENT;
    slash[slash == full] = '\0';
    int fd cf_autoclose = open(full, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : ask_info(fd, ret_info);
}

/* The kernel engine answers no ioctl; its line in the list of mounts says it. */
static int take_info(const struct cf_mountinfo *info, struct cf_ioctl_info *ret_info)
{
    if (strlen(info->root) >= sizeof(ret_info->root))
        return -ENAMETOOLONG;
    (void)snprintf(ret_info->id, sizeof(ret_info->id), "%s", info->mount_id);
    (void)snprintf(ret_info->root, sizeof(ret_info->root), "%s", info->root);
    return 0;
}

static int ask(const char *path, struct cf_ioctl_info *ret_info)
{
    struct cf_mountinfo info = {0};
    struct stat st;
    int fd cf_autoclose = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    /* Only a mount of ours is asked anything: others may hang, or take the ioctl for another. */
    bool ours = cf_mountinfo_of_fd(fd, &info) == 1 && info.ours;
    bool kernel = ours && info.kernel;
    int r = kernel ? take_info(&info, ret_info) : 0;
    cf_mountinfo_done(&info);
    if (!ours || kernel)
        return ours ? r : -ENOENT;
    if (fstat(fd, &st) < 0)
        return -errno;
    r = ask_object(fd, st.st_mode, ret_info);
    return r < 0 && r != -ENOTCONN ? ask_parent(path, ret_info) : r;
}

int cf_mount_store_of(const char *path, char **ret_root, char ret_id[CF_MOUNT_ID_SIZE],
                      struct cf_error *err)
{
    struct cf_ioctl_info info = {0};
    int r = ask(path, &info);
    if (r == -ENOMEM)
        return cf_fail_errno(err, ENOMEM, "%s", CF_QUOTE(path));
    if (r < 0 || strlen(info.id) != CF_MOUNT_ID_SIZE - 1)
        return cf_fail(err, -ENOENT, "%s is not in a cloudfs mount", CF_QUOTE(path));
    char *root = strdup(info.root);
    if (!root)
        return cf_fail_errno(err, ENOMEM, "%s", CF_QUOTE(path));
    memcpy(ret_id, info.id, CF_MOUNT_ID_SIZE);
    *ret_root = root;
    return 0;
}

/* ---- all mounts ---- */

static int compare_mounts(const void *a, const void *b)
{
    const struct cf_mount *x = *(struct cf_mount *const *)a, *y = *(struct cf_mount *const *)b;
    if (x->created != y->created)
        return x->created < y->created ? -1 : 1;
    return strcmp(x->id, y->id);
}

struct collection {
    struct cf_mount **mounts; /* room for one more than count */
    size_t count;
};

/* A directory without a description is a mount that is just being made or removed; a damaged
 * description is for fsck to tell of. */
static int collect(struct cf_store *store, const char *id, struct collection *all)
{
    struct cf_mount *mount = NULL;
    int r = cf_mount_load(store, id, &mount, NULL);
    if (r < 0)
        return r == -ENOMEM ? r : 0;
    struct cf_mount **more = reallocarray(all->mounts, all->count + 1, sizeof(struct cf_mount *));
    if (!more) {
        cf_mount_free(mount);
        return -ENOMEM;
    }
    all->mounts = more;
    all->mounts[all->count++] = mount;
    return 0;
}

int cf_mount_list(struct cf_store *store, struct cf_mount ***ret_mounts, size_t *ret_count,
                  struct cf_error *err)
{
    struct collection all = {0};
    int fd = openat(cf_store_mounts_fd(store), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir cf_autoclosedir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    int r = 0;

    if (!dir) {
        r = cf_fail_errno(err, errno, "cannot list the mounts of %s", cf_store_root(store));
        cf_close_fd(&fd);
        return r;
    }
    while (r == 0 && (errno = 0, entry = readdir(dir)))
        if (entry->d_name[0] != '.')
            r = collect(store, entry->d_name, &all);
    if (r == 0 && errno)
        r = -errno;
    if (r < 0) {
        cf_mount_list_free(all.mounts, all.count);
        return cf_fail_errno(err, -r, "cannot list the mounts of %s", cf_store_root(store));
    }
    if (all.count)
        qsort(all.mounts, all.count, sizeof(struct cf_mount *), compare_mounts);
    *ret_mounts = all.mounts;
    *ret_count = all.count;
    return 0;
}

void cf_mount_list_free(struct cf_mount **mounts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        cf_mount_free(mounts[i]);
    free(mounts);
}

/* ---- one mount ---- */

static bool is_below(const char *path, const char *dir)
{
    size_t len = strlen(dir);
    return !strncmp(path, dir, len) && (path[len] == '\0' || path[len] == '/');
}

/* How well a mount fits: 0 not at all. A live one was asked already, and said no. */
static int fit_of(const struct cf_mount *mount, const char *text, const char *path)
{
    size_t len = strlen(text);
    if (len >= 2 && !strncmp(mount->id, text, len))
        return 4;
    if (mount->state == CF_MOUNT_LIVE && !strcmp(path, mount->mountpoint))
        return 3;
    if (mount->state == CF_MOUNT_DEAD && is_below(path, mount->mountpoint))
        return 2;
    return mount->state == CF_MOUNT_IDLE && !strcmp(path, mount->mountpoint);
}

int cf_mount_pick(struct cf_mount *const *mounts, size_t count, const char *text, const char *path,
                  size_t *ret_index, struct cf_error *err)
{
    int best = 0;
    size_t found = 0, same = 0;

    for (size_t i = 0; i < count; i++) {
        int fit = fit_of(mounts[i], text, path);
        if (fit && fit == best)
            same++;
        if (fit > best) {
            best = fit;
            found = i;
            same = 1;
        }
    }
    if (!best)
        return cf_fail(err, -ENOENT, "no mount %s (cloudfs mount lists them)", CF_QUOTE(text));
    if (same > 1)
        return cf_fail(err, -EINVAL, "%s means %zu mounts: give the ID of one", CF_QUOTE(text),
                       same);
    *ret_index = found;
    return 0;
}

static int find_listed(struct cf_store *store, const char *text, struct cf_mount **ret_mount,
                       struct cf_error *err)
{
    char *path cf_autofree = cf_path_resolve(text);
    struct cf_mount **mounts = NULL;
    size_t count = 0, index = 0;

    if (!path)
        return cf_fail_errno(err, ENOMEM, "%s", CF_QUOTE(text));
    int r = cf_mount_list(store, &mounts, &count, err);
    if (r < 0)
        return r;
    r = cf_mount_pick(mounts, count, text, path, &index, err);
    if (r == 0)
        *ret_mount = CF_TAKE(mounts[index]);
    cf_mount_list_free(mounts, count);
    return r;
}

int cf_mount_find_upper(struct cf_store *store, const char *upper, char ret_id[CF_MOUNT_ID_SIZE],
                        struct cf_error *err)
{
    char *path cf_autofree = cf_path_resolve(upper);
    struct cf_mount **mounts = NULL;
    size_t count = 0;

    if (!path)
        return cf_fail_errno(err, ENOMEM, "%s", CF_QUOTE(upper));
    int r = cf_mount_list(store, &mounts, &count, err);
    if (r < 0)
        return r;
    r = -ENOENT;
    for (size_t i = 0; r == -ENOENT && i < count; i++)
        if (mounts[i]->upper && !strcmp(mounts[i]->upper, path)) {
            memcpy(ret_id, mounts[i]->id, CF_MOUNT_ID_SIZE);
            r = 0;
        }
    cf_mount_list_free(mounts, count);
    return r;
}

int cf_mount_find(struct cf_store *store, const char *text, struct cf_mount **ret_mount,
                  struct cf_error *err)
{
    char id[CF_MOUNT_ID_SIZE];
    char *root cf_autofree = NULL;

    if (!*text)
        return cf_fail(err, -EINVAL, "the name of the mount is an empty string");
    int r = cf_mount_store_of(text, &root, id, NULL);
    if (r < 0)
        return r == -ENOMEM ? cf_fail_errno(err, ENOMEM, "%s", CF_QUOTE(text))
                            : find_listed(store, text, ret_mount, err);
    if (strcmp(root, cf_store_root(store)) != 0)
        return cf_fail(err, -ENOENT, "%s is a mount of the store %s: use --root", CF_QUOTE(text),
                       root);
    return cf_mount_load(store, id, ret_mount, err);
}
