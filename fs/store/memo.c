/* SPDX-License-Identifier: Apache-2.0 */
/* Memos: memo/<key> says which layer some work gave, so that it need not be done again. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "private.h"

enum { MEMO_MAX = 4096 };

static void memo_path(const struct cf_digest *key, char ret_path[CF_DIGEST_HEX_SIZE + 8])
{
    char hex[CF_DIGEST_HEX_SIZE];
    cf_digest_hex(key, hex);
    (void)snprintf(ret_path, CF_DIGEST_HEX_SIZE + 8, "memo/%s", hex);
}

int cf_memo_set(struct cf_store *store, const struct cf_digest *key,
                const struct cf_digest *diff_id, const char *more, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[CF_DIGEST_HEX_SIZE + 8], digest[CF_DIGEST_TEXT_SIZE];

    memo_path(key, path);
    cf_digest_text(diff_id, digest);
    int r = cf_buf_printf(&text, "%s %s\n", digest, more);
    if (r == 0 && text.len > MEMO_MAX)
        r = -EFBIG;
    if (r == 0)
        r = cf_mkdir_path(store->root_fd, "memo", 0700);
    if (r == 0)
        r = cf_replace_file(store->root_fd, path, text.data, text.len, 0600);
    return r < 0 ? cf_fail_errno(err, -r, "cannot write %s/%s", store->root, path) : 0;
}

int cf_memo_parse(const char *text, struct cf_digest *ret_diff_id, const char **ret_more)
{
    char digest[CF_DIGEST_TEXT_SIZE];
    size_t len = strcspn(text, " ");

    if (len + 1 != CF_DIGEST_TEXT_SIZE || text[len] != ' ')
        return -EBADMSG;
    memcpy(digest, text, len);
    digest[len] = '\0';
    if (cf_digest_parse(digest, ret_diff_id) < 0)
        return -EBADMSG;
    *ret_more = text + len + 1;
    return 0;
}

int cf_memo_get(struct cf_store *store, const struct cf_digest *key, struct cf_digest *ret_diff_id,
                struct cf_buf *ret_more)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char path[CF_DIGEST_HEX_SIZE + 8];
    struct cf_digest diff_id;
    const char *more = NULL;

    memo_path(key, path);
    int r = cf_read_file(store->root_fd, path, MEMO_MAX, &text);
    if (r < 0)
        return r;
    if (!text.len || text.data[text.len - 1] != '\n')
        return -ENOENT; /* cut short: as if it were not there */
    text.data[--text.len] = '\0';
    if (cf_memo_parse(text.data, &diff_id, &more) < 0 || !cf_layer_exists(store, &diff_id))
        return -ENOENT;
    if (cf_buf_add_str(ret_more, more) < 0)
        return -ENOMEM;
    *ret_diff_id = diff_id;
    return 0;
}
