/* SPDX-License-Identifier: Apache-2.0 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "regex.h"

#include <ctype.h>
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

enum {
    MATCH_LIMIT = 1000000,
    HEAP_LIMIT_KIB = 20 << 10,
    DEPTH_LIMIT = 100000,
    MAX_PATTERNS = 1000
};

struct cf_regex {
    struct cf_regex *next;
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    size_t len;
    char pattern[];
};

struct cf_regex_cache {
    struct cf_regex *list;
    size_t count;
};

static void free_regex(struct cf_regex *regex)
{
    pcre2_code_free(regex->code);
    pcre2_match_data_free(regex->match);
    pcre2_match_context_free(regex->context);
    free(regex);
}

void cf_regex_cache_free(struct cf_regex_cache *cache)
{
    if (!cache)
        return;
    for (struct cf_regex *regex = cache->list, *next; regex; regex = next) {
        next = regex->next;
        free_regex(regex);
    }
    free(cache);
}

/* Whether the brace at end closes "{2}", "{2,}" or "{2,5}". */
static bool is_repetition(const char *pattern, size_t end)
{
    size_t i = end;
    while (i && (isdigit((unsigned char)pattern[i - 1]) || pattern[i - 1] == ','))
        i--;
    return i > 0 && i < end && pattern[i - 1] == '{' && pattern[i] != ',';
}

/* What RE2 does not do; possessive repetition ("a++") among it. */
static const char *find_foreign(const char *pattern, size_t len)
{
    static const char *const openings[] = {"(?=", "(?!", "(?<=", "(?<!",
                                           "(?>", "(?R", "(?|",  "(?("};
    bool in_class = false;
    for (size_t i = 0; i < len; i++) {
        if (pattern[i] == '\\') {
            i++;
            if (i < len && pattern[i] >= '1' && pattern[i] <= '9')
                return "invalid escape sequence: a back reference";
            continue;
        }
        in_class = pattern[i] == '[' || (in_class && pattern[i] != ']');
        if (!in_class && pattern[i] && i + 1 < len && pattern[i + 1] == '+' &&
            (strchr("*+?", pattern[i]) || (pattern[i] == '}' && is_repetition(pattern, i))))
            return "invalid nested repetition operator";
        for (size_t k = 0; pattern[i] == '(' && k < sizeof openings / sizeof *openings; k++)
            if (len - i >= strlen(openings[k]) &&
                !memcmp(pattern + i, openings[k], strlen(openings[k])))
                return "invalid or unsupported Perl syntax";
    }
    return NULL;
}

static struct cf_regex *compile(const char *pattern, size_t len, int *ret_error)
{
    PCRE2_SIZE at;
    struct cf_regex *regex = calloc(1, sizeof *regex + len + 1);
    *ret_error = PCRE2_ERROR_NOMEMORY;
    if (!regex)
        return NULL;
    memcpy(regex->pattern, pattern, len);
    regex->len = len;
    regex->code = pcre2_compile((PCRE2_SPTR)pattern, len,
                                PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY |
                                    PCRE2_NEVER_BACKSLASH_C,
                                ret_error, &at, NULL);
    if (regex->code) {
        regex->match = pcre2_match_data_create(CF_REGEX_GROUPS, NULL);
        regex->context = pcre2_match_context_create(NULL);
    }
    if (!regex->code || !regex->match || !regex->context) {
        free_regex(regex);
        return NULL;
    }
    pcre2_set_match_limit(regex->context, MATCH_LIMIT);
    pcre2_set_heap_limit(regex->context, HEAP_LIMIT_KIB);
    pcre2_set_depth_limit(regex->context, DEPTH_LIMIT);
    return regex;
}

const struct cf_regex *cf_regex_compile(struct cf_run *run, const char *pattern, size_t len,
                                        const char **ret_why)
{
    PCRE2_UCHAR text[160];
    int error;
    if (!run->regexes)
        run->regexes = calloc(1, sizeof *run->regexes);
    struct cf_regex_cache *cache = run->regexes;
    if (!cache)
        cf_run_throw(run, -ENOMEM, "out of memory");
    for (const struct cf_regex *r = cache->list; r; r = r->next)
        if (r->len == len && !memcmp(r->pattern, pattern, len))
            return r;
    *ret_why = find_foreign(pattern, len);
    if (*ret_why)
        return NULL;
    if (cache->count >= MAX_PATTERNS || len > 65536)
        cf_run_throw(run, -EFBIG, "too many or too long regular expressions");
    struct cf_regex *regex = compile(pattern, len, &error);
    if (!regex) {
        if (pcre2_get_error_message(error, text, sizeof text) < 0)
            text[0] = 0;
        *ret_why = cf_run_strdup(run, (const char *)text);
        return NULL;
    }
    regex->next = cache->list;
    cache->list = regex;
    cache->count++;
    return regex;
}

int cf_regex_match(const struct cf_regex *regex, const char *str, size_t len, size_t from,
                   struct cf_match *ret_match)
{
    int count =
        pcre2_match(regex->code, (PCRE2_SPTR)str, len, from, 0, regex->match, regex->context);
    if (count == PCRE2_ERROR_NOMATCH)
        return 0;
    if (count < 0)
        return -EFBIG;
    const PCRE2_SIZE *ends = pcre2_get_ovector_pointer(regex->match);
    uint32_t groups;
    if (pcre2_pattern_info(regex->code, PCRE2_INFO_CAPTURECOUNT, &groups))
        groups = 0;
    ret_match->count = groups + 1 < CF_REGEX_GROUPS ? groups + 1 : CF_REGEX_GROUPS;
    for (size_t i = 0; i < ret_match->count; i++) {
        bool set = count == 0 || i < (size_t)count;
        ret_match->start[i] = set && ends[2 * i] != PCRE2_UNSET ? ends[2 * i] : SIZE_MAX;
        ret_match->end[i] = set && ends[2 * i] != PCRE2_UNSET ? ends[2 * i + 1] : SIZE_MAX;
    }
    return 1;
}

int cf_regex_group(const struct cf_regex *regex, const char *name)
{
    int number = pcre2_substring_number_from_name(regex->code, (PCRE2_SPTR)name);
    return number < 0 ? -1 : number;
}
