/* SPDX-License-Identifier: Apache-2.0 */
#include "store_fixture.h"

#include <sys/mount.h>
#include <sys/wait.h>

#include <cloudfs/mount.h>

#include "internal.h" /* of fs/mount */

#define SHA "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define REST                                                                              \
    "\"reference\":\"a:1\",\"mountpoint\":\"/mnt\",\"engine\":\"fuse\",\"options\":\"\"," \
    "\"created\":7,\"read_only\":false,\"user_xattrs\":false"

/* ---- mount.json ---- */

static void a_description_is_read(void **state)
{
    static const char text[] = "{\"format\":1,\"id\":\"0123456789abcdef\",\"manifest\":\"" SHA
                               "\",\"reference\":\"a:1\",\"mountpoint\":\"/mnt/x\","
                               "\"engine\":\"fuse\",\"options\":\"ro\",\"created\":77,"
                               "\"read_only\":false,\"user_xattrs\":true,\"upper\":\"/u\","
                               "\"work\":\"/w\",\"later\":[1]}";
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_error err = {0};
    char digest[CF_DIGEST_TEXT_SIZE];

    (void)state;
    assert_ok(cf_mount_parse(text, strlen(text), &mount, &err), err);
    assert_string_equal(mount->id, "0123456789abcdef");
    assert_string_equal(mount->reference, "a:1");
    assert_string_equal(mount->mountpoint, "/mnt/x");
    assert_string_equal(mount->options, "ro");
    assert_string_equal(mount->upper, "/u");
    assert_string_equal(mount->work, "/w");
    assert_int_equal(mount->created, 77);
    assert_false(mount->read_only);
    assert_true(mount->user_xattrs);
    cf_digest_text(&mount->manifest, digest);
    assert_string_equal(digest, SHA);
}

static void a_damaged_description_is_refused(void **state)
{
    static const struct {
        int code;
        const char *text;
    } cases[] = {
        {-EBADMSG, ""},
        {-EBADMSG, "{"},
        {-EBADMSG, "[]"},
        {-EBADMSG, "{\"format\":1}"},
        {-EBADMSG, "{\"format\":0,\"id\":\"0123456789abcdef\",\"manifest\":\"" SHA "\"," REST "}"},
        {-EBADMSG,
         "{\"format\":\"1\",\"id\":\"0123456789abcdef\",\"manifest\":\"" SHA "\"," REST "}"},
        {-EBADMSG, "{\"format\":1,\"id\":\"../../../../etc\",\"manifest\":\"" SHA "\"," REST "}"},
        {-EBADMSG, "{\"format\":1,\"id\":\"0123456789ABCDEF\",\"manifest\":\"" SHA "\"," REST "}"},
        {-EBADMSG, "{\"format\":1,\"id\":\"0123456789abcdef0\",\"manifest\":\"" SHA "\"," REST "}"},
        {-EBADMSG,
         "{\"format\":1,\"id\":\"0123456789abcdef\",\"manifest\":\"sha256:e3\"," REST "}"},
        {-EBADMSG, "{\"format\":1,\"id\":\"0123456789abcdef\"," REST "}"},
        {-EBADMSG, "{\"format\":1,\"id\":\"0123456789abcdef\",\"manifest\":\"" SHA "\"}"},
        {-EBADMSG, "{\"format\":1,\"id\":\"0123456789abcdef\",\"manifest\":\"" SHA
                   "\",\"upper\":\"relative\",\"work\":\"/w\"," REST "}"},
        {-EBADMSG, "{\"format\":1,\"id\":\"0123456789abcdef\",\"manifest\":\"" SHA
                   "\",\"upper\":\"/only\"," REST "}"},
        {-EBADMSG, "{\"format\":1,\"id\":\"0123456789abcdef\",\"manifest\":\"" SHA
                   "\",\"upper\":7,\"work\":\"/w\"," REST "}"},
        {-ENOTSUP, "{\"format\":2}"},
        {0, "{\"format\":1,\"id\":\"0123456789abcdef\",\"manifest\":\"" SHA "\"," REST "}"},
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_mount *mount = NULL;
        struct cf_error err = {0};
        int r = cf_mount_parse(cases[i].text, strlen(cases[i].text), &mount, &err);
        if (r != cases[i].code)
            fail_msg("%d instead of %d: %s", r, cases[i].code, cases[i].text);
        assert_int_equal(err.code, r);
        assert_true((r == 0) == (mount != NULL));
        cf_mount_free(mount);
    }
}

