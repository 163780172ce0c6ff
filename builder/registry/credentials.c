/* SPDX-License-Identifier: Apache-2.0 */
#include "credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cloudfs/base64.h>
#include <cloudfs/io.h>
#include <cloudfs/json.h>
#include <cloudfs/log.h>

enum { FILE_MAX = 1 << 20, PATHS_MAX = 4 };

/* Old clients' key for docker.io. */
#define DOCKER_KEY "https://index.docker.io/v1/"

static void wipe(char *secret)
{
    if (secret)
        explicit_bzero(secret, strlen(secret));
    free(secret);
}

void cf_account_done(struct cf_account *account)
{
    free(account->user);
    wipe(account->password);
    *account = (struct cf_account){0};
}

/* ---- the files ---- */

struct paths {
    char *path[PATHS_MAX];
    size_t count;
};

static void paths_done(struct paths *paths)
{
    for (size_t i = 0; i < paths->count; i++)
        free(paths->path[i]);
}

static int add_path(struct paths *paths, const char *dir, const char *rest)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    if (!dir || !*dir)
        return 0;
    if (cf_buf_printf(&path, "%s%s", dir, rest) < 0)
        return -ENOMEM;
    paths->path[paths->count] = cf_buf_take(&path);
    return paths->path[paths->count++] ? 0 : -ENOMEM;
}

static int find_paths(const char *authfile, struct paths *ret_paths, struct cf_error *err)
{
    const char *only = authfile ? authfile : getenv("REGISTRY_AUTH_FILE");
    const char *config = getenv("XDG_CONFIG_HOME"), *docker = getenv("DOCKER_CONFIG");
    const char *home = getenv("HOME"), *run = getenv("XDG_RUNTIME_DIR");
    char own_run[64];
    *ret_paths = (struct paths){0};
    if (only && *only)
        return add_path(ret_paths, only, "") < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
    (void)snprintf(own_run, sizeof own_run, "/run/containers/%u", (unsigned)geteuid());
    const bool has_run = run && *run;
    int r = add_path(ret_paths, has_run ? run : own_run,
                     has_run ? "/containers/auth.json" : "/auth.json");
    if (r == 0)
        r = config && *config ? add_path(ret_paths, config, "/containers/auth.json")
                              : add_path(ret_paths, home, "/.config/containers/auth.json");
    if (r == 0)
        r = docker && *docker ? add_path(ret_paths, docker, "/config.json")
                              : add_path(ret_paths, home, "/.docker/config.json");
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}

/* -ENOENT without a line: there is none. */
static int read_file(const char *path, struct cf_json **ret_json, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_read_file(AT_FDCWD, path, FILE_MAX, &text);
    if (r == -ENOENT || r == -ENOTDIR)
        return -ENOENT;
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read the credentials in %s", CF_QUOTE(path));
    if (text.len > 0)
        r = cf_json_parse(text.data, text.len, ret_json, err);
    else
        *ret_json = cf_json_object();
    explicit_bzero(text.data ? text.data : (char[1]){0}, text.data ? text.len : 1);
    if (r < 0)
        return cf_fail_in(err, r, "%s", CF_QUOTE(path));
    if (!cf_json_is_object(*ret_json))
        return cf_fail(err, -EINVAL, "%s holds no credentials: it is no JSON object",
                       CF_QUOTE(path));
    return 0;
}

/* ---- looking up ---- */

static int take(const char *user, const char *password, bool is_token,
                struct cf_account *ret_account, struct cf_error *err)
{
    struct cf_account account = {strdup(user), strdup(password), is_token};
    if (!account.user || !account.password) {
        cf_account_done(&account);
        return cf_fail(err, -ENOMEM, "out of memory");
    }
    *ret_account = account;
    return 1;
}

/* {"auth": base64 of user:password} or {"identitytoken": ...}: 1 found, 0 nothing in it. */
static int decode(const struct cf_json *entry, const char *path, struct cf_account *ret_account,
                  struct cf_error *err)
{
    const char *token = cf_json_get_string(entry, "identitytoken");
    const char *auth = cf_json_get_string(entry, "auth");
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    if (token && *token)
        return take("<token>", token, true, ret_account, err);
    if (!auth || !*auth)
        return 0;
    int r = cf_base64_decode(auth, strlen(auth), &text);
    char *colon = r == 0 && text.data ? strchr(text.data, ':') : NULL;
    if (!colon)
        return cf_fail(err, -EINVAL, "%s: an \"auth\" is no base64 of user:password",
                       CF_QUOTE(path));
    *colon = '\0';
    r = take(text.data, colon + 1, false, ret_account, err);
    explicit_bzero(text.data, text.len);
    return r;
}

