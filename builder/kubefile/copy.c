/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD: things of the context become a layer. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cloudfs/io.h>

#include "internal.h"

struct copying {
    struct cf_build *build;
    const struct cf_kubefile_instruction *instruction;
    struct cf_kubefile_words words; /* sources, and the destination last */
    const char *target;
    struct cf_importer_options options;
    struct cf_found_sources sources;
    struct cf_tree *tree; /* what is there; NULL: nothing */
    struct cf_builder *builder;
    struct cf_importer *importer;
    struct cf_node **made; /* directories whose times are to be set */
    size_t made_count;
};

static void copying_done(struct copying *c)
{
    cf_kubefile_words_done(&c->words);
    cf_found_sources_done(&c->sources);
    cf_importer_free(c->importer);
    cf_builder_free(c->builder);
    cf_tree_close(c->tree);
    free(c->made);
}

/* Puts the place in the Kubefile in front of what err says. */
static int at_word(struct copying *c, size_t word, int r, struct cf_error *err)
{
    char what[CF_ERROR_TEXT_SIZE];
    if (r >= 0 || !err)
        return r;
    memcpy(what, err->text, sizeof(what));
    return cf_kubefile_fail(c->build->kubefile, c->instruction,
                            word < c->words.count ? c->words.list[word].offset : 0, err, r, "%s",
                            what[0] ? what : strerror(-r));
}

/* ---- flags ---- */

static int read_id(const char *text, uint32_t *ret_id)
{
    char *end = NULL;
    unsigned long value = strtoul(text, &end, 10);
    if (end == text || *end || value > UINT32_MAX - 1)
        return -EINVAL;
    *ret_id = (uint32_t)value;
    return 0;
}

/* "uid[:gid]": numbers, since names would mean something else on every machine. */
static int take_owner(struct copying *c, const char *value)
{
    char *copy cf_autofree = strdup(value);
    char *colon = copy ? strchr(copy, ':') : NULL;
    if (!copy)
        return -ENOMEM;
    if (colon)
        *colon++ = '\0';
    if (!strcmp(copy, "root"))
        strcpy(copy, "0");
    if (colon && !strcmp(colon, "root"))
        strcpy(colon, "0");
    if (read_id(copy, &c->options.uid) < 0 || (colon && read_id(colon, &c->options.gid) < 0))
        return -EINVAL;
    if (!colon)
        c->options.gid = c->options.uid;
    return 0;
}

static int take_mode(struct copying *c, const char *value)
{
    char *end = NULL;
    unsigned long mode = strtoul(value, &end, 8);
    if (end == value || *end || mode > 07777)
        return -EINVAL;
    c->options.has_mode = true;
    c->options.mode = (mode_t)mode;
    return 0;
}

static int read_flags(struct copying *c, struct cf_error *err)
{
    for (size_t i = 0; i < c->instruction->flag_count; i++) {
        const struct cf_kubefile_flag *flag = &c->instruction->flags[i];
        struct cf_buf value cf_autobuf = CF_BUF_INIT;
        int r = cf_kubefile_expand(flag->value, strlen(flag->value), c->build->kubefile->escape,
                                   cf_build_variable, c->build, &value, err);
        const char *text = value.data ? value.data : "";
        if (r < 0)
            return at_word(c, 0, r, err);
        if (!strcmp(flag->name, "chown"))
            r = take_owner(c, text);
        else if (!strcmp(flag->name, "chmod"))
            r = take_mode(c, text);
        else
            return cf_kubefile_fail(c->build->kubefile, c->instruction, 0, err, -EINVAL,
                                    "%s has no flag --%s; there are --chown and --chmod",
                                    cf_kubefile_word_name(c->instruction->word), flag->name);
        if (r < 0)
            return cf_kubefile_fail(c->build->kubefile, c->instruction, 0, err, -EINVAL,
                                    "--%s=%s: %s", flag->name, text,
                                    !strcmp(flag->name, "chown")
                                        ? "numbers are meant, as in --chown=0:0"
                                        : "an octal number is meant, as in --chmod=755");
    }
    return 0;
}

