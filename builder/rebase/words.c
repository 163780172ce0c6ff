/* SPDX-License-Identifier: Apache-2.0 */
/* What the new image says of itself: configuration and annotations, three-way as the files are. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define CLUSTERFILE "sea.aliyun.com/ClusterFile"
#define BASE_PREFIX "org.opencontainers.image.base."

enum { CLUSTERFILE_MAX = 65536 };

void cf_rebase_words_done(struct words *words)
{
    cf_json_free(words->run);
    free(words->labels);
    free(words->annotations);
    cf_buf_done(&words->clusterfile);
}

/* One value on all three sides. */
struct three {
    const struct cf_json *old, *ours, *theirs;
};

static struct three get(const struct three *objects, const char *key)
{
    return (struct three){cf_json_get(objects->old, key), cf_json_get(objects->ours, key),
                          cf_json_get(objects->theirs, key)};
}

static int print(const struct cf_json *json, struct cf_buf *ret_text)
{
    return json ? cf_json_print(json, false, ret_text) : 0;
}

static bool same(const struct cf_buf *a, const struct cf_buf *b)
{
    return a->len == b->len && (!a->len || !memcmp(a->data, b->data, a->len));
}

/* Whether ours is to count: 1, 0, or a failure. */
static int decide(struct rebasing *rebasing, const char *what, const char *key,
                  const struct three *values)
{
    struct cf_buf old cf_autobuf = CF_BUF_INIT, ours cf_autobuf = CF_BUF_INIT;
    struct cf_buf theirs cf_autobuf = CF_BUF_INIT;
    char name[256];

    if (print(values->old, &old) < 0 || print(values->ours, &ours) < 0 ||
        print(values->theirs, &theirs) < 0)
        return cf_rebase_no_memory(rebasing);
    if (same(&old, &ours) || same(&ours, &theirs))
        return 0;
    if (same(&old, &theirs))
        return 1;
    snprintf(name, sizeof(name), "%s%s%s", what, *what ? " " : "", key);
    int r = cf_rebase_conflict(rebasing, "", name, 0, old.data, ours.data, theirs.data);
    return r < 0 ? r : rebasing->options->prefer == CF_REBASE_OURS;
}

/* Texts of an object that are ours to pairs, then those of the command line, which win. */
static int take_pairs(struct rebasing *rebasing, const char *what, const struct three *objects,
                      const struct cf_key_value *given, size_t given_count,
                      struct cf_key_value **ret_pairs, size_t *ret_count)
{
    struct cf_key_value *pairs =
        calloc(cf_json_count(objects->ours) + given_count + 2, sizeof(*pairs));
    int r = pairs ? 0 : cf_rebase_no_memory(rebasing);
    size_t n = 0;

    for (const struct cf_json *item = cf_json_first(objects->ours); item && r >= 0;
         item = cf_json_next(item)) {
        const char *key = cf_json_key(item), *text = cf_json_string(item);
        const struct three values = get(objects, key);
        if (!text || !strcmp(key, CLUSTERFILE) || !strncmp(key, BASE_PREFIX, strlen(BASE_PREFIX)))
            continue;
        r = decide(rebasing, what, key, &values);
        if (r == 1)
            pairs[n++] = (struct cf_key_value){key, text};
    }
    for (size_t i = 0; pairs && i < given_count; i++)
        pairs[n++] = given[i];
    *ret_pairs = pairs;
    *ret_count = n;
    return r < 0 ? r : 0;
}

/* ---- environment ---- */

static struct cf_json *env_object(const struct cf_json *list)
{
    struct cf_json *object = cf_json_object();
    int r = object ? 0 : -ENOMEM;

    for (const struct cf_json *item = cf_json_first(list); item && r == 0;
         item = cf_json_next(item)) {
        const char *text = cf_json_string(item), *equals = text ? strchr(text, '=') : NULL;
        char *name cf_autofree = equals ? strndup(text, (size_t)(equals - text)) : NULL;
        if (equals)
            r = name ? cf_json_set_string(object, name, text) : -ENOMEM;
    }
    if (r == 0)
        return object;
    cf_json_free(object);
    return NULL;
}

