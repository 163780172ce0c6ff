/* SPDX-License-Identifier: Apache-2.0 */
/* Source: sealer's docs of global configuration, "process". */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/base64.h>
#include <cloudfs/json.h>
#include <cloudfs/log.h>

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

/* One value as text: JSON where asked for, else as it is; encoded where asked for. */
static int put_value(const struct cf_edit_node *value, bool json, bool base64, struct cf_buf *out)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    bool plain = value->kind == CF_EDIT_SCALAR && !json;
    int r =
        plain ? cf_buf_add(&text, value->value, value->len) : cf_edit_put_value(value, true, &text);

    if (r == 0)
        r = base64 ? cf_base64_encode(text.data ? text.data : "", text.len, out)
                   : cf_buf_add(out, text.data ? text.data : "", text.len);
    return r;
}

static int put_map(const struct cf_edit_node *map, bool json, bool base64, bool secret,
                   struct cf_buf *ret_text)
{
    struct cf_json *data cf_cleanup(cf_json_free_ptr) = cf_json_object();
    int r = data ? 0 : -ENOMEM;

    for (const struct cf_edit_node *n = map->first; n && r == 0; n = n->next) {
        struct cf_buf value cf_autobuf = CF_BUF_INIT;
        r = put_value(n, json, base64, &value);
        if (r == 0)
            r = cf_json_set_string(data, n->key->value, value.data ? value.data : "");
    }
    if (r == 0 && secret)
        r = cf_buf_add_str(ret_text, "apiVersion: v1\nkind: Secret\ntype: Opaque\ndata: ");
    if (r == 0)
        r = cf_json_print(data, false, ret_text);
    return r < 0 ? r : cf_buf_add_char(ret_text, '\n');
}

int cf_config_process(const char *process, const struct cf_edit_node *data, struct cf_buf *ret_text,
                      struct cf_error *err)
{
    struct cf_edit *text cf_cleanup(cf_edit_close_ptr) = NULL;
    bool json = false, base64 = false, secret = false;

    if (!process || !*process)
        return cf_buf_add(ret_text, data->value, data->len) < 0 ? no_memory(err) : 0;
    for (const char *at = process; *at;) {
        size_t len = strcspn(at, "|");
        json = json || (len == 6 && !memcmp(at, "toJson", 6));
        base64 = base64 || (len == 8 && !memcmp(at, "toBase64", 8));
        secret = secret || (len == 8 && !memcmp(at, "toSecret", 8));
        if (!(len == 5 && !memcmp(at, "value", 5)) && !(len == 6 && !memcmp(at, "toJson", 6)) &&
            !(len == 8 && (!memcmp(at, "toBase64", 8) || !memcmp(at, "toSecret", 8))))
            return cf_fail(err, -EINVAL,
                           "process: %s is none of value, toJson, toBase64, toSecret, with | "
                           "between",
                           CF_QUOTE(process));
        at += len + (at[len] == '|');
    }
    int r = cf_edit_open_value("data", data->value, data->len, &text, err);
    if (r < 0)
        return r;
    const struct cf_edit_node *map = cf_edit_document(text, 0);
    if (!map || map->kind != CF_EDIT_MAP || cf_edit_count(text) != 1)
        return cf_fail(err, -EINVAL, "process needs data that is a map");
    r = put_map(map, json, base64, secret, ret_text);
    return r < 0 ? no_memory(err) : 0;
}
