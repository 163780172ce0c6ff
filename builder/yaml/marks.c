/* SPDX-License-Identifier: Apache-2.0 */
#include "marks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void cf_yaml_marks_done(struct marks *marks)
{
    free(marks->runs);
    *marks = (struct marks){0};
}

static struct run *new_run(struct marks *marks)
{
    if (marks->begin > 0 && marks->begin == marks->count)
        marks->begin = marks->count = 0;
    if (marks->begin > 64 && marks->begin > marks->count / 2) {
        memmove(marks->runs, marks->runs + marks->begin,
                (marks->count - marks->begin) * sizeof(*marks->runs));
        marks->count -= marks->begin;
        marks->begin = 0;
    }
    if (marks->count == marks->room) {
        size_t room = marks->room ? marks->room * 2 : 64;
        struct run *grown = realloc(marks->runs, room * sizeof(*grown));
        if (!grown)
            return NULL;
        marks->runs = grown;
        marks->room = room;
    }
    return &marks->runs[marks->count++];
}

static int add_character(struct marks *marks, unsigned extra)
{
    struct run *last = marks->count > marks->begin ? &marks->runs[marks->count - 1] : NULL;

    if (!last || last->extra != extra || last->first + last->count != marks->characters) {
        last = new_run(marks);
        if (!last)
            return -ENOMEM;
        *last = (struct run){.first = marks->characters, .extra = extra, .before = marks->extra};
    }
    last->count++;
    marks->extra += extra;
    return 0;
}

int cf_yaml_marks_pass(struct marks *marks, const uint8_t *data, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        uint64_t word;
        if (i + sizeof(word) <= len) { /* ASCII goes by in eights */
            memcpy(&word, data + i, sizeof(word));
            if (!(word & 0x8080808080808080u)) {
                marks->characters += sizeof(word);
                i += sizeof(word) - 1;
                continue;
            }
        }
        if ((data[i] & 0xc0) == 0x80)
            continue; /* counted with its first byte */
        unsigned extra = data[i] < 0xc0 ? 0 : data[i] < 0xe0 ? 1 : data[i] < 0xf0 ? 2 : 3;
        if (extra > 0 && add_character(marks, extra) < 0)
            return -ENOMEM;
        marks->characters++;
    }
    return 0;
}

int cf_yaml_marks_pass_as(struct marks *marks, unsigned characters, unsigned extra)
{
    int r = add_character(marks, extra);

    if (r == 0)
        marks->characters += characters;
    return r;
}

uint64_t cf_yaml_marks_byte(struct marks *marks, uint64_t character, bool forget)
{
    size_t low = marks->begin, high = marks->count;

    while (low < high) { /* the first run that begins behind the character */
        size_t middle = low + (high - low) / 2;
        if (marks->runs[middle].first < character)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == marks->begin)
        return character + (low < marks->count ? marks->runs[low].before : marks->extra);
    const struct run *run = &marks->runs[low - 1];
    uint64_t inside = character - run->first;
    if (forget)
        marks->begin = low - 1;
    return character + run->before + run->extra * (inside < run->count ? inside : run->count);
}
