/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/log.h>

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Set once by cf_log_set, before there are threads. */
static struct {
    enum cf_log_level level;
    cf_log_sink *sink;
    void *data;
} log_to;

void cf_log_set(enum cf_log_level level, cf_log_sink *sink, void *data)
{
    log_to.level = level;
    log_to.sink = sink;
    log_to.data = data;
}

bool cf_log_wants(enum cf_log_level level)
{
    return log_to.sink && level <= log_to.level;
}

void cf_log(enum cf_log_level level, const char *format, ...)
{
    if (!cf_log_wants(level))
        return;
    int saved = errno;
    char raw[CF_LOG_LINE_SIZE];
    char line[CF_LOG_LINE_SIZE];
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(raw, sizeof(raw), format, ap);
    va_end(ap);
    log_to.sink(log_to.data, level, cf_escape(raw, line, sizeof(line)));
    errno = saved;
}

const char *cf_log_level_name(enum cf_log_level level)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    return (size_t)level < sizeof(names) / sizeof(names[0]) ? names[level] : "?";
}

/* Spells the character at text into ret; returns the bytes of text that it is. */
static size_t spell(const unsigned char *text, bool quoted, char ret[8])
{
    static const char plain[] = "\n\t\r", letters[] = "ntr";
    const char *known = strchr(plain, text[0]);

    if (text[0] < 0x20 && known)
        (void)snprintf(ret, 8, "\\%c", letters[known - plain]);
    else if (text[0] < 0x20 || text[0] == 0x7f)
        (void)snprintf(ret, 8, "\\x%02x", text[0]);
    else if (quoted && (text[0] == '"' || text[0] == '\\'))
        (void)snprintf(ret, 8, "\\%c", text[0]);
    else
        (void)snprintf(ret, 8, "%c", text[0]);
    /* U+0080 to U+009F: some terminals obey these too. */
    if (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f) {
        (void)snprintf(ret, 8, "\\x%02x", text[1]);
        return 2;
    }
    return 1;
}

static char *escape(const char *text, bool quoted, char *ret_text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t len = 0, safe = 0; /* safe: where "..." can still be put */
    size_t tail = quoted ? 2 : 1;

    if (size < 8) {
        if (size)
            ret_text[0] = '\0';
        return ret_text;
    }
    if (quoted)
        ret_text[len++] = '"';
    safe = len;
    while (*p) {
        char spelled[8];
        p += spell(p, quoted, spelled);
        size_t n = strlen(spelled);
        if (len + n + tail > size) {
            memcpy(ret_text + safe, "...", 3);
            len = safe + 3;
            break;
        }
        memcpy(ret_text + len, spelled, n);
        len += n;
        if (len + 3 + tail <= size)
            safe = len;
    }
    if (quoted)
        ret_text[len++] = '"';
    ret_text[len] = '\0';
    return ret_text;
}

char *cf_escape(const char *text, char *ret_text, size_t size)
{
    return escape(text, false, ret_text, size);
}

char *cf_quote(const char *text, char *ret_text, size_t size)
{
    return escape(text ? text : "(null)", true, ret_text, size);
}
