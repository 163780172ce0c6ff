/* SPDX-License-Identifier: Apache-2.0 */
/* The build context: its ignore file, and what the words of COPY mean in it. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>

#include "internal.h"

enum { IGNORE_MAX = 1 << 20, LINKS_MAX = 40 };

int cf_context_open(const char *path, struct cf_context *ret_context, struct cf_error *err)
{
    static const char *const names[] = {".kubeignore", ".dockerignore"};
    struct cf_context context cf_cleanup(cf_context_done) = {.path = path};

    context.fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (context.fd < 0)
        return cf_fail_errno(err, errno, "build context %s", CF_QUOTE(path));
    for (size_t i = 0; i < CF_COUNT(names); i++) {
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        int r = cf_read_file(context.fd, names[i], IGNORE_MAX, &text);
        if (r == -ENOENT)
            continue;
        if (r == 0)
            r = cf_ignore_add(&context.ignore, text.data ? text.data : "", text.len, err);
        else
            (void)cf_fail_errno(err, -r, "cannot read %s/%s", path, names[i]);
        if (r < 0)
            return r;
        break; /* the first one counts */
    }
    *ret_context = context;
    context = (struct cf_context){.fd = -1};
    return 0;
}

void cf_context_done(struct cf_context *context)
{
    cf_close_fd(&context->fd);
    cf_ignore_done(&context->ignore);
}

int cf_context_keep(void *context, const char *path, bool is_dir)
{
    const struct cf_context *c = context;
    if (!c->ignore.count || !cf_ignore_hides(&c->ignore, path))
        return CF_KEEP;
    return is_dir && c->ignore.has_exceptions ? CF_KEEP_INSIDE : CF_KEEP_NOT;
}

void cf_found_sources_done(struct cf_found_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        free(sources->list[i].path);
    free(sources->list);
    *sources = (struct cf_found_sources){0};
}

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

/* The path in the context that a path leads to when its links are followed. Heap. */
static int real_path(const struct cf_context *context, const char *path, char **ret_path,
                     struct cf_error *err)
{
    char link[32], root[PATH_MAX], real[PATH_MAX];
    int fd cf_autoclose = cf_open_beneath(context->fd, *path ? path : ".", O_PATH, 0);

    if (fd == -EXDEV)
        return cf_fail(err, -EINVAL, "'%s' leads out of the context", path);
    if (fd < 0)
        return cf_fail_errno(err, -fd, "'%s'", path);
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", context->fd);
    ssize_t root_len = readlink(link, root, sizeof(root) - 1);
    (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, real, sizeof(real) - 1);
    if (root_len < 0 || len < 0 || len == (ssize_t)sizeof(real) - 1)
        return cf_fail(err, -ENAMETOOLONG, "the path of '%s' is too long", path);
    root[root_len] = real[len] = '\0';
    if (root_len == 1)
        root_len = 0; /* the context is "/" */
    if (strncmp(real, root, (size_t)root_len) != 0)
        return cf_fail(err, -EBUSY, "the context was moved meanwhile");
    const char *inside = real + root_len;
    *ret_path = strdup(*inside == '/' ? inside + 1 : inside);
    return *ret_path ? 0 : no_memory(err);
}

static int add_found(const struct cf_context *context, const char *path, bool contents,
                     struct cf_found_sources *sources, struct cf_error *err)
{
    struct stat st;
    char *copy cf_autofree = NULL;
    int fd cf_autoclose = cf_open_beneath(context->fd, *path ? path : ".", O_PATH | O_NOFOLLOW, 0);

    if (fd == -ENOENT || fd == -ENOTDIR)
        return cf_fail(err, -ENOENT, "'%s' is not in the context", path);
    if (fd == -EXDEV)
        return cf_fail(err, -EINVAL, "'%s' leads out of the context", path);
    if (fd < 0 || fstat(fd, &st) < 0)
        return cf_fail_errno(err, fd < 0 ? -fd : errno, "'%s'", path);
    int r = 0;
    if (S_ISLNK(st.st_mode)) { /* named by the user himself: what it points to is meant */
        r = real_path(context, path, &copy, err);
        if (r == 0 && fstatat(context->fd, *copy ? copy : ".", &st, AT_SYMLINK_NOFOLLOW) < 0)
            r = cf_fail_errno(err, errno, "'%s'", path);
    } else {
        copy = strdup(path);
        r = copy ? 0 : no_memory(err);
    }
    if (r < 0)
        return r;
    struct cf_found_source *list =
        reallocarray(sources->list, sources->count + 1, sizeof(*sources->list));
    if (!list)
        return no_memory(err);
    sources->list = list;
    list[sources->count++] = (struct cf_found_source){
        .path = CF_TAKE(copy), .is_dir = S_ISDIR(st.st_mode), .contents = contents || !*path};
    return 0;
}