static int ask_helper(const char *helper, const char *host, struct cf_account *ret_account,
                      struct cf_error *err)
{
    struct cf_buf output cf_autobuf = CF_BUF_INIT;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    int r = cf_credential_helper(helper, "get", strcmp(host, "docker.io") ? host : DOCKER_KEY,
                                 &output, err);
    if (r == -ENOENT)
        return 0;
    if (r < 0)
        return r;
    r = cf_json_parse(output.data ? output.data : "", output.len, &json, NULL);
    explicit_bzero(output.data ? output.data : (char[1]){0}, output.data ? output.len : 1);
    const char *user = cf_json_get_string(json, "Username");
    const char *secret = cf_json_get_string(json, "Secret");
    if (r < 0 || !user || !secret)
        return cf_fail(err, -EINVAL, "the credential helper %s did not answer with an account",
                       CF_QUOTE(helper));
    return take(user, secret, !strcmp(user, "<token>"), ret_account, err);
}

/* A key as old clients wrote it: https://host/v1/ means host. */
static bool key_means(const char *key, const char *wanted)
{
    static const char *const schemes[] = {"https://", "http://"};
    if (!strcmp(key, wanted))
        return true;
    if (!strcmp(wanted, "docker.io"))
        return !strcmp(key, DOCKER_KEY) || !strcmp(key, "index.docker.io");
    for (size_t i = 0; i < CF_COUNT(schemes); i++) {
        const size_t len = strlen(schemes[i]), n = strlen(wanted);
        if (strncmp(key, schemes[i], len) != 0 || strncmp(key + len, wanted, n) != 0)
            continue;
        const char *rest = key + len + n;
        return !*rest || !strcmp(rest, "/") || !strcmp(rest, "/v1/") || !strcmp(rest, "/v2/");
    }
    return false;
}

static const struct cf_json *find_key(const struct cf_json *auths, const char *wanted)
{
    const struct cf_json *exact = cf_json_get(auths, wanted);
    if (exact)
        return exact;
    for (const struct cf_json *item = cf_json_first(auths); item; item = cf_json_next(item))
        if (key_means(cf_json_key(item), wanted))
            return item;
    return NULL;
}

