/* SPDX-License-Identifier: Apache-2.0 */
#include "format.h"
#include "dates.h"
#include "number.h"
#include "semver.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct spec {
    bool minus, plus, sharp, space, zero;
    int width, precision; /* -1: not given */
    uint32_t verb;
};

static void put_padded(struct cf_text *out, const struct spec *spec, const char *str, size_t len)
{
    size_t runes = cf_rune_count(str, len);
    size_t fill = spec->width > 0 && (size_t)spec->width > runes ? (size_t)spec->width - runes : 0;
    if (fill && !spec->minus)
        cf_text_fill(out, spec->zero ? '0' : ' ', fill);
    cf_text_add(out, str, len);
    if (fill && spec->minus)
        cf_text_fill(out, ' ', fill);
}

/* A number with its sign: zeros go between. */
static void put_number(struct cf_text *out, const struct spec *spec, bool negative,
                       const char *digits, size_t len)
{
    char sign = negative ? '-' : spec->plus ? '+' : spec->space ? ' ' : 0;
    size_t total = len + (sign != 0);
    size_t fill = spec->width > 0 && (size_t)spec->width > total ? (size_t)spec->width - total : 0;
    bool zeros = spec->zero && !spec->minus;
    if (fill && !spec->minus && !zeros)
        cf_text_fill(out, ' ', fill);
    if (sign)
        cf_text_char(out, sign);
    if (fill && zeros)
        cf_text_fill(out, '0', fill);
    cf_text_add(out, digits, len);
    if (fill && spec->minus)
        cf_text_fill(out, ' ', fill);
}

static bool is_printable(uint32_t rune)
{
    if (rune < 0x7F)
        return rune >= ' ';
    return rune > 0xA0 && rune != 0xAD && !(rune >= 0x2000 && rune <= 0x200F) &&
           !(rune >= 0x2028 && rune <= 0x202F) && !(rune >= 0x205F && rune <= 0x206F) &&
           rune != 0x3000 && rune != 0xFEFF && !(rune >= 0xD800 && rune < 0xF900) &&
           !(rune >= 0xFFF0 && rune < 0xFFFC) && (rune & 0xFFFE) != 0xFFFE && rune < 0xE0000;
}

static void put_quoted_rune(struct cf_text *out, uint32_t rune, char quote, bool ascii)
{
    static const char escaped[] = "\a\b\f\n\r\t\v", names[] = "abfnrtv";
    const char *found = rune && rune < 0x20 ? strchr(escaped, (int)rune) : NULL;
    if (rune == (uint32_t)quote || rune == '\\') {
        cf_text_char(out, '\\');
        cf_text_char(out, (char)rune);
    } else if (found) {
        cf_text_char(out, '\\');
        cf_text_char(out, names[found - escaped]);
    } else if (is_printable(rune) && (!ascii || rune < 0x80)) {
        cf_text_rune(out, rune);
    } else {
        cf_text_printf(out, rune < 0x80 ? "\\x%02x" : rune < 0x10000 ? "\\u%04x" : "\\U%08x", rune);
    }
}

static void put_quoted(struct cf_text *out, const char *str, size_t len, bool ascii)
{
    int width;
    cf_text_char(out, '"');
    for (size_t i = 0; i < len; i += (size_t)width) {
        uint32_t rune = cf_rune_at(str + i, len - i, &width);
        if (rune == CF_RUNE_ERROR && width == 1)
            cf_text_printf(out, "\\x%02x", (uint8_t)str[i]);
        else
            put_quoted_rune(out, rune, '"', ascii);
    }
    cf_text_char(out, '"');
}

void cf_format_quote(struct cf_text *out, const char *str, size_t len)
{
    put_quoted(out, str, len, false);
}

void cf_format_duration(struct cf_text *out, int64_t nanoseconds)
{
    uint64_t u = nanoseconds < 0 ? 0 - (uint64_t)nanoseconds : (uint64_t)nanoseconds;
    if (!u) {
        cf_text_str(out, "0s");
        return;
    }
    if (nanoseconds < 0)
        cf_text_char(out, '-');
    if (u < 1000000000) {
        uint64_t unit = u < 1000 ? 1 : u < 1000000 ? 1000 : 1000000;
        cf_number_float(out, (double)u / (double)unit, 'f', -1);
        cf_text_str(out, unit == 1 ? "ns" : unit == 1000 ? "µs" : "ms");
        return;
    }
    uint64_t seconds = u / 1000000000, rest = u % 1000000000;
    if (seconds >= 3600)
        cf_text_printf(out, "%lluh", (unsigned long long)seconds / 3600);
    if (seconds >= 60)
        cf_text_printf(out, "%llum", (unsigned long long)seconds / 60 % 60);
    cf_text_printf(out, "%llu", (unsigned long long)seconds % 60);
    if (rest) {
        char digits[16];
        snprintf(digits, sizeof digits, ".%09llu", (unsigned long long)rest);
        size_t len = strlen(digits);
        while (digits[len - 1] == '0')
            len--;
        cf_text_add(out, digits, len);
    }
    cf_text_char(out, 's');
}

