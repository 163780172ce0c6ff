/* SPDX-License-Identifier: Apache-2.0 */
/* What an ordinary user may not do to root's things. */
#include <sys/xattr.h>

#include "posix.h"

static void files_denied(void)
{
    char text[8];
    FAILS(open("rootfile", O_RDONLY), EACCES);
    FAILS(open("rootfile", O_WRONLY), EACCES);
    OK(open("rootpub", O_RDONLY));
    FAILS(open("rootpub", O_WRONLY), EACCES);
    FAILS(open("rootpub", O_RDONLY | O_TRUNC), EACCES);
    FAILS(truncate("rootpub", 0), EACCES);
    FAILS(chmod("rootpub", 0666), EPERM);
    FAILS(chown("rootpub", NOBODY, NOBODY), EPERM);
    FAILS(utimensat(AT_FDCWD, "rootpub", NULL, 0), EACCES);
    const struct timespec times[2] = {{1, 0}, {2, 0}};
    FAILS(utimensat(AT_FDCWD, "rootpub", times, 0), EPERM);
    FAILS(setxattr("rootpub", "user.x", "y", 1, 0), EACCES);
    FAILS(getxattr("rootfile", "user.x", text, 8), EACCES);
    FAILS(setxattr("rootpub", "security.x", "y", 1, 0), EPERM);
    FAILS(removexattr("rootpub", "user.x"), EACCES);
    EQ(size_of("rootpub"), 6);
}
static void user_roots_files(void)
{
    as_user(files_denied);
    TRUE(holds("rootpub", "public"));
}

static void dirs_denied(void)
{
    FAILS(open("rootdir/new", O_CREAT | O_WRONLY, 0644), EACCES);
    FAILS(mkdir("rootdir/new", 0755), EACCES);
    FAILS(symlink("x", "rootdir/new"), EACCES);
    FAILS(mkfifo("rootdir/new", 0644), EACCES);
    FAILS(unlink("rootdir/f"), EACCES);
    FAILS(rename("rootdir/f", "rootdir/g"), EACCES);
    FAILS(rename("rootdir/f", "sticky/g"), EACCES);
    FAILS(rename("sticky/mine2", "rootdir/g"), EACCES);
    FAILS(open("rootdir", O_TMPFILE | O_RDWR, 0600), EACCES);
    FAILS(chmod("rootdir", 0777), EPERM);
    OK(open("rootdir", O_RDONLY));
    TRUE(holds("rootdir/f", "f"));
}
static void user_roots_dirs(void)
{
    OK(put("sticky/mine2", "m"));
    if (is_root())
        OK(chown("sticky/mine2", NOBODY, NOBODY));
    as_user(dirs_denied);
}

static void closed_dirs(void)
{
    FAILS(open("closed/f", O_RDONLY), EACCES);
    FAILS(open("closed", O_RDONLY), EACCES);
    FAILS(open("closed/none", O_RDONLY), EACCES);
    FAILS(chdir("closed"), EACCES);
    struct stat st;
    FAILS(lstat("closed/f", &st), EACCES);
    OK(lstat("closed", &st));
    OK(open("listed", O_RDONLY));
    FAILS(lstat("listed/f", &st), EACCES);
    FAILS(open("searched", O_RDONLY), EACCES);
    OK(lstat("searched/f", &st));
}
static void user_closed_dirs(void)
{
    static const char *const names[] = {"closed", "listed", "searched"};
    static const mode_t modes[] = {0700, 0744, 0711};
    char path[32];
    for (int i = 0; i < 3; i++) {
        OK(mkdir(names[i], 0700));
        (void)snprintf(path, sizeof(path), "%s/f", names[i]);
        OK(put(path, "f"));
        OK(chmod(names[i], modes[i]));
    }
    as_user(closed_dirs);
}

