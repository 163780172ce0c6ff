/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes a plain program of a fuzz target: runs it on each file of the given directories, and on
 * mutations of each that are the same in every run. An input that kills the program (or takes
 * more than LIMIT seconds) is left in PROGRAM.crash.
 * usage: fuzz_x DIRECTORY-OR-FILE...   (REPLAY_MUTATIONS: how many of each file, default 500)
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

enum {
    LIMIT = 20,               /* seconds an input may take */
    MAX_GROWTH = 256,         /* bytes that mutations may add */
    MAX_BYTES = 16 * 1048576, /* of mutations of one file */
};

static struct {
    const uint8_t *data; /* the input that runs now */
    size_t len;
    char crash[4096];
    unsigned long files, runs;
} now;

/* Only async-signal-safe calls. */
static void leave_input(void)
{
    int fd = open(now.crash, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, now.data, now.len) != (ssize_t)now.len)
        return;
    static const char told[] = "the input that failed is left in PROGRAM.crash\n";
    (void)!write(2, told, sizeof(told) - 1);
    (void)close(fd);
}

static void on_signal(int number)
{
    leave_input();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

/* In memory of exactly its size, so that a sanitizer sees a read beyond it. */
static void run(const uint8_t *data, size_t len)
{
    uint8_t *exact = malloc(len ? len : 1);
    if (!exact)
        exit(1);
    memcpy(exact, data, len);
    now.data = exact;
    now.len = len;
    now.runs++;
    (void)alarm(LIMIT);
    (void)LLVMFuzzerTestOneInput(exact, len);
    (void)alarm(0);
    free(exact);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

/* Changes data (room for MAX_GROWTH more) in one place; returns the new length. */
static size_t mutate(uint8_t *data, size_t len, size_t room, uint64_t *state)
{
    static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '0', '/', '.', '"', '{', '\n', ' '};
    if (len == 0)
        return 0;
    size_t at = next_random(state) % len;
    size_t n = 1 + next_random(state) % 32;
    uint64_t value = next_random(state);
    if (n > len - at)
        n = len - at;
    switch (next_random(state) % 7) {
    case 0:
        data[at] ^= (uint8_t)(1U << value % 8);
        return len;
    case 1:
        data[at] = (uint8_t)value;
        return len;
    case 2:
        data[at] = telling[value % sizeof(telling)];
        return len;
    case 3: /* a number of up to 8 bytes becomes large or small */
        memset(data + at, value % 2 ? 0xff : 0, n < 8 ? n : 8);
        return len;
    case 4: /* the end is missing */
        return at;
    case 5: /* a piece is missing */
        memmove(data + at, data + at + n, len - at - n);
        return len - n;
    default: /* a piece comes twice */
        if (n > room - len)
            return len;
        memmove(data + at + n, data + at, len - at);
        return len + n;
    }
}

static void run_mutations(const uint8_t *data, size_t len, unsigned long count)
{
    size_t room = len + MAX_GROWTH;
    uint8_t *copy = malloc(room);
    uint64_t state = 0x9e3779b97f4a7c15;
    if (!copy)
        exit(1);
    for (size_t i = 0; i < len; i++)
        state = (state ^ data[i]) * 0x100000001b3 + 1;
    if (count > MAX_BYTES / (len + 1))
        count = MAX_BYTES / (len + 1);
    for (unsigned long i = 0; i < count; i++) {
        memcpy(copy, data, len);
        size_t now_len = len;
        for (uint64_t steps = 1 + next_random(&state) % 4; steps > 0; steps--)
            now_len = mutate(copy, now_len, room, &state);
        run(copy, now_len);
    }
    free(copy);
}

static void replay_file(const char *path)
{
    const char *count = getenv("REPLAY_MUTATIONS");
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        exit(1);
    }
    size_t len = (size_t)st.st_size;
    uint8_t *data = malloc(len + 1);
    if (!data || read(fd, data, len) != (ssize_t)len) {
        (void)fprintf(stderr, "%s: cannot read it whole\n", path);
        exit(1);
    }
    (void)close(fd);
    now.files++;
    run(data, len);
    run_mutations(data, len, count ? strtoul(count, NULL, 10) : 500);
    free(data);
}

static void replay(const char *path)
{
    struct dirent **names = NULL;
    struct stat st;
    if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }
    int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        char file[4096];
        (void)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
        if (stat(file, &st) == 0 && S_ISREG(st.st_mode))
            replay_file(file);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    (void)snprintf(now.crash, sizeof(now.crash), "%s.crash", argv[0]);
    (void)signal(SIGALRM, on_signal);
    if (__sanitizer_set_death_callback) {
        __sanitizer_set_death_callback(leave_input);
    } else {
        (void)signal(SIGSEGV, on_signal);
        (void)signal(SIGBUS, on_signal);
        (void)signal(SIGABRT, on_signal);
        (void)signal(SIGFPE, on_signal);
    }
    run((const uint8_t *)"", 0);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    (void)printf("%s: %lu files, %lu inputs\n", argv[0], now.files, now.runs);
    if (now.files == 0) {
        (void)fprintf(stderr, "%s: there is nothing to replay\n", argv[0]);
        return 1;
    }
    return 0;
}
