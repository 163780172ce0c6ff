# SPDX-License-Identifier: Apache-2.0
"""Writes tars that are wrong in one way each (and some that are only odd) into a directory."""
import gzip
import os
import struct
import sys

out = sys.argv[1]
os.makedirs(out, exist_ok=True)
def entry(name, data=b"", type=b"0", link="", pax=None, mode=0o644, size=None, prefix=b""):
    """One raw ustar entry, with whatever it lies about."""
    def head(name, size, type, link):
        h = bytearray(512)
        n = name if isinstance(name, bytes) else name.encode()
        h[0:len(n[:100])] = n[:100]
        h[100:108] = b"%07o\0" % mode
        h[108:116] = h[116:124] = b"0000000\0"
        h[124:136] = size if isinstance(size, bytes) else b"%011o\0" % size
        h[136:148] = b"00000000000\0"
        h[156:157] = type
        l = link.encode()[:100]
        h[157:157 + len(l)] = l
        h[257:265] = b"ustar\00000"
        h[148:156] = b" " * 8
        h[148:156] = b"%06o\0 " % sum(h)
        return bytes(h)
    def pad(b): return b + b"\0" * (-len(b) % 512)
    res = b""
    if pax:
        rec = b""
        for k, v in pax.items():
            body = b" " + k.encode() + b"=" + (v if isinstance(v, bytes) else v.encode()) + b"\n"
            n = len(body) + 1
            while len(str(n)) + len(body) != n: n = len(str(n)) + len(body)
            rec += str(n).encode() + body
        res += head("pax", len(rec), b"x", "") + pad(rec)
    return res + head(name, len(data) if size is None else size, type, link) + pad(data)
END = b"\0" * 1024
def put(name, *parts, end=END):
    with open(f"{out}/{name}", "wb") as f:
        for p in parts: f.write(p)
        f.write(end)
ok = entry("ok", b"fine\n")
big = entry("bin/big", os.urandom(300000))
put("good.tar", entry("d/", type=b"5", mode=0o755), ok, big)
good = open(f"{out}/good.tar", "rb").read()
open(f"{out}/truncated.tar", "wb").write(good[:150000])
open(f"{out}/truncated-head.tar", "wb").write(good[:700 + 512])
open(f"{out}/noise.tar", "wb").write(os.urandom(20000))
open(f"{out}/empty.tar", "wb").write(b"")
bad = bytearray(good); bad[512 + 30] ^= 0xff
open(f"{out}/checksum.tar", "wb").write(bad)
gz = gzip.compress(good, mtime=0)
open(f"{out}/truncated.tar.gz", "wb").write(gz[:len(gz) // 2])
bad = bytearray(gz); bad[-6] ^= 1
open(f"{out}/corrupt.tar.gz", "wb").write(bad)
bad = bytearray(gz); bad[len(gz) // 2] ^= 0x55
open(f"{out}/corrupt-middle.tar.gz", "wb").write(bad)
put("dotdot.tar", ok, entry("a/../../evil", b"x"))
put("dotdot-link.tar", ok, entry("l", type=b"1", link="../../etc/passwd"))
put("hardlink-nothing.tar", ok, entry("l", type=b"1", link="not/there"))
put("hardlink-dir.tar", entry("d/", type=b"5", mode=0o755), entry("l", type=b"1", link="d"))
put("long-name.tar", ok, entry("x", b"x", pax={"path": "d/" + "n" * 300}))
put("nul-name.tar", ok, entry("x", b"x", pax={"path": b"a\0b"}))
put("huge.tar", ok, entry("huge", size=b"\x80" + b"\0" * 3 + struct.pack(">Q", 1 << 63)))
put("huge-pax.tar", ok, entry("huge", pax={"size": str(1 << 63)}))
put("negative.tar", ok, entry("neg", size=b"\xff" * 12))
put("huge-claim.tar", ok, entry("huge", size=b"\x80" + b"\0" * 3 + struct.pack(">Q", 1 << 39)))
put("sparse-lies.tar", ok, entry("s", b"A" * 512, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
    "GNU.sparse.name": "s", "GNU.sparse.realsize": "1000"}))
put("sparse-overlap.tar", ok, entry("s", (b"2\n0\n512\n100\n512\n" + b"\0" * 600)[:512] + b"B" * 1024, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
    "GNU.sparse.name": "s", "GNU.sparse.realsize": "2048"}))
put("sparse-beyond.tar", ok, entry("s", (b"1\n4000\n512\n" + b"\0" * 600)[:512] + b"B" * 512, pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
    "GNU.sparse.name": "s", "GNU.sparse.realsize": "2048"}))
put("sparse-exabyte.tar", ok, entry("s", (b"1\n0\n0\n" + b"\0" * 600)[:512], pax={"GNU.sparse.major": "1", "GNU.sparse.minor": "0",
    "GNU.sparse.name": "s", "GNU.sparse.realsize": str(1 << 62)}))
put("file-below-file.tar", ok, entry("ok/below", b"x"))
put("file-below-link.tar", entry("l", type=b"2", link="/tmp"), entry("l/evil", b"x"))
put("pax-size.tar", entry("x", size=1 << 33, type=b"x"))
put("unknown-type.tar", ok, entry("q", type=b"Q"))
put("whiteout-root.tar", ok, entry(".wh.", b""))
put("whiteout-dot.tar", ok, entry("a/.wh...", b""))
put("whiteout-dot1.tar", ok, entry("a/.wh..", b""))
# fine, odd
put("absolute.tar", entry("/abs/file", b"abs\n"))
put("twice.tar", entry("f", b"first\n"), entry("f", b"second\n"))
put("links-out.tar", entry("up", type=b"2", link="../../../../etc"), entry("abs", type=b"2", link="/etc"), entry("cycle", type=b"2", link="cycle"))
deep = "/".join(["d"] * 5000)
put("deep.tar", entry("x", b"deep\n", pax={"path": deep + "/f"}))
# 2 TiB of zeros: as one file that says so, and as what follows a small one.
put("bomb.tar", entry("zeros", size=b"\x80" + b"\0" * 3 + struct.pack(">Q", 1 << 41)), end=b"\0" * (1 << 24))
open(f"{out}/bomb.tar.gz", "wb").write(gzip.compress(open(f"{out}/bomb.tar", "rb").read(), 9, mtime=0))
os.unlink(f"{out}/bomb.tar")
