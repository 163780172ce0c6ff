/* SPDX-License-Identifier: Apache-2.0 */
#include "dates.h"
#include "format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};
static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};

const char *cf_month_name(int64_t month)
{
    return month >= 1 && month <= 12 ? months[month - 1] : "%!Month";
}

const char *cf_weekday_name(int64_t day)
{
    return day >= 0 && day <= 6 ? days[day] : "%!Weekday";
}

static struct tm broken_down(const struct cf_time *time)
{
    struct tm tm;
    time_t t = (time_t)(time->sec + time->offset);
    if (!gmtime_r(&t, &tm))
        memset(&tm, 0, sizeof tm);
    return tm;
}

static void put_zone(struct cf_text *out, int offset, bool colon, bool seconds, bool z)
{
    if (z && !offset) {
        cf_text_char(out, 'Z');
        return;
    }
    int minutes = abs(offset) / 60;
    cf_text_printf(out, colon ? "%c%02d:%02d" : "%c%02d%02d", offset < 0 ? '-' : '+', minutes / 60,
                   minutes % 60);
    (void)seconds;
}

static void put_fraction(struct cf_text *out, int32_t nsec, size_t digits, char separator,
                         bool trim)
{
    char text[16];
    snprintf(text, sizeof text, "%09d", nsec);
    if (digits > 9)
        digits = 9;
    while (trim && digits && text[digits - 1] == '0')
        digits--;
    if (!digits)
        return;
    cf_text_char(out, separator);
    cf_text_add(out, text, digits);
}

enum element {
    LONG_MONTH,
    MONTH,
    NUM_MONTH,
    ZERO_MONTH,
    LONG_DAY,
    DAY,
    NUM_DAY,
    UNDER_DAY,
    ZERO_DAY,
    UNDER_YDAY,
    ZERO_YDAY,
    HOUR,
    HOUR12,
    ZERO_HOUR12,
    MINUTE,
    ZERO_MINUTE,
    SECOND,
    ZERO_SECOND,
    LONG_YEAR,
    YEAR,
    PM,
    pm,
    TZ,
    ISO_TZ,
    ISO_COLON_TZ,
    ISO_SHORT_TZ,
    NUM_TZ,
    NUM_COLON_TZ,
    NUM_SHORT_TZ,
};
static const struct {
    const char *text;
    enum element element;
} elements[] = {
    {"January", LONG_MONTH},
    {"Jan", MONTH},
    {"Monday", LONG_DAY},
    {"Mon", DAY},
    {"MST", TZ},
    {"2006", LONG_YEAR},
    {"002", ZERO_YDAY},
    {"__2", UNDER_YDAY},
    {"01", ZERO_MONTH},
    {"02", ZERO_DAY},
    {"03", ZERO_HOUR12},
    {"04", ZERO_MINUTE},
    {"05", ZERO_SECOND},
    {"06", YEAR},
    {"15", HOUR},
    {"1", NUM_MONTH},
    {"_2", UNDER_DAY},
    {"2", NUM_DAY},
    {"3", HOUR12},
    {"4", MINUTE},
    {"5", SECOND},
    {"PM", PM},
    {"pm", pm},
    {"-07:00", NUM_COLON_TZ},
    {"-0700", NUM_TZ},
    {"-07", NUM_SHORT_TZ},
    {"Z07:00", ISO_COLON_TZ},
    {"Z0700", ISO_TZ},
    {"Z07", ISO_SHORT_TZ},
};

