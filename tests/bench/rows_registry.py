# SPDX-License-Identifier: Apache-2.0
"""The rows about registries: pull, push and save, at a docker-registry on a loopback port."""
import json
import os
import shutil
import socket
import subprocess
import sys
import time

from harness import Failed, Fresh, Row, Side, command, remove, timed

NETNS = "cloudfs-bench"
RATE_MBIT = 50


class Registry:
    """Debian's docker-registry, started when a row first needs it; ours and the peers' images in it."""

    def __init__(self, bench, name="registry"):
        self.bench, self.daemon, self.host = bench, None, None
        self.top = f"{bench.run}/{name}"
        self.pushed, self.number = set(), 0

    def fresh(self):
        """A name that was not used yet."""
        self.number += 1
        return f"n{self.number}"

    def start(self, address="127.0.0.1", prefix=()):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        os.makedirs(self.top, exist_ok=True)
        with open(f"{self.top}.yml", "w") as f:
            f.write("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage:\n"
                    f"  filesystem: {{rootdirectory: {self.top}}}\nhttp: {{addr: '{address}:{port}'}}\n")
        with open(f"{self.top}.log", "a") as log:
            self.daemon = subprocess.Popen([*prefix, "docker-registry", "serve", f"{self.top}.yml"],
                                           stdout=log, stderr=log)
        self.host = f"{address}:{port}"
        for _ in range(100):
            try:
                socket.create_connection((address, port), 1).close()
                return
            except OSError:
                time.sleep(0.1)
        raise Failed(f"docker-registry does not answer at {self.host}: see {self.top}.log")

    def stop(self):
        if self.daemon:
            self.daemon.terminate()
            self.daemon.wait()
            self.daemon = None

    def need(self, *tags):
        """The images k:TAG: gzip (of the layout as it is), zstd (by skopeo), chunked and v2 (by cloudfs)."""
        if not self.daemon:
            self.start()
        bench = self.bench
        for tag in tags:
            if tag in self.pushed:
                continue
            if tag in ("gzip", "zstd"):
                form = ["--dest-compress-format", "zstd"] if tag == "zstd" else []
                command(["skopeo", "copy", "--quiet", "--dest-tls-verify=false", *form,
                         f"oci:{bench.oci('v1')}:v1", f"docker://{self.host}/k:{tag}"])
            else:
                name = "v2" if tag == "v2" else "v1"
                bench.need_cloudfs(name)
                command(bench.cloudfs("push", "--tls-verify=false", "--compression", "zstd:chunked",
                                      f"bench:{name}", f"{self.host}/k:{tag}"))
            self.pushed.add(tag)

    def remove(self):
        self.stop()
        for path in (self.top, f"{self.top}.yml", f"{self.top}.log"):
            remove(path)


def pull_row(registry, key, title, goal, ours_tag, peer_tag):
    bench = registry.bench
    ours, podman, layout = (Fresh(bench, f"{key}-{n}") for n in ("store", "podman", "skopeo"))

    def prepare(stores, tag):
        registry.need(tag)
        stores.next_peer()

    return Row(key, title, [
        Side("cloudfs", lambda: timed(bench.cloudfs("pull", "--tls-verify=false", f"{registry.host}/k:{ours_tag}",
                                                    store=ours.path), memory=True),
             lambda: (registry.need(ours_tag), ours.next()), None, ours.finish),
        Side("podman pull", lambda: timed(bench.containers("podman", "pull", "--quiet", "--tls-verify=false",
                                                           f"{registry.host}/k:{peer_tag}", store=podman.path),
                                          memory=True),
             lambda: prepare(podman, peer_tag), None, podman.finish),
        Side("skopeo copy", lambda: timed(["skopeo", "--insecure-policy", "copy", "--quiet", "--src-tls-verify=false",
                                           f"docker://{registry.host}/k:{peer_tag}",
                                           f"containers-storage:[overlay@{layout.path}/root+{layout.path}/runroot]"
                                           "localhost/bench:pulled"], memory=True),
             lambda: prepare(layout, peer_tag), None, layout.finish),
    ], 3, goal)


