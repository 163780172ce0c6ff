/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tree.h>

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/buf.h>

#include "reader.h"

#define SYMLINKS_MAX 40
#define PATH_LEN_MAX (1u << 20) /* of a path with its symlinks unfolded; a bound for bombs */

/* The next component of *path (its length; 0 at the end), *path moved behind it. */
static size_t next_component(const char **path, const char **ret_name)
{
    size_t len;

    *path += strspn(*path, "/");
    len = strcspn(*path, "/");
    *ret_name = *path;
    *path += len;
    return len;
}

static bool is_name(const char *name, size_t len, const char *other)
{
    return len == strlen(other) && memcmp(name, other, len) == 0;
}

static int mode_of(const struct cf_tree *tree, uint64_t nid, uint32_t *ret_mode)
{
    struct place place;
    int r = tree_place(tree, nid, &place);

    if (r == 0)
        *ret_mode = place.mode;
    return r;
}

int cf_tree_walk(const struct cf_tree *tree, const char *path, uint64_t *ret_nid)
{
    uint64_t nid = tree->root;
    uint32_t mode;
    const char *name;
    size_t len;
    int r;

    while ((len = next_component(&path, &name)) > 0) {
        if (is_name(name, len, ".."))
            return -EINVAL;
        if (is_name(name, len, "."))
            continue;
        if ((r = cf_tree_lookup(tree, nid, name, len, &nid, NULL)) < 0)
            return r;
        if (*path == '\0')
            break;
        /* A slash follows, so this has to be a directory. */
        if ((r = mode_of(tree, nid, &mode)) < 0)
            return r;
        if (!S_ISDIR(mode))
            return S_ISLNK(mode) ? -ELOOP : -ENOTDIR;
    }
    *ret_nid = nid;
    return 0;
}

/* Puts the symlink's target in front of what is left of the path: *rest becomes buf's text. */
static int unfold(const struct cf_tree *tree, uint64_t link, struct cf_buf *buf, const char **rest)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_buf old;
    const char *target;
    size_t len;
    int r = cf_tree_readlink(tree, link, &target, &len);

    if (r < 0)
        return r;
    if (memchr(target, 0, len))
        return -EBADMSG;
    if (len + strlen(*rest) > PATH_LEN_MAX)
        return -ENAMETOOLONG;
    if (cf_buf_add(&text, target, len) < 0 || cf_buf_add_str(&text, *rest) < 0)
        return -ENOMEM;
    old = *buf;
    *buf = text;
    text = old;
    *rest = buf->data;
    return 0;
}

/* One step of resolving: the thing that name is in *nid, symlinks not yet looked at. */
static int step(const struct cf_tree *tree, uint64_t nid, const char *name, size_t len,
                uint64_t *ret_nid)
{
    if (is_name(name, len, ".")) {
        *ret_nid = nid;
        return 0;
    }
    if (is_name(name, len, ".."))
        return cf_tree_parent(tree, nid, ret_nid);
    return cf_tree_lookup(tree, nid, name, len, ret_nid, NULL);
}

int cf_tree_resolve(const struct cf_tree *tree, const char *path, bool follow_last,
                    uint64_t *ret_nid)
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    uint64_t nid = tree->root, found;
    unsigned links = 0;
    uint32_t mode;
    const char *name;
    size_t len;
    int r;

    while ((len = next_component(&path, &name)) > 0) {
        if ((r = step(tree, nid, name, len, &found)) < 0 || (r = mode_of(tree, found, &mode)) < 0)
            return r;
        if (S_ISLNK(mode) && (*path == '/' || follow_last)) {
            if (++links > SYMLINKS_MAX)
                return -ELOOP;
            if ((r = unfold(tree, found, &buf, &path)) < 0)
                return r;
            if (*path == '/')
                nid = tree->root;
            continue;
        }
        nid = found;
        if (*path == '/' && !S_ISDIR(mode))
            return -ENOTDIR;
    }
    *ret_nid = nid;
    return 0;
}
