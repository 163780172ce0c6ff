/* SPDX-License-Identifier: Apache-2.0 */
/* Methods of .Files, .Capabilities, times, durations and versions. */
#include "base64.h"
#include "dates.h"
#include "document.h"
#include "eval.h"
#include "format.h"
#include "model.h"
#include "semver.h"

#include <errno.h>
#include <string.h>

bool cf_eval_has_methods(struct cf_val receiver)
{
    return receiver.kind == CF_FILES || receiver.kind == CF_TIME || receiver.kind == CF_SEMVER ||
           (receiver.kind == CF_LIST && receiver.type == CF_T_APIVERSIONS) ||
           (receiver.kind == CF_INT && receiver.type == CF_T_DURATION);
}

static const char *one_string(struct cf_exec *x, struct cf_name name, const struct cf_val *args,
                              size_t count)
{
    if (count != 1)
        cf_run_throw(x->run, -EINVAL, "wrong number of args for %.*s: want 1 got %zu",
                     (int)name.len, name.str, count);
    if (args[0].kind != CF_STRING)
        cf_run_throw(x->run, -EINVAL, "wrong type for value; expected string; got %s",
                     cf_val_type_name(args[0]));
    return args[0].str;
}

static struct cf_val content(const struct cf_chart_file *file)
{
    return file ? cf_val_str(file->data, file->len) : cf_val_str("", 0);
}

static const struct cf_chart_file *find_file(const struct cf_files *files, const char *path)
{
    for (size_t i = 0; i < files->count; i++)
        if (!strcmp(files->list[i].path, path))
            return &files->list[i];
    return NULL;
}

static struct cf_val glob(struct cf_exec *x, const struct cf_files *files, const char *pattern)
{
    struct cf_files *found = cf_run_alloc(x->run, sizeof *found);
    for (size_t i = 0; i < files->count; i++)
        if (cf_glob_match(pattern, files->list[i].path))
            cf_files_add(x->run, found, files->list[i].path, files->list[i].data,
                         files->list[i].len);
    return (struct cf_val){.kind = CF_FILES, .files = found};
}

static struct cf_val lines(struct cf_exec *x, const struct cf_chart_file *file)
{
    struct cf_val list = cf_val_list(x->run, 0);
    list.type = CF_T_STRINGS;
    if (!file)
        return list;
    size_t len = file->len && file->data[file->len - 1] == '\n' ? file->len - 1 : file->len;
    for (size_t at = 0; at <= len;) {
        const char *end = memchr(file->data + at, '\n', len - at);
        size_t stop = end ? (size_t)(end - file->data) : len;
        cf_seq_add(x->run, list.seq, cf_val_copy_str(x->run, file->data + at, stop - at));
        at = stop + 1;
    }
    return list;
}

/* The base names with the contents, as YAML. */
static struct cf_val as_yaml(struct cf_exec *x, const struct cf_files *files, bool secret)
{
    struct cf_val map = cf_val_map(x->run, files->count);
    struct cf_text text;
    if (!files->count)
        return cf_val_str("", 0);
    for (size_t i = 0; i < files->count; i++) {
        const struct cf_chart_file *f = &files->list[i];
        const char *slash = strrchr(f->path, '/');
        cf_dict_set_str(x->run, map.dict, slash ? slash + 1 : f->path,
                        secret ? cf_val_base64_encode(x->run, f->data, f->len) : content(f));
    }
    cf_text_init(&text, x->run);
    (void)cf_document_put(&text, map);
    if (text.len)
        text.data[--text.len] = 0;
    return cf_val_text(&text);
}

static bool is(struct cf_name name, const char *text)
{
    return strlen(text) == name.len && !memcmp(name.str, text, name.len);
}

