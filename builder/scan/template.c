/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A template as far as it can be read without values: what its actions say is unknown, what stands
 * around them is not.
 */
#include "scan_private.h"

#include <errno.h>
#include <string.h>

/* Behind the action that begins at text; its end may lie some lines below, or be missing. */
static size_t action_len(const char *text, size_t len)
{
    const char *end = memmem(text, len, "}}", 2);

    return end ? (size_t)(end - text) + 2 : len;
}

/* The line with its actions: its length without the line break of the last line. */
static size_t line_len(const char *text, size_t len, bool *ret_only_actions, bool *ret_any)
{
    size_t i = 0;

    *ret_only_actions = true;
    *ret_any = false;
    while (i < len && text[i] != '\n') {
        if (i + 1 < len && text[i] == '{' && text[i + 1] == '{') {
            i += action_len(text + i, len - i);
            *ret_any = true;
            continue;
        }
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            *ret_only_actions = false;
        i++;
    }
    return i;
}

static int copy_line(const char *text, size_t len, bool blank, struct cf_buf *buf)
{
    int r = 0;

    for (size_t i = 0; i < len && r == 0;) {
        bool action = i + 1 < len && text[i] == '{' && text[i + 1] == '{';
        size_t part = action ? action_len(text + i, len - i) : 1;
        if (!action && !blank)
            r = cf_buf_add_char(buf, text[i]);
        if (action && !blank)
            r = cf_buf_add_str(buf, CF_SCAN_ACTION);
        for (size_t k = 0; action && k < part && r == 0; k++)
            if (text[i + k] == '\n') /* an action of several lines keeps their number */
                r = cf_buf_add_char(buf, '\n');
        i += part;
    }
    return r;
}

int cf_scan_blank_template(const char *text, size_t len, struct cf_buf *ret_buf)
{
    int r = 0;

    for (size_t i = 0; i < len && r == 0;) {
        bool only = false, any = false;
        size_t line = line_len(text + i, len - i, &only, &any);
        r = copy_line(text + i, line, any && only, ret_buf);
        i += line;
        if (r == 0 && i < len) {
            r = cf_buf_add_char(ret_buf, '\n');
            i++;
        }
    }
    return r;
}
