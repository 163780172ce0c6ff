/* SPDX-License-Identifier: Apache-2.0 */
/* Plain directories as the lower side: what a stack shows, and that its numbers and memory hold. */
#include "union_fixture.h"

#define LAYERS 3

struct stack_fixture {
    char top[64];
    char paths[LAYERS][96];
    struct cf_stack *stack;
    struct cf_union *u;
};

static void put_file(const struct stack_fixture *f, int layer, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", f->paths[layer], name);
    int fd = open(path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    must(cf_write_full(fd, text, strlen(text)));
    (void)close(fd);
}

static void put_dir(const struct stack_fixture *f, int layer, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", f->paths[layer], name);
    assert_int_equal(mkdir(path, 0755), 0);
}

static void put_xattr(const struct stack_fixture *f, int layer, const char *name, const char *xattr,
                      const char *value)
{
    char path[256];
    (void)snprintf(path, sizeof(path), "%s/%s", f->paths[layer], name);
    assert_int_equal(setxattr(path, xattr, value, strlen(value), 0), 0);
}

static void open_stack(struct stack_fixture *f)
{
    const char *paths[LAYERS];
    struct cf_error err = {0};
    for (int i = 0; i < LAYERS; i++)
        paths[i] = f->paths[i];
    const struct cf_stack_options so = {.paths = paths, .lower_count = LAYERS, .user_xattrs = true};
    must(cf_stack_open(&so, &f->stack, &err));
    const struct cf_union_options uo = {
        .stack = f->stack, .objects_fd = -1, .upper_fd = -1, .work_fd = -1, .user_xattrs = true};
    must(cf_union_open(&uo, &f->u, &err));
}

static void close_stack(struct stack_fixture *f)
{
    cf_union_close(f->u);
    cf_stack_close(f->stack);
    f->u = NULL;
    f->stack = NULL;
}

static int set_up(void **state)
{
    struct stack_fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    (void)snprintf(f->top, sizeof(f->top), "/tmp/cloudfs-stack.XXXXXX");
    assert_non_null(mkdtemp(f->top));
    for (int i = 0; i < LAYERS; i++) {
        (void)snprintf(f->paths[i], sizeof(f->paths[i]), "%s/%d", f->top, i);
        assert_int_equal(mkdir(f->paths[i], 0755), 0);
    }
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct stack_fixture *f = *state;
    close_stack(f);
    must(cf_remove_tree(AT_FDCWD, f->top));
    free(f);
    return 0;
}

/* The number of a path, its references kept: 0 where there is nothing. */
static uint64_t number(struct cf_union *u, const char *path)
{
    char copy[256], *rest = copy;
    uint64_t ino = CF_ROOT_INO;
    (void)snprintf(copy, sizeof(copy), "%s", path);
    for (char *name; (name = strsep(&rest, "/"));) {
        struct cf_entry entry;
        int r = cf_union_lookup(u, ino, name, &entry);
        if (r == -ENOENT || r == -ENOTDIR)
            return 0;
        must(r);
        ino = entry.ino;
    }
    return ino;
}

static void content(struct cf_union *u, const char *path, const char *want)
{
    struct cf_file *file = NULL;
    char text[64] = "";
    must(cf_union_open_file(u, number(u, path), O_RDONLY, &file));
    ssize_t n = cf_file_read(file, text, sizeof(text) - 1, 0);
    cf_file_close(file);
    assert_true(n >= 0);
    assert_string_equal(text, want);
}

static int note_name(void *context, const char *name, uint64_t cookie, unsigned type,
                     const struct cf_entry *entry)
{
    struct cf_buf *names = context;
    (void)cookie, (void)type, (void)entry;
    return cf_buf_printf(names, "%s ", name);
}

static void listing(struct cf_union *u, const char *path, const char *want)
{
    struct cf_buf names cf_autobuf = CF_BUF_INIT;
    struct cf_dir *dir = NULL;
    must(cf_union_open_dir(u, *path ? number(u, path) : CF_ROOT_INO, &dir));
    must(cf_dir_read(dir, 0, false, note_name, &names));
    cf_dir_close(dir);
    assert_string_equal(names.data, want);
}

static void layers_merge_until_something_ends_it(void **state)
{
    struct stack_fixture *f = *state;
    for (int i = 0; i < LAYERS; i++) {
        char text[2] = {(char)('0' + i), 0};
        put_dir(f, i, "d");
        put_dir(f, i, "opaque");
        put_file(f, i, "d/same", text);
        put_file(f, i, "opaque/same", text);
    }
    put_file(f, 1, "d/middle", "m");
    put_file(f, 2, "d/gone", "g");
    put_file(f, 1, "d/.wh.gone", "");
    put_file(f, 2, "d/kept", "k");
    put_file(f, 1, "d/.wh.note", "a file of somebody");
    put_file(f, 2, "opaque/below", "b");
    put_xattr(f, 1, "opaque", "user.fuseoverlayfs.opaque", "y");
    put_file(f, 1, "wall", "w");
    put_dir(f, 2, "wall");
    put_file(f, 2, "wall/behind", "x");
    open_stack(f);
    listing(f->u, "", ". .. d opaque wall ");
    listing(f->u, "d", ". .. .wh.note kept middle same ");
    listing(f->u, "opaque", ". .. same ");
    content(f->u, "d/same", "0");
    content(f->u, "d/middle", "m");
    content(f->u, "d/kept", "k");
    content(f->u, "wall", "w");
    assert_int_equal(number(f->u, "d/gone"), 0);
    assert_int_equal(number(f->u, "opaque/below"), 0);
    assert_int_equal(number(f->u, "wall/behind"), 0);
}

static void redirects_lead_to_layers_below(void **state)
{
    struct stack_fixture *f = *state;
    put_dir(f, 0, "new");
    put_xattr(f, 0, "new", "user.overlay.redirect", "/sub/old");
    put_dir(f, 0, "near");
    put_xattr(f, 0, "near", "user.overlay.redirect", "far");
    put_file(f, 0, "stub", "");
    put_xattr(f, 0, "stub", "user.overlay.metacopy", "");
    put_xattr(f, 0, "stub", "user.overlay.redirect", "/sub/old/file");
    put_dir(f, 1, "sub");
    put_dir(f, 1, "sub/old");
    put_file(f, 1, "sub/old/file", "data");
    put_dir(f, 2, "far");
    put_file(f, 2, "far/one", "1");
    put_dir(f, 0, "bad");
    put_xattr(f, 0, "bad", "user.overlay.redirect", "../sub");
    open_stack(f);
    content(f->u, "new/file", "data");
    content(f->u, "near/one", "1");
    content(f->u, "stub", "data");
    struct cf_entry entry;
    assert_int_equal(cf_union_lookup(f->u, CF_ROOT_INO, "bad", &entry), -EINVAL);
}

static void numbers_are_the_same_in_every_mount_of_a_stack(void **state)
{
    struct stack_fixture *f = *state;
    put_dir(f, 0, "d");
    put_dir(f, 2, "d");
    put_file(f, 0, "d/a", "a");
    put_file(f, 2, "d/b", "b");
    open_stack(f);
    uint64_t a = number(f->u, "d/a"), b = number(f->u, "d/b");
    assert_true(a && b && a != b);
    close_stack(f);
    open_stack(f);
    assert_int_equal(number(f->u, "d/b"), b);
    assert_int_equal(number(f->u, "d/a"), a);
}

static void nodes_that_nobody_needs_go_and_come_back(void **state)
{
    enum { MANY = 9000 };
    struct stack_fixture *f = *state;
    put_dir(f, 1, "many");
    for (int i = 0; i < MANY; i++) {
        char name[32];
        (void)snprintf(name, sizeof(name), "many/%d", i);
        put_file(f, 1, name, "");
    }
    put_file(f, 1, "many/kept", "k");
    open_stack(f);
    uint64_t dir = number(f->u, "many"), kept = number(f->u, "many/kept");
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            struct cf_entry entry;
            char name[16];
            (void)snprintf(name, sizeof(name), "%d", i);
            must(cf_union_lookup(f->u, dir, name, &entry));
            cf_union_forget(f->u, entry.ino, 1);
        }
        cf_union_trim(f->u);
    }
    struct stat st;
    must(cf_union_getattr(f->u, kept, &st));
    assert_int_equal(number(f->u, "many/kept"), kept);
    content(f->u, "many/kept", "k");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(layers_merge_until_something_ends_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(redirects_lead_to_layers_below, set_up, tear_down),
        cmocka_unit_test_setup_teardown(numbers_are_the_same_in_every_mount_of_a_stack, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nodes_that_nobody_needs_go_and_come_back, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
