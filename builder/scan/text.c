/* SPDX-License-Identifier: Apache-2.0 */
/* Documents, one after the other, through a reader of YAML into a finder. */
#include <errno.h>
#include <string.h>

#include "documents.h"

struct reading {
    struct finder *finder;
    const struct finder_options *options;
    const struct text_options *text;
    size_t seen; /* line of the last event, in the text */
};

static size_t line_of(const struct reading *reading, size_t line)
{
    size_t first = reading->text->first_line ? reading->text->first_line : 1;

    return reading->text->fixed_line ? first : first + line - 1;
}

/* All events of a document. Returns 0, -EBADMSG where the YAML is wrong (with its place and what
 * is wrong), or another failure. */
static int read_events(struct reading *reading, const struct cf_yaml_options *options,
                       size_t *ret_line, struct cf_error *err)
{
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = NULL;
    struct cf_yaml_event event;
    int r = cf_yaml_open(options, &yaml, err);

    while (r >= 0 && (r = cf_yaml_next(yaml, &event, err)) > 0) {
        reading->seen = event.start.line;
        event.start.line = line_of(reading, event.start.line);
        r = cf_finder_event(reading->finder, &event);
        if (r < 0)
            return cf_fail(err, r, "out of memory");
    }
    if (r != -EINVAL && r != -EFBIG)
        return r;
    *ret_line = line_of(reading, cf_yaml_where(yaml).line);
    return -EBADMSG;
}

/* What is wrong, without the place that the caller tells in its own way. */
static const char *without_place(const char *text)
{
    const char *colon = !strncmp(text, "line ", 5) ? strstr(text, ": ") : NULL;

    return colon ? colon + 2 : text;
}

static int drop(struct reading *reading)
{
    cf_finder_free(reading->finder);
    reading->finder = NULL;
    return cf_finder_new(reading->options, &reading->finder);
}

static int read_blanked(struct reading *reading, const struct document *document, size_t *ret_line,
                        struct cf_error *err)
{
    struct cf_buf blanked cf_autobuf = CF_BUF_INIT;

    if (cf_scan_blank_template(document->data, document->len, &blanked) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    struct cf_yaml_options options = {
        .data = blanked.data, .len = blanked.len, .first_line = document->line};
    return read_events(reading, &options, ret_line, err);
}

/* "image: REF", perhaps behind a dash: the reference. */
static bool image_line(const char *line, size_t len, struct judged *ret_judged)
{
    static const char key[] = "image:";
    size_t n = sizeof(key) - 1;

    while (len > 0 && (*line == ' ' || *line == '-')) {
        line++;
        len--;
    }
    if (len < n || memcmp(line, key, n) != 0)
        return false;
    line += n;
    len -= n;
    while (len > 0 && strchr(" \t\"'", *line)) {
        line++;
        len--;
    }
    for (size_t i = 0; i < len; i++)
        if (strchr(" \t\r\"'#", line[i]))
            len = i;
    cf_scan_judge(line, len, ret_judged);
    return ret_judged->parsed && (ret_judged->slash || ret_judged->tag || ret_judged->digest);
}

/* Of a document that is broken, what comes behind the last event is read by its lines. */
static int rescue(struct reading *reading, const struct document *document)
{
    const char *end = document->data + document->len;
    size_t line = document->line;
    int r = 0;

    if (memmem(document->data, document->len, "ResourceDefinition", 18))
        return 0;
    for (const char *at = document->data; at < end && r == 0; line++) {
        const char *next = memchr(at, '\n', (size_t)(end - at));
        size_t len = next ? (size_t)(next - at) : (size_t)(end - at);
        struct judged judged;
        if (line >= reading->seen && image_line(at, len, &judged))
            r = cf_findings_add(reading->options->findings, &judged.reference,
                                line_of(reading, line), reading->options->kind);
        at += len + 1;
    }
    return r;
}

/* A definition refers to nothing, and is most of the bytes of many operators' manifests: its kind,
 * at the beginning of a line, is enough to pass it over. */
static bool is_definition(const struct document *document)
{
    static const char line[] = "kind: CustomResourceDefinition";
    const size_t len = sizeof(line) - 1;
    const char *end = document->data + document->len;

    for (const char *at = document->data; (at = memchr(at, '\n', (size_t)(end - at)));) {
        if ((size_t)(end - ++at) < len)
            return false;
        if (!memcmp(at, "kind:", 5))
            return !memcmp(at, line, len) && (at + len == end || strchr("\r\n ", at[len]));
    }
    return false;
}

/* Whether it has "{{": most texts have not even one brace. */
static bool has_actions(const struct document *document)
{
    const char *end = document->data + document->len;

    for (const char *at = document->data; (at = memchr(at, '{', (size_t)(end - at))); at++)
        if (at + 1 < end && at[1] == '{')
            return true;
    return false;
}

static int read_document(struct reading *reading, struct documents *documents,
                         const struct document *document, struct cf_error *err)
{
    struct cf_yaml_options options = {
        .data = document->data,
        .len = document->len,
        .source = document->data ? NULL : cf_documents_read,
        .source_context = documents,
        .first_line = document->line,
    };
    bool actions = document->data && has_actions(document);
    size_t line = 0;
    int r;

    reading->seen = document->line;
    if (document->data && is_definition(document))
        return 0;
    if (actions && reading->text->is_template)
        return read_blanked(reading, document, &line, err) == -EBADMSG
                   ? cf_findings_warn(reading->options->findings, line,
                                      "cannot be read without values: %s", without_place(err->text))
                   : 0;
    r = read_events(reading, &options, &line, err);
    if (r != -EBADMSG)
        return r;
    if (reading->text->quiet && !actions)
        return drop(reading);
    if (!reading->text->quiet) {
        r = cf_findings_warn(reading->options->findings, line, "%s%s", without_place(err->text),
                             actions ? " (it has {{ }}: read as a template)" : "");
        if (r == 0 && document->data && !actions)
            r = rescue(reading, document);
        if (r < 0 || !actions)
            return r;
    }
    r = drop(reading);
    if (r == 0)
        r = read_blanked(reading, document, &line, err);
    return r == -EBADMSG ? reading->text->quiet ? drop(reading) : 0 : r;
}

static int skip_rest(struct documents *documents, struct cf_error *err)
{
    char data[4096];
    ssize_t n;

    do
        n = cf_documents_read(documents, data, sizeof(data), err);
    while (n > 0);
    return (int)n;
}

int cf_scan_text(const struct finder_options *finder, const struct text_options *options,
                 struct cf_error *err)
{
    struct reading reading = {.options = finder, .text = options};
    struct documents documents;
    struct document document;
    struct cf_error own = {0};
    int r = cf_finder_new(finder, &reading.finder);

    if (r < 0)
        return cf_fail(err, r, "out of memory");
    cf_documents_init(&documents, options->data, options->len, options->source,
                      options->source_context);
    while (r >= 0 && (r = cf_documents_next(&documents, &document, &own)) > 0) {
        r = read_document(&reading, &documents, &document, &own);
        if (r >= 0 && !document.data)
            r = skip_rest(&documents, &own);
        if (r >= 0)
            r = cf_finder_end(reading.finder);
    }
    cf_documents_done(&documents);
    cf_finder_free(reading.finder);
    if (r < 0 && err)
        *err = own;
    return r;
}
