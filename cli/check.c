/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <cloudfs/check.h>
#include <cloudfs/platform.h>

#include <string.h>

static const char *severity_name(enum cf_severity severity)
{
    return severity == CF_ERROR ? "error" : "warning";
}

static int put_json(const struct cf_check_result *result, struct cf_error *err)
{
    struct cf_json *json cf_cleanup(cf_json_free_ptr) = cf_json_object();
    struct cf_json *list = cf_json_array();

    for (size_t i = 0; i < result->count; i++) {
        const struct cf_finding *finding = &result->list[i];
        struct cf_json *item = cf_json_object();
        (void)cf_json_set_string(item, "File", finding->file);
        (void)cf_json_set_int(item, "Line", (int64_t)finding->line);
        (void)cf_json_set_string(item, "Severity", severity_name(finding->severity));
        (void)cf_json_set_string(item, "Rule", cf_check_rule_name(finding->rule));
        (void)cf_json_set_string(item, "Text", finding->text);
        if (finding->mend)
            (void)cf_json_set_string(item, "Mend", finding->mend);
        (void)cf_json_append(list, item);
    }
    (void)cf_json_set(json, "Findings", list);
    (void)cf_json_set_int(json, "Errors", (int64_t)result->errors);
    (void)cf_json_set_int(json, "Warnings", (int64_t)result->warnings);
    return cli_put_json(json, err);
}

/* "etc/daemon.json:3: error: what: what to do [rule]" */
static void put_finding(const struct cf_finding *finding)
{
    cli_put_name(stdout, finding->file, strlen(finding->file));
    if (finding->line)
        printf(":%zu", finding->line);
    printf(": %s: ", severity_name(finding->severity));
    cli_put_name(stdout, finding->text, strlen(finding->text));
    if (finding->mend)
        printf(": %s", finding->mend);
    printf(" [%s]\n", cf_check_rule_name(finding->rule));
}

void cli_warn_findings(const struct cli *cli, const struct cf_check_result *result)
{
    for (size_t i = 0; i < result->count; i++) {
        struct cf_buf text cf_autobuf = CF_BUF_INIT;
        if (cf_finding_put(&result->list[i], &text) == 0)
            cli_warn(cli, "%s", text.data);
    }
}

static int take_ignored(const struct cli *cli, const struct cli_list *list,
                        struct cf_check_options *options)
{
    for (size_t i = 0; i < list->count; i++) {
        int rule = cf_check_rule_find(list->items[i]);
        if (rule < 0)
            return cli_usage_error(cli, "--ignore: there is no rule '%s'", list->items[i]);
        options->ignore[rule] = true;
    }
    return -1;
}

static int check(const struct cli *cli, const char *text, bool strict, struct cf_platform *platform,
                 struct cf_check_options *options)
{
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_rootfs *rootfs cf_cleanup(cf_rootfs_close_ptr) = NULL;
    struct cf_check_result result cf_cleanup(cf_check_result_done) = {0};
    struct cf_error err = {0};
    int r = cli_rootfs_open(cli, text, &store, &rootfs, platform, &err);

    options->architecture = *platform->architecture ? platform->architecture : NULL;
    if (r == 0)
        r = cf_check(store, rootfs, options, &result, &err);
    if (r == 0 && cli->json)
        r = put_json(&result, &err);
    if (r < 0)
        return cli_failed(&err);
    for (size_t i = 0; i < result.count && !cli->json; i++)
        if (!cli->quiet || result.list[i].severity == CF_ERROR || strict)
            put_finding(&result.list[i]);
    if (result.count && !cli->json && !cli->quiet)
        fprintf(stderr, "cloudfs: %zu error%s, %zu warning%s\n", result.errors,
                result.errors == 1 ? "" : "s", result.warnings, result.warnings == 1 ? "" : "s");
    return result.errors || (strict && result.count) ? CLI_FAILED : CLI_OK;
}

int cli_check(struct cli *cli, int argc, char **argv)
{
    struct cf_check_options check_options = {0};
    struct cf_platform platform = {0};
    struct cli_list ignore = {0};
    const char *wanted = NULL;
    bool strict = false;
    const struct cli_option options[] = {
        {0, "strict", NULL, CLI_FLAG, &strict, "fail for warnings too"},
        {0, "ignore", "RULE", CLI_LIST, &ignore, "leave a rule out (repeatable)"},
        {0, "platform", "OS/ARCH", CLI_STRING, &wanted, "what the programs have to be for"},
        {0, "deep", NULL, CLI_FLAG, &check_options.deep,
         "look for damage in registry/ too: reads all of it"},
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 0, 1);

    if (status < 0)
        status = take_ignored(cli, &ignore, &check_options);
    if (status < 0 && wanted && cf_platform_parse(wanted, &platform, NULL) < 0)
        status = cli_usage_error(cli, "--platform: '%s' is not OS/ARCH[/VARIANT]", wanted);
    if (status < 0)
        status = check(cli, argc ? argv[0] : ".", strict, &platform, &check_options);
    cli_list_done(&ignore);
    return cli_finish(status);
}
