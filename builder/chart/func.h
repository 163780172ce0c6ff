/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The functions that templates call: Go's own, Sprig's and Helm's. docs/charts.md lists
 * them.
 *
 * A signature has one letter for each parameter; "*" in front of the last: any number of it.
 *   a interface{}   s string   i int   l int64   f float64   b bool   m map[string]interface{}
 *   t time.Time     d time.Duration   L []interface{}   r rune
 * The executor checks arguments against it, so that a function may rely on their kinds. A map may
 * be nil, which is CF_NIL.
 */
#ifndef CF_FUNC_H
#define CF_FUNC_H

#include "exec.h"
#include "value.h"

struct cf_func {
    const char *name;
    const char *signature;
    struct cf_val (*call)(struct cf_exec *x, const struct cf_val *args, size_t count);
};

const struct cf_func *cf_func_find(const char *name, size_t len); /* NULL: there is none */

/* The tables, each ended by a NULL name. */
extern const struct cf_func cf_funcs_builtin[], cf_funcs_strings[], cf_funcs_words[],
    cf_funcs_lists[], cf_funcs_dicts[], cf_funcs_math[], cf_funcs_regex[], cf_funcs_dates[],
    cf_funcs_encoding[], cf_funcs_crypto[], cf_funcs_helm[], cf_funcs_types[], cf_funcs_semver[],
    cf_funcs_url[];

/* "error calling NAME: ..." in the place of the call. */
_Noreturn void cf_func_fail(struct cf_exec *x, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The error that a chart's author raised: only the place and the message are told, as by Helm. */
_Noreturn void cf_func_fail_message(struct cf_exec *x, const char *message);

/* Sprint of the arguments, for html, js and urlquery: what is not there is "<no value>". */
struct cf_val cf_func_escapable(struct cf_exec *x, const struct cf_val *args, size_t count);

#define CF_FUNC(name) static struct cf_val name(struct cf_exec *x, const struct cf_val *a, size_t n)
#define CF_UNUSED (void)x, (void)a, (void)n
/* Two rows of a table: a function of Sprig, and its "must" form, which is the same here. */
#define CF_FUNC_AND_MUST(name, must, signature, call) \
    {name, signature, call},                          \
    {                                                 \
        must, signature, call                         \
    }

/* spf13/cast: what ToInt64 and ToFloat64 make of anything; 0 of what is no number. */
int64_t cf_val_to_int(struct cf_val val);
double cf_val_to_float(struct cf_val val);
/* A list of strings of a list of anything, nil left out (Sprig's strslice). */
struct cf_val cf_val_to_strings(struct cf_run *run, struct cf_val val);

#endif
