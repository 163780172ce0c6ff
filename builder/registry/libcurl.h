/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl, loaded when it is first needed: it brings some thirty libraries along, whose relocations
 * would cost every start of the command several milliseconds, and most commands need no network.
 */
#ifndef CF_LIBCURL_H
#define CF_LIBCURL_H

#define CURL_DISABLE_TYPECHECK /* a macro that is no member of ours */
#include <curl/curl.h>

#include <cloudfs/error.h>
#include <cloudfs/library.h>

#define CF_LIBCURL_SYMBOLS(X)   \
    X(curl_easy_cleanup)        \
    X(curl_easy_getinfo)        \
    X(curl_easy_init)           \
    X(curl_easy_pause)          \
    X(curl_easy_setopt)         \
    X(curl_easy_strerror)       \
    X(curl_free)                \
    X(curl_global_init)         \
    X(curl_multi_add_handle)    \
    X(curl_multi_cleanup)       \
    X(curl_multi_info_read)     \
    X(curl_multi_init)          \
    X(curl_multi_perform)       \
    X(curl_multi_poll)          \
    X(curl_multi_remove_handle) \
    X(curl_multi_setopt)        \
    X(curl_multi_wakeup)        \
    X(curl_slist_append)        \
    X(curl_slist_free_all)      \
    X(curl_url)                 \
    X(curl_url_cleanup)         \
    X(curl_url_get)             \
    X(curl_url_set)

struct cf_libcurl {
    CF_LIBCURL_SYMBOLS(CF_LIBRARY_MEMBER)
};

/* The library's functions, for good; NULL with err set (-ENOTSUP) where it is not installed. */
const struct cf_libcurl *cf_libcurl(struct cf_error *err);

#endif
