/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Image references: [registry[:port]/]name[:tag][@digest], checked by the grammar of
 * distribution/reference (repository 255 bytes at most, lower case; tag 128 bytes).
 */
#ifndef CLOUDFS_REFERENCE_H
#define CLOUDFS_REFERENCE_H

#include <stdbool.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>

struct cf_reference {
    char name[256]; /* registry and repository as written */
    char tag[129];  /* "" if none was written */
    bool has_digest;
    struct cf_digest digest;
};

/* -EINVAL with one line that says what is wrong with text. */
int cf_reference_parse(const char *text, struct cf_reference *ret_reference, struct cf_error *err);
/* "name:tag", the tag "latest" where none was written; what cf_name_set takes. Refuses a digest. */
#define CF_TAGGED_SIZE 386
int cf_reference_tagged(const char *text, char ret_name[CF_TAGGED_SIZE], struct cf_error *err);

/*
 * Docker's whole form of a container image's name: with "docker.io/" where no registry is written,
 * "library/" where docker.io's name has one part, and the tag "latest" where neither tag nor digest
 * is. Returns the length of the registry at its beginning.
 */
#define CF_REFERENCE_WHOLE_SIZE 512
size_t cf_reference_whole(const struct cf_reference *reference,
                          char ret_text[CF_REFERENCE_WHOLE_SIZE]);

#endif
