# SPDX-License-Identifier: Apache-2.0
"""Random edits below a directory, the same for the same seed, and a listing of what is there then.

engine_edits.py edit DIR SEED COUNT: makes COUNT edits. What is there decides what is edited, so two
directories that show the same are edited alike. engine_edits.py list DIR: prints every path with all
that engines have to agree on.
"""
import errno
import hashlib
import os
import random
import stat
import sys

BIG = 70000  # larger than what commit copies: such content becomes stubs


def walk(top):
    dirs, files, others = [top], [], []
    for path, subdirs, names in os.walk(top):
        subdirs.sort()
        for name in sorted(subdirs + names):
            full = os.path.join(path, name)
            mode = os.lstat(full).st_mode
            (dirs if stat.S_ISDIR(mode) else files if stat.S_ISREG(mode) else others).append(full)
    return sorted(dirs), sorted(files), sorted(others)


class Edits:
    def __init__(self, top, seed):
        self.top, self.rng, self.count = top, random.Random(seed), 0

    def data(self):
        size = self.rng.choice([0, 5, 300, 3000, 9000, BIG, BIG + 1])
        return bytes(self.rng.getrandbits(8) for _ in range(64)) * (size // 64 + 1)

    def name(self, dirs):
        self.count += 1
        return os.path.join(self.rng.choice(dirs), "%s%d" % (self.rng.choice("abcxyz"),
                                                            self.rng.randrange(12)))

    def one(self):
        dirs, files, others = walk(self.top)
        rng = self.rng
        every = files + others + dirs[1:]
        what = rng.randrange(16)
        to = self.name(dirs)
        data = self.data()
        pick = rng.choice(every) if every else None
        a_file = rng.choice(files) if files else None
        a_dir = rng.choice(dirs)
        number = rng.randrange(1 << 16)
        if what == 0:
            with open(to, "xb") as f:
                f.write(data)
        elif what == 1:
            os.mkdir(to, 0o700 + number % 64)
        elif what == 2:
            os.symlink("t%d" % number, to)
        elif what == 3:
            os.mkfifo(to) if number % 2 else os.mknod(to, 0o600 | stat.S_IFCHR, os.makedev(5, 1))
        elif what == 4 and a_file:
            with open(a_file, "ab") as f:
                f.write(data[:100])
        elif what == 5 and a_file:
            with open(a_file, "r+b") as f:
                f.seek(number % 5000)
                f.write(data[:50])
        elif what == 6 and a_file:
            os.truncate(a_file, number % 9000)
        elif what == 7 and pick:
            os.remove(pick) if pick not in dirs else os.rmdir(pick)
        elif what in (8, 9) and pick:
            if not to.startswith(pick + "/"):
                os.rename(pick, to)
        elif what == 10 and len(dirs) > 1:
            pick = rng.choice(dirs[1:])
            if not to.startswith(pick + "/"):
                os.rename(pick, to)
        elif what == 11 and a_file:
            os.link(a_file, to)
        elif what == 12 and pick and not os.path.islink(pick):
            os.chmod(pick, 0o600 + number % 64)
        elif what == 13 and pick:
            os.lchown(pick, number, number // 2)
        elif what == 14 and a_file:
            os.setxattr(a_file, "user.k%d" % (number % 3), b"v%d" % number)
        elif what == 15:
            if number % 4 == 0 and a_dir != self.top:  # as rm -r
                for path, _, names in os.walk(a_dir, topdown=False):
                    for name in sorted(names):
                        os.remove(os.path.join(path, name))
                    for name in sorted(os.listdir(path)):
                        full = os.path.join(path, name)
                        os.remove(full) if os.path.islink(full) else os.rmdir(full)
                    if number % 8 == 0:
                        continue
                os.rmdir(a_dir)
                if number % 16 == 4:
                    os.mkdir(a_dir)
            elif a_file:
                os.utime(a_file, ns=(number * 10**9, number * 10**9 + 7), follow_symlinks=False)


FINE = {errno.EEXIST, errno.ENOTEMPTY, errno.EISDIR, errno.ENOTDIR, errno.EBUSY, errno.EINVAL,
        errno.ENOENT, errno.EPERM}


def edit(top, seed, count):
    edits = Edits(top, seed)
    for _ in range(count):
        try:
            edits.one()
        except OSError as e:
            if e.errno not in FINE:
                raise


def listing(top):
    dirs, files, others = walk(top)
    known = {}
    for path in sorted(dirs + files + others):
        st = os.lstat(path)
        fields = [os.path.relpath(path, top), oct(st.st_mode), st.st_uid, st.st_gid]
        if path in files:
            with open(path, "rb") as f:
                fields += [st.st_size, hashlib.sha256(f.read()).hexdigest()[:16]]
        if path not in dirs:
            fields += [st.st_nlink, known.setdefault(st.st_ino, len(known))]
        if stat.S_ISLNK(st.st_mode):
            fields.append(os.readlink(path))
        elif path in dirs or path in files:
            fields += ["%s=%r" % (n, os.getxattr(path, n)) for n in sorted(os.listxattr(path))]
        if stat.S_ISCHR(st.st_mode):
            fields.append(st.st_rdev)
        print(*fields)


if sys.argv[1] == "edit":
    edit(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
else:
    listing(sys.argv[2])
