/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes a builder's tree in two rounds over its directories, parents first. In each round a
 * directory's inodes follow one another. The first round gives every inode its place, the second
 * one writes two streams: the slots from the file's beginning, the data blocks behind them.
 */
#include <cloudfs/tree.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "pack.h"

struct writer {
    struct cf_builder *builder;
    uint64_t end;    /* first round: end of the slots so far, in bytes */
    uint64_t blocks; /* first round: data blocks so far */
    bool chunked;
    struct stream slots, data;
};

typedef int node_fn(struct writer *writer, struct cf_node *node);

/* ---- the order of inodes ---- */

static struct entry *subdir_from(struct entry *entry)
{
    while (entry && (!entry->node || !(entry->flags & ENTRY_DIR)))
        entry = arena_at(entry, entry->next);
    return entry;
}

/* The directory behind dir, parents before children; NULL at the end. */
static struct dir *next_dir(struct dir *dir)
{
    struct entry *entry = NULL;

    if (dir->node.flags & NODE_HAS_DIRS)
        entry = subdir_from(arena_at(dir, dir->first));
    while (!entry) {
        const struct entry *own = arena_at(dir, dir->node.entry);

        if (!own->dir)
            return NULL;
        entry = subdir_from(arena_at(own, own->next));
        dir = arena_at(own, own->dir);
    }
    return arena_at(entry, entry->node);
}

static int each_child(struct writer *writer, struct dir *dir, node_fn *fn)
{
    int r = 0;

    for (struct entry *e = arena_at(dir, dir->first); r == 0 && e; e = arena_at(e, e->next)) {
        struct cf_node *node;

        entry_touch(e);
        if ((node = arena_at(e, e->node))) {
            node_touch(node);
            r = node->entry == arena_ref(e) ? fn(writer, node) : 0;
        }
        arena_tick(&writer->builder->arena);
    }
    return r;
}

static int each_node(struct writer *writer, node_fn *fn)
{
    struct cf_node *root = cf_builder_root(writer->builder);
    int r = fn(writer, root);

    for (struct dir *dir = (struct dir *)root; r == 0 && dir; dir = next_dir(dir))
        r = each_child(writer, dir, fn);
    return r;
}

/* ---- shapes ---- */

static uint32_t body_len(const struct cf_node *node)
{
    uint32_t len = node_xattr_len(node);

    if (node->flags & NODE_OBJECT && S_ISREG(node->mode))
        len +=
            (uint32_t)align_up(XATTR_ENTRY_SIZE + sizeof("overlay.metacopy") - 1, 4) +
            (uint32_t)align_up(XATTR_ENTRY_SIZE + sizeof("overlay.redirect") - 1 + REDIRECT_LEN, 4);
    return len ? len + XATTR_HEADER_SIZE : 0;
}

static bool is_object(const struct cf_node *node)
{
    return S_ISREG(node->mode) && node->flags & NODE_OBJECT;
}

/* Bytes of data that go behind the inode where they fit, else into a block of their own. */
static uint32_t tail_len(const struct cf_node *node)
{
    if (S_ISDIR(node->mode))
        return ((const struct dir *)node)->tail;
    if (S_ISLNK(node->mode) || (S_ISREG(node->mode) && !is_object(node)))
        return (uint32_t)node->size;
    return 0;
}

/* A tail at that offset of the file lies in one block. */
static bool tail_fits(uint64_t offset, uint32_t tail)
{
    return offset % BLOCK_SIZE + tail <= BLOCK_SIZE;
}

/* ---- first round ---- */

static int place_node(struct writer *writer, struct cf_node *node)
{
    uint64_t at = align_up(writer->end, SLOT_SIZE), moved;
    uint32_t head = INODE_SIZE + body_len(node), tail;

    if (S_ISLNK(node->mode) && node->size == 0)
        return -EINVAL;
    if (S_ISDIR(node->mode)) {
        dir_measure(&writer->builder->arena, (struct dir *)node);
        writer->blocks += ((struct dir *)node)->blocks;
    }
    tail = tail_len(node);
    if (!tail_fits(at + head, tail)) {
        /* The tail begins in the next block; the head may stay in this one. */
        moved = align_up(align_up(at + head, BLOCK_SIZE) - head, SLOT_SIZE);
        if (tail_fits(moved + head, tail))
            at = moved;
        else
            writer->blocks++;
    }
    if (at / SLOT_SIZE > UINT32_MAX || writer->blocks > UINT32_MAX / 2)
        return -EFBIG;
    node->nid = (uint32_t)(at / SLOT_SIZE);
    writer->end = at + head + (tail_fits(at + head, tail) ? tail : 0);
    if (is_object(node)) {
        writer->end += 4 * erofs_chunk_count(node->size);
        writer->chunked = true;
    }
    return 0;
}