static void put(struct cf_text *out, const struct spec *spec, struct cf_val val, unsigned depth);

static void bad_verb(struct cf_text *out, const struct spec *spec, struct cf_val val)
{
    const struct spec plain = {.width = -1, .precision = -1, .verb = 'v'};
    cf_text_str(out, "%!");
    cf_text_rune(out, spec->verb);
    cf_text_char(out, '(');
    if (val.kind == CF_NIL) {
        cf_text_str(out, "<nil>");
    } else {
        cf_text_str(out, cf_val_type_name(val));
        cf_text_char(out, '=');
        put(out, &plain, val, 1);
    }
    cf_text_char(out, ')');
}

static void put_int(struct cf_text *out, const struct spec *spec, struct cf_val val)
{
    char digits[80];
    uint64_t u = val.i < 0 ? 0 - (uint64_t)val.i : (uint64_t)val.i;
    int len = 0;
    struct cf_text text;
    switch (spec->verb) {
    case 'v':
    case 'd':
        len = snprintf(digits, sizeof digits, "%llu", (unsigned long long)u);
        break;
    case 'x':
        len =
            snprintf(digits, sizeof digits, spec->sharp ? "0x%llx" : "%llx", (unsigned long long)u);
        break;
    case 'X':
        len =
            snprintf(digits, sizeof digits, spec->sharp ? "0X%llX" : "%llX", (unsigned long long)u);
        break;
    case 'o':
    case 'O':
        len = snprintf(digits, sizeof digits,
                       spec->verb == 'O' ? "0o%llo"
                       : spec->sharp     ? "0%llo"
                                         : "%llo",
                       (unsigned long long)u);
        break;
    case 'b':
        for (int bit = 63; bit >= 0; bit--)
            if (len || u >> bit & 1 || !bit)
                digits[len++] = u >> bit & 1 ? '1' : '0';
        break;
    case 'c':
    case 'q':
    case 'U':
        cf_text_init(&text, out->run);
        if (spec->verb == 'U') {
            cf_text_printf(&text, "U+%04llX", (unsigned long long)u);
            if (spec->sharp && u <= 0x10FFFF && is_printable((uint32_t)u)) {
                cf_text_str(&text, " '");
                cf_text_rune(&text, (uint32_t)u);
                cf_text_char(&text, '\'');
            }
        } else if (spec->verb == 'c')
            cf_text_rune(&text, (uint32_t)u);
        else {
            cf_text_char(&text, '\'');
            put_quoted_rune(&text, (uint32_t)u, '\'', spec->plus);
            cf_text_char(&text, '\'');
        }
        put_padded(out, spec, text.data, text.len);
        return;
    default:
        bad_verb(out, spec, val);
        return;
    }
    if (spec->precision > len && spec->precision < 70) {
        memmove(digits + spec->precision - len, digits, (size_t)len);
        memset(digits, '0', (size_t)(spec->precision - len));
        len = spec->precision;
    }
    struct spec number = *spec;
    number.zero = spec->zero && spec->precision < 0;
    put_number(out, &number, val.i < 0, digits, (size_t)len);
}

