/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tree.h>

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "reader.h"

static int check_superblock(const uint8_t *map, uint64_t size)
{
    const uint8_t *sb = map + SB_OFFSET;

    if (memcmp(map, TREE_MARKER, sizeof(TREE_MARKER)) != 0 || get32(sb + SB_O_MAGIC) != SB_MAGIC)
        return -EBADMSG;
    if (get32(sb + SB_O_CHECKSUM) != erofs_checksum(map))
        return -EBADMSG;
    if (get32(sb + SB_O_COMPAT) != (SB_COMPAT_CHECKSUM | SB_COMPAT_MTIME) ||
        get32(sb + SB_O_INCOMPAT) & ~SB_INCOMPAT_CHUNKED)
        return -EBADMSG;
    if (sb[SB_O_BLKSZBITS] != BLOCK_BITS || sb[SB_O_EXTSLOTS] != 0 || sb[SB_O_DIRBLKBITS] != 0 ||
        get32(sb + SB_O_META_BLKADDR) != 0)
        return -EBADMSG;
    if ((uint64_t)get32(sb + SB_O_BLOCKS) * BLOCK_SIZE != size ||
        get64(sb + SB_O_INOS) > size / INODE_SIZE)
        return -EBADMSG;
    return 0;
}

static int check_root(const struct cf_tree *tree)
{
    struct place root;
    int r = tree_place(tree, tree->root, &root);

    if (r < 0)
        return r;
    return S_ISDIR(root.mode) ? 0 : -EBADMSG;
}

int cf_tree_open(int fd, struct cf_tree **ret_tree, struct cf_error *err)
{
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct stat st;
    void *map;

    if (fstat(fd, &st) < 0)
        return cf_fail_errno(err, errno, "tree");
    if (!S_ISREG(st.st_mode) || st.st_size < (off_t)BLOCK_SIZE || st.st_size % BLOCK_SIZE != 0)
        return cf_fail(err, -EBADMSG, "tree: not a tree, or cut short");
    tree = calloc(1, sizeof(*tree));
    if (!tree)
        return cf_fail(err, -ENOMEM, "tree: out of memory");
    map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return cf_fail_errno(err, errno, "tree: mmap");
    /* Lookups touch little here and there: one fault must not map 2 MiB. */
    (void)madvise(map, (size_t)st.st_size, MADV_NOHUGEPAGE);
    tree->map = map;
    tree->size = (size_t)st.st_size;
    if (check_superblock(map, tree->size) < 0)
        return cf_fail(err, -EBADMSG, "tree: not a tree, or damaged");
    tree->root = get16(tree->map + SB_OFFSET + SB_O_ROOT_NID);
    tree->count = get64(tree->map + SB_OFFSET + SB_O_INOS);
    if (check_root(tree) < 0)
        return cf_fail(err, -EBADMSG, "tree: the root is damaged");
    *ret_tree = CF_TAKE(tree);
    return 0;
}

void cf_tree_close(struct cf_tree *tree)
{
    if (!tree)
        return;
    if (tree->map)
        (void)munmap((void *)(uintptr_t)tree->map, tree->size);
    free(tree);
}

void cf_tree_trim(const struct cf_tree *tree)
{
    (void)madvise((void *)(uintptr_t)tree->map, tree->size, MADV_DONTNEED);
}

const uint8_t *cf_tree_uuid(const struct cf_tree *tree)
{
    return tree->map + SB_OFFSET + SB_O_UUID;
}

uint64_t cf_tree_root(const struct cf_tree *tree)
{
    return tree->root;
}

uint64_t cf_tree_count(const struct cf_tree *tree)
{
    return tree->count;
}