/* ---- one source ---- */

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int destination(struct copying *c, bool one_file, const char *source,
                       struct cf_destination *ret_destination, struct cf_node **ret_node,
                       struct cf_error *err)
{
    int r = cf_destination_find(c->tree, c->target, one_file, source,
                                c->build->kubefile->docker_copy, ret_destination, err);
    if (r == 0)
        r = cf_destination_node(c->builder, c->tree, ret_destination->dir, ret_node, &c->made,
                                &c->made_count, err);
    return at_word(c, c->words.count - 1, r, err);
}

/* A file never takes the place of a directory, as with cp. */
static int check_place(struct copying *c, const struct cf_destination *place, const char *name,
                       bool is_dir, struct cf_error *err)
{
    struct cf_buf path cf_autobuf = CF_BUF_INIT;
    struct cf_inode inode;
    uint64_t nid = 0;

    if (!c->tree || is_dir)
        return 0;
    if (cf_buf_printf(&path, "%s/%s", place->dir, name) < 0)
        return cf_fail(err, -ENOMEM, "out of memory");
    if (cf_tree_walk(c->tree, path.data, &nid) == 0 && cf_tree_inode(c->tree, nid, &inode) == 0 &&
        S_ISDIR(inode.mode))
        return at_word(c, c->words.count - 1,
                       cf_fail(err, -EISDIR, "a file cannot replace the directory '%s'",
                               path.data + (*path.data == '/')),
                       err);
    return 0;
}

static int copy_source(struct copying *c, const struct cf_found_source *source, size_t word,
                       bool one_file, struct cf_error *err)
{
    struct cf_destination place cf_cleanup(cf_destination_done) = {0};
    struct cf_node *node = NULL;
    const char *name = base_name(source->path);
    bool contents = source->contents || (source->is_dir && c->build->kubefile->docker_copy);
    const struct cf_context *context = &c->build->context;
    size_t above_len = (size_t)(name - source->path);
    char *above cf_autofree = strndup(source->path, above_len ? above_len - 1 : 0);

    if (!above)
        return cf_fail(err, -ENOMEM, "out of memory");
    int r = destination(c, one_file && !source->is_dir, contents ? NULL : name, &place, &node, err);
    if (r < 0)
        return r;
    const char *as = place.name ? place.name : name;
    const char *open = contents ? source->path : above;
    int fd cf_autoclose =
        cf_open_beneath(context->fd, *open ? open : ".", O_RDONLY | O_DIRECTORY, 0);
    if (fd < 0)
        return at_word(c, word, cf_fail_errno(err, -fd, "'%s'", open), err);
    if (contents)
        return at_word(
            c, word, cf_importer_add_inside(c->importer, node, fd, source->path, false, err), err);
    r = check_place(c, &place, as, source->is_dir, err);
    return r < 0 ? r
                 : at_word(c, word, cf_importer_add(c->importer, node, as, fd, name, above, err),
                           err);
}

/* ---- archives (ADD) ---- */

static bool is_archive(const char *path)
{
    static const char *const ends[] = {".tar",    ".tar.gz", ".tgz",     ".tar.bz2", ".tbz2",
                                       ".tar.xz", ".txz",    ".tar.zst", ".tar.lz4"};
    size_t len = strlen(path);
    for (size_t i = 0; i < CF_COUNT(ends); i++) {
        size_t n = strlen(ends[i]);
        if (len > n && !strcasecmp(path + len - n, ends[i]))
            return true;
    }
    return false;
}

static ssize_t read_archive(void *context, void *data, size_t len, struct cf_error *err)
{
    ssize_t n = cf_read_full(*(int *)context, data, len);
    return n < 0 ? cf_fail_errno(err, (int)-n, "cannot read the archive") : n;
}

