/* SPDX-License-Identifier: Apache-2.0 */
/* `helm template` as a child; what it needs as files lies in a temporary directory of its own. */
#include <cloudfs/chart.h>
#include <cloudfs/io.h>

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MAX_TEXT = 256 << 20, MAX_SAID = 16 << 10 };

struct helm {
    char dir[64]; /* "": none was made */
    int dirfd;
    char **words; /* of the command, heap */
    size_t count, room;
    struct cf_error *err;
};

static void helm_done(struct helm *h)
{
    for (size_t i = 0; i < h->count; i++)
        free(h->words[i]);
    free(h->words);
    if (h->dirfd >= 0)
        (void)close(h->dirfd);
    if (*h->dir)
        (void)cf_remove_tree(AT_FDCWD, h->dir);
}

static int add(struct helm *h, const char *word)
{
    if (h->count + 1 >= h->room) {
        size_t room = h->room ? h->room * 2 : 32;
        char **words = reallocarray(h->words, room, sizeof *words);
        if (!words)
            return cf_fail(h->err, -ENOMEM, "out of memory");
        h->words = words;
        h->room = room;
    }
    h->words[h->count] = strdup(word);
    if (!h->words[h->count])
        return cf_fail(h->err, -ENOMEM, "out of memory");
    h->words[++h->count] = NULL;
    return 0;
}

/* "--flag value", when there is one. */
static int add_option(struct helm *h, const char *flag, const char *value)
{
    if (!value)
        return 0;
    int r = add(h, flag);
    return r < 0 ? r : add(h, value);
}

