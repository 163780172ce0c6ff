/* SPDX-License-Identifier: Apache-2.0 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cloudfs/buf.h>
#include <cloudfs/digest.h>
#include <cloudfs/error.h>
#include <cloudfs/io.h>
#include <cloudfs/log.h>
#include <cloudfs/scope.h>

/* Each test that needs it has a directory of its own, open as *state. */
struct place {
    char path[64];
    int fd;
};

static int make_place(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    if (!place)
        return -1;
    (void)strcpy(place->path, "/tmp/cloudfs-test.XXXXXX");
    if (!mkdtemp(place->path))
        return -1;
    place->fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = place;
    return place->fd < 0 ? -1 : 0;
}

static int remove_place(void **state)
{
    struct place *place = *state;
    int r = cf_remove_tree(AT_FDCWD, place->path);
    (void)close(place->fd);
    free(place);
    return r;
}

static void an_error_has_its_number_and_one_escaped_line(void **state)
{
    struct cf_error err = {0};
    (void)state;
    assert_int_equal(cf_fail(&err, -EBADMSG, "layer %s: bad\ndigest \x1b[31m", "a\tb"), -EBADMSG);
    assert_int_equal(err.code, -EBADMSG);
    assert_string_equal(err.text, "layer a\\tb: bad\\ndigest \\x1b[31m");
    assert_int_equal(cf_fail_errno(&err, ENOENT, "open %s", "x"), -ENOENT);
    assert_string_equal(err.text, "open x: No such file or directory");
    assert_int_equal(cf_fail(NULL, -EINVAL, "nobody reads"), -EINVAL);
}

static void context_goes_in_front_of_an_error(void **state)
{
    struct cf_error err = {0};
    (void)state;
    assert_int_equal(cf_fail_in(&err, -ENOSPC, "commit"), -ENOSPC);
    assert_string_equal(err.text, "commit: No space left on device");
    assert_int_equal(cf_fail_in(&err, -ENOSPC, "push %d", 7), -ENOSPC);
    assert_string_equal(err.text, "push 7: commit: No space left on device");
    assert_int_equal(cf_fail(&err, -EIO, "again: %s", err.text), -EIO);
    assert_string_equal(err.text, "again: push 7: commit: No space left on device");
    assert_int_equal(err.code, -EIO);
}

static void an_overlong_error_is_cut_and_says_so(void **state)
{
    struct cf_error err = {0};
    char controls[2000];
    (void)state;
    memset(controls, 1, sizeof(controls) - 1);
    controls[sizeof(controls) - 1] = '\0';
    (void)cf_fail(&err, -EINVAL, "%s", controls);
    size_t len = strlen(err.text);
    assert_in_range(len, CF_ERROR_TEXT_SIZE - 8, CF_ERROR_TEXT_SIZE - 1);
    assert_string_equal(err.text + len - 3, "...");
}

static void quoting_shows_any_name_on_one_line(void **state)
{
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", "\"\""},
        {"etc/daemon.json", "\"etc/daemon.json\""},
        {"a\"b\\c", "\"a\\\"b\\\\c\""},
        {"\n\r\t\x01\x7f", "\"\\n\\r\\t\\x01\\x7f\""},
        {"caf\xc3\xa9", "\"caf\xc3\xa9\""},
        {"c1\xc2\x9b", "\"c1\\x9b\""},
        {"end\xc2", "\"end\xc2\""},
        {NULL, "\"(null)\""},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++)
        assert_string_equal(CF_QUOTE(cases[i].in), cases[i].out);
    char small[12];
    assert_string_equal(cf_quote("123456789", small, sizeof(small)), "\"123456789\"");
    assert_string_equal(cf_quote("1234567890", small, sizeof(small)), "\"123456...\"");
}

static void keep_line(void *data, enum cf_log_level level, const char *line)
{
    (void)cf_buf_printf(data, "%s:%s;", cf_log_level_name(level), line);
}

