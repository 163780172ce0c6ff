/* SPDX-License-Identifier: Apache-2.0 */
#include "libarchive.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include <cloudfs/library.h>
#include <cloudfs/scope.h>

static const char *const NAMES[] = {CF_LIBARCHIVE_SYMBOLS(CF_LIBRARY_NAME)};

/* Written once, by load(). */
static struct cf_libarchive functions;
static bool loaded;

static void load(void)
{
    loaded = cf_library_load("libarchive.so.13", NAMES, CF_COUNT(NAMES), &functions) == 0;
}

const struct cf_libarchive *cf_libarchive(struct cf_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, load);
    if (loaded)
        return &functions;
    (void)cf_fail(err, -ENOTSUP,
                  "this compression needs libarchive (libarchive.so.13), which is "
                  "not installed");
    return NULL;
}
