/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any manifest and config are an image or are refused with one line. An input is a manifest, a
 * NUL and a config; "@DIGEST@" and "@SIZE@" in the manifest stand for those of the config, so
 * that mutations get beyond that check.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/image.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void fill(struct cf_buf *out, const char *text, size_t len, const char *digest, size_t size)
{
    while (len > 0) {
        if (len >= 8 && !memcmp(text, "@DIGEST@", 8)) {
            must(cf_buf_add_str(out, digest) == 0);
            text += 8;
            len -= 8;
        } else if (len >= 6 && !memcmp(text, "@SIZE@", 6)) {
            must(cf_buf_printf(out, "%zu", size) == 0);
            text += 6;
            len -= 6;
        } else {
            must(cf_buf_add_char(out, *text) == 0);
            text++;
            len--;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_buf manifest cf_autobuf = CF_BUF_INIT;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_error err = {0};
    struct cf_digest digest;
    char text[CF_DIGEST_TEXT_SIZE];

    const uint8_t *nul = len ? memchr(data, 0, len) : NULL;
    const char *config = nul ? (const char *)nul + 1 : "";
    size_t config_len = nul ? len - (size_t)(nul + 1 - data) : 0;
    cf_digest_of(config, config_len, &digest);
    cf_digest_text(&digest, text);
    fill(&manifest, (const char *)data, nul ? (size_t)(nul - data) : len, text, config_len);
    int r = cf_image_parse(manifest.data ? manifest.data : "", manifest.len, config, config_len,
                           &image, &err);
    if (r < 0) {
        must(err.code == r && err.text[0] && !strchr(err.text, '\n'));
        return 0;
    }
    must(cf_digest_equal(&image->config, &digest));
    must(cf_json_count(cf_json_get(image->manifest_json, "layers")) == image->layer_count);
    for (size_t i = 0; i < image->layer_count; i++)
        must(image->layer_sizes[i] <= INT64_MAX);
    return 0;
}
