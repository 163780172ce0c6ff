/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platforms in OCI's words (operating system, architecture, variant), and the choice of one image
 * from an index of several. Sources: OCI image-spec image-index.md "platform"; Go's GOARCH names.
 */
#ifndef CLOUDFS_PLATFORM_H
#define CLOUDFS_PLATFORM_H

#include <stdbool.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/json.h>

struct cf_platform {
    char os[32], architecture[32], variant[32]; /* variant "" where there is none */
};

/* This machine's: linux, and the architecture that uname(2) tells. */
void cf_platform_host(struct cf_platform *ret_platform);
/* "os/arch" or "os/arch/variant"; NULL or "": this machine's. -EINVAL with one line. */
int cf_platform_parse(const char *text, struct cf_platform *ret_platform, struct cf_error *err);
/* "os/arch,os/arch/variant": each once, a heap array. NULL or "": none. -EINVAL, -E2BIG. */
#define CF_PLATFORMS_MAX 64
int cf_platforms_parse(const char *text, struct cf_platform **ret_platforms, size_t *ret_count,
                       struct cf_error *err);
/* Whether an image that says what it is for (strings of its config; NULL: says nothing) serves. */
bool cf_platform_serves(const struct cf_platform *wanted, const char *os, const char *architecture);
/* "os/arch[/variant]" to a buffer of CF_PLATFORM_TEXT_SIZE. */
#define CF_PLATFORM_TEXT_SIZE 98
void cf_platform_text(const struct cf_platform *platform, char ret_text[CF_PLATFORM_TEXT_SIZE]);

/*
 * The best entry of an index's (or manifest list's) "manifests" for a platform: same os and
 * architecture; of the variants the same, else the nearest lower one (arm), else none; arm64 "v8"
 * and "" are one. Entries for unknown/unknown (attestations) never match. Borrowed from index, or
 * NULL: nothing fits.
 */
const struct cf_json *cf_platform_choose(const struct cf_json *index,
                                         const struct cf_platform *platform);

#endif
