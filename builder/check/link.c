/* SPDX-License-Identifier: Apache-2.0 */
/* Symlinks that lead nowhere. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "internal.h"

#define LINKS_MAX 40

/* Takes the last name of a path away. */
static bool go_up(struct cf_buf *path)
{
    if (!path->len)
        return false;
    while (path->len && path->data[path->len - 1] != '/')
        path->len--;
    path->len -= path->len > 0;
    path->data[path->len] = '\0';
    return true;
}

struct walking {
    struct cf_rootfs *rootfs;
    struct cf_buf at;   /* how far it is known */
    struct cf_buf rest; /* what is to come */
    unsigned links;
};

/* The next name of the rest: 1 to go on, 0 at the end, -ENOENT, -ELOOP, -EXDEV (it leaves the
 * rootfs). */
static int step(struct walking *walking)
{
    struct cf_buf target cf_autobuf = CF_BUF_INIT;
    const char *rest = walking->rest.data ? walking->rest.data : "";
    size_t skip = strspn(rest, "/"), len = strcspn(rest + skip, "/");
    mode_t mode = 0;
    int r = 0;

    if (!len)
        return 0;
    if (len == 2 && !memcmp(rest + skip, "..", 2))
        r = go_up(&walking->at) ? 0 : -EXDEV;
    else if (len != 1 || rest[skip] != '.') {
        if (walking->at.len)
            r = cf_buf_add_char(&walking->at, '/');
        if (r == 0)
            r = cf_buf_add(&walking->at, rest + skip, len);
        if (r == 0)
            r = cf_rootfs_look(walking->rootfs, walking->at.data, &mode, &target);
    }
    if (r == 0)
        r = cf_buf_add_str(&target, rest + skip + len);
    if (r < 0)
        return r;
    if (S_ISLNK(mode)) {
        if (++walking->links > LINKS_MAX)
            return -ELOOP;
        (void)go_up(&walking->at);
        if (target.len && *target.data == '/')
            cf_buf_clear(&walking->at);
    }
    cf_buf_done(&walking->rest);
    walking->rest = target;
    target = (struct cf_buf)CF_BUF_INIT;
    return 1;
}

/* A place of the machine that the rootfs gets to, as far as can be told. */
static bool is_of_machine(struct cf_rootfs *rootfs, const char *target)
{
    struct cf_buf first cf_autobuf = CF_BUF_INIT;
    mode_t mode = 0;

    if (*target != '/')
        return false;
    target += strspn(target, "/");
    return cf_buf_add(&first, target, strcspn(target, "/")) < 0 || !first.len ||
           cf_rootfs_look(rootfs, first.data, &mode, NULL) < 0;
}

void cf_check_link(struct checking *checking, const char *path)
{
    struct cf_buf target cf_autobuf = CF_BUF_INIT;
    struct cf_rootfs *whole = cf_check_whole(checking);
    struct walking walking = {.rootfs = whole, .at = CF_BUF_INIT, .rest = CF_BUF_INIT};
    mode_t mode = 0;
    int r = whole ? cf_rootfs_look(whole, path, &mode, &target) : -ENOENT;

    if (r < 0 || !S_ISLNK(mode))
        return;
    r = cf_buf_add_str(&walking.rest, path);
    while (r == 0 && (r = step(&walking)) == 1)
        r = 0;
    cf_buf_done(&walking.at);
    cf_buf_done(&walking.rest);
    if (r == -ENOMEM)
        checking->failed = cf_fail(checking->err, r, "out of memory");
    else if (r == -ELOOP)
        cf_check_found(checking, CF_ERROR, CF_CHECK_LINK, 0, NULL,
                       "the link to %s leads in a circle", target.data);
    else if (r == -EXDEV && *target.data != '/')
        cf_check_found(checking, CF_WARNING, CF_CHECK_LINK, 0, "link to a path inside it",
                       "the link to %s leads out of the rootfs", target.data);
    else if (r < 0 && !is_of_machine(whole, target.data))
        cf_check_found(checking, CF_WARNING, CF_CHECK_LINK, 0,
                       "put that there, or take the link away", "the link to %s leads nowhere",
                       target.data);
}
