/* SPDX-License-Identifier: Apache-2.0 */
/* The union under many threads: nothing is lost, and nothing is shown that is not there. Meant to
 * be run under TSan too (make TSAN=1). */
#include "union_fixture.h"

#include <linux/fs.h>
#include <pthread.h>

#define THREADS 6
#define ROUNDS 150

struct worker {
    struct ufix *f;
    unsigned number;
    pthread_t thread;
    unsigned failures;
    char what[100];
};

/* cmocka's assertions are for the main thread only. */
#define EXPECT(w, expression)                                                  \
    do {                                                                       \
        if (!(expression)) {                                                   \
            (w)->failures++;                                                   \
            (void)snprintf((w)->what, sizeof((w)->what), "line %d", __LINE__); \
        }                                                                      \
    } while (0)

static int lookup(struct ufix *f, uint64_t dir, const char *name, struct cf_entry *e)
{
    return cf_union_lookup(f->u, dir, name, e);
}

static void *own_names(void *context)
{
    struct worker *w = context;
    struct cf_union *u = w->f->u;
    struct cf_entry etc = {0}, e = {0};
    EXPECT(w, lookup(w->f, CF_ROOT_INO, "etc", &etc) == 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        char name[32], other[32], data[32] = "";
        struct cf_file *file = NULL;
        (void)snprintf(name, sizeof(name), "t%u-%u", w->number, i);
        (void)snprintf(other, sizeof(other), "r%u-%u", w->number, i);
        EXPECT(w, cf_union_create(u, etc.ino, name, 0644, O_RDWR, &w->f->caller, &e, &file) == 0);
        EXPECT(w, cf_file_write(file, name, strlen(name), 0, false) == (ssize_t)strlen(name));
        EXPECT(w, cf_union_rename(u, etc.ino, name, etc.ino, other, RENAME_NOREPLACE) == 0);
        EXPECT(w, cf_file_read(file, data, sizeof(data), 0) == (ssize_t)strlen(name));
        EXPECT(w, strcmp(data, name) == 0);
        if (i % 2)
            EXPECT(w, cf_union_unlink(u, etc.ino, other) == 0);
        cf_file_close(file);
        cf_union_forget(u, e.ino, 1);
    }
    cf_union_forget(u, etc.ino, 1);
    return NULL;
}

static int count_entry(void *context, const char *name, uint64_t cookie, unsigned type,
                       const struct cf_entry *entry)
{
    struct worker *w = context;
    (void)cookie;
    (void)type;
    if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
        cf_union_forget(w->f->u, entry->ino, 1);
    return 0;
}

/* Everybody on the same few files. */
static void *same_names(void *context)
{
    struct worker *w = context;
    struct cf_union *u = w->f->u;
    static const char *const names[] = {"daemon.json", "passwd", "empty", "link", "conf.d", "x"};
    struct cf_entry etc = {0}, e;
    EXPECT(w, lookup(w->f, CF_ROOT_INO, "etc", &etc) == 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        const char *name = names[(i * 7 + w->number) % CF_COUNT(names)];
        const char *other = names[(i * 5 + w->number * 3) % CF_COUNT(names)];
        struct cf_dir *dir = NULL;
        struct cf_file *file = NULL;
        struct stat st = {.st_mode = 0600 + i % 8};
        if (lookup(w->f, etc.ino, name, &e) == 0) {
            char data[16];
            if (cf_union_open_file(u, e.ino, i % 3 ? O_RDONLY : O_RDWR, &file) == 0) {
                EXPECT(w, cf_file_read(file, data, sizeof(data), 0) >= 0);
                if (i % 3 == 0)
                    EXPECT(w, cf_file_write(file, "data", 4, 0, true) == 4);
                cf_file_close(file);
            }
            (void)cf_union_setattr(u, e.ino, NULL, &st, CF_SET_MODE, &st);
            (void)cf_union_setxattr(u, e.ino, "user.t", "v", 1, 0);
            cf_union_forget(u, e.ino, 1);
        }
        switch (i % 6) {
        case 0:
            (void)cf_union_rename(u, etc.ino, name, etc.ino, other, i % 4 ? 0 : RENAME_EXCHANGE);
            break;
        case 1:
            (void)cf_union_unlink(u, etc.ino, other);
            break;
        case 2:
            if (cf_union_mknod(u, etc.ino, other, S_IFREG | 0644, 0, &w->f->caller, &e) == 0)
                cf_union_forget(u, e.ino, 1);
            break;
        case 3:
            EXPECT(w, cf_union_open_dir(u, etc.ino, &dir) == 0);
            EXPECT(w, cf_dir_read(dir, 0, true, count_entry, w) == 0);
            cf_dir_close(dir);
            break;
        case 4:
            if (w->number == 0 && cf_union_freeze(u) == 0)
                cf_union_thaw(u);
            break;
        default:
            (void)cf_union_getxattr(u, etc.ino, "user.t", NULL, 0);
        }
    }
    cf_union_forget(u, etc.ino, 1);
    return NULL;
}

static void run_threads(struct ufix *f, void *(*fn)(void *))
{
    struct worker workers[THREADS];
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){.f = f, .number = i};
        must(pthread_create(&workers[i].thread, NULL, fn, &workers[i]));
    }
    for (unsigned i = 0; i < THREADS; i++) {
        must(pthread_join(workers[i].thread, NULL));
        if (workers[i].failures)
            fail_msg("thread %u: %u failures, last at %s", i, workers[i].failures, workers[i].what);
    }
}

static void threads_with_their_own_names_do_not_disturb_each_other(void **state)
{
    struct ufix *f = *state;
    run_threads(f, own_names);
    for (unsigned t = 0; t < THREADS; t++)
        for (unsigned i = 0; i < ROUNDS; i++) {
            char path[48], text[32];
            struct stat st;
            (void)snprintf(path, sizeof(path), "etc/r%u-%u", t, i);
            (void)snprintf(text, sizeof(text), "t%u-%u", t, i);
            if (i % 2)
                assert_errno(u_stat(f, path, &st), ENOENT, path);
            else
                assert_content(f, path, text);
        }
}

static void threads_on_the_same_names_leave_a_whole_tree(void **state)
{
    struct ufix *f = *state;
    run_threads(f, same_names);
    for (int again = 0; again < 2; again++) {
        struct cf_buf names cf_autobuf = CF_BUF_INIT;
        must(u_list(f, "etc", false, 100, &names));
        char *save = NULL;
        for (char *line = names.len ? strtok_r(names.data, "\n", &save) : NULL; line;
             line = strtok_r(NULL, "\n", &save)) {
            char path[300];
            struct stat st;
            (void)snprintf(path, sizeof(path), "etc/%.*s", (int)strcspn(line, " "), line);
            must(u_stat(f, path, &st));
        }
        union_reopen(f);
    }
}

static int run(const char *name)
{
#define T(test) cmocka_unit_test_setup_teardown(test, ufix_setup, ufix_teardown)
    const struct CMUnitTest tests[] = {
        T(threads_with_their_own_names_do_not_disturb_each_other),
        T(threads_on_the_same_names_leave_a_whole_tree),
    };
    return cmocka_run_group_tests_name(name, tests, NULL, NULL);
}

int main(void)
{
    return run_as_both(run);
}
