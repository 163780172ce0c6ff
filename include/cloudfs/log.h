/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines of the library, and the spelling of names that strangers chose. The library itself
 * prints nothing: a line goes to the sink that the program set, and nowhere while none is set.
 * cf_log may be called by any thread; the sink is called by the thread that logs, so it must be
 * thread safe. cf_log_set is called once, before the other threads start.
 */
#ifndef CLOUDFS_LOG_H
#define CLOUDFS_LOG_H

#include <stdbool.h>
#include <stddef.h>

enum cf_log_level {
    CF_LOG_ERROR, /* something was lost or refused */
    CF_LOG_WARN,  /* something is wrong, and cloudfs goes on */
    CF_LOG_INFO,  /* what a person who watches wants to know */
    CF_LOG_DEBUG, /* what a developer wants to know */
};

/* One line without a newline, control characters escaped, at most CF_LOG_LINE_SIZE with the NUL. */
#define CF_LOG_LINE_SIZE 2048
typedef void cf_log_sink(void *data, enum cf_log_level level, const char *line);

/* Lines up to the given level go to sink (NULL: to nobody); data is handed through. */
void cf_log_set(enum cf_log_level level, cf_log_sink *sink, void *data);
/* Whether a line of this level goes anywhere: to spare the work of making it. */
bool cf_log_wants(enum cf_log_level level);
/* Keeps errno. */
void cf_log(enum cf_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *cf_log_level_name(enum cf_log_level level); /* "error", "warning", "info", "debug" */

/*
 * Copies text into ret_text (size bytes, NUL included) with control characters (also those of
 * Unicode's C1 block) as \n, \t, \r or \xNN; what does not fit ends in "...". Returns ret_text.
 */
char *cf_escape(const char *text, char *ret_text, size_t size);

/*
 * The same between double quotes, with " and \ escaped too: for paths and other names that are
 * printed or logged. CF_QUOTE(path) makes the room for it in the calling block.
 */
char *cf_quote(const char *text, char *ret_text, size_t size);
#define CF_QUOTE_SIZE 1024
#define CF_QUOTE(text) cf_quote((text), (char[CF_QUOTE_SIZE]){0}, CF_QUOTE_SIZE)

#endif