static void put_date(struct cf_text *out, enum element e, const struct tm *tm)
{
    switch (e) {
    case LONG_MONTH:
        cf_text_str(out, months[tm->tm_mon]);
        break;
    case MONTH:
        cf_text_add(out, months[tm->tm_mon], 3);
        break;
    case NUM_MONTH:
    case ZERO_MONTH:
        cf_text_printf(out, e == NUM_MONTH ? "%d" : "%02d", tm->tm_mon + 1);
        break;
    case LONG_DAY:
        cf_text_str(out, days[tm->tm_wday]);
        break;
    case DAY:
        cf_text_add(out, days[tm->tm_wday], 3);
        break;
    case NUM_DAY:
        cf_text_printf(out, "%d", tm->tm_mday);
        break;
    case UNDER_DAY:
        cf_text_printf(out, "%2d", tm->tm_mday);
        break;
    case ZERO_DAY:
        cf_text_printf(out, "%02d", tm->tm_mday);
        break;
    case UNDER_YDAY:
        cf_text_printf(out, "%3d", tm->tm_yday + 1);
        break;
    case ZERO_YDAY:
        cf_text_printf(out, "%03d", tm->tm_yday + 1);
        break;
    case LONG_YEAR:
        cf_text_printf(out, "%04d", tm->tm_year + 1900);
        break;
    default:
        cf_text_printf(out, "%02d", tm->tm_year % 100);
    }
}

static void put_clock(struct cf_text *out, enum element e, const struct tm *tm)
{
    int hour = tm->tm_hour % 12 ? tm->tm_hour % 12 : 12;
    switch (e) {
    case HOUR:
        cf_text_printf(out, "%02d", tm->tm_hour);
        break;
    case HOUR12:
    case ZERO_HOUR12:
        cf_text_printf(out, e == HOUR12 ? "%d" : "%02d", hour);
        break;
    case MINUTE:
    case ZERO_MINUTE:
        cf_text_printf(out, e == MINUTE ? "%d" : "%02d", tm->tm_min);
        break;
    case SECOND:
    case ZERO_SECOND:
        cf_text_printf(out, e == SECOND ? "%d" : "%02d", tm->tm_sec);
        break;
    default:
        cf_text_str(out, e == PM             ? tm->tm_hour >= 12 ? "PM" : "AM"
                         : tm->tm_hour >= 12 ? "pm"
                                             : "am");
    }
}

static void put_element(struct cf_text *out, enum element e, const struct tm *tm,
                        const struct cf_time *time)
{
    switch (e) {
    case TZ:
        if (time->zone && *time->zone)
            cf_text_str(out, time->zone);
        else
            put_zone(out, time->offset, false, false, false);
        break;
    case ISO_TZ:
    case NUM_TZ:
        put_zone(out, time->offset, false, false, e == ISO_TZ);
        break;
    case ISO_COLON_TZ:
    case NUM_COLON_TZ:
        put_zone(out, time->offset, true, false, e == ISO_COLON_TZ);
        break;
    case ISO_SHORT_TZ:
    case NUM_SHORT_TZ:
        if (e == ISO_SHORT_TZ && !time->offset)
            cf_text_char(out, 'Z');
        else
            cf_text_printf(out, "%c%02d", time->offset < 0 ? '-' : '+', abs(time->offset) / 3600);
        break;
    default:
        if (e >= HOUR && e != LONG_YEAR && e != YEAR)
            put_clock(out, e, tm);
        else
            put_date(out, e, tm);
    }
}

void cf_time_format(struct cf_text *out, const struct cf_time *time, const char *layout)
{
    struct tm tm = broken_down(time);
    while (*layout) {
        size_t digits = strspn(layout + 1, "0"), nines = strspn(layout + 1, "9");
        size_t run = digits ? digits : nines;
        if ((*layout == '.' || *layout == ',') && run &&
            (layout[1 + run] < '0' || layout[1 + run] > '9')) {
            put_fraction(out, time->nsec, run, *layout, nines > 0);
            layout += 1 + run;
            continue;
        }
        size_t i = 0, count = sizeof elements / sizeof *elements;
        while (i < count && strncmp(layout, elements[i].text, strlen(elements[i].text)))
            i++;
        if (i == count) {
            cf_text_char(out, *layout++);
            continue;
        }
        put_element(out, elements[i].element, &tm, time);
        layout += strlen(elements[i].text);
    }
}

void cf_time_string(struct cf_text *out, const struct cf_time *time)
{
    cf_time_format(out, time, "2006-01-02 15:04:05.999999999 -0700 MST");
}

