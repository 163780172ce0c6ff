/* SPDX-License-Identifier: Apache-2.0 */
/* Times out of text, and zones out of tzdata. */
#include "dates.h"

#include <cloudfs/io.h>

#include <ctype.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct parts {
    struct tm tm;
    int offset;
    int32_t nsec;
    bool pm, has_pm;
};

static bool take(const char **text, int least, int most, int *ret)
{
    int n = 0;
    *ret = 0;
    for (; n < most && isdigit((unsigned char)**text); n++)
        *ret = *ret * 10 + *(*text)++ - '0';
    return n >= least;
}

static bool take_name(const char **text, const char *(*name)(int64_t), int first, int count,
                      size_t letters, int *ret)
{
    for (int i = first; i < first + count; i++) {
        size_t len = letters ? letters : strlen(name(i));
        if (!strncasecmp(*text, name(i), len)) {
            *text += len;
            *ret = i;
            return true;
        }
    }
    return false;
}

static bool take_zone(const char **text, bool colon, bool z, int *ret_offset)
{
    int hours, minutes = 0;
    if (z && **text == 'Z') {
        ++*text;
        return true;
    }
    if (**text != '+' && **text != '-')
        return false;
    int sign = *(*text)++ == '-' ? -1 : 1;
    if (!take(text, 2, 2, &hours) || (colon && *(*text)++ != ':') || !take(text, 2, 2, &minutes))
        return false;
    *ret_offset = sign * (hours * 3600 + minutes * 60);
    return true;
}

/* One element of the layout: how long it is, 0 when none begins here, -1 when text does not fit it.
 */
static int take_element(const char *layout, const char **text, struct parts *p)
{
    int value = 0;
#define ELEMENT(word, action)                    \
    if (!strncmp(layout, word, sizeof word - 1)) \
    return (action) ? (int)sizeof word - 1 : -1
    ELEMENT("January",
            take_name(text, cf_month_name, 1, 12, 0, &value) && (p->tm.tm_mon = value - 1, true));
    ELEMENT("Jan",
            take_name(text, cf_month_name, 1, 12, 3, &value) && (p->tm.tm_mon = value - 1, true));
    ELEMENT("Monday", take_name(text, cf_weekday_name, 0, 7, 0, &value));
    ELEMENT("Mon", take_name(text, cf_weekday_name, 0, 7, 3, &value));
    ELEMENT("2006", take(text, 4, 4, &value) && (p->tm.tm_year = value - 1900, true));
    ELEMENT("01", take(text, 2, 2, &value) && (p->tm.tm_mon = value - 1, true));
    ELEMENT("02", take(text, 2, 2, &p->tm.tm_mday));
    ELEMENT("03", take(text, 2, 2, &p->tm.tm_hour));
    ELEMENT("04", take(text, 2, 2, &p->tm.tm_min));
    ELEMENT("05", take(text, 2, 2, &p->tm.tm_sec));
    ELEMENT("06",
            take(text, 2, 2, &value) && (p->tm.tm_year = value + (value < 69 ? 100 : 0), true));
    ELEMENT("15", take(text, 1, 2, &p->tm.tm_hour));
    ELEMENT("1", take(text, 1, 2, &value) && (p->tm.tm_mon = value - 1, true));
    ELEMENT("_2", (*text += **text == ' ', take(text, 1, 2, &p->tm.tm_mday)));
    ELEMENT("2", take(text, 1, 2, &p->tm.tm_mday));
    ELEMENT("3", take(text, 1, 2, &p->tm.tm_hour));
    ELEMENT("4", take(text, 1, 2, &p->tm.tm_min));
    ELEMENT("5", take(text, 1, 2, &p->tm.tm_sec));
    ELEMENT("PM", (p->has_pm = true, p->pm = **text == 'P',
                   !strncmp(*text, "PM", 2) || !strncmp(*text, "AM", 2)) &&
                      (*text += 2, true));
    ELEMENT("Z07:00", take_zone(text, true, true, &p->offset));
    ELEMENT("Z0700", take_zone(text, false, true, &p->offset));
    ELEMENT("-07:00", take_zone(text, true, false, &p->offset));
    ELEMENT("-0700", take_zone(text, false, false, &p->offset));
    ELEMENT("MST", isupper((unsigned char)(*text)[0]) && isupper((unsigned char)(*text)[1]) &&
                       isupper((unsigned char)(*text)[2]) && (*text += 3, true));
#undef ELEMENT
    return 0;
}

