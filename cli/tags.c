/* SPDX-License-Identifier: Apache-2.0 */
#include "commands.h"
#include "registry.h"

#include <errno.h>

static int put_tag(const char *tag, void *context)
{
    struct cf_json *list = context;
    if (list)
        return cf_json_append(list, cf_json_new_string(tag));
    cli_put_name(stdout, tag, __builtin_strlen(tag));
    putchar('\n');
    return ferror(stdout) ? -EIO : 0;
}

int cli_tags(struct cli *cli, int argc, char **argv)
{
    struct cli_registry_options own = {0};
    const struct cli_option options[] = {
        CLI_REGISTRY_OPTIONS(own),
        {0},
    };
    struct cf_error err = {0};
    struct cf_registry *registry cf_cleanup(cf_registry_close_ptr) = NULL;
    struct cf_remote *remote cf_cleanup(cf_remote_close_ptr) = NULL;
    struct cf_json *list cf_cleanup(cf_json_free_ptr) = NULL;
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = NULL;
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);
    if (status < 0)
        status = cli_registry_open(cli, &own, &registry);
    if (status >= 0)
        return status;
    list = cli->json ? cf_json_array() : NULL;
    int r = cf_remote_open(registry, argv[0], CF_NAMES_CLOUD, 0, &remote, &err);
    if (r == 0)
        r = cf_remote_tags(remote, put_tag, list, &err);
    if (r == 0 && cli->json) {
        json = cf_json_object();
        (void)cf_json_set_string(json, "Repository", cf_remote_repository(remote));
        (void)cf_json_set(json, "Tags", CF_TAKE(list));
        r = cli_put_json(json, &err);
    }
    if (r < 0)
        return cli_failed(&err);
    return cli_finish(CLI_OK);
}
