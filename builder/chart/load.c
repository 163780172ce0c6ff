/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files of a chart, out of a directory or an archive. Descriptors, tar readers and the like are
 * kept in a struct source, which is closed also when the arena throws.
 */
#include "model.h"

#include <cloudfs/decoder.h>
#include <cloudfs/io.h>
#include <cloudfs/tar.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_ARCHIVE = 256 << 20 }; /* unpacked */

void cf_files_add(struct cf_run *run, struct cf_files *files, const char *path, const char *data,
                  size_t len)
{
    if (files->count >= CF_CHART_MAX_FILES)
        cf_run_throw(run, -EFBIG, "chart: more than %d files", CF_CHART_MAX_FILES);
    if (files->count == files->room) {
        size_t room = files->room ? files->room * 2 : 32;
        struct cf_chart_file *list = cf_run_alloc_array(run, room, sizeof *list);
        if (files->count)
            memcpy(list, files->list, files->count * sizeof *list);
        files->list = list;
        files->room = room;
    }
    files->list[files->count++] = (struct cf_chart_file){path, data, len};
}

/* ---- archives ---- */

struct source {
    struct cf_run *run;
    const char *data;
    size_t len;
    struct cf_decoder *decoder; /* NULL: a plain tar */
    struct cf_tar *tar;
    size_t total;
    char path[4096];
    struct cf_text content;
    bool is_file;
    uint8_t block[65536];
};

static int feed(void *context, const void **ret_data, size_t *ret_len, struct cf_error *err)
{
    struct source *s = context;
    (void)err;
    *ret_data = s->data;
    *ret_len = s->len;
    s->len = 0;
    return *ret_len > 0;
}

static ssize_t read_source(struct source *s, struct cf_error *err)
{
    if (s->decoder)
        return cf_decoder_read(s->decoder, s->block, sizeof s->block, err);
    size_t n = s->len < sizeof s->block ? s->len : sizeof s->block;
    memcpy(s->block, s->data, n);
    s->data += n;
    s->len -= n;
    return (ssize_t)n;
}

/* Behind the first "/"; NULL for what is not below one directory, or would leave it. */
static const char *inner_path(const char *path)
{
    while (!strncmp(path, "./", 2))
        path += 2;
    const char *slash = strchr(path, '/');
    if (!slash || !slash[1] || *path == '/')
        return NULL;
    for (const char *c = path; c; c = strchr(c, '/')) {
        c += *c == '/';
        if (!strncmp(c, "..", 2) && (c[2] == '/' || !c[2]))
            return NULL;
    }
    return slash + 1;
}

static void take_event(struct source *s, int event, const struct cf_tar_span *span,
                       struct cf_files *files)
{
    const struct cf_tar_entry *entry = event == CF_TAR_ENTRY ? cf_tar_entry(s->tar) : NULL;
    if (event == CF_TAR_ENTRY) {
        const char *inner = inner_path(entry->path.data);
        s->is_file = entry->type == '0' && inner && strlen(inner) < sizeof s->path;
        if (!s->is_file)
            return;
        if (entry->size > CF_CHART_MAX_FILE)
            cf_run_throw(s->run, -EFBIG, "chart: %s: larger than %d MiB", inner,
                         CF_CHART_MAX_FILE >> 20);
        strcpy(s->path, inner);
        cf_text_init(&s->content, s->run);
    } else if (event == CF_TAR_DATA && s->is_file) {
        if (span->offset > s->content.len)
            cf_text_fill(&s->content, 0, (size_t)span->offset - s->content.len);
        cf_text_add(&s->content, (const char *)span->data, span->len);
    } else if (event == CF_TAR_DONE && s->is_file) {
        struct cf_val content = cf_val_text(&s->content);
        cf_files_add(s->run, files, cf_run_strdup(s->run, s->path), content.str, content.len);
        s->is_file = false;
    }
}

static int read_all(struct source *s, struct cf_files *files, struct cf_error *err)
{
    for (;;) {
        struct cf_tar_span span;
        int event = cf_tar_next(s->tar, &span, err);
        if (event < 0)
            return event;
        if (event != CF_TAR_MORE) {
            take_event(s, event, &span, files);
            continue;
        }
        ssize_t n = read_source(s, err);
        if (n <= 0)
            return n < 0 ? (int)n : cf_tar_end(s->tar, true, err);
        s->total += (size_t)n;
        if (s->total > MAX_ARCHIVE)
            return cf_fail(err, -EFBIG, "unpacked it is larger than %d MiB", MAX_ARCHIVE >> 20);
        cf_tar_feed(s->tar, s->block, (size_t)n);
    }
}

static int open_source(struct source *s, struct cf_error *err)
{
    enum cf_compression kind = cf_compression_detect(s->data, s->len);
    int r = kind == CF_PLAIN ? 0 : cf_decoder_new(kind, feed, s, &s->decoder, err);
    return r < 0 ? r : cf_tar_new(&s->tar);
}

static void close_source(struct source *s)
{
    cf_decoder_free(s->decoder);
    cf_tar_free(s->tar);
    free(s);
}

