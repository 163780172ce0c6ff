# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: what cloudfs and its peers are asked to do. Run through run.sh."""
import argparse
import atexit
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import time

from harness import (Failed, Fresh, Row, Side, command, load_results, machine_facts, markdown, record,
                     remove, run_row, save_results, timed, update_document)
from rows_registry import Registry, registry_facts, registry_rows

HERE = os.path.dirname(os.path.abspath(__file__))
CONFIG_EDIT = "s/max-concurrent-downloads\": [0-9]*/max-concurrent-downloads\": 10/"


def read_all(path):
    with open(path, "rb") as f:
        return f.read()


class Bench:
    """Where things are, and the commands with their private stores."""

    def __init__(self, directory, cloudfs):
        self.data = f"{directory}/data"
        self.run = f"{directory}/run"
        self.cloudfs_bin = cloudfs
        self.store = f"{self.run}/store"
        self.mnt = f"{self.run}/mnt"
        self.peer = f"{self.run}/peer"
        os.makedirs(self.mnt, exist_ok=True)
        self.registry = Registry(self)

    def oci(self, name):
        return f"{self.data}/oci/{name}"

    def cloudfs(self, *args, store=None):
        return [self.cloudfs_bin, "--root", store or self.store, *args]

    def containers(self, tool, *args, store=None):
        """podman or buildah with a store of our own."""
        top = store or self.peer
        return [tool, "--root", f"{top}/root", "--runroot", f"{top}/runroot", "--storage-driver", "overlay", *args]

    def skopeo(self, name, store=None):
        top = store or self.peer
        return ["skopeo", "--insecure-policy", "copy", "--quiet", f"oci:{self.oci(name)}:{name}",
                f"containers-storage:[overlay@{top}/root+{top}/runroot]localhost/bench:{name}"]

    # --- stores with the images in them, made when first needed ---

    def need_cloudfs(self, *names):
        """The images NAMES in our store. A store that another build of cloudfs made is made again."""
        mark, stamp = f"{self.run}/store.made-by", hashlib.sha256(read_all(self.cloudfs_bin)).hexdigest()
        if not os.path.exists(mark) or read_all(mark).decode() != stamp:
            remove(self.store)
            with open(mark, "w") as f:
                f.write(stamp)
        for name in names:
            if f":{name}" not in self.cloudfs_names():
                command(self.cloudfs("load", "-i", self.oci(name), "-t", f"bench:{name}"))

    def cloudfs_names(self):
        return command(self.cloudfs("-q", "images"), check=False) if os.path.exists(self.store) else ""

    def need_peer(self, *names):
        for name in names:
            here = self.containers("podman", "image", "exists", f"localhost/bench:{name}")
            if subprocess.run(here, stderr=subprocess.DEVNULL).returncode:
                os.makedirs(f"{self.peer}/root", exist_ok=True)
                command(self.skopeo(name))


# --- commit -------------------------------------------------------------------------------------------

def commit_row(bench, key, title, goal, edit, repeat=0, memory=False):
    """EDIT(directory) changes a mounted v1; what is timed is the commit."""
    def cloudfs_setup():
        bench.need_cloudfs("v1")
        command(bench.cloudfs("mount", "bench:v1", bench.mnt))
        edit(bench.mnt)

    def cloudfs_finish():
        command(bench.cloudfs("umount", "--all", "--discard"), check=False)
        command(bench.cloudfs("rmi", f"bench:{key}"), check=False)
        command(bench.cloudfs("gc"))

    container = f"bench-{key}"

    def buildah_setup():
        bench.need_peer("v1")
        command(bench.containers("buildah", "rename", container, f"{container}-{time.time_ns()}"), check=False)
        command(bench.containers("buildah", "from", "--pull-never", "--name", container, "localhost/bench:v1"))
        edit(command(bench.containers("buildah", "mount", container)).strip())

    def buildah_finish():
        command(bench.containers("buildah", "rm", "--all"), check=False)
        command(bench.containers("buildah", "rmi", "--prune"), check=False)
        command(bench.containers("buildah", "rmi", f"localhost/bench:{key}"), check=False)

    commit = bench.cloudfs("commit", bench.mnt, "-t", f"bench:{key}")
    peer = bench.containers("buildah", "commit", "--quiet", container, f"localhost/bench:{key}")
    return Row(key, title, [
        Side("cloudfs", lambda: timed(commit, memory=memory), cloudfs_setup,
             lambda: command(bench.cloudfs("umount", bench.mnt), check=False), cloudfs_finish),
        Side("buildah", lambda: timed(peer, memory=memory), buildah_setup,
             lambda: command(bench.containers("buildah", "umount", container), check=False), buildah_finish),
    ], repeat, goal)


