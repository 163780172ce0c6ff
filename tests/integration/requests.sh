#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# How many requests the kernel makes for what people do: the counts are what makes a mount slow or
# quick, and do not vary with the machine's load. docs/benchmarks.md has the table.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need python3

dirs=20 each=10 # 200 files, 21 directories
mkdir -p "$work/src" "$work/m"
python3 - "$work/src" "$dirs" "$each" <<'PYTHON'
import os, sys
root, dirs, each = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for d in range(dirs):
    os.mkdir("%s/d%02d" % (root, d))
    for f in range(each):
        with open("%s/d%02d/f%d" % (root, d, f), "w") as out:
            out.write("%d %d\n" % (d, f) * (20 if f % 2 else 2000))
PYTHON
tar -C "$work/src" --owner=7 --group=7 -cf "$work/t.tar" .
"$CLOUDFS" import "$work/src" -t test/requests:1 >/dev/null
"$CLOUDFS" mount test/requests:1 "$work/m"
"$CLOUDFS" --json info "$work/m" >"$work/info.json"
# The daemon sets it when the mount answers already.
tries=0
until ahead=$(json "$work/info.json" 'd["Readahead"]') && { [ "$ahead" = 4194304 ] || [ "$tries" -gt 20 ]; }; do
    tries=$((tries + 1))
    sleep 0.1
    "$CLOUDFS" --json info "$work/m" >"$work/info.json"
done
[ ! -w "/sys/class/bdi/$(mountpoint -d "$work/m")/read_ahead_kb" ] || eq "$ahead" 4194304
pass=$(json "$work/info.json" 'd["Passthrough"]')

cat >"$work/count.py" <<'PYTHON'
import json, subprocess, sys

cloudfs, m, name, per, bounds = sys.argv[1:6]


def ask():
    out = subprocess.run([cloudfs, "--json", "info", m], stdout=subprocess.PIPE, check=True).stdout
    return json.loads(out)["Requests"]


ask()  # the first one looks up what the next ones know
before = ask()
own = ask()
idle = {k: own[k] - before.get(k, 0) for k in own}  # what asking itself costs
before = own
subprocess.run(sys.argv[6:], check=True, stdout=subprocess.DEVNULL)
after = ask()
# Nobody waits for these.
unwaited = ("RELEASE", "RELEASEDIR", "FORGET", "BATCH_FORGET", "INTERRUPT")
counts = {k: after[k] - before.get(k, 0) - idle.get(k, 0) for k in after if k not in unwaited}
counts = {k: v for k, v in counts.items() if v > 0}
print("| %s | %.2f | %s |" % (name, sum(counts.values()) / int(per),
      ", ".join("%s %.2f" % (k, v / int(per)) for k, v in sorted(counts.items(), key=lambda i: -i[1]))))
for bound in bounds.split():
    kind, most = bound.split("=")
    got = sum(counts.values()) if kind == "all" else counts.get(kind, 0)
    if got > float(most) * int(per) + 4:
        sys.exit("FAIL: %s: %d %s for %s, more than %s each" % (name, got, kind, per, most))
PYTHON
# count NAME PER BOUNDS COMMAND...: BOUNDS are KIND=MOST for one of PER things.
count() {
    timeout 60 python3 "$work/count.py" "$CLOUDFS" "$work/m" "$@"
}
files=$((dirs * each))

count "first find with stat, a directory" "$dirs" "all=2.4 OPENDIR=0" find "$work/m" -printf '%s\n'
count "second, a directory" "$dirs" "all=1.2" find "$work/m" -printf '%s\n'
count "third, a directory" "$dirs" "all=0.2" find "$work/m" -printf '%s\n'
count "cat of lower files, a file" "$files" "all=2.1" sh -c "cat $work/m/d*/f*"
count "again, a file" "$files" "all=2.1 READ=0.2" sh -c "cat $work/m/d*/f*"
count "the third time, a file" "$files" "all=1.1 READ=0.2" sh -c "cat $work/m/d*/f*"
count "chmod -R of lower files, a file" "$files" "all=2.3" sh -c "chmod -R 700 $work/m/d*"
mkdir "$work/m/new"
count "untar, a file" "$files" "all=8.7 WRITE=0.1" tar -C "$work/m/new" -xf "$work/t.tar"
count "cat of new files, a file" "$files" "all=2.5" sh -c "cat $work/m/new/d*/f*"
count "rm -r of new files, a file" "$files" "all=3.5" rm -r "$work/m/new"
if [ "$pass" = yes ]; then
    count "write of 16 MiB, a MiB" 16 "WRITE=0 all=1" dd if=/dev/zero of="$work/m/large" bs=64k count=256 status=none
    count "read of it, a MiB" 16 "READ=0 all=1" cat "$work/m/large"
else
    skip_part "no passthrough here: $pass"
fi
"$CLOUDFS" umount "$work/m"

# The first open of a lower file has the disk read it, while whoever opened it does other things.
hash=$(sha256sum <"$work/src/d00/f0" | cut -c-64)
object=$CLOUDFS_ROOT/objects/$(printf %s "$hash" | cut -c-2)/$(printf %s "$hash" | cut -c3-)
cached() {
    fincore --noheadings --output pages "$object" | tr -d ' '
}
"$CLOUDFS" mount test/requests:1 "$work/m"
sync
dd if="$object" of=/dev/null iflag=nocache count=0 status=none
if [ "$(cached)" = 0 ]; then
    exec 3<"$work/m/d00/f0"
    tries=0
    until [ "$(cached)" != 0 ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 50 ] || fail "an opened file is not read ahead"
        sleep 0.1
    done
    exec 3<&-
else
    skip_part "this disk keeps what it has cached"
fi
"$CLOUDFS" umount "$work/m"
