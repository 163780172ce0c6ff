/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are read or refused with a line; events nest, marks ascend and lie in the input. Bytes
 * at hand (which the quick reader takes, as far as it can) and pieces of one byte (which libyaml
 * reads alone) give the same events, mark by mark. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/digest.h>
#include <cloudfs/yaml.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool condition)
{
    if (!condition)
        abort();
}

struct bytes {
    const uint8_t *data;
    size_t len;
};

static ssize_t read_byte(void *context, void *data, size_t len, struct cf_error *err)
{
    struct bytes *bytes = context;
    (void)err;
    if (bytes->len == 0 || len == 0)
        return 0;
    *(uint8_t *)data = *bytes->data++;
    bytes->len--;
    return 1;
}

static int run(const struct cf_yaml_options *options, size_t len, struct cf_digest *ret_digest)
{
    struct cf_yaml *yaml cf_cleanup(cf_yaml_close_ptr) = NULL;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_yaml_event event;
    struct cf_error err = {0};
    uint64_t last = 0;
    size_t depth = 0;
    int r;

    must(cf_hasher_new(&hasher) == 0 && cf_yaml_open(options, &yaml, &err) == 0);
    while ((r = cf_yaml_next(yaml, &event, &err)) > 0) {
        must(event.start.offset <= event.end.offset && event.end.offset <= len);
        must(event.replayed || event.start.offset >= last);
        last = event.replayed ? last : event.start.offset;
        if (event.kind == CF_YAML_MAP || event.kind == CF_YAML_SEQUENCE)
            must(++depth <= CF_YAML_MAX_DEPTH);
        if (event.kind == CF_YAML_MAP_END || event.kind == CF_YAML_SEQUENCE_END)
            must(depth-- > 0);
        if (event.kind == CF_YAML_DOCUMENT_END)
            must(depth == 0);
        const uint64_t said[] = {event.kind,         event.start.offset,  event.start.line,
                                 event.start.column, event.end.offset,    event.end.line,
                                 event.end.column,   event.explicit,      event.replayed,
                                 event.tag != NULL,  event.anchor != NULL};
        cf_hasher_update(hasher, said, sizeof(said));
        bool styled = event.kind == CF_YAML_SCALAR || event.kind == CF_YAML_MAP ||
                      event.kind == CF_YAML_SEQUENCE;
        if (styled)
            cf_hasher_update(hasher, &event.style, sizeof(event.style));
        if (event.kind == CF_YAML_SCALAR)
            cf_hasher_update(hasher, event.value, event.len);
    }
    must(r == 0 || (err.text[0] && !strchr(err.text, '\n')));
    cf_hasher_update(hasher, &r, sizeof(r));
    cf_hasher_final(hasher, ret_digest);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct bytes bytes = {data, len};
    struct cf_digest whole, pieces;
    struct cf_yaml_options options = {.data = data, .len = len, .max_replayed = 5000};
    struct cf_yaml_options slow = {
        .source = read_byte, .source_context = &bytes, .max_replayed = 5000};

    int r = run(&options, len, &whole);

    int again = run(&slow, len, &pieces);

    /* A bad byte is seen earlier or later than what else is wrong. */
    must((r < 0) == (again < 0) && (r < 0 || cf_digest_equal(&whole, &pieces)));
    return 0;
}
