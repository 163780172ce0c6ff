/* SPDX-License-Identifier: Apache-2.0 */
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int digit_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'z' ? c - 'a' + 10 : 99;
}

/* Drops underscores between digits; false where they may not be, or it is too long. */
static bool without_underscores(const char *str, size_t len, char buf[128])
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++) {
        if (str[i] == '_') {
            if (!i || i + 1 == len || !isxdigit((unsigned char)str[i + 1]) || str[i - 1] == '_')
                return false;
            continue;
        }
        if (n == 127)
            return false;
        buf[n++] = str[i];
    }
    buf[n] = 0;
    return true;
}

static int take_prefix(const char **digits)
{
    const char *d = *digits;
    if (d[0] != '0' || !d[1])
        return 10;
    char c = (char)(d[1] | 0x20);
    int base = c == 'x' ? 16 : c == 'o' ? 8 : c == 'b' ? 2 : 0;
    *digits += base ? 2 : 1;
    return base ? base : 8;
}

bool cf_number_parse_int(const char *str, size_t len, int base, int64_t *ret)
{
    char buf[128];
    uint64_t value = 0;
    if (base == 0 ? !without_underscores(str, len, buf) : len >= sizeof buf)
        return false;
    if (base) {
        memcpy(buf, str, len);
        buf[len] = 0;
        if (strlen(buf) != len)
            return false;
    }
    const char *d = buf;
    bool negative = *d == '-';
    if (*d == '-' || *d == '+')
        d++;
    if (!base)
        base = take_prefix(&d);
    if (!*d)
        return false;
    for (; *d; d++) {
        int digit = digit_value(*d);
        if (digit >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    if (value > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative ? (int64_t)(0 - value) : (int64_t)value;
    return true;
}

bool cf_number_parse_float(const char *str, size_t len, double *ret)
{
    char buf[128], *end;
    size_t i = 0;
    if (!len || !without_underscores(str, len, buf))
        return false;
    if (buf[i] == '+' || buf[i] == '-')
        i++;
    if (!strcasecmp(buf + i, "inf") || !strcasecmp(buf + i, "infinity")) {
        *ret = buf[0] == '-' ? -INFINITY : INFINITY;
        return true;
    }
    if (!strcasecmp(buf, "nan")) {
        *ret = NAN;
        return true;
    }
    if (!isdigit((unsigned char)buf[i]) && buf[i] != '.')
        return false;
    if (buf[i] == '0' && (buf[i + 1] | 0x20) == 'x' && !strpbrk(buf, "pP"))
        return false;
    double value = strtod(buf, &end);
    if (*end || end == buf || isinf(value))
        return false;
    *ret = value;
    return true;
}

bool cf_number_parse_go(const char *str, size_t len, struct cf_val *ret_val)
{
    int64_t i;
    double f;
    if (cf_number_parse_int(str, len, 0, &i)) {
        *ret_val = cf_val_int(i);
        return true;
    }
    if (!cf_number_parse_float(str, len, &f))
        return false;
    *ret_val = cf_val_float(f);
    return true;
}

/* The shortest digits that read back as value: digits[0].digits[1..] * 10^exponent. */
static int shortest(double value, char digits[32], int *ret_exponent)
{
    char buf[40];
    if (value < 1e15 && value == (double)(int64_t)value) { /* most are whole */
        int len = snprintf(digits, 32, "%lld", (long long)value);
        *ret_exponent = len - 1;
        while (len > 1 && digits[len - 1] == '0')
            len--;
        return len;
    }
    for (int precision = 0; precision <= 16; precision++) {
        snprintf(buf, sizeof buf, "%.*e", precision, value);
        if (strtod(buf, NULL) == value)
            break;
    }
    int n = 0;
    char *e = strchr(buf, 'e');
    for (const char *c = buf; c < e; c++)
        if (isdigit((unsigned char)*c))
            digits[n++] = *c;
    while (n > 1 && digits[n - 1] == '0')
        n--;
    *ret_exponent = atoi(e + 1);
    return n;
}

static void put_plain(struct cf_text *out, const char *digits, int n, int exponent)
{
    if (exponent < 0) {
        cf_text_str(out, "0.");
        cf_text_fill(out, '0', (size_t)(-exponent - 1));
        cf_text_add(out, digits, (size_t)n);
        return;
    }
    for (int i = 0; i <= exponent; i++)
        cf_text_char(out, i < n ? digits[i] : '0');
    if (n > exponent + 1) {
        cf_text_char(out, '.');
        cf_text_add(out, digits + exponent + 1, (size_t)(n - exponent - 1));
    }
}

static void put_scientific(struct cf_text *out, const char *digits, int n, int exponent)
{
    cf_text_char(out, digits[0]);
    if (n > 1) {
        cf_text_char(out, '.');
        cf_text_add(out, digits + 1, (size_t)(n - 1));
    }
    cf_text_printf(out, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

static bool put_special(struct cf_text *out, double value)
{
    if (isnan(value))
        cf_text_str(out, "NaN");
    else if (isinf(value))
        cf_text_str(out, value < 0 ? "-Inf" : "+Inf");
    else
        return false;
    return true;
}

void cf_number_float(struct cf_text *out, double value, char format, int precision)
{
    char digits[32];
    int exponent;
    if (put_special(out, value))
        return;
    if (precision >= 0 &&
        format == 'g') { /* C's %g but for the exponent's least two digits: the same */
        cf_text_printf(out, "%.*g", precision ? precision : 1, value);
        return;
    }
    if (precision >= 0) {
        cf_text_printf(out, format == 'e' ? "%.*e" : "%.*f", precision, value);
        return;
    }
    if (signbit(value)) {
        cf_text_char(out, '-');
        value = -value;
    }
    int n = shortest(value, digits, &exponent);
    if (format == 'e' || (format == 'g' && (exponent < -4 || exponent >= 6)))
        put_scientific(out, digits, n, exponent);
    else
        put_plain(out, digits, n, exponent);
}

void cf_number_json(struct cf_text *out, double value)
{
    double size = fabs(value);
    char digits[32];
    int exponent;
    if (put_special(out, value))
        return;
    if (size == 0 || (size >= 1e-6 && size < 1e21)) {
        cf_number_float(out, value, 'f', -1);
        return;
    }
    if (value < 0)
        cf_text_char(out, '-');
    int n = shortest(size, digits, &exponent);
    cf_text_char(out, digits[0]);
    if (n > 1) {
        cf_text_char(out, '.');
        cf_text_add(out, digits + 1, (size_t)(n - 1));
    }
    cf_text_printf(out, "e%c%d", exponent < 0 ? '-' : '+', abs(exponent));
}
