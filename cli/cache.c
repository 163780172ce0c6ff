/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"
#include "registry.h"

#include <cloudfs/cache.h>

#include <errno.h>
#include <string.h>

static int put_json(const struct cf_cache_result *result, const struct cf_image *image,
                    struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *failed = cf_json_array();
    char text[CF_DIGEST_TEXT_SIZE];

    if (image) {
        cf_digest_text(&image->config, text);
        (void)cf_json_set_string(json, "Id", text);
        cf_digest_text(&image->manifest, text);
        (void)cf_json_set_string(json, "Digest", text);
    }
    (void)cf_json_set_int(json, "Present", (int64_t)result->present);
    (void)cf_json_set_int(json, "Added", (int64_t)result->added);
    (void)cf_json_set_int(json, "Fetched", (int64_t)result->fetched);
    for (size_t i = 0; i < result->failed_count; i++) {
        struct cf_json *one = cf_json_object();
        (void)cf_json_set_string(one, "Reference", result->failed[i].reference);
        (void)cf_json_set_string(one, "Why", result->failed[i].why);
        (void)cf_json_set_string(one, "Places", result->failed[i].places);
        (void)cf_json_append(failed, one);
    }
    (void)cf_json_set(json, "Failed", failed);
    return cli_put_json(json, err);
}

static void put_text(const struct cli *cli, const struct cf_cache_result *result,
                     const struct cf_image *image)
{
    char id[CF_DIGEST_TEXT_SIZE], size[16];

    cli_human_size(result->fetched, size);
    if (!cli->quiet)
        printf("%zu images were there, %zu are new (%s fetched)\n", result->present, result->added,
               size);
    if (image) {
        cf_digest_text(&image->config, id);
        puts(id);
    }
}

static void put_failed(const struct cli *cli, const struct cf_cache_result *result)
{
    for (size_t i = 0; i < result->scan.warning_count; i++) {
        const struct cf_scan_warning *warning = &result->scan.warnings[i];
        if (warning->line)
            cli_warn(cli, "%s:%zu: %s", warning->file, warning->line, warning->text);
        else
            cli_warn(cli, "%s: %s", warning->file, warning->text);
    }
    for (size_t i = 0; i < result->failed_count; i++)
        cli_warn(cli, "%s (%s): %s", result->failed[i].reference, result->failed[i].places,
                 result->failed[i].why);
}

static int put_pruned(const struct cli *cli, const struct cf_cache_pruned *pruned,
                      const struct cf_image *image, struct cf_error *err)
{
    char id[CF_DIGEST_TEXT_SIZE], size[16];

    if (cli->json) {
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
        if (image) {
            cf_digest_text(&image->config, id);
            (void)cf_json_set_string(json, "Id", id);
            cf_digest_text(&image->manifest, id);
            (void)cf_json_set_string(json, "Digest", id);
        }
        (void)cf_json_set_int(json, "Images", (int64_t)pruned->images);
        (void)cf_json_set_int(json, "Files", (int64_t)pruned->files);
        (void)cf_json_set_int(json, "Bytes", (int64_t)pruned->bytes);
        return cli_put_json(json, err);
    }
    cli_human_size(pruned->bytes, size);
    if (!cli->quiet)
        printf("%zu images are gone (%s)\n", pruned->images, size);
    if (image) {
        cf_digest_text(&image->config, id);
        puts(id);
    }
    return 0;
}

static int prune(struct cli *cli, const char *text, const char *tag,
                 const struct cf_scan_options *scan, const struct cf_image_options *image_options,
                 struct cf_error *err)
{
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_image *made cf_cleanup(cf_image_free_ptr) = NULL;
    char name[CF_TAGGED_SIZE], *dir cf_autofree = NULL;
    struct cf_cache_pruned pruned = {0};
    int r = cli_open_store(cli, 0, &store, err);

