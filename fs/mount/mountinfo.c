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
    info->point = NULL;
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
    const char *type_end = memchr(type, ' ', (size_t)(end - type));
    size_t type_len = (size_t)((type_end ? type_end : end) - type);
    ret_info->id = atoi(line);
    ret_info->ours = type_len == strlen("fuse.cloudfs") && !memcmp(type, "fuse.cloudfs", type_len);
    ret_info->point = unescape(fields[4], (size_t)(fields[5] - fields[4] - 1));
    return ret_info->point ? 0 : -ENOMEM;
}

int cf_mountinfo_search(const char *text, const char *path, int id, struct cf_mountinfo *ret_info)
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
        if (path ? !strcmp(info.point, path) : info.id == id) {
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

static int search_own(const char *path, int id, struct cf_mountinfo *ret_info)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_read_file(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX, &text);
    if (r < 0)
        return r;
    return text.data ? cf_mountinfo_search(text.data, path, id, ret_info) : 0;
}

int cf_mountinfo_at(const char *path, struct cf_mountinfo *ret_info)
{
    return search_own(path, 0, ret_info);
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
    return line ? search_own(NULL, atoi(line + strlen("mnt_id:")), ret_info) : 0;
}
