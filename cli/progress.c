/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define SLOTS 32

struct slot {
    char what[80];
    uint64_t done, total;
    bool finished; /* has been told as such */
};

/* The display; everything in it is guarded by lock. */
static struct {
    pthread_mutex_t lock;
    enum { NONE, TTY, PLAIN, JSON } way;
    struct timespec start, last;
    struct slot slots[SLOTS];
    size_t count;
    size_t drawn; /* lines on the terminal now */
} display = {.lock = PTHREAD_MUTEX_INITIALIZER};

static double since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

void cli_progress_start(const struct cli *cli)
{
    static const char *const ways[] = {"none", "tty", "plain", "json"};
    pthread_mutex_lock(&display.lock);
    display.way = cli->quiet ? NONE : isatty(STDERR_FILENO) ? TTY : PLAIN;
    for (size_t i = 0; i < CF_COUNT(ways); i++)
        if (!strcmp(cli->progress, ways[i]))
            display.way = (int)i;
    display.count = display.drawn = 0;
    clock_gettime(CLOCK_MONOTONIC, &display.start);
    display.last = (struct timespec){0};
    pthread_mutex_unlock(&display.lock);
}

static struct slot *slot_of(const char *what)
{
    for (size_t i = 0; i < display.count; i++)
        if (!strncmp(display.slots[i].what, what, sizeof display.slots[i].what - 1))
            return &display.slots[i];
    if (display.count == SLOTS) {
        memmove(display.slots, display.slots + 1, (SLOTS - 1) * sizeof display.slots[0]);
        display.count--;
    }
    struct slot *slot = &display.slots[display.count++];
    *slot = (struct slot){0};
    snprintf(slot->what, sizeof slot->what, "%s", what);
    return slot;
}

static void draw_bar(const struct slot *slot, int width)
{
    char done[16], total[16], bar[25];
    cli_human_size(slot->done, done);
    cli_human_size(slot->total, total);
    if (!slot->total) {
        fprintf(stderr, "%.*s  %s\033[K\n", width > 40 ? width - 40 : 20, slot->what, done);
        return;
    }
    int filled = (int)(24 * (slot->done < slot->total ? slot->done : slot->total) / slot->total);
    for (int i = 0; i < 24; i++)
        bar[i] = i < filled ? '=' : i == filled ? '>' : ' ';
    bar[24] = 0;
    fprintf(stderr, "%-*.*s [%s] %s / %s\033[K\n", 24, width > 72 ? width - 52 : 20, slot->what,
            bar, done, total);
}

static void erase(void)
{
    if (display.drawn)
        fprintf(stderr, "\033[%zuA\033[J", display.drawn);
    display.drawn = 0;
}

static void draw_tty(void)
{
    struct winsize size = {0};
    int width = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : 80;
    size_t most = size.ws_row > 4 ? size.ws_row - 2u : 8;
    erase();
    size_t from = display.count > most ? display.count - most : 0;
    for (size_t i = from; i < display.count; i++)
        draw_bar(&display.slots[i], width);
    display.drawn = display.count - from;
    fflush(stderr);
}

static void tell_line(struct slot *slot)
{
    char done[16], total[16];
    bool finished = slot->total && slot->done >= slot->total;
    if (slot->finished)
        return;
    slot->finished = finished;
    if (display.way == JSON) {
        struct cf_buf line cf_autobuf = CF_BUF_INIT;
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
        (void)cf_json_set_string(json, "what", slot->what);
        (void)cf_json_set_int(json, "done", (int64_t)slot->done);
        (void)cf_json_set_int(json, "total", (int64_t)slot->total);
        if (cf_json_print(json, false, &line) == 0)
            fprintf(stderr, "%s\n", line.data);
        return;
    }
    cli_human_size(slot->done, done);
    cli_human_size(slot->total, total);
    if (slot->total)
        fprintf(stderr, "%s: %s of %s\n", slot->what, done, total);
    else
        fprintf(stderr, "%s: %s\n", slot->what, done);
}

void cli_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    pthread_mutex_lock(&display.lock);
    if (display.way != NONE) {
        struct slot *slot = slot_of(what);
        slot->done = done;
        slot->total = total;
        double pause = display.way == TTY ? 0.1 : 2.0;
        if (since(&display.start) >= 1 && since(&display.last) >= pause) {
            clock_gettime(CLOCK_MONOTONIC, &display.last);
            if (display.way == TTY)
                draw_tty();
            else
                for (size_t i = 0; i < display.count; i++)
                    tell_line(&display.slots[i]);
        }
    }
    pthread_mutex_unlock(&display.lock);
}

void cli_progress_end(void)
{
    pthread_mutex_lock(&display.lock);
    if (display.way == TTY)
        erase();
    display.way = NONE;
    pthread_mutex_unlock(&display.lock);
}
