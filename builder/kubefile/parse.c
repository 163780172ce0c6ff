/* SPDX-License-Identifier: Apache-2.0 */
/* From the text of a Kubefile to its instructions: lines, continuations, flags, heredocs. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cloudfs/kubefile.h>

static const char *const word_names[] = {
    [CF_KUBEFILE_FROM] = "FROM",
    [CF_KUBEFILE_COPY] = "COPY",
    [CF_KUBEFILE_ADD] = "ADD",
    [CF_KUBEFILE_RUN] = "RUN",
    [CF_KUBEFILE_CMD] = "CMD",
    [CF_KUBEFILE_ARG] = "ARG",
    [CF_KUBEFILE_ENV] = "ENV",
    [CF_KUBEFILE_LABEL] = "LABEL",
    [CF_KUBEFILE_MAINTAINER] = "MAINTAINER",
    [CF_KUBEFILE_APP] = "APP",
    [CF_KUBEFILE_APPCMDS] = "APPCMDS",
    [CF_KUBEFILE_APPENV] = "APPENV",
    [CF_KUBEFILE_LAUNCH] = "LAUNCH",
    [CF_KUBEFILE_CMDS] = "CMDS",
    [CF_KUBEFILE_CNI] = "CNI",
    [CF_KUBEFILE_CSI] = "CSI",
    [CF_KUBEFILE_KUBEVERSION] = "KUBEVERSION",
};

const char *cf_kubefile_word_name(enum cf_kubefile_word word)
{
    return word_names[word];
}

/* The reading: a cursor over the lines of the file. */
struct reading {
    struct cf_kubefile *kubefile;
    size_t at;     /* of the next line */
    unsigned line; /* number of the line at hand */
    size_t room;   /* of kubefile->list */
    struct cf_error *err;
};

struct line {
    const char *text;
    size_t len; /* without its end */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\v' || c == '\f';
}

/* ---- messages ---- */

/* "NAME:LINE:COLUMN: what: the line", the line cut to what a person needs. */
static int fail_at(const struct cf_kubefile *kubefile, unsigned line, unsigned column,
                   struct cf_error *err, int code, const char *what)
{
    const char *text = kubefile->data;
    for (unsigned i = 1; i < line && text; i++) {
        text = strchr(text, '\n');
        text = text ? text + 1 : NULL;
    }
    size_t len = text ? strcspn(text, "\r\n") : 0;
    if (len == 0)
        return cf_fail(err, code, "%s:%u:%u: %s", kubefile->name, line, column, what);
    return cf_fail(err, code, "%s:%u:%u: %s: | %.*s%s", kubefile->name, line, column, what,
                   (int)(len < 160 ? len : 160), text, len < 160 ? "" : "...");
}

int cf_kubefile_fail(const struct cf_kubefile *kubefile,
                     const struct cf_kubefile_instruction *instruction, size_t offset,
                     struct cf_error *err, int code, const char *format, ...)
{
    char what[CF_ERROR_TEXT_SIZE];
    unsigned line = instruction->line, column = 1;
    va_list ap;

    va_start(ap, format);
    (void)vsnprintf(what, sizeof(what), format, ap);
    va_end(ap);
    for (size_t i = 0; i < instruction->place_count; i++) {
        const struct cf_kubefile_place *place = &instruction->places[i];
        if (place->offset > offset)
            break;
        line = place->line;
        column = place->column + (unsigned)(offset - place->offset);
    }
    return fail_at(kubefile, line, column, err, code, what);
}

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

/* ---- lines ---- */

static bool next_line(struct reading *reading, struct line *ret_line)
{
    const struct cf_kubefile *kubefile = reading->kubefile;
    if (reading->at >= kubefile->len)
        return false;
    const char *text = kubefile->data + reading->at;
    const char *end = memchr(text, '\n', kubefile->len - reading->at);
    size_t len = end ? (size_t)(end - text) : kubefile->len - reading->at;
    reading->at += len + (end != NULL);
    reading->line++;
    *ret_line = (struct line){text, len};
    return true;
}

static struct line trimmed(struct line line)
{
    while (line.len && is_blank(line.text[0])) {
        line.text++;
        line.len--;
    }
    while (line.len && is_blank(line.text[line.len - 1]))
        line.len--;
    return line;
}

static int add_place(struct cf_kubefile_instruction *instruction, size_t offset, unsigned line,
                     unsigned column)
{
    struct cf_kubefile_place *list = reallocarray(instruction->places, instruction->place_count + 1,
                                                  sizeof(*instruction->places));
    if (!list)
        return -ENOMEM;
    instruction->places = list;
    list[instruction->place_count++] = (struct cf_kubefile_place){offset, line, column};
    return 0;
}

/* ---- directives ---- */