static void take_fraction(const char **text, struct parts *p)
{
    int32_t scale = 100000000;
    for (++*text; isdigit((unsigned char)**text); ++*text, scale /= 10)
        p->nsec += (**text - '0') * scale;
}

bool cf_time_parse(const char *layout, const char *text, struct cf_time *ret_time)
{
    struct parts p = {.tm = {.tm_mday = 1, .tm_year = -1900}};
    while (*layout) {
        bool seconds = !strncmp(layout, "05", 2) || *layout == '5';
        int used = take_element(layout, &text, &p);
        if (used < 0 || (!used && *text != *layout))
            return false;
        if (!used)
            text++;
        layout += used ? used : 1;
        size_t zeros = *layout == '.' ? strspn(layout + 1, "09") : 0;
        if (seconds && *text == '.' && isdigit((unsigned char)text[1]))
            take_fraction(&text, &p);
        if (seconds && zeros)
            layout += 1 + zeros;
    }
    if (*text || p.tm.tm_mon < 0 || p.tm.tm_mon > 11 || p.tm.tm_mday < 1 || p.tm.tm_mday > 31 ||
        p.tm.tm_hour > 23 || p.tm.tm_min > 59 || p.tm.tm_sec > 59)
        return false;
    if (p.has_pm)
        p.tm.tm_hour = p.tm.tm_hour % 12 + (p.pm ? 12 : 0);
    int day = p.tm.tm_mday;
    ret_time->sec = (int64_t)timegm(&p.tm) - p.offset;
    ret_time->nsec = p.nsec;
    ret_time->offset = p.offset;
    ret_time->zone = p.offset ? "" : "UTC";
    return p.tm.tm_mday == day;
}

static int64_t big_endian(const uint8_t *d, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | d[i];
    return bytes == 4 ? (int32_t)value : (int64_t)value;
}

/* The second, 64-bit block of the file; its last rule is used behind its end. */
/* Nothing here throws: buf is no arena memory. */
static bool read_zone(const char *path, struct cf_time *time, char name[16])
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    if (cf_read_file(AT_FDCWD, path, 1 << 20, &buf) < 0 || buf.len < 44 ||
        memcmp(buf.data, "TZif", 4))
        return false;
    const uint8_t *d = (const uint8_t *)buf.data;
    uint64_t count[6];
    size_t at = 0, size = 4;
    for (int round = 0; round < 2; round++, size = 8) {
        for (int i = 0; i < 6; i++)
            count[i] = (uint64_t)big_endian(d + at + 20 + 4 * i, 4) & 0xFFFFFF;
        if (round || buf.data[4] < '2')
            break;
        at += 44 + count[3] * 5 + count[4] * 6 + count[5] + count[2] * 8 + count[1] + count[0];
        if (at + 44 > buf.len)
            return false;
    }
    const uint8_t *times = d + at + 44, *kinds = times + count[3] * size, *types = kinds + count[3];
    const char *names = (const char *)types + count[4] * 6;
    if (at + 44 + count[3] * (size + 1) + count[4] * 6 + count[5] > buf.len || !count[4])
        return false;
    unsigned kind = 0;
    for (uint64_t i = 0; i < count[3] && big_endian(times + i * size, (int)size) <= time->sec; i++)
        kind = kinds[i];
    if (kind >= count[4] || types[kind * 6 + 5] >= count[5])
        return false;
    size_t at_name = types[kind * 6 + 5],
           len = strnlen(names + at_name, (size_t)count[5] - at_name);
    len = len < 15 ? len : 15;
    memcpy(name, names + at_name, len);
    name[len] = 0;
    time->offset = (int32_t)big_endian(types + kind * 6, 4);
    return true;
}

void cf_zone_lookup(struct cf_run *run, const char *path, struct cf_time *time)
{
    char name[16];
    if (read_zone(path, time, name))
        time->zone = cf_run_strdup(run, name);
}
