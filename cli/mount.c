/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *state_name(const struct cf_mount *mount)
{
    static const char *const names[] = {
        [CF_MOUNT_LIVE] = "mounted", [CF_MOUNT_DEAD] = "dead", [CF_MOUNT_IDLE] = "unmounted"};
    return names[mount->state];
}

struct cf_json *cli_mount_json(const struct cf_mount *mount)
{
    char manifest[CF_DIGEST_TEXT_SIZE];
    struct cf_json *json = cf_json_object();
    cf_digest_text(&mount->manifest, manifest);
    (void)cf_json_set_string(json, "Id", mount->id);
    (void)cf_json_set_string(json, "State", state_name(mount));
    (void)cf_json_set_string(json, "Image", mount->reference);
    (void)cf_json_set_string(json, "Digest", manifest);
    (void)cf_json_set_string(json, "MountPoint", mount->mountpoint);
    (void)cf_json_set_string(json, "Engine", mount->engine);
    (void)cf_json_set_bool(json, "ReadOnly", mount->read_only);
    if (mount->upper)
        (void)cf_json_set_string(json, "Upper", mount->upper);
    (void)cf_json_set_int(json, "Created", mount->created);
    if (mount->pid)
        (void)cf_json_set_int(json, "Pid", mount->pid);
    return json;
}

static int list(struct cli *cli, struct cf_store *store)
{
    static const char *const headers[] = {"MOUNT ID", "IMAGE",  "MOUNT POINT",
                                          "STATE",    "ENGINE", "MADE"};
    struct cf_error err = {0};
    struct cf_mount **mounts = NULL;
    size_t count = 0;
    if (cf_mount_list(store, &mounts, &count, &err) < 0)
        return cli_failed(&err);
    struct cli_table *table = cli_table_new(headers, CF_COUNT(headers));
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_array();
    for (size_t i = 0; i < count; i++) {
        char when[32];
        cli_time_text(mounts[i]->created, when);
        if (cli->json)
            (void)cf_json_append(json, cli_mount_json(mounts[i]));
        else if (cli->quiet)
            puts(mounts[i]->id);
        else
            (void)cli_table_add(table, mounts[i]->id, mounts[i]->reference, mounts[i]->mountpoint,
                                state_name(mounts[i]), mounts[i]->engine, when);
    }
    int status = cli->json && cli_put_json(json, &err) < 0 ? cli_failed(&err) : CLI_OK;
    cli_table_print(table, cli->json || cli->quiet || !count ? NULL : stdout);
    cf_mount_list_free(mounts, count);
    return status;
}

static int start(struct cli *cli, struct cf_store *store, struct cf_mount_options *mount)
{
    struct cf_error err = {0};
    char id[CF_MOUNT_ID_SIZE];
    if (cf_mount_start(store, mount, id, &err) < 0)
        return cli_failed(&err);
    if (cli->json) {
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
        (void)cf_json_set_string(json, "Id", id);
        return cli_put_json(json, &err) < 0 ? cli_failed(&err) : CLI_OK;
    }
    if (cli->verbose || cli->quiet)
        puts(id);
    return CLI_OK;
}

/* mount(8) may repeat -o, and hands on flags that mean nothing here. */
static int join_options(const struct cli_list *list, struct cf_buf *ret_text)
{
    for (size_t i = 0; i < list->count; i++)
        if ((i && cf_buf_add_char(ret_text, ',') < 0) ||
            cf_buf_add_str(ret_text, list->items[i]) < 0)
            return -1;
    return 0;
}

/* What -o says instead of the command line; heap or NULL. */
struct words {
    char *root, *resume, *engine, *upper, *remount;
};

static void words_done(struct words *words)
{
    free(words->root);
    free(words->resume);
    free(words->engine);
    free(words->upper);
    free(words->remount);
}

static void take_words(struct cli *cli, struct cf_mount_options *mount, struct words *words)
{
    if (!mount->options)
        return;
    words->root = cf_mount_option(mount->options, "root");
    words->resume = cf_mount_option(mount->options, "resume");
    words->engine = cf_mount_option(mount->options, "engine");
    words->upper = cf_mount_option(mount->options, "upper");
    words->remount = cf_mount_option(mount->options, "remount");
    cli->root = words->root && !cli->root ? words->root : cli->root;
    mount->engine = words->engine && !mount->engine ? words->engine : mount->engine;
    mount->resume = words->resume && !mount->resume ? words->resume : mount->resume;
}

