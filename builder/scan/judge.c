/* SPDX-License-Identifier: Apache-2.0 */
/* What single texts say: references, ports, placeholders, plain words. */
#include "scan_private.h"

#include <ctype.h>
#include <string.h>

#define TEXT_MAX 500 /* longer ones are no references */

static bool has_placeholder(const char *text, size_t len)
{
    static const char *const marks[] = {"${", "{{", "$(", "<", ">", "%s", "@@", CF_SCAN_ACTION};

    for (size_t i = 0; i < CF_COUNT(marks); i++)
        if (memmem(text, len, marks[i], strlen(marks[i])))
            return true;
    return len > 1 && text[0] == '$';
}

/* "8080": a number that somebody could listen at. */
static bool is_port(const char *tag)
{
    long number = 0;
    size_t len = strlen(tag);

    if (len < 2 || len > 5 || tag[0] == '0')
        return false;
    for (size_t i = 0; i < len; i++) {
        if (tag[i] < '0' || tag[i] > '9')
            return false;
        number = number * 10 + (tag[i] - '0');
    }
    return number >= 80 && number <= 65535;
}

static bool has_domain(const char *name)
{
    const char *slash = strchr(name, '/');
    size_t len = slash ? (size_t)(slash - name) : 0;

    return memchr(name, '.', len) || memchr(name, ':', len) ||
           (len == 9 && !memcmp(name, "localhost", 9));
}

void cf_scan_judge(const char *text, size_t len, struct judged *ret_judged)
{
    char copy[TEXT_MAX + 1];

    ret_judged->parsed = ret_judged->placeholder = ret_judged->strong = ret_judged->port = false;
    ret_judged->slash = ret_judged->domain = ret_judged->tag = ret_judged->digest = false;
    if (len == 0 || len > TEXT_MAX || memchr(text, '\0', len))
        return;
    memcpy(copy, text, len);
    copy[len] = '\0';
    struct cf_reference *reference = &ret_judged->reference;
    ret_judged->parsed = cf_reference_parse(copy, reference, NULL) == 0;
    if (!ret_judged->parsed) {
        ret_judged->placeholder = has_placeholder(text, len);
        return;
    }
    ret_judged->slash = strchr(reference->name, '/') != NULL;
    ret_judged->domain = has_domain(reference->name);
    ret_judged->tag = reference->tag[0] != '\0';
    ret_judged->digest = reference->has_digest;
    ret_judged->port = ret_judged->tag && !ret_judged->domain && is_port(reference->tag);
    ret_judged->strong =
        ret_judged->digest || (ret_judged->slash && ret_judged->tag && !ret_judged->port);
}

bool cf_scan_is_name(const char *text, size_t len)
{
    static const char *const words[] = {"true", "false",  "yes",    "no",     "on",   "off",
                                        "none", "null",   "always", "never",  "auto", "latest",
                                        "any",  "stable", "string", "default"};

    if (len < 2 || !islower((unsigned char)text[0]) || memchr(text, '.', len))
        return false;
    for (size_t i = 0; i < CF_COUNT(words); i++)
        if (strlen(words[i]) == len && !memcmp(words[i], text, len))
            return false;
    return true;
}
