#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# FUSE passthrough: file data that the kernel reads and writes by itself; and that nothing else
# changes by it: copy-up under open files, freezing, a full disk, a killed daemon.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need python3

mkdir -p "$work/src" "$work/m" "$work/disk" "$work/m2"
echo lower >"$work/src/lower"
head -c 300000 /dev/zero | tr '\0' l >"$work/src/big"
"$CLOUDFS" import "$work/src" -t test/pass:1 >/dev/null
"$CLOUDFS" mount test/pass:1 "$work/m"
"$CLOUDFS" --json info "$work/m" >"$work/info.json"
case $(json "$work/info.json" 'd["Passthrough"]') in
yes) ;;
*) skip "no passthrough here: $(json "$work/info.json" 'd["Passthrough"]')" ;;
esac
id=$("$CLOUDFS" -q mount)

cat >"$work/test.py" <<'PYTHON'
import errno, json, mmap, os, signal, subprocess, sys, threading, time
from freeze import Freeze, libc

cloudfs, m, upper, what = sys.argv[1:5]


def check(what, got, wanted):
    if got != wanted:
        sys.exit("FAIL: %s: %r instead of %r" % (what, got, wanted))


def fails(what, wanted, call):
    try:
        call()
    except OSError as e:
        check(what, errno.errorcode[e.errno], wanted)
    else:
        sys.exit("FAIL: %s: did not fail" % what)


def read(path):
    with open(path, "rb") as f:
        return f.read()


