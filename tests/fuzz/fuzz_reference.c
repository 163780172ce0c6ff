/* SPDX-License-Identifier: Apache-2.0 */
/* Any text is a reference or is refused with one line; a reference is safe as a path, and its
 * parts make a text that parses to the same parts. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/reference.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

static void check_path(const char *name)
{
    must(name[0] && name[0] != '/' && name[strlen(name) - 1] != '/');
    must(!strstr(name, "//") && !strchr(name, '@') && !strstr(name, ".."));
    for (const char *c = name; *c; c++)
        must(*c > ' ' && *c < 0x7f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct cf_reference reference, again;
    struct cf_error err = {0};
    char text[4096], digest[CF_DIGEST_TEXT_SIZE], built[1024], tagged[CF_TAGGED_SIZE];

    if (len >= sizeof(text))
        return 0;
    memcpy(text, data, len);
    text[len] = 0;
    if (cf_reference_parse(text, &reference, &err) < 0) {
        must(err.code < 0 && err.text[0] && !strchr(err.text, '\n'));
        must(cf_reference_tagged(text, tagged, NULL) < 0);
        return 0;
    }
    check_path(reference.name);
    must(!strchr(reference.tag, '/') && reference.tag[0] != '.');
    cf_digest_text(&reference.digest, digest);
    snprintf(built, sizeof(built), "%s%s%s%s%s", reference.name, reference.tag[0] ? ":" : "",
             reference.tag, reference.has_digest ? "@" : "", reference.has_digest ? digest : "");
    must(strcmp(built, text) == 0);
    must(cf_reference_parse(built, &again, NULL) == 0);
    must(memcmp(&again, &reference, sizeof(again)) == 0);
    must((cf_reference_tagged(text, tagged, NULL) == 0) != reference.has_digest);
    return 0;
}