/* "name" ":" or "=" "value" of a comment: true, and both parts. */
static bool split_directive(struct line line, char separator, struct line *ret_name,
                            struct line *ret_value)
{
    const char *cut = memchr(line.text, separator, line.len);
    if (!cut)
        return false;
    *ret_name = trimmed((struct line){line.text, (size_t)(cut - line.text)});
    *ret_value = trimmed((struct line){cut + 1, line.len - (size_t)(cut - line.text) - 1});
    return true;
}

static bool line_is(struct line line, const char *text)
{
    return line.len == strlen(text) && !strncasecmp(line.text, text, line.len);
}

/* `# cloudfs: copy=docker` stands anywhere. */
static int take_own_directive(struct reading *reading, struct line value)
{
    if (line_is(value, "copy=docker"))
        reading->kubefile->docker_copy = true;
    else if (line_is(value, "copy=sealer"))
        reading->kubefile->docker_copy = false;
    else
        return fail_at(reading->kubefile, reading->line, 1, reading->err, -EINVAL,
                       "cloudfs knows copy=docker and copy=sealer here");
    return 0;
}

/* first: nothing but such lines came before. */
static int take_comment(struct reading *reading, struct line line, bool *first)
{
    struct line name, value;
    line.text++;
    line.len--;
    if (split_directive(line, ':', &name, &value) && line_is(name, "cloudfs"))
        return take_own_directive(reading, value);
    if (!*first || !split_directive(line, '=', &name, &value) || !name.len ||
        memchr(name.text, ' ', name.len)) {
        *first = false;
        return 0;
    }
    if (line_is(name, "escape")) {
        if (!line_is(value, "\\") && !line_is(value, "`"))
            return fail_at(reading->kubefile, reading->line, 1, reading->err, -EINVAL,
                           "the escape character is \\ or `");
        reading->kubefile->escape = value.text[0];
    }
    return 0;
}

/* ---- one instruction ---- */

/* Adds the line to the instruction's text; 1 where it goes on in the next line. */
static int add_line(struct reading *reading, struct cf_kubefile_instruction *instruction,
                    struct cf_buf *text, struct line line)
{
    size_t len = line.len, lead = 0;
    while (len && is_blank(line.text[len - 1]))
        len--;
    bool more = len && line.text[len - 1] == reading->kubefile->escape;
    if (more)
        len--;
    if (text->len == 0)
        while (lead < len && is_blank(line.text[lead]))
            lead++;
    int r = add_place(instruction, text->len, reading->line, (unsigned)lead + 1);
    if (r == 0)
        r = cf_buf_add(text, line.text + lead, len - lead);
    return r < 0 ? no_memory(reading->err) : more;
}

/* The lines of one instruction, joined. */
static int join_lines(struct reading *reading, struct cf_kubefile_instruction *instruction,
                      struct line line, struct cf_buf *ret_text)
{
    int more = add_line(reading, instruction, ret_text, line);
    while (more == 1) {
        if (!next_line(reading, &line))
            return 0; /* an escape at the end of the file continues nothing */
        struct line bare = trimmed(line);
        if (bare.len == 0 || bare.text[0] == '#')
            continue;
        more = add_line(reading, instruction, ret_text, line);
    }
    return more;
}

/* Cuts count bytes off the front of the text, and moves the places along. */
static void cut_front(struct cf_kubefile_instruction *instruction, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < instruction->place_count; i++) {
        struct cf_kubefile_place place = instruction->places[i];
        bool last_before =
            i + 1 == instruction->place_count || instruction->places[i + 1].offset > count;
        if (place.offset < count) {
            if (!last_before)
                continue;
            place.column += (unsigned)(count - place.offset);
            place.offset = count;
        }
        place.offset -= count;
        instruction->places[kept++] = place;
    }
    instruction->place_count = kept;
}

static int find_word(const char *text, size_t len, enum cf_kubefile_word *ret_word)
{
    for (size_t i = 0; i < CF_COUNT(word_names); i++)
        if (strlen(word_names[i]) == len && !strncasecmp(word_names[i], text, len)) {
            *ret_word = (enum cf_kubefile_word)i;
            return 0;
        }
    return -EINVAL;
}

static int add_flag(struct cf_kubefile_instruction *instruction, const char *text, size_t len,
                    size_t offset)
{
    struct cf_kubefile_flag *list =
        reallocarray(instruction->flags, instruction->flag_count + 1, sizeof(*list));
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    if (!list)
        return -ENOMEM;
    instruction->flags = list;
    struct cf_kubefile_flag *flag = &list[instruction->flag_count++];
    *flag = (struct cf_kubefile_flag){.offset = offset};
    flag->name = strndup(text, name_len);
    flag->value = strndup(equals ? equals + 1 : "", equals ? len - name_len - 1 : 0);
    return flag->name && flag->value ? 0 : -ENOMEM;
}