def pull_v2_row(registry):
    """v2 with v1 here: 68 KiB in the 109 MB bin/kubelet differ."""
    bench = registry.bench
    ours, podman = Fresh(bench, "v2-store"), Fresh(bench, "v2-podman")

    def setup_ours():
        registry.need("chunked", "v2")
        if not ours.path:
            ours.next()
            command(bench.cloudfs("pull", "--tls-verify=false", f"{registry.host}/k:chunked", store=ours.path))

    def forget_ours():
        command(bench.cloudfs("rmi", f"{registry.host}/k:v2", store=ours.path), check=False)
        command(bench.cloudfs("gc", store=ours.path))

    def podman_command(*args):
        return bench.containers("podman", *args, store=podman.path)

    def setup_podman():
        registry.need("chunked", "v2")
        podman.next_peer()
        command(podman_command("pull", "--quiet", "--tls-verify=false", f"{registry.host}/k:chunked"))

    return Row("pull-v2", "pull of v2 with v1 here, 68 KiB changed in a 109 MB binary", [
        Side("cloudfs", lambda: timed(bench.cloudfs("pull", "--tls-verify=false", f"{registry.host}/k:v2",
                                                    store=ours.path), memory=True),
             setup_ours, forget_ours, ours.finish),
        Side("podman pull", lambda: timed(podman_command("pull", "--quiet", "--tls-verify=false",
                                                         f"{registry.host}/k:v2"), memory=True),
             setup_podman, None, podman.finish),
    ], 3, "under 0.5 s")


def push_full_row(registry):
    bench = registry.bench
    ours, empty = Fresh(bench, "push-store"), Registry(bench, "registry-empty")

    def setup_ours():
        """A store that has pushed nothing yet: a form that is known is not made again."""
        empty.remove()
        empty.start()
        ours.next()
        command(bench.cloudfs("load", "-i", bench.oci("v1"), "-t", "bench:v1", store=ours.path))

    def setup_peer():
        empty.remove()
        empty.start()
        bench.need_peer("v1")

    peer = bench.containers("buildah", "push", "--quiet", "--tls-verify=false", "localhost/bench:v1")
    # An empty registry for each run: what is there is not sent again.
    return Row("push-full", "push of the whole image (cloudfs: zstd:chunked, buildah: gzip)", [
        Side("cloudfs", lambda: timed(bench.cloudfs(
            "push", "--tls-verify=false", "--compression", "zstd:chunked", "bench:v1",
            f"{empty.host}/k:1", store=ours.path), memory=True), setup_ours, empty.remove, ours.finish),
        Side("buildah push", lambda: timed([*peer, f"docker://{empty.host}/k:1"], memory=True), setup_peer,
             empty.remove),
    ], 3, "5 times faster")


def edit(bench):
    """bench:edit, two config files on v1."""
    top = f"{bench.run}/two-files"
    if ":edit" not in bench.cloudfs_names():
        os.makedirs(f"{top}/etc", exist_ok=True)
        for name in "ab":
            with open(f"{top}/etc/{name}.json", "w") as f:
                f.write('{"setting": "%s"}\n' % name * 20)
        command(bench.cloudfs("import", "--base", "bench:v1", top, "-t", "bench:edit"))


def push_two_row(registry):
    bench = registry.bench

    def setup():
        registry.need("chunked")
        edit(bench)

    return Row("push-two", "push of a commit of two files", [
        Side("cloudfs", lambda: timed(bench.cloudfs(
            "push", "--tls-verify=false", "bench:edit", f"{registry.host}/k:edit-{registry.fresh()}")), setup),
    ], 0, "under 0.1 s")


def save_row(bench):
    out = f"{bench.run}/saved.tar"

    def away():
        remove(out)

    podman = bench.containers("podman", "save", "--quiet", "--format", "oci-archive", "-o", out, "localhost/bench:v1")
    return Row("save-oci", "save to an OCI archive", [
        Side("cloudfs", lambda: timed(bench.cloudfs("save", "-o", out, "bench:v1"), memory=True),
             lambda: bench.need_cloudfs("v1"), away),
        Side("podman save", lambda: timed(podman, memory=True), lambda: bench.need_peer("v1"), away),
    ], 3, "4 times faster")


