/* SPDX-License-Identifier: Apache-2.0 */
/* Where content is cut, and what a table of contents may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/chunked.h>

struct pieces {
    uint64_t ends[4096], at;
    bool holes[4096];
    size_t count;
};

static int take(void *context, bool is_hole, uint64_t len, struct cf_error *err)
{
    struct pieces *pieces = context;
    (void)err;
    assert_true(len > 0 && len <= CF_CHUNK_MAX);
    pieces->at += len;
    pieces->ends[pieces->count] = pieces->at;
    pieces->holes[pieces->count++] = is_hole;
    return 0;
}

static void cut(const uint8_t *data, size_t len, size_t step, bool coarse, struct pieces *pieces)
{
    struct cf_chunker chunker;
    memset(pieces, 0, sizeof *pieces);
    cf_chunker_init(&chunker, coarse, len);
    for (size_t at = 0; at < len; at += step) {
        const size_t n = len - at < step ? len - at : step;
        assert_int_equal(cf_chunker_add(&chunker, data + at, n, take, pieces, NULL), 0);
    }
    assert_int_equal(cf_chunker_end(&chunker, take, pieces, NULL), 0);
    assert_int_equal(pieces->at, len);
}

static uint8_t *noise(size_t len)
{
    uint8_t *data = malloc(len);
    uint64_t state = 88172645463325252u;
    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        data[i] = (uint8_t)(state >> 32);
    }
    return data;
}

static void cuts_depend_on_the_content_alone(void **state)
{
    enum { LEN = 4 << 20 };
    static struct pieces whole, bytes, moved, coarse;
    uint8_t *data = noise(LEN + 100);
    (void)state;
    memset(data + 100000, 0, 5000); /* a hole */
    memset(data + 300000, 0, 1000); /* too short for one */
    cut(data + 100, LEN, LEN, false, &whole);
    cut(data + 100, LEN, 997, false, &bytes);
    assert_memory_equal(&whole, &bytes, sizeof whole);
    assert_true(whole.count > 20 && whole.count < 400);
    size_t holes = 0;
    for (size_t i = 0; i < whole.count; i++)
        holes += whole.holes[i];
    assert_int_equal(holes, 1);
    /* 100 bytes more in front: the same cuts but for the first. */
    cut(data, LEN + 100, LEN + 100, false, &moved);
    size_t same = 0;
    for (size_t i = 0, k = 0; i < whole.count && k < moved.count;) {
        if (moved.ends[k] == whole.ends[i] + 100)
            same++;
        if (moved.ends[k] < whole.ends[i] + 100)
            k++;
        else
            i++;
    }
    assert_true(same + 2 >= whole.count);
    /* Coarse cuts are some of the fine ones. */
    cut(data + 100, LEN, LEN, true, &coarse);
    assert_true(coarse.count < whole.count);
    for (size_t i = 0, k = 0; i < coarse.count; i++) {
        while (k < whole.count && whole.ends[k] < coarse.ends[i])
            k++;
        assert_int_equal(whole.ends[k], coarse.ends[i]);
    }
    free(data);
}

static void long_runs_are_cut_too(void **state)
{
    enum { LEN = 5 << 20 };
    static struct pieces pieces;
    uint8_t *data = malloc(LEN);
    (void)state;
    assert_non_null(data);
    memset(data, 'x', LEN);
    cut(data, LEN, 4096, true, &pieces);
    assert_true(pieces.count >= 5);
    memset(data, 0, LEN);
    cut(data, LEN, 4096, true, &pieces);
    assert_int_equal(pieces.count, 5);
    assert_true(pieces.holes[0] && pieces.holes[4]);
    cut(data, 1000, 100, true, &pieces);
    assert_int_equal(pieces.count, 1);
    assert_false(pieces.holes[0]);
    free(data);
}