static struct cf_mount *new_mount(struct fixture *f, const char *id)
{
    struct cf_mount *mount = calloc(1, sizeof(*mount));
    char path[128];

    assert_non_null(mount);
    snprintf(mount->id, sizeof(mount->id), "%s", id);
    snprintf(path, sizeof(path), "%s/mnt", f->dir);
    mount->reference = strdup("a:1");
    mount->mountpoint = strdup(path);
    mount->engine = strdup("fuse");
    mount->options = strdup("");
    mount->upper = cf_mount_path(f->store, id, "upper");
    mount->work = cf_mount_path(f->store, id, "work");
    mount->created = id[0];
    mount->state = CF_MOUNT_IDLE;
    snprintf(path, sizeof(path), "%s/mounts/%s", f->root, id);
    assert_int_equal(mkdir(path, 0700), 0);
    return mount;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void a_description_comes_back_as_it_was_saved(void **state)
{
    struct fixture *f = *state;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = new_mount(f, "00000000000000aa");
    struct cf_mount *back cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_error err = {0};

    mount->user_xattrs = true;
    assert_ok(cf_mount_save(f->store, mount, false, &err), err);
    assert_ok(cf_mount_load(f->store, mount->id, &back, &err), err);
    assert_string_equal(back->mountpoint, mount->mountpoint);
    assert_string_equal(back->upper, mount->upper);
    assert_string_equal(back->work, mount->work);
    assert_true(back->user_xattrs);
    assert_true(cf_mount_owns_upper(f->store, back));
    assert_int_equal(back->state, CF_MOUNT_IDLE);
    assert_int_equal(back->pid, 0);
}

static void members_that_a_later_version_added_stay(void **state)
{
    struct fixture *f = *state;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = new_mount(f, "00000000000000aa");
    struct cf_buf text cf_autobuf = CF_BUF_INIT;
    struct cf_error err = {0};
    char path[160];

    snprintf(path, sizeof(path), "%s/mounts/%s/mount.json", f->root, mount->id);
    write_file(path, "{\"keeps\":[\"" SHA "\"]}");
    assert_ok(cf_mount_save(f->store, mount, true, &err), err);
    assert_int_equal(cf_read_file(AT_FDCWD, path, 10000, &text), 0);
    assert_non_null(strstr(text.data, "\"keeps\""));
    assert_non_null(strstr(text.data, "\"a:1\""));
}

static void the_list_leaves_out_what_is_no_mount(void **state)
{
    struct fixture *f = *state;
    struct cf_mount *young cf_cleanup(cf_mount_free_ptr) = new_mount(f, "bb00000000000000");
    struct cf_mount *old cf_cleanup(cf_mount_free_ptr) = new_mount(f, "aa00000000000000");
    struct cf_mount **mounts = NULL;
    struct cf_error err = {0};
    size_t count = 0;
    char path[160];

    assert_ok(cf_mount_save(f->store, young, false, &err), err);
    assert_ok(cf_mount_save(f->store, old, false, &err), err);
    snprintf(path, sizeof(path), "%s/mounts/%s", f->root, "cc00000000000000");
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof(path), "%s/mounts/%s", f->root, "dd00000000000000");
    assert_int_equal(mkdir(path, 0700), 0);
    strcat(path, "/mount.json");
    write_file(path, "rubbish");
    assert_ok(cf_mount_list(f->store, &mounts, &count, &err), err);
    assert_int_equal(count, 2);
    assert_string_equal(mounts[0]->id, old->id);
    assert_string_equal(mounts[1]->id, young->id);
    cf_mount_list_free(mounts, count);
}

/* ---- the lock ---- */

/* A child that holds a mount's lock with its pid in it, until its pipe is closed. */
static pid_t hold_lock(struct fixture *f, const char *id, pid_t pid_inside, int *ret_end)
{
    int ready[2], end[2];
    char byte;

    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(end), 0);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = cf_mount_lock_open(f->store, id);
        close(end[1]);
        if (fd < 0 || cf_mount_lock_take(fd) < 0 ||
            cf_mount_lock_write_pid(fd, pid_inside ? getpid() : 0) < 0 ||
            write(ready[1], "x", 1) != 1 || read(end[0], &byte, 1) < 0)
            _exit(1);
        _exit(0);
    }
    assert_true(pid > 0);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    close(ready[1]);
    close(end[0]);
    *ret_end = end[1];
    return pid;
}

static enum cf_mount_state state_of(struct fixture *f, const char *id, pid_t *ret_pid)
{
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_error err = {0};

