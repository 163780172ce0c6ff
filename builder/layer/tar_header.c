/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/tar.h>

#include <errno.h>
#include <string.h>

/* Two's complement, big endian, behind a first byte whose top bit is the mark. */
static int parse_base256(const unsigned char *field, size_t width, int64_t *ret_value)
{
    const bool negative = field[0] & 0x40;
    uint64_t value = negative ? UINT64_MAX : 0;
    for (size_t i = 0; i < width; i++) {
        unsigned byte = field[i];
        if (i == 0)
            byte = negative ? byte | 0x80 : byte & 0x7f;
        const uint64_t top = value >> 55;
        if (top != (negative ? 0x1ff : 0))
            return -ERANGE;
        value = value << 8 | byte;
    }
    *ret_value = (int64_t)value;
    return 0;
}

int cf_tar_number(const char *field, size_t width, int64_t *ret_value)
{
    if ((unsigned char)field[0] & 0x80)
        return parse_base256((const unsigned char *)field, width, ret_value);
    size_t i = 0;
    while (i < width && (field[i] == ' ' || field[i] == '\0'))
        i++;
    uint64_t value = 0; /* 12 octal digits are 36 bits */
    for (; i < width && field[i] >= '0' && field[i] <= '7'; i++)
        value = value << 3 | (uint64_t)(field[i] - '0');
    for (; i < width; i++)
        if (field[i] != ' ' && field[i] != '\0')
            return -EINVAL;
    *ret_value = (int64_t)value;
    return 0;
}

bool cf_tar_block_is_zero(const struct cf_tar_block *block)
{
    static const struct cf_tar_block zero;
    return memcmp(block, &zero, sizeof zero) == 0;
}

bool cf_tar_checksum_ok(const struct cf_tar_block *block)
{
    const unsigned char *bytes = (const unsigned char *)block;
    int64_t plain = 0, as_signed = 0, stated;
    for (size_t i = 0; i < sizeof *block; i++) {
        plain += bytes[i];
        as_signed += (signed char)bytes[i];
    }
    for (size_t i = 0; i < sizeof block->checksum; i++) {
        plain += ' ' - (unsigned char)block->checksum[i];
        as_signed += ' ' - (signed char)block->checksum[i];
    }
    if (cf_tar_number(block->checksum, sizeof block->checksum, &stated) < 0)
        return false;
    return stated == plain || stated == as_signed;
}