static void log_lines_reach_the_sink_up_to_the_level(void **state)
{
    struct cf_buf lines cf_autobuf = CF_BUF_INIT;
    (void)state;
    cf_log(CF_LOG_ERROR, "to nobody");
    cf_log_set(CF_LOG_INFO, keep_line, &lines);
    errno = EXDEV;
    cf_log(CF_LOG_ERROR, "one %d", 1);
    assert_int_equal(errno, EXDEV);
    cf_log(CF_LOG_DEBUG, "not wanted");
    cf_log(CF_LOG_INFO, "two\nlines");
    assert_false(cf_log_wants(CF_LOG_DEBUG));
    cf_log_set(CF_LOG_DEBUG, NULL, NULL);
    assert_false(cf_log_wants(CF_LOG_ERROR));
    assert_string_equal(lines.data, "error:one 1;info:two\\nlines;");
}

static void a_buffer_grows_and_stays_a_string(void **state)
{
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    (void)state;
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(cf_buf_printf(&buf, "%d,", i), 0);
        assert_int_equal(strlen(buf.data), buf.len);
        assert_true(buf.room > buf.len);
    }
    assert_int_equal(buf.len, 10 * 2 + 90 * 3 + 900 * 4);
    cf_buf_clear(&buf);
    assert_string_equal(buf.data, "");
    assert_int_equal(cf_buf_add(&buf, "a\0b", 3), 0);
    assert_int_equal(cf_buf_add_char(&buf, 'c'), 0);
    assert_int_equal(buf.len, 4);
    assert_memory_equal(buf.data, "a\0bc", 5);
    assert_int_equal(cf_buf_reserve(&buf, SIZE_MAX), -ENOMEM);
    assert_int_equal(cf_buf_reserve(&buf, SIZE_MAX - 4), -ENOMEM);
    assert_int_equal(buf.len, 4);
    char *taken cf_autofree = cf_buf_take(&buf);
    assert_memory_equal(taken, "a\0bc", 5);
    assert_null(buf.data);
    char *empty cf_autofree = cf_buf_take(&buf);
    assert_string_equal(empty, "");
}

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define EMPTY "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void a_digest_has_one_spelling_only(void **state)
{
    static const char *const bad[] = {
        "",
        "sha256:",
        "sha512:" ABC,
        "sha256:" ABC "0",
        "SHA256:" ABC,
        ABC,
        "sha256: " ABC,
        "sha256:BA7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "sha256:../../../../../../../../../../../../../../../../../../../../etc",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015a",
        "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ag",
    };
    struct cf_digest digest, other;
    char text[CF_DIGEST_TEXT_SIZE], hex[CF_DIGEST_HEX_SIZE];
    (void)state;
    assert_int_equal(cf_digest_parse("sha256:" ABC, &digest), 0);
    cf_digest_text(&digest, text);
    assert_string_equal(text, "sha256:" ABC);
    cf_digest_hex(&digest, hex);
    assert_string_equal(hex, ABC);
    other = digest;
    for (size_t i = 0; i < CF_COUNT(bad); i++)
        assert_int_equal(cf_digest_parse(bad[i], &other), -EINVAL);
    assert_int_equal(cf_digest_parse(NULL, &other), -EINVAL);
    assert_true(cf_digest_equal(&digest, &other));
    other.bytes[31]++;
    assert_false(cf_digest_equal(&digest, &other));
    assert_true(cf_digest_compare(&digest, &other) < 0);
}

static void hashing_gives_the_published_answers(void **state)
{
    struct cf_hasher *hasher cf_cleanup(cf_hasher_free_ptr) = NULL;
    struct cf_digest digest, want;
    (void)state;
    assert_int_equal(cf_digest_parse_hex(ABC, &want), 0);
    cf_digest_of("abc", 3, &digest);
    assert_true(cf_digest_equal(&digest, &want));
    assert_int_equal(cf_hasher_new(&hasher), 0);
    cf_hasher_update(hasher, "a", 1);
    cf_hasher_update(hasher, "bc", 2);
    cf_hasher_final(hasher, &digest);
    assert_true(cf_digest_equal(&digest, &want));
    cf_hasher_final(hasher, &digest);
    assert_int_equal(cf_digest_parse_hex(EMPTY, &want), 0);
    assert_true(cf_digest_equal(&digest, &want));
}

