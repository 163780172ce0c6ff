/* SPDX-License-Identifier: Apache-2.0 */
/* Base64, Base32; Helm's and Sprig's YAML, JSON and TOML. */
#include "base64.h"
#include "document.h"
#include "format.h"
#include "func.h"

#include <string.h>

CF_FUNC(f_b64enc)
{
    CF_UNUSED;
    return cf_val_base64_encode(x->run, a[0].str, a[0].len);
}

CF_FUNC(f_b32enc)
{
    CF_UNUSED;
    return cf_val_base32_encode(x->run, a[0].str, a[0].len);
}

/* Sprig gives the error as the result. */
static struct cf_val decoded(struct cf_exec *x, bool good, struct cf_val val, const char *name,
                             size_t at)
{
    return good ? val
                : cf_val_cstr(cf_run_format(x->run, "illegal %s data at input byte %zu", name, at));
}

CF_FUNC(f_b64dec)
{
    CF_UNUSED;
    struct cf_val val;
    size_t at = 0;
    bool good = cf_val_base64_decode(x->run, a[0].str, a[0].len, &val, &at);
    return decoded(x, good, val, "base64", at);
}

CF_FUNC(f_b32dec)
{
    CF_UNUSED;
    struct cf_val val;
    size_t at = 0;
    bool good = cf_val_base32_decode(x->run, a[0].str, a[0].len, &val, &at);
    return decoded(x, good, val, "base32", at);
}

/* What JSON cannot say is no text at all. */
static struct cf_val yaml(struct cf_exec *x, struct cf_val val,
                          bool (*put)(struct cf_text *out, struct cf_val val))
{
    struct cf_text text;
    cf_text_init(&text, x->run);
    if (!put(&text, val))
        return cf_val_str("", 0);
    text.data[--text.len] = 0;
    return cf_val_text(&text);
}

CF_FUNC(f_to_yaml)
{
    CF_UNUSED;
    return yaml(x, a[0], cf_document_put);
}

CF_FUNC(f_to_yaml_pretty)
{
    CF_UNUSED;
    return yaml(x, a[0], cf_document_put_pretty);
}

/* Failures come as a map with the one key Error. */
static struct cf_val error_map(struct cf_exec *x, const char *why)
{
    struct cf_val map = cf_val_map(x->run, 1);
    cf_dict_set_str(x->run, map.dict, "Error", cf_val_cstr(why));
    return map;
}

static struct cf_val error_list(struct cf_exec *x, const char *why)
{
    struct cf_val list = cf_val_list(x->run, 1);
    cf_seq_add(x->run, list.seq, cf_val_cstr(why));
    return list;
}

/* False, with the message that Helm has for it, when text is none. */
static bool load(struct cf_exec *x, struct cf_val text, bool json, enum cf_kind wanted,
                 struct cf_val *ret_val, const char **ret_why)
{
    const char *why = "";
    int r = json ? cf_document_load_json(x->run, text.str, text.len, ret_val, &why)
                 : cf_document_load(x->run, text.str, text.len, ret_val, &why);
    if (r < 0) {
        *ret_why =
            json ? why : cf_run_format(x->run, "error converting YAML to JSON: yaml: %s", why);
        return false;
    }
    if (ret_val->kind == CF_NIL)
        *ret_val = wanted == CF_MAP ? cf_val_map(x->run, 0) : cf_val_list(x->run, 0);
    if (ret_val->kind == wanted)
        return true;
    *ret_why = cf_run_format(x->run, "%sjson: cannot unmarshal %s into Go value of type %s",
                             json ? "" : "error unmarshaling JSON: while decoding JSON: ",
                             ret_val->kind == CF_STRING ? "string"
                             : ret_val->kind == CF_LIST ? "array"
                             : ret_val->kind == CF_MAP  ? "object"
                             : ret_val->kind == CF_BOOL ? "bool"
                                                        : "number",
                             wanted == CF_MAP ? "map[string]interface {}" : "[]interface {}");
    return false;
}

static struct cf_val load_map(struct cf_exec *x, struct cf_val text, bool json)
{
    struct cf_val val;
    const char *why;
    return load(x, text, json, CF_MAP, &val, &why) ? val : error_map(x, why);
}

static struct cf_val load_list(struct cf_exec *x, struct cf_val text, bool json)
{
    struct cf_val val;
    const char *why;
    return load(x, text, json, CF_LIST, &val, &why) ? val : error_list(x, why);
}

CF_FUNC(f_from_yaml)
{
    CF_UNUSED;
    return load_map(x, a[0], false);
}

CF_FUNC(f_from_yaml_array)
{
    CF_UNUSED;
    return load_list(x, a[0], false);
}

/* Helm's, which hide Sprig's. */
CF_FUNC(f_from_json)
{
    CF_UNUSED;
    return load_map(x, a[0], true);
}

CF_FUNC(f_from_json_array)
{
    CF_UNUSED;
    return load_list(x, a[0], true);
}

CF_FUNC(f_must_from_json)
{
    CF_UNUSED;
    struct cf_val val;
    const char *why = "";
    if (cf_document_load_json(x->run, a[0].str, a[0].len, &val, &why) < 0)
        cf_func_fail(x, "%s", why);
    return val;
}

static struct cf_val json(struct cf_exec *x, struct cf_val val, const char *indent, bool escape)
{
    struct cf_text text;
    cf_text_init(&text, x->run);
    return cf_document_put_json(&text, val, indent, escape) ? cf_val_text(&text)
                                                            : cf_val_str("", 0);
}

CF_FUNC(f_to_json)
{
    CF_UNUSED;
    return json(x, a[0], NULL, true);
}

CF_FUNC(f_to_pretty_json)
{
    CF_UNUSED;
    return json(x, a[0], "  ", true);
}

CF_FUNC(f_to_raw_json)
{
    CF_UNUSED;
    return json(x, a[0], NULL, false);
}

CF_FUNC(f_to_toml)
{
    CF_UNUSED;
    struct cf_text text;
    cf_text_init(&text, x->run);
    if (!cf_document_put_toml(&text, a[0]))
        return cf_val_cstr(a[0].kind == CF_MAP
                               ? "toml: cannot encode this value"
                               : "toml: top-level values must be Go maps or structs");
    return cf_val_text(&text);
}

const struct cf_func cf_funcs_encoding[] = {
    {"b64enc", "s", f_b64enc},
    {"b64dec", "s", f_b64dec},
    {"b32enc", "s", f_b32enc},
    {"b32dec", "s", f_b32dec},
    {"toYaml", "a", f_to_yaml},
    {"mustToYaml", "a", f_to_yaml},
    {"toYamlPretty", "a", f_to_yaml_pretty},
    {"fromYaml", "s", f_from_yaml},
    {"fromYamlArray", "s", f_from_yaml_array},
    {"fromJson", "s", f_from_json},
    {"fromJsonArray", "s", f_from_json_array},
    {"mustFromJson", "s", f_must_from_json},
    {"toJson", "a", f_to_json},
    {"mustToJson", "a", f_to_json},
    {"toPrettyJson", "a", f_to_pretty_json},
    {"mustToPrettyJson", "a", f_to_pretty_json},
    {"toRawJson", "a", f_to_raw_json},
    {"mustToRawJson", "a", f_to_raw_json},
    {"toToml", "a", f_to_toml},
    {"mustToToml", "a", f_to_toml},
    {NULL},
};