int tree_place(const struct cf_tree *tree, uint64_t nid, struct place *ret_place)
{
    const uint8_t *p;
    uint32_t format, icount;
    struct place place;

    if (nid < FIRST_NID || nid > (tree->size - INODE_SIZE) / SLOT_SIZE)
        return -EBADMSG;
    p = tree->map + nid * SLOT_SIZE;
    format = get16(p + INODE_O_FORMAT);
    icount = get16(p + INODE_O_XATTR_ICOUNT);
    place = (struct place){
        .inode = p,
        .body = nid * SLOT_SIZE + INODE_SIZE,
        .body_len = icount ? XATTR_HEADER_SIZE + 4 * (icount - 1) : 0,
        .layout = format >> 1,
        .mode = get16(p + INODE_O_MODE),
        .size = get64(p + INODE_O_SIZE),
    };
    if (!(format & FORMAT_EXTENDED) || !erofs_type_of_mode(place.mode) ||
        place.body_len > tree->size - place.body)
        return -EBADMSG;
    if (place.layout != LAYOUT_PLAIN && place.layout != LAYOUT_INLINE &&
        !(place.layout == LAYOUT_CHUNK && S_ISREG(place.mode)))
        return -EBADMSG;
    if (get32(p + INODE_O_MTIME_NSEC) >= 1000000000 || place.size > INT64_MAX)
        return -EBADMSG;
    *ret_place = place;
    return 0;
}

/* rdev := minor bits 0-7, major 12 bits, minor bits 8-19 */
static void read_rdev(uint32_t rdev, struct cf_inode *inode)
{
    inode->rdev_major = rdev >> 8 & 0xfff;
    inode->rdev_minor = (rdev & 0xff) | (rdev >> 12 & 0xfff00);
}

int cf_tree_inode(const struct cf_tree *tree, uint64_t nid, struct cf_inode *ret_inode)
{
    struct place place;
    const uint8_t *p;
    int r = tree_place(tree, nid, &place);

    if (r < 0)
        return r;
    p = place.inode;
    *ret_inode = (struct cf_inode){
        .nid = nid,
        .mode = place.mode,
        .nlink = get32(p + INODE_O_NLINK),
        .uid = get32(p + INODE_O_UID),
        .gid = get32(p + INODE_O_GID),
        .size = place.size,
        .mtime_sec = (int64_t)get64(p + INODE_O_MTIME),
        .mtime_nsec = get32(p + INODE_O_MTIME_NSEC),
    };
    if (S_ISCHR(place.mode) || S_ISBLK(place.mode))
        read_rdev(get32(p + INODE_O_U), ret_inode);
    return 0;
}

/* len bytes in the blocks from the inode's start block on, at the byte offset within them. */
static int in_blocks(const struct cf_tree *tree, const struct place *place, uint64_t offset,
                     uint64_t len, const uint8_t **ret_data)
{
    uint64_t start = (uint64_t)get32(place->inode + INODE_O_U) * BLOCK_SIZE;

    if (start > tree->size || offset > tree->size - start || len > tree->size - start - offset)
        return -EBADMSG;
    *ret_data = tree->map + start + offset;
    return 0;
}

/* The inline tail; EROFS wants it in one block. */
static int in_tail(const struct cf_tree *tree, const struct place *place, uint64_t len,
                   const uint8_t **ret_data)
{
    uint64_t start = place->body + place->body_len;

    if (start >= tree->size || start % BLOCK_SIZE + len > BLOCK_SIZE)
        return -EBADMSG;
    *ret_data = tree->map + start;
    return 0;
}

/* All of a small file's or a symlink's bytes, which lie in one piece. */
static int whole_data(const struct cf_tree *tree, const struct place *place,
                      const uint8_t **ret_data)
{
    if (place->size == 0) {
        *ret_data = place->inode; /* any place will do */
        return 0;
    }
    if (place->layout == LAYOUT_PLAIN)
        return in_blocks(tree, place, 0, place->size, ret_data);
    if (place->layout == LAYOUT_INLINE && place->size < BLOCK_SIZE)
        return in_tail(tree, place, place->size, ret_data);
    return -EBADMSG;
}

int tree_dir_block(const struct cf_tree *tree, const struct place *dir, uint64_t block,
                   const uint8_t **ret_data, uint32_t *ret_len)
{
    uint64_t full = dir->size / BLOCK_SIZE;
    uint32_t tail = dir->size % BLOCK_SIZE;

    *ret_len = block < full ? BLOCK_SIZE : tail;
    if (block < full || dir->layout == LAYOUT_PLAIN)
        return in_blocks(tree, dir, block * BLOCK_SIZE, *ret_len, ret_data);
    return in_tail(tree, dir, tail, ret_data);
}

