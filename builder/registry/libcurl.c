/* SPDX-License-Identifier: Apache-2.0 */
#include "libcurl.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include <cloudfs/library.h>
#include <cloudfs/scope.h>

static const char *const NAMES[] = {CF_LIBCURL_SYMBOLS(CF_LIBRARY_NAME)};

/* Written once, by load(). */
static struct cf_libcurl functions;
static bool loaded;

static void load(void)
{
    loaded = cf_library_load("libcurl.so.4", NAMES, CF_COUNT(NAMES), &functions) == 0 &&
             functions.curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK;
}

const struct cf_libcurl *cf_libcurl(struct cf_error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, load);
    if (loaded)
        return &functions;
    (void)cf_fail(err, -ENOTSUP, "registries need libcurl (libcurl.so.4), which is not installed");
    return NULL;
}