static void put_float(struct cf_text *out, const struct spec *spec, struct cf_val val)
{
    struct cf_text text;
    char verb = spec->verb == 'v' || spec->verb == 'G' ? 'g'
                : spec->verb == 'F'                    ? 'f'
                : spec->verb == 'E'                    ? 'e'
                                                       : (char)spec->verb;
    if (spec->verb > 127 || !strchr("gfe", verb)) {
        bad_verb(out, spec, val);
        return;
    }
    int precision = spec->precision < 0 && verb != 'g' ? 6 : spec->precision;
    cf_text_init(&text, out->run);
    cf_number_float(&text, val.f, verb, precision > 300 ? 300 : precision);
    for (size_t i = 0; i < text.len && (spec->verb == 'E' || spec->verb == 'G'); i++)
        if (text.data[i] == 'e')
            text.data[i] = 'E';
    bool signed_text = text.data[0] == '-' || text.data[0] == '+';
    if (text.data[0] == '+' && spec->verb != 'v') {
        struct spec plus = *spec;
        plus.plus = true;
        put_number(out, &plus, false, text.data + 1, text.len - 1);
        return;
    }
    put_number(out, spec, text.data[0] == '-', text.data + signed_text, text.len - signed_text);
    if (text.data[0] == '+' && spec->verb == 'v' &&
        !spec->plus) { /* +Inf keeps its sign under %v */
        out->len -= text.len - 1;
        cf_text_add(out, text.data, text.len);
    }
}

static void put_hex(struct cf_text *out, const struct spec *spec, const char *str, size_t len)
{
    struct cf_text text;
    cf_text_init(&text, out->run);
    for (size_t i = 0; i < len; i++) {
        if (spec->space && i)
            cf_text_char(&text, ' ');
        cf_text_printf(&text, spec->verb == 'x' ? "%02x" : "%02X", (uint8_t)str[i]);
    }
    put_padded(out, spec, text.data ? text.data : "", text.len);
}

static size_t cut(const struct spec *spec, const char *str, size_t len)
{
    size_t at = 0;
    int width;
    if (spec->precision < 0)
        return len;
    for (int n = 0; n < spec->precision && at < len; n++) {
        (void)cf_rune_at(str + at, len - at, &width);
        at += (size_t)width;
    }
    return at;
}

/* One line that a raw string of Go can hold. */
static bool is_line(const char *str, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (((uint8_t)str[i] < ' ' && str[i] != '\t') || str[i] == 0x7F)
            return false;
    return cf_utf8_valid(str, len);
}

static void put_string(struct cf_text *out, const struct spec *spec, struct cf_val val)
{
    struct cf_text text;
    bool bytes = val.type == CF_T_BYTES;
    size_t len = cut(spec, val.str, val.len);
    cf_text_init(&text, out->run);
    switch (spec->verb) {
    case 'v':
    case 'd':
        if (bytes) {
            cf_text_char(&text, '[');
            for (size_t i = 0; i < val.len; i++)
                cf_text_printf(&text, i ? " %u" : "%u", (uint8_t)val.str[i]);
            cf_text_char(&text, ']');
            cf_text_add(out, text.data, text.len);
            return;
        }
        if (spec->verb == 'd') {
            bad_verb(out, spec, val);
            return;
        }
        put_padded(out, spec, val.str, len);
        return;
    case 's':
        put_padded(out, spec, val.str, len);
        return;
    case 'q':
        if (spec->sharp && !memchr(val.str, '`', len) && is_line(val.str, len)) {
            cf_text_char(&text, '`');
            cf_text_add(&text, val.str, len);
            cf_text_char(&text, '`');
        } else {
            put_quoted(&text, val.str, len, spec->plus);
        }
        put_padded(out, spec, text.data, text.len);
        return;
    case 'x':
    case 'X':
        put_hex(out, spec, val.str, len);
        return;
    default:
        bad_verb(out, spec, val);
    }
}

static void put_list(struct cf_text *out, const struct spec *spec, struct cf_val val,
                     unsigned depth)
{
    cf_text_char(out, '[');
    for (size_t i = 0; i < val.seq->count; i++) {
        if (i)
            cf_text_char(out, ' ');
        put(out, spec, val.seq->items[i], depth + 1);
    }
    cf_text_char(out, ']');
}

static void put_map(struct cf_text *out, const struct spec *spec, struct cf_val val, unsigned depth)
{
    bool is_struct = val.type == CF_T_STRUCT;
    const char *rest = is_struct ? "{" : "map[";
    cf_text_str(out, rest);
    for (size_t i = 0; i < val.dict->count; i++) {
        const struct cf_entry *e = &val.dict->entries[i];
        if (i)
            cf_text_char(out, ' ');
        if (!is_struct) {
            put(out, spec, cf_val_str(e->key, e->key_len), depth + 1);
            cf_text_char(out, ':');
        }
        put(out, spec, e->val, depth + 1);
    }
    cf_text_char(out, is_struct ? '}' : ']');
}

