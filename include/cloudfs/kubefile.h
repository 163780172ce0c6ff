/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kubefiles: text -> instructions. Parsing does no IO and knows nothing of images; build.h runs
 * what comes out. A struct cf_kubefile never changes after parsing, so any thread may read it.
 *
 *   kubefile    = { blank | comment | directive | instruction }
 *   directive   = "#" name "=" value           before anything else: escape, cloudfs, syntax
 *   instruction = WORD { "--" flag [ "=" value ] } text { heredoc }
 *
 * A line that ends in the escape character (backslash, unless a directive says otherwise) goes on
 * in the next; comment lines and empty ones in between are left out. Words are in any case.
 * Sources: the Dockerfile reference (format, escape, heredocs, variables); sealer v0.8 and v0.11
 * for the words that are its own (docs/man/Kubefile.5 has them all).
 */
#ifndef CLOUDFS_KUBEFILE_H
#define CLOUDFS_KUBEFILE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/buf.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>

#define CF_KUBEFILE_MAX (8u << 20)      /* bytes of a Kubefile */
#define CF_KUBEFILE_INSTRUCTIONS 10000u /* of one Kubefile */

enum cf_kubefile_word {
    CF_KUBEFILE_FROM,
    CF_KUBEFILE_COPY,
    CF_KUBEFILE_ADD,
    CF_KUBEFILE_RUN,
    CF_KUBEFILE_CMD,
    CF_KUBEFILE_ARG,
    CF_KUBEFILE_ENV,
    CF_KUBEFILE_LABEL,
    CF_KUBEFILE_MAINTAINER,
    /* sealer 0.9 and later: kept in the image as they are */
    CF_KUBEFILE_APP,
    CF_KUBEFILE_APPCMDS,
    CF_KUBEFILE_APPENV,
    CF_KUBEFILE_LAUNCH,
    CF_KUBEFILE_CMDS,
    CF_KUBEFILE_CNI,
    CF_KUBEFILE_CSI,
    CF_KUBEFILE_KUBEVERSION,
};
const char *cf_kubefile_word_name(enum cf_kubefile_word word); /* "FROM" ... */

struct cf_kubefile_flag {
    char *name;    /* without "--" */
    char *value;   /* "" for a flag without "=" */
    size_t offset; /* in the instruction's text; for messages */
};

struct cf_kubefile_heredoc {
    char *name; /* of its end mark */
    char *text; /* the lines, with their newlines */
    size_t len;
    bool expand; /* the mark was not quoted: variables are replaced */
};

/* Where a part of an instruction's text stands in the file. */
struct cf_kubefile_place {
    size_t offset;
    unsigned line, column; /* from 1; the column in bytes */
};

struct cf_kubefile_instruction {
    enum cf_kubefile_word word;
    unsigned line;
    char *text; /* behind the word and its flags, lines joined, no white space at the ends */
    struct cf_kubefile_flag *flags;
    size_t flag_count;
    struct cf_kubefile_heredoc *heredocs;
    size_t heredoc_count;
    struct cf_kubefile_place *places; /* ascending offsets; the first is 0 */
    size_t place_count;
};

struct cf_kubefile {
    char *name; /* of the file, for messages */
    char *data; /* its text, NUL-terminated */
    size_t len;
    char escape;
    bool docker_copy; /* # cloudfs: copy=docker */
    struct cf_kubefile_instruction *list;
    size_t count;
};

/* -EINVAL with a line "NAME:LINE:COLUMN: what is wrong: the line itself"; -EFBIG; -ENOMEM. */
int cf_kubefile_parse(const char *name, const void *data, size_t len,
                      struct cf_kubefile **ret_kubefile, struct cf_error *err);
void cf_kubefile_free(struct cf_kubefile *kubefile);
CF_DEFINE_CLEANUP(struct cf_kubefile *, cf_kubefile_free)

/* Fails with code and the formatted line, behind the place in the file of that offset of the
 * instruction's text, with the line of the file behind it. Returns code. */
int cf_kubefile_fail(const struct cf_kubefile *kubefile,
                     const struct cf_kubefile_instruction *instruction, size_t offset,
                     struct cf_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 6, 7)));

/* ---- words and variables ---- */

/* The value of a variable, or NULL where it is not set. */
typedef const char *cf_variable_fn(void *context, const char *name, size_t len);

struct cf_kubefile_word_at {
    char *text;    /* quotes and escapes taken away, variables replaced */
    size_t offset; /* in what was given */
};
struct cf_kubefile_words {
    struct cf_kubefile_word_at *list;
    size_t count;
};
void cf_kubefile_words_done(struct cf_kubefile_words *words);

/*
 * Splits at white space outside quotes, as a shell does, and replaces $X, ${X}, ${X:-word},
 * ${X-word}, ${X:+word}, ${X+word} (one word stays one word, whatever is in the variable); nothing
 * is replaced in single quotes or behind the escape. lookup NULL: nothing is replaced at all.
 * -EINVAL: an open quote or brace; *ret_offset gets its place. -ENOMEM.
 */
int cf_kubefile_split(const char *text, char escape, cf_variable_fn *lookup, void *context,
                      struct cf_kubefile_words *ret_words, size_t *ret_offset,
                      struct cf_error *err);
/* The same replacements in running text (a heredoc), whose white space and quotes stay. */
int cf_kubefile_expand(const char *text, size_t len, char escape, cf_variable_fn *lookup,
                       void *context, struct cf_buf *ret_buf, struct cf_error *err);
/* A JSON array of strings ("exec form"): 1 and the words; 0 where text is none; -ENOMEM. */
int cf_kubefile_array(const char *text, struct cf_kubefile_words *ret_words);

#endif
