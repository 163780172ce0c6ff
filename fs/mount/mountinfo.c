/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's list of mounts: proc(5), /proc/pid/mountinfo. Asking it touches no filesystem, so a
 * dead or hung mount cannot make us wait. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/io.h>

#include "internal.h"

#define MOUNTINFO_MAX (64u << 20)

void cf_mountinfo_done(struct cf_mountinfo *info)
{
    free(info->point);
    free(info->root);
    info->point = info->root = NULL;
}

/* Undoes \040 and the like. */
static char *unescape(const char *text, size_t len)
{
    char *plain = malloc(len + 1), *out = plain;
    if (!plain)
        return NULL;
    for (size_t i = 0; i < len; i++) {
        bool octal = text[i] == '\\' && i + 3 < len && strspn(text + i + 1, "01234567") >= 3;
        if (!octal) {
            *out++ = text[i];
            continue;
        }
        *out++ = (char)((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0'));
        i += 3;
    }
    *out = '\0';
    return plain;
}

/* The field that begins at text, up to a blank. */
static size_t field_len(const char *text, const char *end)
{
    const char *blank = memchr(text, ' ', (size_t)(end - text));
    return (size_t)((blank ? blank : end) - text);
}

static bool is_field(const char *text, size_t len, const char *word)
{
    return len == strlen(word) && !memcmp(text, word, len);
}

/*
 * An overlay is ours when its source ends in "@" and a mount's id (cf_mount_source). The store that
 * it comes from is where its data-only layer is.
 */
static int parse_overlay(const char *source, size_t len, const char *options, const char *end,
                         struct cf_mountinfo *info)
{
    static const char datadir[] = "datadir+=", legacy[] = "::", objects[] = "/objects";
    const size_t id_len = CF_MOUNT_ID_SIZE - 1;
    const char *id = source + len - id_len;

    if (len <= id_len || id[-1] != '@' || strspn(id, "0123456789abcdef") != id_len)
        return 0;
    const char *data = memmem(options, (size_t)(end - options), datadir, strlen(datadir));
    const char *path = data ? data + strlen(datadir)
                            : memmem(options, (size_t)(end - options), legacy, strlen(legacy));
    if (!path)
        return 0;
    path += data ? 0 : strlen(legacy);
    const char *comma = memchr(path, ',', (size_t)(end - path));
    char *root = unescape(path, (size_t)((comma ? comma : end) - path));
    if (!root)
        return -ENOMEM;
    size_t root_len = strlen(root);
    info->root = root;
    info->ours = info->kernel =
        root_len > strlen(objects) && !strcmp(root + root_len - strlen(objects), objects);
    if (info->kernel)
        root[root_len - strlen(objects)] = '\0';
    memcpy(info->mount_id, id, id_len);
    return 0;
}

/* One line: "id parent major:minor root point options ... - type source super-options". 0 or
 * -ENOMEM; -EINVAL for another form. */
static int parse_line(const char *line, size_t len, struct cf_mountinfo *ret_info)
{
    const char *fields[6] = {line};
    const char *end = line + len;
    size_t n = 1;

    for (const char *p = line; p < end && n < CF_COUNT(fields); p++)
        if (*p == ' ')
            fields[n++] = p + 1;
    const char *dash = memmem(line, len, " - ", 3);
    if (n < CF_COUNT(fields) || !dash)
        return -EINVAL;
    const char *type = dash + 3;
    size_t type_len = field_len(type, end);
    const char *source = type + type_len + (type + type_len < end);
    size_t source_len = field_len(source, end);
    ret_info->id = atoi(line);
    ret_info->ours = is_field(type, type_len, "fuse.cloudfs");
    int r = is_field(type, type_len, "overlay")
                ? parse_overlay(source, source_len, source + source_len, end, ret_info)
                : 0;
    if (r == 0) {
        ret_info->point = unescape(fields[4], (size_t)(fields[5] - fields[4] - 1));
        r = ret_info->point ? 0 : -ENOMEM;
    }
    if (r < 0)
        cf_mountinfo_done(ret_info);
    return r;
}

/* What is looked for: a mount point, a mount of the kernel's number, or one of ours. */
struct wanted {
    const char *path;
    int id;
    const char *mount_id;
};

static bool is_wanted(const struct cf_mountinfo *info, const struct wanted *wanted)
{
    if (wanted->mount_id)
        return info->kernel && !strcmp(info->mount_id, wanted->mount_id);
    return wanted->path ? !strcmp(info->point, wanted->path) : info->id == wanted->id;
}

static int search(const char *text, const struct wanted *wanted, struct cf_mountinfo *ret_info)
{
    struct cf_mountinfo found = {0};
    int count = 0;

    while (*text) {
        struct cf_mountinfo info = {0};
        size_t len = strcspn(text, "\n");
        int r = parse_line(text, len, &info);
        text += len + (text[len] == '\n');
        if (r == -EINVAL)
            continue;
        if (r < 0) {
            cf_mountinfo_done(&found);
            return r;
        }
        /* Of several at one place the last line is the topmost. */
        if (is_wanted(&info, wanted)) {
            cf_mountinfo_done(&found);
            found = info;
            count = 1;
        } else {
            cf_mountinfo_done(&info);
        }
    }
    *ret_info = found;
    return count;
}

int cf_mountinfo_search(const char *text, const char *path, int id, struct cf_mountinfo *ret_info)
{
    return search(text, &(struct wanted){.path = path, .id = id}, ret_info);
}

static int search_own(const struct wanted *wanted, struct cf_mountinfo *ret_info)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text);
    if (r < 0)
        return r;
    return text.data ? search(text.data, wanted, ret_info) : 0;
}

int cf_mountinfo_at(const char *path, struct cf_mountinfo *ret_info)
{
    return search_own(&(struct wanted){.path = path}, ret_info);
}

int cf_mountinfo_of_mount(const char *mount_id, struct cf_mountinfo *ret_info)
{
    return search_own(&(struct wanted){.mount_id = mount_id}, ret_info);
}

bool cf_mount_is_shown(const char *mountpoint)
{
    struct cf_mountinfo info = {0};
    bool shown = cf_mountinfo_at(mountpoint, &info) == 1 && info.ours;
    cf_mountinfo_done(&info);
    return shown;
}

int cf_mountinfo_of_fd(int fd, struct cf_mountinfo *ret_info)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[64];

    (void)snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
    int r = cf_read_file(AT_FDCWD, path, 65536, &text);
    if (r < 0)
        return r;
    const char *line = text.data ? strstr(text.data, "mnt_id:") : NULL;
    if (!line)
        return 0;
    return search_own(&(struct wanted){.id = atoi(line + strlen("mnt_id:"))}, ret_info);
}
