#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# An idmapped mount of a mount: owners are mapped both ways, and what only root may do stays so.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need python3

mkdir -p "$work/src/d" "$work/m" "$work/mapped"
echo root >"$work/src/of-root"
echo seven >"$work/src/of-seven"
chown 7:7 "$work/src/of-seven"
chmod 777 "$work/src/d"
"$CLOUDFS" import "$work/src" -t idmap:1 >/dev/null
"$CLOUDFS" mount idmap:1 "$work/m"
"$CLOUDFS" --json info "$work/m" >"$work/info.json"
[ "$(json "$work/info.json" 'd["Idmap"]')" = yes ] || {
    "$CLOUDFS" umount "$work/m"
    skip "no idmapped FUSE mounts here (Linux 6.12)"
}

cat >"$work/map.py" <<'PYTHON'
import ctypes, os, struct, sys

m, mapped = sys.argv[1], sys.argv[2]
libc = ctypes.CDLL(None, use_errno=True)


def call(what, *args):
    r = libc.syscall(*args)
    if r < 0:
        sys.exit("FAIL: %s: %s" % (what, os.strerror(ctypes.get_errno())))
    return r


def check(what, got, wanted):
    if got != wanted:
        sys.exit("FAIL: %s: %r instead of %r" % (what, got, wanted))


def user_ns():
    """A namespace in which 0..65535 are 100000..165535 outside."""
    ready, done = os.pipe(), os.pipe()
    pid = os.fork()
    if pid == 0:
        libc.unshare(0x10000000)
        os.write(ready[1], b"x")
        os.read(done[0], 1)
        os._exit(0)
    os.read(ready[0], 1)
    for kind in "uid", "gid":
        with open("/proc/%d/%s_map" % (pid, kind), "w") as f:
            f.write("0 100000 65536")
    fd = os.open("/proc/%d/ns/user" % pid, os.O_RDONLY)
    os.write(done[1], b"x")
    os.waitpid(pid, 0)
    return fd


OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442
tree = call("open_tree", OPEN_TREE, -100, m.encode(), 1 | os.O_CLOEXEC)
attr = struct.pack("=QQQQ", 0x100000, 0, 0, user_ns())
call("mount_setattr", MOUNT_SETATTR, tree, b"", 0x1000, attr, len(attr))
call("move_mount", MOVE_MOUNT, tree, b"", -100, mapped.encode(), 4)


def owner(path):
    st = os.stat(path)
    return st.st_uid, st.st_gid


def as_user(uid, work):
    pid = os.fork()
    if pid == 0:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        try:
            work()
        except OSError as e:
            os._exit(e.errno)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


check("root's file, mapped", owner(mapped + "/of-root"), (100000, 100000))
check("the file of 7, mapped", owner(mapped + "/of-seven"), (100007, 100007))
check("7 writes to his file", as_user(100007, lambda: open(mapped + "/of-seven", "a").write("x")), 0)
check("he makes one", as_user(100007, lambda: open(mapped + "/d/new", "w").write("x")), 0)
check("and a directory", as_user(100007, lambda: os.mkdir(mapped + "/d/sub")), 0)
check("it is his, below", (owner(m + "/d/new"), owner(m + "/d/sub")), ((7, 7), (7, 7)))
check("another may not", as_user(100008, lambda: open(mapped + "/of-seven", "a")), 13)
os.chown(mapped + "/d/new", 100009, 100010)
check("given away, below", owner(m + "/d/new"), (9, 10))

# Outside of the mapping all is as it was.
open(m + "/plain", "w").close()
check("root's, not mapped", owner(m + "/plain"), (0, 0))
check("a user's, not mapped", as_user(1000, lambda: open(m + "/d/his", "w").close()), 0)
check("is his", owner(m + "/d/his"), (1000, 1000))
os.setxattr(m + "/plain", "trusted.t", b"v")
check("root lists trusted xattrs", os.listxattr(m + "/plain"), ["trusted.t"])
check("a user does not", as_user(1000, lambda: sys.exit(len(os.listxattr(m + "/plain")))), 0)
os.chmod(m + "/d/his", 0o4777)
with open(m + "/d/his", "r+") as f:
    os.posix_fallocate(f.fileno(), 0, 5000)
check("root keeps setuid", oct(os.stat(m + "/d/his").st_mode), "0o104777")


def allocate():
    with open(m + "/d/his", "r+") as f:
        os.posix_fallocate(f.fileno(), 0, 9000)


check("a user allocates", as_user(1001, allocate), 0)
check("and takes setuid", oct(os.stat(m + "/d/his").st_mode), "0o100777")
PYTHON
timeout 60 python3 "$work/map.py" "$work/m" "$work/mapped"
umount "$work/mapped"
"$CLOUDFS" commit "$work/m" -t idmap:2 >/dev/null
eq "$("$CLOUDFS" umount "$work/m" >/dev/null && "$CLOUDFS" ls -l idmap:2:d/new | awk '{print $3, $4}')" "9 10"
