/* SPDX-License-Identifier: Apache-2.0 */
#include "layers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/scope.h>

#include "image.h"

int cf_layers_open(struct cf_layers *layers, const struct cf_kernel_mount *mount,
                   struct cf_error *err)
{
    int r = cf_erofs_mount(mount->tree_fd, mount->old_ways, &layers->tree_fd, err);

    if (r == 0 && mount->stubs_fd >= 0)
        r = cf_erofs_mount(mount->stubs_fd, mount->old_ways, &layers->stubs_fd, err);
    return r;
}

static int no_data_layers(struct cf_error *err)
{
    return cf_fail(err, -ENOTSUP, "overlayfs has no data-only layers here (Linux 6.5)");
}

/* ---- one parameter a layer: Linux 6.8, and mounts without a place: Linux 6.15 ---- */

static int add_mount(int overlay_fd, int mount_fd)
{
    char path[32];
    int r = cf_fs_fd(overlay_fd, "lowerdir+", mount_fd); /* Linux 6.13 */

    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", mount_fd);
    return r < 0 ? cf_fs_string(overlay_fd, "lowerdir+", path) : 0;
}

static int add_each(const struct cf_layers *layers, int overlay_fd, const char *objects)
{
    int r = add_mount(overlay_fd, layers->tree_fd);

    if (r == 0 && layers->stubs_fd >= 0)
        r = add_mount(overlay_fd, layers->stubs_fd);
    return r == 0 ? cf_fs_string(overlay_fd, "datadir+", objects) : r;
}

/* ---- before: a list of paths, of mounts that have a place for as long as it is read ---- */

/* Colons separate, and backslashes escape. */
static int add_path(struct cf_buf *list, const char *path)
{
    int r = 0;

    for (; *path && r == 0; path++) {
        if (*path == ':' || *path == '\\')
            r = cf_buf_add_char(list, '\\');
        if (r == 0)
            r = cf_buf_add_char(list, *path);
    }
    return r;
}

static int place(int mount_fd, const char *scratch, char **ret_at, struct cf_buf *list)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    char name[17];

    cf_random_name(name);
    int r = cf_buf_printf(&path, "%s/%s", scratch, name);
    if (r == 0 && mkdir(path.data, 0700) < 0)
        r = -errno;
    if (r < 0)
        return r;
    *ret_at = cf_buf_take(&path);
    r = *ret_at ? cf_fs_move(mount_fd, *ret_at) : -ENOMEM;
    if (r == 0 && list->len)
        r = cf_buf_add_char(list, ':');
    return r == 0 ? add_path(list, *ret_at) : r;
}

static void displace(char **at)
{
    if (!*at)
        return;
    (void)umount2(*at, MNT_DETACH | UMOUNT_NOFOLLOW);
    (void)rmdir(*at);
    free(*at);
    *at = NULL;
}

static int add_list(struct cf_layers *layers, int overlay_fd, const struct cf_kernel_mount *mount)
{
    struct cf_buf list cf_autobuf = CF_BUF_INIT;
    int r = place(layers->tree_fd, mount->scratch, &layers->tree_at, &list);

    if (r == 0 && layers->stubs_fd >= 0)
        r = place(layers->stubs_fd, mount->scratch, &layers->stubs_at, &list);
    if (r == 0)
        r = cf_buf_add_str(&list, "::");
    if (r == 0)
        r = add_path(&list, mount->objects);
    return r == 0 ? cf_fs_string(overlay_fd, "lowerdir", list.data) : r;
}

void cf_layers_done(struct cf_layers *layers)
{
    displace(&layers->tree_at);
    displace(&layers->stubs_at);
    cf_close_fd(&layers->tree_fd);
    cf_close_fd(&layers->stubs_fd);
}

int cf_layers_add(struct cf_layers *layers, int overlay_fd, const struct cf_kernel_mount *mount,
                  struct cf_error *err)
{
    int r = mount->old_ways ? -EINVAL : add_each(layers, overlay_fd, mount->objects);

    if (r == -EINVAL)
        r = add_list(layers, overlay_fd, mount);
    if (r == -EINVAL)
        return no_data_layers(err);
    return r < 0 ? cf_fail_errno(err, -r, "overlayfs refuses the image's layers") : 0;
}
