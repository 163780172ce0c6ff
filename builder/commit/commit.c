/* SPDX-License-Identifier: Apache-2.0 */
#include <cloudfs/commit.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/mount.h>
#include <cloudfs/reference.h>

#include "commit.h"

#define TOLD_PATHS 4 /* that created_by names */
#define TOLD_BYTES 200
#define MOVING_TRIES 8 /* an upper that is changed while it is read */
#define MOVING_REST_NS 50000000

void cf_commit_result_done(struct cf_commit_result *result)
{
    cf_image_free(result->image);
    cf_changes_done(&result->changes);
    *result = (struct cf_commit_result){0};
}

/* ---- what the history says ---- */

static bool is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;

    while (*at) {
        unsigned more = *at < 0x80                  ? 0
                        : *at >= 0xc2 && *at < 0xe0 ? 1
                        : *at < 0xe0                ? 9
                        : *at < 0xf0                ? 2
                        : *at < 0xf5                ? 3
                                                    : 9;
        if (more > 3 || (*at == 0xe0 && at[1] < 0xa0) || (*at == 0xed && at[1] > 0x9f) ||
            (*at == 0xf0 && at[1] < 0x90) || (*at == 0xf4 && at[1] > 0x8f))
            return false;
        for (at++; more > 0; more--, at++)
            if (*at < 0x80 || *at > 0xbf)
                return false;
    }
    return true;
}

/* A path as JSON and terminals can take it. */
static int add_path(struct cf_buf *buf, const char *path)
{
    char escaped[CF_QUOTE_SIZE];
    int r = 0;

    if (is_utf8(path))
        return cf_buf_add_str(buf, cf_escape(path, escaped, sizeof(escaped)));
    for (; *path && r == 0; path++)
        r = (unsigned char)*path < 0x20 || (unsigned char)*path >= 0x7f
                ? cf_buf_printf(buf, "\\x%02x", (unsigned char)*path)
                : cf_buf_add_char(buf, *path);
    return r;
}

int cf_commit_describe(const struct cf_changes *changes, const char *what, struct cf_buf *ret_buf)
{
    size_t told = 0;
    int r = cf_buf_printf(ret_buf, "cloudfs %s:", what);

    for (; told < changes->count && told < TOLD_PATHS && r == 0; told++) {
        const struct cf_change *change = &changes->list[told];
        if (told > 0 && ret_buf->len + strlen(change->path) > TOLD_BYTES)
            break;
        r = cf_buf_printf(ret_buf, "%s%c ", told ? ", " : " ", change->kind);
        if (r == 0)
            r = add_path(ret_buf, change->path);
    }
    if (r == 0 && told < changes->count)
        r = cf_buf_printf(ret_buf, " and %zu more", changes->count - told);
    return r;
}

/* ---- a commit ---- */

void cf_commit_done(struct commit *commit)
{
    cf_mount_thaw(&commit->freeze);
    cf_delta_done(&commit->delta);
    cf_memo_done(&commit->memo);
    cf_image_free(commit->base);
    cf_tree_close(commit->tree);
    if (commit->delta.upper_fd >= 0)
        close(commit->delta.upper_fd);
    if (commit->delta.work_fd >= 0)
        close(commit->delta.work_fd);
}

static uint64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static int open_dir(const char *path, int *ret_fd, struct cf_error *err)
{
    *ret_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return *ret_fd < 0 ? cf_fail_errno(err, errno, "cannot open %s", CF_QUOTE(path)) : 0;
}

static void describe_delta(struct commit *commit)
{
    struct delta *delta = &commit->delta;

    delta->store = commit->store;
    delta->tree = commit->tree;
    delta->user = commit->mount->user_xattrs;
    delta->only_changes = commit->options->dry_run;
    delta->has_clamp = commit->options->image.has_timestamp;
    delta->clamp_sec = commit->options->image.timestamp;
}

/* Where somebody may be kept waiting, most of the work is done before. */
static int look_ahead(struct commit *commit, struct cf_error *err)
{
    if (commit->mount->state != CF_MOUNT_LIVE || commit->options->dry_run)
        return 0;
    int r = cf_memo_fill(&commit->memo, &commit->delta, err);
    commit->delta.memo = &commit->memo;
    return r;
}

