/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an image only has from a base that another one has, too. Configs do not tell it, but the
 * history does: entries that two images begin with are their base's, and ENV and LABEL stand there
 * as they were written.
 */
#include "say.h"

#include <errno.h>
#include <string.h>

#include <cloudfs/look.h>

static bool same_text(const char *a, const char *b)
{
    return !strcmp(a ? a : "", b ? b : "");
}

/* How many entries both begin with. */
static size_t shared_entries(const struct cf_history *a, size_t a_count, const struct cf_history *b,
                             size_t b_count)
{
    size_t n = 0;
    while (n < a_count && n < b_count && same_text(a[n].created_by, b[n].created_by) &&
           same_text(a[n].created, b[n].created) && a[n].empty_layer == b[n].empty_layer &&
           (a[n].empty_layer ||
            (a[n].diff_id && b[n].diff_id && cf_digest_equal(a[n].diff_id, b[n].diff_id))))
        n++;
    return n;
}

/* What follows the instruction's word, also as docker's old builder writes it; NULL: another one.
 */
static const char *arguments_of(const char *created_by, const char *word)
{
    const char *nop = created_by ? strstr(created_by, "#(nop)") : NULL;
    const char *text = nop ? nop + strlen("#(nop)") : created_by ? created_by : "";
    text += strspn(text, " \t");
    const size_t len = strlen(word);
    return !strncmp(text, word, len) && (text[len] == ' ' || text[len] == '\t') ? text + len : NULL;
}

/* Where a word of the arguments ends; quotes hold blanks together. */
static const char *word_end(const char *text)
{
    char quote = '\0';
    for (; *text && (quote || (*text != ' ' && *text != '\t')); text++) {
        if (*text == '\\' && text[1] && quote != '\'')
            text++;
        else if (quote && *text == quote)
            quote = '\0';
        else if (!quote && (*text == '"' || *text == '\''))
            quote = *text;
    }
    return text;
}

/* Whether the arguments set name: to value (*ret_same), or to another one. */
static bool sets(const char *text, const char *name, const char *value, bool *ret_same)
{
    const size_t name_len = strlen(name);
    bool found = false;

    while (*(text += strspn(text, " \t"))) {
        const char *end = word_end(text);
        if (!strncmp(text, name, name_len) && text[name_len] == '=') {
            const char *begin = text + name_len + 1;
            size_t len = (size_t)(end - begin);
            if (len >= 2 && (*begin == '"' || *begin == '\'') && begin[len - 1] == *begin) {
                begin++;
                len -= 2;
            }
            found = true;
            *ret_same = strlen(value) == len && !strncmp(begin, value, len);
        }
        text = end;
    }
    return found;
}

/* Whether the entries, the last of which count, give name that value. */
static bool give(const struct cf_history *entries, size_t count, const char *word, const char *name,
                 const char *value)
{
    bool same = false;
    for (size_t i = 0; i < count; i++) {
        const char *text = arguments_of(entries[i].created_by, word);
        if (text)
            (void)sets(text, name, value, &same);
    }
    return same;
}

int cf_said_inherits(const struct cf_image *const *images, size_t which, const char *word,
                     const char *name, const char *value)
{
    struct cf_history *own cf_autofree = NULL;
    size_t own_count = 0;
    int r = which ? cf_image_history(images[which], &own, &own_count, NULL) : 0;

    for (size_t i = 0; i < which && r == 0; i++) {
        struct cf_history *other cf_autofree = NULL;
        size_t count = 0;
        r = cf_image_history(images[i], &other, &count, NULL);
        if (r == 0 && give(own, shared_entries(own, own_count, other, count), word, name, value))
            return 1;
    }
    return r == -ENOMEM ? r : 0;
}
