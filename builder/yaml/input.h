/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The bytes on their way to libyaml. What JSON allows and libyaml does not is changed on the way:
 * tabs that begin a line become spaces, and a surrogate pair of escapes (\ud83d\ude00)
 * becomes one escape (\U0001f600). Not public.
 */
#ifndef CF_YAML_INPUT_H
#define CF_YAML_INPUT_H

#include <cloudfs/yaml.h>

#include "marks.h"

#define PIECE_MAX (16u << 10)

/* A piece as libyaml got it: to say in which line a bad byte is. */
struct piece {
    uint8_t data[PIECE_MAX];
    size_t len;
    uint64_t offset;    /* of all that was given */
    size_t line_breaks; /* before it */
};
struct input {
    const uint8_t *data; /* what is left of bytes at hand */
    size_t len;
    cf_source_fn *source;
    void *source_context;
    bool ended;
    uint8_t held[PIECE_MAX]; /* read, not yet given */
    size_t held_len;
    enum { LEADING, YAML, JSON } form; /* by the first bytes that are not white */
    bool in_line; /* JSON: something but white space came since the last line break */
    struct marks marks;
    struct piece pieces[2];
    unsigned piece_count;
    struct cf_error err; /* of the source */
};
void cf_yaml_input_init(struct input *input, const struct cf_yaml_options *options);
void cf_yaml_input_done(struct input *input);

/* Up to size bytes into data; 0 at the end. What the source failed with is in err too. */
ssize_t cf_yaml_input_read(struct input *input, uint8_t *data, size_t size);
/* The line, from 0, of a byte that was given lately. */
size_t cf_yaml_input_line(const struct input *input, uint64_t offset);

#endif
