/* SPDX-License-Identifier: Apache-2.0 */
/* References as they are found, each once, with their places. */
#include "scan_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "finder.h" /* cf_finder_grow */

struct entry {
    struct cf_scanned scanned;
    size_t place_room;
    uint64_t hash;
};

struct findings {
    struct entry *entries;
    size_t count, room;
    size_t *table; /* numbers + 1 of entries, by hash; a power of two */
    size_t table_size;
    char **files;
    size_t file_count, file_room;
    struct cf_scan_warning *warnings;
    size_t warning_count, warning_room;
    cf_line_map_fn *map; /* NULL: lines are as they are told */
    const void *map_context;
};

int cf_findings_new(struct findings **ret_findings)
{
    struct findings *findings = calloc(1, sizeof(*findings));

    if (!findings)
        return -ENOMEM;
    *ret_findings = findings;
    return 0;
}

void cf_scan_result_done(struct cf_scan_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        free(result->images[i].reference);
        free(result->images[i].places);
    }
    for (size_t i = 0; i < result->warning_count; i++)
        free(result->warnings[i].text);
    for (size_t i = 0; i < result->file_count; i++)
        free(result->files[i]);
    free(result->images);
    free(result->warnings);
    free(result->files);
    *result = (struct cf_scan_result){0};
}

void cf_findings_free(struct findings *findings)
{
    struct cf_scan_result result;

    if (!findings)
        return;
    if (cf_findings_take(findings, &result) == 0)
        cf_scan_result_done(&result);
    free(findings);
}

int cf_findings_file(struct findings *findings, const char *path)
{
    void *grown =
        cf_finder_grow(findings->files, findings->file_count, &findings->file_room, sizeof(path));

    if (!grown)
        return -ENOMEM;
    findings->files = grown;
    char *copy = strdup(path);
    if (!copy)
        return -ENOMEM;
    findings->files[findings->file_count++] = copy;
    return 0;
}

void cf_findings_map(struct findings *findings, cf_line_map_fn *map, const void *context)
{
    findings->map = map;
    findings->map_context = context;
}

static size_t mapped(const struct findings *findings, size_t line)
{
    return findings->map && line ? findings->map(findings->map_context, line) : line;
}

static const char *current_file(const struct findings *findings)
{
    return findings->file_count ? findings->files[findings->file_count - 1] : "";
}

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 14695981039346656037u;

    for (; *text; text++)
        hash = (hash ^ (uint8_t)*text) * 1099511628211u;
    return hash;
}

/* The place in the table for text: of its entry, or an empty one. */
static size_t *slot_of(const struct findings *findings, const char *text, uint64_t hash)
{
    size_t at = hash & (findings->table_size - 1);

    for (;; at = (at + 1) & (findings->table_size - 1)) {
        size_t *slot = &findings->table[at];
        if (*slot == 0)
            return slot;
        const struct entry *entry = &findings->entries[*slot - 1];
        if (entry->hash == hash && (!text || !strcmp(entry->scanned.reference, text)))
            return slot;
    }
}

static int grow_table(struct findings *findings)
{
    size_t size = findings->table_size ? findings->table_size * 2 : 256;
    size_t *table = calloc(size, sizeof(*table));

    if (!table)
        return -ENOMEM;
    free(findings->table);
    findings->table = table;
    findings->table_size = size;
    for (size_t i = 0; i < findings->count; i++) {
        const struct entry *entry = &findings->entries[i];
        *slot_of(findings, entry->scanned.reference, entry->hash) = i + 1;
    }
    return 0;
}

static struct entry *find_entry(struct findings *findings, const char *text, size_t domain_len)
{
    uint64_t hash = hash_of(text);

    if (findings->count * 2 >= findings->table_size && grow_table(findings) < 0)
        return NULL;
    size_t *slot = slot_of(findings, text, hash);
    if (*slot)
        return &findings->entries[*slot - 1];
    void *grown =
        cf_finder_grow(findings->entries, findings->count, &findings->room, sizeof(struct entry));
    if (!grown)
        return NULL;
    findings->entries = grown;
    struct entry *entry = &findings->entries[findings->count];
    *entry = (struct entry){.hash = hash};
    entry->scanned.domain_len = domain_len;
    entry->scanned.reference = strdup(text);
    if (!entry->scanned.reference)
        return NULL;
    *slot = ++findings->count;
    return entry;
}