    assert_ok(cf_mount_load(f->store, id, &mount, &err), err);
    *ret_pid = mount->pid;
    return mount->state;
}

static void who_holds_the_lock_decides_what_is_live(void **state)
{
    struct fixture *f = *state;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = new_mount(f, "00000000000000aa");
    struct cf_freeze freeze = {.fd = -1};
    struct cf_error err = {0};
    pid_t seen;
    int end;

    assert_ok(cf_mount_save(f->store, mount, false, &err), err);
    pid_t pid = hold_lock(f, mount->id, 1, &end);
    assert_int_equal(state_of(f, mount->id, &seen), CF_MOUNT_LIVE);
    assert_int_equal(seen, pid);
    assert_int_equal(cf_mount_freeze(f->store, mount, &freeze, &err), -EBUSY);
    close(end);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    /* The dead process's number is still in the file. */
    assert_int_equal(state_of(f, mount->id, &seen), CF_MOUNT_IDLE);
    assert_int_equal(seen, 0);

    assert_ok(cf_mount_freeze(f->store, mount, &freeze, &err), err);
    assert_false(freeze.live);
    assert_int_equal(state_of(f, mount->id, &seen), CF_MOUNT_IDLE);
    struct cf_freeze second = {.fd = -1};
    assert_int_equal(cf_mount_freeze(f->store, mount, &second, &err), -EBUSY);
    cf_mount_thaw(&freeze);
    assert_ok(cf_mount_freeze(f->store, mount, &second, &err), err);
    cf_mount_thaw(&second);
}

static void an_idle_mount_gets_another_image_only_without_changes(void **state)
{
    struct fixture *f = *state;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = new_mount(f, "00000000000000aa");
    struct cf_mount *back cf_cleanup(cf_mount_free_ptr) = NULL;
    struct cf_error err = {0};
    struct cf_digest digest;
    char path[200];

    cf_digest_of("x", 1, &digest);
    assert_int_equal(mkdir(mount->upper, 0700), 0);
    assert_ok(cf_mount_save(f->store, mount, false, &err), err);
    snprintf(path, sizeof(path), "%s/new", mount->upper);
    write_file(path, "changed");
    assert_int_equal(cf_mount_set_image(f->store, mount, "b:2", &digest, &err), -ENOTEMPTY);
    assert_int_equal(unlink(path), 0);
    assert_ok(cf_mount_set_image(f->store, mount, "b:2", &digest, &err), err);
    assert_ok(cf_mount_load(f->store, mount->id, &back, &err), err);
    assert_string_equal(back->reference, "b:2");
    assert_true(cf_digest_equal(&back->manifest, &digest));
}

static void discarding_removes_the_changes_and_the_description(void **state)
{
    struct fixture *f = *state;
    struct cf_mount *mount cf_cleanup(cf_mount_free_ptr) = new_mount(f, "00000000000000aa");
    struct cf_error err = {0};
    char path[200];
    int end;

    assert_int_equal(mkdir(mount->upper, 0700), 0);
    snprintf(path, sizeof(path), "%s/new", mount->upper);
    write_file(path, "changed");
    assert_ok(cf_mount_save(f->store, mount, false, &err), err);
    assert_int_equal(cf_mount_stop(f->store, mount, false, false, &err), -EINVAL);
    pid_t pid = hold_lock(f, mount->id, 0, &end);
    assert_int_equal(cf_mount_stop(f->store, mount, true, false, &err), -EBUSY);
    close(end);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(access(path, F_OK), 0);
    assert_ok(cf_mount_stop(f->store, mount, true, false, &err), err);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(fixture_files(f, "mounts"), 0);
}

/* ---- options ---- */

static void lower_directories_are_split_at_their_colons(void **state)
{
    static const struct {
        const char *text;
        int code;
        size_t lowers, data;
        const char *paths[4];
    } cases[] = {
        {"/a", 0, 1, 0, {"/a"}},
        {"/a:b:../c", 0, 3, 0, {"/a", "b", "../c"}},
        {"/a\\:b:/c\\\\:d\\,e", 0, 3, 0, {"/a:b", "/c\\", "d,e"}},
        {"/a\\b", 0, 1, 0, {"/a\\b"}},
        {"/a:/b::/d::/e", 0, 2, 2, {"/a", "/b", "/d", "/e"}},
        {"", -EINVAL, 0, 0, {NULL}},
        {":/a", -EINVAL, 0, 0, {NULL}},
        {"/a:", -EINVAL, 0, 0, {NULL}},
        {"/a::/b:/c", -EINVAL, 0, 0, {NULL}},
    };
    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        char **paths cf_autofree = NULL;
        size_t lowers = 0, data = 0;
        assert_int_equal(cf_lower_paths(cases[i].text, &paths, &lowers, &data), cases[i].code);
        assert_int_equal(lowers, cases[i].lowers);
        assert_int_equal(data, cases[i].data);
        for (size_t n = 0; n < lowers + data; n++)
            assert_string_equal(paths[n], cases[i].paths[n]);
    }
}

