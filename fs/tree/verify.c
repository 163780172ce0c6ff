/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tree.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cloudfs/buf.h>

#include "reader.h"

struct frame {
    uint64_t nid;
    uint64_t cookie;
    uint32_t subdirs;
    size_t path_len; /* of the directory's own path */
};

struct verifier {
    const struct cf_tree *tree;
    uint64_t nids;   /* numbers there may be */
    uint8_t *seen;   /* a bit a nid */
    uint32_t *names; /* by nid: names found of inodes that say they have several */
    uint64_t count;
    struct frame *frames;
    size_t depth, room;
    struct cf_buf path; /* of what is looked at */
    struct cf_error *err;
};

static int damaged(struct verifier *v, const char *what)
{
    return cf_fail(v->err, -EBADMSG, "tree: /%s: %s", v->path.data ? v->path.data : "", what);
}

/* ---- one inode ---- */

static int verify_xattrs(struct verifier *v, uint64_t nid)
{
    struct cf_xattr x = {.next = 0};
    int r;

    while ((r = cf_tree_xattr_list(v->tree, nid, x.next, &x)) == 1)
        ;
    return r < 0 ? damaged(v, "damaged extended attributes") : 0;
}

/* An object's chunks are all null: the data is in another file. */
static int verify_chunks(struct verifier *v, const struct place *place)
{
    uint64_t n = erofs_chunk_count(place->size), at = place->body + place->body_len;

    if (place->size == 0 ||
        get32(place->inode + INODE_O_U) != erofs_chunk_bits(place->size) - BLOCK_BITS)
        return damaged(v, "wrong chunk format");
    if (n > (v->tree->size - at) / 4)
        return damaged(v, "chunk index beyond the end");
    for (uint64_t i = 0; i < n; i++)
        if (get32(v->tree->map + at + 4 * i) != CHUNK_NULL)
            return damaged(v, "a chunk that is not null");
    return 0;
}

static int verify_inode(struct verifier *v, uint64_t nid, struct place *ret_place)
{
    struct cf_content content;
    const char *target;
    size_t len;
    int r;

    if (tree_place(v->tree, nid, ret_place) < 0)
        return damaged(v, "damaged inode");
    if ((r = verify_xattrs(v, nid)) < 0)
        return r;
    if (S_ISLNK(ret_place->mode) &&
        (cf_tree_readlink(v->tree, nid, &target, &len) < 0 || memchr(target, 0, len)))
        return damaged(v, "damaged symlink");
    if (S_ISREG(ret_place->mode) && cf_tree_content(v->tree, nid, &content) < 0)
        return damaged(v, "damaged content");
    return ret_place->layout == LAYOUT_CHUNK ? verify_chunks(v, ret_place) : 0;
}

/* ---- directories ---- */

static int verify_dots(struct verifier *v, uint64_t dir, uint64_t parent)
{
    uint64_t nid;

    if (cf_tree_lookup(v->tree, dir, ".", 1, &nid, NULL) < 0 || nid != dir)
        return damaged(v, "\".\" is wrong");
    if (cf_tree_parent(v->tree, dir, &nid) < 0 || nid != parent)
        return damaged(v, "\"..\" is wrong");
    return 0;
}

/* Every name is above the one before it, or binary search would miss it. */
static int verify_order(struct verifier *v, uint64_t dir)
{
    char last[CF_NAME_MAX];
    size_t last_len = 0;
    struct cf_dirent entry = {.next = 0};
    int r;

    while ((r = cf_tree_readdir(v->tree, dir, entry.next, &entry)) == 1) {
        uint64_t nid;

        if (last_len > 0 && name_compare(last, last_len, entry.name, entry.name_len) >= 0)
            return damaged(v, "names out of order");
        if (cf_tree_lookup(v->tree, dir, entry.name, entry.name_len, &nid, NULL) < 0 ||
            nid != entry.nid)
            return damaged(v, "a name that is not found");
        memcpy(last, entry.name, entry.name_len);
        last_len = entry.name_len;
    }
    return r < 0 ? damaged(v, "damaged directory") : 0;
}

static int push(struct verifier *v, uint64_t nid, uint64_t parent)
{
    int r = verify_dots(v, nid, parent);

    if (r < 0 || (r = verify_order(v, nid)) < 0)
        return r;
    if (v->depth == v->room) {
        size_t room = v->room ? 2 * v->room : 64;
        struct frame *frames = reallocarray(v->frames, room, sizeof(*frames));

        if (!frames)
            return cf_fail(v->err, -ENOMEM, "tree: out of memory");
        v->frames = frames;
        v->room = room;
    }
    v->frames[v->depth++] = (struct frame){.nid = nid, .path_len = v->path.len};
    return 0;
}