def commit_rows(bench):
    def config(top):
        command(["sed", "-i", "-e", CONFIG_EDIT, f"{top}/etc/daemon.json"])
        with open(f"{top}/etc/kubeadm.yml", "a") as f:
            f.write("# edited\n")

    def gigabyte(top):
        command(["cp", "-r", f"{bench.data}/gigabyte", f"{top}/registry/gigabyte"])

    def one_byte(top):
        with open(f"{top}/bin/kubelet", "r+b") as f:
            f.seek(50_000_000)
            byte = f.read(1)
            f.seek(50_000_000)
            f.write(bytes([byte[0] ^ 1]))

    def thousand(top):
        command(["cp", "-r", f"{bench.data}/thousand", f"{top}/manifests/thousand"])

    return [
        commit_row(bench, "commit-config", "commit of two edited config files", "under 0.03 s", config),
        commit_row(bench, "commit-1g", "commit after adding 1 GB in 10 files", "10 times faster, under 64 MiB",
                   gigabyte, repeat=3, memory=True),
        commit_row(bench, "commit-byte", "commit after one byte in a 109 MB binary", "10 times faster", one_byte),
        commit_row(bench, "commit-1000", "commit after 1,000 new small files", "5 times faster", thousand),
    ]


# --- load and import ----------------------------------------------------------------------------------

def load_row(bench):
    ours, peer, bundle = (Fresh(bench, f"load-{name}") for name in ("store", "peer", "bundle"))
    layout = bench.oci("v1")
    return Row("load", "load of the image from an OCI layout, gzip layers", [
        Side("cloudfs", lambda: timed(bench.cloudfs("load", "-i", layout, "-t", "bench:v1", store=ours.path),
                                      memory=True), ours.next, None, ours.finish),
        Side("skopeo copy", lambda: timed(bench.skopeo("v1", store=peer.path), memory=True),
             peer.next_peer, None, peer.finish),
        Side("umoci unpack", lambda: timed(["umoci", "unpack", "--image", f"{layout}:v1", bundle.path], memory=True),
             bundle.next, None, bundle.finish),
    ], 3, "4 times faster, under 64 MiB")


def import_row(bench):
    ours, peer = Fresh(bench, "import-store"), Fresh(bench, "import-peer")
    rootfs, container = f"{bench.data}/rootfs", "bench-import"

    def buildah(*args):
        return bench.containers("buildah", *args, store=peer.path)

    def buildah_setup():
        peer.next_peer()
        command(buildah("from", "--name", container, "scratch"))

    return Row("import", "import of the directory", [
        Side("cloudfs", lambda: timed(bench.cloudfs("import", rootfs, "-t", "bench:import", store=ours.path),
                                      memory=True), ours.next, None, ours.finish),
        Side("buildah copy, commit", lambda: timed(
            buildah("copy", "--quiet", container, rootfs, "/"),
            buildah("commit", "--quiet", container, "localhost/bench:import"), memory=True),
            buildah_setup, None, peer.finish),
    ], 3, "under 64 MiB")


# --- looking ------------------------------------------------------------------------------------------

def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as f:
        f.write("3\n")


def shell(*steps):
    """One sh(1) that does the steps, each a command line or the words of one, while they succeed."""
    lines = [s if isinstance(s, str) else s[0] if len(s) == 1 else shlex.join(s) for s in steps]
    return ["sh", "-c", " && ".join(lines)]


def mount_row(bench, key, name, title, goal, cold=False):
    """From nothing mounted until the first file is read."""
    image = f"localhost/bench:{name}"

    def cloudfs_setup():
        bench.need_cloudfs(name)
        if cold:
            drop_caches()

    def peer_setup():
        bench.need_peer(name)
        command(bench.containers("podman", "image", "umount", "--force", image), check=False)
        if cold:
            drop_caches()

    # Both through a shell, so that both pay for it.
    ours = shell(bench.cloudfs("mount", f"bench:{name}", bench.mnt), f"cat {bench.mnt}/etc/daemon.json")
    theirs = shell(["top=$(" + shlex.join(bench.containers("podman", "image", "mount", image)) + ")"],
                   'cat "$top/etc/daemon.json"')
    return Row(key, title, [
        Side("cloudfs", lambda: timed(ours), cloudfs_setup,
             lambda: command(bench.cloudfs("umount", "--discard", bench.mnt), check=False)),
        Side("podman image mount", lambda: timed(theirs), peer_setup,
             lambda: command(bench.containers("podman", "image", "umount", "--force", image), check=False)),
    ], 0, goal)