static void an_option_is_found_by_its_name(void **state)
{
    static const char text[] = "rw,root=/a\\,b,rooted=x,_netdev,resume=12,root=/c";
    char *root cf_autofree = cf_mount_option(text, "root");
    char *flag cf_autofree = cf_mount_option(text, "_netdev");
    char *none cf_autofree = cf_mount_option(text, "upper");
    char *kept cf_autofree = cf_mount_remount_options("remount,rw,allow_other,noexec,x-a=b");
    (void)state;
    assert_string_equal(root, "/c");
    assert_string_equal(flag, "");
    assert_null(none);
    assert_string_equal(kept, "remount,rw,noexec");
    assert_true(cf_mount_is_plain("rw,lowerdir=/a"));
    assert_false(cf_mount_is_plain("rw,upperdir=/a"));
}

static void options_are_read_as_mount_8_writes_them(void **state)
{
    static const struct {
        const char *text;
        bool root;
        int code;
        unsigned long flags;
        bool read_only, allow_other, default_permissions, nonempty;
        const char *fsname, *upper, *context;
    } cases[] = {
        {NULL, true, 0, 0, false, true, true, false, NULL, NULL, NULL},
        {"", false, 0, MS_NOSUID | MS_NODEV, false, false, false, false, NULL, NULL, NULL},
        {"rw,dev,suid", true, 0, 0, false, true, true, false, NULL, NULL, NULL},
        {"rw,nosuid,nodev,noexec", true, 0, MS_NOSUID | MS_NODEV | MS_NOEXEC, false, true, true,
         false, NULL, NULL, NULL},
        {"ro", true, 0, MS_RDONLY, true, true, true, false, NULL, NULL, NULL},
        {"ro,rw", true, 0, 0, false, true, true, false, NULL, NULL, NULL},
        {"allow_other", false, 0, MS_NOSUID | MS_NODEV, false, true, true, false, NULL, NULL, NULL},
        {"default_permissions,nonempty", false, 0, MS_NOSUID | MS_NODEV, false, false, true, true,
         NULL, NULL, NULL},
        {"fsname=a\\,b\\\\c,upperdir=/u,,_netdev,x-systemd.automount,noauto,user=joe", true, 0, 0,
         false, true, true, false, "a,b\\c", "/u", NULL},
        {"context=a:b:c,rootcontext=d", true, 0, 0, false, true, true, false, NULL, NULL,
         "context=a:b:c,rootcontext=d"},
        {"context=\"a:b:c1,c2\",ro", true, 0, MS_RDONLY, true, true, true, false, NULL, NULL,
         "context=\"a:b:c1,c2\""},
        {"lowerdir=/a\\:x:/b,upperdir=/u\\,\\:v,uidmapping=0:1:2,squash_to_root,volatile", true, 0,
         0, false, true, true, false, NULL, "/u,:v", NULL},
        {"remount,ro", true, -ENOTSUP, 0, false, false, false, false, NULL, NULL, NULL},
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_settings settings = {0};
        struct cf_error err = {0};
        assert_int_equal(cf_settings_parse(cases[i].text, cases[i].root, &settings, &err),
                         cases[i].code);
        assert_int_equal(settings.flags, cases[i].flags);
        assert_int_equal(settings.read_only, cases[i].read_only);
        assert_int_equal(settings.allow_other, cases[i].allow_other);
        assert_int_equal(settings.default_permissions, cases[i].default_permissions);
        assert_int_equal(settings.nonempty, cases[i].nonempty);
        assert_string_equal(settings.fsname ? settings.fsname : "",
                            cases[i].fsname ? cases[i].fsname : "");
        assert_string_equal(settings.upper ? settings.upper : "",
                            cases[i].upper ? cases[i].upper : "");
        assert_string_equal(settings.context ? settings.context : "",
                            cases[i].context ? cases[i].context : "");
        cf_settings_done(&settings);
    }
}