static int make_dir(struct helm *h)
{
    const char *parent = getenv("TMPDIR");
    if (*h->dir)
        return 0;
    if (!parent || !*parent || strlen(parent) > sizeof h->dir - 24)
        parent = "/tmp";
    snprintf(h->dir, sizeof h->dir, "%s/cloudfs-helm-XXXXXX", parent);
    if (!mkdtemp(h->dir)) {
        int code = errno;
        int r = cf_fail_errno(h->err, code, "%s", h->dir);
        *h->dir = 0;
        return r;
    }
    h->dirfd = open(h->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return h->dirfd < 0 ? cf_fail_errno(h->err, errno, "%s", h->dir) : 0;
}

/* A file of the temporary directory. */
static int write_file(struct helm *h, const char *path, const void *data, size_t len)
{
    char *parent cf_autofree = strdup(path);
    if (!parent)
        return cf_fail(h->err, -ENOMEM, "out of memory");
    char *slash = strrchr(parent, '/');
    int r = 0;
    if (slash) {
        *slash = 0;
        r = cf_mkdir_path(h->dirfd, parent, 0777);
    }
    int fd cf_autoclose = r < 0 && r != -EEXIST
                              ? r
                              : cf_open_beneath(h->dirfd, path, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    r = fd < 0 ? fd : cf_write_full(fd, data, len);
    return r < 0 ? cf_fail_errno(h->err, -r, "%s/%s", h->dir, path) : 0;
}

static int lay_chart(struct helm *h, const struct cf_chart_file *files, size_t count,
                     char *ret_path, size_t size)
{
    int r = make_dir(h);
    for (size_t i = 0; r == 0 && i < count; i++) {
        char *path cf_autofree = NULL;
        if (asprintf(&path, "chart/%s", files[i].path) < 0)
            return cf_fail(h->err, -ENOMEM, "out of memory");
        r = write_file(h, path, files[i].data, files[i].len);
    }
    const char *dot = count == 1 ? strrchr(files->path, '.') : NULL;
    bool archive = dot && !strcmp(dot, ".tgz");
    snprintf(ret_path, size, "%s/chart%s%s", h->dir, archive ? "/" : "",
             archive ? files->path : "");
    return r;
}

static int add_values(struct helm *h, const struct cf_chart_values *values, size_t index)
{
    static const char *const flags[] = {[CF_VALUES_FILE] = "--values",
                                        [CF_VALUES_SET] = "--set",
                                        [CF_VALUES_STRING] = "--set-string",
                                        [CF_VALUES_JSON] = "--set-json"};
    char name[64], path[160];
    if (values->kind != CF_VALUES_FILE)
        return add_option(h, flags[values->kind], values->text);
    int r = make_dir(h);
    snprintf(name, sizeof name, "values-%zu.yaml", index);
    snprintf(path, sizeof path, "%s/%s", h->dir, name);
    if (r == 0)
        r = write_file(h, name, values->text, values->len);
    return r < 0 ? r : add_option(h, flags[values->kind], path);
}

static int add_options(struct helm *h, const struct cf_helm_options *options)
{
    const struct cf_render_options *o = &options->render;
    const struct {
        bool set;
        const char *flag;
    } flags[] = {{options->crds, "--include-crds"},
                 {options->no_hooks, "--no-hooks"},
                 {o->is_upgrade, "--is-upgrade"},
                 {o->skip_schema, "--skip-schema-validation"}};
    int r = add_option(h, "--namespace", o->name_space ? o->name_space : "default");
    if (r == 0)
        r = add_option(h, "--kube-version", o->kube_version ? o->kube_version : "v1.30.0");
    for (size_t i = 0; r == 0 && i < o->api_version_count; i++)
        r = add_option(h, "--api-versions", o->api_versions[i]);
    for (size_t i = 0; r == 0 && i < sizeof flags / sizeof *flags; i++)
        if (flags[i].set)
            r = add(h, flags[i].flag);
    for (size_t i = 0; r == 0 && i < o->value_count; i++)
        r = add_values(h, &o->values[i], i);
    return r;
}

static int start(struct helm *h, int out, int said, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);
    if (r == 0) {
        r = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        if (r == 0)
            r = posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
        if (r == 0)
            r = posix_spawn_file_actions_adddup2(&actions, said, STDERR_FILENO);
        if (r == 0)
            r = posix_spawnp(ret_pid, "helm", &actions, NULL, h->words, environ);
        (void)posix_spawn_file_actions_destroy(&actions);
    }
    if (r == ENOENT)
        return cf_fail(h->err, -ENOENT,
                       "--helm: there is no helm on PATH; without --helm the charts are rendered "
                       "by cloudfs itself");
    return r ? cf_fail_errno(h->err, r, "cannot run helm") : 0;
}

/* The last line of what helm said that tells something: warnings come before. */
static int failed(struct helm *h, int said, int status)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    (void)lseek(said, 0, SEEK_SET);
    (void)cf_read_fd(said, MAX_SAID, &text);
    while (text.len && strchr("\n\r ", text.data[text.len - 1]))
        text.data[--text.len] = 0;
    const char *line = text.len ? strrchr(text.data, '\n') : NULL;
    line = line ? line + 1 : text.len ? text.data : "";
    if (*line)
        return cf_fail(h->err, -EINVAL, "helm: %s", line);
    return cf_fail(h->err, -EINVAL, "helm ended with status %d and said nothing",
                   WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static int run(struct helm *h, struct cf_buf *ret_text)
{
    int out[2], status = 0;
    pid_t pid;
    int said cf_autoclose = memfd_create("helm", MFD_CLOEXEC);
    if (said < 0 || pipe2(out, O_CLOEXEC) < 0)
        return cf_fail_errno(h->err, errno, "cannot run helm");
    int out_read cf_autoclose = out[0], out_write cf_autoclose = out[1];
    int r = start(h, out_write, said, &pid);
    if (r < 0)
        return r;
    cf_close_fd(&out_write);
    out_write = -1;
    r = cf_read_fd(out_read, MAX_TEXT, ret_text);
    cf_close_fd(&out_read); /* a helm that writes on ends by it */
    out_read = -1;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return cf_fail_errno(h->err, errno, "helm");
    if (r < 0)
        return cf_fail(h->err, r, "helm: what it prints cannot be read: %s", strerror(-r));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : failed(h, said, status);
}

int cf_chart_helm(const char *path, const struct cf_chart_file *files, size_t file_count,
                  const struct cf_helm_options *options, struct cf_buf *ret_text,
                  struct cf_error *err)
{
    struct helm h cf_cleanup(helm_done) = {.dirfd = -1, .err = err};
    const char *name = options->render.release_name;
    char laid[128];
    int r = path ? 0 : lay_chart(&h, files, file_count, laid, sizeof laid);
    if (r == 0)
        r = add(&h, "helm");
    if (r == 0)
        r = add(&h, "template");
    if (r == 0)
        r = add(&h, name ? name : "release-name");
    if (r == 0)
        r = add(&h, path ? path : laid);
    if (r == 0)
        r = add_options(&h, options);
    return r < 0 ? r : run(&h, ret_text);
}
