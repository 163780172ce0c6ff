#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes an image whose zstd:chunked table of contents lies, of one whose table is right: only the table
differs, and the footer, the annotations and digests that depend on it are in order.
usage: lying_toc.py http://REGISTRY REPOSITORY TAG NEW-TAG LIE

  digest    a file's content is said to have another digest
  stolen    a file is said to have the content of another one of the same size, which others may have here
  chunk     a chunk of a file is said to have another digest
  offset    a file's content is said to lie elsewhere in the blob
  size      a file is said to be longer than it is
  twice     a file is listed twice
  missing   a file is not listed
  name      a file is said to have another name
  mode      a file is said to be setuid
"""
import hashlib
import json
import struct
import subprocess
import sys
import urllib.request

registry, repository, tag, new_tag, lie = sys.argv[1:]
base = "%s/v2/%s/" % (registry, repository)
OCI = "application/vnd.oci.image.manifest.v1+json"
PREFIX = "io.github.containers.zstd-chunked."


def call(url, data=None, method="GET", kind="application/octet-stream"):
    headers = {"Accept": OCI} if data is None else {"Content-Type": kind}
    return urllib.request.urlopen(urllib.request.Request(url, data=data, method=method, headers=headers))


def sha(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


def zstd(data, *options):
    return subprocess.run(["zstd", "-c", *options], input=data, stdout=subprocess.PIPE, check=True).stdout


def frame(data):
    return struct.pack("<II", 0x184D2A50, len(data)) + data


def send(data):
    place = call(base + "blobs/uploads/", b"", "POST").headers["Location"]
    place = place if place.startswith("http") else registry + place
    call(place + ("&" if "?" in place else "?") + "digest=" + sha(data), data, "PUT")


manifest = json.load(call(base + "manifests/" + tag))
layer = manifest["layers"][-1]
blob = call(base + "blobs/" + layer["digest"]).read()
notes = layer["annotations"]
offset, size, _, _ = map(int, notes[PREFIX + "manifest-position"].split(":"))
split_offset, split_size, split_plain = map(int, notes[PREFIX + "tarsplit-position"].split(":"))
split = blob[split_offset:split_offset + split_size]
toc = json.loads(zstd(blob[offset:offset + size], "-d"))
entries = toc["entries"]
named = lambda name: next(e for e in entries if e["type"] == "reg" and e["name"].strip("./") == name)
wrong = sha(b"a lie")
if lie == "digest":
    named("etc/new")["digest"] = wrong
elif lie == "stolen":
    named("etc/f8")["digest"] = named("etc/f9")["digest"]
elif lie == "chunk":
    for entry in entries:
        if entry.get("chunkDigest") and entry["name"].endswith("kubelet"):
            entry["chunkDigest"] = wrong
elif lie == "offset":
    named("etc/new")["offset"] = named("etc/f9")["offset"]
    named("etc/new")["endOffset"] = named("etc/f9")["endOffset"]
elif lie == "size":
    named("etc/new")["size"] += 512
elif lie == "twice":
    entries.append(named("etc/new"))
elif lie == "missing":
    entries.remove(named("etc/new"))
elif lie == "name":
    named("etc/new")["name"] = named("etc/new")["name"].replace("new", "old")
elif lie == "mode":
    named("etc/new")["mode"] = 0o4755
else:
    sys.exit("no such lie: " + lie)
text = json.dumps(toc).encode()
packed = zstd(text, "-q")
head = blob[:min(offset, split_offset) - 8]
new_offset = len(head) + 8
new_split = new_offset + len(packed) + 8
footer = struct.pack("<7Q", new_offset, len(packed), len(text), 1, new_split, split_size, split_plain) + b"GNUlInUx"
blob = head + frame(packed) + frame(split) + frame(footer)
notes[PREFIX + "manifest-checksum"] = sha(packed)
notes[PREFIX + "manifest-position"] = "%d:%d:%d:1" % (new_offset, len(packed), len(text))
notes[PREFIX + "tarsplit-position"] = "%d:%d:%d" % (new_split, split_size, split_plain)
layer["digest"], layer["size"] = sha(blob), len(blob)
send(blob)
call(base + "manifests/" + new_tag, json.dumps(manifest).encode(), "PUT", OCI)
