/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <errno.h>

static void put_problem(const char *problem, void *context)
{
    struct cf_json *list = context;
    if (list)
        (void)cf_json_append(list, cf_json_new_string(problem));
    else
        printf("%s\n", problem);
}

static struct cf_json *result_json(const struct cf_fsck_result *result, struct cf_json *problems)
{
    struct cf_json *json = cf_json_object();
    (void)cf_json_set_int(json, "Objects", (int64_t)result->objects);
    (void)cf_json_set_int(json, "Layers", (int64_t)result->layers);
    (void)cf_json_set_int(json, "Trees", (int64_t)result->trees);
    (void)cf_json_set_int(json, "Blobs", (int64_t)result->blobs);
    (void)cf_json_set_int(json, "Names", (int64_t)result->names);
    (void)cf_json_set_int(json, "Mounts", (int64_t)result->mounts);
    (void)cf_json_set_int(json, "Damaged", (int64_t)result->damaged);
    (void)cf_json_set_int(json, "Missing", (int64_t)result->missing);
    (void)cf_json_set_int(json, "Repaired", (int64_t)result->repaired);
    (void)cf_json_set(json, "Problems", problems);
    return json;
}

int cli_fsck(struct cli *cli, int argc, char **argv)
{
    bool repair = false, quick = false;
    const struct cli_option options[] = {
        {0, "repair", NULL, CLI_FLAG, &repair, "put right what can be, set aside what cannot"},
        {0, "quick", NULL, CLI_FLAG, &quick, "do not read the content of objects"},
        {0},
    };
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_fsck_result result = {0};
    int status = cli_parse(cli, options, &argc, &argv, 0, 0);
    if (status >= 0)
        return status;
    if (cli_open_store(cli, repair ? CF_STORE_EXCLUSIVE : 0, &store, &err) < 0)
        return cli_failed(&err);
    struct cf_json *problems = cli->json ? cf_json_array() : NULL;
    int r = cf_store_fsck(store, !quick, repair, put_problem, problems, &result, &err);
    status = r < 0 ? CLI_FAILED : CLI_OK;
    if (cli->json) {
        struct cf_json *json cf_cleanup(cf_json_free_ptr) = result_json(&result, problems);
        if (cli_put_json(json, &err) < 0)
            status = cli_failed(&err);
    } else if (!cli->quiet && (r == 0 || r == -EBADMSG)) {
        printf("%llu objects, %llu layers, %llu trees, %llu blobs, %llu names, %llu mounts: ",
               (unsigned long long)result.objects, (unsigned long long)result.layers,
               (unsigned long long)result.trees, (unsigned long long)result.blobs,
               (unsigned long long)result.names, (unsigned long long)result.mounts);
        if (!result.damaged && !result.missing)
            puts("clean");
        else
            printf("%llu damaged, %llu missing, %llu repaired\n",
                   (unsigned long long)result.damaged, (unsigned long long)result.missing,
                   (unsigned long long)result.repaired);
    }
    if (r < 0)
        status = cli_failed(&err);
    return cli_finish(status);
}
