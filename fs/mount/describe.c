/* SPDX-License-Identifier: Apache-2.0 */
/* mounts/<id>/mount.json: what a mount is. docs/format.md, "Mounts", lists its members. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/json.h>

#include "internal.h"

void cf_mount_free(struct cf_mount *mount)
{
    if (!mount)
        return;
    free(mount->reference);
    free(mount->mountpoint);
    free(mount->engine);
    free(mount->options);
    free(mount->upper);
    free(mount->work);
    free(mount);
}

/* ---- reading ---- */

static int take_string(const struct cf_json *json, const char *key, bool wanted, char **ret_text)
{
    const char *text = cf_json_get_string(json, key);
    if (!text)
        return wanted || cf_json_get(json, key) ? -EBADMSG : 0;
    *ret_text = strdup(text);
    return *ret_text ? 0 : -ENOMEM;
}

static int take_bool(const struct cf_json *json, const char *key, bool *ret_value)
{
    return cf_json_bool(cf_json_get(json, key), ret_value) ? 0 : -EBADMSG;
}

static bool is_id(const char *text)
{
    return strlen(text) == CF_MOUNT_ID_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == CF_MOUNT_ID_SIZE - 1;
}

static int decode_fixed(const struct cf_json *json, struct cf_mount *mount)
{
    const char *id = cf_json_get_string(json, "id");
    const char *manifest = cf_json_get_string(json, "manifest");

    if (!id || !is_id(id) || !manifest || cf_digest_parse(manifest, &mount->manifest) < 0)
        return -EBADMSG;
    memcpy(mount->id, id, sizeof(mount->id));
    if (!cf_json_int(cf_json_get(json, "created"), &mount->created))
        return -EBADMSG;
    int r = take_bool(json, "read_only", &mount->read_only);
    return r < 0 ? r : take_bool(json, "user_xattrs", &mount->user_xattrs);
}

static int decode(const struct cf_json *json, struct cf_mount *mount)
{
    const struct {
        const char *key;
        bool wanted;
        char **text;
    } strings[] = {
        {"reference", true, &mount->reference}, {"mountpoint", true, &mount->mountpoint},
        {"engine", true, &mount->engine},       {"options", true, &mount->options},
        {"upper", false, &mount->upper},        {"work", false, &mount->work},
    };
    int r = decode_fixed(json, mount);
    for (size_t i = 0; r == 0 && i < CF_COUNT(strings); i++)
        r = take_string(json, strings[i].key, strings[i].wanted, strings[i].text);
    if (r < 0)
        return r;
    if (*mount->mountpoint != '/' || (mount->upper && *mount->upper != '/') ||
        (mount->work && *mount->work != '/') || !mount->upper != !mount->work)
        return -EBADMSG;
    return 0;
}

int cf_mount_parse(const void *data, size_t len, struct cf_mount **ret_mount, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    int64_t format = 0;

    int r = cf_json_parse(data, len, &json, NULL);
    if (r == -ENOMEM)
        return cf_fail_errno(err, ENOMEM, "mount.json");
    if (r < 0 || !cf_json_int(cf_json_get(json, "format"), &format) || format < 1)
        return cf_fail(err, -EBADMSG, "mount.json is damaged");
    if (format > CF_MOUNT_FORMAT)
        return cf_fail(err, -ENOTSUP, "mount.json has the format %lld: use a newer cloudfs",
                       (long long)format);
    mount = calloc(1, sizeof(*mount));
    r = mount ? decode(json, mount) : -ENOMEM;
    if (r == -EBADMSG)
        return cf_fail(err, r, "mount.json is damaged");
    if (r < 0)
        return cf_fail_errno(err, -r, "mount.json");
    mount->state = CF_MOUNT_IDLE;
    *ret_mount = CF_TAKE(mount);
    return 0;
}

char *cf_mount_path(struct cf_store *store, const char *id, const char *name)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    if (cf_buf_printf(&path, "%s/mounts/%s/%s", cf_store_root(store), id, name) < 0)
        return NULL;
    return cf_buf_take(&path);
}

bool cf_mount_is_dead_at(const char *mountpoint)
{
    struct statfs st;
    /* stat(2) would be answered from the kernel's cache. What was asked while it died is answered
     * with the other number. */
    return cf_mount_is_shown(mountpoint) && statfs(mountpoint, &st) < 0 &&
           (errno == ENOTCONN || errno == ECONNABORTED);
}

/* No daemon: the kernel's own list tells, wherever it has been moved to. */
static bool find_in_kernel(struct cf_store *store, struct cf_mount *mount)
{
    struct cf_mountinfo info = {0};
    bool live =
        cf_mountinfo_of_mount(mount->id, &info) == 1 && !strcmp(info.root, cf_store_root(store));
    if (live) {
        free(mount->mountpoint);
        mount->mountpoint = CF_TAKE(info.point);
        live = mount->mountpoint != NULL;
    }
    cf_mountinfo_done(&info);
    return live;
}

static void find_state(struct cf_store *store, struct cf_mount *mount)
{
    char path[64];
    (void)snprintf(path, sizeof(path), "%s/lock", mount->id);
    int fd cf_autoclose = openat(cf_store_mounts_fd(store), path, O_RDONLY | O_CLOEXEC);
    bool held = fd >= 0 && cf_mount_lock_is_held(fd);
    pid_t pid = fd >= 0 ? cf_mount_lock_read_pid(fd) : 0;

    mount->state = CF_MOUNT_IDLE;
    if (cf_mount_is_kernel(mount) && find_in_kernel(store, mount)) {
        mount->state = CF_MOUNT_LIVE;
    } else if (held && pid) {
        mount->state = CF_MOUNT_LIVE;
        mount->pid = pid;
    } else if (pid && cf_mount_is_dead_at(mount->mountpoint)) {
        /* A daemon that ended as it should left no number: what is dead there is another mount. */
        mount->state = CF_MOUNT_DEAD;
    }
}

