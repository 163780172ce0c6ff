/* SPDX-License-Identifier: Apache-2.0 */
#include "tape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define EVENTS_MAX 200000u
#define TEXT_MAX (16u << 20)
#define ANCHORS_MAX 10000u

void cf_yaml_tape_clear(struct tape *tape)
{
    tape->count = 0;
    tape->anchor_count = 0;
    tape->open = 0;
    tape->full = false;
    cf_buf_clear(&tape->text);
}

void cf_yaml_tape_done(struct tape *tape)
{
    free(tape->events);
    free(tape->anchors);
    cf_buf_done(&tape->text);
    *tape = (struct tape){0};
}

static uint64_t hash_of(const char *name)
{
    uint64_t hash = 14695981039346656037u;

    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 1099511628211u;
    return hash;
}

/* Keeps a string: its offset + 1. */
static int keep(struct tape *tape, const char *text, size_t len, size_t *ret_place)
{
    *ret_place = text ? tape->text.len + 1 : 0;
    if (!text)
        return 0;
    int r = cf_buf_add(&tape->text, text, len);
    return r < 0 ? r : cf_buf_add_char(&tape->text, '\0');
}

/* Makes room for one more of an array's elements. */
static int grow(void **array, size_t count, size_t *room, size_t size)
{
    if (count < *room)
        return 0;
    size_t more = *room ? *room * 2 : 64;
    void *grown = realloc(*array, more * size);
    if (!grown)
        return -ENOMEM;
    *array = grown;
    *room = more;
    return 0;
}

static int add_event(struct tape *tape, const struct cf_yaml_event *event)
{
    struct taped taped = {.event = *event};

    int r = grow((void **)&tape->events, tape->count, &tape->room, sizeof(*tape->events));
    if (r == 0)
        r = keep(tape, event->value, event->len, &taped.value);
    if (r == 0)
        r = keep(tape, event->tag, event->tag ? strlen(event->tag) : 0, &taped.tag);
    if (r == 0 && event->kind == CF_YAML_ALIAS)
        r = cf_yaml_tape_find(tape, event->anchor, &taped.target);
    if (r < 0)
        return r;
    taped.event.value = taped.event.tag = taped.event.anchor = NULL;
    taped.event.replayed = true;
    tape->events[tape->count++] = taped;
    return 0;
}

static int add_anchor(struct tape *tape, const struct cf_yaml_event *event, size_t depth)
{
    struct anchor anchor = {.hash = hash_of(event->anchor),
                            .first = tape->count,
                            .open = true,
                            .depth = depth,
                            .outer = tape->open};

    int r = grow((void **)&tape->anchors, tape->anchor_count, &tape->anchor_room, sizeof(anchor));
    if (r == 0)
        r = keep(tape, event->anchor, strlen(event->anchor), &anchor.name);
    if (r < 0)
        return r;
    anchor.lost = tape->full;
    tape->anchors[tape->anchor_count++] = anchor;
    tape->open = tape->anchor_count;
    return 0;
}

/* Ends the anchored node, if there is one, that begins at this depth. */
static void close_anchor(struct tape *tape, size_t depth)
{
    struct anchor *anchor = &tape->anchors[tape->open - 1];

    if (anchor->depth != depth)
        return;
    anchor->open = false;
    anchor->end = tape->count;
    tape->open = anchor->outer;
}

/* From now on nothing is kept: neither what is open nor what comes. */
static void overflow(struct tape *tape)
{
    tape->full = true;
    for (size_t i = tape->open; i > 0; i = tape->anchors[i - 1].outer)
        tape->anchors[i - 1].lost = true;
}

int cf_yaml_tape_record(struct tape *tape, const struct cf_yaml_event *event, size_t depth)
{
    bool anchored = event->anchor && event->kind != CF_YAML_ALIAS;
    int r = 0;

    if (!tape->full && (tape->count >= EVENTS_MAX || tape->anchor_count >= ANCHORS_MAX ||
                        tape->text.len + event->len > TEXT_MAX))
        overflow(tape);
    if (anchored && tape->anchor_count < 2 * ANCHORS_MAX)
        r = add_anchor(tape, event, depth);
    if (r < 0 || tape->open == 0)
        return r;
    if (!tape->full)
        r = add_event(tape, event);
    if (event->kind == CF_YAML_SCALAR || event->kind == CF_YAML_MAP_END ||
        event->kind == CF_YAML_SEQUENCE_END)
        close_anchor(tape, depth);
    return r;
}

int cf_yaml_tape_find(const struct tape *tape, const char *name, size_t *ret_anchor)
{
    uint64_t hash = hash_of(name);

    for (size_t i = tape->anchor_count; i-- > 0;) {
        const struct anchor *anchor = &tape->anchors[i];
        if (anchor->hash != hash || strcmp(tape->text.data + anchor->name - 1, name) != 0)
            continue;
        *ret_anchor = i;
        return anchor->open ? -ELOOP : anchor->lost ? -EFBIG : 0;
    }
    return tape->anchor_count >= 2 * ANCHORS_MAX ? -EFBIG : -ENOENT;
}

void cf_yaml_tape_event(const struct tape *tape, size_t at, struct cf_yaml_event *ret_event)
{
    const struct taped *taped = &tape->events[at];

    *ret_event = taped->event;
    if (taped->value)
        ret_event->value = tape->text.data + taped->value - 1;
    if (taped->tag)
        ret_event->tag = tape->text.data + taped->tag - 1;
}
