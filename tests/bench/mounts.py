# SPDX-License-Identifier: Apache-2.0
"""The filesystems that are measured beside each other: how each is mounted, and what it is mounted on."""
import hashlib
import os
import shutil
import subprocess
import sys
import time

from harness import Failed, command

HERE = os.path.dirname(os.path.abspath(__file__))
LAYERS = (1, 50, 500)


def remove(path):
    if os.path.lexists(path):
        subprocess.run(["rm", "-rf", "--one-file-system", path], check=True)


def escape(path):
    """A path as overlay options want it."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


class Data:
    """Trees of plain files, each also an image of a cloudfs store on the same disk. Made once; kept.

    walk/   many small entries        small/  a tree of headers, also small.tar    chmod/  2,000 files
    many/   one directory of 10,000   big     one file that does not compress      layers/ 500 directories"""
    VERSION = "1"

    def __init__(self, directory, cloudfs, quick):
        self.quick = quick
        self.top = f"{directory}/mount-{'quick' if quick else 'full'}"
        self.plain, self.store, self.cloudfs_bin = f"{self.top}/plain", f"{self.top}/store", cloudfs
        self.layers, self.million = f"{self.top}/layers", f"{self.top}/million"
        self.walk, self.small, self.chmod, self.many = (
            (15000, 3000, 500, 2000) if quick else (75000, 9000, 2000, 10000))
        self.big = (256 if quick else 1024) << 20
        self.million_files = 100000 if quick else 1000000

    def cloudfs(self, *args):
        return [self.cloudfs_bin, "--root", self.store, *args]

    def make(self):
        """The plain trees."""
        mark = f"{self.top}/complete"
        if os.path.exists(mark) and open(mark).read() == self.VERSION:
            return
        print(f"bench: making the data in {self.top}, once", file=sys.stderr)
        remove(self.top)
        os.makedirs(self.plain)
        self.files("walk", self.walk * 9 // 10, 9, 100)
        self.files("small", self.small, 10, 13000)
        self.files("chmod", self.chmod, 100, 13000)
        self.files("many", self.many, self.many, 100)
        with open(f"{self.plain}/big", "wb") as f:
            for _ in range(self.big >> 20):
                f.write(os.urandom(1 << 20))
        command(["tar", "-C", self.plain, "-cf", f"{self.top}/small.tar", "small"])
        for n in range(1, max(LAYERS) + 1):
            os.makedirs(f"{self.layers}/{n}/d{n % 10}")
            with open(f"{self.layers}/{n}/d{n % 10}/f{n}", "w") as f:
                f.write(f"layer {n}\n")
        os.sync()
        with open(mark, "w") as f:
            f.write(self.VERSION)

    def files(self, name, count, width, size):
        """COUNT files of about SIZE bytes, WIDTH in a directory, no two alike."""
        block = bytes(33 + i * 7919 % 90 for i in range(4 * size))
        for i in range(count):
            if i % width == 0:
                where = f"{self.plain}/{name}/{i // width // 50}/{i // width}" if width < count else f"{self.plain}/{name}"
                os.makedirs(where)
            start, length = i * 31 % size, size // 2 + i * 7907 % size
            with open(f"{where}/file-{i}.h", "wb") as f:
                f.write(b"/* %d */\n" % i + block[start:start + length])

    def make_store(self):
        """The images, made again when another build of cloudfs made them."""
        with open(self.cloudfs_bin, "rb") as f:
            stamp = hashlib.sha256(f.read()).hexdigest()
        mark = f"{self.top}/store.made-by"
        if os.path.exists(mark) and open(mark).read() == stamp:
            return
        remove(self.store)
        command(self.cloudfs("import", self.plain, "-t", "bench:plain"))
        self.make_layers()
        with open(mark, "w") as f:
            f.write(stamp)

    def make_layers(self):
        base = []
        for n in range(1, max(LAYERS) + 1):
            command(self.cloudfs("import", f"{self.layers}/{n}", "-t", "bench:layers", *base))
            base = ["--base", "bench:layers"]
            if n in LAYERS:
                command(self.cloudfs("tag", "bench:layers", f"bench:layers-{n}"))

    def make_million(self):
        """(plain directory, image) of a million files, 1,000 in a directory."""
        mark = f"{self.million}.complete"
        if not os.path.exists(mark):
            remove(self.million)
            for i in range(self.million_files):
                if i % 1000 == 0:
                    where = f"{self.million}/d{i // 1000:04d}"
                    os.makedirs(where)
                with open(f"{where}/f{i:07d}", "w") as f:
                    f.write(f"file number {i}\n")
            open(mark, "w").close()
        if ":million" not in command(self.cloudfs("-q", "images")):
            command(self.cloudfs("import", self.million, "-t", "bench:million"))


class Engine:
    """One contender. mount() and umount() of a state, which is the directory of one mount."""
    name = ""

    def __init__(self, data):
        self.data = data

    def available(self):
        """None, or why it cannot be measured here."""
        return None

    def overlay_options(self, state, lower):
        for part in ("upper", "work"):
            os.makedirs(f"{state}/{part}", exist_ok=True)
        return f"lowerdir={lower},upperdir={escape(state)}/upper,workdir={escape(state)}/work"

    def mount_command(self, state, image):
        """(argv, working directory) that mounts IMAGE, 'plain', 'million' or 'layers-N', at state/mnt."""
        raise NotImplementedError

    def lower(self, image):
        """What overlayfs's lowerdir is, relative to the working directory, and that directory."""
        if image.startswith("layers-"):
            return ":".join(str(n) for n in range(int(image[7:]), 0, -1)), self.data.layers
        where = {"plain": self.data.plain, "million": self.data.million}[image]
        return escape(where), "/"

    def mount(self, state, image="plain"):
        os.makedirs(f"{state}/mnt", exist_ok=True)
        argv, where = self.mount_command(state, image)
        start = time.perf_counter()
        done = subprocess.run(argv, cwd=where, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
        took = time.perf_counter() - start
        if done.returncode:
            raise Failed(f"mount: {done.stderr.strip()[-200:]}")
        return took

    def umount(self, state):
        for tries in range(100):
            if subprocess.run(["umount", f"{state}/mnt"], stderr=subprocess.DEVNULL).returncode == 0:
                return
            if not os.path.ismount(f"{state}/mnt"):
                return
            time.sleep(0.05)
        subprocess.run(["umount", "-l", f"{state}/mnt"])

    def clean(self):
        """Removes what mounts left behind outside of their state."""

    def memory(self, state):
        """KiB of resident memory of the process that serves the mount, and KiB of its own; None: nobody."""
        return None


def process_memory(pid):
    with open(f"/proc/{pid}/status") as f:
        fields = {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith(" kB\n")}
    return fields["VmRSS"], fields["RssAnon"]


def children_with(text):
    """The processes whose command line holds TEXT: ours, since it names our own directory."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                if text.encode() in f.read() and int(pid) != os.getpid():
                    yield int(pid)
        except OSError:
            pass


class Overlay(Engine):
    name = "overlayfs"

    def mount_command(self, state, image):
        lower, where = self.lower(image)
        return ["mount", "-t", "overlay", "overlay", "-o", self.overlay_options(state, lower), f"{state}/mnt"], where


class FuseOverlay(Engine):
    name = "fuse-overlayfs"

    def available(self):
        return None if shutil.which("fuse-overlayfs") else "not installed"

    def mount_command(self, state, image):
        lower, where = self.lower(image)
        return ["fuse-overlayfs", "-o", self.overlay_options(state, lower), f"{state}/mnt"], where

    def memory(self, state):
        return max((process_memory(pid) for pid in children_with(f"{state}/mnt")), default=None)


class Cloudfs(Engine):
    name = "cloudfs"
    options = []

    def mount_command(self, state, image):
        return self.data.cloudfs("mount", *self.options, f"bench:{image}", f"{state}/mnt"), "/"

    def clean(self):
        """The uppers that umount kept: removing many files would slow down those who make files next."""
        for mount in command(self.data.cloudfs("-q", "mount")).split():
            command(self.data.cloudfs("umount", "--discard", mount), check=False)


class CloudfsFuse(Cloudfs):
    name = "cloudfs"

    def memory(self, state):
        return max((process_memory(pid) for pid in children_with(f"{state}/mnt")), default=None)


class CloudfsKernel(Cloudfs):
    name = "cloudfs, kernel engine"
    options = ["--engine", "kernel"]


ENGINES = (Overlay, FuseOverlay, CloudfsFuse, CloudfsKernel)
