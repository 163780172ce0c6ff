/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/chunked.h>

#include <string.h>

enum { WINDOW = 64, OFFSET = 31, MASK = 0xffff, LARGE = 16 << 20, COARSE_HOLE = 32 << 10 };

void cf_chunker_init(struct cf_chunker *chunker, bool coarse, uint64_t size)
{
    *chunker = (struct cf_chunker){.s1 = WINDOW * OFFSET,
                                   .s2 = WINDOW * (WINDOW - 1) * OFFSET,
                                   .coarse = !coarse        ? 0
                                             : size < LARGE ? 1
                                                            : 3,
                                   .hole = coarse ? COARSE_HOLE : CF_CHUNK_HOLE};
}

/* One byte into the sum; whether the piece ends behind it. */
static inline bool roll(struct cf_chunker *chunker, uint8_t byte)
{
    const uint32_t drop = chunker->window[chunker->at];
    chunker->window[chunker->at] = byte;
    chunker->at = (chunker->at + 1) % WINDOW;
    chunker->s1 += byte - drop;
    chunker->s2 += chunker->s1 - WINDOW * (drop + OFFSET);
    return (chunker->s2 & MASK) == MASK && !(~chunker->s1 & chunker->coarse);
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
    if (++chunker->zeros < chunker->hole)
        return 0;
    r = cut(chunker, false, chunker->len - chunker->zeros, fn, context, err);
    chunker->in_hole = true;
    chunker->zeros = 0;
    return r;
}

/* How many bytes are data whatever follows: up to a run of zeros that is a hole, or may become one.
 * The first byte is not zero. */
static size_t plain_data(const uint8_t *at, size_t len, size_t hole)
{
    while (at[len - 1] == 0)
        len--;
    /* A hole has a zero at one of these places at least. */
    for (size_t probe = hole - 1; probe < len; probe += hole) {
        size_t first = probe, last = probe;
        if (at[probe])
            continue;
        while (!at[first - 1])
            first--;
        while (!at[last])
            last++;
        if (last - first >= hole)
            return first;
    }
    return len;
}

/* Data into the sum, up to the end of the piece at most; how much of it. The window lies in the
 * data itself once that is long enough. */
static size_t roll_data(struct cf_chunker *chunker, const uint8_t *data, size_t len, bool *ret_cut)
{
    const uint32_t coarse = chunker->coarse;
    size_t i = 0;
    if (len > CF_CHUNK_MAX - chunker->len)
        len = (size_t)(CF_CHUNK_MAX - chunker->len);
    *ret_cut = false;
    while (i < len && i < WINDOW && !*ret_cut)
        *ret_cut = roll(chunker, data[i++]);
    if (i == WINDOW && !*ret_cut) {
        uint32_t s1 = chunker->s1, s2 = chunker->s2;
        while (i < len && !*ret_cut) {
            const uint32_t drop = data[i - WINDOW];
            s1 += data[i++] - drop;
            s2 += s1 - WINDOW * (drop + OFFSET);
            *ret_cut = (s2 & MASK) == MASK && !(~s1 & coarse);
        }
        chunker->s1 = s1;
        chunker->s2 = s2;
        memcpy(chunker->window, data + i - WINDOW, WINDOW);
        chunker->at = 0;
    }
    chunker->len += i;
    *ret_cut = *ret_cut || chunker->len >= CF_CHUNK_MAX;
    return i;
}

static int add_data(struct cf_chunker *chunker, const uint8_t *at, size_t len, cf_piece_fn *fn,
                    void *context, struct cf_error *err)
{
    int r = 0;
    while (len > 0 && r == 0) {
        bool is_end = false;
        const size_t n = roll_data(chunker, at, len, &is_end);
        if (is_end)
            r = cut(chunker, false, chunker->len, fn, context, err);
        at += n;
        len -= n;
    }
    return r;
}

int cf_chunker_add(struct cf_chunker *chunker, const void *data, size_t len, cf_piece_fn *fn,
                   void *context, struct cf_error *err)
{
    const uint8_t *at = data, *const end = at + len;
    int r = 0;
    while (at < end && r == 0) {
        if (*at == 0) {
            at++;
            r = add_zero(chunker, fn, context, err);
            continue;
        }
        if (chunker->in_hole) {
            r = cut(chunker, true, chunker->len, fn, context, err);
            chunker->in_hole = false;
        } else if (chunker->zeros > 0) {
            r = roll_zeros(chunker, fn, context, err);
        }
        if (r < 0)
            return r;
        const size_t n = plain_data(at, (size_t)(end - at), chunker->hole);
        r = add_data(chunker, at, n, fn, context, err);
        at += n;
    }
    return r;
}

int cf_chunker_end(struct cf_chunker *chunker, cf_piece_fn *fn, void *context, struct cf_error *err)
{
    int r = chunker->in_hole ? 0 : roll_zeros(chunker, fn, context, err);
    return r < 0 ? r : cut(chunker, chunker->in_hole, chunker->len, fn, context, err);
}
