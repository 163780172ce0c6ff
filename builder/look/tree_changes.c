/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What differs between two trees: both are walked at once, in the order of names. A directory
 * that is gone is one line; all that is in a new one is told. A directory whose mtime alone
 * changed is no change: that says no more than that something in it did.
 */
#include <cloudfs/look.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cloudfs/buf.h>

struct comparison {
    const struct cf_tree *a, *b;
    struct cf_changes *changes;
    struct cf_buf path;
    /* A stack, since directories may lie deep: pairs that are being read. */
    struct level *levels;
    size_t count, room;
};

struct level {
    uint64_t a, b; /* directories; a UINT64_MAX: all of b is new */
    uint64_t a_cookie, b_cookie;
    size_t path_len;
};
#define NO_DIR UINT64_MAX

bool cf_tree_same_xattrs(const struct cf_tree *a, uint64_t x, const struct cf_tree *b, uint64_t y)
{
    struct cf_xattr one, other;
    uint64_t cookie = 0, count = 0;
    char buffer[256];
    const char *shown = NULL;
    const void *value = NULL;
    size_t len = 0;

    while (cf_tree_xattr_list(a, x, cookie, &one) > 0) {
        cookie = one.next;
        if (!cf_xattr_shown(one.name, buffer, &shown))
            continue;
        if (cf_tree_xattr_get(b, y, one.name, &value, &len) < 0 || len != one.value_len ||
            memcmp(value, one.value, len) != 0)
            return false;
        count++;
    }
    cookie = 0;
    while (cf_tree_xattr_list(b, y, cookie, &other) > 0) {
        cookie = other.next;
        if (!cf_xattr_shown(other.name, buffer, &shown))
            continue;
        if (count-- == 0)
            return false;
    }
    return true;
}

bool cf_tree_same_content(const struct cf_tree *a, const struct cf_inode *x,
                          const struct cf_tree *b, const struct cf_inode *y)
{
    struct cf_content one, other;
    const char *target = NULL, *other_target = NULL;
    size_t len = 0, other_len = 0;

    if (S_ISDIR(x->mode))
        return true;
    if (S_ISLNK(x->mode))
        return cf_tree_readlink(a, x->nid, &target, &len) == 0 &&
               cf_tree_readlink(b, y->nid, &other_target, &other_len) == 0 && len == other_len &&
               memcmp(target, other_target, len) == 0;
    if (!S_ISREG(x->mode))
        return x->rdev_major == y->rdev_major && x->rdev_minor == y->rdev_minor;
    if (cf_tree_content(a, x->nid, &one) < 0 || cf_tree_content(b, y->nid, &other) < 0 ||
        one.kind != other.kind || one.size != other.size)
        return false;
    return one.kind == CF_CONTENT_OBJECT ? cf_digest_equal(&one.digest, &other.digest)
                                         : memcmp(one.data, other.data, (size_t)one.size) == 0;
}

static bool same_metadata(const struct cf_inode *x, const struct cf_inode *y)
{
    if (x->mode != y->mode || x->uid != y->uid || x->gid != y->gid)
        return false;
    return S_ISDIR(x->mode) || (x->mtime_sec == y->mtime_sec && x->mtime_nsec == y->mtime_nsec);
}

static int add(struct comparison *comparison, char kind, const struct cf_inode *inode,
               bool meta_only)
{
    struct cf_change change = {.kind = kind,
                               .meta_only = meta_only,
                               .is_dir = S_ISDIR(inode->mode),
                               .size = S_ISREG(inode->mode) ? inode->size : 0};
    return cf_changes_add(comparison->changes, &change,
                          comparison->path.data ? comparison->path.data : "", comparison->path.len);
}

