/* SPDX-License-Identifier: Apache-2.0 */
/*
 *   header    = challenge {"," challenge}
 *   challenge = scheme [token68 | parameter {"," parameter}]
 *   parameter = token "=" (token | quoted string)
 * A word without "=" behind it begins the next challenge.
 */
#include "challenge.h"

#include <stddef.h>
#include <string.h>
#include <strings.h>

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token(const char *text)
{
    size_t n = 0;
    while (is_token(text[n]))
        n++;
    return n;
}

/* A value at text, quoted or not; its text is cut where it does not fit, which makes it useless, so
 * it becomes "". Returns what follows. */
static const char *value(const char *text, char *ret_value, size_t size)
{
    size_t n = 0;
    ret_value[0] = '\0';
    if (*text != '"') {
        n = strcspn(text, " \t,");
        if (n < size) {
            memcpy(ret_value, text, n);
            ret_value[n] = '\0';
        }
        return text + n;
    }
    for (text++; *text && *text != '"'; text++) {
        if (*text == '\\' && text[1])
            text++;
        if (n < size)
            ret_value[n] = *text;
        n++;
    }
    ret_value[n < size ? n : 0] = '\0';
    return *text ? text + 1 : text;
}

static void set(struct cf_challenge *challenge, const char *name, size_t len, const char *text)
{
    const struct {
        const char *name;
        char *target;
        size_t size;
    } known[] = {
        {"realm", challenge->realm, sizeof challenge->realm},
        {"service", challenge->service, sizeof challenge->service},
        {"scope", challenge->scope, sizeof challenge->scope},
        {"error", challenge->error, sizeof challenge->error},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strlen(known[i].name) == len && !strncasecmp(known[i].name, name, len) &&
            strlen(text) < known[i].size)
            memcpy(known[i].target, text, strlen(text) + 1);
}

void cf_challenge_parse(const char *header, struct cf_challenge *challenge)
{
    char text[CF_CHALLENGE_TEXT];
    bool bearer = false;
    while (*header) {
        header += strspn(header, " \t,");
        const size_t n = token(header);
        if (n == 0) { /* nothing that we know: go on behind the next comma */
            header += strcspn(header, ",");
            continue;
        }
        const char *after = header + n + strspn(header + n, " \t");
        if (*after == '=' && after[1] != '=') {
            after = value(after + 1 + strspn(after + 1, " \t"), text, sizeof text);
            if (bearer)
                set(challenge, header, n, text);
        } else if (*after == '=') { /* the padding of a token68 */
            after += strcspn(after, ",");
        } else {
            bearer = n == 6 && !strncasecmp(header, "Bearer", n);
            challenge->bearer = challenge->bearer || bearer;
            challenge->basic = challenge->basic || (n == 5 && !strncasecmp(header, "Basic", n));
        }
        header = after;
    }
}
