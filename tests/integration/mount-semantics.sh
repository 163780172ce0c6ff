#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# What the model test (model.sh) found wrong once, each as a case of its own.
. "$(dirname "$0")/../lib/lib.sh"
need_user_fuse "$@"
need_root
need python3

m=$work/m
mkdir -p "$work/src/d" "$m"
head -c 9000 /dev/zero >"$work/src/zeros"
printf '#!/bin/sh\n' >"$work/src/script"
chmod 4755 "$work/src/script"
echo plain >"$work/src/plain"
mkfifo "$work/src/pipe"
(cd "$work/src" && tar --numeric-owner -cf "$work/src.tar" .)
chmod 644 "$work/src.tar"
"$CLOUDFS" -q import "$work/src.tar" -t test/semantics:1 >/dev/null
"$CLOUDFS" mount test/semantics:1 "$m"

# Pages of a mapping are written back at their own offset, also where a file is open for appending.
python3 - "$m" <<'P'
import mmap, os, sys
os.chdir(sys.argv[1])
for name in ("zeros", "new"):
    a = os.open(name, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    if name == "new":
        os.write(a, bytes(9000))
    with mmap.mmap(a, 9000) as pages:
        pages[5000:5010] = b"0123456789"
        pages.flush()
    os.write(a, b"end")
    os.close(a)
    data = open(name, "rb").read()
    assert len(data) == 9003 and data[5000:5010] == b"0123456789" and data[9000:] == b"end", (name, len(data))
P

# An access list counts, also against the bits of the mode; removing one that is not there succeeds.
python3 - "$m" <<'P'
import os, struct, sys
os.chdir(sys.argv[1])
acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *e) for e in (
    (1, 6, 0xffffffff), (2, 0, 65534), (4, 4, 0xffffffff), (16, 4, 0xffffffff), (32, 6, 0xffffffff)))
os.setxattr("plain", "system.posix_acl_access", acl)
if os.fork() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    try:
        os.open("plain", os.O_RDONLY)
    except PermissionError:
        os._exit(0)
    os._exit(1)
assert os.wait()[1] == 0, "a user whom the list names reads the file"
os.removexattr("plain", "system.posix_acl_access")
os.removexattr("plain", "system.posix_acl_access")
os.removexattr("d", "system.posix_acl_default")
P
"$CLOUDFS" umount --discard "$m"

# An ordinary user in his own mount: he may do all, but not run what nobody may run.
m=$work/user/m
as_user mkdir "$m"
as_user "$CLOUDFS" -q import "$work/src.tar" -t test/semantics:1 >/dev/null
as_user "$CLOUDFS" mount test/semantics:1 "$m"
as_user test -x "$m/script" || fail "a script cannot be run"
for name in plain pipe; do
    if as_user test -x "$m/$name"; then fail "$name can be run"; fi
    as_user test -w "$m/$name" || fail "$name cannot be written"
done

# Truncated while it is opened: setuid is gone.
as_user sh -c ": >'$m/script'"
eq "$(as_user stat -c %a "$m/script")" 755
as_user "$CLOUDFS" umount --discard "$m"
