# SPDX-License-Identifier: Apache-2.0
# Makes rootfs/images/oci.tar (quay.io/a/one:1; many:latest, an index of two platforms) and saved.tar
# (saved:2, as docker save does) in the current folder, and "digests" with what the first two are.
import gzip, hashlib, io, json, tarfile

def tar(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()

def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()

blobs = {}
def blob(data, media):
    blobs["blobs/sha256/" + digest(data)[7:]] = data
    return {"mediaType": media, "digest": digest(data), "size": len(data)}

def image(text, arch):
    layer = tar({"hello": text.encode() * 1000})
    packed = gzip.compress(layer, mtime=0)
    config = json.dumps({"os": "linux", "architecture": arch, "config": {"Env": ["A=" + "x" * 3000 * (arch == "arm64")]},
                         "rootfs": {"type": "layers", "diff_ids": [digest(layer)]}}).encode()
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": blob(config, "application/vnd.oci.image.config.v1+json"),
                "layers": [blob(packed, "application/vnd.oci.image.layer.v1.tar+gzip")]}
    d = blob(json.dumps(manifest).encode(), manifest["mediaType"])
    return layer, config, d

_, _, one = image("one", "amd64")
parts = []
for arch in ("amd64", "arm64"):
    _, _, d = image("many", arch)
    d["platform"] = {"os": "linux", "architecture": arch}
    parts.append(d)
index = json.dumps({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": parts}).encode()
many = blob(index, "application/vnd.oci.image.index.v1+json")
for d, name in ((one, "quay.io/a/one:1"), (many, "many:latest")):
    d["annotations"] = {"org.opencontainers.image.ref.name": name}
layout = {"oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
          "index.json": json.dumps({"schemaVersion": 2, "manifests": [one, many]}).encode(), **blobs}
open("rootfs/images/oci.tar", "wb").write(tar(layout))
layer, config, _ = image("saved", "amd64")
save = {"manifest.json": json.dumps([{"Config": digest(config)[7:] + ".json", "RepoTags": ["saved:2"], "Layers": ["l/layer.tar"]}]).encode(),
        digest(config)[7:] + ".json": config, "l/layer.tar": layer}
open("rootfs/images/saved.tar", "wb").write(tar(save))
open("digests", "w").write("one %s\nmany %s\n" % (one["digest"], many["digest"]))