/* Unpacked into a layer of its own first: the strict reader does all the work. */
static int unpack(struct copying *c, const struct cf_found_source *source, size_t word,
                  struct cf_error *err)
{
    struct cf_destination place cf_cleanup(cf_destination_done) = {0};
    struct cf_tree *tree cf_cleanup(cf_tree_close_ptr) = NULL;
    struct cf_layer_info info = {0};
    struct cf_node *node = NULL;
    int fd cf_autoclose = cf_open_beneath(c->build->context.fd, source->path, O_RDONLY, 0);
    struct cf_layer_read_options options = {.source = read_archive,
                                            .source_context = &fd,
                                            .what = source->path,
                                            .any_compression = true,
                                            .canonical = true,
                                            .progress = c->build->options->progress,
                                            .progress_context =
                                                c->build->options->progress_context};
    if (fd < 0)
        return at_word(c, word, cf_fail_errno(err, -fd, "'%s'", source->path), err);
    int r = destination(c, false, NULL, &place, &node, err);
    if (r < 0)
        return r;
    r = cf_layer_read(c->build->store, &options, &info, err);
    if (r == 0)
        r = cf_layer_tree(c->build->store, &info.diff_id, &tree, err);
    if (r == 0)
        r = cf_graft(c->builder, node, tree, &c->options, err);
    return at_word(c, word, r, err);
}

/* ---- heredocs ---- */

static int copy_heredoc(struct copying *c, const struct cf_kubefile_heredoc *heredoc, bool one_file,
                        struct cf_error *err)
{
    struct cf_destination place cf_cleanup(cf_destination_done) = {0};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_digest digest;
    struct cf_node *node = NULL, *file = NULL;
    struct cf_inode inode = {.mode = S_IFREG | 0644, .mtime_sec = c->build->newest_sec};
    int r = destination(c, one_file, heredoc->name, &place, &node, err);

    if (r == 0)
        r = heredoc->expand
                ? cf_kubefile_expand(heredoc->text, heredoc->len, c->build->kubefile->escape,
                                     cf_build_variable, c->build, &text, err)
                : cf_buf_add(&text, heredoc->text, heredoc->len);
    if (r < 0)
        return r;
    const char *as = place.name ? place.name : heredoc->name;
    inode.uid = c->options.uid;
    inode.gid = c->options.gid;
    if (c->options.has_mode)
        inode.mode = S_IFREG | c->options.mode;
    r = check_place(c, &place, as, false, err);
    if (r == 0 && (r = cf_node_add(c->builder, node, as, strlen(as), &inode, &file)) < 0)
        return at_word(c, c->words.count - 1, cf_fail_errno(err, -r, "'%s'", as), err);
    if (r == 0 && text.len <= CF_INLINE_MAX)
        r = cf_node_set_inline(c->builder, file, text.data ? text.data : "", text.len);
    else if (r == 0 && (r = cf_object_put(c->build->store, text.data, text.len, &digest, err)) == 0)
        r = cf_node_set_object(c->builder, file, &digest, text.len);
    return r;
}

/* ---- all of it ---- */

static bool is_remote(const char *text)
{
    static const char *const schemes[] = {"http://", "https://", "git://", "git@"};
    for (size_t i = 0; i < CF_COUNT(schemes); i++)
        if (!strncmp(text, schemes[i], strlen(schemes[i])))
            return true;
    return false;
}

static int copy_word(struct copying *c, size_t word, bool only_word, struct cf_error *err)
{
    const char *text = c->words.list[word].text;
    bool add = c->instruction->word == CF_KUBEFILE_ADD;

    if (is_remote(text))
        return at_word(c, word,
                       cf_fail(err, -ENOTSUP,
                               "sources on the network are not fetched: put '%s' into the context",
                               text),
                       err);
    cf_found_sources_done(&c->sources);
    int r = at_word(c, word, cf_source_find(&c->build->context, text, &c->sources, err), err);
    bool one = only_word && c->sources.count == 1;
    for (size_t i = 0; r == 0 && i < c->sources.count; i++) {
        const struct cf_found_source *source = &c->sources.list[i];
        r = add && !source->is_dir && is_archive(source->path)
                ? unpack(c, source, word, err)
                : copy_source(c, source, word, one, err);
    }
    return r;
}

