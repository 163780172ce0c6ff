/* SPDX-License-Identifier: Apache-2.0 */
#include "cli.h"
#include "commands.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cloudfs/build.h>
#include <cloudfs/io.h>

struct shown {
    const struct cli *cli;
    struct cf_buf kept; /* with --quiet: output of RUN, for when it fails */
};

static void show(void *context, enum cf_build_event event, const char *text, size_t len)
{
    struct shown *shown = context;
    bool quiet = shown->cli->quiet;

    if (event == CF_BUILD_WARNING) {
        cli_warn(shown->cli, "%s", text);
    } else if (event == CF_BUILD_OUTPUT) {
        if (quiet)
            (void)cf_buf_add(&shown->kept, text, len);
        else
            (void)fwrite(text, 1, len, stderr);
    } else if (!quiet) {
        fprintf(stderr, event == CF_BUILD_CACHED ? "--> using the cache%s\n" : "%s\n", text);
    } else {
        cf_buf_clear(&shown->kept);
    }
}

static int read_kubefile(const char *file, const char *context, struct cf_kubefile **ret_kubefile,
                         struct cf_error *err)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT, text cf_autobuf = CF_BUF_INIT;
    const char *name = file ? file : "Kubefile";
    int r = file ? cf_buf_add_str(&path, file) : cf_buf_printf(&path, "%s/Kubefile", context);

    if (r < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    r = !strcmp(path.data, "-") ? cf_read_fd(STDIN_FILENO, CF_KUBEFILE_MAX, &text)
                                : cf_read_file(AT_FDCWD, path.data, CF_KUBEFILE_MAX, &text);
    if (r < 0)
        return cf_fail_errno(err, -r, "cannot read %s", path.data);
    return cf_kubefile_parse(name, text.data ? text.data : "", text.len, ret_kubefile, err);
}

/* "K=V", or "K" with the value of the environment. */
static int read_args(const struct cli *cli, const struct cli_list *list, struct cf_key_value *pairs,
                     char **texts)
{
    for (size_t i = 0; i < list->count; i++) {
        char *equals = NULL;
        texts[i] = strdup(list->items[i]);
        if (!texts[i])
            return cli_failed(&(struct cf_error){-ENOMEM, "out of memory"});
        equals = strchr(texts[i], '=');
        if (equals == texts[i])
            return cli_usage_error(cli, "--build-arg takes NAME=VALUE, not '%s'", list->items[i]);
        const char *value = equals ? equals + 1 : getenv(texts[i]);
        if (equals)
            *equals = '\0';
        pairs[i] = (struct cf_key_value){texts[i], value ? value : ""};
    }
    return -1;
}

static int build(struct cli *cli, const char *file, const char *context,
                 struct cf_build_options *options)
{
    struct cf_error err = {0};
    struct cf_store *store cf_cleanup(cf_store_close_ptr) = NULL;
    struct cf_kubefile *kubefile cf_cleanup(cf_kubefile_free_ptr) = NULL;
    struct cf_image *image cf_cleanup(cf_image_free_ptr) = NULL;
    struct shown shown = {.cli = cli, .kept = CF_BUF_INIT};

    options->event = show;
    options->event_context = &shown;
    int r = read_kubefile(file, context, &kubefile, &err);
    if (r == 0)
        r = cli_open_store(cli, 0, &store, &err);
    cli_progress_start(cli);
    if (r == 0)
        r = cf_build(store, kubefile, context, options, &image, &err);
    cli_progress_end();
    if (r < 0 && shown.kept.len)
        (void)fwrite(shown.kept.data, 1, shown.kept.len, stderr);
    cf_buf_done(&shown.kept);
    return r < 0 ? cli_failed(&err) : cli_put_image(cli, image, options->name);
}

int cli_build(struct cli *cli, int argc, char **argv)
{
    struct cli_image_options image = {0};
    struct cf_build_options build_options = {.progress = cli_progress};
    struct cli_list args = {0};
    const char *file = NULL, *network = NULL, *base = NULL;
    const struct cli_option options[] = {
        {'t', "tag", "REF", CLI_STRING, &build_options.name, "name of the new image (needed)"},
        {'f', "file", "FILE", CLI_STRING, &file, "the Kubefile (default: CONTEXT/Kubefile)"},
        {0, "build-arg", "K=V", CLI_LIST, &args, "value of an ARG (repeatable)"},
        {0, "platform", "P", CLI_STRING, &image.platform, "os/arch[/variant] of the image"},
        {0, "no-cache", NULL, CLI_FLAG, &build_options.no_cache, "run every instruction again"},
        {0, "network", "MODE", CLI_STRING, &network, "of RUN: none (default) or host"},
        {0, "base", "BOOL", CLI_STRING, &base,
         "false: an application image, without the base's layers"},
        CLI_IMAGE_OPTIONS(image),
        {0},
    };
    int status = cli_parse(cli, options, &argc, &argv, 1, 1);
    char **texts = calloc(args.count + 1, sizeof(*texts));
    struct cf_key_value *pairs = calloc(args.count + 1, sizeof(*pairs));

    if (status < 0 && (!texts || !pairs))
        status = cli_failed(&(struct cf_error){-ENOMEM, "out of memory"});
    if (status < 0 && !build_options.name)
        status = cli_usage_error(cli, "-t REF is needed: the name of the new image");
    if (status < 0 && network && strcmp(network, "none") != 0 && strcmp(network, "host") != 0)
        status = cli_usage_error(cli, "--network is none or host");
    if (status < 0 && base && strcmp(base, "true") != 0 && strcmp(base, "false") != 0)
        status = cli_usage_error(cli, "--base is true or false");
    if (status < 0)
        status = read_args(cli, &args, pairs, texts);
    if (status < 0)
        status = cli_image_options(cli, &image, &build_options.image);
    build_options.args = pairs;
    build_options.arg_count = args.count;
    build_options.network = network && !strcmp(network, "host");
    build_options.application = base && !strcmp(base, "false");
    if (status < 0)
        status = build(cli, file, argv[0], &build_options);
    for (size_t i = 0; texts && i < args.count; i++)
        free(texts[i]);
    free(texts);
    free(pairs);
    cli_list_done(&args);
    cli_image_options_done(&image);
    return cli_finish(status);
}
