/* SPDX-License-Identifier: Apache-2.0 */
#include "libcurl.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* Written once, by load(). */
static struct cf_libcurl functions;
static bool loaded;

static bool find(void *library, const char *name, void *ret_function)
{
    void *symbol = dlsym(library, name);
    memcpy(ret_function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void load(void)
{
    void *library = dlopen("libcurl.so.4", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    loaded = true;
#define FIND(name) loaded = find(library, #name, &functions.name) && loaded;
    CF_LIBCURL_SYMBOLS(FIND)
    if (loaded)
        loaded = functions.curl_global_init(CURL_GLOBAL_ALL) == CURLE_OK;
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