static bool duration_method(struct cf_run *run, struct cf_val receiver, const char *name,
                            struct cf_val *ret_val)
{
    struct cf_text text;
    static const struct {
        const char *name;
        double unit;
    } units[] = {{"Hours", 3600e9}, {"Minutes", 60e9}, {"Seconds", 1e9}};
    for (size_t i = 0; i < 3; i++)
        if (!strcmp(name, units[i].name)) {
            *ret_val = cf_val_float((double)receiver.i / units[i].unit);
            return true;
        }
    if (!strcmp(name, "Milliseconds") || !strcmp(name, "Nanoseconds")) {
        *ret_val = cf_val_int64(*name == 'N' ? receiver.i : receiver.i / 1000000);
        return true;
    }
    if (strcmp(name, "String"))
        return false;
    cf_text_init(&text, run);
    cf_format_duration(&text, receiver.i);
    *ret_val = cf_val_text(&text);
    return true;
}

static struct cf_val moved(struct cf_run *run, const struct cf_time *time, int64_t sec, int years,
                           int month, int day)
{
    struct cf_time *copy = cf_run_alloc(run, sizeof *copy);
    *copy = *time;
    copy->sec += sec;
    if (years || month || day) {
        struct tm tm = broken_down(time);
        tm.tm_year += years;
        tm.tm_mon += month;
        tm.tm_mday += day;
        copy->sec = (int64_t)timegm(&tm) - time->offset;
    }
    return (struct cf_val){.kind = CF_TIME, .time = copy};
}

bool cf_time_method(struct cf_run *run, struct cf_val receiver, const char *name,
                    const struct cf_val *args, size_t count, struct cf_val *ret_val)
{
    if (receiver.kind == CF_INT)
        return duration_method(run, receiver, name, ret_val);
    const struct cf_time *time = receiver.time;
    struct tm tm = broken_down(time);
    struct cf_text text;
    cf_text_init(&text, run);
    if (!strcmp(name, "Format") && count == 1 && args[0].kind == CF_STRING) {
        cf_time_format(&text, time, args[0].str);
        *ret_val = cf_val_text(&text);
    } else if (!strcmp(name, "String")) {
        cf_time_string(&text, time);
        *ret_val = cf_val_text(&text);
    } else if (!strcmp(name, "Unix")) {
        *ret_val = cf_val_int64(time->sec);
    } else if (!strcmp(name, "UnixNano")) {
        *ret_val = cf_val_int64((int64_t)((uint64_t)time->sec * 1000000000 + (uint64_t)time->nsec));
    } else if (!strcmp(name, "Year")) {
        *ret_val = cf_val_int(tm.tm_year + 1900);
    } else if (!strcmp(name, "Month")) {
        *ret_val = (struct cf_val){.kind = CF_INT, .type = CF_T_MONTH, .i = tm.tm_mon + 1};
    } else if (!strcmp(name, "Weekday")) {
        *ret_val = (struct cf_val){.kind = CF_INT, .type = CF_T_WEEKDAY, .i = tm.tm_wday};
    } else if (!strcmp(name, "Day")) {
        *ret_val = cf_val_int(tm.tm_mday);
    } else if (!strcmp(name, "YearDay")) {
        *ret_val = cf_val_int(tm.tm_yday + 1);
    } else if (!strcmp(name, "Hour")) {
        *ret_val = cf_val_int(tm.tm_hour);
    } else if (!strcmp(name, "Minute")) {
        *ret_val = cf_val_int(tm.tm_min);
    } else if (!strcmp(name, "Second")) {
        *ret_val = cf_val_int(tm.tm_sec);
    } else if (!strcmp(name, "UTC")) {
        *ret_val = moved(run, time, 0, 0, 0, 0);
        ret_val->time->offset = 0;
        ret_val->time->zone = "UTC";
    } else if (!strcmp(name, "AddDate") && count == 3) {
        *ret_val = moved(run, time, 0, (int)args[0].i, (int)args[1].i, (int)args[2].i);
    } else if (!strcmp(name, "Add") && count == 1 && args[0].kind == CF_INT) {
        *ret_val = moved(run, time, args[0].i / 1000000000, 0, 0, 0);
    } else {
        return false;
    }
    return true;
}
