/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/look.h>

#include <errno.h>
#include <string.h>

static struct cf_json *step_json(const struct cf_blame_step *step)
{
    char digest[CF_DIGEST_TEXT_SIZE], kind[2] = {step->kind, 0};
    struct cf_json *json = cf_json_object();
    cf_digest_text(&step->diff_id, digest);
    (void)cf_json_set_string(json, "Kind", kind);
    (void)cf_json_set_int(json, "Layer", (int64_t)step->layer);
    (void)cf_json_set_string(json, "DiffId", digest);
    if (step->created_by)
        (void)cf_json_set_string(json, "CreatedBy", step->created_by);
    if (step->created)
        (void)cf_json_set_string(json, "Created", step->created);
    if (step->author)
        (void)cf_json_set_string(json, "Author", step->author);
    if (step->value)
        (void)cf_json_set_string(json, "Value", step->value);
    return json;
}

static void put_step(const struct cf_blame_step *step)
{
    char digest[CF_DIGEST_HEX_SIZE], age[40];
    cf_digest_hex(&step->diff_id, digest);
    cli_human_age(step->created, age);
    printf("  %c layer %zu %.12s  %s%s%s%s%s%s%s\n", step->kind, step->layer, digest, age,
           *age ? "  " : "", step->value ? step->value : "", step->value ? "  " : "",
           step->created_by ? step->created_by : "", step->author ? "  by " : "",
           step->author ? step->author : "");
}

static int blame_path(struct cli *cli, struct cf_store *store, const struct cf_image *image,
                      const char *path, struct cf_json *list)
{
    struct cf_error err = {0};
    struct cf_blame blame = {0};
    const char *colon = strchr(path, ':');
    int r = cf_blame(store, image, path, &blame, &err);
    if (r == 0 && !blame.count && colon && colon[1]) { /* FILE:PATH */
        char *file cf_autofree = strndup(path, (size_t)(colon - path));
        cf_blame_done(&blame);
        r = file ? cf_blame_setting(store, image, file, colon + 1, &blame, &err)
                 : cf_fail(&err, -ENOMEM, "out of memory");
    }
    if (r < 0)
        return cli_failed(&err);
    if (!blame.count) {
        (void)cf_fail(&err, -ENOENT, "%s: no layer of the image has this %s", path,
                      colon ? "setting" : "path");
        return cli_failed(&err);
    }
    struct cf_json *steps = cf_json_array();
    if (!cli->json)
        printf("%s%s\n", path, blame.present ? "" : " (deleted)");
    for (size_t i = 0; i < blame.count; i++) {
        if (cli->json)
            (void)cf_json_append(steps, step_json(&blame.steps[i]));
        else
            put_step(&blame.steps[i]);
    }
    struct cf_json *json = cf_json_object();
    (void)cf_json_set_string(json, "Path", path);
    (void)cf_json_set_bool(json, "Present", blame.present);
    (void)cf_json_set(json, "Layers", steps);
    (void)cf_json_append(list, json);
    cf_blame_done(&blame);
    return CLI_OK;
}

int cli_blame(struct cli *cli, int argc, char **argv)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    int status = cli_parse(cli, NULL, &argc, &argv, 2, -1);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, 0, &store, &err) < 0 || cf_image_find(store, argv[0], &image, &err) < 0)
        return cli_failed(&err);
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = cf_json_array();
    status = CLI_OK;
    for (int i = 1; i < argc; i++)
        if (blame_path(cli, store, image, argv[i], list) != CLI_OK)
            status = CLI_FAILED;
    if (cli->json && cli_put_json(list, &err) < 0)
        status = cli_failed(&err);
    return cli_finish(status);
}