def registry_rows(registry):
    return [
        pull_row(registry, "pull-gzip", "pull of the image, gzip layers", "4 times faster, under 128 MiB", "gzip", "gzip"),
        pull_row(registry, "pull-zstd", "the same, zstd:chunked (the peers: zstd)", "4 times faster", "chunked", "zstd"),
        pull_v2_row(registry),
        push_two_row(registry),
        push_full_row(registry),
        save_row(registry.bench),
    ]


# --- single figures -----------------------------------------------------------------------------------

def traffic_facts(registry):
    """Bytes and requests of the pull of v2 and of the push of two files."""
    bench, store = registry.bench, Fresh(registry.bench, "traffic-store")
    registry.need("chunked", "v2")
    edit(bench)
    store.next()
    try:
        command(bench.cloudfs("pull", "--tls-verify=false", f"{registry.host}/k:chunked", store=store.path))
        pulled = json.loads(command(bench.cloudfs("pull", "--json", "--tls-verify=false", f"{registry.host}/k:v2",
                                                  store=store.path)))
    finally:
        store.finish()
    pushed = json.loads(command(bench.cloudfs("push", "--json", "--tls-verify=false", "bench:edit",
                                              f"{registry.host}/k:edit-{registry.fresh()}")))
    return [("pull of v2 with v1 here", f"{pulled['BytesFetched'] / 1000:.0f} KB in {pulled['Requests']} requests",
             "under 500 KB"),
            ("push of a commit of two files", f"{pushed['BytesSent'] / 1000:.1f} KB in {pushed['Requests']} requests",
             "under 20 requests")]


def netem_facts(registry):
    """A pull through a link of 50 Mbit/s and 100 ms (round trip), beside what the link needs for its bytes."""
    bench, store = registry.bench, Fresh(registry.bench, "netem-store")
    inside = ["ip", "netns", "exec", NETNS]
    registry.need("gzip")
    registry.stop()
    command(["ip", "netns", "add", NETNS])
    try:
        for words in ("link add cfs-bench0 type veth peer name cfs-bench1 netns " + NETNS,
                      "addr add 10.231.0.1/30 dev cfs-bench0", "link set cfs-bench0 up"):
            command(["ip", *words.split()])
        for words in ("addr add 10.231.0.2/30 dev cfs-bench1", "link set cfs-bench1 up", "link set lo up"):
            command([*inside, "ip", *words.split()])
        for prefix, dev in (([], "cfs-bench0"), (inside, "cfs-bench1")):
            command([*prefix, "tc", "qdisc", "add", "dev", dev, "root", "netem", "delay", "50ms", "rate",
                     f"{RATE_MBIT}mbit", "limit", "5000"])
        registry.start("10.231.0.2", inside)
        small = f"{bench.run}/netem-small"
        os.makedirs(small, exist_ok=True)
        with open(f"{small}/noise", "wb") as f:
            f.write(os.urandom(60 << 20))
        command(bench.cloudfs("import", small, "-t", "bench:netem"))
        command(bench.cloudfs("push", "--tls-verify=false", "bench:netem", f"{registry.host}/netem:1"))
        store.next()
        start = time.perf_counter()
        pulled = json.loads(command(bench.cloudfs("pull", "--json", "--tls-verify=false", f"{registry.host}/netem:1",
                                                  store=store.path)))
        wall = time.perf_counter() - start
    finally:
        store.finish()
        registry.stop()
        subprocess.run(["ip", "netns", "del", NETNS])
        registry.pushed.clear()
    # 1,448 bytes of data for each 1,514 that pass.
    least = pulled["BytesFetched"] * 8 * 1514 / 1448 / (RATE_MBIT * 1e6)
    return [(f"pull over {RATE_MBIT} Mbit/s and 100 ms", f"{wall:.2f} s; the link alone needs {least:.2f} s, "
             f"{(wall / least - 1) * 100:.1f}% more", "within 5%")]


def registry_facts(registry, sides):
    if "cloudfs" not in sides:
        return []
    facts = traffic_facts(registry)
    missing = [tool for tool in ("ip", "tc") if not shutil.which(tool)]
    if missing:
        print(f"bench: registry: {' and '.join(missing)} missing: no slow link", file=sys.stderr)
        return facts
    try:
        return facts + netem_facts(registry)
    except Failed as e:  # a kernel without netem
        print(f"bench: registry: no slow link: {e}", file=sys.stderr)
        return facts
