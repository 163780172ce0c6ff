/* SPDX-License-Identifier: Apache-2.0 */
#include "run.h"
#include "exec.h"
#include "regex.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { FIRST_CHUNK = 64 << 10, LARGE_CHUNK = 1 << 20, STACK_RESERVE = 192 << 10, MAX_SECONDS = 10 };

struct cf_chunk {
    struct cf_chunk *next;
    size_t size;
    _Alignas(16) char data[];
};

void cf_run_init(struct cf_run *run, size_t memory_limit, uint64_t step_limit)
{
    memset(run, 0, sizeof *run);
    run->limit = memory_limit;
    run->step_limit = step_limit;
}

void cf_run_done(struct cf_run *run)
{
    for (struct cf_chunk *chunk = run->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        free(chunk);
    }
    cf_regex_cache_free(run->regexes);
    memset(run, 0, sizeof *run);
}

/* The end of the thread's stack; NULL when it cannot be told. Asked once: for the main thread the
 * answer is read out of /proc/self/maps. */
static const char *stack_end(void)
{
    static _Thread_local const char *end;
    static _Thread_local bool known;
    pthread_attr_t attr;
    void *lowest;
    size_t size;
    if (!known && !pthread_getattr_np(pthread_self(), &attr)) {
        if (!pthread_attr_getstack(&attr, &lowest, &size))
            end = lowest;
        (void)pthread_attr_destroy(&attr);
    }
    known = true;
    return end;
}

/* Less a reserve for the libraries that are called; and 6 MiB are enough, though the main thread's
 * may grow to 8 MiB usually. */
void cf_run_mark_stack(struct cf_run *run)
{
    const char *here = __builtin_frame_address(0), *end = stack_end();
    run->stack_limit = here - (1 << 20);
    if (end && end < here) {
        const char *limit = end + STACK_RESERVE;
        run->stack_limit = here - limit > 6 << 20 ? here - (6 << 20) : limit;
    }
}

_Noreturn void cf_run_throw(struct cf_run *run, int code, const char *format, ...)
{
    char text[CF_ERROR_TEXT_SIZE * 2];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    cf_exec_describe(run->exec, text, sizeof text);
    run->exec = NULL;
    (void)cf_fail(&run->err, code, "%s", text);
    longjmp(run->trap, 1);
}

void cf_run_look(struct cf_run *run)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    int64_t at = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
    if (!run->deadline)
        run->deadline = at + (int64_t)MAX_SECONDS * 1000000000;
    if (at > run->deadline)
        cf_run_throw(run, -EFBIG, "the templates take more than %d seconds", MAX_SECONDS);
    run->next_look = run->steps + CF_RUN_LOOK;
    if (run->next_look > run->step_limit)
        run->next_look = run->step_limit + 1;
    if (run->steps > run->step_limit)
        cf_run_throw(run, -EFBIG, "the templates take too many steps (limit %llu)",
                     (unsigned long long)run->step_limit);
}

void cf_run_check_stack(struct cf_run *run)
{
    if ((const char *)__builtin_frame_address(0) < run->stack_limit)
        cf_run_throw(run, -EFBIG, "nested too deeply");
}

static void add_chunk(struct cf_run *run, size_t size)
{
    size_t want = run->used ? LARGE_CHUNK : FIRST_CHUNK;
    bool own = size > want / 4;
    if (own)
        want = size;
    if (want + sizeof(struct cf_chunk) > run->limit - run->used)
        cf_run_throw(run, -EFBIG, "more than %zu MiB of memory are needed", run->limit >> 20);
    struct cf_chunk *chunk = malloc(sizeof *chunk + want);
    if (!chunk)
        cf_run_throw(run, -ENOMEM, "out of memory");
    chunk->size = want;
    run->used += sizeof *chunk + want;
    if (own && run->chunks) { /* the newest chunk stays the one with room */
        chunk->next = run->chunks->next;
        run->chunks->next = chunk;
        return;
    }
    chunk->next = run->chunks;
    run->chunks = chunk;
    run->at = chunk->data;
    run->end = chunk->data + want;
}

static void *allocate(struct cf_run *run, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (size > run->limit)
        cf_run_throw(run, -EFBIG, "more than %zu MiB of memory are needed", run->limit >> 20);
    if (!run->chunks || size > (size_t)(run->end - run->at)) {
        struct cf_chunk *newest = run->chunks;
        add_chunk(run, size);
        if (run->chunks == newest)
            return newest->next->data;
    }
    void *memory = run->at;
    run->at += size;
    return memory;
}

void *cf_run_alloc(struct cf_run *run, size_t size)
{
    return memset(allocate(run, size), 0, size);
}

void *cf_run_alloc_array(struct cf_run *run, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        bytes = SIZE_MAX / 2;
    return cf_run_alloc(run, bytes);
}

char *cf_run_copy(struct cf_run *run, const char *data, size_t len)
{
    char *copy = allocate(run, len + 1);
    if (len)
        memcpy(copy, data, len);
    copy[len] = 0;
    return copy;
}