def cat_row(bench):
    image = "localhost/bench:v1"

    podman = bench.containers("podman", "image")
    theirs = shell(["top=$(" + shlex.join(podman + ["mount", image]) + ")"], 'cat "$top/etc/daemon.json"',
                   podman + ["umount", "--force", image])
    return Row("cat", "cat one file of an image, no mount", [
        Side("cloudfs", lambda: timed(bench.cloudfs("cat", "bench:v1:etc/daemon.json")),
             lambda: bench.need_cloudfs("v1")),
        Side("podman image mount, cat, umount", lambda: timed(theirs), lambda: bench.need_peer("v1")),
    ], 0, "under 5 ms")


def look_rows(bench):
    return [
        mount_row(bench, "mount-1", "l1", "mount until the first cat, 1 layer", "10 times faster"),
        mount_row(bench, "mount-8", "v1", "the same, 8 layers of 1.3 GB", "10 times faster"),
        mount_row(bench, "mount-120", "l120", "the same, 120 layers", "10 times faster, as for 1 layer"),
        mount_row(bench, "mount-8-cold", "v1", "the same, 8 layers, caches dropped", "10 times faster", cold=True),
        cat_row(bench),
    ]


# --- single figures: disk, and the daemon with a million files ----------------------------------------

def disk_used(path):
    return int(command(["du", "-s", "-B1", path]).split()[0])


def distinct_bytes(*tops):
    """Bytes of the distinct contents of all regular files below TOPS."""
    seen, inodes = {}, set()
    for top in tops:
        for base, _, files in os.walk(top):
            for name in files:
                path = os.path.join(base, name)
                st = os.lstat(path)
                if os.path.islink(path) or name.startswith(".wh.") or (st.st_dev, st.st_ino) in inodes:
                    continue
                inodes.add((st.st_dev, st.st_ino))
                with open(path, "rb") as f:
                    digest = hashlib.file_digest(f, "sha256") if hasattr(hashlib, "file_digest") else None
                    seen[digest.digest() if digest else hashlib.sha256(f.read()).digest()] = st.st_size
    return sum(seen.values())


def disk_facts(bench, sides):
    ours, peer = Fresh(bench, "disk-store"), Fresh(bench, "disk-peer")
    distinct = distinct_bytes(f"{bench.data}/layers")
    facts = [("distinct content of v1 and v2", f"{distinct / 1e6:.0f} MB", "")]

    def used(what, name, top, goal=""):
        size = disk_used(top)
        facts.append((f"disk for two versions, {what}: {name}",
                      f"{size / 1e6:.0f} MB, {size / distinct:.3f} times the distinct content", goal))

    try:
        for v2, what in (("v2", "one layer made again"), ("v2-rebuilt", "all layers made again on another day")):
            if "cloudfs" in sides:
                ours.next()
                for name in ("v1", v2):
                    command(bench.cloudfs("load", "-i", bench.oci(name), "-t", f"bench:{name}", store=ours.path))
                used(what, "cloudfs", ours.path, "under 1.02 times")
            if "peers" in sides:
                peer.next_peer()
                for name in ("v1", v2):
                    command(bench.skopeo(name, store=peer.path))
                used(what, "containers-storage", f"{peer.path}/root")
    finally:
        ours.finish()
        peer.finish()
    return facts


def process_memory(pid):
    """{field: KiB} of /proc/PID/status."""
    with open(f"/proc/{pid}/status") as f:
        return {line.split(":")[0]: int(line.split()[1]) for line in f if line.endswith(" kB\n")}


def wait_for_mount(daemon, path):
    for _ in range(3000):
        if os.path.ismount(path):
            return
        if daemon.poll() is not None:
            raise Failed(f"cloudfs mount ended with status {daemon.returncode}")
        time.sleep(0.01)
    raise Failed("cloudfs mount: nothing mounted after 30 seconds")


def million_facts(bench, sides, count=1000000):
    """What the daemon needs when everything of a large image has been looked at."""
    if "cloudfs" not in sides:
        return []
    store = f"{bench.run}/million-store"
    remove(store)
    stream = subprocess.Popen([sys.executable, f"{HERE}/gen.py", "many-files", str(count)], stdout=subprocess.PIPE)
    sample = timed(bench.cloudfs("import", "-", "-t", "bench:million", store=store), memory=True, stdin=stream.stdout)
    stream.stdout.close()
    if stream.wait():
        raise Failed("the generator of the million files failed")
    daemon = subprocess.Popen(bench.cloudfs("mount", "-f", "bench:million", bench.mnt, store=store))
    try:
        wait_for_mount(daemon, bench.mnt)
        walk = timed(["find", bench.mnt, "-type", "f", "-size", "+9"])
        found = sum(len(files) for _, _, files in os.walk(bench.mnt))
        if found != count:
            raise Failed(f"{found} files are in the mount, not {count}")
        memory, fds = process_memory(daemon.pid), len(os.listdir(f"/proc/{daemon.pid}/fd"))
    finally:
        command(bench.cloudfs("umount", "--discard", bench.mnt, store=store), check=False)
        daemon.wait(60)
        remove(store)
    budget = 32 + count * 100 / (1 << 20)
    return [
        (f"import of a tar of {count:,} files", f"{sample.wall:.1f} s, peak {sample.rss / 1024:.0f} MiB",
         "under 64 MiB"),
        (f"find with a stat of each of {count:,} files", f"{walk.wall:.1f} s", ""),
        ("the daemon's own memory after that", f"{memory['RssAnon'] / 1024:.0f} MiB (and "
         f"{memory['RssFile'] / 1024:.0f} MiB of the mapped tree, which the kernel can take back)",
         f"under {budget:.0f} MiB"),
        ("its open descriptors", str(fds), "under 1,000"),
    ]


