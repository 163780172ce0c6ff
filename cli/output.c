/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void cli_human_size(uint64_t bytes, char ret_text[16])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB", "EB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < CF_COUNT(units)) {
        value /= 1000;
        unit++;
    }
    if (unit == 0 || value >= 99.95)
        snprintf(ret_text, 16, "%.0f %s", value, units[unit]);
    else
        snprintf(ret_text, 16, "%.3g %s", value, units[unit]);
}

int64_t cli_parse_rfc3339(const char *text)
{
    struct tm tm = {0};
    const char *rest = text ? strptime(text, "%Y-%m-%dT%H:%M:%S", &tm) : NULL;
    if (!rest)
        return -1;
    if (*rest == '.')
        rest += 1 + strspn(rest + 1, "0123456789");
    int hours = 0, minutes = 0, used = 0;
    char sign = '+';
    if (!strcmp(rest, "Z"))
        return timegm(&tm);
    if (sscanf(rest, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) != 3 || rest[used] ||
        (sign != '+' && sign != '-'))
        return -1;
    int64_t offset = hours * 3600 + minutes * 60;
    return timegm(&tm) - (sign == '-' ? -offset : offset);
}

void cli_human_age(const char *rfc3339, char ret_text[40])
{
    static const struct {
        int64_t seconds;
        const char *name;
    } units[] = {{31536000, "year"}, {2592000, "month"}, {604800, "week"}, {86400, "day"},
                 {3600, "hour"},     {60, "minute"},     {1, "second"}};
    int64_t then = cli_parse_rfc3339(rfc3339);
    int64_t age = time(NULL) - then;
    ret_text[0] = 0;
    if (then < 0)
        return;
    if (age < 1) {
        strcpy(ret_text, "just now");
        return;
    }
    size_t i = 0;
    while (age < units[i].seconds)
        i++;
    long long count = age / units[i].seconds;
    snprintf(ret_text, 40, "%lld %s%s ago", count, units[i].name, count == 1 ? "" : "s");
}

void cli_time_text(int64_t seconds, char ret_text[32])
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!localtime_r(&t, &tm) || !strftime(ret_text, 32, "%Y-%m-%d %H:%M:%S", &tm))
        snprintf(ret_text, 32, "%lld", (long long)seconds);
}

void cli_mode_text(mode_t mode, char ret_text[11])
{
    static const char letters[] = "rwxrwxrwx";
    ret_text[0] = S_ISDIR(mode)    ? 'd'
                  : S_ISLNK(mode)  ? 'l'
                  : S_ISCHR(mode)  ? 'c'
                  : S_ISBLK(mode)  ? 'b'
                  : S_ISFIFO(mode) ? 'p'
                  : S_ISSOCK(mode) ? 's'
                                   : '-';
    for (int i = 0; i < 9; i++)
        ret_text[1 + i] = mode & (0400 >> i) ? letters[i] : '-';
    if (mode & S_ISUID)
        ret_text[3] = mode & S_IXUSR ? 's' : 'S';
    if (mode & S_ISGID)
        ret_text[6] = mode & S_IXGRP ? 's' : 'S';
    if (mode & S_ISVTX)
        ret_text[9] = mode & S_IXOTH ? 't' : 'T';
    ret_text[10] = 0;
}

/* Length of the printable UTF-8 sequence at s, or 0. */
static size_t printable(const unsigned char *s, size_t len)
{
    size_t need = s[0] < 0x80                   ? 1
                  : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
                  : (s[0] & 0xf0) == 0xe0       ? 3
                  : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
                                                : 0;
    if (!need || need > len)
        return 0;
    if (need == 1)
        return s[0] >= 0x20 && s[0] != 0x7f;
    if (need == 2 && s[0] == 0xc2 && s[1] < 0xa0)
        return 0;
    for (size_t i = 1; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

void cli_put_name(FILE *out, const char *name, size_t len)
{
    if (!isatty(fileno(out))) {
        fwrite(name, 1, len, out);
        return;
    }
    for (size_t i = 0; i < len;) {
        size_t n = printable((const unsigned char *)name + i, len - i);
        if (n)
            fwrite(name + i, 1, n, out);
        else
            fprintf(out, "\\%03o", (unsigned char)name[i]);
        i += n ? n : 1;
    }
}

int cli_put_json(const struct cf_json *json, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    if (!json || cf_json_print(json, true, &text) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    fwrite(text.data, 1, text.len, stdout);
    return 0;
}

struct cli_table {
    size_t columns, rows;
    char **cells; /* rows * columns, the headers first */
};

static bool add_row(struct cli_table *table, const char *const *row)
{
    char **cells = realloc(table->cells, (table->rows + 1) * table->columns * sizeof *cells);
    if (!cells)
        return false;
    table->cells = cells;
    for (size_t i = 0; i < table->columns; i++)
        cells[table->rows * table->columns + i] = strdup(row[i] ? row[i] : "");
    table->rows++;
    return true;
}

struct cli_table *cli_table_new(const char *const *headers, size_t columns)
{
    struct cli_table *table = calloc(1, sizeof *table);
    if (!table)
        return NULL;
    table->columns = columns;
    if (!add_row(table, headers)) {
        free(table);
        return NULL;
    }
    return table;
}

int cli_table_add(struct cli_table *table, ...)
{
    const char *row[16] = {0};
    if (!table || table->columns > CF_COUNT(row))
        return -ENOMEM;
    va_list ap;
    va_start(ap, table);
    for (size_t i = 0; i < table->columns; i++)
        row[i] = va_arg(ap, const char *);
    va_end(ap);
    return add_row(table, row) ? 0 : -ENOMEM;
}

void cli_table_print(struct cli_table *table, FILE *out)
{
    if (!table)
        return;
    for (size_t r = 0; out && r < table->rows; r++) {
        for (size_t c = 0; c < table->columns; c++) {
            const char *cell = table->cells[r * table->columns + c];
            size_t width = 0;
            for (size_t i = 0; i < table->rows; i++) {
                const char *other = table->cells[i * table->columns + c];
                width = other && strlen(other) > width ? strlen(other) : width;
            }
            bool last = c + 1 == table->columns;
            fprintf(out, "%-*s%s", last ? 0 : (int)width, cell ? cell : "", last ? "\n" : "  ");
        }
    }
    for (size_t i = 0; i < table->rows * table->columns; i++)
        free(table->cells[i]);
    free(table->cells);
    free(table);
}

int cli_finish(int status)
{
    cli_progress_end();
    if (fflush(stdout) == 0 && !ferror(stdout))
        return status;
    if (errno == EPIPE)
        return status ? status : CLI_FAILED;
    fprintf(stderr, "cloudfs: standard output: %s\n", strerror(errno ? errno : EIO));
    return status ? status : CLI_FAILED;
}