def requests(name):
    out = subprocess.run([cloudfs, "--json", "info", m], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["Requests"].get(name, 0)


def data():
    # From CREATE on, and by any descriptor, no WRITE and no READ comes to the daemon.
    before = requests("WRITE"), requests("READ")
    with open(m + "/new", "wb") as f:
        for i in range(100):
            f.write(b"n" * 10240)
    with open(m + "/new", "r+b") as f:
        f.seek(5)
        f.write(b"xyz")
    with open(m + "/new", "ab") as f:
        f.write(b"end")
    check("what was written", read(m + "/new"), b"nnnnnxyz" + b"n" * (1024000 - 8) + b"end")
    check("what is in the upper", read(upper + "/new"), read(m + "/new"))
    check("size", os.stat(m + "/new").st_size, 1024003)
    check("WRITE and READ", (requests("WRITE"), requests("READ")), before)
    with open(m + "/new", "r+b") as f, mmap.mmap(f.fileno(), 4096) as pages:
        pages[:4] = b"mmap"
        check("a shared mapping", read(m + "/new")[:8], b"mmapnxyz")
    tmp = os.open(m, os.O_TMPFILE | os.O_RDWR)
    os.write(tmp, b"tmp")
    # AT_FDCWD, AT_SYMLINK_FOLLOW
    libc.linkat(-100, b"/proc/self/fd/%d" % tmp, -100, (m + "/linked").encode(), 0x400)
    os.close(tmp)
    check("O_TMPFILE", read(m + "/linked"), b"tmp")


def copy_up():
    # Who has the lower file open sees what is written later, and nobody gets EIO or EBUSY.
    first = os.open(m + "/lower", os.O_RDONLY)
    check("lower", os.pread(first, 100, 0), b"lower\n")
    writer = os.open(m + "/lower", os.O_RDWR)
    os.pwrite(writer, b"UPPER", 0)
    check("an earlier descriptor", os.pread(first, 100, 0), b"UPPER\n")
    second = os.open(m + "/lower", os.O_WRONLY | os.O_APPEND)
    os.write(second, b"more\n")
    check("the earlier one again", os.pread(first, 100, 0), b"UPPER\nmore\n")
    os.close(first), os.close(writer), os.close(second)
    # Now passed through; what was cached before is not shown again, also not after a commit.
    with open(m + "/big", "rb") as cached:
        cached.read()
        with open(m + "/big", "r+b") as f:
            f.write(b"B")
        check("written while cached", os.pread(cached.fileno(), 2, 0), b"Bl")
    with open(m + "/big", "r+b") as f:
        f.write(b"PASSED")
    subprocess.run([cloudfs, "-q", "commit", m, "-t", "test/pass:2"], check=True, stdout=subprocess.DEVNULL)
    check("after a commit", read(m + "/big")[:8], b"PASSEDll")
    with open(m + "/big", "r+b") as f:
        f.write(b"again")
    check("written after a commit", read(m + "/big")[:8], b"againDll")
    # Open files without a name.
    fd = os.open(m + "/gone", os.O_CREAT | os.O_RDWR)
    os.unlink(m + "/gone")
    os.write(fd, b"still here")
    check("an unlinked file", (os.pread(fd, 99, 0), os.fstat(fd).st_nlink), (b"still here", 0))
    os.close(fd)


def rules():
    # setuid goes with a write of another user; a running program is not written to.
    with open(m + "/suid", "wb"):
        pass
    os.chmod(m + "/suid", 0o6777)
    child = os.fork()
    if child == 0:
        os.setgroups([]), os.setgid(1), os.setuid(1)
        os.write(os.open(m + "/suid", os.O_WRONLY), b"x")
        os._exit(0)
    os.waitpid(child, 0)
    check("mode after a write", oct(os.stat(m + "/suid").st_mode & 0o7777), "0o777")
    with open(m + "/suid", "wb") as f:
        os.chmod(m + "/suid", 0o6777)
        child = os.fork()
        if child == 0:
            os.setgroups([]), os.setgid(1), os.setuid(1)
            os.write(f.fileno(), b"x")
            os._exit(0)
        os.waitpid(child, 0)
    check("mode after a write, setuid since the open", oct(os.stat(m + "/suid").st_mode & 0o7777), "0o777")
    with open(m + "/sleep", "wb") as f:
        f.write(read("/bin/sleep"))
    os.chmod(m + "/sleep", 0o755)
    child = subprocess.Popen([m + "/sleep", "60"])
    fails("a running program", "ETXTBSY", lambda: open(m + "/sleep", "r+b"))
    child.kill(), child.wait()
    open(m + "/sleep", "r+b").close()
    direct = os.open(m + "/new", os.O_RDWR | os.O_DIRECT)
    pages = mmap.mmap(-1, 4096)
    pages[:] = b"d" * 4096
    os.write(direct, pages)
    os.close(direct)
    check("O_DIRECT", read(m + "/new")[:4097], b"d" * 4096 + b"n")


def freeze():
    # Writers that pass through wait, and go on after the thaw, however that comes.
    stop, n = threading.Event(), [0] * 3

    def write(i):
        with open(m + "/log%d" % i, "ab" if i else "r+b", buffering=0) as f:
            while not stop.is_set():
                f.write(b"%07d\n" % n[i])
                n[i] += 1

    open(m + "/log0", "w").close()
    nameless = os.open(m + "/nameless", os.O_CREAT | os.O_WRONLY)
    os.unlink(m + "/nameless")
    threads = [threading.Thread(target=write, args=(i,)) for i in range(3)]
    for t in threads:
        t.start()
    for _ in range(5):
        while min(n) == 0:
            time.sleep(0.01)
        n[:] = [0] * 3
        with Freeze(m) as frozen:
            check("held", len(frozen.held), 4)
            sizes = [os.stat(upper + "/log%d" % i).st_size for i in range(3)]
            time.sleep(0.05)
            check("sizes while frozen", [os.stat(upper + "/log%d" % i).st_size for i in range(3)], sizes)
            check("a read of another file while frozen", read(m + "/linked"), b"tmp")
        while min(n) == 0:
            time.sleep(0.01)
    # The freezer is killed while it holds: all goes on.
    child = os.fork()
    if child == 0:
        with Freeze(m):
            os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(child, 0)
    n[:] = [0] * 3
    while min(n) == 0:
        time.sleep(0.01)
    # commit freezes in this way too.
    for tag in ("3", "4"):
        subprocess.run([cloudfs, "-q", "commit", m, "-t", "test/pass:" + tag], check=True, stdout=subprocess.DEVNULL)
    stop.set()
    for t in threads:
        t.join(20)
        check("a writer at the end", t.is_alive(), False)
    os.close(nameless)


def full():
    fd = os.open(m + "/fill", os.O_CREAT | os.O_WRONLY)
    got = 0
    try:
        while True:
            got += os.write(fd, b"f" * 65536)
    except OSError as e:
        check("a full disk", errno.errorcode[e.errno], "ENOSPC")
    os.close(fd)
    check("what fitted", read(m + "/fill") == b"f" * got, True)
    os.unlink(m + "/fill")
    for tries in range(100): # the kernel tells the daemon of a close, and does not wait for it
        try:
            with open(m + "/small", "wb") as f:
                f.write(b"s" * 100000)
            break
        except OSError:
            time.sleep(0.1)
    check("after space was made", read(m + "/small"), b"s" * 100000)


def killed():
    fd = os.open(m + "/kept", os.O_CREAT | os.O_RDWR)
    os.write(fd, b"k" * 100000)
    os.fsync(fd)
    os.kill(int(sys.argv[5]), signal.SIGKILL)
    time.sleep(0.2)
    try:
        os.write(fd, b"past")  # it may still reach the disk; nothing hangs
    except OSError:
        pass
    os.close(fd)


globals()[what]()
PYTHON
run() {
    PYTHONPATH=$top/tests/lib PYTHONDONTWRITEBYTECODE=1 timeout 100 python3 "$work/test.py" "$CLOUDFS" "$work/m" "$CLOUDFS_ROOT/mounts/$id/upper" "$@"
}
for part in data copy_up rules freeze; do
    run "$part"
done

# In use: not unmounted. The daemon killed: what was on disk is there.
exec 9>>"$work/m/new"
fails_with 1 'in use' "$CLOUDFS" umount "$work/m"
exec 9>&-
run killed "$("$CLOUDFS" --json mount | python3 -c 'import json,sys; print(json.load(sys.stdin)[0]["Pid"])')"
"$CLOUDFS" umount -l "$work/m" 2>/dev/null || umount -l "$work/m"
"$CLOUDFS" mount --resume "$id" "$work/m" >/dev/null
eq "$(head -c 100000 "$work/m/kept" | tr -d k | wc -c)" 0
"$CLOUDFS" umount "$work/m"

# A full disk; and nothing keeps it busy behind the umount.
if mount -t tmpfs -o size=8m none "$work/disk" 2>/dev/null; then
    mkdir "$work/disk/upper"
    "$CLOUDFS" mount --upper "$work/disk/upper" test/pass:1 "$work/m"
    id=
    run full
    "$CLOUDFS" umount "$work/m"
    umount "$work/disk" || fail "the disk is busy behind the umount"
fi