/* Types that have a String() of their own. */
static bool put_stringer(struct cf_text *out, const struct spec *spec, struct cf_val val)
{
    struct cf_text text;
    if (spec->verb != 'v' && spec->verb != 's' && spec->verb != 'q')
        return false;
    cf_text_init(&text, out->run);
    if (val.kind == CF_TIME)
        cf_time_string(&text, val.time);
    else if (val.kind == CF_SEMVER)
        cf_version_string(&text, val.pointer);
    else if (val.kind == CF_INT && val.type == CF_T_DURATION)
        cf_format_duration(&text, val.i);
    else if (val.kind == CF_INT && (val.type == CF_T_MONTH || val.type == CF_T_WEEKDAY))
        cf_text_str(&text, val.type == CF_T_MONTH ? cf_month_name(val.i) : cf_weekday_name(val.i));
    else if (val.kind == CF_MAP && val.type == CF_T_STRUCT && cf_dict_get_str(val.dict, "String"))
        cf_text_str(&text, cf_dict_get_str(val.dict, "String")->str);
    else
        return false;
    if (spec->verb == 'q')
        cf_format_quote(out, text.data, text.len);
    else
        put_padded(out, spec, text.data ? text.data : "", text.len);
    return true;
}

/* %#v: as a Go program would write the value. */
static void put_syntax(struct cf_text *out, struct cf_val val)
{
    cf_run_check_stack(out->run);
    cf_run_step(out->run, 1);
    switch (val.kind) {
    case CF_NIL:
        cf_text_str(out, "interface {}(nil)");
        return;
    case CF_STRING:
        cf_format_quote(out, val.str, val.len);
        return;
    case CF_LIST:
        cf_text_printf(out, "%s{", cf_val_type_name(val));
        for (size_t i = 0; i < val.seq->count; i++) {
            cf_text_str(out, i ? ", " : "");
            put_syntax(out, val.seq->items[i]);
        }
        cf_text_char(out, '}');
        return;
    case CF_MAP:
        cf_text_printf(out, "%s{", cf_val_type_name(val));
        for (size_t i = 0; i < val.dict->count; i++) {
            const struct cf_entry *e = &val.dict->entries[i];
            cf_text_str(out, i ? ", " : "");
            if (val.type == CF_T_STRUCT)
                cf_text_add(out, e->key, e->key_len);
            else
                cf_format_quote(out, e->key, e->key_len);
            cf_text_char(out, ':');
            put_syntax(out, e->val);
        }
        cf_text_char(out, '}');
        return;
    default:
        cf_format_value(out, val);
    }
}

static void put(struct cf_text *out, const struct spec *spec, struct cf_val val, unsigned depth)
{
    cf_run_check_stack(out->run);
    cf_run_step(out->run, 1);
    if (spec->sharp && spec->verb == 'v' && val.kind != CF_NIL) {
        put_syntax(out, val);
        return;
    }
    if (put_stringer(out, spec, val))
        return;
    switch (val.kind) {
    case CF_NIL:
        if (spec->verb == 'v')
            put_padded(out, spec, "<nil>", 5);
        else
            bad_verb(out, spec, val);
        return;
    case CF_BOOL:
        if (spec->verb == 'v' || spec->verb == 't')
            put_padded(out, spec, val.b ? "true" : "false", val.b ? 4 : 5);
        else
            bad_verb(out, spec, val);
        return;
    case CF_INT:
        put_int(out, spec, val);
        return;
    case CF_FLOAT:
        put_float(out, spec, val);
        return;
    case CF_STRING:
        put_string(out, spec, val);
        return;
    case CF_LIST:
        put_list(out, spec, val, depth);
        return;
    case CF_MAP:
        put_map(out, spec, val, depth);
        return;
    default:
        cf_text_str(out, "map[]");
    }
}

void cf_format_value(struct cf_text *out, struct cf_val val)
{
    const struct spec plain = {.width = -1, .precision = -1, .verb = 'v'};
    if (val.kind == CF_STRING && val.type != CF_T_BYTES)
        cf_text_add(out, val.str, val.len);
    else
        put(out, &plain, val, 0);
}

struct cf_val cf_format_str(struct cf_run *run, struct cf_val val)
{
    struct cf_text text;
    if (val.kind == CF_STRING) { /* []byte too */
        val.type = CF_T_PLAIN;
        return val;
    }
    cf_text_init(&text, run);
    cf_format_value(&text, val);
    return cf_val_text(&text);
}

struct formatter {
    struct cf_text *out;
    const char *format;
    size_t len, at;
    const struct cf_val *args;
    size_t count, used;
    bool bad_index;
};

