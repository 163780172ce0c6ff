/* SPDX-License-Identifier: Apache-2.0 */
/* Sources of COPY and ADD that are not in the context: files of the web, git repositories. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cloudfs/fetch.h>
#include <cloudfs/io.h>

#include "internal.h"

enum { GIT_SAYS_MAX = 4096 };

static bool begins(const char *text, const char *with)
{
    return !strncmp(text, with, strlen(with));
}

enum cf_source_kind cf_source_kind_of(const char *text)
{
    size_t len = strcspn(text, "#?");
    bool web = begins(text, "http://") || begins(text, "https://");

    if (begins(text, "git://") || begins(text, "git@") || begins(text, "ssh://") ||
        (web && len > 4 && !strncmp(text + len - 4, ".git", 4)))
        return CF_SOURCE_GIT;
    return web ? CF_SOURCE_WEB : CF_SOURCE_LOCAL;
}

/* ---- files of the web ---- */

static int web_key(const char *url, struct cf_digest *ret_key)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    if (cf_hasher_new(&hasher) < 0)
        return -ENOMEM;
    cf_build_key_add(hasher, "cloudfs web 1");
    cf_build_key_add(hasher, url);
    cf_hasher_final(hasher, ret_key);
    return 0;
}

/* What the server gave last time, as far as it is still here. */
static void recall_web(struct cf_build *build, const struct cf_digest *key,
                       struct cf_fetched *ret_last)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_fetched last = {0};
    struct cf_digest layer;
    char digest[CF_DIGEST_TEXT_SIZE];
    long long modified = 0;
    unsigned long long size = 0;

    if (cf_memo_get(build->store, key, &layer, &text) < 0 ||
        sscanf(text.data, "%71s %llu %lld %255[^\n]", digest, &size, &modified, last.etag) != 4 ||
        cf_digest_parse(digest, &last.digest) < 0 || !cf_object_exists(build->store, &last.digest))
        return;
    last.size = size;
    last.modified = modified;
    *ret_last = last;
}

int cf_web_fetch(struct cf_build *build, const char *url, struct cf_web_file *ret_file,
                 struct cf_error *err)
{
    const struct cf_build_options *options = build->options;
    struct cf_fetched last = {0}, now = {0};
    char digest[CF_DIGEST_TEXT_SIZE];

    if (options->offline)
        return cf_fail(err, -ENONET, "'%s' is not fetched: --offline", url);
    if (web_key(url, &ret_file->key) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    recall_web(build, &ret_file->key, &last);
    int r = cf_fetch(build->store, url, last.etag, options->progress, options->progress_context,
                     &now, err);
    if (r < 0)
        return r;
    if (now.unchanged)
        now = last;
    cf_digest_text(&now.digest, digest);
    ret_file->digest = now.digest;
    ret_file->size = now.size;
    ret_file->modified = now.modified;
    ret_file->note[0] = '\0';
    if (*now.etag)
        (void)snprintf(ret_file->note, sizeof(ret_file->note), "%s %llu %lld %s", digest,
                       (unsigned long long)now.size, (long long)now.modified, now.etag);
    return 0;
}

int cf_web_name(const char *url, char ret_name[NAME_MAX + 1])
{
    size_t len = strcspn(url, "?#");
    const char *host = strstr(url, "://");
    size_t at = len;

    while (at > 0 && url[at - 1] != '/')
        at--;
    if (!host || url + at <= host + 3 || at == len || len - at > NAME_MAX)
        return -EINVAL;
    (void)snprintf(ret_name, NAME_MAX + 1, "%.*s", (int)(len - at), url + at);
    return !strcmp(ret_name, ".") || !strcmp(ret_name, "..") ? -EINVAL : 0;
}

/* ---- git ---- */

/* Runs git there; what it prints goes to ret_out, what it complains about into err. */
static int run_git(const char *dir, const char *const *words, struct cf_buf *ret_out,
                   struct cf_error *err)
{
    const char *argv[16] = {"git", "-C", dir};
    size_t count = 3;
    int out[2] = {-1, -1}, status = 0;

