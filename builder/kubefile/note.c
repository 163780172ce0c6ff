/* SPDX-License-Identifier: Apache-2.0 */
/* The instructions that change no file: variables, labels, commands, and sealer's own words. */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

static int no_memory(struct cf_error *err)
{
    return cf_fail(err, -ENOMEM, "out of memory");
}

/* ---- variables ---- */

int cf_variables_set(struct cf_variables *variables, const char *name, const char *value)
{
    char *copy = value ? strdup(value) : NULL;
    if (value && !copy)
        return -ENOMEM;
    for (size_t i = 0; i < variables->count; i++)
        if (!strcmp(variables->list[i].name, name)) {
            free(variables->list[i].value);
            variables->list[i].value = copy;
            return 0;
        }
    struct cf_variable *list = reallocarray(variables->list, variables->count + 1, sizeof(*list));
    if (list)
        variables->list = list;
    char *key = strdup(name);
    if (!list || !key) {
        free(copy);
        free(key);
        return -ENOMEM;
    }
    list[variables->count++] = (struct cf_variable){key, copy};
    return 0;
}

const char *cf_variables_get(const struct cf_variables *variables, const char *name, size_t len)
{
    for (size_t i = 0; i < variables->count; i++)
        if (!strncmp(variables->list[i].name, name, len) && !variables->list[i].name[len])
            return variables->list[i].value;
    return NULL;
}

void cf_variables_done(struct cf_variables *variables)
{
    for (size_t i = 0; i < variables->count; i++) {
        free(variables->list[i].name);
        free(variables->list[i].value);
    }
    free(variables->list);
    *variables = (struct cf_variables){0};
}

/* ---- NAME=VALUE ---- */

static bool is_name(const char *text, size_t len)
{
    if (!len || isdigit((unsigned char)*text))
        return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)text[i]) && text[i] != '_')
            return false;
    return true;
}

static int fail_word(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                     const struct cf_kubefile_word_at *word, const char *what, struct cf_error *err)
{
    return cf_kubefile_fail(build->kubefile, instruction, word->offset, err, -EINVAL, "%s '%s': %s",
                            cf_kubefile_word_name(instruction->word), word->text, what);
}

/* Sets each NAME=VALUE; "NAME rest of the text" sets one (ENV's and LABEL's old form). */
static int take_pairs(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                      struct cf_variables *variables, bool any_name, struct cf_error *err)
{
    struct cf_kubefile_words words cf_cleanup(cf_kubefile_words_done) = {0};
    struct cf_buf rest cf_autobuf = CF_BUF_INIT;
    int r = cf_build_words(build, instruction, &words, err);

    if (r < 0)
        return r;
    bool old_form = words.count > 1 && !strchr(words.list[0].text, '=');
    for (size_t i = 0; i < words.count; i++) {
        const char *text = words.list[i].text;
        const char *equals = strchr(text, '=');
        size_t len = equals ? (size_t)(equals - text) : strlen(text);
        if (old_form)
            len = i ? len : strlen(text);
        if ((!old_form || i == 0) &&
            (!(any_name ? len > 0 : is_name(text, len)) || (!equals && !old_form)))
            return fail_word(build, instruction, &words.list[i], "NAME=VALUE is meant", err);
        char *name cf_autofree = strndup(text, len);
        if (!name)
            return no_memory(err);
        if (!old_form)
            r = cf_variables_set(variables, name, equals + 1);
        else if (i > 0)
            r = cf_buf_printf(&rest, "%s%s", i > 1 ? " " : "", text);
        if (r < 0)
            return no_memory(err);
    }
    if (old_form && cf_variables_set(variables, words.list[0].text, rest.data ? rest.data : "") < 0)
        return no_memory(err);
    return 0;
}

static const char *given_arg(const struct cf_build *build, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < build->options->arg_count; i++)
        if (!strcmp(build->options->args[i].key, name))
            value = build->options->args[i].value;
    return value;
}

/* One "NAME" or "NAME=DEFAULT"; what the command line gives wins over the default. */
static int declare_arg(struct cf_build *build, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    char *name cf_autofree = strndup(text, equals ? (size_t)(equals - text) : len);
    char *value cf_autofree =
        equals ? strndup(equals + 1, len - strlen(name ? name : "") - 1) : NULL;

    if (!name || (equals && !value))
        return -ENOMEM;
    if (!is_name(name, strlen(name)))
        return -EINVAL;
    const char *given = given_arg(build, name);
    const char *outer = cf_variables_get(&build->global_args, name, strlen(name));
    return cf_variables_set(&build->args, name, given ? given : value ? value : outer);
}

/* sealer writes several in one word with commas: a comma separates where "NAME=" follows. */
static size_t arg_length(const char *text)
{
    size_t len = 0;
    for (;;) {
        len += strcspn(text + len, ",");
        if (!text[len])
            return len;
        size_t name = strcspn(text + len + 1, "=,");
        if (text[len + 1 + name] == '=' && is_name(text + len + 1, name))
            return len;
        len++;
    }
}

