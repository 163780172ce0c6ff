/* SPDX-License-Identifier: Apache-2.0 */
/* One template that belongs to no chart, with a map of strings as its data. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "render.h"

enum { MEMORY_LIMIT = 64 << 20, STEP_LIMIT = 5000000 };

static struct cf_val make_data(struct cf_run *run, const struct cf_template_value *values,
                               size_t count)
{
    struct cf_val data = cf_val_map(run, count ? count : 1);

    for (size_t i = 0; i < count; i++) {
        struct cf_val val = cf_val_cstr(values[i].count ? values[i].values[0] : "");
        if (values[i].count > 1) {
            val = cf_val_list(run, values[i].count);
            for (size_t k = 0; k < values[i].count; k++)
                cf_seq_add(run, val.seq, cf_val_cstr(values[i].values[k]));
        }
        cf_dict_set_str(run, data.dict, values[i].key, val);
    }
    return data;
}

/* What is not there must not become an empty place in a file. */
static void refuse_missing(struct cf_run *run, const char *name, const struct cf_text *out,
                           const struct cf_line_map *lines)
{
    static const char missing[] = "<no value>";
    const char *found =
        out->data ? memmem(out->data, out->len, missing, sizeof(missing) - 1) : NULL;
    size_t line = 1;

    if (!found)
        return;
    for (const char *at = out->data; at < found; at++)
        line += *at == '\n';
    cf_run_throw(run, -EINVAL,
                 "%s:%zu: a variable here is not set (--env NAME=VALUE; or give it a default: "
                 "{{ .NAME | default \"x\" }})",
                 name, cf_line_map_find(lines, line));
}

int cf_template_render(const char *name, const char *text, size_t len,
                       const struct cf_template_value *values, size_t value_count,
                       struct cf_buf *ret_text, struct cf_error *err)
{
    struct cf_run run;

    cf_run_init(&run, MEMORY_LIMIT, STEP_LIMIT);
    if (cf_run_enter(&run)) {
        int code = run.err.code;
        if (err)
            *err = run.err;
        cf_run_done(&run);
        return code;
    }
    struct cf_template_set *set = cf_run_alloc(&run, sizeof *set);
    struct cf_engine *engine = cf_run_alloc(&run, sizeof *engine);
    struct cf_line_map *lines = cf_run_alloc(&run, sizeof *lines);
    struct cf_text out;
    cf_template_set_init(set, &run);
    const struct cf_tree *tree = cf_template_parse(&run, set, name, text, len);
    lines->tree = tree;
    *engine =
        (struct cf_engine){.run = &run, .set = set, .lines = lines, .now = (int64_t)time(NULL)};
    cf_text_init(&out, &run);
    cf_exec_template(engine, tree, make_data(&run, values, value_count), &out);
    refuse_missing(&run, name, &out, lines);
    int r = cf_buf_add(ret_text, out.data ? out.data : "", out.len);
    cf_run_done(&run);
    return r < 0 ? cf_fail(err, r, "out of memory") : 0;
}
