/* SPDX-License-Identifier: Apache-2.0 */
/* Sprig's functions on dates. `now` is the engine's, the same throughout a rendering. */
#include "dates.h"
#include "format.h"
#include "func.h"
#include "number.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct cf_val at_time(struct cf_exec *x, int64_t sec, int32_t nsec, bool local)
{
    struct cf_time *time = cf_run_alloc(x->run, sizeof *time);
    *time = (struct cf_time){sec, nsec, 0, "UTC"};
    if (local) {
        time_t t = (time_t)sec;
        struct tm tm;
        if (localtime_r(&t, &tm)) {
            time->offset = (int32_t)tm.tm_gmtoff;
            time->zone = cf_run_strdup(x->run, tm.tm_zone ? tm.tm_zone : "UTC");
        }
    }
    return (struct cf_val){.kind = CF_TIME, .time = time};
}

CF_FUNC(f_now)
{
    CF_UNUSED;
    return at_time(x, x->engine->now, 0, true);
}

/* A time, or seconds since 1970; anything else is now. */
static struct cf_val time_of(struct cf_exec *x, struct cf_val val, bool local)
{
    if (val.kind == CF_TIME)
        return val;
    return at_time(x, val.kind == CF_INT ? val.i : x->engine->now, 0, local);
}

/* The zone's offset then: a fixed form, or a name of tzdata, which only a process with TZ can ask.
 */
static void set_zone(struct cf_exec *x, struct cf_time *time, const char *zone)
{
    char path[128];
    time->offset = 0;
    time->zone = "UTC";
    if (!*zone || !strcmp(zone, "UTC") || strstr(zone, "..") || strlen(zone) > 64)
        return;
    time_t t = (time_t)time->sec;
    struct tm tm;
    if (!strcmp(zone, "Local")) {
        if (localtime_r(&t, &tm)) {
            time->offset = (int32_t)tm.tm_gmtoff;
            time->zone = cf_run_strdup(x->run, tm.tm_zone ? tm.tm_zone : "UTC");
        }
        return;
    }
    snprintf(path, sizeof path, "/usr/share/zoneinfo/%s", zone);
    cf_zone_lookup(x->run, path, time);
}

static struct cf_val formatted(struct cf_exec *x, const char *layout, const struct cf_time *time)
{
    struct cf_text text;
    cf_text_init(&text, x->run);
    cf_time_format(&text, time, layout);
    return cf_val_text(&text);
}

static struct cf_val in_zone(struct cf_exec *x, const char *layout, struct cf_val when,
                             const char *zone)
{
    struct cf_time time = *time_of(x, when, false).time;
    set_zone(x, &time, zone);
    return formatted(x, layout, &time);
}

CF_FUNC(f_date)
{
    CF_UNUSED;
    return in_zone(x, a[0].str, a[1], "Local");
}

CF_FUNC(f_date_in_zone)
{
    CF_UNUSED;
    return in_zone(x, a[0].str, a[1], a[2].str);
}

CF_FUNC(f_html_date)
{
    CF_UNUSED;
    return in_zone(x, "2006-01-02", a[0], "Local");
}

CF_FUNC(f_html_date_in_zone)
{
    CF_UNUSED;
    return in_zone(x, "2006-01-02", a[0], a[1].str);
}

CF_FUNC(f_unix_epoch)
{
    CF_UNUSED;
    char text[24];
    snprintf(text, sizeof text, "%lld", (long long)a[0].time->sec);
    return cf_val_copy_str(x->run, text, strlen(text));
}

