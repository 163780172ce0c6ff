/* SPDX-License-Identifier: Apache-2.0 */
/* One layer of a push: found in the registry, or compressed and sent. Not public. */
#ifndef CF_ARCHIVE_PUSH_LAYER_H
#define CF_ARCHIVE_PUSH_LAYER_H

#include <pthread.h>

#include <cloudfs/transfer.h>

#include "save.h"

struct pushing;
typedef int push_step_fn(struct pushing *pushing, struct saved_layer *layer, struct cf_error *err);
struct pushing {
    struct cf_store *store;
    struct cf_remote *remote;
    const struct cf_push_options *options;
    struct saving *saving;
    push_step_fn *step;
    pthread_mutex_t mutex;
    size_t next;             /* mutex: of the saving's layers */
    int status;              /* mutex: the first failure */
    struct cf_error err;     /* mutex: its line */
    struct cf_pushed pushed; /* mutex */
};

/* Looks whether the registry has the layer in a form that will do, and fills in which. */
push_step_fn cf_push_find;
/* Sends a layer that was not found. */
push_step_fn cf_push_send;
/* What blobs.json keeps of a form: how it was made (NULL: not here), where a registry has it, and
 * the annotations of its descriptor (NULL: none). "" when it does not fit. */
void cf_push_notes(const char *made, const char *source, const struct cf_json *annotations,
                   char ret_notes[1024]);

#endif
