/* SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cf_cache_plan_done(struct plan *plan)
{
    cf_cache_plan_cut(plan, 0);
    free(plan->files);
    free(plan->have);
    *plan = (struct plan){0};
}

void cf_cache_plan_cut(struct plan *plan, size_t count)
{
    while (plan->count > count) {
        struct planned *file = &plan->files[--plan->count];
        free(file->path);
        free(file->data);
    }
    plan->have_count = 0; /* what was planned before may be planned again: the same files */
}

static struct planned *add(struct plan *plan)
{
    if (plan->count == plan->room) {
        size_t room = plan->room ? plan->room * 2 : 64;
        struct planned *grown = realloc(plan->files, room * sizeof(*grown));
        if (!grown)
            return NULL;
        plan->files = grown;
        plan->room = room;
    }
    plan->files[plan->count] = (struct planned){0};
    return &plan->files[plan->count++];
}

int cf_cache_plan_text(struct plan *plan, const char *data, size_t len, const char *format, ...)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    va_list ap;

    va_start(ap, format);
    int r = cf_buf_vprintf(&path, format, ap);
    va_end(ap);
    struct planned *file = r < 0 ? NULL : add(plan);
    if (!file)
        return -ENOMEM;
    file->size = len;
    file->path = cf_buf_take(&path);
    file->data = malloc(len + 1);
    if (!file->path || !file->data)
        return -ENOMEM;
    memcpy(file->data, data, len);
    return 0;
}

int cf_cache_plan_object(struct plan *plan, const struct cf_digest *digest, uint64_t size,
                         const char *path)
{
    struct planned *file = add(plan);

    if (!file)
        return -ENOMEM;
    file->size = size;
    file->is_object = true;
    file->digest = *digest;
    file->path = strdup(path);
    return file->path ? 0 : -ENOMEM;
}

int cf_cache_plan_note(struct plan *plan, const struct cf_digest *digest, bool *ret_new)
{
    size_t low = 0, high = plan->have_count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (cf_digest_compare(&plan->have[middle], digest) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_new = low == plan->have_count || !cf_digest_equal(&plan->have[low], digest);
    if (!*ret_new)
        return 0;
    if (plan->have_count == plan->have_room) {
        size_t room = plan->have_room ? plan->have_room * 2 : 64;
        struct cf_digest *grown = realloc(plan->have, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        plan->have = grown;
        plan->have_room = room;
    }
    memmove(plan->have + low + 1, plan->have + low, (plan->have_count - low) * sizeof(*digest));
    plan->have[low] = *digest;
    plan->have_count++;
    return 0;
}
