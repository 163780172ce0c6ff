/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/kernel.h>

#include <errno.h>
#include <fcntl.h>
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

#include "layers.h"

static int fail_option(int r, const char *key, struct cf_error *err)
{
    if (r == -EINVAL && !strcmp(key, "metacopy"))
        return cf_fail(err, -ENOTSUP, "overlayfs has no metacopy here (Linux 4.19)");
    return cf_fail_errno(err, -r, "overlayfs refuses %s", key);
}

/* SELinux's options: "key=value", with commas between; a value in double quotes may hold commas. */
static int set_context(int fd, const char *text, struct cf_error *err)
{
    char *copy cf_autofree = strdup(text);
    char *next = copy;

    if (!copy)
        return cf_fail_errno(err, ENOMEM, "mount");
    while (next && *next) {
        char *key = next, *end = key + strcspn(key, "=,");
        bool quoted = *end == '=' && end[1] == '"';
        char *value = *end == '=' ? end + 1 + quoted : end;
        char *stop = value + strcspn(value, quoted ? "\"" : ",");
        next = strchr(stop, ',');
        *end = *stop = '\0';
        int r = cf_fs_string(fd, key, value);
        if (r < 0)
            return fail_option(r, key, err);
        next = next ? next + 1 : NULL;
    }
    return 0;
}

static int set_options(int fd, const struct cf_kernel_mount *m, struct cf_error *err)
{
    const struct {
        const char *key, *value;
        bool wanted;
    } options[] = {
        {"source", m->source, true},
        {"upperdir", m->upper, m->upper != NULL},
        {"workdir", m->work, m->upper != NULL},
        {"metacopy", "on", true},
        {"redirect_dir", "on", true},
        {"index", "off", true},
        {"nfs_export", "off", true},
        {"xino", "on", true},
    };

    for (size_t i = 0; i < CF_COUNT(options); i++) {
        int r = options[i].wanted ? cf_fs_string(fd, options[i].key, options[i].value) : 0;
        if (r < 0)
            return fail_option(r, options[i].key, err);
    }
    const struct {
        const char *key;
        bool wanted;
    } marks[] = {
        {"ro", !m->upper || m->flags & MS_RDONLY},
        {"sync", m->flags & MS_SYNCHRONOUS},
        {"dirsync", m->flags & MS_DIRSYNC},
    };
    for (size_t i = 0; i < CF_COUNT(marks); i++) {
        int r = marks[i].wanted ? cf_fs_flag(fd, marks[i].key) : 0;
        if (r < 0)
            return fail_option(r, marks[i].key, err);
    }
    return m->context ? set_context(fd, m->context, err) : 0;
}

static unsigned int attributes(const struct cf_kernel_mount *m)
{
    static const struct {
        unsigned long flag;
        unsigned int attr;
    } table[] = {
        {MS_NOSUID, MOUNT_ATTR_NOSUID},         {MS_NODEV, MOUNT_ATTR_NODEV},
        {MS_NOEXEC, MOUNT_ATTR_NOEXEC},         {MS_NOATIME, MOUNT_ATTR_NOATIME},
        {MS_NODIRATIME, MOUNT_ATTR_NODIRATIME}, {MS_STRICTATIME, MOUNT_ATTR_STRICTATIME},
    };
    unsigned int attr = m->upper ? 0 : MOUNT_ATTR_RDONLY;

    for (size_t i = 0; i < CF_COUNT(table); i++)
        if (m->flags & table[i].flag)
            attr |= table[i].attr;
    return attr;
}

static int make(const struct cf_kernel_mount *m, struct cf_layers *layers, int *ret_fd,
                struct cf_error *err)
{
    int fd cf_autoclose = -1;
    char why[256];
    int r = cf_fs_open("overlay", &fd, err);

    if (r == 0)
        r = cf_layers_add(layers, fd, m, err);
    if (r == 0)
        r = set_options(fd, m, err);
    if (r < 0)
        return r;
    r = cf_fs_create(fd);
    cf_fs_message(fd, why, sizeof(why));
    if (r == -EPERM)
        return cf_fail(err, r, "it takes root of the machine (CAP_SYS_ADMIN)");
    int mount_fd = r < 0 ? r : cf_fs_mount(fd, attributes(m));
    if (mount_fd < 0)
        return cf_fail_errno(err, -mount_fd,
                             "overlayfs does not mount it%s%s (the kernel's log "
                             "tells more)",
                             *why ? ": " : "", why);
    *ret_fd = mount_fd;
    return 0;
}

int cf_kernel_mount(const struct cf_kernel_mount *mount, struct cf_error *err)
{
    struct cf_layers layers cf_cleanup(cf_layers_done) = CF_LAYERS_INIT;
    int fd cf_autoclose = -1;
    int r = cf_layers_open(&layers, mount, err);

    if (r == 0)
        r = make(mount, &layers, &fd, err);
    if (r < 0)
        return r;
    r = cf_fs_move(fd, mount->mountpoint);
    return r < 0 ? cf_fail_errno(err, -r, "cannot mount on %s", CF_QUOTE(mount->mountpoint)) : 0;
}

int cf_kernel_unmount(const char *mountpoint, bool lazy, struct cf_error *err)
{
    if (umount2(mountpoint, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0)) == 0)
        return 0;
    if (errno == EBUSY)
        return cf_fail(err, -EBUSY, "%s is in use", CF_QUOTE(mountpoint));
    if (errno == EINVAL)
        return cf_fail(err, -EINVAL, "%s is not mounted", CF_QUOTE(mountpoint));
    return cf_fail_errno(err, errno, "cannot unmount %s", CF_QUOTE(mountpoint));
}

/*
 * With index=on overlayfs refuses an upper directory that another overlay has (-EBUSY), before it
 * looks at the work directory; the upper itself as work directory makes it refuse in any case
 * (-EINVAL), before anything is written. It says so in the kernel's log, which can take
 * milliseconds: not asked about what is not there yet.
 */
bool cf_kernel_has_upper(const char *upper)
{
    const struct {
        const char *key, *value;
    } options[] = {{"lowerdir", "/"}, {"upperdir", upper}, {"workdir", upper}, {"index", "on"}};
    int fd cf_autoclose = -1;
    int r = access(upper, F_OK) < 0 ? -errno : cf_fs_open("overlay", &fd, NULL);

    for (size_t i = 0; r == 0 && i < CF_COUNT(options); i++)
        r = cf_fs_string(fd, options[i].key, options[i].value);
    if (r == 0)
        r = cf_fs_create(fd);
    return r == -EBUSY;
}
