/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes parse or are refused; what parses prints to text that parses to the same text. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/json.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_json *again cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_buf same cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    int64_t number;

    if (cf_json_parse(data, len, &json, &err) < 0) {
        must(err.code < 0 && err.text[0] && !strchr(err.text, '\n'));
        return 0;
    }
    (void)cf_json_int(json, &number);
    (void)cf_json_get_string(json, "mediaType");
    must(cf_json_print(json, len % 2, &text) == 0);
    must(cf_json_parse(text.data, text.len, &again, &err) == 0);
    must(cf_json_print(again, len % 2, &same) == 0);
    must(text.len == same.len && memcmp(text.data, same.data, text.len) == 0);
    return 0;
}
