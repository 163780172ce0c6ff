#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Everyday tools do the same to a mount as to a plain directory: each step runs in both, says the same
# and leaves the same tree; after a remount the tree is still the same.
. "$(dirname "$0")/../lib/lib.sh"
need_root
need_fuse
need tar sed find getfattr

mkdir -p "$work/src/etc/conf.d" "$work/src/bin" "$work/src/lib/deep/er" "$work/m"
cd "$work/src" || exit
printf 'alpha\nbeta\ngamma\n' >etc/list
printf '{\n  "debug": false\n}\n' >etc/daemon.json
for i in 1 2 3 4 5 6 7 8 9; do
    echo "option $i" >"etc/conf.d/$i.conf"
    head -c ${i}0000 /dev/zero | tr '\0' "$i" >"lib/deep/er/$i.bin"
done
printf '#!/bin/sh\necho "$0 ran"\n' >bin/run
chmod 755 bin/run
chmod 4755 lib/deep/er/1.bin
chown 5:6 etc/conf.d/3.conf
ln etc/list etc/hard
ln -s ../etc/list lib/soft
ln -s /nowhere lib/dangling
setfattr -n user.note -v kept etc/daemon.json
touch -d '2020-02-02 02:02:02.123456789' etc/conf.d/*.conf lib/deep
cd "$work" || exit
"$CLOUDFS" import "$work/src" -t test/tools:1 >/dev/null
"$CLOUDFS" mount test/tools:1 "$work/m"
cp -a "$work/src" "$work/plain"

# What a tree is: names, types, modes, owners, sizes, links, targets, contents, user xattrs; not the
# times of what was just made, nor sizes of directories.
tree() {
    (
        cd "$1" || exit
        find . -name .git -prune -o \
            \( -type d -printf '%p %y %m %U %G\n' -o -printf '%p %y %m %U %G %s %n %l\n' \) | LC_ALL=C sort
        find . -name .git -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
        find . -name .git -prune -o ! -type l -print0 | LC_ALL=C sort -z |
            xargs -0 getfattr --absolute-names -h -d -m '^user\.' 2>/dev/null
    )
}

same_trees() {
    tree "$work/plain" >"$work/plain.tree"
    tree "$work/m" >"$work/m.tree"
    diff "$work/plain.tree" "$work/m.tree" >&2 || fail "$1: the trees differ"
}

both() {
    for dir in plain m; do
        status=0
        (cd "$work/$dir" && bash -c "$1") >"$work/$dir.out" 2>&1 </dev/null || status=$?
        echo "status $status" >>"$work/$dir.out"
    done
    diff "$work/plain.out" "$work/m.out" >&2 || fail "$1: said something else"
    same_trees "$1"
}

have() {
    command -v "$1" >/dev/null 2>&1 || {
        skip_part "no $1 here"
        return 1
    }
}

same_trees "as mounted"
both 'stat -c "%n %Y.%y" etc/conf.d/* lib/deep'
both 'sed -i s/beta/BETA/ etc/list; cat etc/list etc/hard'
both 'sed -i "s/false/true/" etc/daemon.json; cat etc/daemon.json; getfattr -n user.note etc/daemon.json'
both 'printf "1s/^/first /\nw\nq\n" | ed -s etc/conf.d/1.conf; cat etc/conf.d/1.conf'
if have vi; then
    both 'vi -e -s -c "2,\$d" -c "wq" etc/hard; cat etc/hard'
fi
both 'echo more >>etc/conf.d/2.conf; : >etc/conf.d/4.conf; truncate -s 5 lib/deep/er/2.bin; truncate -s 70000 lib/deep/er/3.bin; wc -c etc/conf.d/* lib/deep/er/*'
both 'echo linked >>etc/hard; cat etc/list; ln etc/hard etc/third; ln lib/deep/er/9.bin nine; stat -c %h etc/list nine'
both 'ln -s etc/list soft2; ln -sfn etc soft2; readlink soft2 lib/soft lib/dangling; cat lib/soft'
both 'chmod -R go-w,u+x lib; chmod 600 etc/conf.d/5.conf; chown 7:8 etc/conf.d/6.conf; chmod 4711 bin/run; chown 9 bin/run; stat -c %a bin/run'
both 'mv etc/conf.d/7.conf etc/renamed; mv etc/conf.d etc/conf.new; ls etc etc/conf.new'
both 'mv lib/deep lib/shallow; mkdir lib/deep; echo x >lib/deep/y; ls lib lib/shallow/er; cat lib/shallow/er/1.bin | head -c 9'
both 'mv -T lib/deep empty; mkdir over; mv -T empty over 2>&1; mv -f etc/renamed etc/conf.new/8.conf; mv bin/run etc/run; etc/run; bash etc/run'
both 'rm etc/conf.new/9.conf; rm -r lib/shallow/er; ls lib/shallow; mkdir lib/shallow/er; ls -A lib/shallow/er; rmdir bin; ls bin; mkdir bin; ls -A bin'
both 'rmdir etc; mkdir etc; rm nothing; cat nothing; mv nothing x; ln etc x; ls soft2/list/x; rm etc; cd etc/list'
both 'tar -cf - --numeric-owner etc | tar -xpf - -C bin; ls bin/etc; tar -cf - --sort=name etc | tar -df - && echo equal'
both 'cp -a etc etc.copy; diff -r etc etc.copy && echo equal; cp --sparse=always lib/shallow/../soft z; cp -al etc etc.links; stat -c %h etc.links/list'
both 'dd if=/dev/zero of=hole bs=1 count=1 seek=3M status=none; stat -c %s hole; dd if=etc/list of=hole conv=notrunc bs=4 seek=100 status=none; cmp -n 8 -i 0:400 etc/list hole && echo there'
both 'mkfifo pipe; (echo through >pipe &); cat pipe; mknod dev c 1 3; echo x >dev; mknod -m 640 blk b 7 0; stat -c "%F %t %T %a" pipe dev blk'
both 'umask 077; echo private >private; mkdir private.d; stat -c %a private private.d; umask 0; echo open >open; mkdir open.d; stat -c %a open open.d'
both 'mkdir sticky sgid; chmod 1777 sticky; chgrp 44 sgid; chmod 2775 sgid; mkdir sgid/in; touch sgid/file; stat -c "%a %g" sticky sgid sgid/in sgid/file'
both 'touch -d "2001-02-03 04:05:06.789" stamped etc/run; stat -c %y stamped etc/run; touch -h -d 2002-02-02 lib/soft; stat -c %y lib/soft'
both 'exec 3<>open; rm open; echo late >&3; stat -L -c "%h %s" /dev/fd/3; ls open'
both 'n=$(printf %0255d 7); echo long >$n; cat $n; mkdir -p $n.; echo $?; echo x >${n}8'
both 'for i in $(seq 300); do echo $i >many.$i; done; ls many.* | wc -l; rm many.1*; ls many.* | wc -l; cat many.* | sort -n | tail -1'
both 'setfattr -n user.a -v b etc/list; setfattr -h -n user.c -v d etc/list; setfattr -x user.a etc/list; getfattr -d etc/hard; setfattr -h -n user.no -v x soft2'
both 'find . -name "*.conf" -newermt 2021-01-01 | sort; find . -type f -size +20k | sort; grep -rl option etc | sort; du -s --apparent-size etc/conf.new | wc -l'
if have rsync; then
    both 'rsync -aHAX --delete etc/ mirror/ && rsync -aHAXin etc/ mirror/; echo x >etc/extra; rsync -aHAX --delete --inplace etc/ mirror/; ls mirror; stat -c %h mirror/list'
fi
if have git; then
    both 'export HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=b GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=b GIT_AUTHOR_DATE="2020-01-01T00:00:00Z" GIT_COMMITTER_DATE="2020-01-01T00:00:00Z"
mkdir repo && cd repo && git -c init.defaultBranch=main init -q . && cp -r ../etc . && git add -A && git commit -qm one && git rev-parse HEAD &&
git checkout -qb side && git mv etc/list etc/moved && echo s >>etc/hard && git commit -qam two && git checkout -q main && ls etc && git merge -q side && ls etc &&
git status --short && git gc -q && git fsck --strict && git log --oneline && git stash -q 2>&1; git checkout -q HEAD~1 && cat etc/list && git clean -fdq && git reset -q --hard main'
fi
if have python3; then
    both 'python3 - <<PYTHON
import mmap, os, fcntl, tempfile
with open("mapped", "wb+") as f:
    f.truncate(100000)
    m = mmap.mmap(f.fileno(), 100000)
    m[50000:50005] = b"hello"
    m.flush()
    f.seek(50000)
    print(f.read(5))
    m[99990:99995] = b"later"
with open("etc/list", "r+b") as f:
    m = mmap.mmap(f.fileno(), 0)
    m[0:5] = b"MAPPD"
    m.close()
print(open("etc/hard").read())
fd = os.open("lib/soft", os.O_RDONLY)
before = os.read(fd, 3)
with open("etc/list", "a") as f:
    f.write("appended")
os.lseek(fd, -8, os.SEEK_END)
print(before, os.read(fd, 8))
with open("locked", "w") as f:
    fcntl.flock(f, fcntl.LOCK_EX)
    fcntl.lockf(f, fcntl.LOCK_EX)
fd = os.open("allocated", os.O_RDWR | os.O_CREAT)
os.posix_fallocate(fd, 0, 8192)
print(os.fstat(fd).st_size, os.pwrite(fd, b"x" * 10, 8190), os.fstat(fd).st_size)
os.fsync(fd)
print(os.copy_file_range(fd, os.open("copied", os.O_WRONLY | os.O_CREAT), 100))
os.rename("allocated", "etc/allocated")
fd = os.open(".", os.O_RDONLY)
os.fsync(fd)
print(os.statvfs(".").f_namemax)
PYTHON'
fi
both 'i=0; while [ $i -lt 4 ]; do (for j in $(seq 100); do echo $j >>par.$i; mv par.$i par.$i.t; mv par.$i.t par.$i; done) & i=$((i+1)); done; wait; cksum par.*'

# The same after a remount, for a fresh kernel cache and a fresh daemon.
id=$("$CLOUDFS" -q mount)
"$CLOUDFS" umount "$work/m"
"$CLOUDFS" mount --resume "$id"
same_trees "after a remount"
both 'ls -R . | grep -v "^\." | wc -l; rm -rf etc lib repo mirror; ls -A'
"$CLOUDFS" umount "$work/m"
"$CLOUDFS" mount --resume "$id"
same_trees "after all is removed, and a remount"
if grep -E 'Sanitizer|runtime error|error:' "$CLOUDFS_ROOT/mounts/$id/log" >&2; then
    fail "the daemon complains"
fi
