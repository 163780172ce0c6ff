/* SPDX-License-Identifier: Apache-2.0 */
#include "documents.h"

#include <errno.h>
#include <string.h>

#define AT_HAND_MAX (4u << 20) /* larger documents are streamed */
#define STEP (256u << 10)
#define MARK 5 /* "\n---" and what follows */

void cf_documents_init(struct documents *documents, const void *data, size_t len,
                       cf_source_fn *source, void *source_context)
{
    *documents = (struct documents){.data = data,
                                    .len = data ? len : 0,
                                    .line = 1,
                                    .source = data ? NULL : source,
                                    .source_context = source_context,
                                    .window = CF_BUF_INIT,
                                    .ended = data != NULL};
}

void cf_documents_done(struct documents *documents)
{
    cf_buf_done(&documents->window);
}

static size_t count_lines(const char *data, size_t len)
{
    const char *end = data + len;
    size_t lines = 0;

    for (const char *at = data; (at = memchr(at, '\n', (size_t)(end - at))); at++)
        lines++;
    return lines;
}

/* Reads a step more into the window, whose used part is dropped. */
static int fill(struct documents *documents, struct cf_error *err)
{
    struct cf_buf *window = &documents->window;

    if (documents->at > 0) {
        memmove(window->data, window->data + documents->at, window->len - documents->at);
        window->len -= documents->at;
        documents->at = 0;
    }
    if (cf_buf_reserve(window, STEP) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    ssize_t n = documents->source(documents->source_context, window->data + window->len, STEP, err);
    if (n < 0)
        return (int)n;
    window->len += (size_t)n;
    documents->ended = n == 0;
    documents->data = window->data;
    documents->len = window->len;
    return 0;
}

static bool is_white(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Where the document that begins at at ends: offset from at, or 0 if that is not in the window. */
static size_t find_end(const struct documents *documents, size_t from)
{
    const char *begin = documents->data + documents->at;
    size_t len = documents->len - documents->at;

    for (const char *at = begin + from; (at = memchr(at, '\n', len - (size_t)(at - begin))) != NULL;
         at++) {
        size_t left = len - (size_t)(at - begin);
        if (left < MARK && !documents->ended)
            return 0;
        bool after = left == 4 || (left > 4 && is_white(at[4]));
        if (left < 4 || !after)
            continue;
        if (!memcmp(at, "\n---", 4))
            return (size_t)(at - begin) + 1;
        if (!memcmp(at, "\n...", 4)) { /* belongs to what it ends, with the rest of its line */
            const char *next = memchr(at + 1, '\n', left - 1);
            if (!next && !documents->ended)
                return 0;
            return next ? (size_t)(next - begin) + 1 : len;
        }
    }
    return documents->ended ? len : 0;
}

/* Directives belong to the document that follows them. */
static bool is_prologue(const char *data, size_t len)
{
    bool directive = false;

    for (size_t i = 0; i < len;) {
        const char *end = memchr(data + i, '\n', len - i);
        size_t line = end ? (size_t)(end - data) - i : len - i;
        size_t white = 0;
        while (white < line && is_white(data[i + white]))
            white++;
        if (line > 0 && data[i] == '%')
            directive = true;
        else if (white < line && data[i + white] != '#')
            return false;
        i += line + 1;
    }
    return directive;
}

int cf_documents_next(struct documents *documents, struct document *ret_document,
                      struct cf_error *err)
{
    size_t searched = 0, end = 0;

    for (;;) {
        size_t len = documents->len - documents->at;
        if (len == 0 && documents->ended)
            return 0;
        end = len > 0 ? find_end(documents, searched) : 0;
        if (end > 0 && end < len && is_prologue(documents->data + documents->at, end)) {
            searched = end;
            continue;
        }
        if (end > 0)
            break;
        if (len > AT_HAND_MAX) {
            *ret_document = (struct document){.line = documents->line};
            documents->cut = documents->last = false;
            documents->clear = 0;
            return 1;
        }
        searched = len > MARK && searched < len - MARK ? len - MARK : searched;
        int r = fill(documents, err);
        if (r < 0)
            return r;
    }
    *ret_document = (struct document){
        .data = documents->data + documents->at, .len = end, .line = documents->line};
    documents->line += count_lines(ret_document->data, end);
    documents->at += end;
    return 1;
}

ssize_t cf_documents_read(void *context, void *data, size_t len, struct cf_error *err)
{
    struct documents *documents = context;

    while (!documents->cut && documents->clear == 0 && documents->len - documents->at <= MARK &&
           !documents->ended) {
        int r = fill(documents, err);
        if (r < 0)
            return r;
    }
    if (documents->cut)
        return 0;
    if (documents->clear == 0) {
        size_t end = find_end(documents, 0);
        documents->last = end > 0;
        documents->clear = end > 0 ? end : documents->len - documents->at - MARK;
    }
    size_t give = documents->clear < len ? documents->clear : len;
    memcpy(data, documents->data + documents->at, give);
    documents->line += count_lines(data, give);
    documents->at += give;
    documents->clear -= give;
    documents->cut = documents->last && documents->clear == 0;
    return (ssize_t)give;
}