/* ---- directories ---- */

static int place_dir(const struct cf_tree *tree, uint64_t nid, struct place *ret_place)
{
    int r = tree_place(tree, nid, ret_place);

    if (r < 0)
        return r;
    return S_ISDIR(ret_place->mode) ? 0 : -ENOTDIR;
}

static uint64_t dir_blocks(const struct place *dir)
{
    return (dir->size + BLOCK_SIZE - 1) / BLOCK_SIZE;
}

static int dirent_count(const uint8_t *block, uint32_t len, uint32_t *ret_count)
{
    uint32_t first;

    if (len < DIRENT_SIZE)
        return -EBADMSG;
    first = get16(block + DIRENT_O_NAMEOFF);
    if (first < DIRENT_SIZE || first % DIRENT_SIZE != 0 || first > len)
        return -EBADMSG;
    *ret_count = first / DIRENT_SIZE;
    return 0;
}

/* Entry i of the count entries of a block; everything but next is filled. */
static int dirent_at(const uint8_t *block, uint32_t len, uint32_t count, uint32_t i,
                     struct cf_dirent *ret)
{
    const uint8_t *p = block + i * DIRENT_SIZE;
    uint32_t start = get16(p + DIRENT_O_NAMEOFF), end;

    if (start < count * DIRENT_SIZE || start >= len)
        return -EBADMSG;
    if (i + 1 < count)
        end = get16(p + DIRENT_SIZE + DIRENT_O_NAMEOFF);
    else
        end = start + (uint32_t)strnlen((const char *)block + start, len - start);
    if (end <= start || end > len || end - start > CF_NAME_MAX)
        return -EBADMSG;
    ret->name = (const char *)block + start;
    ret->name_len = end - start;
    ret->nid = get64(p + DIRENT_O_NID);
    ret->type = erofs_type_to_dt(p[DIRENT_O_TYPE]);
    return 0;
}

/*
 * The last block whose first name is not above name (block 0 where there is none), with its
 * entries counted.
 */
static int find_block(const struct cf_tree *tree, const struct place *dir, const char *name,
                      size_t name_len, const uint8_t **ret_block, uint32_t *ret_len,
                      uint32_t *ret_count)
{
    uint64_t low = 0, high = dir_blocks(dir);
    struct cf_dirent entry;
    int r;

    while (high - low > 1) {
        uint64_t middle = low + (high - low) / 2;

        if ((r = tree_dir_block(tree, dir, middle, ret_block, ret_len)) < 0 ||
            (r = dirent_count(*ret_block, *ret_len, ret_count)) < 0 ||
            (r = dirent_at(*ret_block, *ret_len, *ret_count, 0, &entry)) < 0)
            return r;
        if (name_compare(entry.name, entry.name_len, name, name_len) <= 0)
            low = middle;
        else
            high = middle;
    }
    r = tree_dir_block(tree, dir, low, ret_block, ret_len);
    return r < 0 ? r : dirent_count(*ret_block, *ret_len, ret_count);
}

