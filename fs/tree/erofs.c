/* SPDX-License-Identifier: Apache-2.0 */
#include "erofs.h"

#include <dirent.h>
#include <stdbool.h>
#include <sys/stat.h>

#include <cloudfs/scope.h>

/* CRC-32C (reflected polynomial 0x82F63B78) four bits at a time; 3 KiB once per tree. */
static uint32_t crc32c(uint32_t crc, const uint8_t *data, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    for (size_t i = 0; i < len; i++) {
        crc ^= data[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

uint32_t erofs_checksum(const uint8_t block[BLOCK_SIZE])
{
    static const uint8_t zero[4];
    const uint8_t *sb = block + SB_OFFSET;
    uint32_t crc = crc32c(UINT32_MAX, sb, SB_O_CHECKSUM);

    crc = crc32c(crc, zero, sizeof(zero));
    return crc32c(crc, sb + SB_O_CHECKSUM + 4, BLOCK_SIZE - SB_OFFSET - SB_O_CHECKSUM - 4);
}

unsigned erofs_chunk_bits(uint64_t size)
{
    unsigned bits = BLOCK_BITS;

    while (bits < CHUNK_BITS_MAX && size > UINT64_C(1) << bits)
        bits++;
    return bits;
}

uint64_t erofs_chunk_count(uint64_t size)
{
    unsigned bits = erofs_chunk_bits(size);

    return (size >> bits) + ((size & ((UINT64_C(1) << bits) - 1)) != 0);
}

static const struct {
    uint32_t mode;
    uint8_t dt;
} types[] = {
    {0, DT_UNKNOWN},   {S_IFREG, DT_REG},  {S_IFDIR, DT_DIR},   {S_IFCHR, DT_CHR},
    {S_IFBLK, DT_BLK}, {S_IFIFO, DT_FIFO}, {S_IFSOCK, DT_SOCK}, {S_IFLNK, DT_LNK},
};

uint8_t erofs_type_of_mode(uint32_t mode)
{
    for (uint8_t i = 1; i < CF_COUNT(types); i++)
        if ((mode & S_IFMT) == types[i].mode)
            return i;
    return 0;
}

uint8_t erofs_type_to_dt(uint8_t type)
{
    return type < CF_COUNT(types) ? types[type].dt : DT_UNKNOWN;
}

/* whole: the prefix is all of the name. */
static const struct {
    const char *prefix;
    bool whole;
} namespaces[] = {
    {NULL, false},
    {"user.", false},
    {"system.posix_acl_access", true},
    {"system.posix_acl_default", true},
    {"trusted.", false},
    {"lustre.", false},
    {"security.", false},
};

unsigned erofs_xattr_index(const char *name, const char **ret_rest)
{
    for (unsigned i = 1; i < CF_COUNT(namespaces); i++) {
        size_t len = strlen(namespaces[i].prefix);

        if (strncmp(name, namespaces[i].prefix, len) != 0)
            continue;
        if (namespaces[i].whole == (name[len] == '\0')) {
            *ret_rest = name + len;
            return i;
        }
    }
    return 0;
}

const char *erofs_xattr_prefix(unsigned index)
{
    return index < CF_COUNT(namespaces) ? namespaces[index].prefix : NULL;
}