/* Runs of zeros of all lengths, and buffers that end inside them. */
static void zeros_are_told_apart_wherever_the_buffers_end(void **state)
{
    enum { LEN = 3 << 20 };
    static const size_t steps[] = {1, 63, 64, 65, 1023, 1024, 4096, 262144};
    static struct pieces whole, parts;
    uint8_t *data = noise(LEN);
    (void)state;
    for (size_t at = 0, run = 1; at + run < LEN; at += 1500 + run * 3, run = run % 1400 + 37)
        memset(data + at, 0, run);
    cut(data, LEN, LEN, false, &whole);
    size_t holes = 0;
    for (size_t i = 0; i < whole.count; i++)
        holes += whole.holes[i];
    assert_true(holes > 20 && holes < whole.count);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        cut(data, LEN, steps[i], false, &parts);
        assert_memory_equal(&whole, &parts, sizeof whole);
    }
    free(data);
}

#define D "sha256:0000000000000000000000000000000000000000000000000000000000000000"
#define TOC(entries) "{\"version\":1,\"entries\":[" entries "],\"tarSplitDigest\":\"" D "\"}"
#define FILE_F "{\"type\":\"reg\",\"name\":\"f\",\"size\":10,\"digest\":\"" D "\",\"offset\":5,"
#define REST "\"endOffset\":30,\"chunkSize\":4,\"chunkDigest\":\"" D "\"}"
#define CHUNK(offset, at, size)                                                     \
    ",{\"type\":\"chunk\",\"name\":\"f\",\"offset\":" offset ",\"chunkOffset\":" at \
    ",\"chunkSize\":" size ",\"chunkDigest\":\"" D "\"}"

static void a_table_that_contradicts_itself_is_refused(void **state)
{
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"version\":2,\"entries\":[],\"tarSplitDigest\":\"" D "\"}",
        "{\"version\":1,\"entries\":[]}",
        TOC("{}"),
        TOC(FILE_F REST),                                            /* four of ten bytes */
        TOC(FILE_F REST CHUNK("17", "4", "5")),                      /* one byte lacks */
        TOC(FILE_F REST CHUNK("17", "5", "5")),                      /* a gap */
        TOC(FILE_F REST CHUNK("17", "4", "7")),                      /* one too many */
        TOC(FILE_F REST CHUNK("3", "4", "6")),                       /* backwards in the blob */
        TOC(FILE_F REST CHUNK("40", "4", "6")),                      /* behind its own end */
        TOC(FILE_F "\"endOffset\":101}"),                            /* behind the blob */
        TOC(FILE_F "\"endOffset\":30}," FILE_F "\"endOffset\":30}"), /* twice */
        TOC("{\"type\":\"reg\",\"name\":\"f\",\"size\":10,\"offset\":5,\"endOffset\":9}"),
        TOC("{\"type\":\"dir\",\"name\":\"g\"}" CHUNK("17", "4", "6")),
    };
    struct cf_toc toc;
    struct cf_error err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (cf_toc_parse(wrong[i], strlen(wrong[i]), 100, &toc, &err) != -EINVAL)
            fail_msg("this is taken: %s", wrong[i]);
    static const char good[] =
        TOC(FILE_F REST CHUNK("17", "4", "6") ",{\"type\":\"dir\",\"name\":\"g\"}");
    assert_int_equal(cf_toc_parse(good, strlen(good), 100, &toc, &err), 0);
    assert_int_equal(toc.file_count, 1);
    assert_int_equal(toc.chunk_count, 2);
    assert_int_equal(toc.chunks[0].end, 17);
    assert_int_equal(toc.chunks[1].end, 30);
    assert_ptr_equal(cf_toc_find(&toc, "f", 1), &toc.files[0]);
    assert_null(cf_toc_find(&toc, "fx", 2));
    cf_toc_done(&toc);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts_depend_on_the_content_alone),
        cmocka_unit_test(long_runs_are_cut_too),
        cmocka_unit_test(zeros_are_told_apart_wherever_the_buffers_end),
        cmocka_unit_test(a_table_that_contradicts_itself_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