/* ---- finding ---- */

static void the_kernels_list_is_searched_by_place_and_by_number(void **state)
{
    static const char text[] =
        "21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        "rubbish\n"
        "30 21 0:40 / /mnt/a\\040b rw - fuse.cloudfs cloudfs:x:1 rw,user_id=0\n"
        "31 21 0:41 / /mnt/c rw shared:9 master:2 - fuse.sshfs host: rw\n"
        "32 31 0:42 / /mnt/c rw - fuse.cloudfs cloudfs:x:1 rw\n"
        "33 21 0:43 / /mnt/d rw - fuse.cloudfsx y rw";
    static const struct {
        const char *path;
        int id, found, found_id;
        bool ours;
    } cases[] = {
        {"/", 0, 1, 21, false},     {"/mnt/a b", 0, 1, 30, true}, {"/mnt/a\\040b", 0, 0, 0, false},
        {"/mnt/c", 0, 1, 32, true}, {"/mnt/d", 0, 1, 33, false},  {"/mnt", 0, 0, 0, false},
        {NULL, 31, 1, 31, false},   {NULL, 99, 0, 0, false},
    };

    (void)state;
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_mountinfo info = {0};
        assert_int_equal(cf_mountinfo_search(text, cases[i].path, cases[i].id, &info),
                         cases[i].found);
        assert_int_equal(info.id, cases[i].found_id);
        assert_int_equal(info.ours, cases[i].ours);
        cf_mountinfo_done(&info);
    }
}

static void a_mount_is_picked_by_id_or_place(void **state)
{
    struct cf_mount mounts[] = {
        {.id = "ab00000000000000", .state = CF_MOUNT_IDLE, .mountpoint = (char[]){"/m/one"}},
        {.id = "ab10000000000000", .state = CF_MOUNT_LIVE, .mountpoint = (char[]){"/m/one"}},
        {.id = "cd00000000000000", .state = CF_MOUNT_DEAD, .mountpoint = (char[]){"/m/two"}},
        {.id = "ce00000000000000", .state = CF_MOUNT_IDLE, .mountpoint = (char[]){"/m/three"}},
        {.id = "cf00000000000000", .state = CF_MOUNT_IDLE, .mountpoint = (char[]){"/m/three"}},
        {.id = "e000000000000000", .state = CF_MOUNT_IDLE, .mountpoint = (char[]){"/m/four"}},
    };
    static const struct {
        const char *text, *path;
        int code;
        size_t index;
    } cases[] = {
        {"ab00", "/x/ab00", 0, 0},
        {"ab", "/x/ab", -EINVAL, 0},
        {"a", "/x/a", -ENOENT, 0},
        {"cd00000000000000", "/x/cd00000000000000", 0, 2},
        {"cd000000000000000", "/x/cd", -ENOENT, 0},
        {"/m/one", "/m/one", 0, 1}, /* the live one, not the one that was there before */
        {"one/sub", "/m/one/sub", -ENOENT, 0},
        {"/m/two", "/m/two", 0, 2},
        {"/m/two/deep/file", "/m/two/deep/file", 0, 2},
        {"/m/twofold", "/m/twofold", -ENOENT, 0},
        {"/m/three", "/m/three", -EINVAL, 0},
        {"/m/four", "/m/four", 0, 5},
        {"/m/four/x", "/m/four/x", -ENOENT, 0},
    };
    struct cf_mount *list[CF_COUNT(mounts)];

    (void)state;
    for (size_t i = 0; i < CF_COUNT(mounts); i++)
        list[i] = &mounts[i];
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        struct cf_error err = {0};
        size_t index = 0;
        int r = cf_mount_pick(list, CF_COUNT(list), cases[i].text, cases[i].path, &index, &err);
        if (r != cases[i].code || index != cases[i].index)
            fail_msg("%s: %d, mount %zu", cases[i].text, r, index);
    }
}

static void paths_resolve_as_far_as_they_exist(void **state)
{
    struct fixture *f = *state;
    char path[200], wanted[200];

    snprintf(path, sizeof(path), "%s/link", f->dir);
    assert_int_equal(symlink("store", path), 0);
    static const char *const tails[] = {"", "/no/such", "/mounts", "/mounts/none/x"};
    for (size_t i = 0; i < CF_COUNT(tails); i++) {
        snprintf(path, sizeof(path), "%s/./link//%s", f->dir, tails[i]);
        snprintf(wanted, sizeof(wanted), "%s%s", f->root, tails[i]);
        char *got cf_autofree = cf_path_resolve(path);
        assert_string_equal(got, wanted);
    }
    char *top cf_autofree = cf_path_resolve("/no-such-thing-at-all");
    assert_string_equal(top, "/no-such-thing-at-all");
}

