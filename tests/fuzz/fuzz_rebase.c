/* SPDX-License-Identifier: Apache-2.0 */
/* Three texts, with a byte 0xff between: merged by lines and by settings. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/edit.h>

#include "internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* The text up to the next 0xff, or to the end. */
static struct cf_text next_text(const char **at, const char *end)
{
    const char *cut = *at < end ? memchr(*at, 0xff, (size_t)(end - *at)) : NULL;
    struct cf_text text = {*at, (size_t)((cut ? cut : end) - *at)};

    *at = cut ? cut + 1 : end;
    return text;
}

static bool same(const struct cf_text *text, const struct cf_buf *buf)
{
    return text->len == buf->len && (!text->len || !memcmp(text->text, buf->data, text->len));
}

static void merge_lines(const struct cf_text *base, const struct cf_text *ours,
                        const struct cf_text *theirs)
{
    struct cf_buf both cf_autobuf = CF_BUF_INIT, alone cf_autobuf = CF_BUF_INIT;

    must(cf_text_merge(base, ours, theirs, false, NULL, NULL, &both) >= 0);
    must(cf_text_merge(base, ours, base, false, NULL, NULL, &alone) == 0 && same(ours, &alone));
    cf_buf_clear(&alone);
    must(cf_text_merge(base, base, theirs, false, NULL, NULL, &alone) == 0 && same(theirs, &alone));
}

static void merge_settings(const struct cf_text *base, const struct cf_text *ours,
                           const struct cf_text *theirs, enum cf_rebase_side prefer)
{
    const struct cf_rebase_options options = {.prefer = prefer};
    struct cf_error err = {0};
    struct rebasing rebasing = {.options = &options, .err = &err};
    struct cf_buf out cf_autobuf = CF_BUF_INIT;
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;
    int r = cf_rebase_settings(&rebasing, "f.yml", base, ours, theirs, &out);

    must(r == 0 || r == 1);
    must(r == 1 || rebasing.result.conflict_count == 0);
    if (r == 1)
        must(cf_edit_open("f.yml", out.data ? out.data : "", out.len, &edit, NULL) == 0);
    cf_rebase_result_done(&rebasing.result);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *at = (const char *)data, *end = at + len;

    if (!len || len > 4096)
        return 0;
    struct cf_text base = next_text(&at, end), ours = next_text(&at, end);
    struct cf_text theirs = next_text(&at, end);
    merge_lines(&base, &ours, &theirs);
    merge_settings(&base, &ours, &theirs, CF_REBASE_NEITHER);
    merge_settings(&base, &ours, &theirs, CF_REBASE_OURS);
    return 0;
}