def registry_figures(bench, sides):
    """Bytes and requests, and a slow link."""
    return registry_facts(bench.registry, sides)


FACT_ROWS = {"disk": disk_facts, "million": million_facts, "registry": registry_figures}


# --- the command --------------------------------------------------------------------------------------

def options(argv):
    p = argparse.ArgumentParser(prog="run.sh", description="Measures cloudfs and its peers side by side.")
    p.add_argument("rows", nargs="*", metavar="ROW", help="rows to run (default: all)")
    p.add_argument("-n", "--runs", type=int, default=5, help="runs of a side (default 5; large rows take 3)")
    p.add_argument("--only", choices=["cloudfs", "peers"], help="run one side only")
    p.add_argument("--list", action="store_true", help="list the rows")
    p.add_argument("--doc", metavar="FILE", help="put the tables into this document, between its marks")
    return p.parse_args(argv)


def wanted_sides(row, sides):
    """The sides of ROW that are asked for and installed."""
    if "cloudfs" not in sides:
        row.sides = [s for s in row.sides if s.name != "cloudfs"]
    if "peers" not in sides:
        row.sides = [s for s in row.sides if s.name == "cloudfs"]
    row.sides = [s for s in row.sides if s.name == "cloudfs" or shutil.which(s.name.split()[0])]
    return row


def finish(leftovers, directory, now=False):
    """Removes what rows left behind at the end of all, or earlier where the disk gets full; what is left to do."""
    if not now and shutil.disk_usage(directory).free > 25e9:
        return leftovers
    for step in leftovers:
        step()
    return []


def main(argv):
    opts = options(argv)
    directory = os.path.abspath(os.environ["BENCH_DIR"])
    bench = Bench(directory, os.path.abspath(os.environ["CLOUDFS"]))
    rows = {r.key: r for r in look_rows(bench) + commit_rows(bench) + [load_row(bench), import_row(bench)] +
            registry_rows(bench.registry)}
    order = list(rows) + list(FACT_ROWS)
    if opts.list:
        for key in order:
            print(f"{key:14} {rows[key].title if key in rows else FACT_ROWS[key].__name__}")
        return 0
    unknown = [r for r in opts.rows if r not in order]
    if unknown:
        print(f"run.sh: no row {unknown[0]}; there are: {' '.join(order)}", file=sys.stderr)
        return 2
    sides = {opts.only} if opts.only else {"cloudfs", "peers"}
    # Rows that run alone join those of earlier runs; a run of all begins anew.
    results = load_results(f"{directory}/results.json") if opts.rows else {}
    atexit.register(bench.registry.stop)
    failed, leftovers = False, []
    for key in opts.rows or order:
        load = os.getloadavg()[0]
        print(f"bench: {key}", file=sys.stderr)
        if key in rows:
            row = wanted_sides(rows[key], sides)
            leftovers += [s.finish for s in row.sides if s.finish]
            try:
                record(results, row, run_row(row, opts.runs), load)
            finally:
                leftovers = finish(leftovers, directory)
            failed |= any("failed" in s for s in results[key]["sides"].values())
        else:
            row = Row(key, "", [])
            try:
                record(results, row, {}, load)
                results[key].update(facts=FACT_ROWS[key](bench, sides))
                del results[key]["sides"]
            except (Failed, OSError) as e:
                print(f"bench: {key} failed: {e}", file=sys.stderr)
                del results[key]
                failed = True
        save_results(f"{directory}/results.json", results)
    finish(leftovers, directory, now=True)
    bench.registry.remove()
    text = markdown(results, order, machine_facts(directory, bench.cloudfs_bin))
    with open(f"{directory}/results.md", "w") as f:
        f.write(text)
    print(text)
    if opts.doc:
        update_document(opts.doc, text)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
