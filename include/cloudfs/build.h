/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Images from Kubefiles: each instruction that changes files makes one layer, the rest is written
 * into the config. The same Kubefile, context and base give the same image on any machine and date.
 */
#ifndef CLOUDFS_BUILD_H
#define CLOUDFS_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include <cloudfs/cache.h>
#include <cloudfs/commit.h>
#include <cloudfs/error.h>
#include <cloudfs/image.h>
#include <cloudfs/kubefile.h>
#include <cloudfs/platform.h>
#include <cloudfs/store.h>

/* What a build tells while it goes on; text lives until the function returns. */
enum cf_build_event {
    CF_BUILD_STEP,    /* "STEP 2/5: COPY a etc/" */
    CF_BUILD_CACHED,  /* the step's layer was there already */
    CF_BUILD_OUTPUT,  /* a piece of what RUN prints, not always whole lines */
    CF_BUILD_WARNING, /* one line */
};
typedef void cf_build_fn(void *context, enum cf_build_event event, const char *text, size_t len);

struct cf_build_options {
    struct cf_image_options image;   /* labels, annotations, timestamp */
    const char *name;                /* reference to publish under */
    const struct cf_key_value *args; /* --build-arg */
    size_t arg_count;
    bool no_cache;
    bool network;     /* RUN may use the machine's network */
    bool application; /* --base=false: only the layers of this Kubefile, as an application image */
    cf_build_fn *event;
    void *event_context;
    cf_progress_fn *progress;
    void *progress_context;
    /* One image for each; several get an index under the name. None: one for the base's, or for
     * this machine's. */
    const struct cf_platform *platforms;
    size_t platform_count;
    /* How the container images that the rootfs refers to get into its registry/, as the last layer;
     * NULL: they are left alone. Its progress is that of the build. */
    const struct cf_cache_options *images;
    /* Gets the base that the store does not have (FROM) into the store, under that name, for a
     * platform (NULL: any); NULL: it cannot be had. pull_always: also one that the store has. */
    int (*pull)(void *context, struct cf_store *store, const char *reference, const char *platform,
                struct cf_image **ret_image, struct cf_error *err);
    void *pull_context;
    bool pull_always;
    bool strict;  /* what the check of the new files finds is a failure, not a warning */
    bool offline; /* sources of COPY that are on the network cannot be had */
};

/*
 * Runs the Kubefile with the directory context_dir (its .dockerignore or .kubeignore left out) and
 * publishes the image last. A failure leaves nothing but finished layers, which the next build
 * finds again. One clear line for what is wrong: "Kubefile:3:6: ...". ret_image: of several
 * platforms, the first.
 */
int cf_build(struct cf_store *store, const struct cf_kubefile *kubefile, const char *context_dir,
             const struct cf_build_options *options, struct cf_image **ret_image,
             struct cf_error *err);

#endif
