/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/library.h>

#include <dlfcn.h>
#include <errno.h>
#include <string.h>

int cf_library_load(const char *soname, const char *const *names, size_t count, void *ret_functions)
{
    void *library = dlopen(soname, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return -ENOTSUP;
    for (size_t i = 0; i < count; i++) {
        void *symbol = dlsym(library, names[i]);
        if (!symbol)
            return -ENOTSUP;
        memcpy((char *)ret_functions + i * sizeof(symbol), &symbol, sizeof(symbol));
    }
    return 0;
}
