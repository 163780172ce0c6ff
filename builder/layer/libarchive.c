/* SPDX-License-Identifier: Apache-2.0 */
#include "libarchive.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

/* Written once, by load(). */
static struct cf_libarchive functions;
static bool loaded;

static bool find(void *library, const char *name, void *ret_function)
{
    void *symbol = dlsym(library, name);
    memcpy(ret_function, &symbol, sizeof symbol);
    return symbol != NULL;
}

static void load(void)
{
    void *library = dlopen("libarchive.so.13", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    loaded = true;
#define FIND(name) loaded = find(library, #name, &functions.name) && loaded;
    CF_LIBARCHIVE_SYMBOLS(FIND)
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