int cf_tree_lookup(const struct cf_tree *tree, uint64_t dir, const char *name, size_t name_len,
                   uint64_t *ret_nid, const char **ret_name)
{
    const uint8_t *block;
    uint32_t len, count, low = 0, high;
    struct place place;
    struct cf_dirent entry;
    int r = place_dir(tree, dir, &place);

    if (r < 0)
        return r;
    if (name_len > CF_NAME_MAX)
        return -ENAMETOOLONG;
    if ((r = find_block(tree, &place, name, name_len, &block, &len, &count)) < 0)
        return r;
    for (high = count; low < high;) {
        uint32_t middle = low + (high - low) / 2;
        int order;

        if ((r = dirent_at(block, len, count, middle, &entry)) < 0)
            return r;
        order = name_compare(name, name_len, entry.name, entry.name_len);
        if (order == 0) {
            *ret_nid = entry.nid;
            if (ret_name)
                *ret_name = entry.name;
            return 0;
        }
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return -ENOENT;
}

int cf_tree_parent(const struct cf_tree *tree, uint64_t dir, uint64_t *ret_nid)
{
    int r = cf_tree_lookup(tree, dir, "..", 2, ret_nid, NULL);

    return r == -ENOENT ? -EBADMSG : r;
}

static bool is_dot(const struct cf_dirent *entry)
{
    return entry->name[0] == '.' &&
           (entry->name_len == 1 || (entry->name_len == 2 && entry->name[1] == '.'));
}

/* cookie := block number * BLOCK_SIZE + index of the entry within the block */
int cf_tree_readdir(const struct cf_tree *tree, uint64_t dir, uint64_t cookie,
                    struct cf_dirent *ret_entry)
{
    uint64_t block = cookie / BLOCK_SIZE;
    uint32_t i = cookie % BLOCK_SIZE, len, count;
    const uint8_t *data;
    struct cf_dirent entry;
    struct place place;
    int r = place_dir(tree, dir, &place);

    if (r < 0)
        return r;
    for (; block < dir_blocks(&place); block++, i = 0) {
        if ((r = tree_dir_block(tree, &place, block, &data, &len)) < 0 ||
            (r = dirent_count(data, len, &count)) < 0)
            return r;
        for (; i < count; i++) {
            if ((r = dirent_at(data, len, count, i, &entry)) < 0)
                return r;
            if (is_dot(&entry))
                continue;
            if (memchr(entry.name, '/', entry.name_len) || memchr(entry.name, 0, entry.name_len))
                return -EBADMSG;
            entry.next = block * BLOCK_SIZE + i + 1;
            *ret_entry = entry;
            return 1;
        }
    }
    return 0;
}

/* ---- content ---- */

int cf_tree_readlink(const struct cf_tree *tree, uint64_t nid, const char **ret_target,
                     size_t *ret_len)
{
    const uint8_t *data;
    struct place place;
    int r = tree_place(tree, nid, &place);

    if (r < 0)
        return r;
    if (!S_ISLNK(place.mode))
        return -EINVAL;
    if (place.size == 0 || place.size > CF_SYMLINK_MAX)
        return -EBADMSG;
    if ((r = whole_data(tree, &place, &data)) < 0)
        return r;
    *ret_target = (const char *)data;
    *ret_len = place.size;
    return 0;
}

/* "/ab/cdef..." to a digest. */
static int parse_redirect(const char *value, size_t len, struct cf_digest *ret_digest)
{
    char hex[CF_DIGEST_HEX_SIZE];

    if (len != REDIRECT_LEN || value[0] != '/' || value[3] != '/')
        return -EBADMSG;
    memcpy(hex, value + 1, 2);
    memcpy(hex + 2, value + 4, 62);
    hex[64] = '\0';
    return cf_digest_parse_hex(hex, ret_digest) < 0 ? -EBADMSG : 0;
}

static int object_content(const struct cf_tree *tree, uint64_t nid, const struct place *place,
                          struct cf_content *ret_content)
{
    struct cf_content content = {.kind = CF_CONTENT_OBJECT, .size = place->size};
    const void *value;
    size_t len;
    int r = cf_tree_xattr_get(tree, nid, XATTR_REDIRECT, &value, &len);

    if (r == -ENODATA || (r == 0 && parse_redirect(value, len, &content.digest) < 0))
        r = -EBADMSG;
    if (r < 0)
        return r;
    *ret_content = content;
    return 0;
}

int cf_tree_content(const struct cf_tree *tree, uint64_t nid, struct cf_content *ret_content)
{
    const uint8_t *data;
    struct place place;
    int r = tree_place(tree, nid, &place);

    if (r < 0)
        return r;
    if (!S_ISREG(place.mode))
        return -EINVAL;
    if (place.layout == LAYOUT_CHUNK)
        return object_content(tree, nid, &place, ret_content);
    if ((r = whole_data(tree, &place, &data)) < 0)
        return r;
    *ret_content = (struct cf_content){
        .kind = CF_CONTENT_INLINE,
        .size = place.size,
        .data = data,
    };
    return 0;
}