static int merge_env(struct rebasing *rebasing, const struct three *lists, struct cf_json *run)
{
    struct cf_json *old cf_cleanup(cf_json_free_ptr) = env_object(lists->old);
    struct cf_json *ours cf_cleanup(cf_json_free_ptr) = env_object(lists->ours);
    struct cf_json *theirs cf_cleanup(cf_json_free_ptr) = env_object(lists->theirs);
    struct cf_json *made cf_cleanup(cf_json_free_ptr) = theirs ? cf_json_copy(theirs) : NULL;
    const struct three objects = {old, ours, theirs};
    struct cf_json *list = cf_json_array();
    int r = old && ours && made && list ? 0 : -ENOMEM;

    for (const struct cf_json *item = cf_json_first(ours); item && r == 0;
         item = cf_json_next(item)) {
        const struct three values = get(&objects, cf_json_key(item));
        r = decide(rebasing, "Env", cf_json_key(item), &values);
        if (r == 1)
            r = cf_json_set(made, cf_json_key(item), cf_json_copy(item));
    }
    for (const struct cf_json *item = cf_json_first(made); item && r == 0;
         item = cf_json_next(item))
        r = cf_json_append(list, cf_json_copy(item));
    if (r == 0 && cf_json_count(list))
        return cf_json_set(run, "Env", CF_TAKE(list));
    cf_json_free(list);
    return r;
}

/* ---- all of it ---- */

static int take_config(struct rebasing *rebasing, const struct three *configs, struct words *words)
{
    int r = 0;

    for (const struct cf_json *item = cf_json_first(configs->ours); item && r >= 0;
         item = cf_json_next(item)) {
        const char *key = cf_json_key(item);
        const struct three values = get(configs, key);
        if (!strcmp(key, "Labels"))
            continue;
        if (!strcmp(key, "Env"))
            r = merge_env(rebasing, &values, words->run);
        else if ((r = decide(rebasing, "", key, &values)) == 1)
            r = cf_json_set(words->run, key, cf_json_copy(item));
    }
    return r < 0 ? r : 0;
}

int cf_rebase_words(struct rebasing *rebasing, struct words *ret_words)
{
    struct three configs = {rebasing->base->config_json, rebasing->image->config_json,
                            rebasing->onto->config_json};
    struct three manifests = {rebasing->base->manifest_json, rebasing->image->manifest_json,
                              rebasing->onto->manifest_json};

    ret_words->options = rebasing->options->image;
    ret_words->run = cf_json_object();
    if (!ret_words->run)
        return cf_rebase_no_memory(rebasing);
    configs = get(&configs, "config");
    manifests = get(&manifests, "annotations");
    const struct cf_image_options *given = &rebasing->options->image;
    const struct three labels = get(&configs, "Labels");
    int r = take_config(rebasing, &configs, ret_words);
    if (r == 0)
        r = take_pairs(rebasing, "Labels", &labels, given->labels, given->label_count,
                       &ret_words->labels, &ret_words->options.label_count);
    if (r == 0) /* one more for the Clusterfile */
        r = take_pairs(rebasing, "annotation", &manifests, given->annotations,
                       given->annotation_count, &ret_words->annotations,
                       &ret_words->options.annotation_count);
    ret_words->options.labels = ret_words->labels;
    ret_words->options.annotations = ret_words->annotations;
    if (cf_json_count(ret_words->run))
        ret_words->options.run = ret_words->run;
    return r == -ENOMEM ? cf_rebase_no_memory(rebasing) : r;
}

static bool has_clusterfile(const struct cf_image *image)
{
    return cf_json_get_string(cf_json_get(image->manifest_json, "annotations"), CLUSTERFILE);
}

int cf_rebase_clusterfile(struct rebasing *rebasing, struct words *words)
{
    struct cf_content content;
    uint64_t nid = 0;

    if ((!has_clusterfile(rebasing->image) && !has_clusterfile(rebasing->onto)) ||
        cf_tree_resolve(rebasing->made, "etc/Clusterfile", true, &nid) < 0 ||
        cf_tree_content(rebasing->made, nid, &content) < 0 || content.size > CLUSTERFILE_MAX)
        return 0;
    int r = cf_content_read(rebasing->store, &content, CLUSTERFILE_MAX, &words->clusterfile,
                            rebasing->err);
    if (r == 0 && words->clusterfile.len)
        words->annotations[words->options.annotation_count++] =
            (struct cf_key_value){CLUSTERFILE, words->clusterfile.data};
    return r;
}
