/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recipes: what it takes to write a layer's exact tar again from the objects of the store.
 *
 *   recipe    = "" (the canonical tar of the layer's tree) | magic , count , digests , operations
 *   magic     = "CFRECIP1"
 *   count     = u64, little endian: number of objects
 *   digests   = count * 32 bytes
 *   operations = one zstd frame of { operation }
 *   operation = 0x00 , length , bytes          these bytes
 *             | 0x01 , index , offset , length  that part of object number index
 *   index, offset, length = LEB128, unsigned
 */
#ifndef CLOUDFS_LAYER_RECIPE_H
#define CLOUDFS_LAYER_RECIPE_H

#include <stddef.h>
#include <stdint.h>

#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/scope.h>

#define CF_RECIPE_FILE "recipe"

/* ---- writing: the tar's bytes in order, as bytes or as parts of objects ---- */

struct cf_recipe_writer;
/* dirfd: the layer's draft, borrowed, for temporary files that are unlinked at once. */
int cf_recipe_writer_new(int dirfd, struct cf_recipe_writer **ret_writer, struct cf_error *err);
void cf_recipe_writer_free(struct cf_recipe_writer *writer);
CF_DEFINE_CLEANUP(struct cf_recipe_writer *, cf_recipe_writer_free)
int cf_recipe_raw(struct cf_recipe_writer *writer, const void *data, size_t len,
                  struct cf_error *err);
/* A part of the object at hand, which cf_recipe_object names later, and so ends. */
int cf_recipe_part(struct cf_recipe_writer *writer, uint64_t offset, uint64_t len,
                   struct cf_error *err);
int cf_recipe_object(struct cf_recipe_writer *writer, const struct cf_digest *digest,
                     struct cf_error *err);
/* Writes the recipe into the draft. */
int cf_recipe_finish(struct cf_recipe_writer *writer, struct cf_error *err);

/* ---- reading ---- */

struct cf_recipe_step {
    const void *data; /* bytes, borrowed until the next call; NULL: a part of an object */
    uint64_t len;
    struct cf_digest object;
    uint64_t offset;
};

struct cf_recipe_reader;
/* fd: borrowed. -EBADMSG: no recipe. Not for an empty one. */
int cf_recipe_reader_new(int fd, struct cf_recipe_reader **ret_reader, struct cf_error *err);
void cf_recipe_reader_free(struct cf_recipe_reader *reader);
CF_DEFINE_CLEANUP(struct cf_recipe_reader *, cf_recipe_reader_free)
/* 1 and a step, 0 at the end, -EBADMSG. */
int cf_recipe_next(struct cf_recipe_reader *reader, struct cf_recipe_step *ret_step,
                   struct cf_error *err);

#endif