char *cf_run_strdup(struct cf_run *run, const char *text)
{
    return cf_run_copy(run, text, strlen(text));
}

char *cf_run_format(struct cf_run *run, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    int len = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    char *text = cf_run_alloc(run, (size_t)len + 1);
    va_start(ap, format);
    vsnprintf(text, (size_t)len + 1, format, ap);
    va_end(ap);
    return text;
}

void cf_text_init(struct cf_text *text, struct cf_run *run)
{
    *text = (struct cf_text){.run = run};
}

static void grow(struct cf_text *text, size_t more)
{
    if (more < text->room - text->len && text->room)
        return;
    size_t room = text->room ? text->room * 2 : 64;
    if (room < text->len + more + 1)
        room = text->len + more + 1;
    /* The arena's last piece grows in place. */
    struct cf_run *run = text->run;
    size_t old = (text->room + 15) & ~(size_t)15, new = (room + 15) & ~(size_t)15;
    if (text->data && text->data + old == run->at && new - old <= (size_t)(run->end - run->at)) {
        run->at += new - old;
        text->room = new;
        return;
    }
    char *data = allocate(run, room);
    if (text->len)
        memcpy(data, text->data, text->len);
    data[text->len] = 0;
    text->data = data;
    text->room = room;
}

void cf_text_add(struct cf_text *text, const char *data, size_t len)
{
    if (!len && text->data)
        return;
    grow(text, len);
    if (len)
        memcpy(text->data + text->len, data, len);
    text->len += len;
    text->data[text->len] = 0;
}

void cf_text_str(struct cf_text *text, const char *str)
{
    cf_text_add(text, str, strlen(str));
}

void cf_text_char(struct cf_text *text, char c)
{
    cf_text_add(text, &c, 1);
}

void cf_text_fill(struct cf_text *text, char c, size_t count)
{
    grow(text, count);
    memset(text->data + text->len, c, count);
    text->len += count;
    text->data[text->len] = 0;
}

void cf_text_printf(struct cf_text *text, const char *format, ...)
{
    char buf[512];
    va_list ap;
    va_start(ap, format);
    int len = vsnprintf(buf, sizeof buf, format, ap);
    va_end(ap);
    if ((size_t)len < sizeof buf) {
        cf_text_add(text, buf, (size_t)len);
        return;
    }
    grow(text, (size_t)len);
    va_start(ap, format);
    vsnprintf(text->data + text->len, (size_t)len + 1, format, ap);
    va_end(ap);
    text->len += (size_t)len;
}

void cf_text_rune(struct cf_text *text, uint32_t rune)
{
    char utf8[4];
    int len = cf_rune_put(rune, utf8);
    cf_text_add(text, utf8, (size_t)len);
}

uint32_t cf_rune_at(const char *data, size_t len, int *ret_width)
{
    const uint8_t *d = (const uint8_t *)data;
    *ret_width = 1;
    if (d[0] < 0x80)
        return d[0];
    int width = d[0] >= 0xC2 && d[0] < 0xE0   ? 2
                : (d[0] & 0xF0) == 0xE0       ? 3
                : d[0] >= 0xF0 && d[0] < 0xF5 ? 4
                                              : 0;
    if (!width || (size_t)width > len)
        return CF_RUNE_ERROR;
    uint32_t rune = d[0] & (0xFFu >> (width + 1));
    for (int i = 1; i < width; i++) {
        if ((d[i] & 0xC0) != 0x80)
            return CF_RUNE_ERROR;
        rune = rune << 6 | (d[i] & 0x3F);
    }
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    if (rune < least[width] || rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000))
        return CF_RUNE_ERROR;
    *ret_width = width;
    return rune;
}

int cf_rune_put(uint32_t rune, char ret[4])
{
    uint8_t *out = (uint8_t *)ret;
    if (rune > 0x10FFFF || (rune >= 0xD800 && rune < 0xE000))
        rune = CF_RUNE_ERROR;
    if (rune < 0x80) {
        out[0] = (uint8_t)rune;
        return 1;
    }
    int width = rune < 0x800 ? 2 : rune < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (int i = width - 1; i > 0; i--, rune >>= 6)
        out[i] = (uint8_t)(0x80 | (rune & 0x3F));
    out[0] = (uint8_t)(lead[width] | rune);
    return width;
}

size_t cf_rune_count(const char *data, size_t len)
{
    size_t count = 0;
    int width;
    for (size_t i = 0; i < len; i += (size_t)width, count++)
        (void)cf_rune_at(data + i, len - i, &width);
    return count;
}

bool cf_utf8_valid(const char *data, size_t len)
{
    int width;
    for (size_t i = 0; i < len; i += (size_t)width)
        if (cf_rune_at(data + i, len - i, &width) == CF_RUNE_ERROR && width == 1)
            return false;
    return true;
}