static void a_replaced_file_is_whole_and_leaves_no_litter(void **state)
{
    struct place *place = *state;
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    struct stat st;
    assert_int_equal(cf_mkdir_path(place->fd, "a/b//c/", 0755), 0);
    assert_int_equal(cf_mkdir_path(place->fd, "a/b/c", 0755), 0);
    assert_int_equal(cf_replace_file(place->fd, "a/b/f", "first", 5, 0644), 0);
    assert_int_equal(cf_replace_file(place->fd, "a/b/f", "second", 6, 0400), 0);
    assert_int_equal(cf_replace_file(place->fd, "top", "", 0, 0666), 0);
    assert_int_equal(cf_read_file(place->fd, "a/b/f", 6, &buf), 0);
    assert_int_equal(cf_read_file(place->fd, "top", 0, &buf), 0);
    assert_string_equal(buf.data, "second");
    assert_int_equal(fstatat(place->fd, "a/b/f", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(cf_replace_file(place->fd, "a/b/c", "x", 1, 0644), -EISDIR);
    assert_int_equal(cf_replace_file(place->fd, "no/f", "x", 1, 0644), -ENOENT);
    assert_int_equal(cf_mkdir_path(place->fd, "a/b/f/g", 0755), -ENOTDIR);
    assert_int_equal(cf_mkdir_path(place->fd, "a/b/f", 0755), -ENOTDIR);
    assert_int_equal(cf_mkdir_path(place->fd, "", 0755), -ENOENT);
    assert_int_equal(unlinkat(place->fd, "a/b/f", 0), 0);
    assert_int_equal(unlinkat(place->fd, "a/b/c", AT_REMOVEDIR), 0);
    assert_int_equal(unlinkat(place->fd, "a/b", AT_REMOVEDIR), 0); /* nothing else in it */
}

static void reading_stops_at_the_limit(void **state)
{
    struct place *place = *state;
    struct cf_buf buf cf_autobuf = CF_BUF_INIT;
    int ends[2];
    assert_int_equal(cf_replace_file(place->fd, "f", "0123456789", 10, 0644), 0);
    assert_int_equal(cf_buf_add_str(&buf, "kept"), 0);
    assert_int_equal(cf_read_file(place->fd, "f", 9, &buf), -EFBIG);
    assert_string_equal(buf.data, "kept");
    assert_int_equal(cf_read_file(place->fd, "f", 10, &buf), 0);
    assert_string_equal(buf.data, "kept0123456789");
    assert_int_equal(cf_read_file(place->fd, "absent", 10, &buf), -ENOENT);
    assert_int_equal(cf_read_file(place->fd, ".", 10, &buf), -EISDIR);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(cf_write_full(ends[1], "from a pipe", 11), 0);
    (void)close(ends[1]);
    assert_int_equal(cf_read_fd(ends[0], 5, &buf), -EFBIG);
    assert_string_equal(buf.data, "kept0123456789");
    (void)close(ends[0]);
}

static void reads_and_writes_are_whole(void **state)
{
    struct place *place = *state;
    char data[16];
    int fd cf_autoclose = openat(place->fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(cf_write_full(fd, "hello", 5), 0);
    assert_int_equal(cf_pwrite_full(fd, "J", 1, 0), 0);
    assert_int_equal(cf_pread_full(fd, data, sizeof(data), 1), 4);
    assert_memory_equal(data, "ello", 4);
    assert_int_equal(cf_read_full(fd, data, sizeof(data)), 0);
    assert_int_equal(cf_pread_full(fd, data, 1, -1), -EINVAL);
    assert_int_equal(cf_pwrite_full(fd, data, 1, -1), -EINVAL);
    assert_int_equal(cf_read_full(-1, data, 1), -EBADF);
    assert_int_equal(cf_write_full(place->fd, data, 1), -EBADF);
}

/* Makes a chain of depth directories called d below dirfd/name, a file in each 1000th. */
static void make_deep(int dirfd, const char *name, int depth)
{
    int at = dup(dirfd);
    assert_int_equal(mkdirat(at, name, 0700), 0);
    for (int i = 0; i <= depth; i++) {
        int next = openat(at, i ? "d" : name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(next >= 0);
        (void)close(at);
        at = next;
        assert_int_equal(mkdirat(at, "d", 0700), 0);
        if (i % 1000 == 0)
            assert_int_equal(close(openat(at, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0)), 0);
    }
    (void)close(at);
}

static void a_tree_deeper_than_any_path_is_removed_with_few_descriptors(void **state)
{
    struct place *place = *state;
    struct rlimit old, few;
    make_deep(place->fd, "deep", 5000);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    few = (struct rlimit){64, old.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    int r = cf_remove_tree(place->fd, "deep");
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(r, 0);
    assert_int_equal(faccessat(place->fd, "deep", F_OK, AT_SYMLINK_NOFOLLOW), -1);
}

static void removal_takes_files_and_symlinks_and_leaves_their_targets(void **state)
{
    struct place *place = *state;
    char name[32];
    assert_int_equal(cf_mkdir_path(place->fd, "keep/sub", 0755), 0);
    assert_int_equal(cf_mkdir_path(place->fd, "t/many", 0755), 0);
    assert_int_equal(symlinkat("../keep", place->fd, "t/link"), 0);
    assert_int_equal(symlinkat("keep", place->fd, "link"), 0);
    assert_int_equal(symlinkat("nowhere", place->fd, "t/dangling"), 0);
    assert_int_equal(mkfifoat(place->fd, "t/fifo", 0600), 0);
    for (int i = 0; i < 3000; i++) {
        (void)snprintf(name, sizeof(name), "t/many/%d", i);
        assert_int_equal(symlinkat("x", place->fd, name), 0);
    }
    assert_int_equal(cf_remove_tree(place->fd, "t"), 0);
    assert_int_equal(cf_remove_tree(place->fd, "link"), 0);
    assert_int_equal(cf_remove_tree(place->fd, "t"), 0); /* absent is fine */
    assert_int_equal(faccessat(place->fd, "t", F_OK, 0), -1);
    assert_int_equal(faccessat(place->fd, "link", F_OK, AT_SYMLINK_NOFOLLOW), -1);
    assert_int_equal(faccessat(place->fd, "keep/sub", F_OK, 0), 0);
}

static void lock_away(int dirfd)
{
    assert_int_equal(cf_mkdir_path(dirfd, "t/a/b/c", 0700), 0);
    assert_int_equal(cf_mkdir_path(dirfd, "t/e", 0700), 0);
    make_deep(dirfd, "t/a/b/c/deep", 60);
    assert_int_equal(fchmodat(dirfd, "t/a/b/c", 0, 0), 0);
    assert_int_equal(fchmodat(dirfd, "t/a/b", 0500, 0), 0);
    assert_int_equal(fchmodat(dirfd, "t/a", 0300, 0), 0);
    assert_int_equal(fchmodat(dirfd, "t/e", 0, 0), 0);
    assert_int_equal(fchmodat(dirfd, "t", 0400, 0), 0);
}

static void the_owner_removes_directories_of_any_mode(void **state)
{
    struct place *place = *state;
    assert_int_equal(fchmod(place->fd, 0777), 0);
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        int fd = open(place->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        lock_away(fd);
        int r = cf_remove_tree(fd, "t");
        _exit(r == 0 && faccessat(fd, "t", F_OK, 0) < 0 ? 0 : 1);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_path_may_not_leave_its_directory(void **state)
{
    struct place *place = *state;
    static const char *const outside[] = {"../x",  "/etc/passwd", "out",
                                          "out/y", "abs",         "in/../../x"};
    assert_int_equal(cf_mkdir_path(place->fd, "root/in", 0755), 0);
    int root cf_autoclose = openat(place->fd, "root", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(symlinkat("..", root, "out"), 0);
    assert_int_equal(symlinkat("/etc", root, "abs"), 0);
    assert_int_equal(symlinkat("in", root, "same"), 0);
    for (size_t i = 0; i < CF_COUNT(outside); i++)
        assert_int_equal(cf_open_beneath(root, outside[i], O_RDONLY, 0), -EXDEV);
    int fd cf_autoclose = cf_open_beneath(root, "same/f", O_WRONLY | O_CREAT | O_EXCL, 0640);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    int again cf_autoclose = cf_open_beneath(root, "in/../in/f", O_RDONLY, 0644);
    assert_true(again >= 0);
    assert_int_equal(cf_open_beneath(root, "same", O_RDONLY | O_NOFOLLOW, 0), -ELOOP);
}

static char *whole(int fd, size_t len)
{
    char *data = calloc(1, len + 1);
    assert_int_equal(cf_pread_full(fd, data, len + 1, 0), (ssize_t)len);
    return data;
}

static void copying_keeps_data_and_holes(void **state)
{
    struct place *place = *state;
    enum { MIB = 1 << 20 };
    struct stat st;
    int in cf_autoclose = openat(place->fd, "in", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int out cf_autoclose = openat(place->fd, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(cf_pwrite_full(in, "begin", 5, 0), 0);
    assert_int_equal(cf_pwrite_full(in, "middle", 6, 8 * MIB + 3), 0);
    assert_int_equal(ftruncate(in, 16 * MIB), 0);
    assert_int_equal(cf_copy_data(in, 0, out, 0, 16 * MIB), 0);
    char *a cf_autofree = whole(in, 16 * MIB), *b cf_autofree = whole(out, 16 * MIB);
    assert_memory_equal(a, b, 16 * MIB);
    assert_int_equal(fstat(in, &st), 0);
    blkcnt_t blocks = st.st_blocks;
    assert_int_equal(fstat(out, &st), 0);
    assert_true(st.st_blocks <= blocks + 64);
    assert_int_equal(cf_copy_data(in, 1, out, 0, 16 * MIB), -ENODATA);
    assert_int_equal(cf_copy_data(in, -1, out, 0, 1), -EINVAL);
    assert_int_equal(cf_copy_data(in, 0, out, 0, 0), 0);
}

static void holes_overwrite_what_the_destination_had(void **state)
{
    struct place *place = *state;
    int in cf_autoclose = openat(place->fd, "in", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int out cf_autoclose = openat(place->fd, "out", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(in, 300000), 0);
    assert_int_equal(cf_pwrite_full(in, "data", 4, 150001), 0);
    char *old cf_autofree = malloc(200000);
    memset(old, 'o', 200000);
    assert_int_equal(cf_pwrite_full(out, old, 200000, 0), 0);
    assert_int_equal(cf_copy_data(in, 1, out, 7, 299999), 0);
    char *got cf_autofree = whole(out, 300006);
    for (size_t i = 0; i < 300006; i++)
        assert_int_equal(got[i], i < 7 ? 'o' : i >= 150007 && i < 150011 ? "data"[i - 150007] : 0);
}

static void random_names_are_hex_and_differ(void **state)
{
    char a[17], b[17];
    (void)state;
    cf_random_name(a);
    cf_random_name(b);
    assert_int_equal(strspn(a, "0123456789abcdef"), 16);
    assert_int_equal(strlen(b), 16);
    assert_string_not_equal(a, b);
}

#define with_place(test) cmocka_unit_test_setup_teardown(test, make_place, remove_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_has_its_number_and_one_escaped_line),
        cmocka_unit_test(context_goes_in_front_of_an_error),
        cmocka_unit_test(an_overlong_error_is_cut_and_says_so),
        cmocka_unit_test(quoting_shows_any_name_on_one_line),
        cmocka_unit_test(log_lines_reach_the_sink_up_to_the_level),
        cmocka_unit_test(a_buffer_grows_and_stays_a_string),
        cmocka_unit_test(a_digest_has_one_spelling_only),
        cmocka_unit_test(hashing_gives_the_published_answers),
        with_place(a_replaced_file_is_whole_and_leaves_no_litter),
        with_place(reading_stops_at_the_limit),
        with_place(reads_and_writes_are_whole),
        with_place(a_tree_deeper_than_any_path_is_removed_with_few_descriptors),
        with_place(removal_takes_files_and_symlinks_and_leaves_their_targets),
        with_place(the_owner_removes_directories_of_any_mode),
        with_place(a_path_may_not_leave_its_directory),
        with_place(copying_keeps_data_and_holes),
        with_place(holes_overwrite_what_the_destination_had),
        cmocka_unit_test(random_names_are_hex_and_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
