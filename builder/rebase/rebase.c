/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cloudfs/reference.h>

#include "internal.h"

int cf_rebase_no_memory(struct rebasing *rebasing)
{
    return cf_fail(rebasing->err, -ENOMEM, "out of memory");
}

/* ---- conflicts ---- */

static void conflict_done(struct cf_rebase_conflict *conflict)
{
    free(conflict->file);
    free(conflict->setting);
    free(conflict->base);
    free(conflict->ours);
    free(conflict->theirs);
}

void cf_rebase_result_done(struct cf_rebase_result *result)
{
    for (size_t i = 0; i < result->conflict_count; i++)
        conflict_done(&result->conflicts[i]);
    free(result->conflicts);
    free(result->base);
    cf_image_free(result->image);
    *result = (struct cf_rebase_result){0};
}

void cf_rebase_forget(struct rebasing *rebasing, size_t count)
{
    struct cf_rebase_result *result = &rebasing->result;

    while (result->conflict_count > count)
        conflict_done(&result->conflicts[--result->conflict_count]);
}

int cf_rebase_conflict(struct rebasing *rebasing, const char *file, const char *setting,
                       size_t line, const char *base, const char *ours, const char *theirs)
{
    struct cf_rebase_result *result = &rebasing->result;
    struct cf_rebase_conflict *list =
        reallocarray(result->conflicts, result->conflict_count + 1, sizeof(*list));

    if (!list)
        return cf_rebase_no_memory(rebasing);
    result->conflicts = list;
    struct cf_rebase_conflict *conflict = &list[result->conflict_count++];
    *conflict = (struct cf_rebase_conflict){.file = strdup(file),
                                            .setting = setting ? strdup(setting) : NULL,
                                            .line = line,
                                            .base = strdup(base ? base : "(absent)"),
                                            .ours = strdup(ours ? ours : "(absent)"),
                                            .theirs = strdup(theirs ? theirs : "(absent)")};
    return conflict->file && (!setting || conflict->setting) && conflict->base && conflict->ours &&
                   conflict->theirs
               ? 0
               : cf_rebase_no_memory(rebasing);
}

/* ---- the image ---- */

struct stack {
    struct cf_digest *diff_ids; /* of the new base, then those that are kept */
    size_t count;
    struct cf_new_layer *layers; /* on top of the new base */
    size_t layer_count;
    struct cf_history *history; /* of the image */
    struct cf_buf text;         /* of the layer that is made */
};

static void stack_done(struct stack *stack)
{
    free(stack->diff_ids);
    free(stack->layers);
    free(stack->history);
    cf_buf_done(&stack->text);
}

static const char *said_of(const struct stack *stack, size_t history_count,
                           const struct cf_digest *diff_id)
{
    for (size_t i = 0; i < history_count; i++)
        if (stack->history[i].diff_id && cf_digest_equal(stack->history[i].diff_id, diff_id) &&
            stack->history[i].created_by)
            return stack->history[i].created_by;
    return "(no history)";
}

/* The new base's layers, and the image's own on top of them. */
static int pile(struct rebasing *rebasing, struct stack *stack)
{
    const struct cf_image *image = rebasing->image, *onto = rebasing->onto;
    size_t history_count = 0;
    int r = cf_image_history(image, &stack->history, &history_count, rebasing->err);

    if (r < 0)
        return r;
    stack->diff_ids = calloc(onto->layer_count + image->layer_count + 1, sizeof(*stack->diff_ids));
    stack->layers = calloc(image->layer_count + 1, sizeof(*stack->layers));
    if (!stack->diff_ids || !stack->layers)
        return cf_rebase_no_memory(rebasing);
    for (size_t i = 0; i < onto->layer_count; i++)
        stack->diff_ids[stack->count++] = onto->diff_ids[i];
    for (size_t i = rebasing->is_below ? rebasing->base->layer_count : image->layer_count;
         i < image->layer_count && r == 0; i++) {
        struct cf_new_layer *layer = &stack->layers[stack->layer_count++];
        layer->created_by = said_of(stack, history_count, &image->diff_ids[i]);
        layer->info.diff_id = image->diff_ids[i];
        layer->info.entries = 1;
        stack->diff_ids[stack->count++] = image->diff_ids[i];
        r = cf_layer_tar_size(rebasing->store, &image->diff_ids[i], &layer->info.tar_size,
                              rebasing->err);
    }
    rebasing->result.kept = stack->layer_count;
    return r;
}