/* Image, tree and directories of the mount, whose changes are kept out from here on. */
static int begin(struct commit *commit, struct cf_error *err)
{
    const struct cf_mount *mount = commit->mount;
    int r = cf_image_load(commit->store, &mount->manifest, &commit->base, err);

    if (r == 0)
        r = cf_image_tree(commit->store, commit->base, &commit->tree, NULL, err);
    if (r < 0)
        return r;
    describe_delta(commit);
    if (!mount->upper)
        return 0;
    r = open_dir(mount->upper, &commit->delta.upper_fd, err);
    if (r == 0)
        r = look_ahead(commit, err);
    commit->frozen_at = now_us();
    if (r == 0)
        r = cf_mount_freeze(commit->store, mount, &commit->freeze, err);
    if (r == 0)
        r = open_dir(mount->work, &commit->delta.work_fd, err);
    if (r == 0 && commit->freeze.moving)
        r = cf_upper_trace(commit->delta.upper_fd, &commit->seen, err);
    return r;
}

/* Where nothing holds changes back: whether there were any since begin. */
static bool is_moved(const struct commit *commit)
{
    struct cf_digest now;

    return commit->freeze.moving && commit->delta.upper_fd >= 0 &&
           (cf_upper_trace(commit->delta.upper_fd, &now, NULL) < 0 ||
            !cf_digest_equal(&now, &commit->seen));
}

/* All content is in the store, and nothing of the layer is published yet. */
static int finish_harvest(void *context, struct cf_error *err)
{
    struct harvest *harvest = context;
    int r = cf_harvest_finish(harvest, err);

    return r == 0 && is_moved(harvest->taken_context)
               ? cf_fail(err, -EBUSY,
                         "it is being changed all the time: commit it when it rests, "
                         "or unmounted")
               : r;
}

static void end_pause(void *context)
{
    struct commit *commit = context;

    if (!commit->freeze.live || commit->freeze.fd < 0)
        return;
    cf_mount_thaw(&commit->freeze);
    commit->freeze.fd = -1;
    commit->pause_us = now_us() - commit->frozen_at;
}

/* Whether a file of work/ can be renamed into the store: same disk, and no other mount of it. */
static bool can_rename(const struct commit *commit)
{
    char name[17];
    int work_fd = commit->delta.work_fd, tmp_fd = cf_store_tmp_fd(commit->store);

    cf_random_name(name);
    int fd cf_autoclose = openat(work_fd, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0)
        return false;
    bool renamed = renameat(work_fd, name, tmp_fd, name) == 0;
    (void)unlinkat(renamed ? tmp_fd : work_fd, name, 0);
    return renamed;
}

static int make_layer(struct commit *commit, struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct harvest harvest cf_cleanup(cf_harvest_done);
    const struct cf_mount *mount = commit->mount;
    bool may_move = !commit->freeze.moving && can_rename(commit);

    /* Stubs have to be settled again before the kernel engine takes the upper. */
    if (may_move && !mount->user_xattrs) {
        int r = cf_upper_unsettle(commit->delta.upper_fd);
        if (r < 0)
            return cf_fail_errno(err, -r, "cannot write to the upper directory");
    }
    cf_harvest_init(&harvest, &commit->delta, may_move);
    harvest.taken = end_pause;
    harvest.taken_context = commit;
    if (commit->freeze.live) {
        /* Nobody is kept waiting while the layer is made of what is in the store now. */
        int r = cf_harvest_take_all(&harvest, err);
        if (r < 0)
            return r;
        end_pause(commit);
    }
    struct cf_content_source source = cf_harvest_source(&harvest);
    struct cf_layer_build_options build = {
        .content = &source,
        .file_done = cf_harvest_file_done,
        .file_done_context = &harvest,
        .before_publish = finish_harvest,
        .before_publish_context = &harvest,
        .progress = commit->options->progress,
        .progress_context = commit->options->progress_context,
    };
    return cf_layer_build(commit->store, commit->delta.builder, &build, ret_info, err);
}

/* The whole image, and the new layer on it if there is one, as one layer. */
static int squash(struct commit *commit, const struct cf_layer_info *layer,
                  struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_builder *builder cf_cleanup(cf_builder_free_ptr) = NULL;
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_layer_build_options build = {
        .progress = commit->options->progress,
        .progress_context = commit->options->progress_context,
    };
    int r = cf_builder_new(cf_store_tmp_fd(commit->store), &builder, err);

    if (r == 0)
        r = cf_builder_apply(builder, commit->tree, false, err);
    if (r == 0 && layer)
        r = cf_layer_tree(commit->store, &layer->diff_id, &tree, err);
    if (r == 0 && layer)
        r = cf_builder_apply(builder, tree, false, err);
    return r == 0 ? cf_layer_build(commit->store, builder, &build, ret_info, err) : r;
}

