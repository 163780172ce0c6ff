/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a tar: the first says how they are cut into pieces. Checks that all bytes come out
 * again in order, that the entries make a tree, and that what the writer makes of an entry is read
 * as that entry. Checksums of headers are mended first, or nothing would get past them.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cloudfs/tar.h>
#include <cloudfs/tree.h>

#include "place.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define must(condition)                                                  \
    do {                                                                 \
        if (!(condition)) {                                              \
            fprintf(stderr, "%d: not true: %s\n", __LINE__, #condition); \
            abort();                                                     \
        }                                                                \
    } while (0)

static void mend(uint8_t *tar, size_t size)
{
    for (size_t at = 0; at + CF_TAR_BLOCK <= size; at += CF_TAR_BLOCK) {
        struct cf_tar_block *block = (struct cf_tar_block *)(tar + at);
        unsigned sum = 0;
        if (memcmp(block->magic, "ustar", 5) != 0)
            continue;
        memset(block->checksum, ' ', sizeof block->checksum);
        for (size_t i = 0; i < CF_TAR_BLOCK; i++)
            sum += tar[at + i];
        (void)snprintf(block->checksum, sizeof block->checksum, "%06o", sum);
    }
}

static bool same_text(const struct cf_buf *a, const struct cf_buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

/* Written in the canonical form, it must be read as it was. */
static void write_back(const struct cf_tar_entry *entry)
{
    struct cf_buf header cf_autobuf = CF_BUF_INIT;
    struct cf_tar *tar cf_cleanup(cf_tar_free_ptr) = NULL;
    struct cf_tar_span span;
    struct cf_tar_entry copy = *entry;
    int event = CF_TAR_META;

    if (entry->type == 'V')
        return;
    while (copy.type == '5' && copy.path.len > 0 && copy.path.data[copy.path.len - 1] == '/')
        copy.path.len--;
    if (copy.path.len == 0 || cf_tar_header_format(&copy, &header, NULL) < 0)
        return;
    must(header.len % CF_TAR_BLOCK == 0);
    must(cf_tar_new(&tar) == 0);
    cf_tar_feed(tar, header.data, header.len);
    while (event == CF_TAR_META)
        event = cf_tar_next(tar, &span, NULL);
    must(event == CF_TAR_ENTRY);
    const struct cf_tar_entry *again = cf_tar_entry(tar);
    if (copy.type == '5')
        copy.path.len++; /* the slash that the writer puts there */
    must(again->path.len == copy.path.len);
    must(memcmp(again->path.data, copy.path.data, copy.path.len - (copy.type == '5')) == 0);
    must(again->type == copy.type && again->mode == copy.mode);
    must(again->uid == copy.uid && again->gid == copy.gid && again->size == copy.size);
    must(again->mtime_sec == copy.mtime_sec && again->mtime_nsec == copy.mtime_nsec);
    must(again->major == copy.major && again->minor == copy.minor);
    must(again->xattr_count == copy.xattr_count);
    if (copy.type == '1' || copy.type == '2')
        must(same_text(&again->link, &copy.link));
}

struct run {
    struct cf_tar *tar;
    struct cf_placer placer;
    const uint8_t *next; /* the byte that must come out next */
    uint64_t at;         /* in the file at hand */
};

static int take(struct run *run, int event, const struct cf_tar_span *span)
{
    struct cf_node *node = NULL;
    if (event == CF_TAR_META || event == CF_TAR_DATA) {
        must(span->data == run->next && span->len > 0);
        run->next += span->len;
    }
    if (event == CF_TAR_DATA) {
        must(span->offset >= run->at);
        run->at = span->offset + span->len;
        must(run->at <= cf_tar_entry(run->tar)->size);
    }
    if (event != CF_TAR_ENTRY)
        return 0;
    run->at = 0;
    write_back(cf_tar_entry(run->tar));
    return cf_placer_add(&run->placer, cf_tar_entry(run->tar), &node, NULL);
}

static void read_all(struct run *run, const uint8_t *data, size_t size, size_t step)
{
    struct cf_tar_span span;
    struct cf_error err = {0};
    run->next = data;
    for (size_t at = 0; at < size; at += step) {
        int event;
        cf_tar_feed(run->tar, data + at, size - at < step ? size - at : step);
        while ((event = cf_tar_next(run->tar, &span, &err)) != CF_TAR_MORE) {
            must(event >= 0 || err.text[0] != '\0');
            if (event < 0 || take(run, event, &span) < 0)
                return;
        }
    }
    must(run->next == data + size);
    (void)cf_tar_end(run->tar, false, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const size_t steps[] = {1 << 20, 1, 511, 512, 513, 4096};
    struct cf_builder *builder = NULL;
    struct run run = {.tar = NULL};

    if (size < 1 || size > 1u << 20)
        return 0;
    int scratch = memfd_create("scratch", MFD_CLOEXEC);
    uint8_t *copy = malloc(size);
    if (copy && cf_tar_new(&run.tar) == 0 && cf_builder_new(scratch, &builder, NULL) == 0) {
        memcpy(copy, data + 1, size - 1);
        mend(copy, size - 1);
        cf_placer_init(&run.placer, builder, "fuzz");
        read_all(&run, copy, size - 1, steps[data[0] % CF_COUNT(steps)]);
        cf_placer_done(&run.placer);
    }
    cf_builder_free(builder);
    cf_tar_free(run.tar);
    free(copy);
    (void)close(scratch);
    return 0;
}