/* What the piled layers do not come to by themselves. */
static int adapt(struct rebasing *rebasing, struct stack *stack, int64_t moment)
{
    struct cf_tree *below cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_layer_info info = {0};
    int r = cf_store_merged_tree(rebasing->store, stack->diff_ids, stack->count, &below, NULL,
                                 rebasing->err);

    if (r == 0)
        r = cf_rebase_layer(rebasing, below, moment, &info);
    if (r < 0 || !info.entries)
        return r;
    if (cf_buf_printf(&stack->text, "cloudfs rebase: from %s onto %s", rebasing->result.base,
                      rebasing->options->onto) < 0)
        return cf_rebase_no_memory(rebasing);
    stack->layers[stack->layer_count++] =
        (struct cf_new_layer){.info = info, .created_by = stack->text.data};
    rebasing->result.adapted = true;
    return 0;
}

/* As old as the newer of both, where nobody says a date. */
static int set_time(struct rebasing *rebasing, struct cf_image_options *options)
{
    int r = cf_image_options_environment(options, rebasing->err);
    int64_t ours = cf_image_moment(rebasing->image, options);
    int64_t theirs = cf_image_moment(rebasing->onto, options);

    options->timestamp = ours > theirs ? ours : theirs;
    options->has_timestamp = true;
    return r;
}

static int make(struct rebasing *rebasing, struct words *words, const char *name)
{
    struct stack stack cf_cleanup(stack_done) = {.text = CF_BUF_INIT};
    int r = set_time(rebasing, &words->options);

    if (r == 0)
        r = cf_rebase_make(rebasing, words->options.timestamp);
    if (r == 0)
        r = cf_rebase_clusterfile(rebasing, words);
    if (r == 0)
        r = pile(rebasing, &stack);
    if (r == 0)
        r = adapt(rebasing, &stack, words->options.timestamp);
    for (size_t i = 0; i < stack.layer_count && r == 0; i++)
        stack.layers[i].info.newest_sec = words->options.timestamp;
    return r < 0 ? r
                 : cf_image_create(rebasing->store, rebasing->onto, stack.layers, stack.layer_count,
                                   &words->options, name, &rebasing->result.image, rebasing->err);
}

static void rebasing_done(struct rebasing *rebasing)
{
    for (size_t i = 0; i < rebasing->count; i++) {
        free(rebasing->decisions[i].path);
        cf_buf_done(&rebasing->decisions[i].text);
    }
    free(rebasing->decisions);
    cf_image_free(rebasing->image);
    cf_image_free(rebasing->base);
    cf_image_free(rebasing->onto);
    cf_tree_close(rebasing->old);
    cf_tree_close(rebasing->ours);
    cf_tree_close(rebasing->theirs);
    cf_tree_close(rebasing->made);
    cf_rebase_result_done(&rebasing->result);
}

static int run(struct rebasing *rebasing, const char *name)
{
    struct words words cf_cleanup(cf_rebase_words_done) = {.clusterfile = CF_BUF_INIT};
    int r = cf_rebase_images(rebasing);

    if (r == 0)
        r = cf_rebase_words(rebasing, &words);
    if (r == 0)
        r = cf_rebase_decide(rebasing);
    if (r < 0 ||
        (rebasing->result.conflict_count && rebasing->options->prefer == CF_REBASE_NEITHER))
        return r;
    return make(rebasing, &words, name);
}

int cf_rebase(struct cf_store *store, const char *reference,
              const struct cf_rebase_options *options, struct cf_rebase_result *ret_result,
              struct cf_error *err)
{
    struct rebasing rebasing cf_cleanup(rebasing_done) = {
        .store = store, .options = options, .reference = reference, .err = err};
    char name[CF_TAGGED_SIZE];
    int r = cf_reference_tagged(options->name, name, err);

    if (r == 0)
        r = run(&rebasing, name);
    if (r < 0)
        return r;
    *ret_result = rebasing.result;
    rebasing.result = (struct cf_rebase_result){0};
    return 0;
}
