/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a compressed stream: the first chooses the form, the second how they are cut. */
#include <stdint.h>
#include <stdlib.h>

#include <cloudfs/decoder.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { OUT_MAX = 8 << 20 };

struct input {
    const uint8_t *data;
    size_t len, step;
};

static int next(void *context, const void **ret_data, size_t *ret_len, struct cf_error *err)
{
    struct input *input = context;
    const size_t n = input->len < input->step ? input->len : input->step;
    (void)err;
    *ret_data = input->data;
    *ret_len = n;
    input->data += n;
    input->len -= n;
    return n > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cf_decoder *decoder = NULL;
    struct cf_error err = {0};
    uint8_t out[4099];
    size_t total = 0;
    ssize_t n;

    if (size < 2 || size > 1u << 20)
        return 0;
    struct input input = {
        .data = data + 2, .len = size - 2, .step = data[1] ? data[1] : (size_t)1 << 20};
    const int kind = data[0] % 3;
    int r = kind == 2 ? cf_decoder_new_filter(next, &input, &decoder, &err)
                      : cf_decoder_new(kind ? CF_ZSTD : CF_GZIP, next, &input, &decoder, &err);
    if (r < 0)
        return 0;
    do {
        n = cf_decoder_read(decoder, out, sizeof out, &err);
        total += n > 0 ? (size_t)n : 0;
        if (n < 0 && err.text[0] == '\0')
            abort();
    } while (n > 0 && total < OUT_MAX);
    cf_decoder_free(decoder);
    return 0;
}
