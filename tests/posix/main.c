/* SPDX-License-Identifier: Apache-2.0 */
/*
 * posix prepare [-u UID] DIR       makes a directory for each case in DIR
 * posix mix DIR                    touches what is there: half of it gets copied up
 * posix run [options] DIR          runs the cases, tells what fails, and counts
 *     -v lower|upper|mixed         which fixture DIR has
 *     -t TARGET  -d docs/posix.md  differences that the list has for TARGET are no failures
 *     -k TEXT                      only cases whose name has TEXT in it
 * posix manifest DIR               prints all that stat and xattrs show, to compare
 */
#include <grp.h>
#include <signal.h>
#include <stdarg.h>

#include "posix.h"

static const struct posix_theme *const THEMES[] = {
    &theme_open, &theme_link, &theme_unlink, &theme_rename, &theme_dir,  &theme_mode,
    &theme_user, &theme_acl,  &theme_xattr,  &theme_time,   &theme_stat, &theme_data,
    &theme_map,  &theme_lock, &theme_name,   &theme_handle,
};
#define THEME_COUNT (sizeof(THEMES) / sizeof(THEMES[0]))
#define LINES_MAX 6 /* of one case */
#define SECONDS_MAX 60

struct options {
    const char *dir, *variant, *target, *list, *pick;
};

/* ---- in the case's process ---- */

static int report_fd = 1;

void t_fail(const char *file, int line, const char *format, ...)
{
    char text[600];
    va_list ap;
    int at = snprintf(text, sizeof(text),
                      "    %s:%d: ", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
    va_start(ap, format);
    int n = vsnprintf(text + at, sizeof(text) - (size_t)at - 1, format, ap);
    va_end(ap);
    at = n < (int)sizeof(text) - at - 1 ? at + n : (int)sizeof(text) - 2;
    text[at++] = '\n';
    if (write(report_fd, text, (size_t)at) < 0)
        exit(99);
}

long t_ok(long r, const char *what, const char *file, int line)
{
    if (r == -1)
        t_fail(file, line, "%s: %s", what, strerrorname_np(errno));
    return r;
}

void t_fails(long r, int wanted, const char *what, const char *file, int line)
{
    if (r != -1)
        t_fail(file, line, "%s: succeeds, wanted %s", what, strerrorname_np(wanted));
    else if (errno != wanted)
        t_fail(file, line, "%s: %s, wanted %s", what, strerrorname_np(errno),
               strerrorname_np(wanted));
}

bool t_eq(long long got, long long wanted, const char *what, const char *file, int line)
{
    if (got != wanted)
        t_fail(file, line, "%s: %lld (0%llo), wanted %lld (0%llo)", what, got, got, wanted, wanted);
    return got == wanted;
}

bool is_root(void)
{
    return geteuid() == 0;
}

int in_child(void (*fn)(void))
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0) {
        fn();
        _exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) < 0)
        return -1;
    if (!WIFEXITED(status))
        t_fail("main.c", __LINE__, "a child died of signal %d", WTERMSIG(status));
    return WEXITSTATUS(status);
}

static void (*as_user_fn)(void);

static void become_user(void)
{
    if (is_root() && (setgroups(0, NULL) || setresgid(NOBODY, NOBODY, NOBODY) ||
                      setresuid(NOBODY, NOBODY, NOBODY)))
        t_fail("main.c", __LINE__, "cannot become an ordinary user");
    else
        as_user_fn();
}

void as_user(void (*fn)(void))
{
    as_user_fn = fn;
    (void)in_child(become_user);
}

static int go_into(const struct posix_case *c, const char *base)
{
    char path[4096];
    (void)snprintf(path, sizeof(path), "%s/%s", base, c->name);
    return chdir(path);
}

