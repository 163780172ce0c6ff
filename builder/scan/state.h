/* SPDX-License-Identifier: Apache-2.0 */
/* What a rootfs has of the images that it refers to. Not public. */
#ifndef CF_SCAN_STATE_H
#define CF_SCAN_STATE_H

#include "scan_private.h"

#include <cloudfs/cache.h>

/* Adds the images that the archives of images/ hold; what is none of them is a warning. */
int cf_scan_archives(struct cf_store *store, struct cf_rootfs *rootfs, struct findings *findings,
                     struct cf_error *err);

#endif
