/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libyaml counts characters; this tells which byte a character is. The input passes by once in
 * pieces; what lies before a place that is asked for no more is forgotten. Not public.
 */
#ifndef CF_YAML_MARKS_H
#define CF_YAML_MARKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Characters of more than one byte, one after the other, all of the same length. */
struct run {
    uint64_t first, count; /* characters */
    unsigned extra;        /* bytes of each beyond the first */
    uint64_t before;       /* extra bytes of all runs before */
};
struct marks {
    struct run *runs;
    size_t begin, count, room;
    uint64_t characters; /* that passed by */
    uint64_t extra;      /* bytes that they have beyond one each */
};
void cf_yaml_marks_done(struct marks *marks);
/* The next bytes: -ENOMEM. */
int cf_yaml_marks_pass(struct marks *marks, const uint8_t *data, size_t len);
/* That many plain characters stand for more bytes of the input (extra of them). */
int cf_yaml_marks_pass_as(struct marks *marks, unsigned characters, unsigned extra);
/* The byte of a character; earlier ones will not be asked for. */
uint64_t cf_yaml_marks_byte(struct marks *marks, uint64_t character, bool forget);

#endif
