# SPDX-License-Identifier: Apache-2.0
"""What the measurements are made on, generated: see make-rootfs.sh for what is where.

Everything depends on the arguments and on the programs installed here, on nothing else: two runs on
one machine give the same digests.
"""
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys

EPOCH = 1613606400  # 2021-02-18
MB = 1000 * 1000

# Name and size in MB of what stands for the programs of a cluster: 700 MB together.
BINARIES = [
    ("conntrack", 30), ("containerd", 58), ("crictl", 37), ("ctr", 34), ("dockerd", 92),
    ("etcdctl", 42), ("helm", 48), ("kube-proxy", 67), ("kubeadm", 61), ("kubectl", 76),
    ("kubelet", 109), ("nerdctl", 46),
]
IMAGES = 20           # container images in registry/
BLOBS_PER_IMAGE = 3   # layers of each
BLOB_MB = 600         # all layers of all images together
SMALL_FILES = 3000
CHANGED = [(37 * MB, 64 << 10), (81 * MB, 4 << 10)]  # what v2 changes in kubelet: 68 KiB

WORDS = """name metadata labels annotations namespace spec template selector containers image ports
containerPort protocol volumeMounts mountPath readOnly volumes configMap secret resources limits
requests cpu memory replicas strategy rollingUpdate maxSurge maxUnavailable livenessProbe httpGet path
port scheme initialDelaySeconds periodSeconds tolerations effect operator affinity nodeSelector kubernetes
serviceAccountName clusterRole rules apiGroups verbs get list watch update patch delete create true false
the of and a cluster node controller when which every request server client value default sets enables
whether describes number seconds string field object status condition reason message last transition time
""".split()


def make_parent(path):
    os.makedirs(os.path.dirname(path), exist_ok=True)