/* Which instructions have flags at all: the text of the others is theirs from the first byte. */
static bool takes_flags(enum cf_kubefile_word word)
{
    return word == CF_KUBEFILE_FROM || word == CF_KUBEFILE_COPY || word == CF_KUBEFILE_ADD ||
           word == CF_KUBEFILE_RUN;
}

/* The word and the flags of the joined text; *ret_end is where the rest begins. */
static int read_front(struct reading *reading, struct cf_kubefile_instruction *instruction,
                      const char *text, size_t *ret_end)
{
    size_t at = strcspn(text, " \t\r");
    if (find_word(text, at, &instruction->word) < 0)
        return cf_kubefile_fail(reading->kubefile, instruction, 0, reading->err, -EINVAL,
                                "unknown instruction '%.*s'", (int)(at < 40 ? at : 40), text);
    for (;;) {
        at += strspn(text + at, " \t\r");
        if (!takes_flags(instruction->word) || strncmp(text + at, "--", 2) != 0)
            break;
        size_t len = strcspn(text + at, " \t\r");
        if (len == 2) { /* "--" alone ends the flags */
            at += len;
            continue;
        }
        if (add_flag(instruction, text + at + 2, len - 2, at) < 0)
            return no_memory(reading->err);
        at += len;
    }
    *ret_end = at;
    return 0;
}

/* ---- heredocs ---- */

/* The mark behind "<<" at text: "EOF", "-EOF", "'EOF'"; its length, 0 for none. */
static size_t read_mark(const char *text, bool *ret_dash, char *ret_quote, struct line *ret_name)
{
    const char *p = text;
    *ret_dash = *p == '-';
    p += *ret_dash;
    *ret_quote = *p == '\'' || *p == '"' ? *p : '\0';
    p += *ret_quote != '\0';
    const char *name = p;
    while (isalnum((unsigned char)*p) || *p == '_' || *p == '.')
        p++;
    if (p == name || isdigit((unsigned char)*name))
        return 0;
    *ret_name = (struct line){name, (size_t)(p - name)};
    if (*ret_quote && *p++ != *ret_quote)
        return 0;
    return (size_t)(p - text);
}

static int read_heredoc(struct reading *reading, struct cf_kubefile_instruction *instruction,
                        bool dash, bool expand, struct line name, size_t offset)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct line line;
    struct cf_kubefile_heredoc *list =
        reallocarray(instruction->heredocs, instruction->heredoc_count + 1, sizeof(*list));
    if (!list)
        return no_memory(reading->err);
    instruction->heredocs = list;
    for (;;) {
        if (!next_line(reading, &line))
            return cf_kubefile_fail(reading->kubefile, instruction, offset, reading->err, -EINVAL,
                                    "the file ends before the line '%.*s' of this heredoc",
                                    (int)name.len, name.text);
        while (dash && line.len && line.text[0] == '\t') {
            line.text++;
            line.len--;
        }
        struct line bare = line;
        if (bare.len && bare.text[bare.len - 1] == '\r')
            bare.len--;
        if (bare.len == name.len && !memcmp(bare.text, name.text, name.len))
            break;
        if (cf_buf_add(&text, line.text, line.len) < 0 || cf_buf_add_char(&text, '\n') < 0)
            return no_memory(reading->err);
    }
    struct cf_kubefile_heredoc *heredoc = &list[instruction->heredoc_count];
    *heredoc = (struct cf_kubefile_heredoc){.expand = expand, .len = text.len};
    heredoc->name = strndup(name.text, name.len);
    heredoc->text = text.len ? cf_buf_take(&text) : strdup("");
    instruction->heredoc_count++;
    return heredoc->name && heredoc->text ? 0 : no_memory(reading->err);
}

/* Every "<<MARK" that begins a word outside quotes. */
static int read_heredocs(struct reading *reading, struct cf_kubefile_instruction *instruction)
{
    const char *text = instruction->text;
    char quote = '\0';
    for (size_t i = 0; text[i]; i++) {
        bool dash = false;
        char mark_quote = '\0';
        struct line name = {0};
        if (quote) {
            quote = text[i] == quote ? '\0' : quote;
            continue;
        }
        if (text[i] == '\'' || text[i] == '"') {
            quote = text[i];
            continue;
        }
        if (strncmp(text + i, "<<", 2) != 0)
            continue;
        size_t len = text[i + 2] == '<' ? 0 : read_mark(text + i + 2, &dash, &mark_quote, &name);
        if (len == 0) {
            i += strspn(text + i, "<") - 1;
            continue;
        }
        int r = read_heredoc(reading, instruction, dash, mark_quote == '\0', name, i);
        if (r < 0)
            return r;
        i += len + 1;
    }
    return 0;
}

