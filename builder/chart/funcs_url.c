/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, URLs and what Sprig asks of the system. */
#include "format.h"
#include "func.h"

#include <ctype.h>
#include <string.h>

/* path.Clean */
static struct cf_val clean(struct cf_exec *x, struct cf_val path)
{
    struct cf_text out;
    bool rooted = path.len && path.str[0] == '/';
    size_t parts[1024], count = 0,
                        kept = 0; /* where each part begins in out; parts that ".." may drop */
    cf_text_init(&out, x->run);
    if (rooted)
        cf_text_char(&out, '/');
    for (size_t i = 0; i < path.len;) {
        const char *slash = memchr(path.str + i, '/', path.len - i);
        size_t end = slash ? (size_t)(slash - path.str) : path.len, len = end - i;
        bool up = len == 2 && path.str[i] == '.' && path.str[i + 1] == '.';
        if (up && kept) {
            out.len = parts[--count];
            kept--;
        } else if (len && !(len == 1 && path.str[i] == '.') && !(up && rooted)) {
            if (count == sizeof parts / sizeof *parts)
                cf_func_fail(x, "a path has too many parts");
            parts[count++] = out.len;
            kept = up ? 0 : kept + 1;
            if (out.len > rooted)
                cf_text_char(&out, '/');
            cf_text_add(&out, path.str + i, len);
        }
        i = end + 1;
    }
    if (!out.len)
        cf_text_char(&out, '.');
    out.data[out.len] = 0;
    return cf_val_text(&out);
}

CF_FUNC(f_clean)
{
    CF_UNUSED;
    return clean(x, a[0]);
}

CF_FUNC(f_base)
{
    CF_UNUSED;
    size_t len = a[0].len;
    if (!len)
        return cf_val_cstr(".");
    while (len && a[0].str[len - 1] == '/')
        len--;
    size_t start = len;
    while (start && a[0].str[start - 1] != '/')
        start--;
    return len ? cf_val_copy_str(x->run, a[0].str + start, len - start) : cf_val_cstr("/");
}

CF_FUNC(f_dir)
{
    CF_UNUSED;
    size_t len = a[0].len;
    while (len && a[0].str[len - 1] != '/')
        len--;
    return clean(x, cf_val_copy_str(x->run, a[0].str, len));
}

CF_FUNC(f_ext)
{
    CF_UNUSED;
    for (size_t i = a[0].len; i-- > 0 && a[0].str[i] != '/';)
        if (a[0].str[i] == '.')
            return cf_val_copy_str(x->run, a[0].str + i, a[0].len - i);
    return cf_val_str("", 0);
}

CF_FUNC(f_is_abs)
{
    CF_UNUSED;
    return cf_val_bool(a[0].len && a[0].str[0] == '/');
}

static struct cf_val escape(struct cf_exec *x, struct cf_val s, const char *safe, bool plus)
{
    struct cf_text out;
    cf_text_init(&out, x->run);
    for (size_t i = 0; i < s.len; i++) {
        char c = s.str[i];
        if (isalnum((unsigned char)c) || (c && strchr(safe, c)))
            cf_text_char(&out, c);
        else if (c == ' ' && plus)
            cf_text_char(&out, '+');
        else
            cf_text_printf(&out, "%%%02X", (uint8_t)c);
    }
    return cf_val_text(&out);
}

CF_FUNC(f_urlquery)
{
    return escape(x, cf_func_escapable(x, a, n), "-_.~", true);
}

static struct cf_val unescape(struct cf_exec *x, const char *str, size_t len)
{
    struct cf_text out;
    cf_text_init(&out, x->run);
    for (size_t i = 0; i < len; i++) {
        if (str[i] == '%' && i + 2 < len + 0 && isxdigit((unsigned char)str[i + 1]) &&
            isxdigit((unsigned char)str[i + 2])) {
            int value = 0;
            for (int k = 1; k < 3; k++)
                value = value * 16 +
                        (str[i + k] <= '9' ? str[i + k] - '0' : (str[i + k] | 0x20) - 'a' + 10);
            cf_text_char(&out, (char)value);
            i += 2;
        } else {
            cf_text_char(&out, str[i]);
        }
    }
    return cf_val_text(&out);
}

static void put(struct cf_exec *x, struct cf_val map, const char *key, struct cf_val val)
{
    cf_dict_set_str(x->run, map.dict, key, val);
}

static struct cf_val piece(struct cf_exec *x, const char *from, const char *to)
{
    return cf_val_copy_str(x->run, from, (size_t)(to - from));
}