/* ---- second round ---- */

static void put_xattr(struct stream *out, unsigned index, const char *rest, const void *value,
                      size_t value_len)
{
    size_t rest_len = strlen(rest), len = XATTR_ENTRY_SIZE + rest_len + value_len;
    uint8_t entry[XATTR_ENTRY_SIZE] = {(uint8_t)rest_len, (uint8_t)index};

    put16(entry + 2, (uint16_t)value_len);
    stream_put(out, entry, sizeof(entry));
    stream_put(out, rest, rest_len);
    stream_put(out, value, value_len);
    stream_put_zeros(out, align_up(len, 4) - len);
}

static void put_own_xattr(struct stream *out, const char *name, const char *value)
{
    const char *rest;
    unsigned index = erofs_xattr_index(name, &rest);

    put_xattr(out, index, rest, value, strlen(value));
}

static void put_body(struct stream *out, const struct cf_node *node)
{
    static const uint8_t header[XATTR_HEADER_SIZE];
    const struct xattr *x = arena_at(node, node->xattrs);

    if (!x && !is_object(node))
        return;
    stream_put(out, header, sizeof(header));
    if (is_object(node)) {
        char redirect[2 + CF_DIGEST_HEX_SIZE] = "";

        /* "/ab/cdef...": the first two digits move in front of the second slash. */
        cf_digest_hex(arena_at(node, node->data), redirect + 2);
        memmove(redirect + 1, redirect + 2, 2);
        redirect[0] = redirect[3] = '/';
        put_own_xattr(out, XATTR_METACOPY, "");
        put_own_xattr(out, XATTR_REDIRECT, redirect);
    }
    for (; x; x = arena_at(x, x->next))
        put_xattr(out, x->index, xattr_rest(x), xattr_value(x), x->value_len);
}

static uint32_t rdev_of(const struct cf_node *node)
{
    return (node->rdev.minor & 0xff) | node->rdev.major << 8 | (node->rdev.minor & 0xfff00) << 12;
}

/* start: the first data block of the node, if it has any. */
static void put_inode(struct stream *out, const struct cf_node *node, unsigned layout,
                      uint32_t start)
{
    uint32_t body = body_len(node), u = 0;
    uint8_t p[INODE_SIZE] = {0};
    uint64_t size = 0;

    if (S_ISDIR(node->mode)) {
        const struct dir *dir = (const struct dir *)node;

        size = (uint64_t)dir->blocks * BLOCK_SIZE + dir->tail;
        u = dir->blocks || layout == LAYOUT_PLAIN ? start : 0;
    } else if (S_ISREG(node->mode) || S_ISLNK(node->mode)) {
        size = node->size;
        u = layout == LAYOUT_PLAIN && size > 0 ? start : 0;
    } else if (S_ISCHR(node->mode) || S_ISBLK(node->mode)) {
        u = rdev_of(node);
    }
    if (layout == LAYOUT_CHUNK)
        u = erofs_chunk_bits(size) - BLOCK_BITS;
    put16(p + INODE_O_FORMAT, (uint16_t)(FORMAT_EXTENDED | layout << 1));
    put16(p + INODE_O_XATTR_ICOUNT, body ? (uint16_t)((body - XATTR_HEADER_SIZE) / 4 + 1) : 0);
    put16(p + INODE_O_MODE, node->mode);
    put64(p + INODE_O_SIZE, size);
    put32(p + INODE_O_U, u);
    put32(p + INODE_O_INO, node->nid);
    put32(p + INODE_O_UID, node->uid);
    put32(p + INODE_O_GID, node->gid);
    put64(p + INODE_O_MTIME, (uint64_t)node->mtime_sec);
    put32(p + INODE_O_MTIME_NSEC, node->mtime_nsec);
    put32(p + INODE_O_NLINK, node->nlink);
    stream_put(out, p, sizeof(p));
}

static void put_chunks(struct stream *out, uint64_t size)
{
    static const uint8_t null[4] = {0xff, 0xff, 0xff, 0xff};

    for (uint64_t n = erofs_chunk_count(size); n > 0; n--)
        stream_put(out, null, sizeof(null));
}