static void run_here(const struct posix_case *c, const char *base, int fd)
{
    report_fd = fd;
    (void)umask(022);
    (void)alarm(SECONDS_MAX);
    (void)signal(SIGPIPE, SIG_IGN);
    if (go_into(c, base))
        t_fail("main.c", __LINE__, "no directory for it: %s", strerror(errno));
    else
        c->run();
    _exit(0);
}

/* ---- the list of differences ---- */

/* A row is `| `case` | target, target/variant ... | why |`; a target that ends in ? may differ. */
enum listed { NOT_LISTED, LISTED, MAY_DIFFER };

static bool target_matches(char *word, const struct options *o, bool *ret_may)
{
    while (*word == ' ')
        word++;
    word[strcspn(word, " ")] = 0;
    size_t len = strlen(word);
    *ret_may = len && word[len - 1] == '?';
    if (*ret_may)
        word[len - 1] = 0;
    char *variant = strchr(word, '/');
    if (variant)
        *variant++ = 0;
    return strcmp(word, o->target) == 0 && (!variant || strcmp(variant, o->variant) == 0);
}

static enum listed in_row(char *row, const char *name, const struct options *o)
{
    char *save, *word_save;
    char *first = strtok_r(row, "|", &save), *targets = strtok_r(NULL, "|", &save);
    if (!first || !targets)
        return NOT_LISTED;
    char quoted[128];
    (void)snprintf(quoted, sizeof(quoted), "`%s`", name);
    if (!strstr(first, quoted))
        return NOT_LISTED;
    for (char *w = strtok_r(targets, ",", &word_save); w; w = strtok_r(NULL, ",", &word_save)) {
        bool may;
        if (target_matches(w, o, &may))
            return may ? MAY_DIFFER : LISTED;
    }
    return NOT_LISTED;
}

static enum listed look_up(const char *name, const struct options *o)
{
    char line[2048];
    enum listed found = NOT_LISTED;
    FILE *f = o->list ? fopen(o->list, "re") : NULL;
    if (!f)
        return NOT_LISTED;
    while (found == NOT_LISTED && fgets(line, sizeof(line), f))
        if (line[0] == '|')
            found = in_row(line, name, o);
    (void)fclose(f);
    return found;
}

/* ---- running ---- */

struct counts {
    unsigned passed, failed, listed, left_out;
};

static size_t collect(int fd, char *text, size_t size)
{
    size_t len = 0;
    ssize_t n;
    while (len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0)
        len += (size_t)n;
    text[len] = 0;
    return len;
}

static void print_lines(const char *text)
{
    int lines = 0;
    for (const char *p = text; *p && lines < LINES_MAX; lines++) {
        const char *end = strchr(p, '\n');
        if (!end)
            break;
        printf("%.*s\n", (int)(end - p), p);
        p = end + 1;
    }
}

static void judge(const struct posix_case *c, const struct options *o, const char *text, int status,
                  struct counts *n)
{
    enum listed listed = look_up(c->name, o);
    bool failed = *text || !WIFEXITED(status) || WEXITSTATUS(status);
    if (failed && listed != NOT_LISTED) {
        n->listed++;
    } else if (failed) {
        n->failed++;
        printf("FAIL %s/%s %s\n", o->target, o->variant, c->name);
        print_lines(text);
        if (WIFSIGNALED(status))
            printf("    died of signal %d\n", WTERMSIG(status));
    } else if (listed == LISTED) {
        n->failed++;
        printf("FAIL %s/%s %s\n    differs no more: take it from the list\n", o->target, o->variant,
               c->name);
    } else {
        n->passed++;
    }
}

static void run_case(const struct posix_case *c, const struct options *o, struct counts *n)
{
    char text[8192];
    int fds[2], status = 0;
    (void)fflush(stdout);
    if (pipe2(fds, O_CLOEXEC))
        exit(99);
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(fds[0]);
        run_here(c, o->dir, fds[1]);
    }
    (void)close(fds[1]);
    (void)collect(fds[0], text, sizeof(text));
    (void)close(fds[0]);
    (void)waitpid(pid, &status, 0);
    judge(c, o, text, status, n);
}