static void access_denied(void)
{
    OK(faccessat(AT_FDCWD, "rootpub", R_OK, AT_EACCESS));
    FAILS(faccessat(AT_FDCWD, "rootpub", W_OK, AT_EACCESS), EACCES);
    FAILS(faccessat(AT_FDCWD, "rootpub", X_OK, AT_EACCESS), EACCES);
    FAILS(access("rootfile", R_OK), EACCES);
    OK(access("rootfile", F_OK));
    FAILS(access("rootdir", W_OK), EACCES);
    OK(access("rootdir", R_OK | X_OK));
    OK(access("sticky", W_OK));
    FAILS(access("missing", F_OK), ENOENT);
}
static void user_access(void)
{
    as_user(access_denied);
}

static void root_access(void)
{
    OK(chmod("file", 0));
    OK(access("file", R_OK | W_OK));
    FAILS(access("file", X_OK), EACCES);
    OK(chmod("file", 0100));
    OK(access("file", X_OK));
    OK(chmod("dir", 0));
    OK(access("dir/a", R_OK));
    TRUE(has_pattern("file", FILE_SIZE));
    OK(open("dir/new", O_CREAT | O_WRONLY, 0));
}

static void owner_denied(void)
{
    FAILS(open("own", O_RDONLY), EACCES);
    FAILS(access("own", W_OK), EACCES);
    OK(chmod("own", 0600));
    OK(open("own", O_RDWR));
    FAILS(chown("own", 0, (gid_t)-1), EPERM);
    FAILS(chown("own", (uid_t)-1, 1), EPERM);
    OK(chown("own", NOBODY, NOBODY));
    FAILS(mknod("sticky/dev", S_IFCHR | 0600, 0x103), EPERM);
}
static void user_own_file(void)
{
    OK(put("own", "x"));
    if (is_root())
        OK(chown("own", NOBODY, NOBODY));
    OK(chmod("own", 0));
    as_user(owner_denied);
}

static void groups(void)
{
    OK(open("g640", O_RDONLY));
    FAILS(open("g640", O_WRONLY), EACCES);
    FAILS(open("g604", O_RDONLY), EACCES);
}
/* The group's bits decide for its members, also where others may do more. */
static void user_groups(void)
{
    OK(put("g640", "x"));
    OK(put("g604", "x"));
    OK(chown("g640", 0, NOBODY));
    OK(chown("g604", 0, NOBODY));
    OK(chmod("g640", 0640));
    OK(chmod("g604", 0604));
    as_user(groups);
}

static void hardlinks(void)
{
    OK(link("sticky/mine2", "sticky/l"));
    FAILS(rename("rootdir", "sticky/d"), EACCES);
    OK(unlink("sticky/l"));
}
static void user_links(void)
{
    OK(put("sticky/mine2", "m"));
    OK(chown("sticky/mine2", NOBODY, NOBODY));
    as_user(hardlinks);
}

/* Newborns are the asker's. */
static void newborn(void)
{
    OK(put("sticky/n", "n"));
    EQ(st_of("sticky/n").st_uid, NOBODY);
    EQ(st_of("sticky/n").st_gid, NOBODY);
    OK(mkdir("sticky/nd", 0700));
    EQ(st_of("sticky/nd").st_uid, NOBODY);
    OK(put("sticky/nd/x", "x"));
    OK(symlink("x", "sticky/ns"));
    EQ(st_of("sticky/ns").st_uid, NOBODY);
    OK(mkfifo("sticky/np", 0600));
    EQ(st_of("sticky/np").st_uid, NOBODY);
    OK(remove_tree(AT_FDCWD, "sticky/nd"));
}
static void user_newborn(void)
{
    as_user(newborn);
}

static const struct posix_case user_cases[] = {
    CASE(user_roots_files, FULL), CASE(user_roots_dirs, FULL),   CASE(user_closed_dirs, ROOT),
    CASE(user_access, FULL),      CASE(root_access, FIX | ROOT), CASE(user_own_file, FULL),
    CASE(user_groups, ROOT),      CASE(user_links, FULL | ROOT), CASE(user_newborn, FULL),
};
THEME(user);
