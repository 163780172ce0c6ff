/* SPDX-License-Identifier: Apache-2.0 */
/* The images in a registry/, and what each repository costs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "contents.h"

void cf_registry_list_done(struct cf_registry_list *list)
{
    for (size_t i = 0; i < list->image_count; i++)
        free(list->images[i].name);
    for (size_t i = 0; i < list->repository_count; i++)
        free(list->repositories[i].name);
    free(list->images);
    free(list->repositories);
    *list = (struct cf_registry_list){0};
}

/* That a repository has a blob. */
struct use {
    struct cf_digest digest;
    size_t repository;
};

static int by_digest(const void *a, const void *b)
{
    const struct use *x = a, *y = b;
    int order = cf_digest_compare(&x->digest, &y->digest);

    return order ? order : x->repository < y->repository ? -1 : x->repository > y->repository;
}

static uint64_t size_of(const struct contents *contents, const struct cf_digest *digest)
{
    char path[CF_REGISTRY_PATH_SIZE];

    cf_registry_blob_path(digest, path);
    const struct part_file *file = cf_contents_find(contents, path);
    return file ? file->size : 0;
}

/* The number of a repository, which is new when it is not the last one: paths ascend. */
static int repository_of(struct cf_registry_list *list, const char *name, size_t *ret_number)
{
    for (size_t i = list->repository_count; i-- > 0;)
        if (!strcmp(list->repositories[i].name, name)) {
            *ret_number = i;
            return 0;
        }
    list->repositories[list->repository_count] =
        (struct cf_registry_repository){.name = strdup(name)};
    *ret_number = list->repository_count;
    if (!list->repositories[list->repository_count].name)
        return -ENOMEM;
    list->repository_count++;
    return 0;
}

static int add_image(struct cf_rootfs *rootfs, struct cf_registry_list *list,
                     const struct part_file *file)
{
    struct cf_registry_image *image = &list->images[list->image_count];

    if (cf_registry_link(rootfs, file->path, &image->digest) < 0)
        return 0; /* the check tells of it */
    if (asprintf(&image->name, "%s:%s", file->repository, file->tag) < 0) {
        image->name = NULL;
        return -ENOMEM;
    }
    list->image_count++;
    return 0;
}

static void add_costs(struct cf_registry_list *list, const struct contents *contents,
                      struct use *uses, size_t count)
{
    size_t n = 0;

    if (count > 1)
        qsort(uses, count, sizeof(*uses), by_digest);
    for (size_t i = 0; i < count; i++)
        if (n == 0 || by_digest(&uses[n - 1], &uses[i]) != 0)
            uses[n++] = uses[i];
    for (size_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && cf_digest_equal(&uses[end].digest, &uses[i].digest);)
            end++;
        uint64_t size = size_of(contents, &uses[i].digest);
        for (size_t k = i; k < end; k++) {
            struct cf_registry_repository *repository = &list->repositories[uses[k].repository];
            *(end - i > 1 ? &repository->shared : &repository->own) += size;
        }
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct cf_registry_image *)a)->name,
                  ((const struct cf_registry_image *)b)->name);
}

static int by_repository(const void *a, const void *b)
{
    return strcmp(((const struct cf_registry_repository *)a)->name,
                  ((const struct cf_registry_repository *)b)->name);
}

static int fill(struct cf_rootfs *rootfs, const struct contents *contents, struct use *uses,
                struct cf_registry_list *list)
{
    size_t count = 0, number = 0;
    int r = 0;

    for (size_t i = 0; i < contents->count && r == 0; i++) {
        const struct part_file *file = &contents->files[i];
        if (file->part == PART_BLOB)
            list->bytes += file->size;
        if (file->repository && file->part != PART_OTHER)
            r = repository_of(list, file->repository, &number);
        if (r == 0 && (file->part == PART_LAYER || file->part == PART_REVISION))
            uses[count++] = (struct use){file->digest, number};
        if (r == 0 && file->part == PART_TAG) {
            list->repositories[number].tags++;
            r = add_image(rootfs, list, file);
        }
    }
    if (r < 0)
        return r;
    add_costs(list, contents, uses, count);
    if (list->image_count > 1)
        qsort(list->images, list->image_count, sizeof(*list->images), by_name);
    if (list->repository_count > 1)
        qsort(list->repositories, list->repository_count, sizeof(*list->repositories),
              by_repository);
    return 0;
}

int cf_registry_read(struct cf_rootfs *rootfs, struct cf_registry_list *ret_list,
                     struct cf_error *err)
{
    struct contents contents = {0};
    struct cf_registry_list list = {0};
    int r = cf_contents_read(rootfs, &contents, err);

    if (r < 0)
        return r;
    struct use *uses = calloc(contents.count + 1, sizeof(*uses));
    list.images = calloc(contents.count + 1, sizeof(*list.images));
    list.repositories = calloc(contents.count + 1, sizeof(*list.repositories));
    r = uses && list.images && list.repositories ? fill(rootfs, &contents, uses, &list) : -ENOMEM;
    free(uses);
    cf_contents_done(&contents);
    if (r < 0) {
        cf_registry_list_done(&list);
        return cf_fail(err, r, "out of memory");
    }
    *ret_list = list;
    return 0;
}