static int push(struct comparison *comparison, uint64_t a, uint64_t b)
{
    if (comparison->count == comparison->room) {
        size_t room = comparison->room ? comparison->room * 2 : 16;
        struct level *grown = realloc(comparison->levels, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        comparison->levels = grown;
        comparison->room = room;
    }
    comparison->levels[comparison->count++] =
        (struct level){.a = a, .b = b, .path_len = comparison->path.len};
    return 0;
}

/* The path of the entry at hand is set; a or b is NULL where one side lacks it. */
static int compare_entry(struct comparison *comparison, const struct cf_inode *a,
                         const struct cf_inode *b)
{
    int r = 0;

    if (!b)
        return add(comparison, 'D', a, false);
    if (!a)
        r = add(comparison, 'A', b, false);
    else if ((a->mode & S_IFMT) != (b->mode & S_IFMT))
        r = add(comparison, 'C', b, false);
    else {
        bool content = cf_tree_same_content(comparison->a, a, comparison->b, b);
        if (!content || !same_metadata(a, b) ||
            !cf_tree_same_xattrs(comparison->a, a->nid, comparison->b, b->nid))
            r = add(comparison, 'C', b, content);
    }
    if (r == 0 && S_ISDIR(b->mode))
        r = push(comparison, a && S_ISDIR(a->mode) ? a->nid : NO_DIR, b->nid);
    return r;
}

static int set_path(struct comparison *comparison, size_t dir_len, const struct cf_dirent *entry)
{
    comparison->path.len = dir_len;
    int r = dir_len ? cf_buf_add_char(&comparison->path, '/') : 0;
    return r == 0 ? cf_buf_add(&comparison->path, entry->name, entry->name_len) : r;
}

static int order_of(const struct cf_dirent *a, const struct cf_dirent *b)
{
    size_t len = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = memcmp(a->name, b->name, len);
    return order ? order : a->name_len < b->name_len ? -1 : a->name_len > b->name_len;
}

/* The next name of the topmost level on either side. Returns 1 when there is none. */
static int step(struct comparison *comparison)
{
    struct level *level = &comparison->levels[comparison->count - 1];
    struct cf_dirent a, b;
    struct cf_inode x, y;
    int has_a =
        level->a == NO_DIR ? 0 : cf_tree_readdir(comparison->a, level->a, level->a_cookie, &a);
    int has_b = cf_tree_readdir(comparison->b, level->b, level->b_cookie, &b);

    if (has_a < 0 || has_b < 0)
        return has_a < 0 ? has_a : has_b;
    if (!has_a && !has_b)
        return 1;
    int order = !has_a ? 1 : !has_b ? -1 : order_of(&a, &b);
    int r = 0;
    if (order <= 0) {
        level->a_cookie = a.next;
        r = cf_tree_inode(comparison->a, a.nid, &x);
    }
    if (order >= 0 && r == 0) {
        level->b_cookie = b.next;
        r = cf_tree_inode(comparison->b, b.nid, &y);
    }
    if (r == 0)
        r = set_path(comparison, level->path_len, order <= 0 ? &a : &b);
    return r == 0 ? compare_entry(comparison, order <= 0 ? &x : NULL, order >= 0 ? &y : NULL) : r;
}

int cf_tree_changes(const struct cf_tree *a, const struct cf_tree *b,
                    struct cf_changes *ret_changes, struct cf_error *err)
{
    struct cf_changes changes = {0};
    struct comparison comparison = {.a = a, .b = b, .changes = &changes, .path = CF_BUF_INIT};
    struct cf_inode x, y;
    int r = cf_tree_inode(a, cf_tree_root(a), &x);

    if (r == 0)
        r = cf_tree_inode(b, cf_tree_root(b), &y);
    if (r == 0)
        r = compare_entry(&comparison, &x, &y);
    while (r >= 0 && comparison.count > 0) {
        r = step(&comparison);
        if (r > 0)
            comparison.count--;
    }
    free(comparison.levels);
    cf_buf_done(&comparison.path);
    if (r < 0) {
        cf_changes_done(&changes);
        return cf_fail_errno(err, -r, "cannot compare two trees");
    }
    cf_changes_sort(&changes);
    *ret_changes = changes;
    return 0;
}
