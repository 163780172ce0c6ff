/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments, scripts and environment: flags and variables whose values are images. */
#include "finder.h"

#include <ctype.h>
#include <string.h>

static bool ends_in_image(const char *name, size_t len)
{
    return len >= 5 && !strncasecmp(name + len - 5, "image", 5);
}

static bool ends_in_images(const char *name, size_t len)
{
    return len >= 6 && !strncasecmp(name + len - 6, "images", 6);
}

static bool names_image(const char *name, size_t len)
{
    for (size_t i = 0; i + 5 <= len; i++)
        if (!strncasecmp(name + i, "image", 5))
            return true;
    return false;
}

static int add(struct finder *finder, const char *text, size_t len, size_t line)
{
    return cf_finder_add(finder, CLASS_ANY, CF_SCAN_EMBEDDED, text, len, line, false);
}

/* Whether the value of a flag or variable that names an image is one. */
static bool is_image(const struct judged *judged, const char *value, size_t len)
{
    if (!judged->parsed)
        return false;
    if (judged->slash || judged->digest)
        return true;
    return judged->tag ? isalpha((unsigned char)value[0]) != 0 : cf_scan_is_name(value, len);
}

static int one_setting(struct finder *finder, const char *name, size_t name_len, const char *value,
                       size_t len, size_t line)
{
    struct judged judged;
    bool good;

    cf_scan_judge(value, len, &judged);
    if (!judged.parsed) {
        const char *equals = memrchr(value, '=', len);
        if (equals)
            return one_setting(finder, name, name_len, equals + 1,
                               len - (size_t)(equals + 1 - value), line);
    }
    if (ends_in_image(name, name_len) || ends_in_images(name, name_len))
        good = is_image(&judged, value, len);
    else if (names_image(name, name_len))
        good = judged.parsed && (judged.digest || (judged.tag && !judged.port));
    else
        good = judged.strong;
    return good ? add(finder, value, len, line) : 0;
}

int cf_finder_setting(struct finder *finder, const char *name, size_t name_len, const char *value,
                      size_t len, size_t line)
{
    static const char separators[] = ", \t\r\n";
    bool words = strcspn(value, separators + 1) < len;

    if (len == 0 || len > FIELD_MAX * 8 ||
        (!names_image(name, name_len) && !memchr(value, '/', len)))
        return 0;
    if (words && !ends_in_images(name, name_len)) /* text: only what is clearly one */
        name_len = 0;
    for (size_t at = 0; at < len;) {
        size_t part = strcspn(value + at, separators);
        part = part < len - at ? part : len - at;
        int r = part ? one_setting(finder, name, name_len, value + at, part, line) : 0;
        if (r < 0)
            return r;
        at += part + 1;
    }
    return 0;
}

static void strip_quotes(const char **text, size_t *len)
{
    while (*len > 0 && strchr("\"'`", **text)) {
        (*text)++;
        (*len)--;
    }
    while (*len > 0 && strchr("\"'`,;", (*text)[*len - 1]))
        (*len)--;
}

/* script: it is one word of many, so it must say more to be believed. */
static int take_word(struct finder *finder, struct frame *frame, const char *word, size_t len,
                     size_t line, bool script)
{
    struct judged judged;
    bool open = frame->flag_open;

    strip_quotes(&word, &len);
    frame->flag_open = false;
    if (len == 0)
        return 0;
    const char *equals = memchr(word, '=', len);
    bool dash = word[0] == '-';
    if (equals && equals > word) {
        const char *value = equals + 1;
        size_t value_len = len - (size_t)(value - word);
        strip_quotes(&value, &value_len);
        return cf_finder_setting(finder, word, (size_t)(equals - word), value, value_len, line);
    }
    if (dash) {
        frame->flag_open = ends_in_image(word, len);
        return 0;
    }
    if (!open && !memchr(word, '/', len))
        return 0;
    cf_scan_judge(word, len, &judged);
    bool good = open ? is_image(&judged, word, len) : judged.strong && (!script || judged.domain);
    return good ? add(finder, word, len, line) : 0;
}

static int take_script(struct finder *finder, struct frame *frame,
                       const struct cf_yaml_event *event)
{
    static const char gaps[] = " \t\r\n|&();<>";
    bool literal = event->style == CF_YAML_LITERAL;
    size_t line = event->start.line + literal;
    size_t at = 0;

    while (at < event->len) {
        size_t word = 0;
        while (at + word < event->len && event->value[at + word] &&
               !strchr(gaps, event->value[at + word]))
            word++;
        int r = word ? take_word(finder, frame, event->value + at, word, line, true) : 0;
        if (r < 0)
            return r;
        at += word;
        line += literal && at < event->len && event->value[at] == '\n';
        at++;
    }
    frame->flag_open = false;
    return 0;
}

int cf_finder_argument(struct finder *finder, struct frame *frame,
                       const struct cf_yaml_event *event)
{
    for (size_t i = 0; i < event->len; i++)
        if (isspace((unsigned char)event->value[i]))
            return take_script(finder, frame, event);
    return take_word(finder, frame, event->value, event->len, event->start.line, false);
}
