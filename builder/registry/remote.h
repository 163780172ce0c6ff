/* SPDX-License-Identifier: Apache-2.0 */
/* A repository with its endpoints, and how requests are spread over them. */
#ifndef CF_REGISTRY_REMOTE_H
#define CF_REGISTRY_REMOTE_H

#include "session.h"

struct cf_remote {
    struct cf_registry *registry;
    struct cf_reference reference;
    char full[512];       /* registry/repository:tag@digest */
    char repository[256]; /* registry/repository */
    const char *actions;  /* for tokens */
    struct cf_endpoint endpoints[CF_ENDPOINTS_MAX];
    struct cf_host *hosts[CF_ENDPOINTS_MAX];
    size_t count;
    size_t current; /* atomic: the one that has answered last */
};

/* "/v2/REPOSITORY/REST" of an endpoint. */
int cf_remote_path(const struct cf_remote *remote, size_t which, const char *rest,
                   struct cf_buf *ret_path, struct cf_error *err);
/*
 * A request below the repository, to each endpoint until one answers; rest is the path behind
 * "/v2/REPOSITORY/". The answer's status may be anything below 500 but 401 and 403; 404 of the last
 * endpoint too.
 */
int cf_remote_call(struct cf_remote *remote, const struct cf_call *call, const char *rest,
                   struct cf_answer *ret_answer, struct cf_error *err);
/* Fails for a status that is none of those that are wanted. */
int cf_remote_want(struct cf_answer *answer, int wanted, const char *what, struct cf_error *err);

#endif
