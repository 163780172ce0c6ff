#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Registries: cloudfs beside skopeo and buildah, at a docker-registry on loopback. Prints a table.
usage: rows_registry.py [--mb SIZE] [--runs N]     (CLOUDFS: the command; default build/cloudfs)
Data: layers of the machine's own libraries and of noise, SIZE MB in all (default 400); v2 has 68 KiB
changed inside one file of about 100 MB. Everything lies below TMPDIR, and is removed at the end."""
import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLOUDFS = os.environ.get("CLOUDFS", TOP + "/build/cloudfs")


def timed(*argv, runs=1, before=lambda: None):
    """Median of wall and CPU seconds, and the last run's output."""
    walls, cpus, out = [], [], ""
    for _ in range(runs):
        before()
        start, used = time.time(), os.times()
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            sys.exit("%s: %s" % (" ".join(argv), done.stderr[-500:]))
        now = os.times()
        walls.append(time.time() - start)
        cpus.append(now.children_user + now.children_system - used.children_user - used.children_system)
        out = done.stdout
    return statistics.median(walls), statistics.median(cpus), out


def make_data(work, size):
    """v1/big: files of the machine's libraries put together; v1/noise: what does not compress."""
    source = []
    for top, _, names in os.walk("/usr/lib"):
        source += [os.path.join(top, n) for n in names if not os.path.islink(os.path.join(top, n))]
    source = sorted(source)
    os.makedirs(work + "/v1/bin")
    left, number = size * 6 // 10, 0
    while left > 0:
        name, room = work + "/v1/bin/b%02d" % number, min(left, 100 << 20)
        with open(name, "wb") as f:
            while f.tell() < room and source:
                with open(source.pop(), "rb") as part:
                    f.write(part.read(room - f.tell()))
            if f.tell() < room:
                f.write(random.randbytes(room - f.tell()))
        left, number = left - room, number + 1
    with open(work + "/v1/noise", "wb") as f:
        f.write(random.randbytes(size * 4 // 10))
    shutil.copytree(work + "/v1", work + "/v2")
    with open(work + "/v2/bin/b00", "r+b") as f:
        f.seek(os.path.getsize(work + "/v2/bin/b00") // 2)
        f.write(random.randbytes(68 << 10))


def start_registry(work):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    s.close()
    with open(work + "/registry.yml", "w") as f:
        f.write("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: %s/registry}\n"
                "http: {addr: '127.0.0.1:%d'}\n" % (work, port))
    with open(work + "/log", "w") as log:
        daemon = subprocess.Popen(["docker-registry", "serve", work + "/registry.yml"], stdout=log, stderr=log)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    return daemon, "127.0.0.1:%d" % port


def measure(work, host, runs):
    tls, rows = "--tls-verify=false", []
    ours = lambda *a, store="store": [CLOUDFS, "--root", "%s/%s" % (work, store), *a]
    clear = lambda name: (lambda: subprocess.run(["rm", "-rf", work + "/" + name], check=True))
    skopeo = lambda tag: ["skopeo", "copy", "-q", "--src-tls-verify=false", "docker://%s/k:%s" % (host, tag),
                          "oci:%s/peer:x" % work]

    def row(title, sample, note=""):
        rows.append((title, "%.2f" % sample[0], "%.2f" % sample[1], note))

    for v in "12":
        timed(*ours("import", "%s/v%s" % (work, v), "-t", "k:" + v))
    timed(*ours("import", "--base", "k:1", work + "/edit", "-t", "k:edit"))
    row("push, zstd:chunked", timed(*ours("push", tls, "k:1", host + "/k:1")))
    timed(*ours("push", tls, "k:2", host + "/k:2"))
    row("push, gzip", timed(*ours("push", tls, "--compression", "gzip", "k:1", host + "/k:gzip")))
    sample = timed(*ours("push", tls, "--json", "k:edit", host + "/k:edit"))
    row("push of a commit of two files", sample, "%d requests" % json.loads(sample[2])["Requests"])
    for form, tag in (("gzip", "gzip"), ("zstd:chunked", "1")):
        row("pull, " + form, timed(*ours("pull", tls, host + "/k:" + tag, store="fresh"), runs=runs,
                                   before=clear("fresh")))
    row("skopeo copy to an OCI layout (no unpacking), gzip", timed(*skopeo("gzip"), runs=runs, before=clear("peer")))
    sample = timed(*ours("pull", tls, "--json", host + "/k:2", store="fresh"))
    row("pull of v2 with v1 here", sample, "%d bytes fetched" % json.loads(sample[2])["BytesFetched"])
    if shutil.which("buildah"):
        peer = ["buildah", "--root", work + "/b/root", "--runroot", work + "/b/run", "--storage-driver", "vfs"]
        row("buildah pull, vfs, gzip", timed(*peer, "pull", "-q", tls, host + "/k:gzip"))
        row("buildah push, gzip", timed(*peer, "push", "-q", tls, host + "/k:gzip", "docker://%s/peer:1" % host))
    return rows


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--mb", type=int, default=400)
    parser.add_argument("--runs", type=int, default=1)
    options = parser.parse_args()
    work = tempfile.mkdtemp(prefix="cloudfs-bench.")
    random.seed(1)
    daemon = None
    try:
        make_data(work, options.mb << 20)
        os.makedirs(work + "/edit/etc")
        for name in "ab":
            with open(work + "/edit/etc/" + name, "w") as f:
                f.write(name * 300)
        daemon, host = start_registry(work)
        print("| %d MB, load %.1f | wall s | CPU s | |\n|---|---|---|---|" % (options.mb, os.getloadavg()[0]))
        for line in measure(work, host, options.runs):
            print("| %s |" % " | ".join(line))
    finally:
        if daemon:
            daemon.terminate()
            daemon.wait()
        subprocess.run(["rm", "-rf", work])


main()
