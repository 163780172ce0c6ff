/* SPDX-License-Identifier: Apache-2.0 */
#include "model.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SOMEBODY 1000 /* as whom root does some of the operations */

unsigned pick(struct model *m, unsigned below)
{
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return (unsigned)((m->random >> 20) % below);
}

void say(struct model *m, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    (void)vsnprintf(m->op, sizeof(m->op), format, ap);
    va_end(ap);
    if (m->log)
        fprintf(stderr, "%lu: uid %d: %s\n", m->number, (int)geteuid(), m->op);
}

void wrong(struct model *m, const char *format, ...)
{
    va_list ap;
    printf("model: seed %llu, operation %lu (as %d, umask %03o): %s: ", (unsigned long long)m->seed,
           m->number, (int)geteuid(), umask(0), m->op);
    va_start(ap, format);
    (void)vprintf(format, ap);
    va_end(ap);
    printf("\n");
    exit(1);
}

void check(struct model *m)
{
    if (m->result[0] != m->result[1] || m->error[0] != m->error[1])
        wrong(m, "%ld (%s) instead of %ld (%s)", m->result[1],
              m->error[1] ? strerror(m->error[1]) : "no error", m->result[0],
              m->error[0] ? strerror(m->error[0]) : "no error");
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names of a directory, sorted; the count, or -1. */
static int read_names(int fd, char **names, int room)
{
    struct dirent *e;
    int count = 0, copy = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = copy >= 0 ? fdopendir(copy) : NULL;
    if (!d)
        return -1;
    while ((e = readdir(d)) && count < room)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            names[count++] = strdup(e->d_name);
    (void)closedir(d);
    qsort(names, (size_t)count, sizeof(*names), by_name);
    return count;
}

char *list_names(int fd)
{
    static char *names[16384];
    size_t len = 0, size = 1;
    int count = read_names(fd, names, COUNT(names));
    if (count < 0)
        return NULL;
    for (int i = 0; i < count; i++)
        size += strlen(names[i]) + 1;
    char *text = malloc(size);
    for (int i = 0; i < count; i++) {
        len += (size_t)sprintf(text + len, "%s\n", names[i]);
        free(names[i]);
    }
    text[len] = 0;
    return text;
}

/* ---- paths ---- */

static const char *new_name(struct model *m)
{
    static const char *const names[] = {"a", "b",   "c",   "d",   "e",
                                        "f", "etc", "new", "x y", "\xc3\xa4"};
    static char made[256];
    switch (pick(m, 12)) {
    case 0:
        memset(made, 'n', 255);
        return made;
    case 1:
        (void)snprintf(made, sizeof(made), "%u", pick(m, 200));
        return made;
    default:
        return names[pick(m, COUNT(names))];
    }
}

/* A random entry of a directory of the plain side; false: it has none. */
static bool random_entry(struct model *m, const char *dir, char name[256], bool *ret_is_dir)
{
    static char *names[16384];
    struct stat st;
    int fd = openat(m->root[0], *dir ? dir : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int count = fd >= 0 ? read_names(fd, names, COUNT(names)) : 0;
    if (count > 0) {
        (void)snprintf(name, 256, "%s", names[pick(m, (unsigned)count)]);
        *ret_is_dir = fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    }
    for (int i = 0; i < count; i++)
        free(names[i]);
    if (fd >= 0)
        (void)close(fd);
    return count > 0;
}

void random_path(struct model *m, char path[PATH_ROOM])
{
    char name[256];
    bool is_dir;
    path[0] = 0;
    for (unsigned depth = pick(m, 5); depth > 0; depth--) {
        if (!random_entry(m, path, name, &is_dir) || !is_dir || strlen(path) > 900)
            break;
        (void)snprintf(path + strlen(path), PATH_ROOM - strlen(path), "%s/", name);
    }
    if (pick(m, 3) == 0 || !random_entry(m, path, name, &is_dir))
        (void)snprintf(name, sizeof(name), "%s", new_name(m));
    (void)snprintf(path + strlen(path), PATH_ROOM - strlen(path), "%s", name);
}

void touch(struct model *m, const char *path)
{
    const char *slash = strrchr(path, '/');
    unsigned i = m->touched_count++ % TOUCHED;
    m->touched[i].when = m->number;
    (void)snprintf(m->touched[i].name, sizeof(m->touched[i].name), "%s", slash ? slash + 1 : path);
}

/* ---- running ---- */

static void step(struct model *m)
{
    static const mode_t masks[] = {022, 022, 022, 0, 077, 027};
    unsigned kind = pick(m, 10);
    (void)umask(masks[pick(m, COUNT(masks))]);
    bool other = !m->user && pick(m, 6) == 0;
    if (other && (setegid(SOMEBODY) || seteuid(SOMEBODY)))
        wrong(m, "cannot become another: %s", strerror(errno));
    if (kind < 4)
        op_name(m);
    else if (kind < 7)
        op_file(m);
    else if (kind < 9)
        op_attribute(m);
    else
        op_listing(m);
    if (other && (seteuid(0) || setegid(0)))
        wrong(m, "cannot become root again: %s", strerror(errno));
}

static void open_roots(struct model *m, char **paths)
{
    for (int s = 0; s < 2; s++) {
        m->path[s] = paths[s];
        m->root[s] = open(paths[s], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (m->root[s] < 0)
            wrong(m, "%s: %s", paths[s], strerror(errno));
    }
}

static int usage(void)
{
    fputs("usage: model make DIR SEED\n"
          "       model compare PLAIN MOUNT [INODES]\n"
          "       model adopt PLAIN MOUNT\n"
          "       model images MOUNT IMAGE\n"
          "       model run PLAIN MOUNT SEED FIRST COUNT INODES [STOP]\n",
          stderr);
    return 2;
}

static int run(struct model *m, int argc, char **argv)
{
    unsigned long first = strtoul(argv[5], NULL, 10), count = strtoul(argv[6], NULL, 10);
    unsigned long stop = argc > 8 ? strtoul(argv[8], NULL, 10) : 0;
    m->seed = strtoull(argv[4], NULL, 10);
    m->random = (m->seed * 2654435761u + first * 40503u + 88172645463325252u) | 1;
    for (int i = 0; i < 20; i++)
        (void)pick(m, 2);
    (void)inodes_load(argv[7]);
    for (m->number = first; m->number < first + count; m->number++) {
        if (stop && m->number >= stop) {
            printf("model: stopped before operation %lu\n", m->number);
            exit(3);
        }
        step(m);
    }
    say(m, "all of them");
    compare_trees(m); /* with files that are open */
    close_all(m);
    compare_trees(m);
    inodes_save(argv[7]);
    return 0;
}

int main(int argc, char **argv)
{
    static struct model m;
    const char *command = argc > 3 ? argv[1] : "";
    m.user = getenv("MODEL_USER") != NULL;
    m.log = getenv("MODEL_LOG") != NULL;
    for (int i = 0; i < FILES; i++)
        m.file[i].fd[0] = -1;
    for (int i = 0; i < DIRECTORIES; i++)
        m.directory[i][0] = -1;
    for (int i = 0; i < LISTINGS; i++)
        m.listing[i].fd = -1;
    setvbuf(stdout, NULL, _IOLBF, 0);
    say(&m, "%s", command);
    m.start = time(NULL) - 1000000; /* what make_tree makes is older */
    if (strcmp(command, "make") == 0) {
        m.random = m.seed = strtoull(argv[3], NULL, 10) * 77777 + 12345;
        make_tree(&m, argv[2]);
    } else if (strcmp(command, "compare") == 0 || strcmp(command, "images") == 0 ||
               strcmp(command, "adopt") == 0) {
        m.exact = command[0] == 'i';
        m.adopt = command[0] == 'a';
        open_roots(&m, argv + 2);
        bool kept = argc > 4 && inodes_load(argv[4]);
        compare_trees(&m);
        if (kept)
            inodes_save(argv[4]);
    } else if (strcmp(command, "run") == 0 && argc > 7) {
        open_roots(&m, argv + 2);
        return run(&m, argc, argv);
    } else {
        return usage();
    }
    return 0;
}
