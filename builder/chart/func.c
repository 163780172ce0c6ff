/* SPDX-License-Identifier: Apache-2.0 */
#include "func.h"
#include "format.h"
#include "number.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { SLOTS = 1024 };

/* Written once, by fill(). */
static const struct cf_func *slots[SLOTS];

static size_t hash(const char *name, size_t len)
{
    size_t h = 5381;
    for (size_t i = 0; i < len; i++)
        h = h * 33 + (uint8_t)name[i];
    return h % SLOTS;
}

static void fill(void)
{
    static const struct cf_func *const tables[] = {
        cf_funcs_builtin, cf_funcs_strings, cf_funcs_words,  cf_funcs_lists,  cf_funcs_dicts,
        cf_funcs_math,    cf_funcs_regex,   cf_funcs_dates,  cf_funcs_crypto, cf_funcs_encoding,
        cf_funcs_helm,    cf_funcs_types,   cf_funcs_semver, cf_funcs_url,
    };
    for (size_t t = 0; t < sizeof tables / sizeof *tables; t++)
        for (const struct cf_func *f = tables[t]; f->name; f++) {
            size_t at = hash(f->name, strlen(f->name));
            while (slots[at])
                at = (at + 1) % SLOTS;
            slots[at] = f;
        }
}

const struct cf_func *cf_func_find(const char *name, size_t len)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, fill);
    for (size_t at = hash(name, len); slots[at]; at = (at + 1) % SLOTS)
        if (strlen(slots[at]->name) == len && !memcmp(slots[at]->name, name, len))
            return slots[at];
    return NULL;
}

_Noreturn void cf_func_fail(struct cf_exec *x, const char *format, ...)
{
    char text[CF_ERROR_TEXT_SIZE];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    cf_run_throw(x->run, -EINVAL, "%s", text);
}

_Noreturn void cf_func_fail_message(struct cf_exec *x, const char *message)
{
    x->message = true;
    cf_run_throw(x->run, -EINVAL, "%s", message);
}

/* "12.000" counts as 12. */
static size_t without_zero_decimal(const char *str, size_t len)
{
    size_t end = len;
    while (end && str[end - 1] == '0')
        end--;
    return end && end < len && str[end - 1] == '.' ? end - 1 : len;
}

int64_t cf_val_to_int(struct cf_val val)
{
    int64_t i;
    switch (val.kind) {
    case CF_BOOL:
        return val.b;
    case CF_INT:
        return val.i;
    case CF_FLOAT:
        if (!(val.f > -9.3e18 && val.f < 9.3e18))
            return INT64_MIN;
        return val.f >= 9223372036854775807.0 ? INT64_MIN : (int64_t)val.f;
    case CF_STRING:
        return cf_number_parse_int(val.str, without_zero_decimal(val.str, val.len), 0, &i) ? i : 0;
    default:
        return 0;
    }
}

double cf_val_to_float(struct cf_val val)
{
    double f;
    switch (val.kind) {
    case CF_BOOL:
        return val.b;
    case CF_INT:
        return (double)val.i;
    case CF_FLOAT:
        return val.f;
    case CF_STRING:
        return cf_number_parse_float(val.str, val.len, &f) ? f : 0;
    default:
        return 0;
    }
}

struct cf_val cf_val_to_strings(struct cf_run *run, struct cf_val val)
{
    struct cf_val list = cf_val_list(run, val.kind == CF_LIST ? val.seq->count : 1);
    list.type = CF_T_STRINGS;
    if (val.kind == CF_LIST) {
        for (size_t i = 0; i < val.seq->count; i++)
            if (val.seq->items[i].kind != CF_NIL)
                cf_seq_add(run, list.seq, cf_format_str(run, val.seq->items[i]));
    } else if (val.kind != CF_NIL) {
        cf_seq_add(run, list.seq, cf_format_str(run, val));
    }
    return list;
}
