/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/error.h>

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cloudfs/log.h>

/* Sets err to code, "<formatted>" and, unless reason is NULL, ": <reason>". */
__attribute__((format(printf, 4, 0))) static void
set(struct cf_error *err, int code, const char *reason, const char *format, va_list ap)
{
    /* The arguments may point into err->text, so it is written last. */
    char raw[CF_ERROR_TEXT_SIZE];
    int n = vsnprintf(raw, sizeof(raw), format, ap);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof(raw) ? (size_t)n : sizeof(raw) - 1;

    if (reason)
        (void)snprintf(raw + len, sizeof(raw) - len, "%s%s", len ? ": " : "", reason);
    err->code = code;
    (void)cf_escape(raw, err->text, sizeof(err->text));
}

int cf_fail(struct cf_error *err, int code, const char *format, ...)
{
    assert(code < 0);
    if (err) {
        va_list ap;
        va_start(ap, format);
        set(err, code, NULL, format, ap);
        va_end(ap);
    }
    return code;
}

int cf_fail_errno(struct cf_error *err, int errnum, const char *format, ...)
{
    assert(errnum > 0);
    if (err) {
        char text[128];
        va_list ap;
        va_start(ap, format);
        set(err, -errnum, strerror_r(errnum, text, sizeof(text)), format, ap);
        va_end(ap);
    }
    return -errnum;
}

int cf_fail_in(struct cf_error *err, int code, const char *format, ...)
{
    if (err) {
        char text[128];
        const char *reason = err->text;
        va_list ap;
        if (!err->text[0])
            reason = strerror_r(-code, text, sizeof(text));
        va_start(ap, format);
        set(err, code, reason, format, ap);
        va_end(ap);
    }
    return code;
}
