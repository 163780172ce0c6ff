/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/commit.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cf_changes_done(struct cf_changes *changes)
{
    for (size_t i = 0; i < changes->count; i++)
        free(changes->list[i].path);
    free(changes->list);
    *changes = (struct cf_changes){0};
}

int cf_changes_add(struct cf_changes *changes, const struct cf_change *change, const char *path,
                   size_t path_len)
{
    /* Room for a power of two of them. */
    if ((changes->count & (changes->count - 1)) == 0) {
        size_t room = changes->count ? changes->count * 2 : 1;
        struct cf_change *grown = realloc(changes->list, room * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        changes->list = grown;
    }
    struct cf_change *added = &changes->list[changes->count];
    *added = *change;
    added->path = strndup(path, path_len);
    if (!added->path)
        return -ENOMEM;
    changes->count++;
    return 0;
}

static int compare_changes(const void *a, const void *b)
{
    const struct cf_change *x = a, *y = b;
    return strcmp(x->path, y->path);
}

void cf_changes_sort(struct cf_changes *changes)
{
    if (changes->count > 1)
        qsort(changes->list, changes->count, sizeof(*changes->list), compare_changes);
}
