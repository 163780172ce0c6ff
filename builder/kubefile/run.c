/* SPDX-License-Identifier: Apache-2.0 */
/* RUN: a command in the mounted rootfs; what it leaves in the upper is the layer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/mount.h>

#include "internal.h"

struct running {
    struct cf_build *build;
    const struct cf_kubefile_instruction *instruction;
    const char *command; /* the text for the shell */
    bool network;
    struct cf_image *image; /* what is mounted; has no name */
    struct cf_mount *mount;
    char dir[40]; /* the mount point, below tmp/ of the store; "" before it is made */
    struct cf_buf env_text;
    char **argv, **envp;
};

/* ---- what runs ---- */

static int add_string(char ***list, size_t *count, char *text)
{
    char **more = text ? reallocarray(*list, *count + 2, sizeof(*more)) : NULL;
    if (!more) {
        free(text);
        return -ENOMEM;
    }
    *list = more;
    more[(*count)++] = text;
    more[*count] = NULL;
    return 0;
}

static void free_strings(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static int add_pair(char ***list, size_t *count, const char *name, const char *value)
{
    char *text = NULL;
    if (asprintf(&text, "%s=%s", name, value) < 0)
        text = NULL;
    return add_string(list, count, text);
}

static int fill_environment(struct running *run)
{
    static const char *const proxies[] = {"http_proxy", "https_proxy", "no_proxy",
                                          "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"};
    const struct cf_build *build = run->build;
    const char *path = cf_variables_get(&build->env, "PATH", 4);
    char *full cf_autofree = NULL;
    size_t count = 0;
    int r = 0;

    if (asprintf(&full, "/rootfs/bin:%s",
                 path ? path : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") < 0)
        full = NULL;
    r = full ? add_pair(&run->envp, &count, "PATH", full) : -ENOMEM;
    if (r == 0)
        r = add_pair(&run->envp, &count, "HOME", "/root");
    for (size_t i = 0; run->network && i < CF_COUNT(proxies) && r == 0; i++)
        if (getenv(proxies[i]))
            r = add_pair(&run->envp, &count, proxies[i], getenv(proxies[i]));
    for (size_t i = 0; i < build->args.count && r == 0; i++)
        if (build->args.list[i].value && !cf_variables_get(&build->env, build->args.list[i].name,
                                                           strlen(build->args.list[i].name)))
            r = add_pair(&run->envp, &count, build->args.list[i].name, build->args.list[i].value);
    for (size_t i = 0; i < build->env.count && r == 0; i++)
        if (strcmp(build->env.list[i].name, "PATH") != 0)
            r = add_pair(&run->envp, &count, build->env.list[i].name, build->env.list[i].value);
    return r;
}

/* The shell's text: the line itself, or the heredoc that the line is. */
static int fill_command(struct running *run, struct cf_error *err)
{
    const struct cf_kubefile_instruction *instruction = run->instruction;
    struct cf_kubefile_words words cf_cleanup(cf_kubefile_words_done) = {0};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    size_t count = 0;
    int r = cf_kubefile_array(instruction->text, &words);

    for (size_t i = 0; r == 1 && i < words.count; i++)
        if (add_string(&run->argv, &count, strdup(words.list[i].text)) < 0)
            r = -ENOMEM;
    if (r == 1 && count)
        return 0;
    if (r >= 0)
        r = cf_buf_add_str(&text, instruction->text);
    if (r == 0 && instruction->heredoc_count) {
        const char *rest = instruction->text + strcspn(instruction->text, " \t");
        bool alone = !strncmp(instruction->text, "<<", 2) && !rest[strspn(rest, " \t")];
        if (alone)
            cf_buf_clear(&text);
        for (size_t i = 0; r == 0 && i < instruction->heredoc_count; i++) {
            const struct cf_kubefile_heredoc *doc = &instruction->heredocs[i];
            r = alone ? cf_buf_add(&text, doc->text, doc->len)
                      : cf_buf_printf(&text, "\n%s%s\n", doc->text, doc->name);
        }
    }
    static const char *const shell[] = {"/bin/sh", "-e", "-c"};
    for (size_t i = 0; i < 3 && r == 0; i++)
        if (i != 1 || instruction->heredoc_count)
            r = add_string(&run->argv, &count, strdup(shell[i]));
    if (r == 0)
        r = add_string(&run->argv, &count, strdup(text.data ? text.data : ""));
    return r < 0 ? cf_fail(err, -ENOMEM, "out of memory") : 0;
}

/* ---- the mount ---- */

static int mount_rootfs(struct running *run, struct cf_error *err)
{
    struct cf_build *build = run->build;
    char text[CF_DIGEST_TEXT_SIZE], id[CF_MOUNT_ID_SIZE], name[17];
    char *point cf_autofree = NULL;
    const struct cf_mount_options options = {.reference = text, .options = "nodev"};
    struct cf_mount_options mount = options;
    struct cf_image_options image = build->image;
    image.unsynced = true; /* it is gone when RUN is done */
    int r = cf_image_create(build->store, build->base, build->layers, build->layer_count, &image,
                            NULL, &run->image, err);

    if (r < 0)
        return r;
    cf_digest_text(&run->image->manifest, text);
    cf_random_name(name);
    (void)snprintf(run->dir, sizeof(run->dir), "build-%s", name);
    if (mkdirat(cf_store_tmp_fd(build->store), run->dir, 0700) < 0) {
        run->dir[0] = '\0';
        return cf_fail_errno(err, errno, "cannot make a mount point");
    }
    if (asprintf(&point, "%s/tmp/%s", cf_store_root(build->store), run->dir) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    mount.mountpoint = point;
    r = cf_mount_start(build->store, &mount, id, err);
    return r < 0 ? r : cf_mount_find(build->store, id, &run->mount, err);
}

static void running_done(struct running *run)
{
    struct cf_build *build = run->build;
    char text[CF_DIGEST_TEXT_SIZE];
    size_t untagged = 0;
    bool deleted = false;

    if (run->mount)
        (void)cf_mount_stop(build->store, run->mount, true, true, NULL);
    if (run->dir[0])
        (void)unlinkat(cf_store_tmp_fd(build->store), run->dir, AT_REMOVEDIR);
    if (run->image) { /* it was only there to be mounted */
        cf_digest_text(&run->image->manifest, text);
        (void)cf_image_remove(build->store, text, false, &untagged, &deleted, NULL);
    }
    cf_mount_free(run->mount);
    cf_image_free(run->image);
    free_strings(run->argv);
    free_strings(run->envp);
}

/* ---- one RUN ---- */

static void show(void *context, const char *data, size_t len)
{
    const struct cf_build *build = context;
    if (build->options->event)
        build->options->event(build->options->event_context, CF_BUILD_OUTPUT, data, len);
}

static int execute(struct running *run, struct cf_error *err)
{
    char *point cf_autofree = NULL;
    if (asprintf(&point, "%s/tmp/%s", cf_store_root(run->build->store), run->dir) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    const struct cf_sandbox sandbox = {
        .root = point,
        .argv = (const char *const *)run->argv,
        .envp = (const char *const *)run->envp,
        .network = run->network,
        .output = show,
        .output_context = run->build,
    };
    int status = cf_sandbox_run(&sandbox, err);
    if (status < 0)
        return status;
    if (status > 0)
        return cf_kubefile_fail(run->build->kubefile, run->instruction, 0, err, -ECANCELED,
                                "RUN ended with exit status %d", status);
    return 0;
}

/* What it left, dated no later than the sources: the clock is no input. */
static int keep_changes(struct running *run, struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_build *build = run->build;
    struct cf_commit_result result cf_cleanup(cf_commit_result_done) = {0};
    struct cf_commit_options options = {.image = build->image, .layer_only = true};

    options.image.has_timestamp = true;
    if (!build->image.has_timestamp)
        options.image.timestamp = build->newest_sec;
    int r = cf_commit(build->store, run->mount, &options, &result, err);
    if (r == 0 && !result.unchanged)
        *ret_info = result.layer;
    return r;
}

static int make_key(struct running *run, struct cf_digest *ret_key, struct cf_error *err)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    char moment[32];
    int r = cf_build_key_new(run->build, "run", &hasher, err);

    if (r < 0)
        return r;
    (void)snprintf(moment, sizeof(moment), "%lld", (long long)run->build->newest_sec);
    cf_build_key_add(hasher, run->network ? "network" : "");
    for (size_t i = 0; run->argv[i]; i++)
        cf_build_key_add(hasher, run->argv[i]);
    cf_build_key_add(hasher, "");
    for (size_t i = 0; run->envp[i]; i++)
        if (!strstr(run->envp[i], "_proxy=") && !strstr(run->envp[i], "_PROXY="))
            cf_build_key_add(hasher, run->envp[i]);
    cf_hasher_final(hasher, ret_key);
    return 0;
}

static int read_flags(struct running *run, struct cf_error *err)
{
    run->network = run->build->options->network;
    for (size_t i = 0; i < run->instruction->flag_count; i++) {
        const struct cf_kubefile_flag *flag = &run->instruction->flags[i];
        if (!strcmp(flag->name, "network") && !strcmp(flag->value, "none"))
            run->network = false;
        else
            return cf_kubefile_fail(run->build->kubefile, run->instruction, 0, err, -EINVAL,
                                    "RUN has no flag --%s%s%s; there is --network=none", flag->name,
                                    *flag->value ? "=" : "", flag->value);
    }
    return 0;
}

int cf_build_run(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                 struct cf_error *err)
{
    struct running run cf_cleanup(running_done) = {.build = build, .instruction = instruction};
    struct cf_layer_info info = {0};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest key;
    int r = read_flags(&run, err);

    if (r == 0)
        r = fill_command(&run, err);
    if (r == 0 && fill_environment(&run) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    if (r == 0)
        r = make_key(&run, &key, err);
    if (r < 0)
        return r;
    if (cf_build_recall(build, &key, &info)) {
        cf_build_tell(build, CF_BUILD_CACHED, "%s", "");
    } else {
        r = mount_rootfs(&run, err);
        if (r == 0)
            r = execute(&run, err);
        if (r == 0)
            r = keep_changes(&run, &info, err);
        if (r == 0)
            r = cf_build_remember(build, &key, &info, err);
    }
    if (r == 0 && cf_buf_printf(&text, "RUN %s", instruction->text) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    return r < 0 ? r : cf_build_add_layer(build, info.entries ? &info : NULL, text.data, err);
}