/* "1h30m", "-1.5s" */
static bool parse_duration(const char *s, int64_t *ret)
{
    static const struct {
        const char *name;
        double unit;
    } units[] = {{"ns", 1},  {"us", 1e3}, {"µs", 1e3},  {"ms", 1e6},
                 {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
    double total = 0;
    bool negative = *s == '-';
    if (*s == '-' || *s == '+')
        s++;
    if (!strcmp(s, "0")) {
        *ret = 0;
        return true;
    }
    if (!*s)
        return false;
    while (*s) {
        char *end;
        if (!isdigit((unsigned char)*s) && *s != '.')
            return false;
        double value = strtod(s, &end);
        size_t len = strcspn(end, "0123456789."), i = 0;
        while (i < 7 && (strlen(units[i].name) != len || strncmp(end, units[i].name, len)))
            i++;
        if (i == 7 || end == s)
            return false;
        total += value * units[i].unit;
        s = end + len;
    }
    if (total > 9.2e18)
        return false;
    *ret = (int64_t)(negative ? -total : total);
    return true;
}

static struct cf_val modify(struct cf_exec *x, const struct cf_val *a, bool must)
{
    int64_t by;
    if (!parse_duration(a[0].str, &by)) {
        if (must)
            cf_func_fail(x, "time: invalid duration \"%s\"", a[0].str);
        return a[1];
    }
    int64_t nsec = a[1].time->nsec + by % 1000000000, sec = a[1].time->sec + by / 1000000000;
    struct cf_time *time = cf_run_alloc(x->run, sizeof *time);
    *time = *a[1].time;
    time->sec = sec + (nsec < 0 ? -1 : nsec / 1000000000);
    time->nsec = (int32_t)(nsec < 0 ? nsec + 1000000000 : nsec % 1000000000);
    return (struct cf_val){.kind = CF_TIME, .time = time};
}

CF_FUNC(f_modify)
{
    CF_UNUSED;
    return modify(x, a, false);
}

CF_FUNC(f_must_modify)
{
    CF_UNUSED;
    return modify(x, a, true);
}

/* As a time.Duration, at most what one holds. */
static int64_t nanoseconds(int64_t seconds)
{
    int64_t result;
    if (__builtin_mul_overflow(seconds, (int64_t)1000000000, &result))
        return seconds < 0 ? INT64_MIN : INT64_MAX;
    return result;
}

/* The duration of a number of seconds, as text. */
CF_FUNC(f_duration)
{
    CF_UNUSED;
    struct cf_text text;
    /* Only a text or an int64 counts: of an int, as a number of a template is, Sprig makes 0s. */
    bool counts = a[0].kind == CF_STRING || (a[0].kind == CF_INT && a[0].type == CF_T_INT64);
    int64_t seconds = counts ? cf_val_to_int(a[0]) : 0;
    cf_text_init(&text, x->run);
    cf_format_duration(&text, nanoseconds(seconds));
    return cf_val_text(&text);
}

CF_FUNC(f_ago)
{
    CF_UNUSED;
    struct cf_text text;
    cf_text_init(&text, x->run);
    cf_format_duration(&text, nanoseconds(x->engine->now - time_of(x, a[0], false).time->sec));
    return cf_val_text(&text);
}

CF_FUNC(f_duration_round)
{
    CF_UNUSED;
    static const struct {
        const char *name;
        uint64_t seconds;
    } units[] = {{"y", 31536000}, {"mo", 2592000}, {"d", 86400}, {"h", 3600}, {"m", 60}, {"s", 1}};
    int64_t by = 0;
    if (a[0].kind == CF_STRING)
        (void)parse_duration(a[0].str, &by);
    else if (a[0].kind == CF_INT)
        by = a[0].i;
    else if (a[0].kind == CF_TIME)
        by = nanoseconds(x->engine->now - a[0].time->sec);
    uint64_t seconds = (uint64_t)llabs(by / 1000000000);
    for (size_t i = 0; i < 6; i++)
        if (seconds >= units[i].seconds) {
            char *text = cf_run_format(
                x->run, "%llu%s", (unsigned long long)(seconds / units[i].seconds), units[i].name);
            return cf_val_cstr(text);
        }
    return cf_val_cstr("0s");
}

/* By the layouts that people use: numbers, month names, zones as +hh:mm, Z. */
static struct cf_val to_date(struct cf_exec *x, const struct cf_val *a, bool must)
{
    struct cf_time time = {0, 0, 0, "UTC"};
    if (cf_time_parse(a[0].str, a[1].str, &time)) {
        struct cf_time *copy = cf_run_alloc(x->run, sizeof *copy);
        *copy = time;
        return (struct cf_val){.kind = CF_TIME, .time = copy};
    }
    if (must)
        cf_func_fail(x, "parsing time \"%s\" as \"%s\": cannot parse", a[1].str, a[0].str);
    return at_time(x, -62135596800, 0, false);
}

CF_FUNC(f_to_date)
{
    CF_UNUSED;
    return to_date(x, a, false);
}

CF_FUNC(f_must_to_date)
{
    CF_UNUSED;
    return to_date(x, a, true);
}

const struct cf_func cf_funcs_dates[] = {
    {"now", "", f_now},
    {"date", "sa", f_date},
    {"dateInZone", "sas", f_date_in_zone},
    {"date_in_zone", "sas", f_date_in_zone},
    {"htmlDate", "a", f_html_date},
    {"htmlDateInZone", "as", f_html_date_in_zone},
    {"unixEpoch", "t", f_unix_epoch},
    {"dateModify", "st", f_modify},
    {"date_modify", "st", f_modify},
    {"mustDateModify", "st", f_must_modify},
    {"must_date_modify", "st", f_must_modify},
    {"duration", "a", f_duration},
    {"durationRound", "a", f_duration_round},
    {"ago", "a", f_ago},
    {"toDate", "ss", f_to_date},
    {"mustToDate", "ss", f_must_to_date},
    {NULL},
};
