/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/buf.h>

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cf_buf_done(struct cf_buf *buf)
{
    if (!buf)
        return;
    free(buf->data);
    *buf = (struct cf_buf)CF_BUF_INIT;
}

void cf_buf_clear(struct cf_buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

int cf_buf_reserve(struct cf_buf *buf, size_t more)
{
    if (more >= SIZE_MAX / 2 - buf->len)
        return -ENOMEM;
    size_t need = buf->len + more + 1;
    if (need <= buf->room)
        return 0;
    size_t room = buf->room * 2 > need ? buf->room * 2 : need;
    if (room < 64)
        room = 64;
    char *data = realloc(buf->data, room);
    if (!data)
        return -ENOMEM;
    if (!buf->data)
        data[0] = '\0';
    buf->data = data;
    buf->room = room;
    return 0;
}

int cf_buf_add(struct cf_buf *buf, const void *data, size_t len)
{
    int r = cf_buf_reserve(buf, len);
    if (r < 0)
        return r;
    if (len)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return 0;
}

int cf_buf_add_str(struct cf_buf *buf, const char *text)
{
    return cf_buf_add(buf, text, strlen(text));
}

int cf_buf_add_char(struct cf_buf *buf, char c)
{
    return cf_buf_add(buf, &c, 1);
}

int cf_buf_vprintf(struct cf_buf *buf, const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (n < 0)
        return -ENOMEM;
    int r = cf_buf_reserve(buf, (size_t)n);
    if (r < 0)
        return r;
    (void)vsnprintf(buf->data + buf->len, (size_t)n + 1, format, ap);
    buf->len += (size_t)n;
    return 0;
}

int cf_buf_printf(struct cf_buf *buf, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int r = cf_buf_vprintf(buf, format, ap);
    va_end(ap);
    return r;
}

char *cf_buf_take(struct cf_buf *buf)
{
    if (cf_buf_reserve(buf, 0) < 0)
        return NULL;
    char *data = buf->data;
    *buf = (struct cf_buf)CF_BUF_INIT;
    return data;
}