CF_FUNC(f_url_parse)
{
    CF_UNUSED;
    struct cf_val map = cf_val_map(x->run, 10), none = cf_val_str("", 0);
    const char *at = a[0].str, *end = at + a[0].len, *found;
    static const char *const keys[] = {"scheme", "host",   "hostname", "port",    "path",
                                       "query",  "opaque", "fragment", "userinfo"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(keys[i], "port"))
            put(x, map, keys[i], none);
    if ((found = memchr(at, '#', (size_t)(end - at)))) {
        put(x, map, "fragment", unescape(x, found + 1, (size_t)(end - found - 1)));
        end = found;
    }
    size_t scheme = 0;
    while (at + scheme < end && (isalnum((unsigned char)at[scheme]) || strchr("+-.", at[scheme])))
        scheme++;
    if (scheme && at + scheme < end && at[scheme] == ':' && isalpha((unsigned char)at[0])) {
        struct cf_text lower;
        cf_text_init(&lower, x->run);
        for (size_t i = 0; i < scheme; i++)
            cf_text_char(&lower, (char)tolower((unsigned char)at[i]));
        put(x, map, "scheme", cf_val_text(&lower));
        at += scheme + 1;
    } else {
        if (at < end && *at == ':')
            cf_func_fail(x, "unable to parse url: parse \"%s\": missing protocol scheme", a[0].str);
        scheme = 0;
    }
    if ((found = memchr(at, '?', (size_t)(end - at)))) {
        put(x, map, "query", piece(x, found + 1, end));
        end = found;
    }
    if (scheme && at < end && *at != '/') {
        put(x, map, "opaque", piece(x, at, end));
        return map;
    }
    if (end - at >= 2 && at[0] == '/' && at[1] == '/') {
        const char *slash = memchr(at + 2, '/', (size_t)(end - at - 2)),
                   *stop = slash ? slash : end;
        const char *host = memrchr(at + 2, '@', (size_t)(stop - at - 2));
        if (host)
            put(x, map, "userinfo", piece(x, at + 2, host));
        host = host ? host + 1 : at + 2;
        put(x, map, "host", unescape(x, host, (size_t)(stop - host)));
        const char *colon = memrchr(host, ':', (size_t)(stop - host));
        if (colon && memchr(colon, ']', (size_t)(stop - colon)))
            colon = NULL;
        const char *name_end = colon ? colon : stop;
        bool bracket = *host == '[' && name_end > host + 1 && name_end[-1] == ']';
        put(x, map, "hostname", piece(x, host + bracket, name_end - bracket));
        at = stop;
    }
    put(x, map, "path", unescape(x, at, (size_t)(end - at)));
    return map;
}

static struct cf_val member(struct cf_exec *x, struct cf_val map, const char *key)
{
    const struct cf_val *found = map.kind == CF_MAP ? cf_dict_get_str(map.dict, key) : NULL;
    if (!found)
        return cf_val_str("", 0);
    if (found->kind != CF_STRING)
        cf_func_fail(x, "unable to parse %s key, must be of type string, but %s found", key,
                     cf_val_kind_name(*found));
    return *found;
}

CF_FUNC(f_url_join)
{
    CF_UNUSED;
    struct cf_text out;
    struct cf_val scheme = member(x, a[0], "scheme"), host = member(x, a[0], "host"),
                  path = member(x, a[0], "path"), query = member(x, a[0], "query"),
                  opaque = member(x, a[0], "opaque"), fragment = member(x, a[0], "fragment"),
                  user = member(x, a[0], "userinfo");
    cf_text_init(&out, x->run);
    if (scheme.len)
        cf_text_printf(&out, "%s:", scheme.str);
    if (opaque.len) {
        cf_text_str(&out, opaque.str);
    } else {
        if (scheme.len || host.len || user.len) {
            if (host.len || path.len || user.len)
                cf_text_str(&out, "//");
            if (user.len)
                cf_text_printf(&out, "%s@", user.str);
            cf_text_str(&out, escape(x, host, "-_.~!$&'()*+,;=:[]<>\"", false).str);
        }
        if (path.len && path.str[0] != '/' && host.len)
            cf_text_char(&out, '/');
        cf_text_str(&out, escape(x, path, "-_.~$&+,/:;=@", false).str);
    }
    if (query.len)
        cf_text_printf(&out, "?%s", query.str);
    if (fragment.len)
        cf_text_printf(&out, "#%s", escape(x, fragment, "-_.~$&+,/:;=?@!()*", false).str);
    return cf_val_text(&out);
}

/* Rendering asks no network and no environment: as `helm template` without --enable-dns. */
CF_FUNC(f_nothing)
{
    CF_UNUSED;
    return cf_val_str("", 0);
}

const struct cf_func cf_funcs_url[] = {
    {"base", "s", f_base},
    {"dir", "s", f_dir},
    {"ext", "s", f_ext},
    {"clean", "s", f_clean},
    {"isAbs", "s", f_is_abs},
    {"osBase", "s", f_base},
    {"osDir", "s", f_dir},
    {"osExt", "s", f_ext},
    {"osClean", "s", f_clean},
    {"osIsAbs", "s", f_is_abs},
    {"urlquery", "*a", f_urlquery},
    {"urlParse", "s", f_url_parse},
    {"urlJoin", "m", f_url_join},
    {"getHostByName", "s", f_nothing},
    {NULL},
};
