/* SPDX-License-Identifier: Apache-2.0 */
/* What sealer's Config documents do to their data. Not public. */
#ifndef CF_OVERRIDE_CONFIG_H
#define CF_OVERRIDE_CONFIG_H

#include <cloudfs/edit.h>

/*
 * process NULL or "": data as it is. Else words with | between, as sealer has them: value (a map is
 * read), toJson (each value becomes its JSON text), toBase64 (each value is encoded), toSecret (the
 * map becomes the data of a Kubernetes Secret).
 */
int cf_config_process(const char *process, const struct cf_edit_node *data, struct cf_buf *ret_text,
                      struct cf_error *err);

#endif