int cf_mount_load(struct cf_store *store, const char *id, struct cf_mount **ret_mount,
                  struct cf_error *err)
{
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/mount.json", id);
    int r = cf_read_file(cf_store_mounts_fd(store), path, CF_MOUNT_JSON_MAX, &text);
    if (r == -ENOENT)
        return cf_fail(err, r, "no mount %s in store %s", id, cf_store_root(store));
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the description of mount %s", id);
    r = cf_mount_parse(text.data ? text.data : "", text.len, &mount, err);
    if (r == 0 && strcmp(mount->id, id) != 0)
        r = cf_fail(err, -EBADMSG, "mount.json is that of mount %s", mount->id);
    if (r < 0)
        return cf_fail_in(err, r, "mount %s", id);
    if (!mount->read_only && !mount->upper) {
        mount->upper = cf_mount_path(store, id, "upper");
        mount->work = cf_mount_path(store, id, "work");
        if (!mount->upper || !mount->work)
            return cf_fail_errno(err, ENOMEM, "mount %s", id);
    }
    find_state(store, mount);
    r = cf_mount_advance_recover(store, mount);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot go on with advancing mount %s", id);
    *ret_mount = CF_TAKE(mount);
    return 0;
}

/* ---- writing ---- */

bool cf_mount_owns_upper(struct cf_store *store, const struct cf_mount *mount)
{
    char *own cf_autofree = cf_mount_path(store, mount->id, "upper");
    return own && mount->upper && !strcmp(own, mount->upper);
}

static int encode(struct cf_json *json, const struct cf_mount *mount, bool own_upper)
{
    char manifest[CF_DIGEST_TEXT_SIZE];
    cf_digest_text(&mount->manifest, manifest);
    const struct {
        const char *key, *text;
    } strings[] = {
        {"id", mount->id},
        {"reference", mount->reference},
        {"manifest", manifest},
        {"mountpoint", mount->mountpoint},
        {"engine", mount->engine},
        {"options", mount->options},
        {"upper", own_upper ? NULL : mount->upper},
        {"work", own_upper ? NULL : mount->work},
    };
    int r = cf_json_set_int(json, "format", CF_MOUNT_FORMAT);
    for (size_t i = 0; r == 0 && i < CF_COUNT(strings); i++)
        if (strings[i].text)
            r = cf_json_set_string(json, strings[i].key, strings[i].text);
    if (r == 0)
        r = cf_json_set_int(json, "created", mount->created);
    if (r == 0)
        r = cf_json_set_bool(json, "read_only", mount->read_only);
    return r < 0 ? r : cf_json_set_bool(json, "user_xattrs", mount->user_xattrs);
}

/* The document that is there, else an empty one. */
static int open_document(int mounts_fd, const char *path, struct cf_json **ret_json)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_read_file(mounts_fd, path, CF_MOUNT_JSON_MAX, &text);
    if (r == 0 && text.data)
        r = cf_json_parse(text.data, text.len, ret_json, NULL);
    if (r == 0 && cf_json_is_object(*ret_json))
        return 0;
    if (r < 0 && r != -ENOENT && r != -EINVAL)
        return r;
    cf_json_free(*ret_json);
    *ret_json = cf_json_object();
    return *ret_json ? 0 : -ENOMEM;
}

static int replace_quickly(int mounts_fd, const char *id, const char *path,
                           const struct cf_buf *text)
{
    char temporary[64];
    (void)snprintf(temporary, sizeof(temporary), "%s/mount.json.new", id);
    int fd cf_autoclose =
        openat(mounts_fd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -errno;
    int r = cf_write_full(fd, text->data, text->len);
    if (r == 0 && renameat(mounts_fd, temporary, mounts_fd, path) < 0)
        r = -errno;
    return r;
}

int cf_mount_save(struct cf_store *store, const struct cf_mount *mount, bool durable,
                  struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int mounts_fd = cf_store_mounts_fd(store);
    char path[64];

    (void)snprintf(path, sizeof(path), "%s/mount.json", mount->id);
    int r = open_document(mounts_fd, path, &json);
    if (r == 0)
        r = encode(json, mount, cf_mount_owns_upper(store, mount));
    if (r == 0)
        r = cf_json_print(json, true, &text);
    if (r == 0)
        r = durable ? cf_replace_file(mounts_fd, path, text.data, text.len, 0600)
                    : replace_quickly(mounts_fd, mount->id, path, &text);
    return r < 0 ? cf_fail_errno(err, -r, "cannot write the description of mount %s", mount->id)
                 : 0;
}

int cf_dir_is_empty(int dirfd)
{
    int fd = openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    DIR *dir cf_autoclosedir = fdopendir(fd);
    if (!dir) {
        int r = -errno;
        (void)close(fd);
        return r;
    }
    struct dirent *entry;
    errno = 0;
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            return 0;
    return errno ? -errno : 1;
}

int cf_mount_forget(struct cf_store *store, const char *id, struct cf_error *err)
{
    char gone[17];
    int r = 0;

    /* Whole or not at all: half of the changes would look like a mount to resume. */
    cf_random_name(gone);
    if (renameat(cf_store_mounts_fd(store), id, cf_store_tmp_fd(store), gone) < 0)
        r = errno == ENOENT ? 0 : -errno;
    else
        r = cf_remove_tree(cf_store_tmp_fd(store), gone);
    return r < 0 ? cf_fail_errno(err, -r, "cannot remove the files of mount %s", id) : 0;
}
