/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/chunked.h>

enum { WINDOW = 64, OFFSET = 31, MASK = 0xffff };

void cf_chunker_init(struct cf_chunker *chunker, bool coarse)
{
    *chunker = (struct cf_chunker){
        .s1 = WINDOW * OFFSET, .s2 = WINDOW * (WINDOW - 1) * OFFSET, .coarse = coarse};
}

/* One byte into the sum; whether the piece ends behind it. */
static inline bool roll(struct cf_chunker *chunker, uint8_t byte)
{
    const uint32_t drop = chunker->window[chunker->at];
    chunker->window[chunker->at] = byte;
    chunker->at = (chunker->at + 1) % WINDOW;
    chunker->s1 += byte - drop;
    chunker->s2 += chunker->s1 - WINDOW * (drop + OFFSET);
    return (chunker->s2 & MASK) == MASK && (!chunker->coarse || (chunker->s1 & 1));
}

/* The first len bytes of the piece are one; the rest begins the next. */
static int cut(struct cf_chunker *chunker, bool is_hole, uint64_t len, cf_piece_fn *fn,
               void *context, struct cf_error *err)
{
    chunker->len -= len;
    return len > 0 ? fn(context, is_hole, len, err) : 0;
}

/* The zeros at the end of the piece are too few for a hole: they are data like any other. */
static int roll_zeros(struct cf_chunker *chunker, cf_piece_fn *fn, void *context,
                      struct cf_error *err)
{
    int r = 0;
    while (chunker->zeros > 0 && r == 0) {
        chunker->zeros--;
        if (roll(chunker, 0) || chunker->len - chunker->zeros >= CF_CHUNK_MAX)
            r = cut(chunker, false, chunker->len - chunker->zeros, fn, context, err);
    }
    return r;
}

static int add_zero(struct cf_chunker *chunker, cf_piece_fn *fn, void *context,
                    struct cf_error *err)
{
    int r = 0;
    chunker->len++;
    if (chunker->in_hole)
        return chunker->len == CF_CHUNK_MAX ? cut(chunker, true, chunker->len, fn, context, err)
                                            : 0;
    if (++chunker->zeros < CF_CHUNK_HOLE)
        return 0;
    r = cut(chunker, false, chunker->len - chunker->zeros, fn, context, err);
    chunker->in_hole = true;
    chunker->zeros = 0;
    return r;
}

int cf_chunker_add(struct cf_chunker *chunker, const void *data, size_t len, cf_piece_fn *fn,
                   void *context, struct cf_error *err)
{
    const uint8_t *at = data, *const end = at + len;
    int r = 0;
    while (at < end && r == 0) {
        const uint8_t byte = *at++;
        if (byte == 0) {
            r = add_zero(chunker, fn, context, err);
            continue;
        }
        if (chunker->in_hole) {
            r = cut(chunker, true, chunker->len, fn, context, err);
            chunker->in_hole = false;
        } else if (chunker->zeros > 0) {
            r = roll_zeros(chunker, fn, context, err);
        }
        chunker->len++;
        if (r == 0 && (roll(chunker, byte) || chunker->len >= CF_CHUNK_MAX))
            r = cut(chunker, false, chunker->len, fn, context, err);
    }
    return r;
}

int cf_chunker_end(struct cf_chunker *chunker, cf_piece_fn *fn, void *context, struct cf_error *err)
{
    int r = chunker->in_hole ? 0 : roll_zeros(chunker, fn, context, err);
    return r < 0 ? r : cut(chunker, chunker->in_hole, chunker->len, fn, context, err);
}
