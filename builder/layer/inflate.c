/* SPDX-License-Identifier: Apache-2.0 */
/* gzip by libisal, which inflates twice as fast as zlib, and its CRC-64. The only door to it. */
#include "codec.h"

#include <errno.h>
#include <stdlib.h>

#include <isa-l/crc64.h>
#include <isa-l/igzip_lib.h>

enum place {
    AT_MEMBER, /* before one; something else than zeros must follow if it is the first */
    IN_MEMBER,
    IN_ZEROS, /* after the last one, filled up with zeros (tapes) */
};

struct inflate {
    enum place place;
    bool first;
    struct inflate_state isal;
};

static void *inflate_open(void)
{
    struct inflate *z = malloc(sizeof *z);
    if (!z)
        return NULL;
    z->place = AT_MEMBER;
    z->first = true;
    isal_inflate_init(&z->isal);
    return z;
}

static int run_member(struct inflate *z, struct cf_codec_io *io, struct cf_error *err)
{
    struct inflate_state *isal = &z->isal;
    const size_t in = io->in_len < UINT32_MAX ? io->in_len : UINT32_MAX;
    const size_t out = io->out_len < UINT32_MAX ? io->out_len : UINT32_MAX;
    isal->next_in = (uint8_t *)(uintptr_t)io->in; /* only read */
    isal->avail_in = (uint32_t)in;
    isal->next_out = io->out;
    isal->avail_out = (uint32_t)out;
    int r = isal_inflate(isal);
    io->in_len -= in - isal->avail_in;
    io->out_len -= out - isal->avail_out;
    io->in = isal->next_in;
    io->out = isal->next_out;
    if (r == ISAL_INCORRECT_CHECKSUM)
        return cf_fail(err, -EINVAL, "the gzip data is damaged: its checksum is wrong");
    if (r < 0)
        return cf_fail(err, -EINVAL, "the gzip data is damaged");
    if (isal->block_state == ISAL_BLOCK_FINISH) {
        z->place = AT_MEMBER;
        z->first = false;
    }
    return 0;
}

static int inflate_run(void *state, struct cf_codec_io *io, struct cf_error *err)
{
    struct inflate *z = state;
    size_t before;
    do {
        if (z->place == AT_MEMBER && io->in_len > 0) {
            z->place = io->in[0] == 0 && !z->first ? IN_ZEROS : IN_MEMBER;
            if (z->place == IN_MEMBER && io->in[0] != 0x1f)
                return cf_fail(err, -EINVAL, "garbage follows the gzip data");
            isal_inflate_reset(&z->isal);
            z->isal.crc_flag = ISAL_GZIP;
        }
        while (z->place == IN_ZEROS && io->in_len > 0) {
            if (io->in[0] != 0)
                return cf_fail(err, -EINVAL, "garbage follows the gzip data");
            io->in++;
            io->in_len--;
        }
        before = io->in_len + io->out_len;
        int r = z->place == IN_MEMBER ? run_member(z, io, err) : 0;
        if (r < 0)
            return r;
    } while (io->out_len > 0 && io->in_len + io->out_len < before);
    return 0;
}

static int inflate_end(void *state, struct cf_error *err)
{
    const struct inflate *z = state;
    if (z->place == IN_MEMBER || z->first)
        return cf_fail(err, -EINVAL, "the gzip data is truncated");
    return 0;
}

const struct cf_codec cf_inflate_codec = {inflate_open, free, inflate_run, inflate_end};

uint64_t cf_crc64_iso(uint64_t crc, const void *data, size_t len)
{
    return crc64_iso_refl(crc, data, len);
}
