#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Pushes a plain tar as a one-layer image in one of stargz's forms.
usage: stargz.py estargz|zstd TAR http://REGISTRY REPOSITORY TAG [bad-annotation|bad-chunk|bad-offset]"""
import hashlib, io, json, struct, subprocess, sys, tarfile, urllib.request, zlib

CHUNK = 256 << 10
kind, path, registry, repository, tag = sys.argv[1:6]
fault = (sys.argv + [""])[6]


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def pack(data):
    if kind == "zstd":
        return subprocess.run(["zstd", "-q", "-c", "-3"], input=data, stdout=subprocess.PIPE, check=True).stdout
    c = zlib.compressobj(6, zlib.DEFLATED, 31)
    return c.compress(data) + c.flush()


class Blob:
    """Compressed members, one after the other, and the tar that they make."""

    def __init__(self):
        self.data, self.tar, self.open = bytearray(), bytearray(), bytearray()

    def add(self, data):
        self.open += data
        self.tar += data

    def cut(self):
        if self.open:
            self.data += pack(bytes(self.open))
        self.open = bytearray()
        return len(self.data)


def skippable(data):
    return struct.pack("<II", 0x184D2A50, len(data)) + data


raw = open(path, "rb").read()
blob, entries, at = Blob(), [], 0
for member in tarfile.open(path):
    size = member.size if member.isreg() else 0
    blob.add(raw[at:member.offset_data])
    entry = {"type": "reg" if member.isreg() else "dir" if member.isdir() else "symlink", "name": member.name}
    if size:
        data = raw[member.offset_data:member.offset_data + size]
        entry.update(size=size, digest=sha(data))
        for offset in range(0, size, CHUNK):
            part = data[offset:offset + CHUNK]
            chunk = entry if offset == 0 else {"type": "chunk", "name": member.name, "chunkOffset": offset}
            chunk.update(offset=blob.cut() + (7 if fault == "bad-offset" else 0), chunkDigest=sha(part))
            if fault == "bad-chunk" and offset:
                chunk["chunkDigest"] = sha(b"")
            if size > CHUNK:
                chunk["chunkSize"] = len(part)
            entries.append(chunk)
            blob.add(part)
    else:
        entries.append(entry)
    at = member.offset_data + (size + 511) // 512 * 512
    blob.add(raw[member.offset_data + size:at])
toc = json.dumps({"version": 1, "entries": entries}).encode()
if kind == "zstd":
    blob.add(bytes(1024))
    blob.cut()
    packed = pack(toc)
    offset = len(blob.data) + 8
    notes = {"io.containers.zstd-chunked.manifest-checksum": sha(packed),
             "io.containers.zstd-chunked.manifest-position": "%d:%d:%d:1" % (offset, len(packed), len(toc))}
    blob.data += skippable(packed) + skippable(struct.pack("<QQQQ", offset, len(packed), len(toc), 1) + b"GnUlInUx")
else:
    offset = blob.cut()
    with io.BytesIO() as end:
        with tarfile.open(fileobj=end, mode="w", format=tarfile.USTAR_FORMAT) as tar:
            info = tarfile.TarInfo("stargz.index.json")
            info.size = len(toc)
            tar.addfile(info, io.BytesIO(toc))
        blob.add(end.getvalue())
    blob.cut()
    extra = b"SG" + struct.pack("<H", 22) + b"%016xSTARGZ" % offset
    blob.data += b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", 26) + extra + b"\1\0\0\xff\xff" + bytes(8)
    notes = {}
notes["containerd.io/snapshot/stargz/toc.digest"] = sha(b"other" if fault == "bad-annotation" else toc)


def send(url, data, method, content_type):
    request = urllib.request.Request(url, data=data, method=method, headers={"Content-Type": content_type})
    return urllib.request.urlopen(request)


def push_blob(data):
    place = send(f"{registry}/v2/{repository}/blobs/uploads/", b"", "POST", "text/plain").headers["Location"]
    send(place + "&digest=" + sha(data), data, "PUT", "application/octet-stream")
    return {"digest": sha(data), "size": len(data)}


oci = "application/vnd.oci.image."
config = push_blob(json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
    "type": "layers", "diff_ids": [sha(blob.tar)]}}).encode())
layer = push_blob(bytes(blob.data))
manifest = json.dumps({"schemaVersion": 2, "mediaType": oci + "manifest.v1+json",
                       "config": {"mediaType": oci + "config.v1+json", **config},
                       "layers": [{"mediaType": oci + "layer.v1.tar+" + ("zstd" if kind == "zstd" else "gzip"),
                                   **layer, "annotations": notes}]}).encode()
send(f"{registry}/v2/{repository}/manifests/{tag}", manifest, "PUT", oci + "manifest.v1+json")
print(len(blob.data))