/* mount(8) changes what the kernel holds, without us. */
static int remount(const char *options, const char *mountpoint)
{
    struct cf_error err = {0};
    char *kept = cf_mount_remount_options(options);
    char mount[] = "mount", internal[] = "-i", o[] = "-o";
    char *argv[] = {mount, internal, o, kept, (char *)mountpoint, NULL};
    if (kept)
        execvp(mount, argv);
    free(kept);
    (void)cf_fail_errno(&err, errno, "cannot run mount(8)");
    return cli_failed(&err);
}

/* No store is opened for plain directories. */
static int start_plain(struct cli *cli, struct cf_mount_options *mount, int argc, char **argv)
{
    struct cf_error err = {0};
    if (argc == 0)
        return cli_usage_error(cli, "the mount point is missing");
    mount->reference = argc > 1 ? argv[0] : NULL;
    mount->mountpoint = argv[argc - 1];
    return cf_mount_plain(mount, &err) < 0 ? cli_failed(&err) : CLI_OK;
}

/* A line of fstab says the same each time: it goes on with the changes of the last. */
static int go_on(struct cf_store *store, struct cf_mount_options *mount, const char *upper,
                 char id[CF_MOUNT_ID_SIZE], struct cf_error *err)
{
    int r = cf_mount_find_upper(store, upper, id, err);
    if (r == -ENOENT) {
        mount->upper = upper;
        return 0;
    }
    mount->resume = id;
    return r;
}

static int run(struct cli *cli, struct cf_mount_options *mount, const struct words *words, int argc,
               char **argv)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    bool listing = argc == 0 && !mount->resume;
    char id[CF_MOUNT_ID_SIZE];
    if (words->remount && argc)
        return remount(mount->options, argv[argc - 1]);
    if (mount->options && cf_mount_is_plain(mount->options))
        return start_plain(cli, mount, argc, argv);
    if (words->resume && argc == 2) { /* as mount(8) calls: what is mounted is known already */
        argc--;
        argv++;
    }
    if (mount->resume && argc > 1)
        return cli_usage_error(cli, "--resume ID takes at most a mount point");
    if (!mount->resume && argc == 1)
        return cli_usage_error(cli, "the mount point is missing");
    mount->reference = mount->resume || listing ? NULL : argv[0];
    mount->mountpoint = mount->resume ? (argc ? argv[0] : NULL) : listing ? NULL : argv[1];
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    if (words->upper && !mount->upper && !mount->resume &&
        go_on(store, mount, words->upper, id, &err) < 0)
        return cli_failed(&err);
    return listing ? list(cli, store) : start(cli, store, mount);
}

int cli_mount(struct cli *cli, int argc, char **argv)
{
    struct cf_mount_options mount = {0};
    struct cli_list mount_options = {0};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct words words cf_cleanup(words_done) = {0};
    const char *ignored_text = NULL;
    bool ignored = false;
    const struct cli_option options[] = {
        {'r', "ro", NULL, CLI_FLAG, &mount.read_only, "read-only"},
        {0, "engine", "E", CLI_STRING, &mount.engine, "fuse (default) or kernel"},
        {0, "upper", "DIR", CLI_STRING, &mount.upper, "keep the changes in DIR"},
        {'o', "options", "OPTIONS", CLI_LIST, &mount_options, "as mount(8): ro, allow_other ..."},
        {'f', "foreground", NULL, CLI_FLAG, &mount.foreground, "stay until unmounted"},
        {0, "nonempty", NULL, CLI_FLAG, &mount.nonempty, "the mount point may hold files"},
        {0, "resume", "ID", CLI_STRING, &mount.resume,
         "mount the changes of an earlier mount again"},
        {'n', "no-mtab", NULL, CLI_FLAG, &ignored, "accepted for mount(8)"},
        {'s', "sloppy", NULL, CLI_FLAG, &ignored, "accepted for mount(8)"},
        {'w', "rw", NULL, CLI_FLAG, &ignored, "accepted for mount(8)"},
        {'t', "types", "TYPE", CLI_STRING, &ignored_text, "accepted for mount(8)"},
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 0, 2);
    if (status < 0 && join_options(&mount_options, &text) < 0)
        status = cli_failed(&(struct cf_error){0, "out of memory"});
    mount.options = text.data;
    mount.nonempty = mount.nonempty || cli->helper; /* mount(8) mounts over anything */
    if (status < 0) {
        take_words(cli, &mount, &words);
        status = run(cli, &mount, &words, argc, argv);
    }
    cli_list_done(&mount_options);
    return cli_finish(status);
}