def write(path, data):
    make_parent(path)
    with open(path, "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)


def set_times(top, when=EPOCH):
    for base, dirs, files in os.walk(top, topdown=False):
        for name in files + dirs:
            os.utime(os.path.join(base, name), (when, when), follow_symlinks=False)
    os.utime(top, (when, when))


# --- programs -------------------------------------------------------------------------------------

def programs_here():
    """The ELF files of this machine of 256 KiB and more, each inode once, in the order of their names."""
    seen, found = set(), []
    for top in ("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/libexec"):
        for base, dirs, files in os.walk(top):
            dirs.sort()
            for name in sorted(files):
                path = os.path.join(base, name)
                st = os.lstat(path)
                if os.path.islink(path) or st.st_size < 256 << 10 or (st.st_dev, st.st_ino) in seen:
                    continue
                with open(path, "rb") as f:
                    if f.read(4) != b"\x7fELF":
                        continue
                seen.add((st.st_dev, st.st_ino))
                found.append(path)
    if not found:
        sys.exit("gen: no programs in /usr to make others of")
    return found


def program_bytes():
    """Endless: all programs of the machine; again with every byte one higher, and so on.

    The second time round nothing equals what was there before, and it compresses as well."""
    paths, turn = programs_here(), 0
    while True:
        table = bytes((i + turn) & 255 for i in range(256))
        for path in paths:
            with open(path, "rb") as f:
                while chunk := f.read(1 << 20):
                    yield chunk.translate(table) if turn else chunk
        turn += 1


def make_binaries(top):
    source, rest = program_bytes(), b""
    for name, size_mb in BINARIES:
        path, left = f"{top}/bin/{name}", size_mb * MB
        make_parent(path)
        with open(path, "wb") as f:
            while left:
                if not rest:
                    rest = next(source)
                f.write(rest[:left])
                left, rest = left - len(rest[:left]), rest[left:]
        os.chmod(path, 0o755)


def change_kubelet(source, dest):
    """A copy of the kubelet with 68 KiB changed."""
    make_parent(dest)
    shutil.copyfile(source, dest)
    os.chmod(dest, 0o755)
    with open(dest, "r+b") as f:
        for offset, size in CHANGED:
            f.seek(offset)
            data = f.read(size)
            f.seek(offset)
            f.write(bytes(b ^ 0x5a for b in data))


# --- what does not compress -------------------------------------------------------------------------

def noise(path, size, seed):
    """SIZE bytes that do not compress and depend on SEED only: AES in counter mode over zeros."""
    make_parent(path)
    key = hashlib.sha256(f"cloudfs bench {seed}".encode()).hexdigest()
    zeros = subprocess.Popen(["head", "-c", str(size), "/dev/zero"], stdout=subprocess.PIPE)
    with open(path, "wb") as f:
        subprocess.run(["openssl", "enc", "-aes-256-ctr", "-K", key, "-iv", "0" * 32],
                       stdin=zeros.stdout, stdout=f, check=True)
    zeros.stdout.close()
    if zeros.wait():
        sys.exit("gen: head failed")


def file_digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    return h.hexdigest()


def make_registry_image(top, number, layer_sizes):
    """One container image in the layout of the registry's filesystem driver."""
    v2 = f"{top}/registry/docker/registry/v2"
    repo = f"{v2}/repositories/library/app-{number:02d}"

    def put(path):
        digest = file_digest(path)
        data = f"{v2}/blobs/sha256/{digest[:2]}/{digest}/data"
        make_parent(data)
        os.rename(path, data)
        return {"size": os.path.getsize(data), "digest": f"sha256:{digest}"}

    def put_json(value):
        write(f"{top}/tmp", json.dumps(value, indent=3))
        return put(f"{top}/tmp")

    def link(where, descriptor):
        write(f"{repo}/{where}/link", descriptor["digest"])

    kind = "application/vnd.docker."
    layers = []
    for i, size in enumerate(layer_sizes):
        noise(f"{top}/tmp", size, f"image {number} layer {i}")
        layers.append({"mediaType": kind + "image.rootfs.diff.tar.gzip", **put(f"{top}/tmp")})
    config = put_json({"architecture": "amd64", "os": "linux", "number": number})
    manifest = put_json({
        "schemaVersion": 2, "mediaType": kind + "distribution.manifest.v2+json",
        "config": {"mediaType": kind + "container.image.v1+json", **config}, "layers": layers})
    for blob in layers + [config]:
        link("_layers/sha256/" + blob["digest"][7:], blob)
    link("_manifests/revisions/sha256/" + manifest["digest"][7:], manifest)
    link("_manifests/tags/v1/current", manifest)
    link("_manifests/tags/v1/index/sha256/" + manifest["digest"][7:], manifest)
    os.makedirs(f"{repo}/_uploads", exist_ok=True)


def make_registry(tops):
    """IMAGES images with BLOB_MB of layers, spread over the directories TOPS."""
    rng = random.Random("registry")
    count = IMAGES * BLOBS_PER_IMAGE
    shares = [rng.uniform(0.2, 1.8) for _ in range(count)]
    sizes = [int(BLOB_MB * MB * s / sum(shares)) for s in shares]
    for n in range(IMAGES):
        make_registry_image(tops[n * len(tops) // IMAGES], n,
                            sizes[n * BLOBS_PER_IMAGE:(n + 1) * BLOBS_PER_IMAGE])


# --- small files ------------------------------------------------------------------------------------

def yaml_text(rng, size):
    """SIZE bytes or a little more of what looks like a manifest."""
    lines, total = ["apiVersion: v1", "kind: ConfigMap"], 0
    while total < size:
        indent = "  " * rng.randint(0, 4)
        if rng.random() < 0.15:
            line = f"{indent}# " + " ".join(rng.choices(WORDS, k=rng.randint(4, 14)))
        elif rng.random() < 0.5:
            line = f"{indent}{rng.choice(WORDS)}: {rng.choice(WORDS)}-{rng.randint(0, 65535)}"
        else:
            line = f"{indent}- {rng.choice(WORDS)}: \"{' '.join(rng.choices(WORDS, k=3))}\""
        lines.append(line)
        total += len(line) + 1
    return "\n".join(lines) + "\n"


def small_files(count, seed):
    """(path, text) of COUNT files such as manifests/, charts/ and statics/ hold; most are of 1 to 10 KB."""
    rng = random.Random(seed)
    for i in range(count):
        size = min(int(rng.lognormvariate(8.0, 1.1)), 200000)
        group = i % 100
        if group < 60:
            path = f"charts/{seed}-{group:02d}/templates/{WORDS[i % 60]}-{i}.yaml"
        elif group < 90:
            path = f"manifests/{seed}-{group:02d}/{WORDS[i % 60]}-{i}.yaml"
        else:
            path = f"statics/{seed}/{i}.yaml"
        yield path, yaml_text(rng, size)


def make_small_files(top, count, seed):
    for path, text in small_files(count, seed):
        write(f"{top}/{path}", text)


# --- layers and images ------------------------------------------------------------------------------

def make_layers(top, sample):
    """The directories of the 8 layers of v1 and the one that v2 has in place of the second."""
    def layer(n):
        return f"{top}/layers/{n}"

    for n in range(1, 9):
        os.makedirs(layer(n))
    for name in ("Kubefile", "Metadata", "README.md", "scripts", "statics", "images"):
        subprocess.run(["cp", "-a", f"{sample}/{name}", layer(1)], check=True)
    make_small_files(layer(1), 2000, "base")
    write(f"{layer(1)}/manifests/obsolete.yaml", "kind: List\nitems: []\n")
    make_binaries(layer(2))
    noise(f"{layer(3)}/cri/docker.tar.gz", 25 * MB, "docker")
    subprocess.run(["cp", "-a", f"{sample}/etc", layer(4)], check=True)
    make_registry([layer(5), layer(6), layer(7)])
    for name in ("charts", "manifests", "plugins"):
        subprocess.run(["cp", "-a", f"{sample}/{name}", layer(8)], check=True)
    make_small_files(layer(8), SMALL_FILES - 2000, "app")
    write(f"{layer(8)}/manifests/.wh.obsolete.yaml", "")
    for n in range(1, 9):
        set_times(layer(n))
    v2 = f"{top}/layers/2-v2"
    subprocess.run(["cp", "-al", layer(2), v2], check=True)
    os.unlink(f"{v2}/bin/kubelet")
    change_kubelet(f"{layer(2)}/bin/kubelet", f"{v2}/bin/kubelet")
    set_times(v2)


def make_small_layers(top, sample, count):
    """The same small tree cut into COUNT layers."""
    for n in range(count):
        os.makedirs(f"{top}/{n:03d}")
    subprocess.run(["cp", "-a", f"{sample}/etc", f"{sample}/scripts", f"{top}/000"], check=True)
    for i, (path, text) in enumerate(small_files(SMALL_FILES, "small")):
        write(f"{top}/{i % count:03d}/{path}", text)
    set_times(top)


def make_rootfs(top):
    """The tree that the 8 layers are together, as hard links."""
    rootfs = f"{top}/rootfs"
    os.makedirs(rootfs)
    for n in range(1, 9):
        subprocess.run(["cp", "-al", f"{top}/layers/{n}/.", rootfs], check=True)
    os.unlink(f"{rootfs}/manifests/.wh.obsolete.yaml")
    os.unlink(f"{rootfs}/manifests/obsolete.yaml")


def tar_layer(source, blobs, when, gzip):
    """Writes one layer to BLOBS; its descriptor and its diff ID."""
    tmp = f"{blobs}/tmp"
    tar = subprocess.Popen(
        ["tar", "-C", source, "--format=gnu", "--sort=name", f"--mtime=@{when}", "--owner=0",
         "--group=0", "--numeric-owner", "-cf", "-", "--"] + sorted(os.listdir(source)),
        stdout=subprocess.PIPE)
    diff = hashlib.sha256()
    with open(tmp, "wb") as out:
        packer = subprocess.Popen(["gzip", "-n"], stdin=subprocess.PIPE, stdout=out) if gzip else None
        sink = packer.stdin if packer else out
        while chunk := tar.stdout.read(1 << 20):
            diff.update(chunk)
            sink.write(chunk)
        sink.close()
        if tar.wait() or (packer and packer.wait()):
            sys.exit(f"gen: cannot pack {source}")
    digest = file_digest(tmp)
    descriptor = {
        "mediaType": "application/vnd.oci.image.layer.v1.tar" + ("+gzip" if gzip else ""),
        "digest": f"sha256:{digest}", "size": os.path.getsize(tmp)}
    os.rename(tmp, f"{blobs}/{digest}")
    return descriptor, f"sha256:{diff.hexdigest()}"


def make_oci(dest, tag, sources, when=EPOCH, gzip=True, share=None):
    """An OCI layout of the layers SOURCES. SHARE: (layout, {source: ready descriptor and diff ID})."""
    blobs = f"{dest}/blobs/sha256"
    os.makedirs(blobs)

    def put(value):
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        write(f"{blobs}/{digest}", data)
        return {"digest": f"sha256:{digest}", "size": len(data)}

    ready = {}
    for source in sources:
        if share and source in share[1]:
            ready[source] = share[1][source]
            name = ready[source][0]["digest"][7:]
            os.link(f"{share[0]}/blobs/sha256/{name}", f"{blobs}/{name}")
        else:
            ready[source] = tar_layer(source, blobs, when, gzip)
    created = subprocess.run(["date", "-u", "-d", f"@{when}", "+%Y-%m-%dT%H:%M:%SZ"], check=True,
                             stdout=subprocess.PIPE, text=True).stdout.strip()
    kind = "application/vnd.oci.image."
    config = put({
        "created": created, "architecture": "amd64", "os": "linux",
        "config": {}, "rootfs": {"type": "layers", "diff_ids": [ready[s][1] for s in sources]},
        "history": [{"created": created, "created_by": f"COPY {os.path.basename(s)} ."} for s in sources]})
    manifest = put({
        "schemaVersion": 2, "mediaType": kind + "manifest.v1+json",
        "config": {"mediaType": kind + "config.v1+json", **config},
        "layers": [ready[s][0] for s in sources]})
    write(f"{dest}/index.json", json.dumps({
        "schemaVersion": 2, "manifests": [{
            "mediaType": kind + "manifest.v1+json", **manifest,
            "annotations": {"org.opencontainers.image.ref.name": tag}}]}))
    write(f"{dest}/oci-layout", '{"imageLayoutVersion": "1.0.0"}')
    return dest, ready


def make_layouts(top):
    v1 = [f"{top}/layers/{n}" for n in range(1, 9)]
    v2 = [f"{top}/layers/2-v2" if s.endswith("/2") else s for s in v1]
    share = make_oci(f"{top}/oci/v1", "v1", v1)
    make_oci(f"{top}/oci/v2", "v2", v2, share=share)
    # The same v2, built again as a whole on another day.
    make_oci(f"{top}/oci/v2-rebuilt", "v2-rebuilt", v2, when=EPOCH + 30 * 86400, gzip=False)
    for count in (1, 120):
        small = f"{top}/small/{count}"
        make_oci(f"{top}/oci/l{count}", f"l{count}", sorted(f"{small}/{n}" for n in os.listdir(small)))


# --- a tar of a million files -----------------------------------------------------------------------

def tar_header(name, mode, size, kind):
    h = bytearray(512)
    h[0:len(name)] = name
    h[100:108] = b"%07o\0" % mode
    h[108:116] = h[116:124] = b"0000000\0"
    h[124:136] = b"%011o\0" % size
    h[136:148] = b"%011o\0" % EPOCH
    h[148:156] = b" " * 8
    h[156:157] = kind
    h[257:265] = b"ustar\00000"
    h[148:156] = b"%06o\0 " % sum(h)
    return bytes(h)


def many_files(out, count):
    """A tar of COUNT files of a few bytes, 1,000 in each directory."""
    for d in range((count + 999) // 1000):
        part = [tar_header(b"d%04d/" % d, 0o755, 0, b"5")]
        for i in range(d * 1000, min((d + 1) * 1000, count)):
            data = b"file number %d\n" % i
            part.append(tar_header(b"d%04d/f%07d" % (d, i), 0o644, len(data), b"0"))
            part.append(data.ljust(512, b"\0"))
        out.write(b"".join(part))
    out.write(bytes(1024))


def main(argv):
    command, args = argv[1], argv[2:]
    if command == "all":
        top, sample = args
        make_layers(top, sample)
        make_rootfs(top)
        for count in (1, 120):
            make_small_layers(f"{top}/small/{count}", sample, count)
        make_layouts(top)
        for i in range(10):
            noise(f"{top}/gigabyte/blob-{i}", 100 * MB, f"gigabyte {i}")
        make_small_files(f"{top}/thousand", 1000, "thousand")
    elif command == "many-files":
        many_files(sys.stdout.buffer, int(args[0]))
    else:
        sys.exit(f"gen: no command {command}")


if __name__ == "__main__":
    main(sys.argv)
