/* SPDX-License-Identifier: Apache-2.0 */
/* Symbolic links on the way to a file, followed as a process does whose root the rootfs is. */
#include "work.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/log.h>

#define LINKS_MAX 40 /* as the kernel has it */

/* 1 and the target, where the path is a link now: what the list did to it before counts. */
static int read_link(const struct work *work, const char *path, struct cf_buf *target,
                     struct cf_error *err)
{
    for (size_t i = 0; i < work->count; i++)
        if (!strcmp(work->files[i]->path, path) &&
            (!work->files[i]->now.exists || !S_ISLNK(work->files[i]->now.inode.mode)))
            return 0;
    return work->place->read_link(work->place->context, path, target, err);
}

static void shorten(struct cf_buf *text, size_t len)
{
    if (len < text->len)
        text->data[text->len = len] = 0;
}

/* One part more: "." and ".." are taken away. */
static int add_part(struct cf_buf *path, const char *part, size_t len)
{
    if (len == 0 || (len == 1 && part[0] == '.'))
        return 0;
    if (len == 2 && part[0] == '.' && part[1] == '.') {
        const char *slash = path->len ? strrchr(path->data, '/') : NULL;
        shorten(path, slash ? (size_t)(slash - path->data) : 0);
        return 0;
    }
    int r = path->len ? cf_buf_add_char(path, '/') : 0;
    return r < 0 ? r : cf_buf_add(path, part, len);
}

int cf_work_resolve(const struct work *work, const char *path, bool follow_last,
                    struct cf_buf *ret_path, struct cf_error *err)
{
    struct cf_buf rest cf_autobuf = CF_BUF_INIT;
    size_t links = 0;
    int r = cf_buf_add_str(&rest, path);

    for (const char *at = rest.data; r == 0 && at && *at;) {
        struct cf_buf target cf_autobuf = CF_BUF_INIT;
        size_t before = ret_path->len, len = strcspn(at, "/");
        const char *next = at + len + strspn(at + len, "/");
        r = add_part(ret_path, at, len);
        at = next;
        if (r < 0 || ret_path->len <= before || (!*next && !follow_last))
            continue;
        r = read_link(work, ret_path->data, &target, err);
        if (r <= 0)
            continue;
        if (++links > LINKS_MAX)
            return cf_fail(err, -ELOOP, "%s: its symbolic links lead round in a circle",
                           CF_QUOTE(path));
        r = *next ? cf_buf_printf(&target, "/%s", next) : 0;
        shorten(ret_path, target.data[0] == '/' ? 0 : before);
        cf_buf_done(&rest);
        rest = target;
        target = (struct cf_buf)CF_BUF_INIT;
        at = rest.data;
    }
    if (r == -ENOMEM)
        return cf_fail(err, r, "out of memory");
    if (r == 0 && !ret_path->len)
        return cf_fail(err, -EISDIR, "%s leads to the rootfs itself", CF_QUOTE(path));
    return r;
}
