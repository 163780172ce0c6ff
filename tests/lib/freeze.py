# SPDX-License-Identifier: Apache-2.0
"""Freezing a mount as cf_mount_freeze does it, by its ioctls (include/cloudfs/mount.h)."""
import ctypes
import errno
import fcntl
import os
import struct
import sys
import threading

FREEZE, THAW = 0x6302, 0x6303
CONTROL = ".cloudfs.control." + "x" * 245
HOLD = 2 << 30 | 520 << 16 | 0x6304
libc = ctypes.CDLL(None, use_errno=True)


def open_inode(fd, ino):
    handle = struct.pack("=IiIII", 12, 0x81, ino >> 32, ino & 0xFFFFFFFF, 0)
    r = libc.open_by_handle_at(fd, handle, os.O_NONBLOCK | os.O_NOATIME | os.O_DSYNC)
    if r < 0:
        raise OSError(ctypes.get_errno(), "open_by_handle_at")
    return r


class Freeze:
    """with Freeze(mountpoint) as f: f.held has the inodes that are written to past the daemon."""

    def __init__(self, mountpoint):
        self.fd, self.held, self.threads = os.open(mountpoint + "/" + CONTROL, os.O_RDONLY), {}, []

    def __enter__(self):
        while self.hold():
            pass
        fcntl.ioctl(self.fd, FREEZE)
        return self

    def hold(self):
        raw = bytearray(520)
        fcntl.ioctl(self.fd, HOLD, raw)
        count = struct.unpack_from("=I", raw)[0]
        new = [i for i in struct.unpack_from("=%dQ" % count, raw, 8) if i not in self.held]
        for i in new:
            try:
                self.held[i] = open_inode(self.fd, i)
            except OSError as e:  # closed and removed meanwhile
                if e.errno != errno.ESTALE:
                    raise
                self.held[i] = -1
                continue
            t = threading.Thread(target=os.fsync, args=(self.held[i],))
            t.start()
            self.threads.append(t)
        return new

    def __exit__(self, *_):
        fcntl.ioctl(self.fd, THAW)
        for t in self.threads:
            t.join(20)
            if t.is_alive():
                sys.exit("FAIL: a holder waits behind the thaw")
        for fd in self.held.values():
            if fd >= 0:
                os.close(fd)
        os.close(self.fd)
