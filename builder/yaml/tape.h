/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What anchors name, kept to be repeated where their aliases stand: one tape of events for each
 * document, on which an anchored node is a range. An alias inside such a node is an event of the
 * tape, and is followed when it is met: so what a bomb of aliases would make is never in memory.
 * Not public.
 */
#ifndef CF_YAML_TAPE_H
#define CF_YAML_TAPE_H

#include <cloudfs/buf.h>
#include <cloudfs/yaml.h>

struct taped {
    struct cf_yaml_event event; /* without its strings */
    size_t value, tag;          /* offsets of text + 1; 0: NULL */
    size_t target;              /* aliases: the anchor's number */
};
struct anchor {
    size_t name; /* offset of text */
    uint64_t hash;
    size_t first, end; /* range of the tape */
    bool open;         /* the node is not over yet */
    bool lost;         /* too large to be kept */
    size_t depth;      /* of the node while it is open */
    size_t outer;      /* number + 1 of the open anchor around it */
};
struct tape {
    struct taped *events;
    size_t count, room;
    struct anchor *anchors;
    size_t anchor_count, anchor_room;
    size_t open; /* number + 1 of the innermost open anchor; 0: none */
    struct cf_buf text;
    bool full;
};
void cf_yaml_tape_clear(struct tape *tape); /* forgets all, keeps the memory */
void cf_yaml_tape_done(struct tape *tape);

/* Takes note of an event of the input, whose depth is that of its node. -ENOMEM. */
int cf_yaml_tape_record(struct tape *tape, const struct cf_yaml_event *event, size_t depth);
/* The number of the anchor of that name: -ENOENT, -ELOOP inside itself, -EFBIG if lost. */
int cf_yaml_tape_find(const struct tape *tape, const char *name, size_t *ret_anchor);
/* The event at that place, with its strings. */
void cf_yaml_tape_event(const struct tape *tape, size_t at, struct cf_yaml_event *ret_event);

#endif
