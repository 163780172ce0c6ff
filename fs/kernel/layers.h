/* SPDX-License-Identifier: Apache-2.0 */
/* The lower layers of an overlay: EROFS mounts without a place, and objects/. Not public. */
#ifndef CF_KERNEL_LAYERS_H
#define CF_KERNEL_LAYERS_H

#include <cloudfs/kernel.h>

#include "api.h"

struct cf_layers {
    int tree_fd, stubs_fd;    /* mounts; stubs_fd -1: none */
    char *tree_at, *stubs_at; /* heap: where they are for the moment; NULL: nowhere */
};
#define CF_LAYERS_INIT     \
    {                      \
        -1, -1, NULL, NULL \
    }
int cf_layers_open(struct cf_layers *layers, const struct cf_kernel_mount *mount,
                   struct cf_error *err);
void cf_layers_done(struct cf_layers *layers);
/* Names them to an overlay in the making; they have to stay until that is made. */
int cf_layers_add(struct cf_layers *layers, int overlay_fd, const struct cf_kernel_mount *mount,
                  struct cf_error *err);

#endif