static int take_args(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                     struct cf_error *err)
{
    struct cf_kubefile_words words cf_cleanup(cf_kubefile_words_done) = {0};
    int r = cf_build_words(build, instruction, &words, err);

    for (size_t i = 0; i < words.count && r == 0; i++)
        for (const char *text = words.list[i].text; *text && r == 0;) {
            size_t len = arg_length(text);
            r = declare_arg(build, text, len);
            if (r == -EINVAL)
                return fail_word(build, instruction, &words.list[i],
                                 "NAME or NAME=DEFAULT is meant", err);
            if (r == -ENOMEM)
                return no_memory(err);
            text += len + (text[len] == ',');
        }
    return r;
}

/* ---- commands ---- */

static int add_text(char ***texts, size_t *count, const char *text, struct cf_error *err)
{
    char **list = reallocarray(*texts, *count + 1, sizeof(*list));
    if (list)
        *texts = list;
    char *copy = strdup(text);
    if (!list || !copy) {
        free(copy);
        return no_memory(err);
    }
    list[(*count)++] = copy;
    return 0;
}

/* A JSON array of texts, added to a list. */
static int take_list(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                     const char *text, char ***texts, size_t *count, struct cf_error *err)
{
    struct cf_kubefile_words words cf_cleanup(cf_kubefile_words_done) = {0};
    const char *word = cf_kubefile_word_name(instruction->word);
    int r = cf_kubefile_array(text, &words);

    if (r < 0)
        return no_memory(err);
    if (r == 0)
        return cf_kubefile_fail(build->kubefile, instruction, (size_t)(text - instruction->text),
                                err, -EINVAL, "%s needs a list: [\"one\", \"another\"]", word);
    r = 0;
    for (size_t i = 0; i < words.count && r == 0; i++)
        r = add_text(texts, count, words.list[i].text, err);
    return r;
}

/* Several CMDs add up, as sealer has it; a JSON array is a list of commands. A comma separates
 * nothing: commands have commas of their own. */
static int take_commands(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                         struct cf_error *err)
{
    if (instruction->word == CF_KUBEFILE_CMD && *instruction->text != '[')
        return add_text(&build->commands, &build->command_count, instruction->text, err);
    return take_list(build, instruction, instruction->text, &build->commands, &build->command_count,
                     err);
}

/* ---- the words of sealer 0.9 and later ---- */

/* "local:///path" of an APP is copied to application/apps/NAME/, where sealer looks for it. */
static int copy_application(struct cf_build *build,
                            const struct cf_kubefile_instruction *instruction,
                            const struct cf_kubefile_words *words, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_kubefile_instruction copy = *instruction;

    for (size_t i = 1; i < words->count; i++) {
        const char *source = words->list[i].text;
        if (!strncmp(source, "local://", 8))
            source += 8 + strspn(source + 8, "/");
        else if (cf_source_kind_of(source) == CF_SOURCE_LOCAL)
            return fail_word(build, instruction, &words->list[i],
                             "only local://PATH and http(s)://URL are taken", err);
        cf_buf_clear(&text);
        if (cf_buf_printf(&text, "%s application/apps/%s/", source, words->list[0].text) < 0)
            return no_memory(err);
        copy.word = CF_KUBEFILE_COPY;
        copy.text = text.data;
        int r = cf_build_copy(build, &copy, err);
        if (r < 0)
            return r;
    }
    return 0;
}

/* The application of that name, made if there is none. */
static struct cf_json *application(struct cf_build *build, const char *name)
{
    if (!build->applications && !(build->applications = cf_json_array()))
        return NULL;
    for (const struct cf_json *item = cf_json_first(build->applications); item;
         item = cf_json_next(item)) {
        const char *other = cf_json_get_string(item, "name");
        if (other && !strcmp(other, name))
            return (struct cf_json *)(uintptr_t)item;
    }
    struct cf_json *new = cf_json_object();
    if (!new || cf_json_set_string(new, "name", name) < 0 ||
        cf_json_set_string(new, "type", "") < 0 || cf_json_set_string(new, "version", "v1") < 0) {
        cf_json_free(new);
        return NULL;
    }
    return cf_json_append(build->applications, new) < 0 ? NULL : new;
}

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), n = strlen(end);
    return len > n && !strcmp(text + len - n, end);
}

/* "shell" for scripts, "kube" for manifests, "helm" for what is a directory or an archive. */
static const char *application_type(const char *file)
{
    if (ends_with(file, ".sh"))
        return "shell";
    return ends_with(file, ".yaml") || ends_with(file, ".yml") ? "kube" : "helm";
}

/* APP, CNI, CSI: NAME and its files. The last of one name counts. */
static int take_files(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                      const struct cf_kubefile_words *words, struct cf_error *err)
{
    const char *name = words->list[0].text;
    struct cf_json *app = application(build, name);
    int r = app ? cf_json_set(app, "launchfiles", cf_json_array()) : -ENOMEM;

    for (size_t i = 1; i < words->count && r == 0; i++) {
        const char *slash = strrchr(words->list[i].text, '/');
        const char *file = slash ? slash + 1 : words->list[i].text;
        r = cf_json_append(cf_json_edit(app, "launchfiles"), cf_json_new_string(file));
        if (r == 0 && i == 1)
            r = cf_json_set_string(app, "type", application_type(file));
    }
    return r < 0 ? no_memory(err) : copy_application(build, instruction, words, err);
}

