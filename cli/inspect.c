/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/cache.h>
#include <cloudfs/look.h>

#include <errno.h>
#include <string.h>

static int inspect_mount(struct cf_store *store, const struct cf_mount *mount, struct cf_error *err)
{
    struct cf_changes changes = {0};
    int r = cf_mount_changes(store, mount, &changes, err);
    if (r < 0)
        return r;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cli_mount_json(mount);
    (void)cf_json_set(json, "Changes", cli_changes_json(&changes));
    cf_changes_done(&changes);
    return cli_put_json(json, err);
}

/* The container images that are in registry/: ContainerImages. */
static int add_images(struct cf_store *store, const struct cf_image *image, struct cf_json *json,
                      struct cf_error *err)
{
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_registry_list list = {0};
    char digest[CF_DIGEST_TEXT_SIZE];
    int r = cf_rootfs_open_image(store, image, &rootfs, err);

    if (r == 0)
        r = cf_registry_read(rootfs, &list, err);
    if (r < 0)
        return r;
    struct cf_json *images = cf_json_array();
    for (size_t i = 0; i < list.image_count; i++) {
        struct cf_json *one = cf_json_object();
        cf_digest_text(&list.images[i].digest, digest);
        (void)cf_json_set_string(one, "Name", list.images[i].name);
        (void)cf_json_set_string(one, "Digest", digest);
        (void)cf_json_append(images, one);
    }
    cf_registry_list_done(&list);
    (void)cf_json_set(json, "ContainerImages", images);
    return 0;
}

static int inspect_image(struct cf_store *store, const struct cf_image *image, const char *name,
                         bool sealer, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    if (!sealer) {
        int r = cf_inspect(store, image, &json, err);
        if (r == 0)
            r = add_images(store, image, json, err);
        return r < 0 ? r : cli_put_json(json, err);
    }
    int r = cf_inspect_sealer(store, image, name, &text, err);
    if (r == 0)
        fwrite(text.data, 1, text.len, stdout);
    return r;
}

/* The image of an index for the platform; without one any will do, this machine's first. */
static int open_image(struct cf_store *store, const char *text, const char *platform,
                      struct cf_image **ret_image, struct cf_error *err)
{
    struct cf_platform wanted;
    struct cf_digest document;
    int r = cf_image_digest(store, text, &document, err);

    if (r == 0 && platform)
        r = cf_platform_parse(platform, &wanted, err);
    if (r < 0)
        return r;
    return platform ? cf_image_find_platform(store, text, &wanted, ret_image, err)
                    : cf_image_load_any(store, &document, ret_image, err);
}

int cli_inspect(struct cli *cli, int argc, char **argv)
{
    const char *format = "json", *platform = NULL;
    const struct cli_option options[] = {
        {0, "format", "F", CLI_STRING, &format, "json (default) or sealer"},
        {0, "platform", "P", CLI_STRING, &platform, "os/arch[/variant]: which image of an index"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cli_subject subject = {0};
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);
    if (status >= 0)
        return status;
    bool sealer = !strcmp(format, "sealer");
    if (!sealer && strcmp(format, "json"))
        return cli_usage_error(cli, "--format: '%s' is none of json, sealer", format);
    status = cli_check_platforms(cli, platform, false);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, 0, &store, &err) < 0)
        return cli_failed(&err);
    const bool is_path = argv[0][0] == '/' || argv[0][0] == '.';
    int r = is_path ? -ENOENT : open_image(store, argv[0], platform, &subject.image, &err);
    if (r == -ENOENT && !platform)
        r = cli_subject_open(cli, &store, argv[0], &subject, &err);
    if (r < 0)
        return cli_failed(&err);
    r = subject.image ? inspect_image(store, subject.image, argv[0], sealer, &err)
                      : inspect_mount(store, subject.mount, &err);
    cli_subject_done(&subject);
    return cli_finish(r < 0 ? cli_failed(&err) : CLI_OK);
}
