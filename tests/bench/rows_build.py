#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Builds: cloudfs beside buildah bud. Prints a table; needs root.
usage: rows_build.py [--mb SIZE] [--runs N] [--steps N] [--only NAME] [--doc FILE]   (CLOUDFS: the command; default
build/cloudfs). --doc puts the table into that page, too.
Data: a rootfs of SIZE MB (default 1000) in 300 files that do not compress. Everything lies below TMPDIR,
and is removed at the end."""
import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import harness

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLOUDFS = os.environ.get("CLOUDFS", TOP + "/build/cloudfs")


def timed(argv, runs, before):
    walls = []
    for i in range(runs):
        before(i)
        start = time.time()
        done = subprocess.run(argv(i), capture_output=True, text=True)
        walls.append(time.time() - start)
        if done.returncode:
            sys.exit("%s: %s" % (" ".join(argv(i)), done.stderr[-800:]))
    return statistics.median(walls)


def make_rootfs(path, size):
    for name in ("bin", "cri", "etc", "images", "registry", "scripts", "statics"):
        os.makedirs("%s/%s" % (path, name))
    left = size << 20
    for i in range(300):
        part = left // 12 if i < 10 else left // (300 - i)
        with open("%s/%s/f%03d" % (path, "bin" if i < 10 else "registry", i), "wb") as f:
            while f.tell() < part:
                f.write(os.urandom(min(1 << 20, part - f.tell())))
        left -= part
    old = time.time() - 100
    for top, _, names in os.walk(path):
        for name in names:
            os.utime(os.path.join(top, name), (old, old))


def add_shell(path):
    """This machine's sh, with its libraries, below path/root."""
    files = ["/bin/sh"]
    for line in subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True).stdout.splitlines():
        files += [word for word in line.split() if word.startswith("/")]
    for name in files:
        os.makedirs(path + "/root" + os.path.dirname(name), exist_ok=True)
        shutil.copy(os.path.realpath(name), path + "/root" + name)


class Bench:
    def __init__(self, work, runs):
        self.work, self.runs, self.table = work, runs, []
        self.environment = dict(os.environ, CLOUDFS_ROOT=work + "/store")
        os.environ.update(self.environment)
        self.buildah = ["buildah", "--root", work + "/buildah", "--runroot", work + "/run", "--storage-driver", "overlay"]

    def bud(self, context, name, *options):
        return self.buildah + ["bud", "-q", "--isolation", "chroot", "--network", "host", "-f", "Kubefile", "-t", name,
                               *options, context]

    def own(self, context, name, *options):
        return [CLOUDFS, "-q", "build", "-t", name, *options, context]

    def say(self, line):
        self.table.append(line)
        print(line, flush=True)

    def row(self, name, goal, own, peer, before=lambda i: None, runs=None):
        runs = runs or self.runs
        mine = timed(own, runs, before)
        other = timed(peer, runs, lambda i: before(i + runs)) if peer else None
        self.say("| %s | %.3f s | %s | %s | %s |" % (
            name, mine, "%.2f s" % other if other else "", "%.1f" % (other / mine) if other else "", goal))


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--only", default="")
    parser.add_argument("--doc", default="")
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="cloudfs-bench.")
    try:
        bench = Bench(work, options.runs)
        make_rootfs(work + "/rootfs", options.mb)
        write(work + "/rootfs/Kubefile", "FROM scratch\nCOPY . .\n")
        bench.say("| build | cloudfs | buildah bud | times cloudfs | goal |")
        bench.say("|---|---|---|---|---|")
        peer = lambda argv: argv if not options.only else None
        bench.row("`COPY . .` of the rootfs", "5 times faster", lambda i: bench.own(work + "/rootfs", "base:%d" % i, "--no-cache"),
                  peer(lambda i: bench.bud(work + "/rootfs", "base:1", "--no-cache")), runs=1)
        bench.row("again, cached", "", lambda i: bench.own(work + "/rootfs", "base:0"),
                  peer(lambda i: bench.bud(work + "/rootfs", "base:1", "--layers")), runs=2)
        write(work + "/one/Kubefile", "FROM base:0\nCOPY daemon.json etc/\n")
        write(work + "/one-peer/Kubefile", "FROM localhost/base:1\nCOPY daemon.json etc/\n")

        def change(i):
            for name in ("one", "one-peer"):
                write("%s/%s/daemon.json" % (work, name), '{"max-file": "%d"}\n' % i)

        bench.row("one `COPY` on that base", "under 0.03 s", lambda i: bench.own(work + "/one", "one:%d" % i),
                  peer(lambda i: bench.bud(work + "/one-peer", "one:1", "--layers")), change, options.runs)
        lines = "".join("COPY f%d etc/\n" % i for i in range(19))
        for name, base in (("many", "base:0"), ("many-peer", "localhost/base:1")):
            write("%s/%s/Kubefile" % (work, name), "FROM %s\n%s" % (base, lines))
            for i in range(19):
                write("%s/%s/f%d" % (work, name, i), "%d\n" % i)
        subprocess.run(bench.own(work + "/many", "many:1"), check=True, stdout=subprocess.DEVNULL)
        time.sleep(2.1)
        subprocess.run(bench.own(work + "/many", "many:1"), check=True, stdout=subprocess.DEVNULL)
        if not options.only:
            subprocess.run(bench.bud(work + "/many-peer", "many:1", "--layers"), check=True, stdout=subprocess.DEVNULL)
        bench.row("20 instructions, all cached", "under 0.02 s", lambda i: bench.own(work + "/many", "many:1"),
                  peer(lambda i: bench.bud(work + "/many-peer", "many:1", "--layers")), runs=options.runs)
        steps = "".join("RUN echo %d > f%d\n" % (i, i) for i in range(options.steps))
        write(work + "/run/Kubefile", "FROM base:0\n" + steps)
        # The peer runs in the image, which needs a shell of its own.
        add_shell(work + "/shell")
        if not options.only:
            write(work + "/shell/Kubefile", "FROM localhost/base:1\nCOPY root /\n")
            subprocess.run(bench.bud(work + "/shell", "shell:1"), check=True, stdout=subprocess.DEVNULL)
        write(work + "/run-peer/Kubefile", "FROM localhost/shell:1\n" + steps)
        bench.row("%d `RUN` steps" % options.steps, "3 times faster", lambda i: bench.own(work + "/run", "run:1", "--no-cache"),
                  peer(lambda i: bench.bud(work + "/run-peer", "run:1", "--layers", "--no-cache")), runs=1)
        if options.doc:
            harness.update_document(options.doc, "\n".join(bench.table) + "\n", "builds")
    finally:
        if not options.only:
            subprocess.run(bench.buildah + ["rmi", "-a", "-f"], capture_output=True)
        subprocess.run(["umount", work + "/buildah/overlay"], capture_output=True)
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