    while (*words && count + 1 < CF_COUNT(argv))
        argv[count++] = *words++;
    if (pipe2(out, O_CLOEXEC) < 0)
        return cf_fail_errno(err, errno, "cannot make a pipe");
    int in cf_autoclose = out[0];
    int to cf_autoclose = out[1];
    pid_t pid = fork();
    if (pid < 0)
        return cf_fail_errno(err, errno, "cannot start git");
    if (pid == 0) {
        int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        (void)setenv("GIT_TERMINAL_PROMPT", "0", 1);
        (void)setenv("LC_ALL", "C", 1);
        if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(to, STDOUT_FILENO) < 0 ||
            dup2(to, STDERR_FILENO) < 0)
            _exit(126);
        execvp("git", (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    cf_close_fd(&to);
    int r = cf_read_fd(in, GIT_SAYS_MAX, ret_out);
    cf_close_fd(&in); /* what it still wants to say does not block it */
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (r < 0 && r != -EFBIG)
        return cf_fail_errno(err, -r, "cannot read what git says");
    if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
        return cf_fail(err, -ENOENT, "there is no git on this machine");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        const char *says = ret_out->data ? ret_out->data : "";
        return cf_fail(err, -EIO, "git %s: %.*s", argv[3], (int)strcspn(says, "\n"),
                       *says ? says : "it failed");
    }
    return 0;
}

/* "URL#REF:DIR" */
static int split_url(const char *text, char **ret_url, char **ret_ref, char **ret_dir)
{
    size_t len = strcspn(text, "#");
    const char *ref = text[len] ? text + len + 1 : "";
    size_t ref_len = strcspn(ref, ":");
    const char *dir = ref[ref_len] ? ref + ref_len + 1 : "";

    while (*dir == '/')
        dir++;
    *ret_url = strndup(text, len);
    *ret_ref = ref_len ? strndup(ref, ref_len) : strdup("HEAD");
    *ret_dir = strdup(dir);
    return *ret_url && *ret_ref && *ret_dir ? 0 : -ENOMEM;
}

static int fetch_git(const char *dir, const char *url, const char *ref, struct cf_buf *says,
                     struct cf_error *err)
{
    const char *const init[] = {"init", "-q", NULL};
    const char *const fetch[] = {"fetch", "-q", "--depth", "1", "--", url, ref, NULL};
    const char *const whole[] = {"fetch", "-q", "--", url, ref, NULL};
    const char *const checkout[] = {"checkout", "-q", "FETCH_HEAD", NULL};
    const char *const tell[] = {"log", "-1", "--format=%H %ct", NULL};
    int r = run_git(dir, init, says, err);

    if (r == 0 && (r = run_git(dir, fetch, says, err)) < 0 && says->data &&
        strstr(says->data, "shallow")) { /* servers of plain files cannot do that */
        cf_buf_clear(says);
        r = run_git(dir, whole, says, err);
    }
    if (r == 0)
        r = run_git(dir, checkout, says, err);
    cf_buf_clear(says);
    return r == 0 ? run_git(dir, tell, says, err) : r;
}

int cf_git_fetch(struct cf_build *build, const char *text, struct cf_git_tree *ret_tree,
                 struct cf_error *err)
{
    char *url cf_autofree = NULL, *ref cf_autofree = NULL, *below cf_autofree = NULL;
    char *dir cf_autofree = NULL;
    struct cf_buf says cf_autobuf = CF_BUF_INIT;
    char random[17];
    long long moment = 0;

    ret_tree->fd = -1;
    if (build->options->offline)
        return cf_fail(err, -ENONET, "'%s' is not fetched: --offline", text);
    cf_random_name(random);
    (void)snprintf(ret_tree->name, sizeof(ret_tree->name), "git-%s", random);
    if (split_url(text, &url, &ref, &below) < 0 ||
        asprintf(&dir, "%s/tmp/%s", cf_store_root(build->store), ret_tree->name) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    if (mkdirat(cf_store_tmp_fd(build->store), ret_tree->name, 0700) < 0)
        return cf_fail_errno(err, errno, "cannot make a directory for git");
    int r = fetch_git(dir, url, ref, &says, err);
    if (r < 0)
        return cf_fail_in(err, r, "%s", text);
    if (sscanf(says.data ? says.data : "", "%64[0-9a-f] %lld", ret_tree->commit, &moment) != 2)
        return cf_fail(err, -EPROTO, "%s: git does not tell the commit", text);
    ret_tree->moment = moment;
    int top cf_autoclose =
        openat(cf_store_tmp_fd(build->store), ret_tree->name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    r = top < 0 ? -errno : cf_remove_tree(top, ".git");
    if (r == 0)
        ret_tree->fd = cf_open_beneath(top, *below ? below : ".", O_RDONLY | O_DIRECTORY, 0);
    if (r < 0 || ret_tree->fd < 0)
        return cf_fail_errno(err, r < 0 ? -r : -ret_tree->fd, "%s: '%s'", text, below);
    return 0;
}

void cf_git_done(struct cf_build *build, struct cf_git_tree *tree)
{
    cf_close_fd(&tree->fd);
    if (tree->name[0])
        (void)cf_remove_tree(cf_store_tmp_fd(build->store), tree->name);
}
