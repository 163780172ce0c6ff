/* SPDX-License-Identifier: Apache-2.0 */
/* A text and a patch, with a byte 0xff between: merged or refused; merged again, nothing changes.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/edit.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const uint8_t *cut = len ? memchr(data, 0xff, len) : NULL;
    struct cf_edit *edit cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_edit *patch cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_edit *again cf_cleanup(cf_edit_close_ptr) = NULL;
    struct cf_error err = {0};
    size_t after = 0;

    if (!cut || len > 4096 || cf_edit_open("f", data, (size_t)(cut - data), &edit, &err) < 0 ||
        cf_edit_open_value("p", cut + 1, (size_t)(data + len - cut) - 1, &patch, &err) < 0)
        return 0;
    int r = cf_edit_merge(edit, patch, &err);
    must(r >= 0 || (err.text[0] && !strchr(err.text, '\n')));
    const char *text = cf_edit_text(edit, &after);
    if (r == 0)
        must(after == (size_t)(cut - data) && !memcmp(text, data, after));
    if (r > 0)
        must(cf_edit_open("f", text, after, &again, &err) == 0 &&
             (cf_edit_merge(again, patch, &err) >= 0 || err.text[0]));
    return 0;
}
