/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is YAML (or JSON) or is refused with a line; what is read comes back the same when it is
 * written and read again, and its JSON is JSON. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "document.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

/* What does not come back: -0, bytes that are no UTF-8 (they become U+FFFD), and the key "<<",
 * which go-yaml writes without quotes, so that it merges. */
static bool is_lossy(struct cf_val val)
{
    if (val.kind == CF_FLOAT)
        return val.f == 0 && signbit(val.f);
    if (val.kind == CF_STRING)
        return !cf_utf8_valid(val.str, val.len);
    if (val.kind == CF_LIST)
        for (size_t i = 0; i < val.seq->count; i++)
            if (is_lossy(val.seq->items[i]))
                return true;
    if (val.kind == CF_MAP)
        for (size_t i = 0; i < val.dict->count; i++)
            if (!strcmp(val.dict->entries[i].key, "<<") ||
                !cf_utf8_valid(val.dict->entries[i].key, val.dict->entries[i].key_len) ||
                is_lossy(val.dict->entries[i].val))
                return true;
    return false;
}

static void check_round(struct cf_run *run, struct cf_val val, bool json)
{
    struct cf_text text;
    struct cf_val again;
    const char *why = NULL;
    cf_text_init(&text, run);
    if (json) {
        must(cf_document_put_json(&text, val, NULL, true));
        must(cf_document_load_json(run, text.data, text.len, &again, &why) == 0);
    } else {
        must(cf_document_put(&text, val));
        must(text.len > 0 && text.data[text.len - 1] == '\n');
        must(cf_document_load(run, text.data, text.len, &again, &why) == 0);
    }
    must(cf_val_deep_equal(run, val, again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_run run;
    cf_run_init(&run, 32 << 20, 1 << 20);
    if (!cf_run_enter(&run)) {
        struct cf_val val;
        const char *why = NULL;
        if (cf_document_load(&run, (const char *)data, len, &val, &why) < 0) {
            must(why && why[0] && !strchr(why, '\n'));
        } else if (!is_lossy(val)) {
            check_round(&run, val, false);
            check_round(&run, val, true);
        }
        if (cf_document_load_json(&run, (const char *)data, len, &val, &why) == 0 && !is_lossy(val))
            check_round(&run, val, true);
        if (cf_utf8_valid((const char *)data, len))
            check_round(&run, cf_val_copy_str(&run, (const char *)data, len), false);
    }
    cf_run_done(&run);
    return 0;
}
