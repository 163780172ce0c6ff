/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a recipe: as they are if the first is odd, else as the operations of one, which are
 * compressed first, behind as many digests as the second says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cloudfs/buf.h>
#include <cloudfs/io.h>
#include <cloudfs/layer.h>

#include "recipe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int collect(void *context, const void *data, size_t len, struct cf_error *err)
{
    (void)err;
    return cf_buf_add(context, data, len);
}

static void make(struct cf_buf *recipe, const uint8_t *data, size_t size)
{
    struct cf_compressor *z cf_cleanup(cf_compressor_free_ptr) = NULL;
    const uint8_t head[16] = {'C', 'F', 'R', 'E', 'C', 'I', 'P', '1', data[0]};
    static const uint8_t digests[255 * 32];
    (void)cf_buf_add(recipe, head, sizeof head);
    (void)cf_buf_add(recipe, digests, 32 * (size_t)data[0]);
    if (cf_compressor_new_frame(1, collect, recipe, &z, NULL) == 0 &&
        cf_compressor_write(z, data + 1, size - 1, NULL) == 0)
        (void)cf_compressor_finish(z, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cf_buf recipe cf_autobuf = CF_BUF_INIT;
    struct cf_recipe_reader *reader cf_cleanup(cf_recipe_reader_free_ptr) = NULL;
    struct cf_recipe_step step;
    struct cf_error err = {0};
    volatile uint8_t sum = 0;
    unsigned steps = 0;

    if (size < 2 || size > 1u << 20)
        return 0;
    if (data[0] & 1)
        (void)cf_buf_add(&recipe, data + 1, size - 1);
    else
        make(&recipe, data + 1, size - 1);
    int fd cf_autoclose = memfd_create("recipe", MFD_CLOEXEC);
    if (fd < 0 || cf_write_full(fd, recipe.data, recipe.len) < 0 ||
        cf_recipe_reader_new(fd, &reader, &err) < 0)
        return 0;
    int r;
    while ((r = cf_recipe_next(reader, &step, &err)) > 0 && ++steps < 100000)
        for (uint64_t i = 0; step.data && i < step.len; i++)
            sum = (uint8_t)(sum ^ ((const uint8_t *)step.data)[i]);
    if (r < 0 && err.text[0] == '\0')
        abort();
    return 0;
}