static void what_is_in_no_mount_is_told_without_waiting(void **state)
{
    struct fixture *f = *state;
    struct cf_error err = {0};
    char id[CF_MOUNT_ID_SIZE], path[200];
    char *root = NULL;

    snprintf(path, sizeof(path), "%s/fifo", f->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    const char *const paths[] = {path, "/dev/null", f->dir, "/no/such", "/proc/self/mem"};
    for (size_t i = 0; i < CF_COUNT(paths); i++)
        assert_int_equal(cf_mount_store_of(paths[i], &root, id, &err), -ENOENT);
    assert_null(root);
}

/* ---- what is refused before anything is made ---- */

static void a_start_that_cannot_be_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    char missing[100], file[100], full[100], empty[100];
    struct cf_error err = {0};
    char id[CF_MOUNT_ID_SIZE];
    struct cf_digest none;

    snprintf(missing, sizeof(missing), "%s/missing", f->dir);
    snprintf(file, sizeof(file), "%s/file", f->dir);
    snprintf(full, sizeof(full), "%s/full", f->dir);
    snprintf(empty, sizeof(empty), "%s/empty", f->dir);
    write_file(file, "x");
    assert_int_equal(mkdir(full, 0700), 0);
    assert_int_equal(mkdir(empty, 0700), 0);
    snprintf(missing, sizeof(missing), "%s/full/x", f->dir);
    write_file(missing, "x");
    snprintf(missing, sizeof(missing), "%s/missing", f->dir);
    cf_digest_of("", 0, &none);
    struct cf_digest image = fixture_image(f, NULL, 0, "2024-01-01T00:00:00Z");
    assert_ok(cf_name_set(f->store, "a:1", &image, &err), err);
    const struct {
        struct cf_mount_options options;
        int code;
    } cases[] = {
        {{.reference = "b:1", .mountpoint = empty}, -ENOENT},
        {{.reference = "a:1", .mountpoint = missing}, -ENOENT},
        {{.reference = "a:1", .mountpoint = ""}, -EINVAL},
        {{.reference = "a:1", .mountpoint = file}, -ENOTDIR},
        {{.reference = "a:1", .mountpoint = full}, -ENOTEMPTY},
        {{.reference = "a:1"}, -EINVAL},
        {{.reference = "a:1", .mountpoint = empty, .engine = "steam"}, -EINVAL},
        {{.reference = "a:1", .mountpoint = empty, .options = "lowerdir=x"}, -EINVAL},
        {{.resume = "ab12"}, -ENOENT},
    };
    for (size_t i = 0; i < CF_COUNT(cases); i++) {
        err = (struct cf_error){0};
        int r = cf_mount_start(f->store, &cases[i].options, id, &err);
        if (r != cases[i].code)
            fail_msg("case %zu: %d instead of %d: %s", i, r, cases[i].code, err.text);
        assert_int_equal(err.code, r);
        assert_null(strchr(err.text, '\n'));
    }
    assert_int_equal(fixture_files(f, "mounts"), 0);
}

#define WITH_STORE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_description_is_read),
        cmocka_unit_test(a_damaged_description_is_refused),
        WITH_STORE(a_description_comes_back_as_it_was_saved),
        WITH_STORE(members_that_a_later_version_added_stay),
        WITH_STORE(the_list_leaves_out_what_is_no_mount),
        WITH_STORE(who_holds_the_lock_decides_what_is_live),
        WITH_STORE(an_idle_mount_gets_another_image_only_without_changes),
        WITH_STORE(discarding_removes_the_changes_and_the_description),
        cmocka_unit_test(options_are_read_as_mount_8_writes_them),
        cmocka_unit_test(lower_directories_are_split_at_their_colons),
        cmocka_unit_test(an_option_is_found_by_its_name),
        cmocka_unit_test(the_kernels_list_is_searched_by_place_and_by_number),
        cmocka_unit_test(a_mount_is_picked_by_id_or_place),
        WITH_STORE(paths_resolve_as_far_as_they_exist),
        WITH_STORE(what_is_in_no_mount_is_told_without_waiting),
        WITH_STORE(a_start_that_cannot_be_leaves_nothing),
    };
    return cmocka_run_group_tests_name("mount", tests, NULL, NULL);
}
