/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Libraries that are loaded when they are first needed. What a library brings along is relocated at
 * each start of the command: some cost milliseconds, and few commands need them.
 *
 * The functions are a struct of pointers, listed once by an X macro:
 *
 *     #define CF_LIBX_SYMBOLS(X) X(x_open) X(x_close)
 *     struct cf_libx { CF_LIBX_SYMBOLS(CF_LIBRARY_MEMBER) };
 *     static const char *const names[] = {CF_LIBX_SYMBOLS(CF_LIBRARY_NAME)};
 */
#ifndef CLOUDFS_LIBRARY_H
#define CLOUDFS_LIBRARY_H

#include <stddef.h>

#define CF_LIBRARY_MEMBER(name) __typeof__(name) *name;
#define CF_LIBRARY_NAME(name) #name,

/* Loads soname for good and writes the addresses of count functions to ret_functions, a struct of
 * so many pointers in the order of names. Returns 0; -ENOTSUP where the library, or one of its
 * functions, is not there. Not for two threads at once on one struct: pthread_once. */
int cf_library_load(const char *soname, const char *const *names, size_t count,
                    void *ret_functions);

#endif
