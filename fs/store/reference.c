/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The grammar of references (distribution/reference, reference.go):
 *   reference = name [":" tag] ["@" digest]
 *   name      = [domain "/"] component {"/" component}
 *   domain    = (label {"." label} | "[" IPv6 "]") [":" port]
 *   component = run {("." | "_" | "__" | "-" {"-"}) run}, run = 1*(a-z | 0-9)
 *   tag       = (letter | digit | "_") 0*127(letter | digit | "_" | "." | "-")
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/reference.h>

#define SHOWN 400 /* characters of a wrong text that a message repeats */

static bool is_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_alnum(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

/* Length of the separator at text: one of . _ __ or a run of -; 0 for none. */
static size_t separator(const char *text, size_t len)
{
    size_t n = 0;

    if (len > 0 && text[0] == '.')
        return 1;
    if (len > 0 && text[0] == '_')
        return len > 1 && text[1] == '_' ? 2 : 1;
    while (n < len && text[n] == '-')
        n++;
    return n;
}

static bool is_component(const char *text, size_t len)
{
    size_t i = 0;

    for (;;) {
        size_t start = i;
        while (i < len && is_lower(text[i]))
            i++;
        if (i == start)
            return false;
        if (i == len)
            return true;
        size_t n = separator(text + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
}

static bool is_port(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] < '0' || text[i] > '9')
            return false;
    return len > 0;
}

static bool is_label(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!is_alnum(text[i]) && text[i] != '-')
            return false;
    return len > 0 && text[0] != '-' && text[len - 1] != '-';
}

static bool is_host(const char *text, size_t len)
{
    size_t start = 0;

    for (size_t i = 0; i <= len; i++) {
        if (i < len && text[i] != '.')
            continue;
        if (!is_label(text + start, i - start))
            return false;
        start = i + 1;
    }
    return true;
}

static bool is_ipv6(const char *text, size_t len)
{
    if (len < 3 || text[0] != '[' || text[len - 1] != ']')
        return false;
    for (size_t i = 1; i + 1 < len; i++)
        if (!strchr("0123456789abcdefABCDEF:", text[i]))
            return false;
    return true;
}

static bool is_domain(const char *text, size_t len)
{
    const char *bracket = memchr(text, ']', len);
    size_t from = bracket ? (size_t)(bracket - text) : 0;
    const char *colon = memchr(text + from, ':', len - from);
    size_t host = colon ? (size_t)(colon - text) : len;

    if (colon && !is_port(colon + 1, len - host - 1))
        return false;
    return text[0] == '[' ? is_ipv6(text, host) : is_host(text, host);
}

/* NULL for a good name, else what is wrong with it. */
static const char *name_fault(const char *name, size_t len)
{
    size_t start = 0;
    bool many = memchr(name, '/', len) != NULL;

    if (len == 0)
        return "the name is empty";
    for (size_t i = 0; i <= len; i++) {
        if (i < len && name[i] != '/')
            continue;
        bool good =
            is_component(name + start, i - start) || (start == 0 && many && is_domain(name, i));
        if (!good && i == start)
            return "a part of the name is empty";
        if (!good)
            return "names consist of a-z and 0-9, with single . _ - between them";
        start = i + 1;
    }
    if (len == 64 && strspn(name, "0123456789abcdef") >= 64)
        return "a name of 64 hex digits could be an image ID";
    return NULL;
}

static const char *tag_fault(const char *tag, size_t len)
{
    if (len == 0)
        return "the tag is empty";
    if (len > 128)
        return "the tag is longer than 128 characters";
    for (size_t i = 0; i < len; i++) {
        bool good =
            is_alnum(tag[i]) || tag[i] == '_' || (i > 0 && (tag[i] == '.' || tag[i] == '-'));
        if (!good)
            return "tags consist of letters, digits, _ . -, and begin with none of the last two";
    }
    return NULL;
}

static const char *parse(const char *text, struct cf_reference *reference)
{
    const char *at = strchr(text, '@');
    size_t len = at ? (size_t)(at - text) : strlen(text);
    const char *slash = memrchr(text, '/', len);
    const char *after = slash ? slash : text;
    const char *colon = memchr(after, ':', len - (size_t)(after - text));
    size_t name_len = colon ? (size_t)(colon - text) : len;

    memset(reference, 0, sizeof(*reference));
    const char *fault = name_fault(text, name_len);
    if (fault)
        return fault;
    if (name_len >= sizeof(reference->name))
        return "the name is longer than 255 characters";
    memcpy(reference->name, text, name_len);
    if (colon) {
        fault = tag_fault(colon + 1, len - name_len - 1);
        if (fault)
            return fault;
        memcpy(reference->tag, colon + 1, len - name_len - 1);
    }
    if (!at)
        return NULL;
    if (cf_digest_parse(at + 1, &reference->digest) < 0)
        return "a digest is \"sha256:\" and 64 lower-case hex digits";
    reference->has_digest = true;
    return NULL;
}

int cf_reference_parse(const char *text, struct cf_reference *ret_reference, struct cf_error *err)
{
    struct cf_reference reference;
    const char *fault = parse(text, &reference);

    if (fault)
        return cf_fail(err, -EINVAL, "'%.*s' is no image reference: %s", SHOWN, text, fault);
    *ret_reference = reference;
    return 0;
}

int cf_reference_tagged(const char *text, char ret_name[CF_TAGGED_SIZE], struct cf_error *err)
{
    struct cf_reference reference;

    int r = cf_reference_parse(text, &reference, err);
    if (r < 0)
        return r;
    if (reference.has_digest)
        return cf_fail(err, -EINVAL, "'%.*s' has a digest where a name and tag are wanted", SHOWN,
                       text);
    size_t len = strlen(reference.name);
    const char *tag = reference.tag[0] ? reference.tag : "latest";
    memcpy(ret_name, reference.name, len);
    ret_name[len] = ':';
    memcpy(ret_name + len + 1, tag, strlen(tag) + 1);
    return 0;
}

/* The length of the registry that a name begins with; 0: there is none. */
static size_t registry_len(const char *name)
{
    const char *slash = strchr(name, '/');
    size_t len = slash ? (size_t)(slash - name) : 0;
    bool upper = false;

    for (size_t i = 0; i < len; i++)
        upper = upper || (name[i] >= 'A' && name[i] <= 'Z');
    bool is_registry = memchr(name, '.', len) || memchr(name, ':', len) || upper ||
                       (len == 9 && !memcmp(name, "localhost", 9));
    return is_registry ? len : 0;
}

size_t cf_reference_whole(const struct cf_reference *reference,
                          char ret_text[CF_REFERENCE_WHOLE_SIZE])
{
    static const char hub[] = "docker.io";
    const char *path = reference->name;
    char digest[CF_DIGEST_TEXT_SIZE] = "";
    size_t len = registry_len(path);
    bool is_hub = len == 0 || (len == 9 && !memcmp(path, hub, 9)) ||
                  (len == 15 && !memcmp(path, "index.docker.io", 15));
    const char *tag = reference->tag[0] || reference->has_digest ? reference->tag : "latest";

    path += len ? len + 1 : 0;
    if (reference->has_digest)
        cf_digest_text(&reference->digest, digest);
    snprintf(ret_text, CF_REFERENCE_WHOLE_SIZE, "%.*s/%s%s%s%s%s%s",
             is_hub ? (int)strlen(hub) : (int)len, is_hub ? hub : reference->name,
             is_hub && !strchr(path, '/') ? "library/" : "", path, *tag ? ":" : "", tag,
             *digest ? "@" : "", digest);
    return is_hub ? strlen(hub) : len;
}