static int write_node(struct writer *writer, struct cf_node *node)
{
    struct stream *slots = &writer->slots, *data = &writer->data;
    uint64_t at = (uint64_t)node->nid * SLOT_SIZE;
    uint32_t tail = tail_len(node);
    bool fits = tail > 0 && tail_fits(at + INODE_SIZE + body_len(node), tail);
    struct stream *tail_out = fits ? slots : data;
    unsigned layout = fits ? LAYOUT_INLINE : is_object(node) ? LAYOUT_CHUNK : LAYOUT_PLAIN;

    stream_put_zeros(slots, at - stream_at(slots));
    put_inode(slots, node, layout, (uint32_t)(stream_at(data) / BLOCK_SIZE));
    put_body(slots, node);
    if (is_object(node))
        put_chunks(slots, node->size);
    else if (S_ISDIR(node->mode))
        dir_write(&writer->builder->arena, (struct dir *)node, data, tail_out);
    else if (tail > 0)
        stream_put(tail_out, arena_at(node, node->data), tail);
    stream_put_zeros(data, align_up(stream_at(data), BLOCK_SIZE) - stream_at(data));
    return slots->error ? slots->error : data->error;
}

/* The first block but for the inodes in it. */
static void put_superblock(struct writer *writer, const struct cf_digest *id, uint64_t blocks)
{
    uint8_t p[SB_OFFSET + SB_SIZE] = TREE_MARKER, *sb = p + SB_OFFSET;

    put32(sb + SB_O_MAGIC, SB_MAGIC);
    put32(sb + SB_O_COMPAT, SB_COMPAT_CHECKSUM | SB_COMPAT_MTIME);
    sb[SB_O_BLKSZBITS] = BLOCK_BITS;
    put16(sb + SB_O_ROOT_NID, (uint16_t)cf_builder_root(writer->builder)->nid);
    put64(sb + SB_O_INOS, writer->builder->count);
    put32(sb + SB_O_BLOCKS, (uint32_t)blocks);
    put32(sb + SB_O_INCOMPAT, writer->chunked ? SB_INCOMPAT_CHUNKED : 0);
    memcpy(sb + SB_O_UUID, id->bytes, 16);
    sb[SB_O_UUID + 6] = (sb[SB_O_UUID + 6] & 0x0f) | 0x80; /* version 8: as the maker likes */
    sb[SB_O_UUID + 8] = (sb[SB_O_UUID + 8] & 0x3f) | 0x80;
    stream_put(&writer->slots, p, sizeof(p));
}

/* The checksum covers the inodes of the first block, so it comes last. */
static int put_checksum(int fd, const uint8_t first[BLOCK_SIZE])
{
    uint8_t sum[4];

    put32(sum, erofs_checksum(first));
    return cf_pwrite_full(fd, sum, sizeof(sum), SB_OFFSET + SB_O_CHECKSUM);
}

static int write_all(struct writer *writer, const struct cf_digest *id)
{
    uint8_t first[BLOCK_SIZE];
    uint64_t slots_end;
    int r = builder_scan(writer->builder);

    if (r < 0 || (r = each_node(writer, place_node)) < 0)
        return r;
    slots_end = align_up(writer->end, BLOCK_SIZE);
    if (slots_end / BLOCK_SIZE + writer->blocks > UINT32_MAX)
        return -EFBIG;
    if (ftruncate(writer->slots.fd, 0) < 0)
        return -errno;
    writer->data.offset = slots_end;
    writer->slots.first = first;
    put_superblock(writer, id, slots_end / BLOCK_SIZE + writer->blocks);
    if ((r = each_node(writer, write_node)) < 0)
        return r;
    stream_put_zeros(&writer->slots, slots_end - stream_at(&writer->slots));
    if ((r = stream_flush(&writer->slots)) < 0 || (r = stream_flush(&writer->data)) < 0)
        return r;
    return put_checksum(writer->slots.fd, first);
}

int cf_builder_write(struct cf_builder *builder, const struct cf_digest *id, int fd,
                     struct cf_error *err)
{
    uint8_t *buffers cf_autofree = malloc(2 * (size_t)STREAM_ROOM);
    struct writer writer = {
        .builder = builder,
        .end = (uint64_t)FIRST_NID * SLOT_SIZE,
        .slots = {.fd = fd, .buffer = buffers},
        .data = {.fd = fd, .buffer = buffers + STREAM_ROOM},
    };
    int r;

    if (!buffers)
        return cf_fail(err, -ENOMEM, "tree: out of memory");
    r = write_all(&writer, id);
    if (r == -EINVAL)
        return cf_fail(err, r, "tree: a symlink has no target");
    return r < 0 ? cf_fail_errno(err, -r, "tree: write") : 0;
}