static bool files_method(struct cf_exec *x, const struct cf_files *files, struct cf_name name,
                         const struct cf_val *args, size_t count, struct cf_val *ret_val)
{
    if (is(name, "Get") || is(name, "GetBytes")) {
        *ret_val = content(find_file(files, one_string(x, name, args, count)));
        if (name.len > 3)
            ret_val->type = CF_T_BYTES;
    } else if (is(name, "Glob")) {
        *ret_val = glob(x, files, one_string(x, name, args, count));
    } else if (is(name, "Lines")) {
        *ret_val = lines(x, find_file(files, one_string(x, name, args, count)));
    } else if (is(name, "AsConfig") || is(name, "AsSecrets")) {
        *ret_val = as_yaml(x, files, name.len > 8);
    } else {
        const struct cf_chart_file *file =
            find_file(files, cf_run_copy(x->run, name.str, name.len));
        *ret_val = content(file);
        ret_val->type = CF_T_BYTES;
    }
    return true;
}

struct cf_val cf_eval_files_map(struct cf_exec *x, struct cf_val files)
{
    struct cf_val map = cf_val_map(x->run, files.files->count);
    for (size_t i = 0; i < files.files->count; i++) {
        struct cf_val data = content(&files.files->list[i]);
        data.type = CF_T_BYTES;
        cf_dict_set_str(x->run, map.dict, files.files->list[i].path, data);
    }
    return map;
}

static bool version_method(struct cf_exec *x, const struct cf_version *v, struct cf_name name,
                           const struct cf_val *args, size_t count, struct cf_val *ret_val)
{
    struct cf_text text;
    static const char *const numbers[] = {"Major", "Minor", "Patch"};
    for (int i = 0; i < 3; i++)
        if (is(name, numbers[i])) {
            *ret_val = cf_val_int64((int64_t)v->number[i]);
            return true;
        }
    if (is(name, "Prerelease") || is(name, "Metadata") || is(name, "Original")) {
        *ret_val = cf_val_cstr(is(name, "Prerelease") ? v->pre
                               : is(name, "Metadata") ? v->meta
                                                      : v->original);
        return true;
    }
    for (int i = 0; i < 3; i++)
        if (name.len == 3 + strlen(numbers[i]) && !memcmp(name.str, "Inc", 3) &&
            is((struct cf_name){name.str + 3, name.len - 3}, numbers[i])) {
            struct cf_version *next = cf_run_alloc(x->run, sizeof *next);
            *next = cf_version_next(x->run, v, i);
            *ret_val = (struct cf_val){.kind = CF_SEMVER, .pointer = next};
            return true;
        }
    if (is(name, "String")) {
        cf_text_init(&text, x->run);
        cf_version_string(&text, v);
        *ret_val = cf_val_text(&text);
        return true;
    }
    if (count != 1 || args[0].kind != CF_SEMVER)
        return false;
    int order = cf_version_compare(v, args[0].pointer);
    if (is(name, "Compare"))
        *ret_val = cf_val_int(order);
    else if (is(name, "Equal"))
        *ret_val = cf_val_bool(!order);
    else if (is(name, "LessThan"))
        *ret_val = cf_val_bool(order < 0);
    else if (is(name, "GreaterThan"))
        *ret_val = cf_val_bool(order > 0);
    else
        return false;
    return true;
}

bool cf_eval_method(struct cf_exec *x, struct cf_val receiver, struct cf_name name,
                    const struct cf_val *args, size_t count, struct cf_val *ret_val)
{
    if (receiver.kind == CF_FILES)
        return files_method(x, receiver.files, name, args, count, ret_val);
    if (receiver.kind == CF_SEMVER)
        return version_method(x, receiver.pointer, name, args, count, ret_val);
    if (receiver.kind == CF_LIST) {
        if (!is(name, "Has"))
            return false;
        const char *wanted = one_string(x, name, args, count);
        *ret_val = cf_val_bool(false);
        for (size_t i = 0; i < receiver.seq->count && !ret_val->b; i++)
            ret_val->b = cf_val_is_str(receiver.seq->items[i], wanted);
        return true;
    }
    return cf_time_method(x->run, receiver, cf_run_copy(x->run, name.str, name.len), args, count,
                          ret_val);
}