static bool is_wanted(const struct posix_case *c, const struct options *o)
{
    if ((c->flags & ROOT && !is_root()) || (c->flags & USER && is_root()))
        return false;
    if (!(c->flags & FIX) && strcmp(o->variant, "mixed") == 0)
        return false;
    return !(c->flags & ONCE) || strcmp(o->variant, "lower") == 0;
}

static int run(const struct options *o)
{
    struct counts n = {0};
    for (size_t i = 0; i < THEME_COUNT; i++)
        for (size_t k = 0; k < THEMES[i]->count; k++) {
            const struct posix_case *c = &THEMES[i]->cases[k];
            if (o->pick && !strstr(c->name, o->pick))
                continue;
            if (is_wanted(c, o))
                run_case(c, o, &n);
            else
                n.left_out++;
        }
    printf("posix %s/%s: %u passed, %u failed, %u differ as listed, %u not for this run\n",
           o->target, o->variant, n.passed, n.failed, n.listed, n.left_out);
    return n.failed ? 1 : 0;
}

/* ---- preparing ---- */

static int for_each_dir(const char *base, int (*fn)(int fd, const struct posix_case *c, void *arg),
                        void *arg)
{
    int base_fd = open(base, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (size_t i = 0; base_fd >= 0 && i < THEME_COUNT; i++)
        for (size_t k = 0; k < THEMES[i]->count; k++) {
            const struct posix_case *c = &THEMES[i]->cases[k];
            (void)mkdirat(base_fd, c->name, 0755);
            int fd = openat(base_fd, c->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            if (fd < 0 || fn(fd, c, arg)) {
                (void)fprintf(stderr, "posix: prepare %s/%s: %s\n", base, c->name, strerror(errno));
                return 1;
            }
            (void)close(fd);
        }
    return base_fd < 0;
}

static int prepare_one(int fd, const struct posix_case *c, void *arg)
{
    const uid_t owner = *(uid_t *)arg;
    if (c->flags & FIX && fixture_make(fd, owner, c->flags))
        return -1;
    return fchmod(fd, 0755) || fchown(fd, owner, owner);
}

static int mix_one(int fd, const struct posix_case *c, void *arg)
{
    (void)arg;
    return c->flags & FIX ? fixture_mix(fd, c->flags) : 0;
}

static int usage(void)
{
    (void)fprintf(stderr, "usage: posix prepare [-u UID] DIR | mix DIR | manifest DIR |\n"
                          "       run [-v VARIANT] [-t TARGET] [-d LIST] [-k TEXT] DIR\n");
    return 2;
}

int main(int argc, char **argv)
{
    struct options o = {.variant = "lower", .target = "ext4"};
    uid_t owner = geteuid();
    int c;
    if (argc < 2)
        return usage();
    if (strcmp(argv[1], "exit7") == 0)
        return 7;
    if (strcmp(argv[1], "hang") == 0) {
        (void)pause();
        return 0;
    }
    while ((c = getopt(argc - 1, argv + 1, "u:v:t:d:k:")) != -1) {
        if (c == 'u')
            owner = (uid_t)atoi(optarg);
        else if (c == 'v')
            o.variant = optarg;
        else if (c == 't')
            o.target = optarg;
        else if (c == 'd')
            o.list = optarg;
        else if (c == 'k')
            o.pick = optarg;
        else
            return usage();
    }
    if (optind + 2 != argc)
        return usage();
    o.dir = argv[optind + 1];
    (void)umask(022);
    if (strcmp(argv[1], "prepare") == 0)
        return for_each_dir(o.dir, prepare_one, &owner);
    if (strcmp(argv[1], "mix") == 0)
        return for_each_dir(o.dir, mix_one, NULL);
    if (strcmp(argv[1], "manifest") == 0)
        return manifest(o.dir);
    return strcmp(argv[1], "run") == 0 ? run(&o) : usage();
}