    if (r == 0)
        r = cli_image_or_dir(store, text, &image, &dir, err);
    if (r == 0 && image)
        r = cli_new_name(store, text, tag, name, err);
    if (r < 0)
        return r;
    r = image ? cf_cache_prune_image(store, image, scan, image_options, name, &pruned, &made, err)
              : cf_cache_prune_dir(store, dir, scan, &pruned, err);
    cli_progress_end();
    return r < 0 ? r : put_pruned(cli, &pruned, made, err);
}

static int run(struct cli *cli, const char *text, const char *tag,
               const struct cf_cache_options *options, const struct cf_image_options *image_options,
               struct cf_cache_result *result, struct cf_error *err)
{
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct cf_image *made cf_cleanup(cf_image_free_ptr) = NULL;
    char name[CF_TAGGED_SIZE], *dir cf_autofree = NULL;
    int r = cli_open_store(cli, 0, &store, err);

    if (r == 0)
        r = cli_image_or_dir(store, text, &image, &dir, err);
    if (r < 0)
        return r;
    if (image)
        r = cli_new_name(store, text, tag, name, err);
    if (r == 0 && image)
        r = cf_cache_image(store, image, options, image_options, name, result, &made, err);
    else if (r == 0)
        r = cf_cache_dir(store, dir, options, result, err);
    cli_progress_end();
    put_failed(cli, result);
    if (r == 0 && cli->json)
        return put_json(result, made, err);
    if (r == 0)
        put_text(cli, result, made);
    return r;
}

int cli_cache(struct cli *cli, int argc, char **argv)
{
    struct cf_cache_options cache = {.progress = cli_progress};
    struct cli_image_options image = {0};
    struct cf_image_options image_options;
    struct cli_list ignore = {0}, ignore_chart = {0};
    struct cli_registry_options registry = {0};
    bool offline = false, only_prune = false;
    const char *tag = NULL;
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &tag, "name of the new image (default: the same name)"},
        {0, "platform", "P", CLI_STRING, &cache.platform,
         "os/arch[/variant] of the images; several: A,B"},
        {0, "offline", NULL, CLI_FLAG, &offline, "use images/ and the store only"},
        {0, "prune", NULL, CLI_FLAG, &only_prune,
         "fetch nothing; drop what nothing refers to any more"},
        {0, "allow-missing", NULL, CLI_FLAG, &cache.allow_missing,
         "images that cannot be had are warnings"},
        {0, "domain-prefix", NULL, CLI_FLAG, &cache.domain_prefix,
         "keep the registry in the names: quay.io/a/b"},
        {0, "ignore", "PATTERN", CLI_LIST, &ignore, "leave references out that match (repeatable)"},
        {0, "ignore-chart", "NAME", CLI_LIST, &ignore_chart,
         "leave a chart of charts/ out (repeatable)"},
        {0, "helm", NULL, CLI_FLAG, &cache.scan.helm, "let the helm on PATH render the charts"},
        {0, "only-list", NULL, CLI_FLAG, &cache.scan.only_list, "trust the imageLists alone"},
        CLI_REGISTRY_OPTIONS(registry),
        CLI_IMAGE_OPTIONS(image),
        {0},
    };
    struct cf_error err = {0};
    struct cf_cache_result result = {0};
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);

    if (status < 0)
        status = cli_image_options(cli, &image, &image_options);
    if (status < 0)
        status = cli_registry_options(cli, &registry);
    if (status < 0) {
        cache.registry = offline ? NULL : &registry.registry;
        cache.scan.ignore = ignore.items;
        cache.scan.ignore_count = ignore.count;
        cache.scan.ignore_charts = ignore_chart.items;
        cache.scan.ignore_chart_count = ignore_chart.count;
        cli_progress_start(cli);
        const char *text = argc ? argv[0] : ".";
        int r = only_prune ? prune(cli, text, tag, &cache.scan, &image_options, &err)
                           : run(cli, text, tag, &cache, &image_options, &result, &err);
        status = r < 0 ? cli_failed(&err) : CLI_OK;
    }
    cf_cache_result_done(&result);
    cli_image_options_done(&image);
    cli_list_done(&ignore);
    cli_list_done(&ignore_chart);
    return cli_finish(status);
}