/* Digits, or "*" for the next argument; -1: neither. */
static int take_size(struct formatter *f, bool *ret_minus)
{
    int value = -1;
    if (f->at < f->len && f->format[f->at] == '*') {
        f->at++;
        if (f->used >= f->count || f->args[f->used].kind != CF_INT) {
            f->used++;
            cf_text_str(f->out, "%!(BADWIDTH)");
            return -1;
        }
        int64_t given = f->args[f->used++].i;
        if (given < 0)
            *ret_minus = true;
        return given < 0 ? (int)-given : given > 1000000 ? -1 : (int)given;
    }
    for (; f->at < f->len && isdigit((unsigned char)f->format[f->at]); f->at++) {
        value = (value < 0 ? 0 : value) * 10 + f->format[f->at] - '0';
        if (value > 1000000)
            value = 1000000;
    }
    return value;
}

static void take_flags(struct formatter *f, struct spec *spec)
{
    for (; f->at < f->len; f->at++) {
        switch (f->format[f->at]) {
        case '-':
            spec->minus = true;
            break;
        case '+':
            spec->plus = true;
            break;
        case '#':
            spec->sharp = true;
            break;
        case ' ':
            spec->space = true;
            break;
        case '0':
            spec->zero = true;
            break;
        default:
            return;
        }
    }
}

/* %[2]d: the argument's number. */
static void take_index(struct formatter *f)
{
    const char *end;
    int64_t n;
    if (f->at >= f->len || f->format[f->at] != '[' ||
        !(end = memchr(f->format + f->at, ']', f->len - f->at)))
        return;
    const char *digits = f->format + f->at + 1;
    if (cf_number_parse_int(digits, (size_t)(end - digits), 10, &n) && n > 0 &&
        (uint64_t)n <= f->count)
        f->used = (size_t)n - 1;
    else
        f->bad_index = true;
    f->at = (size_t)(end - f->format) + 1;
}

static void put_directive(struct formatter *f)
{
    struct spec spec = {.width = -1, .precision = -1};
    int width;
    take_flags(f, &spec);
    take_index(f);
    spec.width = take_size(f, &spec.minus);
    if (f->at < f->len && f->format[f->at] == '.') {
        bool minus = false;
        f->at++;
        spec.precision = take_size(f, &minus);
        if (spec.precision < 0)
            spec.precision = 0;
    }
    take_index(f);
    if (f->at >= f->len) {
        cf_text_str(f->out, "%!(NOVERB)");
        return;
    }
    spec.verb = cf_rune_at(f->format + f->at, f->len - f->at, &width);
    f->at += (size_t)width;
    if (spec.verb == '%') {
        cf_text_char(f->out, '%');
        return;
    }
    if (f->bad_index || f->used >= f->count) {
        cf_text_str(f->out, "%!");
        cf_text_rune(f->out, spec.verb);
        cf_text_str(f->out, f->bad_index ? "(BADINDEX)" : "(MISSING)");
        f->bad_index = false;
        return;
    }
    struct cf_val arg = f->args[f->used++];
    if (spec.verb == 'v')
        spec.plus = false; /* %+v: names of fields, not signs */
    if (spec.verb == 'T') {
        const char *name = arg.kind == CF_NIL ? "<nil>" : cf_val_type_name(arg);
        put_padded(f->out, &spec, name, strlen(name));
        return;
    }
    put(f->out, &spec, arg, 0);
}

void cf_format_printf(struct cf_text *out, const char *format, size_t len,
                      const struct cf_val *args, size_t count)
{
    struct formatter f = {out, format, len, 0, args, count, 0, false};
    while (f.at < len) {
        const char *percent = memchr(format + f.at, '%', len - f.at);
        size_t end = percent ? (size_t)(percent - format) : len;
        cf_text_add(out, format + f.at, end - f.at);
        f.at = end + 1;
        if (percent)
            put_directive(&f);
    }
    if (f.used >= count || memmem(format, len, "%[", 2))
        return;
    cf_text_str(out, "%!(EXTRA ");
    for (size_t i = f.used; i < count; i++) {
        if (i > f.used)
            cf_text_str(out, ", ");
        cf_text_str(out, args[i].kind == CF_NIL ? "<nil>" : cf_val_type_name(args[i]));
        if (args[i].kind != CF_NIL) {
            cf_text_char(out, '=');
            cf_format_value(out, args[i]);
        }
    }
    cf_text_char(out, ')');
}
