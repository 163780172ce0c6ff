/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of EROFS that trees use, as offsets into little-endian bytes.
 * Source: linux/fs/erofs/erofs_fs.h. docs/format.md ("Trees") has the whole picture.
 *
 *   file       := marker, zeros up to 1024, superblock(128), slots, padding, data blocks
 *   slots      := inode, 32-byte aligned: extended inode(64), xattr body, tail | chunk index
 *   data block := directory block | the content of a long symlink
 */
#ifndef CLOUDFS_TREE_EROFS_H
#define CLOUDFS_TREE_EROFS_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define BLOCK_BITS 12
#define BLOCK_SIZE 4096u
#define SLOT_SIZE 32u
#define INODE_SIZE 64u
#define TREE_MARKER "cloudfs tree 1\n" /* with its NUL the first 16 bytes of the file */

#define SB_OFFSET 1024u
#define SB_SIZE 128u
#define SB_MAGIC 0xE0F5E1E2u
enum {
    SB_O_MAGIC = 0,
    SB_O_CHECKSUM = 4,
    SB_O_COMPAT = 8,
    SB_O_BLKSZBITS = 12,
    SB_O_EXTSLOTS = 13,
    SB_O_ROOT_NID = 14,
    SB_O_INOS = 16,
    SB_O_BLOCKS = 36,
    SB_O_META_BLKADDR = 40,
    SB_O_UUID = 48,
    SB_O_INCOMPAT = 80,
    SB_O_DIRBLKBITS = 90,
};
#define SB_COMPAT_CHECKSUM 1u
#define SB_COMPAT_MTIME 2u
#define SB_INCOMPAT_CHUNKED 4u
#define FIRST_NID ((SB_OFFSET + SB_SIZE) / SLOT_SIZE)

enum {
    INODE_O_FORMAT = 0,
    INODE_O_XATTR_ICOUNT = 2,
    INODE_O_MODE = 4,
    INODE_O_SIZE = 8,
    INODE_O_U = 16, /* start block, chunk format or device number */
    INODE_O_INO = 20,
    INODE_O_UID = 24,
    INODE_O_GID = 28,
    INODE_O_MTIME = 32,
    INODE_O_MTIME_NSEC = 40,
    INODE_O_NLINK = 44,
};
#define FORMAT_EXTENDED 1u
#define LAYOUT_PLAIN 0u
#define LAYOUT_INLINE 2u
#define LAYOUT_CHUNK 4u

#define CHUNK_NULL 0xFFFFFFFFu
#define CHUNK_BITS_MAX 43u

#define DIRENT_SIZE 12u
enum {
    DIRENT_O_NID = 0,
    DIRENT_O_NAMEOFF = 8,
    DIRENT_O_TYPE = 10,
};

#define XATTR_HEADER_SIZE 12u
#define XATTR_O_SHARED_COUNT 4
#define XATTR_ENTRY_SIZE 4u /* name length u8, name index u8, value length u16 */
#define XATTR_BODY_MAX (XATTR_HEADER_SIZE + 4u * (UINT16_MAX - 1u))

#define XATTR_METACOPY "trusted.overlay.metacopy"
#define XATTR_REDIRECT "trusted.overlay.redirect"
#define REDIRECT_LEN 66u /* "/", 2 digits, "/", 62 digits */

static inline uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get32(const uint8_t *p)
{
    return get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline uint64_t get64(const uint8_t *p)
{
    return get32(p) | (uint64_t)get32(p + 4) << 32;
}

static inline void put16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

static inline void put32(uint8_t *p, uint32_t v)
{
    put16(p, (uint16_t)v);
    put16(p + 2, (uint16_t)(v >> 16));
}

static inline void put64(uint8_t *p, uint64_t v)
{
    put32(p, (uint32_t)v);
    put32(p + 4, (uint32_t)(v >> 32));
}

static inline uint64_t align_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) / unit * unit;
}

/* Order of names and of xattr names: bytes as unsigned numbers, a prefix before what it begins. */
static inline int name_compare(const void *a, size_t a_len, const void *b, size_t b_len)
{
    int r = memcmp(a, b, a_len < b_len ? a_len : b_len);

    return r ? r : (a_len > b_len) - (a_len < b_len);
}

/*
 * The checksum of block 0, from the superblock to the block's end, its own field taken as 0
 * (CRC-32C without the final inversion).
 */
uint32_t erofs_checksum(const uint8_t block[BLOCK_SIZE]);

/* The bits of the chunk size for a file of that many bytes, and how many chunks that makes. */
unsigned erofs_chunk_bits(uint64_t size);
uint64_t erofs_chunk_count(uint64_t size);

/* EROFS's file type of a mode (0: none of the seven), and readdir(3)'s of EROFS's. */
uint8_t erofs_type_of_mode(uint32_t mode);
uint8_t erofs_type_to_dt(uint8_t type);

/*
 * Splits a full xattr name into EROFS's index of its prefix (the return value; 0: a namespace
 * that EROFS has not) and the rest. The other way round: the prefix of an index, or NULL.
 */
unsigned erofs_xattr_index(const char *name, const char **ret_rest);
const char *erofs_xattr_prefix(unsigned index);

#endif
