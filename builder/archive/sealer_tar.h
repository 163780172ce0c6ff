/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Layers inside a sealer archive: the tar has a directory for each, named by 64 hex digits, with
 * the layer's files below it. Not public.
 */
#ifndef CF_ARCHIVE_SEALER_TAR_H
#define CF_ARCHIVE_SEALER_TAR_H

#include <cloudfs/layer.h>
#include <cloudfs/scope.h>

#define CF_SEALER_INDEX "Metadata" /* JSON: what is called how */

/* The tar of one layer, taken out of the archive behind fd (borrowed). What overlayfs spells with
 * devices and xattrs becomes the whiteouts of a layer. */
struct cf_sealer_reader;
int cf_sealer_reader_new(int fd, const char *directory, struct cf_sealer_reader **ret_reader,
                         struct cf_error *err);
void cf_sealer_reader_free(struct cf_sealer_reader *reader);
CF_DEFINE_CLEANUP(struct cf_sealer_reader *, cf_sealer_reader_free)
cf_source_fn cf_sealer_read; /* context: the reader */

/* A layer's tar, written into that directory of the archive that the sink gets. */
struct cf_sealer_writer;
int cf_sealer_writer_new(const char *directory, cf_sink_fn *sink, void *sink_context,
                         struct cf_sealer_writer **ret_writer, struct cf_error *err);
void cf_sealer_writer_free(struct cf_sealer_writer *writer);
CF_DEFINE_CLEANUP(struct cf_sealer_writer *, cf_sealer_writer_free)
cf_sink_fn cf_sealer_write; /* context: the writer */

#endif
