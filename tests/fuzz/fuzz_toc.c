/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are a table of contents that keeps to its own rules, or are refused with one line. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/chunked.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_file(const struct cf_toc *toc, const struct cf_toc_file *file, uint64_t limit)
{
    uint64_t at = 0;
    must(file->first + file->count <= toc->chunk_count && file->count > 0);
    for (size_t i = 0; i < file->count; i++) {
        const struct cf_toc_chunk *chunk = &toc->chunks[file->first + i];
        must(chunk->file_offset == at && chunk->size > 0);
        must(chunk->offset < chunk->end && chunk->end <= limit);
        at += chunk->size;
    }
    must(at == file->size);
    must(cf_toc_find(toc, file->name, strlen(file->name)) == file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint64_t limit = 400000;
    struct cf_toc toc = {0};
    struct cf_error err = {0};
    if (cf_toc_parse(data, len, limit, &toc, &err) < 0) {
        must(err.code < 0 && err.text[0] && !strchr(err.text, '\n'));
        return 0;
    }
    for (size_t i = 0; i < toc.file_count; i++)
        check_file(&toc, &toc.files[i], limit);
    cf_toc_done(&toc);
    return 0;
}
