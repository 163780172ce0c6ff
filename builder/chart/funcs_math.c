/* SPDX-License-Identifier: Apache-2.0 */
/* Sprig's arithmetic: int64 by default, float64 for the names that end in f. */
#include "format.h"
#include "func.h"
#include "number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

CF_FUNC(f_int)
{
    CF_UNUSED;
    return cf_val_int(cf_val_to_int(a[0]));
}

CF_FUNC(f_int64)
{
    CF_UNUSED;
    return cf_val_int64(cf_val_to_int(a[0]));
}

CF_FUNC(f_float64)
{
    CF_UNUSED;
    return cf_val_float(cf_val_to_float(a[0]));
}

CF_FUNC(f_to_decimal)
{
    CF_UNUSED;
    struct cf_val text = cf_format_str(x->run, a[0]);
    int64_t octal;
    return cf_val_int64(cf_number_parse_int(text.str, text.len, 8, &octal) ? octal : 0);
}

CF_FUNC(f_add)
{
    uint64_t sum = 0;
    (void)x;
    for (size_t i = 0; i < n; i++)
        sum += (uint64_t)cf_val_to_int(a[i]);
    return cf_val_int64((int64_t)sum);
}

CF_FUNC(f_add1)
{
    CF_UNUSED;
    return cf_val_int64((int64_t)((uint64_t)cf_val_to_int(a[0]) + 1));
}

CF_FUNC(f_sub)
{
    CF_UNUSED;
    return cf_val_int64((int64_t)((uint64_t)cf_val_to_int(a[0]) - (uint64_t)cf_val_to_int(a[1])));
}

CF_FUNC(f_mul)
{
    uint64_t product = (uint64_t)cf_val_to_int(a[0]);
    (void)x;
    for (size_t i = 1; i < n; i++)
        product *= (uint64_t)cf_val_to_int(a[i]);
    return cf_val_int64((int64_t)product);
}

static int64_t divisor(struct cf_exec *x, struct cf_val val)
{
    int64_t by = cf_val_to_int(val);
    if (!by)
        cf_func_fail(x, "runtime error: integer divide by zero");
    return by;
}

CF_FUNC(f_div)
{
    CF_UNUSED;
    int64_t by = divisor(x, a[1]), left = cf_val_to_int(a[0]);
    return cf_val_int64(by == -1 ? (int64_t)(0 - (uint64_t)left) : left / by);
}

CF_FUNC(f_mod)
{
    CF_UNUSED;
    int64_t by = divisor(x, a[1]);
    return cf_val_int64(by == -1 ? 0 : cf_val_to_int(a[0]) % by);
}

CF_FUNC(f_max)
{
    int64_t best = cf_val_to_int(a[0]);
    (void)x;
    for (size_t i = 1; i < n; i++)
        if (cf_val_to_int(a[i]) > best)
            best = cf_val_to_int(a[i]);
    return cf_val_int64(best);
}

CF_FUNC(f_min)
{
    int64_t best = cf_val_to_int(a[0]);
    (void)x;
    for (size_t i = 1; i < n; i++)
        if (cf_val_to_int(a[i]) < best)
            best = cf_val_to_int(a[i]);
    return cf_val_int64(best);
}

/* Sprig's float arithmetic is decimal: 0.1 + 0.2 is 0.3, which 15 digits give. */
static struct cf_val decimal(double value)
{
    char buf[40];
    snprintf(buf, sizeof buf, "%.15g", value);
    return cf_val_float(strtod(buf, NULL));
}

CF_FUNC(f_addf)
{
    double sum = 0;
    (void)x;
    for (size_t i = 0; i < n; i++)
        sum += cf_val_to_float(a[i]);
    return decimal(sum);
}

CF_FUNC(f_add1f)
{
    CF_UNUSED;
    return decimal(cf_val_to_float(a[0]) + 1);
}

CF_FUNC(f_subf)
{
    double rest = cf_val_to_float(a[0]);
    (void)x;
    for (size_t i = 1; i < n; i++)
        rest -= cf_val_to_float(a[i]);
    return decimal(rest);
}

CF_FUNC(f_mulf)
{
    double product = cf_val_to_float(a[0]);
    (void)x;
    for (size_t i = 1; i < n; i++)
        product *= cf_val_to_float(a[i]);
    return decimal(product);
}

/* Sprig's decimals keep 16 digits behind the point. */
CF_FUNC(f_divf)
{
    long double rest = (long double)cf_val_to_float(a[0]);
    char buf[512];
    for (size_t i = 1; i < n; i++) {
        double by = cf_val_to_float(a[i]);
        if (by == 0)
            cf_func_fail(x, "decimal division by 0");
        snprintf(buf, sizeof buf, "%.16Lf", rest / (long double)by);
        rest = strtold(buf, NULL);
    }
    return cf_val_float((double)rest);
}

CF_FUNC(f_maxf)
{
    double best = cf_val_to_float(a[0]);
    (void)x;
    for (size_t i = 1; i < n; i++)
        best = fmax(best, cf_val_to_float(a[i]));
    return cf_val_float(best);
}

CF_FUNC(f_minf)
{
    double best = cf_val_to_float(a[0]);
    (void)x;
    for (size_t i = 1; i < n; i++)
        best = fmin(best, cf_val_to_float(a[i]));
    return cf_val_float(best);
}

CF_FUNC(f_floor)
{
    CF_UNUSED;
    return cf_val_float(floor(cf_val_to_float(a[0])));
}

CF_FUNC(f_ceil)
{
    CF_UNUSED;
    return cf_val_float(ceil(cf_val_to_float(a[0])));
}

/* round VALUE PLACES [FROM]: up from FROM (.5) on. */
CF_FUNC(f_round)
{
    double value = cf_val_to_float(a[0]), from = n > 2 ? cf_val_to_float(a[2]) : .5, whole;
    (void)x;
    double scale = pow(10, (double)cf_val_to_int(a[1]));
    double fraction = modf(value * scale, &whole);
    if (value >= 0)
        whole += fraction >= from;
    else
        whole -= fraction <= -from;
    return cf_val_float(whole / scale);
}

const struct cf_func cf_funcs_math[] = {
    {"int", "a", f_int},
    {"int64", "a", f_int64},
    {"float64", "a", f_float64},
    {"atoi", "s", f_int},
    {"toDecimal", "a", f_to_decimal},
    {"add", "*a", f_add},
    {"add1", "a", f_add1},
    {"sub", "aa", f_sub},
    {"mul", "a*a", f_mul},
    {"div", "aa", f_div},
    {"mod", "aa", f_mod},
    {"max", "a*a", f_max},
    {"biggest", "a*a", f_max},
    {"min", "a*a", f_min},
    {"addf", "*a", f_addf},
    {"add1f", "a", f_add1f},
    {"subf", "a*a", f_subf},
    {"mulf", "a*a", f_mulf},
    {"divf", "a*a", f_divf},
    {"maxf", "a*a", f_maxf},
    {"minf", "a*a", f_minf},
    {"floor", "a", f_floor},
    {"ceil", "a", f_ceil},
    {"round", "aa*a", f_round},
    {NULL},
};