int cf_findings_add(struct findings *findings, const struct cf_reference *reference, size_t line,
                    enum cf_scan_kind kind)
{
    line = mapped(findings, line);
    char text[CF_REFERENCE_WHOLE_SIZE];
    struct cf_scan_place place = {.file = current_file(findings), .line = line, .kind = kind};

    size_t domain_len = cf_reference_whole(reference, text);
    struct entry *entry = find_entry(findings, text, domain_len);
    if (!entry)
        return -ENOMEM;
    struct cf_scanned *scanned = &entry->scanned;
    for (size_t i = scanned->place_count; i-- > 0;) { /* a repeated one is mostly near */
        const struct cf_scan_place *old = &scanned->places[i];
        if (old->line == line && old->file == place.file && old->kind == kind)
            return 0;
        if (old->file != place.file || scanned->place_count - i > 8)
            break;
    }
    void *grown =
        cf_finder_grow(scanned->places, scanned->place_count, &entry->place_room, sizeof(place));
    if (!grown)
        return -ENOMEM;
    scanned->places = grown;
    scanned->places[scanned->place_count++] = place;
    return 0;
}

int cf_findings_warn(struct findings *findings, size_t line, const char *format, ...)
{
    line = mapped(findings, line);
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_scan_warning warning = {.file = current_file(findings), .line = line};
    va_list ap;

    va_start(ap, format);
    int r = cf_buf_vprintf(&text, format, ap);
    va_end(ap);
    if (r < 0)
        return r;
    void *grown = cf_finder_grow(findings->warnings, findings->warning_count,
                                 &findings->warning_room, sizeof(warning));
    if (!grown)
        return -ENOMEM;
    findings->warnings = grown;
    warning.text = cf_buf_take(&text);
    if (!warning.text)
        return -ENOMEM;
    findings->warnings[findings->warning_count++] = warning;
    return 0;
}

static int compare_places(const void *a, const void *b)
{
    const struct cf_scan_place *x = a, *y = b;
    int order = x->file == y->file ? 0 : strcmp(x->file, y->file);

    if (order == 0)
        order = x->line < y->line ? -1 : x->line > y->line;
    return order ? order : (int)x->kind - (int)y->kind;
}

static int compare_images(const void *a, const void *b)
{
    return strcmp(((const struct cf_scanned *)a)->reference,
                  ((const struct cf_scanned *)b)->reference);
}

static int compare_warnings(const void *a, const void *b)
{
    const struct cf_scan_warning *x = a, *y = b;
    int order = strcmp(x->file, y->file);

    if (order == 0)
        order = x->line < y->line ? -1 : x->line > y->line;
    return order ? order : strcmp(x->text, y->text);
}

/* Each file and line once, with the first kind; the image's kind is the first of all. */
static void tidy(struct cf_scanned *scanned)
{
    struct cf_scan_place *places = scanned->places;
    size_t n = 0;

    qsort(places, scanned->place_count, sizeof(*places), compare_places);
    for (size_t i = 0; i < scanned->place_count; i++)
        if (n == 0 || places[n - 1].line != places[i].line || places[n - 1].file != places[i].file)
            places[n++] = places[i];
    scanned->place_count = n;
    scanned->kind = places[0].kind;
    for (size_t i = 1; i < n; i++)
        if (places[i].kind < scanned->kind)
            scanned->kind = places[i].kind;
}

int cf_findings_take(struct findings *findings, struct cf_scan_result *ret_result)
{
    struct cf_scan_result result = {
        .count = findings->count,
        .warnings = findings->warnings,
        .warning_count = findings->warning_count,
        .files = findings->files,
        .file_count = findings->file_count,
    };

    result.images = calloc(findings->count + 1, sizeof(*result.images));
    if (!result.images)
        return -ENOMEM;
    for (size_t i = 0; i < findings->count; i++) {
        result.images[i] = findings->entries[i].scanned;
        if (result.images[i].place_count)
            tidy(&result.images[i]);
    }
    if (result.count > 1)
        qsort(result.images, result.count, sizeof(*result.images), compare_images);
    if (result.warning_count > 1)
        qsort(result.warnings, result.warning_count, sizeof(*result.warnings), compare_warnings);
    free(findings->entries);
    free(findings->table);
    *findings = (struct findings){0};
    *ret_result = result;
    return 0;
}