/* ---- patterns ---- */

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int list_names(int dirfd, const char *path, char ***ret_names, size_t *ret_count)
{
    DIR *dir cf_autoclosedir = NULL;
    char **names = NULL;
    size_t count = 0;
    int fd = cf_open_beneath(dirfd, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);

    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        *ret_names = NULL;
        *ret_count = 0;
        return 0; /* no directory: nothing matches in it */
    }
    int r = 0;
    for (const struct dirent *entry; r == 0 && (entry = readdir(dir)) != NULL;) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        char **more = reallocarray(names, count + 1, sizeof(*names));
        if (more)
            names = more;
        if (!more || !(names[count] = strdup(entry->d_name)))
            r = -ENOMEM;
        else
            count++;
    }
    if (count)
        qsort(names, count, sizeof(*names), compare_names);
    *ret_names = names;
    *ret_count = count;
    return r;
}

static int match(const struct cf_context *context, const char *above, const char *pattern,
                 struct cf_found_sources *sources, struct cf_error *err);

/* What is behind the component of the pattern that gave this path. */
static int match_rest(const struct cf_context *context, const char *path, const char *rest,
                      struct cf_found_sources *sources, struct cf_error *err)
{
    struct stat st;
    if (*rest)
        return match(context, path, rest, sources, err);
    if (fstatat(context->fd, path, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
        cf_context_keep((void *)(uintptr_t)context, path, false) == CF_KEEP_NOT)
        return 0;
    return add_found(context, path, false, sources, err);
}

static int match(const struct cf_context *context, const char *above, const char *pattern,
                 struct cf_found_sources *sources, struct cf_error *err)
{
    size_t len = strcspn(pattern, "/");
    char *part cf_autofree = strndup(pattern, len);
    const char *rest = pattern[len] ? pattern + len + 1 : pattern + len;
    char **names = NULL;
    size_t count = 0;
    int r = part ? list_names(context->fd, above, &names, &count) : -ENOMEM;

    if (r < 0)
        r = no_memory(err);
    for (size_t i = 0; i < count; i++) {
        struct cf_buf path cf_autobuf = CF_BUF_INIT;
        if (r == 0 && cf_pattern_matches(part, names[i])) {
            if (cf_buf_printf(&path, "%s%s%s", above, *above ? "/" : "", names[i]) < 0)
                r = no_memory(err);
            else
                r = match_rest(context, path.data, rest, sources, err);
        }
        free(names[i]);
    }
    free(names);
    return r;
}

/* "./a//b/" -> "a/b"; "..", which leads out, is -EINVAL. */
static int clean_path(const char *text, struct cf_buf *ret_path, bool *ret_contents,
                      struct cf_error *err)
{
    *ret_contents = false;
    for (const char *p = text; *p;) {
        size_t len = strcspn(p, "/");
        if (len == 2 && !strncmp(p, "..", 2))
            return cf_fail(err, -EINVAL, "'%s' must not contain '..'", text);
        bool dot = len == 1 && *p == '.';
        if (dot && !p[len])
            *ret_contents = true; /* "dir/." */
        if (len && !dot) {
            if ((ret_path->len && cf_buf_add_char(ret_path, '/') < 0) ||
                cf_buf_add(ret_path, p, len) < 0)
                return no_memory(err);
        }
        p += len + (p[len] == '/');
    }
    return 0;
}

int cf_source_find(const struct cf_context *context, const char *text,
                   struct cf_found_sources *sources, struct cf_error *err)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    size_t before = sources->count;
    bool contents = false;
    int r = clean_path(text, &path, &contents, err);

    if (r < 0)
        return r;
    const char *clean = path.len ? path.data : "";
    if (cf_pattern_is_glob(clean)) {
        r = match(context, "", clean, sources, err);
        if (r == 0 && sources->count == before)
            r = cf_fail(err, -ENOENT, "nothing in the context matches '%s'", text);
        return r;
    }
    if (*clean && cf_context_keep((void *)(uintptr_t)context, clean, true) == CF_KEEP_NOT)
        return cf_fail(err, -ENOENT, "'%s' is left out of the context by its ignore file", text);
    return add_found(context, clean, contents, sources, err);
}
