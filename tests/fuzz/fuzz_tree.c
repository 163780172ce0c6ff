/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a tree: everything that can be asked about it is asked. Seeds are written by
 * tests/unit/tree_seeds.c. The frame (marker, size, checksum) is mended first, or nothing would get
 * past it.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/tree.h>

#define BLOCK 4096u
#define SUPERBLOCK 1024u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> 8 * i);
}

static void mend(uint8_t *image, size_t size)
{
    uint8_t *sb = image + SUPERBLOCK;
    uint32_t crc = UINT32_MAX;

    memcpy(image, "cloudfs tree 1\n", 16);
    put32(sb, 0xE0F5E1E2u);
    put32(sb + 4, 0);
    put32(sb + 8, 3);
    sb[12] = 12;
    put32(sb + 36, (uint32_t)(size / BLOCK));
    put32(sb + 40, 0);
    for (size_t i = SUPERBLOCK; i < BLOCK; i++) {
        crc ^= image[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    }
    put32(sb + 4, crc);
}

static void read_inode(const struct cf_tree *tree, uint64_t nid)
{
    struct cf_dirent entry = {.next = 0};
    struct cf_xattr x = {.next = 0};
    struct cf_content content;
    struct cf_inode inode;
    const char *target, *name;
    char buffer[256];
    unsigned char sum = 0;
    uint64_t found;
    size_t len;

    if (cf_tree_inode(tree, nid, &inode) < 0)
        return;
    (void)cf_tree_is_opaque(tree, nid);
    (void)cf_tree_is_implicit(tree, nid);
    if (cf_tree_content(tree, nid, &content) == 0 && content.kind == CF_CONTENT_INLINE)
        for (uint64_t i = 0; i < content.size; i++)
            sum ^= ((const unsigned char *)content.data)[i];
    if (cf_tree_readlink(tree, nid, &target, &len) == 0)
        sum ^= (unsigned char)target[len - 1];
    while (cf_tree_xattr_list(tree, nid, x.next, &x) == 1) {
        const void *value;

        for (size_t i = 0; i < x.value_len; i++)
            sum ^= ((const unsigned char *)x.value)[i];
        (void)cf_xattr_shown(x.name, buffer, &name);
        (void)cf_tree_xattr_get(tree, nid, x.name, &value, &len);
    }
    while (cf_tree_readdir(tree, nid, entry.next, &entry) == 1)
        (void)cf_tree_lookup(tree, nid, entry.name, entry.name_len, &found, &name);
    (void)cf_tree_lookup(tree, nid, "m", 1, &found, NULL);
    *(volatile unsigned char *)&sum = sum; /* the bytes have to be read */
}

static void ask(const struct cf_tree *tree, size_t size, int scratch)
{
    struct cf_builder *builder = NULL;
    struct cf_digest id = {{0}};
    struct cf_error err;
    uint64_t found;
    int out;

    for (uint64_t nid = 0; nid <= size / 32; nid++)
        read_inode(tree, nid);
    (void)cf_tree_walk(tree, "/a/b/c", &found);
    (void)cf_tree_resolve(tree, "/link/../a/first", true, &found);
    (void)cf_tree_verify(tree, &err);
    if (cf_builder_new(scratch, &builder, NULL) < 0)
        return;
    out = memfd_create("merged", MFD_CLOEXEC);
    if (cf_builder_apply(builder, tree, true, &err) == 0 &&
        cf_builder_apply(builder, tree, false, &err) == 0)
        (void)cf_builder_write(builder, &id, out, &err);
    (void)close(out);
    cf_builder_free(builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t room = size / BLOCK * BLOCK + (size % BLOCK || size == 0 ? BLOCK : 0);
    struct cf_tree *tree = NULL;
    uint8_t *image;
    int fd;

    if (size > 1u << 20)
        return 0;
    image = calloc(1, room);
    if (!image)
        return 0;
    memcpy(image, data, size);
    mend(image, room);
    fd = memfd_create("tree", MFD_CLOEXEC);
    if (fd >= 0 && cf_write_full(fd, image, room) == 0 && cf_tree_open(fd, &tree, NULL) == 0) {
        int scratch = memfd_create("scratch", MFD_CLOEXEC); /* small trees need no directory */

        ask(tree, room, scratch);
        (void)close(scratch);
        cf_tree_close(tree);
    }
    if (fd >= 0)
        (void)close(fd);
    free(image);
    return 0;
}
