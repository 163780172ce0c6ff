/* SPDX-License-Identifier: Apache-2.0 */
/* A rendering: what came of each template. */
#ifndef CF_RENDER_H
#define CF_RENDER_H

#include "exec.h"
#include "model.h"

struct cf_rendered {
    struct cf_rendered_file file;
    struct cf_line_map lines;
};

struct cf_rendering {
    struct cf_run run;
    struct cf_rendered *files;
    size_t count;
    struct cf_rendered_file *crds;
    size_t crd_count;
};

/* The line of the template that a line of what it wrote comes from. */
size_t cf_line_map_find(const struct cf_line_map *map, size_t line);

/* .Capabilities and .Release */
struct cf_val cf_render_capabilities(struct cf_run *run, const struct cf_render_options *options);
struct cf_val cf_render_release(struct cf_run *run, const struct cf_render_options *options);

#endif
