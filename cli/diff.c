/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/io.h>
#include <cloudfs/look.h>
#include <cloudfs/patch.h>

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { SAME = 0, DIFFERENT = 1, TROUBLE = 2 };

/* The two sides; newer is the tree of an image, or NULL where subject is a mount. */
struct sides {
    struct cf_store *store;
    struct cli_subject subject;
    struct cf_tree *newer, *older;
};

static void sides_done(struct sides *s)
{
    cli_subject_done(&s->subject);
    cf_tree_close(s->newer);
    cf_tree_close(s->older);
    cf_store_close(s->store);
}

/* The tree of what A is compared with where B is not given: empty for a single layer's parent. */
static int open_parent(struct sides *s, struct cf_error *err)
{
    const struct cf_image *image = s->subject.image;
    if (image)
        return cf_store_merged_tree(s->store, image->diff_ids,
                                    image->layer_count ? image->layer_count - 1 : 0, &s->older,
                                    NULL, err);
    struct cf_image *base cf_cleanup(cf_image_free_ptr) = NULL;
    int r = cf_image_load(s->store, &s->subject.mount->manifest, &base, err);
    return r < 0 ? r : cf_image_tree(s->store, base, &s->older, NULL, err);
}

static int open_other(struct sides *s, const char *text, struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    int r = cf_image_find(s->store, text, &image, err);
    if (r < 0)
        return r;
    if (s->subject.mount && !cf_digest_equal(&image->manifest, &s->subject.mount->manifest))
        return cf_fail(err, -ENOTSUP,
                       "%s is not the image that was mounted: commit the mount, and compare images",
                       text);
    return cf_image_tree(s->store, image, &s->older, NULL, err);
}

static int open_sides(struct cli *cli, const char *a, const char *b, struct sides *s,
                      struct cf_error *err)
{
    int r = cli_open_store(cli, 0, &s->store, err);
    if (r == 0)
        r = cli_subject_open(cli, &s->store, a, &s->subject, err);
    if (r == 0 && s->subject.image)
        r = cf_image_tree(s->store, s->subject.image, &s->newer, NULL, err);
    if (r == 0)
        r = b ? open_other(s, b, err) : open_parent(s, err);
    return r;
}

static int to_stdout(void *context, const void *data, size_t len, struct cf_error *err)
{
    (void)context;
    int r = cf_write_full(STDOUT_FILENO, data, len);
    return r < 0 ? cf_fail_errno(err, -r, "standard output") : 0;
}

static int put_changes(const struct cli *cli, const struct cf_changes *changes,
                       struct cf_error *err)
{
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = cf_json_array();
    for (size_t i = 0; i < changes->count; i++) {
        const struct cf_change *change = &changes->list[i];
        const char kind[2] = {change->kind, 0};
        if (!cli->json) {
            printf("%c ", change->kind);
            cli_put_name(stdout, change->path, strlen(change->path));
            putchar('\n');
            continue;
        }
        struct cf_json *json = cf_json_object();
        (void)cf_json_set_string(json, "Kind", kind);
        (void)cf_json_set_string(json, "Path", change->path);
        (void)cf_json_set_bool(json, "MetadataOnly", change->meta_only);
        (void)cf_json_set_bool(json, "Directory", change->is_dir);
        (void)cf_json_set_int(json, "Size", (int64_t)change->size);
        (void)cf_json_append(list, json);
    }
    return cli->json ? cli_put_json(list, err) : 0;
}

struct words {
    const struct cli *cli;
    struct cf_json *list;
};

static int put_setting(const struct cf_setting *setting, void *context)
{
    struct words *words = context;
    const char kind[2] = {setting->change ? setting->change->kind
                          : !setting->was ? 'A'
                          : !setting->now ? 'D'
                                          : 'C',
                          0};
    if (words->cli->json) {
        struct cf_json *json = cf_json_object();
        (void)cf_json_set_string(json, "Kind", kind);
        (void)cf_json_set_string(json, "Path", setting->file);
        if (setting->path)
            (void)cf_json_set_string(json, "Setting", setting->path);
        if (setting->was)
            (void)cf_json_set_string(json, "Old", setting->was);
        if (setting->now)
            (void)cf_json_set_string(json, "New", setting->now);
        return cf_json_append(words->list, json);
    }
    if (setting->change)
        printf("%s ", kind);
    cli_put_name(stdout, setting->file, strlen(setting->file));
    if (setting->path)
        printf(" %s: %s -> %s", setting->path, setting->was ? setting->was : "(absent)",
               setting->now ? setting->now : "(absent)");
    putchar('\n');
    return 0;
}

static int put_settings(struct cli *cli, struct sides *s, const struct cf_changes *changes,
                        struct cf_error *err)
{
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = cf_json_array();
    struct words words = {cli, list};
    int r = cf_patch_settings(s->store, s->older, s->newer, s->subject.mount, changes, put_setting,
                              &words, err);
    return r == 0 && cli->json ? cli_put_json(list, err) : r;
}

static int compare(struct cli *cli, struct sides *s, bool patch, bool settings,
                   struct cf_error *err)
{
    struct cf_changes changes = {0};
    int r = s->newer ? cf_tree_changes(s->older, s->newer, &changes, err)
                     : cf_mount_changes(s->store, s->subject.mount, &changes, err);
    if (r < 0)
        return r;
    int different = changes.count ? DIFFERENT : SAME;
    if (settings)
        r = put_settings(cli, s, &changes, err);
    else if (!patch)
        r = put_changes(cli, &changes, err);
    else if (s->newer)
        r = cf_image_patch(s->store, s->older, s->newer, &changes, to_stdout, NULL, err);
    else
        r = cf_mount_patch(s->store, s->older, s->subject.mount, &changes, to_stdout, NULL, err);
    cf_changes_done(&changes);
    return r < 0 ? r : different;
}

int cli_diff(struct cli *cli, int argc, char **argv)
{
    bool patch = false, settings = false;
    const struct cli_option options[] = {
        {'p', "patch", NULL, CLI_FLAG, &patch, "show text changes as a unified diff"},
        {0, "settings", NULL, CLI_FLAG, &settings, "show YAML and JSON files setting by setting"},
        {0},
    };
    struct cf_error err = {0};
    struct sides sides cf_cleanup(sides_done) = {0};
    int status = cli_parse(cli, options, &argc, &argv, 1, 2);
    if (status >= 0)
        return status;
    if (patch && settings)
        return cli_usage_error(cli, "-p and --settings do not go together");
    int r = open_sides(cli, argv[0], argc > 1 ? argv[1] : NULL, &sides, &err);
    if (r == 0)
        r = compare(cli, &sides, patch, settings, &err);
    if (r < 0) {
        (void)cli_failed(&err);
        r = TROUBLE;
    }
    return cli_finish(CLI_OK) == CLI_OK ? r : TROUBLE;
}