/* A label that says that the image has that network or storage plugin. */
static int set_plugin_label(struct cf_build *build, const char *prefix, const char *name)
{
    char *label cf_autofree = NULL;
    if (asprintf(&label, "cluster.alpha.sealer.io/%s-%s", prefix, name) < 0) {
        label = NULL;
        return -ENOMEM;
    }
    return cf_variables_set(&build->labels, label, "true");
}

static int take_application_words(struct cf_build *build,
                                  const struct cf_kubefile_instruction *instruction,
                                  struct cf_error *err)
{
    struct cf_kubefile_words words cf_cleanup(cf_kubefile_words_done) = {0};
    const char *word = cf_kubefile_word_name(instruction->word);
    int r = cf_build_words(build, instruction, &words, err);

    if (r < 0)
        return r;
    if (words.count < 2)
        return cf_kubefile_fail(build->kubefile, instruction, strlen(instruction->text), err,
                                -EINVAL, "%s needs a name and %s", word,
                                instruction->word == CF_KUBEFILE_APPENV ? "NAME=VALUE"
                                                                        : "local://PATH");
    if (instruction->word == CF_KUBEFILE_CNI)
        r = set_plugin_label(build, "kube-cni", words.list[0].text);
    if (instruction->word == CF_KUBEFILE_CSI)
        r = set_plugin_label(build, "kube-csi", words.list[0].text);
    if (r < 0)
        return no_memory(err);
    if (instruction->word != CF_KUBEFILE_APPENV)
        return take_files(build, instruction, &words, err);
    struct cf_json *app = application(build, words.list[0].text);
    if (app && !cf_json_get(app, "env"))
        (void)cf_json_set(app, "env", cf_json_object());
    for (size_t i = 1; i < words.count && r == 0; i++) {
        char *equals = strchr(words.list[i].text, '=');
        if (!equals || equals == words.list[i].text)
            return fail_word(build, instruction, &words.list[i], "NAME=VALUE is meant", err);
        *equals = '\0';
        r = app ? cf_json_set_string(cf_json_edit(app, "env"), words.list[i].text, equals + 1)
                : -ENOMEM;
    }
    return r < 0 ? no_memory(err) : 0;
}

/* APPCMDS NAME ["command", "command"] */
static int take_application_commands(struct cf_build *build,
                                     const struct cf_kubefile_instruction *instruction,
                                     struct cf_error *err)
{
    const char *text = instruction->text;
    size_t len = strcspn(text, " \t");
    char *name cf_autofree = strndup(text, len);
    char **list = NULL;
    size_t count = 0;
    struct cf_json *app = name && *name ? application(build, name) : NULL;
    int r =
        take_list(build, instruction, text + len + strspn(text + len, " \t"), &list, &count, err);

    if (r == 0 && (!app || cf_json_set(app, "cmds", cf_json_array()) < 0))
        r = no_memory(err);
    for (size_t i = 0; i < count; i++) {
        if (r == 0 && cf_json_append(cf_json_edit(app, "cmds"), cf_json_new_string(list[i])) < 0)
            r = no_memory(err);
        free(list[i]);
    }
    free(list);
    return r;
}

static int take(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                struct cf_error *err)
{
    switch (instruction->word) {
    case CF_KUBEFILE_ARG:
        return take_args(build, instruction, err);
    case CF_KUBEFILE_ENV:
        return take_pairs(build, instruction, &build->env, false, err);
    case CF_KUBEFILE_LABEL:
        return take_pairs(build, instruction, &build->labels, true, err);
    case CF_KUBEFILE_CMD:
    case CF_KUBEFILE_CMDS:
        return take_commands(build, instruction, err);
    case CF_KUBEFILE_MAINTAINER:
        return cf_variables_set(&build->labels, "maintainer", instruction->text) < 0
                   ? no_memory(err)
                   : 0;
    case CF_KUBEFILE_LAUNCH:
        return take_list(build, instruction, instruction->text, &build->launch,
                         &build->launch_count, err);
    case CF_KUBEFILE_KUBEVERSION:
        return cf_variables_set(&build->labels, "app.alpha.sealer.io/supported-kube-version",
                                instruction->text) < 0
                   ? no_memory(err)
                   : 0;
    case CF_KUBEFILE_APPCMDS:
        return take_application_commands(build, instruction, err);
    default:
        return take_application_words(build, instruction, err);
    }
}

int cf_build_note(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                  struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    int r = take(build, instruction, err);

    /* A build argument is nothing of the image: it may be a secret, and is not written down. */
    if (r < 0 || instruction->word == CF_KUBEFILE_ARG || instruction->word == CF_KUBEFILE_APP ||
        instruction->word == CF_KUBEFILE_CNI || instruction->word == CF_KUBEFILE_CSI)
        return r;
    if (cf_buf_printf(&text, "%s %s", cf_kubefile_word_name(instruction->word), instruction->text) <
        0)
        return no_memory(err);
    return cf_build_add_layer(build, NULL, text.data, err);
}
