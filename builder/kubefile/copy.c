/* SPDX-License-Identifier: Apache-2.0 */
/* COPY and ADD: things of the context become a layer. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
    char checksum[CF_DIGEST_TEXT_SIZE]; /* --checksum; "": none */
    struct cf_web_file *fetched;        /* what was fetched, to be remembered */
    size_t fetched_count;
    struct cf_digest quick; /* key without the sources' content */
    bool has_quick, quick_settled;
};

static void copying_done(struct copying *c)
{
    cf_kubefile_words_done(&c->words);
    cf_found_sources_done(&c->sources);
    cf_importer_free(c->importer);
    cf_builder_free(c->builder);
    cf_tree_close(c->tree);
    free(c->made);
    free(c->fetched);
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

/* "sha256:<64 hex>", or the ID of a git commit. */
static int take_checksum(struct copying *c, const char *value)
{
    size_t len = !strncmp(value, "sha256:", 7) ? 7 : 0;
    size_t digits = strspn(value + len, "0123456789abcdef");
    if (value[len + digits] || !(digits == 64 || (!len && digits == 40)))
        return -EINVAL;
    (void)snprintf(c->checksum, sizeof(c->checksum), "%s", value);
    return 0;
}

static const char *flag_rule(const char *name)
{
    return !strcmp(name, "chown")   ? "numbers are meant, as in --chown=0:0"
           : !strcmp(name, "chmod") ? "an octal number is meant, as in --chmod=755"
                                    : "sha256: and 64 hex digits are meant, or a git commit";
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
        else if (!strcmp(flag->name, "checksum"))
            r = take_checksum(c, text);
        else
            return cf_kubefile_fail(c->build->kubefile, c->instruction, 0, err, -EINVAL,
                                    "%s has no flag --%s; there are --chown, --chmod, --checksum",
                                    cf_kubefile_word_name(c->instruction->word), flag->name);
        if (r < 0)
            return cf_kubefile_fail(c->build->kubefile, c->instruction, 0, err, -EINVAL,
                                    "--%s=%s: %s", flag->name, text, flag_rule(flag->name));
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

/* ---- files that are not in the context ---- */

/* A node for a file of that name, where the instruction wants it. */
static int add_file(struct copying *c, const char *name, bool one_file, int64_t mtime,
                    struct cf_node **ret_file, struct cf_error *err)
{
    struct cf_destination place cf_cleanup(cf_destination_done) = {0};
    struct cf_node *node = NULL;
    struct cf_inode inode = {.mode = S_IFREG | (c->options.has_mode ? c->options.mode : 0644),
                             .uid = c->options.uid,
                             .gid = c->options.gid,
                             .mtime_sec = mtime};
    int r = destination(c, one_file, name, &place, &node, err);

    if (r < 0)
        return r;
    if (c->options.has_clamp && mtime > c->options.clamp_sec)
        inode.mtime_sec = c->options.clamp_sec;
    const char *as = place.name ? place.name : name;
    r = check_place(c, &place, as, false, err);
    if (r == 0 && (r = cf_node_add(c->builder, node, as, strlen(as), &inode, ret_file)) < 0)
        return at_word(c, c->words.count - 1, cf_fail_errno(err, -r, "'%s'", as), err);
    return r;
}

static int copy_heredoc(struct copying *c, const struct cf_kubefile_heredoc *heredoc, bool one_file,
                        struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_node *file = NULL;
    int r = add_file(c, heredoc->name, one_file, c->build->newest_sec, &file, err);

    if (r == 0)
        r = heredoc->expand
                ? cf_kubefile_expand(heredoc->text, heredoc->len, c->build->kubefile->escape,
                                     cf_build_variable, c->build, &text, err)
                : cf_buf_add(&text, heredoc->text, heredoc->len);
    return r < 0 ? r : cf_object_put_node(c->build->store, c->builder, file, &text, err);
}

static int copy_web(struct copying *c, const char *url, bool one_file, struct cf_error *err)
{
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_web_file *list = reallocarray(c->fetched, c->fetched_count + 1, sizeof(*c->fetched));
    char name[NAME_MAX + 1], digest[CF_DIGEST_TEXT_SIZE];
    struct cf_node *node = NULL;

    if (!list)
        return cf_fail(err, -ENOMEM, "out of memory");
    c->fetched = list;
    struct cf_web_file *file = &list[c->fetched_count];
    if (cf_web_name(url, name) < 0)
        return cf_fail(err, -EINVAL, "'%s' ends in no file's name", url);
    int r = cf_web_fetch(c->build, url, file, err);
    if (r < 0)
        return r;
    c->fetched_count++;
    cf_digest_text(&file->digest, digest);
    if (*c->checksum && strcmp(c->checksum, digest) != 0)
        return cf_fail(err, -EBADMSG, "%s is %s, not %s as --checksum says", url, digest,
                       c->checksum);
    r = add_file(c, name, one_file, file->modified < 0 ? c->build->newest_sec : file->modified,
                 &node, err);
    if (r < 0 || file->size > CF_INLINE_MAX)
        return r < 0 ? r : cf_node_set_object(c->builder, node, &file->digest, file->size);
    const struct cf_content content = {
        .kind = CF_CONTENT_OBJECT, .digest = file->digest, .size = file->size};
    r = cf_content_read(c->build->store, &content, CF_INLINE_MAX, &text, err);
    return r < 0 ? r : cf_node_set_inline(c->builder, node, text.data ? text.data : "", text.len);
}

/* What is in the repository, as old as its commit. */
static int copy_git(struct copying *c, const char *url, struct cf_error *err)
{
    struct cf_destination place cf_cleanup(cf_destination_done) = {0};
    struct cf_importer *importer cf_cleanup(cf_importer_free_ptr) = NULL;
    struct cf_importer_options options = c->options;
    struct cf_git_tree tree = {.fd = -1};
    struct cf_node *node = NULL;
    int r = cf_git_fetch(c->build, url, &tree, err);

    if (r == 0 && *c->checksum && strcmp(c->checksum, tree.commit) != 0)
        r = cf_fail(err, -EBADMSG, "%s is commit %s, not %s as --checksum says", url, tree.commit,
                    c->checksum);
    if (r == 0)
        r = destination(c, false, NULL, &place, &node, err);
    options.keep = NULL;
    if (!options.has_clamp || options.clamp_sec > tree.moment)
        options.clamp_sec = tree.moment;
    options.has_clamp = true;
    if (r == 0)
        r = cf_importer_new(c->build->store, c->builder, url, &options, &importer, err);
    if (r == 0)
        r = cf_importer_add_inside(importer, node, tree.fd, "", false, err);
    cf_git_done(c->build, &tree);
    return r;
}

/* ---- all of it ---- */

static int copy_word(struct copying *c, size_t word, bool only_word, struct cf_error *err)
{
    const char *text = c->words.list[word].text;
    bool add = c->instruction->word == CF_KUBEFILE_ADD;

    if (cf_source_kind_of(text) == CF_SOURCE_WEB)
        return at_word(c, word, copy_web(c, text, only_word, err), err);
    if (cf_source_kind_of(text) == CF_SOURCE_GIT)
        return at_word(c, word, copy_git(c, text, err), err);
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

/* ---- the cache ---- */

/* One word of the quick key: 0, or the source must be read to know. */
static int quick_word(struct copying *c, struct cf_hasher *hasher, const char *text,
                      int64_t *newest)
{
    int r = 0;

    cf_build_key_add(hasher, text);
    if (cf_source_kind_of(text) != CF_SOURCE_LOCAL || !strncmp(text, "<<", 2))
        return 0;
    cf_found_sources_done(&c->sources);
    r = cf_source_find(&c->build->context, text, &c->sources, NULL);
    for (size_t i = 0; r == 0 && i < c->sources.count; i++)
        r = cf_quick_source(hasher, &c->build->context, c->sources.list[i].path,
                            c->sources.list[i].contents, newest);
    return r;
}

/* The instruction, and what its sources look like from outside. Sources on the network are their
 * addresses: they are asked for once, until --no-cache. */
static int make_quick_key(struct copying *c, struct cf_error *err)
{
    struct cf_build *build = c->build;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    char flags[64];
    int64_t newest = 0;
    int looked = 0;
    int r = cf_build_key_new(build, "quick copy", &hasher, err);

    if (r < 0)
        return r;
    (void)snprintf(flags, sizeof(flags), "%d %d %u:%u %d %o %lld", build->kubefile->docker_copy,
                   c->instruction->word, c->options.uid, c->options.gid, c->options.has_mode,
                   (unsigned)c->options.mode, (long long)build->newest_sec);
    cf_build_key_add(hasher, flags);
    cf_build_key_add(hasher, c->checksum);
    for (size_t i = 0; i < build->context.ignore.count; i++) {
        cf_build_key_add(hasher, build->context.ignore.rules[i].exception ? "!" : "");
        cf_build_key_add(hasher, build->context.ignore.rules[i].pattern);
    }
    cf_build_key_add(hasher, c->target);
    for (size_t i = 0; i + 1 < c->words.count && looked == 0; i++)
        looked = quick_word(c, hasher, c->words.list[i].text, &newest);
    for (size_t i = 0; i < c->instruction->heredoc_count && r == 0; i++) {
        const struct cf_kubefile_heredoc *doc = &c->instruction->heredocs[i];
        cf_buf_clear(&text);
        r = doc->expand ? cf_kubefile_expand(doc->text, doc->len, build->kubefile->escape,
                                             cf_build_variable, build, &text, err)
                        : cf_buf_add(&text, doc->text, doc->len);
        cf_build_key_add(hasher, doc->name);
        cf_build_key_add(hasher, text.data ? text.data : "");
    }
    if (r < 0 || looked < 0)
        return r;
    cf_hasher_final(hasher, &c->quick);
    c->has_quick = true;
    c->quick_settled = cf_quick_settled(newest);
    return 0;
}

static int remember(struct copying *c, const struct cf_layer_info *info, struct cf_error *err)
{
    int r =
        c->has_quick && c->quick_settled ? cf_build_remember(c->build, &c->quick, info, err) : 0;
    for (size_t i = 0; i < c->fetched_count && info->entries && r == 0; i++)
        if (c->fetched[i].note[0])
            r = cf_memo_set(c->build->store, &c->fetched[i].key, &info->diff_id, c->fetched[i].note,
                            err);
    return r;
}

/* The layer of what the builder holds: one that is known, or a new one. */
static int make_layer(struct copying *c, struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_build *build = c->build;
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_layer_build_options options = {.progress = build->options->progress,
                                             .progress_context = build->options->progress_context};
    struct cf_digest key;
    int r = cf_build_key_new(build, "copy", &hasher, err);

    if (r == 0)
        r = cf_build_key_tree(hasher, c->builder, err);
    if (r < 0)
        return r;
    cf_hasher_final(hasher, &key);
    if (cf_build_recall(build, &key, ret_info)) {
        cf_build_tell(build, CF_BUILD_CACHED, "%s", "");
    } else {
        r = date_directories(c, err);
        if (r == 0)
            r = cf_layer_build(build->store, c->builder, &options, ret_info, err);
        if (r == 0)
            r = cf_build_remember(build, &key, ret_info, err);
    }
    return r < 0 ? r : remember(c, ret_info, err);
}

static int read_sources(struct copying *c, struct cf_layer_info *ret_info, struct cf_error *err)
{
    struct cf_build *build = c->build;
    int r = cf_build_tree(build, &c->tree, err);

    if (r == 0)
        r = cf_builder_new(cf_store_tmp_fd(build->store), &c->builder, err);
    if (r == 0)
        r = cf_importer_new(build->store, c->builder, build->context.path, &c->options,
                            &c->importer, err);
    if (r == 0)
        r = copy_all(c, err);
    return r < 0 ? r : make_layer(c, ret_info, err);
}

int cf_build_copy(struct cf_build *build, const struct cf_kubefile_instruction *instruction,
                  struct cf_error *err)
{
    struct copying c cf_cleanup(copying_done) = {.build = build, .instruction = instruction};
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_layer_info info = {0};

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
    r = make_quick_key(&c, err);
    if (r < 0)
        return r;
    if (c.has_quick && cf_build_recall(build, &c.quick, &info))
        cf_build_tell(build, CF_BUILD_CACHED, "%s", "");
    else
        r = read_sources(&c, &info, err);
    if (r == 0 && cf_buf_printf(&text, "%s %s", cf_kubefile_word_name(instruction->word),
                                instruction->text) < 0)
        r = cf_fail(err, -ENOMEM, "out of memory");
    return r < 0 ? r : cf_build_add_layer(build, info.entries ? &info : NULL, text.data, err);
}
