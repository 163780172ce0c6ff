/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one piece of chart work (loading, rendering) runs in: an arena with a hard bound, a bound on
 * steps and on the depth of the stack, and the one way out for every failure.
 *
 * All memory comes from the arena, so a failure anywhere leaves by cf_run_throw(), a longjmp to the
 * door that called cf_run_enter(): nothing can leak, and hundreds of template functions need no
 * error path each. What is not arena memory (libyaml, libpcre2, libcrypto, descriptors) is never
 * held across a call that can throw. Not thread safe: one run, one thread.
 */
#ifndef CF_RUN_H
#define CF_RUN_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cloudfs/error.h>

struct cf_chunk;
struct cf_exec;
struct cf_regex_cache;

struct cf_run {
    jmp_buf trap;
    struct cf_chunk *chunks;
    char *at, *end;             /* free room of the newest chunk */
    size_t used, limit;         /* bytes taken from malloc, and how many may be */
    uint64_t steps, step_limit; /* nodes executed, items made ... */
    uint64_t next_look;         /* at so many steps the clock is looked at */
    int64_t deadline;           /* of the thread's CPU time, in ns; 0: not yet set */
    const char *stack_limit;    /* the stack may not grow below */
    struct cf_exec *exec;       /* the innermost template that is executed: where a failure is */
    struct cf_regex_cache *regexes; /* freed by cf_run_done */
    struct cf_error err;
};

void cf_run_init(struct cf_run *run, size_t memory_limit, uint64_t step_limit);
void cf_run_done(struct cf_run *run);

/* setjmp of the trap: 0 at first, not 0 after a throw, when run->err tells why. */
#define cf_run_enter(run) (cf_run_mark_stack(run), setjmp((run)->trap))
void cf_run_mark_stack(struct cf_run *run);

void cf_run_look(struct cf_run *run);

/* Fails the run: with the place in the template, when one is executed. Does not return. */
_Noreturn void cf_run_throw(struct cf_run *run, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A step is some 100 ns of work; what takes very long counts as many that the clock is looked at.
 */
enum { CF_RUN_LOOK = 1 << 16 };
/* Counts work; throws when there was too much of it, or it has taken more than 10 s of CPU time. */
static inline void cf_run_step(struct cf_run *run, uint64_t steps)
{
    run->steps += steps;
    if (run->steps >= run->next_look)
        cf_run_look(run);
}
/* Throws when the stack is nearly used up. */
void cf_run_check_stack(struct cf_run *run);

/* Zeroed memory, aligned to 16; throws at the bound. Never freed before the run is done. */
void *cf_run_alloc(struct cf_run *run, size_t size);
/* count * size bytes; throws when that is more than fits. */
void *cf_run_alloc_array(struct cf_run *run, size_t count, size_t size);
char *cf_run_copy(struct cf_run *run, const char *data, size_t len); /* with a NUL behind */
char *cf_run_strdup(struct cf_run *run, const char *text);
char *cf_run_format(struct cf_run *run, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Text that grows, in the arena. */
struct cf_text {
    struct cf_run *run;
    char *data; /* NULL while empty; NUL behind */
    size_t len, room;
};
void cf_text_init(struct cf_text *text, struct cf_run *run);
void cf_text_add(struct cf_text *text, const char *data, size_t len);
void cf_text_str(struct cf_text *text, const char *str);
void cf_text_char(struct cf_text *text, char c);
void cf_text_fill(struct cf_text *text, char c, size_t count);
void cf_text_printf(struct cf_text *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void cf_text_rune(struct cf_text *text, uint32_t rune); /* as UTF-8 */

/* ---- UTF-8 as Go reads it ---- */

#define CF_RUNE_ERROR 0xFFFDu
/* The rune at data (len > 0) and its width; an invalid byte is RUNE_ERROR of width 1. */
uint32_t cf_rune_at(const char *data, size_t len, int *ret_width);
int cf_rune_put(uint32_t rune, char ret[4]); /* its length */
size_t cf_rune_count(const char *data, size_t len);
bool cf_utf8_valid(const char *data, size_t len);

#endif
