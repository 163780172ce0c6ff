/* SPDX-License-Identifier: Apache-2.0 */
#include "moment.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cloudfs/commit.h>

#define FIRST_SECOND (-62135596800) /* 0001-01-01T00:00:00Z */
#define LAST_SECOND 253402300799    /* 9999-12-31T23:59:59Z */

void cf_moment_text(int64_t sec, uint32_t nsec, char ret_text[MOMENT_SIZE])
{
    char fraction[16] = "";
    struct tm tm = {0};

    if (sec < FIRST_SECOND || sec > LAST_SECOND) {
        sec = sec < FIRST_SECOND ? FIRST_SECOND : LAST_SECOND;
        nsec = 0;
    }
    time_t t = (time_t)sec;
    gmtime_r(&t, &tm);
    if (nsec > 0 && nsec < 1000000000) {
        snprintf(fraction, sizeof(fraction), ".%09u", nsec);
        for (size_t i = strlen(fraction); fraction[i - 1] == '0'; i--)
            fraction[i - 1] = '\0';
    }
    snprintf(ret_text, MOMENT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900,
             tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
}

int64_t cf_image_moment(const struct cf_image *image, const struct cf_image_options *options)
{
    const char *created = cf_json_get_string(image->config_json, "created");
    struct tm tm = {0};

    if (options->has_timestamp)
        return options->timestamp;
    if (!created || !strptime(created, "%Y-%m-%dT%H:%M:%S", &tm))
        return 0;
    return (int64_t)timegm(&tm);
}
