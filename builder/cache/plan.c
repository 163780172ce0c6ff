/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cf_cache_plan_done(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        free(plan->files[i].path);
        free(plan->files[i].data);
    }
    free(plan->files);
    *plan = (struct plan){0};
}

static int grow(struct plan *plan, size_t more)
{
    if (plan->count + more <= plan->room)
        return 0;
    size_t room = plan->room * 2 > plan->count + more ? plan->room * 2 : plan->count + more + 32;
    struct planned *grown = realloc(plan->files, room * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    plan->files = grown;
    plan->room = room;
    return 0;
}

/* A file with a path of its own (NULL: no memory), and a copy of its bytes unless data is NULL. */
static int add(struct plan *plan, char *path, const char *data, size_t len,
               struct planned **ret_file)
{
    if (!path || grow(plan, 1) < 0) {
        free(path);
        return -ENOMEM;
    }
    struct planned *file = &plan->files[plan->count++];
    *file = (struct planned){.path = path, .size = len};
    if (data && !(file->data = malloc(len + 1)))
        return -ENOMEM;
    if (len && data)
        memcpy(file->data, data, len);
    *ret_file = file;
    return 0;
}

int cf_cache_plan_text(struct plan *plan, const char *data, size_t len, const char *format, ...)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct planned *file;
    va_list ap;

    va_start(ap, format);
    int r = cf_buf_vprintf(&path, format, ap);
    va_end(ap);
    return r < 0 ? r : add(plan, cf_buf_take(&path), data, len, &file);
}

int cf_cache_plan_blob(struct plan *plan, const struct cf_digest *digest, uint64_t size,
                       const char *data)
{
    char path[CF_REGISTRY_PATH_SIZE];
    struct planned *file;

    cf_registry_blob_path(digest, path);
    int r = add(plan, strdup(path + strlen(CF_REGISTRY_V2 "/")), data, (size_t)size, &file);
    if (r < 0)
        return r;
    file->kind = PLANNED_BLOB;
    file->digest = *digest;
    return 0;
}

int cf_cache_plan_gone(struct plan *plan, const char *path, size_t len)
{
    struct planned *file;
    int r = add(plan, strndup(path, len), NULL, 0, &file);

    if (r == 0)
        file->kind = PLANNED_GONE;
    return r;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int cf_cache_plan_append(struct plan *plan, struct plan *from)
{
    size_t before = plan->count;
    const char **paths = calloc(before + 1, sizeof(*paths));

    if (!paths || grow(plan, from->count) < 0) {
        free(paths);
        return -ENOMEM;
    }
    for (size_t i = 0; i < before; i++)
        paths[i] = plan->files[i].path;
    qsort(paths, before, sizeof(*paths), by_path);
    for (size_t i = 0; i < from->count; i++) {
        struct planned *file = &from->files[i];
        const char *path = file->path;
        if (bsearch(&path, paths, before, sizeof(*paths), by_path))
            continue; /* the same content: paths of blobs and links say what it is */
        plan->files[plan->count++] = *file;
        *file = (struct planned){0};
    }
    free(paths);
    cf_cache_plan_done(from);
    return 0;
}