/* First sight of an inode: true. */
static bool see(struct verifier *v, uint64_t nid)
{
    uint8_t bit = (uint8_t)(1u << nid % 8);

    if (v->seen[nid / 8] & bit)
        return false;
    v->seen[nid / 8] |= bit;
    v->count++;
    return true;
}

static int verify_links(struct verifier *v, uint64_t nid, const struct place *place, bool first)
{
    uint32_t nlink = get32(place->inode + INODE_O_NLINK);

    if (first && nlink == 1)
        return 0;
    if (nlink < 2 || ++v->names[nid] > nlink)
        return damaged(v, "more names than its link count says");
    return 0;
}

static int verify_entry(struct verifier *v, const struct cf_dirent *entry)
{
    struct frame *frame = &v->frames[v->depth - 1];
    struct place place;
    bool first;
    int r;

    v->path.len = frame->path_len;
    if ((v->path.len > 0 && cf_buf_add_char(&v->path, '/') < 0) ||
        cf_buf_add(&v->path, entry->name, entry->name_len) < 0)
        return cf_fail(v->err, -ENOMEM, "tree: out of memory");
    if ((r = verify_inode(v, entry->nid, &place)) < 0)
        return r;
    if (entry->type != erofs_type_to_dt(erofs_type_of_mode(place.mode)))
        return damaged(v, "the directory names another type");
    first = see(v, entry->nid);
    if (!S_ISDIR(place.mode))
        return verify_links(v, entry->nid, &place, first);
    if (!first)
        return damaged(v, "a directory with two names");
    frame->subdirs++;
    return push(v, entry->nid, frame->nid);
}

static int pop(struct verifier *v)
{
    struct frame *frame = &v->frames[--v->depth];
    struct place place;

    v->path.len = frame->path_len;
    if (v->path.data)
        v->path.data[v->path.len] = '\0';
    if (tree_place(v->tree, frame->nid, &place) < 0 ||
        get32(place.inode + INODE_O_NLINK) != 2 + frame->subdirs)
        return damaged(v, "wrong link count");
    return 0;
}

/* All names of inodes with several were found. */
static int verify_names(struct verifier *v)
{
    struct place place;

    for (uint64_t nid = 0; nid < v->nids; nid++) {
        if (v->names[nid] == 0)
            continue;
        if (tree_place(v->tree, nid, &place) < 0 ||
            get32(place.inode + INODE_O_NLINK) != v->names[nid])
            return cf_fail(v->err, -EBADMSG, "tree: inode %llu: wrong link count",
                           (unsigned long long)nid);
    }
    if (v->count != v->tree->count)
        return cf_fail(v->err, -EBADMSG, "tree: wrong count of inodes");
    return 0;
}

static int verify_all(struct verifier *v)
{
    struct cf_dirent entry;
    struct place place;
    uint64_t steps = 0;
    int r = verify_inode(v, v->tree->root, &place);

    if (r < 0)
        return r;
    (void)see(v, v->tree->root);
    if ((r = push(v, v->tree->root, v->tree->root)) < 0)
        return r;
    while (v->depth > 0) {
        struct frame *frame = &v->frames[v->depth - 1];

        /* Keeps what is resident small; the page cache holds the rest. */
        if (++steps % 16384 == 0)
            cf_tree_trim(v->tree);
        r = cf_tree_readdir(v->tree, frame->nid, frame->cookie, &entry);
        if (r < 0)
            return damaged(v, "damaged directory");
        if (r == 0) {
            if ((r = pop(v)) < 0)
                return r;
            continue;
        }
        frame->cookie = entry.next;
        if ((r = verify_entry(v, &entry)) < 0)
            return r;
    }
    return verify_names(v);
}

int cf_tree_verify(const struct cf_tree *tree, struct cf_error *err)
{
    struct verifier v = {.tree = tree, .err = err, .path = CF_BUF_INIT};
    int r;

    v.nids = tree->size / SLOT_SIZE;
    v.seen = calloc(v.nids / 8 + 1, 1);
    v.names = calloc(v.nids, sizeof(*v.names));
    if (v.seen && v.names)
        r = verify_all(&v);
    else
        r = cf_fail(err, -ENOMEM, "tree: out of memory");
    free(v.seen);
    free(v.names);
    free(v.frames);
    cf_buf_done(&v.path);
    return r;
}
