/* SPDX-License-Identifier: Apache-2.0 */
/* Times: Go's layouts, durations. Zones by name come from the system's tzdata. */
#ifndef CF_DATES_H
#define CF_DATES_H

#include "value.h"

void cf_time_string(struct cf_text *out, const struct cf_time *time); /* Time.String() */
void cf_time_format(struct cf_text *out, const struct cf_time *time, const char *layout);
/* Time.Parse for layouts of numbers, month names and zones as numbers or Z. */
bool cf_time_parse(const char *layout, const char *text, struct cf_time *ret_time);
/* Sets the zone that a tzdata file (RFC 8536) gives for time->sec; leaves UTC when it cannot. */
void cf_zone_lookup(struct cf_run *run, const char *path, struct cf_time *time);
const char *cf_month_name(int64_t month); /* 1 is January */
const char *cf_weekday_name(int64_t day); /* 0 is Sunday */
/* A method of a time.Time or time.Duration; false: there is no such. */
bool cf_time_method(struct cf_run *run, struct cf_val receiver, const char *name,
                    const struct cf_val *args, size_t count, struct cf_val *ret_val);

#endif