static bool may_have_heredocs(enum cf_kubefile_word word)
{
    return word == CF_KUBEFILE_RUN || word == CF_KUBEFILE_COPY || word == CF_KUBEFILE_ADD;
}

static int fill_instruction(struct reading *reading, struct cf_kubefile_instruction *instruction,
                            struct line line)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    size_t front = 0;

    instruction->line = reading->line;
    int r = join_lines(reading, instruction, line, &text);
    if (r == 0)
        r = read_front(reading, instruction, text.data ? text.data : "", &front);
    if (r < 0)
        return r;
    while (text.len > front && is_blank(text.data[text.len - 1]))
        text.data[--text.len] = '\0';
    instruction->text = strdup(text.data + front);
    if (!instruction->text)
        return no_memory(reading->err);
    for (size_t i = 0; i < instruction->flag_count; i++) /* flags stand before what is left */
        instruction->flags[i].offset = 0;
    if (!*instruction->text)
        return cf_kubefile_fail(reading->kubefile, instruction, 0, reading->err, -EINVAL,
                                "%s needs an argument", word_names[instruction->word]);
    cut_front(instruction, front);
    return may_have_heredocs(instruction->word) ? read_heredocs(reading, instruction) : 0;
}

static int add_instruction(struct reading *reading, struct line line)
{
    struct cf_kubefile *kubefile = reading->kubefile;
    if (kubefile->count == CF_KUBEFILE_INSTRUCTIONS)
        return fail_at(kubefile, reading->line, 1, reading->err, -EFBIG,
                       "too many instructions (the limit is 10,000)");
    if (kubefile->count == reading->room) {
        size_t room = reading->room ? 2 * reading->room : 32;
        struct cf_kubefile_instruction *list =
            reallocarray(kubefile->list, room, sizeof(*kubefile->list));
        if (!list)
            return no_memory(reading->err);
        kubefile->list = list;
        reading->room = room;
    }
    kubefile->list[kubefile->count] = (struct cf_kubefile_instruction){0};
    return fill_instruction(reading, &kubefile->list[kubefile->count++], line);
}

static int read_all(struct reading *reading)
{
    struct line line;
    bool first = true;
    int r = 0;

    while (r == 0 && next_line(reading, &line)) {
        struct line bare = trimmed(line);
        if (bare.len == 0)
            continue;
        if (bare.text[0] == '#') {
            r = take_comment(reading, bare, &first);
            continue;
        }
        first = false;
        r = add_instruction(reading, line);
    }
    return r;
}

int cf_kubefile_parse(const char *name, const void *data, size_t len,
                      struct cf_kubefile **ret_kubefile, struct cf_error *err)
{
    static const char bom[] = "\xef\xbb\xbf";
    struct cf_kubefile *kubefile cf_cleanup(cf_kubefile_free_ptr) = NULL;
    const char *text = data;

    if (len > CF_KUBEFILE_MAX)
        return cf_fail(err, -EFBIG, "%s: a Kubefile has at most %u MiB", name,
                       CF_KUBEFILE_MAX >> 20);
    if (len && memchr(data, '\0', len))
        return cf_fail(err, -EINVAL, "%s: this is no text: it has a NUL byte", name);
    if (len >= 3 && !memcmp(text, bom, 3)) {
        text += 3;
        len -= 3;
    }
    kubefile = calloc(1, sizeof(*kubefile));
    if (!kubefile)
        return no_memory(err);
    kubefile->name = strdup(name);
    kubefile->data = strndup(len ? text : "", len);
    kubefile->len = len;
    kubefile->escape = '\\';
    if (!kubefile->name || !kubefile->data)
        return no_memory(err);
    struct reading reading = {.kubefile = kubefile, .err = err};
    int r = read_all(&reading);
    if (r == 0 && kubefile->count == 0)
        r = cf_fail(err, -EINVAL, "%s:1:1: there is no instruction in it", name);
    if (r < 0)
        return r;
    *ret_kubefile = CF_TAKE(kubefile);
    return 0;
}

static void instruction_done(struct cf_kubefile_instruction *instruction)
{
    for (size_t i = 0; i < instruction->flag_count; i++) {
        free(instruction->flags[i].name);
        free(instruction->flags[i].value);
    }
    for (size_t i = 0; i < instruction->heredoc_count; i++) {
        free(instruction->heredocs[i].name);
        free(instruction->heredocs[i].text);
    }
    free(instruction->flags);
    free(instruction->heredocs);
    free(instruction->places);
    free(instruction->text);
}

void cf_kubefile_free(struct cf_kubefile *kubefile)
{
    if (!kubefile)
        return;
    for (size_t i = 0; i < kubefile->count; i++)
        instruction_done(&kubefile->list[i]);
    free(kubefile->list);
    free(kubefile->name);
    free(kubefile->data);
    free(kubefile);
}
