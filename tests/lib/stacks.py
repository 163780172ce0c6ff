#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Random stacks of plain directories, and what a mount of one shows.

stacks.py raw DIR SEED COUNT   layers DIR/1 (topmost) to DIR/COUNT: whiteouts, opaque directories,
                               other types at the same names, hard links, symlinks
stacks.py change DIR SEED N    N random changes below DIR, as a user of a filesystem makes them
stacks.py show DIR             one line for each path below DIR
"""
import hashlib
import os
import random
import stat
import sys

NAMES = ["a", "b", "c", "d", "e", "long name", "\u00e4"]


def quiet(call, *args, **more):
    """A change that the filesystem may refuse."""
    try:
        return call(*args, **more)
    except OSError:
        return None


def write(path, text):
    """A FIFO at that place refuses, it does not wait."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK, 0o644)
    os.write(fd, text)
    os.close(fd)


def dress(r, path):
    if os.path.islink(path):
        return
    if r.random() < 0.3:
        os.setxattr(path, "user.note", b"%d" % r.randrange(100))
    if r.random() < 0.2:
        os.chown(path, r.randrange(5), r.randrange(5))
    os.chmod(path, r.choice([0o644, 0o755, 0o700, 0o600, 0o4755]))


def raw_entry(r, path, depth, files):
    kind = r.random()
    if kind < 0.35 and depth < 4:
        os.mkdir(path)
        dress(r, path)
        if r.random() < 0.15:
            os.setxattr(path, "trusted.overlay.opaque", b"y")
        raw_dir(r, path, depth + 1, files)
    elif kind < 0.5:
        os.mknod(path, stat.S_IFCHR, 0)
    elif kind < 0.6:
        os.symlink(r.choice(NAMES), path)
    elif kind < 0.65:
        os.mkfifo(path)
    elif kind < 0.75 and files:
        os.link(r.choice(files), path)
    else:
        write(path, os.urandom(1) * r.choice([0, 5, 5000, 70000]))
        dress(r, path)
        files.append(path)


def raw_dir(r, path, depth, files):
    for name in r.sample(NAMES, r.randrange(len(NAMES))):
        raw_entry(r, os.path.join(path, name), depth, files)


def raw(top, seed, count):
    r = random.Random(seed)
    for i in range(count):
        layer = os.path.join(top, str(i + 1))
        os.mkdir(layer)
        raw_dir(r, layer, 0, [])


def places(top):
    dirs, others = [top], []
    for base, below, names in os.walk(top):
        below.sort()
        dirs += [os.path.join(base, n) for n in below if not os.path.islink(os.path.join(base, n))]
        others += [os.path.join(base, n) for n in sorted(names)]
    return dirs, others


def change_one(r, top):
    dirs, others = places(top)
    some = r.choice(others) if others else top
    new = os.path.join(r.choice(dirs), r.choice(NAMES))
    kind = r.randrange(10)
    if kind == 0:
        quiet(os.mkdir, new)
    elif kind == 1:
        quiet(write, new, os.urandom(1) * r.choice([0, 10, 6000]))
    elif kind == 2 and others:
        quiet(os.unlink, some)
    elif kind == 3:
        quiet(os.rename, r.choice(dirs[1:] or dirs), new)
    elif kind == 4 and others:
        quiet(os.rename, some, new)
    elif kind == 5 and others:
        quiet(os.link, some, new, follow_symlinks=False)
    elif kind == 6:
        quiet(os.chmod, r.choice(dirs + others), r.choice([0o700, 0o755, 0o640]))
    elif kind == 7 and others and not os.path.islink(some) and os.path.isfile(some):
        with open(some, "ab") as f:
            f.write(b"more")
    elif kind == 8:
        quiet(os.symlink, r.choice(NAMES), new)
    else:
        quiet(os.rmdir, r.choice(dirs[1:] or dirs))


def change(top, seed, count):
    r = random.Random(seed)
    for _ in range(count):
        change_one(r, top)


def show_one(path, name):
    st = os.lstat(path)
    kind = stat.S_IFMT(st.st_mode)
    words = [name, oct(st.st_mode), str(st.st_uid), str(st.st_gid), str(st.st_mtime_ns)]
    if kind == stat.S_IFLNK:
        words.append(os.readlink(path))
    else:
        for x in sorted(os.listxattr(path)):
            words.append(f"{x}={os.getxattr(path, x).hex()}")
    if kind == stat.S_IFREG:
        with open(path, "rb") as f:
            data = f.read()
        words += [str(st.st_size), str(len(data)), hashlib.sha1(data).hexdigest()]
    print(" ".join(repr(w)[1:-1] for w in words))


def show(top):
    """Names that are listed and are not there (whiteouts in a directory that is not merged) are
    left out: cloudfs does not list them, the kernel does."""
    def walk(path, name):
        show_one(path, name)
        if os.path.islink(path) or not os.path.isdir(path):
            return
        for n in sorted(os.listdir(path)):
            below = os.path.join(path, n)
            if os.path.lexists(below):
                walk(below, f"{name}/{n}")
    walk(top, "")


if __name__ == "__main__":
    what, where, *rest = sys.argv[1:]
    {"raw": raw, "change": change, "show": show}[what](where, *map(int, rest))