static int copy_all(struct copying *c, struct cf_error *err)
{
    size_t sources = c->words.count - 1;
    size_t heredocs = c->instruction->heredoc_count, next = 0;
    int r = 0;

    for (size_t i = 0; i < sources && r == 0; i++) {
        if (!strncmp(c->words.list[i].text, "<<", 2) && next < heredocs)
            r = copy_heredoc(c, &c->instruction->heredocs[next++], sources == 1, err);
        else
            r = copy_word(c, i, sources == 1, err);
    }
    return r;
}

static int newest_of(const struct cf_walk *walk, void *context)
{
    struct cf_inode inode;
    int64_t *newest = context;
    cf_node_inode(walk->node, &inode);
    if (inode.mtime_sec > *newest)
        *newest = inode.mtime_sec;
    return 0;
}

/* Directories that were made on the way are as old as what was put into them. */
static int date_directories(struct copying *c, struct cf_error *err)
{
    int64_t newest = 0;
    int r = c->made_count ? cf_builder_walk(c->builder, newest_of, &newest) : 0;
    for (size_t i = 0; i < c->made_count && r == 0; i++) {
        struct cf_inode inode;
        cf_node_inode(c->made[i], &inode);
        inode.mtime_sec = newest;
        cf_node_set_inode(c->made[i], &inode);
    }
    return r < 0 ? cf_fail_errno(err, -r, "the new layer") : 0;
}

static int make_layer(struct copying *c, struct cf_error *err)
{
    struct cf_build *build = c->build;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_layer_build_options options = {.progress = build->options->progress,
                                             .progress_context = build->options->progress_context};
    struct cf_layer_info info = {0};
    struct cf_digest key;
    int r = cf_build_key_new(build, "copy", &hasher, err);

    if (r == 0)
        r = cf_build_key_tree(hasher, c->builder, err);
    if (r < 0)
        return r;
    cf_hasher_final(hasher, &key);
    int found = cf_build_recall(build, &key, &info);
    if (found) {
        cf_build_tell(build, CF_BUILD_CACHED, "%s", "");
    } else {
        r = date_directories(c, err);
        if (r == 0)
            r = cf_layer_build(build->store, c->builder, &options, &info, err);
        if (r == 0)
            r = cf_build_remember(build, &key, &info, err);
    }
    if (r == 0 && cf_buf_printf(&text, "%s %s", cf_kubefile_word_name(c->instruction->word),
                                c->instruction->text) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    return r < 0 ? r : cf_build_add_layer(build, info.entries ? &info : NULL, text.data, err);
}

int cf_build_copy(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                  struct cf_error *err)
{
    struct copying c cf_cleanup(copying_done) = {.build = build, .instruction = instruction};

    c.options = (struct cf_importer_options){.has_clamp = build->image.has_timestamp,
                                             .clamp_sec = build->image.timestamp,
                                             .has_owner = true,
                                             .keep = cf_context_keep,
                                             .keep_context = &build->context,
                                             .progress = build->options->progress,
                                             .progress_context = build->options->progress_context};
    int r = cf_build_words(build, instruction, &c.words, err);
    if (r == 0)
        r = read_flags(&c, err);
    if (r == 0 && c.words.count < 2)
        r = cf_kubefile_fail(build->kubefile, instruction, strlen(instruction->text), err, -EINVAL,
                             "%s needs a source and a destination",
                             cf_kubefile_word_name(instruction->word));
    if (r < 0)
        return r;
    c.target = c.words.list[c.words.count - 1].text;
    r = cf_build_tree(build, &c.tree, err);
    if (r == 0)
        r = cf_builder_new(cf_store_tmp_fd(build->store), &c.builder, err);
    if (r == 0)
        r = cf_importer_new(build->store, c.builder, build->context.path, &c.options, &c.importer,
                            err);
    if (r == 0)
        r = copy_all(&c, err);
    return r < 0 ? r : make_layer(&c, err);
}