void cf_chart_read_archive(struct cf_run *run, const void *data, size_t len,
                           struct cf_files *ret_files)
{
    struct cf_error err = {0};
    jmp_buf outer;
    struct source *s = calloc(1, sizeof *s);
    if (!s)
        cf_run_throw(run, -ENOMEM, "out of memory");
    s->run = run;
    s->data = data;
    s->len = len;
    memcpy(&outer, &run->trap, sizeof outer);
    if (setjmp(run->trap)) {
        memcpy(&run->trap, &outer, sizeof outer);
        close_source(s);
        longjmp(run->trap, 1);
    }
    int r = open_source(s, &err);
    if (!r)
        r = read_all(s, ret_files, &err);
    memcpy(&run->trap, &outer, sizeof outer);
    close_source(s);
    if (r < 0)
        cf_run_throw(run, r, "chart: cannot read the archive: %s",
                     err.text[0] ? err.text : strerror(-r));
}

/* ---- directories ---- */

struct walk {
    struct cf_run *run;
    int root;
    const struct cf_ignore *ignore;
    struct cf_files *files;
    unsigned depth;
};

/* The file's bytes, in run memory; throws. */
static struct cf_val read_file(struct cf_run *run, int root, const char *path)
{
    struct stat st;
    int fd = cf_open_beneath(root, path, O_RDONLY | O_NONBLOCK, 0);
    if (fd < 0)
        cf_run_throw(run, fd, "chart: %s: %s", path, strerror(-fd));
    if (fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_size > CF_CHART_MAX_FILE) {
        bool large = S_ISREG(st.st_mode);
        (void)close(fd);
        cf_run_throw(run, large ? -EFBIG : -EINVAL,
                     large ? "chart: %s: too large" : "chart: %s: not a regular file", path);
    }
    if ((size_t)st.st_size + 64 > run->limit - run->used) {
        (void)close(fd);
        cf_run_throw(run, -EFBIG, "chart: its files need more than %zu MiB", run->limit >> 20);
    }
    char *data = cf_run_alloc(run, (size_t)st.st_size + 1);
    ssize_t n = cf_read_full(fd, data, (size_t)st.st_size);
    (void)close(fd);
    if (n < 0)
        cf_run_throw(run, (int)n, "chart: %s: %s", path, strerror((int)-n));
    data[n] = 0;
    return cf_val_str(data, (size_t)n);
}

/* The names of one directory, sorted; "" is the chart's own. malloc memory until all is read. */
static struct cf_val list_names(struct cf_run *run, int root, const char *path)
{
    int fd = cf_open_beneath(root, *path ? path : ".", O_RDONLY | O_DIRECTORY, 0);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct cf_buf names = CF_BUF_INIT;
    size_t count = 0;
    if (!dir) {
        int code = fd < 0 ? fd : -errno;
        if (fd >= 0)
            (void)close(fd);
        cf_run_throw(run, code, "chart: %s: %s", *path ? path : ".", strerror(-code));
    }
    bool good = true;
    for (struct dirent *e; good && (e = readdir(dir));)
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            good = cf_buf_add(&names, e->d_name, strlen(e->d_name) + 1) == 0 &&
                   count++ < CF_CHART_MAX_FILES;
        }
    (void)closedir(dir);
    size_t room = run->limit - run->used;
    if (!good || names.len * 40 > room) {
        cf_buf_done(&names);
        cf_run_throw(run, -EFBIG, "chart: %s: too many files", *path ? path : ".");
    }
    struct cf_val map = cf_val_map(run, count);
    char *copy = cf_run_copy(run, names.data ? names.data : "", names.len);
    cf_buf_done(&names);
    for (size_t i = 0, at = 0; i < count; i++, at += strlen(copy + at) + 1)
        cf_dict_append(run, map.dict, copy + at, strlen(copy + at), CF_NIL_VAL);
    cf_dict_sort(run, map.dict);
    return map;
}

static void walk_directory(struct walk *w, const char *path)
{
    struct cf_val names = list_names(w->run, w->root, path);
    if (++w->depth > CF_CHART_MAX_DEPTH)
        cf_run_throw(w->run, -EFBIG, "chart: %s: directories are nested too deeply", path);
    for (size_t i = 0; i < names.dict->count; i++) {
        const char *name = names.dict->entries[i].key;
        char *inner = cf_run_format(w->run, "%s%s%s", path, *path ? "/" : "", name);
        struct stat st;
        /* Links are followed, as by Helm, but not out of the chart: the opening sees to that. */
        if (fstatat(w->root, inner, &st, 0)) {
            if (cf_ignore_matches(w->ignore, inner, false))
                continue;
            cf_run_throw(w->run, -errno, "chart: %s: %s", inner, strerror(errno));
        }
        if (cf_ignore_matches(w->ignore, inner, S_ISDIR(st.st_mode)))
            continue;
        if (S_ISDIR(st.st_mode)) {
            walk_directory(w, inner);
            continue;
        }
        if (!S_ISREG(st.st_mode))
            cf_run_throw(w->run, -EINVAL,
                         "chart: cannot load irregular file %s as it has file mode type bits set",
                         inner);
        struct cf_val data = read_file(w->run, w->root, inner);
        cf_files_add(w->run, w->files, inner, data.str, data.len);
    }
    w->depth--;
}

void cf_chart_read_directory(struct cf_run *run, int dirfd, struct cf_files *ret_files)
{
    struct walk w = {run, dirfd, NULL, ret_files, 0};
    struct cf_val rules = cf_val_str("", 0);
    if (!faccessat(dirfd, ".helmignore", F_OK, 0))
        rules = read_file(run, dirfd, ".helmignore");
    w.ignore = cf_ignore_parse(run, rules.str, rules.len);
    walk_directory(&w, "");
}