/* The base without its layers: what a squashed image inherits. */
static int strip_base(const struct cf_image *base, struct cf_image *ret_stripped,
                      struct cf_error *err)
{
    *ret_stripped = *base;
    ret_stripped->layer_count = 0;
    ret_stripped->config_json = cf_json_copy(base->config_json);
    if (!ret_stripped->config_json)
        return cf_fail(err, -ENOMEM, "out of memory");
    cf_json_remove(ret_stripped->config_json, "history");
    cf_json_remove(ret_stripped->config_json, "rootfs");
    return 0;
}

static int create_squashed(struct commit *commit, const struct cf_layer_info *changes,
                           struct cf_commit_result *result, struct cf_error *err)
{
    struct cf_new_layer layer = {0};
    struct cf_buf created_by cf_autobuf = CF_BUF_INIT;
    struct cf_image stripped = {0};
    int r = squash(commit, changes, &layer.info, err);

    if (r == 0)
        r = strip_base(commit->base, &stripped, err);
    if (r == 0 && cf_commit_describe(&commit->delta.changes, "commit --squash", &created_by) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    layer.created_by = created_by.data;
    if (r == 0)
        r = cf_image_create(commit->store, &stripped, &layer, 1, &commit->options->image,
                            commit->options->name, &result->image, err);
    cf_json_free(stripped.config_json);
    result->layer = layer.info;
    return r;
}

/* Nothing changed: the name is given to the mount's own image, unless something else is to be
 * said of it. */
static int name_base(struct commit *commit, struct cf_commit_result *result, struct cf_error *err)
{
    const struct cf_image_options *image = &commit->options->image;
    char tagged[CF_TAGGED_SIZE];
    int r = 0;

    result->unchanged = true;
    if (image->label_count || image->annotation_count || image->author || image->message)
        return cf_image_create(commit->store, commit->base, NULL, 0, image, commit->options->name,
                               &result->image, err);
    if (commit->options->name) {
        r = cf_reference_tagged(commit->options->name, tagged, err);
        if (r == 0)
            r = cf_store_sync(commit->store, err);
        if (r == 0)
            r = cf_name_set(commit->store, tagged, &commit->base->manifest, err);
    }
    if (r == 0)
        result->image = CF_TAKE(commit->base);
    return r;
}

static int create(struct commit *commit, struct cf_commit_result *result, struct cf_error *err)
{
    const struct cf_commit_options *options = commit->options;
    struct cf_buf created_by cf_autobuf = CF_BUF_INIT;
    struct cf_new_layer layer = {0};
    bool changed = commit->delta.changes.count > 0;
    int r = 0;

    if (!changed && options->layer_only) {
        result->unchanged = true;
        return 0;
    }
    if (!changed && !options->squash)
        return name_base(commit, result, err);
    if (changed)
        r = cf_harvest_rescue(commit->store, commit->delta.work_fd, err);
    if (r == 0 && changed)
        r = make_layer(commit, &layer.info, err);
    result->layer = layer.info;
    if (r == 0 && changed && options->look)
        r = options->look(options->look_context, commit->base, &layer.info, err);
    if (r < 0 || options->layer_only)
        return r;
    if (options->squash)
        return create_squashed(commit, changed ? &layer.info : NULL, result, err);
    cf_changes_sort(&commit->delta.changes);
    if (cf_commit_describe(&commit->delta.changes, "commit", &created_by) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    layer.created_by = created_by.data;
    return cf_image_create(commit->store, commit->base, &layer, 1, &options->image, options->name,
                           &result->image, err);
}

static int run(struct commit *commit, struct cf_commit_result *result, struct cf_error *err)
{
    const struct cf_commit_options *options = commit->options;
    int r = begin(commit, err);

    if (r == 0 && commit->mount->upper)
        r = cf_delta_walk(&commit->delta, err);
    if (r == 0 && !options->dry_run)
        r = create(commit, result, err);
    if (r < 0)
        return r;
    end_pause(commit);
    cf_changes_sort(&commit->delta.changes);
    result->changes = commit->delta.changes;
    commit->delta.changes = (struct cf_changes){0};
    result->pause_us = commit->pause_us;
    return 0;
}

static int check_options(const struct cf_commit_options *options, struct cf_error *err)
{
    char tagged[CF_TAGGED_SIZE];

    if (!options->name && !options->dry_run && !options->layer_only)
        return cf_fail(err, -EINVAL, "the new image needs a name");
    return options->name ? cf_reference_tagged(options->name, tagged, err) : 0;
}

/* *ret_again: what was read is of no use, for it was changed meanwhile. */
static int commit_try(struct cf_store *store, const struct cf_mount *mount,
                      const struct cf_commit_options *options, bool advance, bool *ret_again,
                      struct cf_commit_result *ret_result, struct cf_error *err)
{
    struct cf_commit_result result cf_cleanup(cf_commit_result_done) = {0};
    struct commit commit cf_cleanup(cf_commit_done) = {
        .store = store,
        .mount = mount,
        .options = options,
        .freeze = {.fd = -1},
        .delta = {.upper_fd = -1, .work_fd = -1, .dir_fd = -1, .index_fd = -1},
    };
    int r = run(&commit, &result, err);

    *ret_again = (r < 0 || options->dry_run) && is_moved(&commit);
    if (r == 0 && advance && mount->upper)
        r = cf_mount_advance(store, mount, options->name, &result.image->manifest, err);
    if (r < 0)
        return r;
    *ret_result = result;
    result = (struct cf_commit_result){0};
    return 0;
}

/* What only looks is content with what it saw last. */
static int commit_once(struct cf_store *store, const struct cf_mount *mount,
                       const struct cf_commit_options *options, bool advance,
                       struct cf_commit_result *ret_result, struct cf_error *err)
{
    bool again = false;
    int r = commit_try(store, mount, options, advance, &again, ret_result, err);

    for (int tries = 1; again && tries < MOVING_TRIES; tries++) {
        const struct timespec rest = {.tv_nsec = MOVING_REST_NS};
        cf_commit_result_done(ret_result);
        (void)nanosleep(&rest, NULL);
        if (err)
            *err = (struct cf_error){0};
        r = commit_try(store, mount, options, advance, &again, ret_result, err);
    }
    return r;
}

/* The mount as it was, on its new image or, after a failure, on the old one. */
static int mount_again(struct cf_store *store, const struct cf_mount *mount, struct cf_error *err)
{
    const struct cf_mount_options options = {.resume = mount->id};
    char id[CF_MOUNT_ID_SIZE];

    return cf_mount_start(store, &options, id, err);
}

static int advance_stopped(struct cf_store *store, const char *id,
                           const struct cf_commit_options *options,
                           struct cf_commit_result *ret_result, struct cf_error *err)
{
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_error why = {0};
    int r = cf_mount_find(store, id, &mount, err);

    if (r == 0)
        r = commit_once(store, mount, options, true, ret_result, err);
    int again = mount ? mount_again(store, mount, &why) : 0;
    if (r < 0 || again == 0)
        return r;
    return cf_fail(err, again, "%s is committed, but mount %s cannot be mounted again: %s",
                   options->name, id, why.text);
}

/*
 * A mount that is live has to be unmounted for its base to be exchanged. Where that cannot be done,
 * the commit is made all the same, and -EBUSY says that it was not advanced.
 */
static int commit_and_advance(struct cf_store *store, const struct cf_mount *mount,
                              const struct cf_commit_options *options,
                              struct cf_commit_result *ret_result, struct cf_error *err)
{
    struct cf_changes changes = {0};
    struct cf_error why = {0};

    if (mount->state != CF_MOUNT_LIVE || !mount->upper)
        return commit_once(store, mount, options, true, ret_result, err);
    /* Unmounting a mount without changes would leave nothing of it. */
    int r = cf_mount_changes(store, mount, &changes, err);
    bool changed = changes.count > 0;
    cf_changes_done(&changes);
    if (r < 0 || !changed)
        return r < 0 ? r : commit_once(store, mount, options, false, ret_result, err);
    if (cf_mount_stop(store, mount, false, false, &why) == 0)
        return advance_stopped(store, mount->id, options, ret_result, err);
    r = commit_once(store, mount, options, false, ret_result, err);
    if (r < 0)
        return r;
    return cf_fail(err, -EBUSY, "%s is committed, but the mount was not advanced to it: %s",
                   options->name, why.text);
}

int cf_commit(struct cf_store *store, const struct cf_mount *mount,
              const struct cf_commit_options *options, struct cf_commit_result *ret_result,
              struct cf_error *err)
{
    int r = check_options(options, err);

    *ret_result = (struct cf_commit_result){0};
    if (r < 0)
        return r;
    if (options->advance && !options->dry_run)
        return commit_and_advance(store, mount, options, ret_result, err);
    return commit_once(store, mount, options, false, ret_result, err);
}

int cf_mount_changes(struct cf_store *store, const struct cf_mount *mount,
                     struct cf_changes *ret_changes, struct cf_error *err)
{
    const struct cf_commit_options options = {.dry_run = true};
    struct cf_commit_result result = {0};
    int r = commit_once(store, mount, &options, false, &result, err);

    if (r < 0)
        return r;
    *ret_changes = result.changes;
    result.changes = (struct cf_changes){0};
    cf_commit_result_done(&result);
    return 0;
}