static int find_in(const struct cf_json *json, const char *path, const char *host,
                   const char *repository, struct cf_account *ret_account, struct cf_error *err)
{
    struct cf_buf key cf_autobuf = CF_BUF_INIT;
    const struct cf_json *auths = cf_json_get(json, "auths");
    const char *helper = cf_json_get_string(cf_json_get(json, "credHelpers"), host);
    const char *store = cf_json_get_string(json, "credsStore");
    int r = helper && *helper ? ask_helper(helper, host, ret_account, err) : 0;
    if (r != 0)
        return r;
    if (cf_buf_printf(&key, "%s%s%s", host, *repository ? "/" : "", repository) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    for (;;) {
        const struct cf_json *entry = find_key(auths, key.data);
        r = entry ? decode(entry, path, ret_account, err) : 0;
        char *slash = strrchr(key.data, '/');
        if (r != 0 || !slash)
            break;
        *slash = '\0';
    }
    if (r == 0 && store && *store)
        r = ask_helper(store, host, ret_account, err);
    return r;
}

int cf_account_find(const char *authfile, const char *host, const char *repository,
                    struct cf_account *ret_account, struct cf_error *err)
{
    struct paths paths cf_cleanup(paths_done) = {0};
    int r = find_paths(authfile, &paths, err);
    *ret_account = (struct cf_account){0};
    for (size_t i = 0; i < paths.count && r == 0; i++) {
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
        r = read_file(paths.path[i], &json, err);
        if (r == 0)
            r = find_in(json, paths.path[i], host, repository, ret_account, err);
        else if (r == -ENOENT && !authfile)
            r = 0;
        else if (r == -ENOENT)
            return cf_fail(err, r, "there is no file %s", CF_QUOTE(paths.path[i]));
    }
    return r < 0 ? r : 0;
}

/* ---- keeping ---- */

static int make_parent(const char *path)
{
    char *dir cf_autofree = strdup(path);
    char *slash = dir ? strrchr(dir, '/') : NULL;
    if (!dir)
        return -ENOMEM;
    if (!slash || slash == dir)
        return 0;
    *slash = '\0';
    if (access(dir, F_OK) == 0)
        return 0;
    return cf_mkdir_path(AT_FDCWD, dir, 0700);
}

static int write_file(const char *path, const struct cf_json *json, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = cf_json_print(json, true, &text);
    if (r == 0)
        r = cf_replace_file(AT_FDCWD, path, text.data, text.len, 0600);
    explicit_bzero(text.data ? text.data : (char[1]){0}, text.data ? text.len : 1);
    return r < 0 ? cf_fail_errno(err, -r, "cannot write %s", CF_QUOTE(path)) : 0;
}

/* Other programs' changes at the same time are theirs to guard; ours exclude each other. */
static int lock_file(const char *path, struct cf_error *err)
{
    struct cf_buf name cf_autobuf = CF_BUF_INIT;
    if (cf_buf_printf(&name, "%s.lock", path) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    const int fd = open(name.data, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return cf_fail_errno(err, errno, "cannot write beside %s", CF_QUOTE(path));
    while (flock(fd, LOCK_EX) < 0)
        if (errno != EINTR) {
            close(fd);
            return cf_fail_errno(err, errno, "cannot lock %s", CF_QUOTE(path));
        }
    return fd;
}

static int edit_object(struct cf_json *json, const char *key, struct cf_json **ret_object)
{
    int r = 0;
    if (!cf_json_is_object(cf_json_get(json, key)))
        r = cf_json_set(json, key, cf_json_object());
    *ret_object = r == 0 ? cf_json_edit(json, key) : NULL;
    return *ret_object ? 0 : -ENOMEM;
}

static const char *helper_for(const struct cf_json *json, const char *key)
{
    char host[256];
    const size_t len = strcspn(key, "/");
    if (len >= sizeof host)
        return NULL;
    memcpy(host, key, len);
    host[len] = '\0';
    const char *helper = cf_json_get_string(cf_json_get(json, "credHelpers"), host);
    const char *store = cf_json_get_string(json, "credsStore");
    return helper && *helper ? helper : store && *store ? store : NULL;
}

static int give_to_helper(const char *helper, const char *key, const char *user,
                          const char *password, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT, output cf_autobuf = CF_BUF_INIT;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    if (!json || cf_json_set_string(json, "ServerURL", key) < 0 ||
        cf_json_set_string(json, "Username", user) < 0 ||
        cf_json_set_string(json, "Secret", password) < 0 || cf_json_print(json, false, &text) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = cf_credential_helper(helper, "store", text.data, &output, err);
    explicit_bzero(text.data, text.len);
    return r;
}

static int set_entry(struct cf_json *json, const char *key, const char *user, const char *password,
                     struct cf_error *err)
{
    struct cf_buf plain cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;
    struct cf_json *auths = NULL, *entry = cf_json_object();
    int r = cf_buf_printf(&plain, "%s:%s", user, password);
    if (r == 0)
        r = cf_base64_encode(plain.data, plain.len, &text);
    if (r == 0)
        r = entry ? cf_json_set_string(entry, "auth", text.data) : -ENOMEM;
    if (r == 0)
        r = edit_object(json, "auths", &auths);
    if (r == 0)
        r = cf_json_set(auths, key, CF_TAKE(entry));
    cf_json_free(entry);
    explicit_bzero(plain.data ? plain.data : (char[1]){0}, plain.data ? plain.len : 1);
    explicit_bzero(text.data ? text.data : (char[1]){0}, text.data ? text.len : 1);
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}

int cf_account_store(const char *authfile, const char *key, const char *user, const char *password,
                     char **ret_path, struct cf_error *err)
{
    struct paths paths cf_cleanup(paths_done) = {0};
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    int r = find_paths(authfile, &paths, err);
    if (r < 0)
        return r;
    size_t which = 0;
    while (which + 1 < paths.count && make_parent(paths.path[which]) < 0)
        which++;
    const char *path = paths.path[which];
    r = make_parent(path);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot make the directory of %s", CF_QUOTE(path));
    int lock cf_autoclose = lock_file(path, err);
    if (lock < 0)
        return lock;
    r = read_file(path, &json, err);
    if (r == -ENOENT) {
        json = cf_json_object();
        r = json ? 0 : cf_fail(err, -ENOMEM, "out of memory");
    }
    if (r < 0)
        return r;
    const char *helper = helper_for(json, key);
    r = helper ? give_to_helper(helper, key, user, password, err)
               : set_entry(json, key, user, password, err);
    if (r == 0 && !helper)
        r = write_file(path, json, err);
    if (r == 0)
        *ret_path = CF_TAKE(paths.path[which]);
    return r;
}

/* 1: something was removed. */
static int remove_in(struct cf_json *json, const char *key, struct cf_error *err)
{
    struct cf_json *auths = cf_json_edit(json, "auths");
    struct cf_buf output cf_autobuf = CF_BUF_INIT;
    const char *helper = key ? helper_for(json, key) : NULL;
    int removed = 0;
    for (;;) {
        const struct cf_json *item = key ? find_key(auths, key) : cf_json_first(auths);
        char *name cf_autofree = item ? strdup(cf_json_key(item)) : NULL;
        if (!name)
            break;
        cf_json_remove(auths, name);
        removed = 1;
    }
    if (helper) {
        int r = cf_credential_helper(helper, "erase", key, &output, err);
        if (r < 0 && r != -ENOENT)
            return r;
        removed = removed || r == 0;
    }
    return removed;
}

int cf_account_remove(const char *authfile, const char *key, struct cf_error *err)
{
    struct paths paths cf_cleanup(paths_done) = {0};
    bool any = false;
    int r = find_paths(authfile, &paths, err);
    for (size_t i = 0; i < paths.count && r == 0; i++) {
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
        if (access(paths.path[i], F_OK) < 0)
            continue;
        int lock cf_autoclose = lock_file(paths.path[i], err);
        if (lock < 0)
            return lock;
        r = read_file(paths.path[i], &json, err);
        if (r < 0)
            return r == -ENOENT ? 0 : r;
        r = remove_in(json, key, err);
        any = any || r > 0;
        if (r > 0)
            r = write_file(paths.path[i], json, err);
    }
    if (r == 0 && !any)
        return key ? cf_fail(err, -ENOENT, "not logged in to %s", key)
                   : cf_fail(err, -ENOENT, "not logged in to any registry");
    return r;
}
