#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# A frozen mount: changes wait, reads go on, and it thaws however the freezer ends.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need python3

mkdir -p "$work/src/d" "$work/m"
echo old >"$work/src/file"
echo old >"$work/src/d/file"
"$CLOUDFS" import "$work/src" -t test/freeze:1 >/dev/null
"$CLOUDFS" mount test/freeze:1 "$work/m"
upper=$CLOUDFS_ROOT/mounts/$("$CLOUDFS" -q mount)/upper

export PYTHONPATH="$top/tests/lib" PYTHONDONTWRITEBYTECODE=1
timeout 60 python3 - "$work/m" "$upper" <<'PYTHON'
import errno, fcntl, mmap, os, signal, subprocess, sys, threading, time
from freeze import CONTROL, FREEZE, THAW, Freeze

m, upper = sys.argv[1], sys.argv[2]


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


# What is dirty in a shared mapping is in the upper before the freeze returns.
mapped = open(m + "/mapped", "wb+")
mapped.truncate(8 << 20)
pages = mmap.mmap(mapped.fileno(), 8 << 20)
pages[:] = b"d" * (8 << 20)
path = m + "/" + CONTROL
control, second = os.open(path, os.O_RDONLY), os.open(path, os.O_RDONLY)
# What freezes is a name that only the owner can open, to read.
check("its size and mode", (os.stat(path).st_size, oct(os.stat(path).st_mode)), (0, "0o100400"))
check("what is in it", os.read(control, 10), b"")
check("its xattrs", os.listxattr(path), [])
for what, call in (
        ("written to", lambda: open(path, "w")), ("removed", lambda: os.unlink(path)),
        ("given another mode", lambda: os.chmod(path, 0o666)), ("synced", lambda: os.fsync(control)),
        ("linked", lambda: os.link(path, m + "/link")), ("renamed", lambda: os.rename(path, m + "/x")),
        ("there in a directory below", lambda: os.stat(m + "/d/" + CONTROL))):
    try:
        call()
    except OSError:
        continue
    sys.exit("FAIL: the control file can be %s" % what)

fcntl.ioctl(control, FREEZE)
with open(upper + "/mapped", "rb") as f:
    check("pages of a mapping", f.read() == b"d" * (8 << 20), True)
fails("a second freeze", "EBUSY", lambda: fcntl.ioctl(second, FREEZE))
fails("a thaw by another", "EPERM", lambda: fcntl.ioctl(second, THAW))
for what, fd in (("a file", mapped.fileno()), ("a directory", os.open(m, os.O_RDONLY))):
    fails("a freeze by " + what, "ENOTTY", lambda: fcntl.ioctl(fd, FREEZE))

# Far more writers than the daemon has threads wait; readers do not.
# (In the directory itself readers wait too: the kernel holds its lock for the first writer.)
d = m + "/d"
changes = [
    lambda i: open(d + "/new%d" % i, "w").write("x" * 5000),
    lambda i: os.mkdir(d + "/dir%d" % i),
    lambda i: os.symlink("x", d + "/link%d" % i),
    lambda i: os.chmod(d + "/file", 0o600 + i),
    lambda i: os.setxattr(d + "/file", "user.x%d" % i, b"y"),
    lambda i: open(d + "/file", "a").write("more\n"),
    lambda i: os.mkfifo(d + "/fifo%d" % i),
    lambda i: os.link(d + "/file", d + "/hard%d" % i),
]
threads = [threading.Thread(target=changes[i % len(changes)], args=(i,)) for i in range(64)]
for t in threads:
    t.start()
time.sleep(0.3)
check("changes while frozen", sum(t.is_alive() for t in threads), 64)
check("names in the upper", sorted(os.listdir(upper)), ["mapped"])
check("a read while frozen", open(m + "/file").read(), "old\n")
check("a listing while frozen", sorted(os.listdir(m)), ["d", "file", "mapped"])
fcntl.ioctl(control, THAW)
for t in threads:
    t.join(20)
check("changes after the thaw", sum(t.is_alive() for t in threads), 0)
check("all came", (len(os.listdir(d)), open(d + "/file").read().count("more")), (1 + 5 * 8, 8))
fails("a thaw without a freeze", "EPERM", lambda: fcntl.ioctl(control, THAW))

# Closing the descriptor thaws, and so does the freezer's death.
fcntl.ioctl(control, FREEZE)
os.close(control)
pages.close()
mapped.close()
open(m + "/closed", "w").close()
child = subprocess.Popen(
    [sys.executable, "-c",
     "import fcntl,os,sys,time; fcntl.ioctl(os.open(sys.argv[1], 0), 0x6302); print(flush=True); time.sleep(60)", path],
    stdout=subprocess.PIPE)
child.stdout.readline()
writer = threading.Thread(target=lambda: open(m + "/killed", "w").close())
writer.start()
time.sleep(0.2)
check("a change under a child's freeze", writer.is_alive(), True)
child.send_signal(signal.SIGKILL)
child.wait()
writer.join(20)
check("a change after the child's death", writer.is_alive(), False)

# A process that waits for its own freeze can be killed, and a waiting writer interrupted.
child = subprocess.Popen(
    [sys.executable, "-c",
     "import fcntl,os,sys; fcntl.ioctl(os.open(sys.argv[1], 0), 0x6302); print(flush=True); os.mkdir(sys.argv[2] + '/never')", path, m],
    stdout=subprocess.PIPE)
child.stdout.readline()
time.sleep(0.2)
child.send_signal(signal.SIGKILL)
child.wait(10)
os.mkdir(m + "/after")
check("what the killed one wanted", os.path.exists(m + "/never"), False)

# Freeze and thaw while writers run.
stop = threading.Event()


def write(i):
    n = 0
    while not stop.is_set():
        with open(m + "/busy%d" % i, "w") as f:
            f.write(str(n) * 100)
        os.rename(m + "/busy%d" % i, m + "/done%d" % i)
        n += 1


busy = [threading.Thread(target=write, args=(i,)) for i in range(8)]
for t in busy:
    t.start()
for i in range(30):
    with Freeze(m):
        before = sorted((e.name, e.stat().st_mtime_ns) for e in os.scandir(upper))
        time.sleep(0.01)
        after = sorted((e.name, e.stat().st_mtime_ns) for e in os.scandir(upper))
        check("the upper while frozen", after == before, True)
stop.set()
for t in busy:
    t.join(20)
check("writers at the end", sum(t.is_alive() for t in busy), 0)
os.close(second)
PYTHON
"$CLOUDFS" umount "$work/m"
