/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/scan.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The root of the mount that a path lies in; -ENOENT: in none. */
static int mount_root(const char *path, char **ret_dir, struct cf_error *err)
{
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    char *root cf_autofree = NULL;
    char id[CF_MOUNT_ID_SIZE];
    int r = cf_mount_store_of(path, &root, id, NULL);

    if (r < 0)
        return -ENOENT;
    r = cf_store_open(root, CF_STORE_NO_LOCK, &store, err);
    if (r == 0)
        r = cf_mount_find(store, path, &mount, err);
    if (r == 0 && !(*ret_dir = strdup(mount->mountpoint)))
        r = cf_fail(err, -ENOMEM, "out of memory");
    return r;
}

int cli_image_or_dir(struct cf_store *store, const char *text, struct cf_image **ret_image,
                     char **ret_dir, struct cf_error *err)
{
    struct stat st;
    bool is_dir = stat(text, &st) == 0 && S_ISDIR(st.st_mode);
    int r = -ENOENT;

    if (*text != '/' && *text != '.') {
        r = cf_image_find(store, text, ret_image, err);
        if (r == 0 || !is_dir)
            return r;
    }
    r = mount_root(text, ret_dir, err);
    if (r == -ENOENT)
        r = (*ret_dir = strdup(text)) ? 0 : cf_fail(err, -ENOMEM, "out of memory");
    return r;
}

int cli_new_name(struct cf_store *store, const char *text, const char *given,
                 char ret_name[CF_TAGGED_SIZE], struct cf_error *err)
{
    struct cf_digest digest;
    int r = cf_reference_tagged(given ? given : text, ret_name, err);

    if (r == 0 && !given && cf_name_get(store, ret_name, &digest) < 0)
        r = cf_fail(err, -EINVAL, "%s is no name: say with -t what the new image is called", text);
    return r;
}

int cli_rootfs_open(const struct cli *cli, const char *text, struct cf_store **ret_store,
                    struct cf_rootfs **ret_rootfs, struct cf_platform *platform,
                    struct cf_error *err)
{
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    char *dir cf_autofree = NULL;
    int r = cli_open_store(cli, 0, ret_store, err);

    if (r == 0)
        r = cli_image_or_dir(*ret_store, text, &image, &dir, err);
    if (r < 0)
        return r;
    if (!image)
        return cf_rootfs_open_dir(dir, ret_rootfs, err);
    const char *word = cf_json_get_string(image->config_json, "architecture");
    if (word && platform && !*platform->architecture)
        (void)snprintf(platform->architecture, sizeof(platform->architecture), "%s", word);
    return cf_rootfs_open_image(*ret_store, image, ret_rootfs, err);
}

static struct cf_json *image_json(const struct cf_scanned *image)
{
    struct cf_json *json = cf_json_object();
    struct cf_json *places = cf_json_array();

    (void)cf_json_set_string(json, "Reference", image->reference);
    (void)cf_json_set_string(json, "Kind", cf_scan_kind_name(image->kind));
    (void)cf_json_set_string(json, "State", cf_scan_state_name(image->state));
    for (size_t i = 0; i < image->place_count; i++) {
        struct cf_json *place = cf_json_object();
        (void)cf_json_set_string(place, "File", image->places[i].file);
        (void)cf_json_set_int(place, "Line", (int64_t)image->places[i].line);
        (void)cf_json_set_string(place, "Kind", cf_scan_kind_name(image->places[i].kind));
        (void)cf_json_append(places, place);
    }
    (void)cf_json_set(json, "Places", places);
    return json;
}

static int put_json(const struct cf_scan_result *result, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *images = cf_json_array(), *warnings = cf_json_array();

    for (size_t i = 0; i < result->count; i++)
        (void)cf_json_append(images, image_json(&result->images[i]));
    for (size_t i = 0; i < result->warning_count; i++) {
        struct cf_json *warning = cf_json_object();
        (void)cf_json_set_string(warning, "File", result->warnings[i].file);
        (void)cf_json_set_int(warning, "Line", (int64_t)result->warnings[i].line);
        (void)cf_json_set_string(warning, "Text", result->warnings[i].text);
        (void)cf_json_append(warnings, warning);
    }
    (void)cf_json_set(json, "Images", images);
    (void)cf_json_set(json, "Warnings", warnings);
    return cli_put_json(json, err);
}

static void put_place(struct cf_buf *text, const struct cf_scan_place *place)
{
    (void)cf_buf_printf(text, "%s%s", text->len ? ", " : "", place->file);
    if (place->line)
        (void)cf_buf_printf(text, ":%zu", place->line);
}

static void put_table(const struct cf_scan_result *result)
{
    static const char *const headers[] = {"REFERENCE", "KIND", "STATE", "WHERE"};
    struct cli_table *table = cli_table_new(headers, CF_COUNT(headers));

    for (size_t i = 0; i < result->count; i++) {
        const struct cf_scanned *image = &result->images[i];
        struct cf_buf where cf_autobuf = CF_BUF_INIT;
        for (size_t k = 0; k < image->place_count; k++)
            put_place(&where, &image->places[k]);
        (void)cli_table_add(table, image->reference, cf_scan_kind_name(image->kind),
                            cf_scan_state_name(image->state), where.data);
    }
    cli_table_print(table, stdout);
}

static void put_warnings(const struct cli *cli, const struct cf_scan_result *result)
{
    for (size_t i = 0; i < result->warning_count; i++) {
        const struct cf_scan_warning *warning = &result->warnings[i];
        if (warning->line)
            cli_warn(cli, "%s:%zu: %s", warning->file, warning->line, warning->text);
        else
            cli_warn(cli, "%s: %s", warning->file, warning->text);
    }
}

int cli_scan(struct cli *cli, int argc, char **argv)
{
    struct cf_scan_options scan = {0};
    struct cli_list ignore = {0}, ignore_chart = {0};
    const struct cli_option options[] = {
        {0, "ignore", "PATTERN", CLI_LIST, &ignore, "leave references out that match (repeatable)"},
        {0, "ignore-chart", "NAME", CLI_LIST, &ignore_chart,
         "leave a chart of charts/ out (repeatable)"},
        {0, "helm", NULL, CLI_FLAG, &scan.helm, "let the helm on PATH render the charts"},
        {0, "only-list", NULL, CLI_FLAG, &scan.only_list, "trust the imageLists alone"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_scan_result result = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);

    if (status < 0) {
        scan.ignore = ignore.items;
        scan.ignore_count = ignore.count;
        scan.ignore_charts = ignore_chart.items;
        scan.ignore_chart_count = ignore_chart.count;
        status = CLI_OK;
        if (cli_rootfs_open(cli, argc ? argv[0] : ".", &store, &rootfs, NULL, &err) < 0 ||
            cf_scan(store, rootfs, &scan, &result, &err) < 0 ||
            (cli->json && put_json(&result, &err) < 0))
            status = cli_failed(&err);
    }
    if (status == CLI_OK && rootfs) {
        put_warnings(cli, &result);
        for (size_t i = 0; cli->quiet && i < result.count; i++)
            puts(result.images[i].reference);
        if (!cli->quiet && !cli->json)
            put_table(&result);
    }
    cf_scan_result_done(&result);
    cli_list_done(&ignore);
    cli_list_done(&ignore_chart);
    return cli_finish(status);
}
