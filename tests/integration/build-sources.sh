#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# build: sources on the web and in git, fetched once; what the directories of a rootfs mean (Plugin files,
# names that nothing reads, Metadata).
. "$(dirname "$0")/../lib/lib.sh"
set -eu
need python3 git
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY
cd "$work"
pids=
stop() {
    for pid in $pids; do
        kill "$pid" 2>/dev/null || true
    done
}
trap 'status=$?; trap - EXIT; set +e; stop; cleanup; exit $status' EXIT

mkdir -p web ctx base/etc
cat >server.py <<'END'
import hashlib, http.server, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        print(self.path, flush=True)
        path = self.path.split("?")[0]
        if path.startswith("/moved/"):
            self.send_response(302)
            self.send_header("Location", "../" + path[7:])
            self.end_headers()
            return
        try:
            data = open("web" + path, "rb").read()
        except OSError:
            self.send_error(404)
            return
        tag = '"%s"' % hashlib.sha256(data).hexdigest()[:16]
        if self.headers.get("If-None-Match") == tag:
            print("same", flush=True)
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("ETag", tag)
        self.send_header("Last-Modified", "Sun, 13 Sep 2020 12:26:40 GMT")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
open("port", "w").write(str(server.server_port))
server.serve_forever()
END
python3 server.py >asked &
pids="$pids $!"
for _ in $(seq 100); do
    [ ! -s port ] || break
    sleep 0.1
done
url=http://127.0.0.1:$(cat port)
asked() { wc -l <asked; }
kubefile() { printf '%s\n' "$@" >ctx/Kubefile; }
build() { # REF [OPTION...]: of ctx
    ref=$1
    shift
    "$CLOUDFS" -q build -t "$ref" "$@" ctx
}
has() { # REF PATH TEXT
    eq "$2 $("$CLOUDFS" cat "$1:$2")" "$2 $3"
}

# A file of the web, by a redirect too; asked for once.
echo small >web/kubectl
head -c 200000 /dev/urandom >web/helm.tgz
sum=sha256:$(sha256sum web/helm.tgz | cut -d ' ' -f 1)
kubefile 'FROM scratch' "COPY $url/moved/kubectl bin/" "ADD --checksum=$sum --chmod=600 $url/helm.tgz?x=1 cri/h.tgz" \
    "COPY $url/kubectl tools"
build web:1 >id
has web:1 bin/kubectl small
has web:1 tools small
"$CLOUDFS" cat web:1:cri/h.tgz | cmp - web/helm.tgz
"$CLOUDFS" ls -l web:1:cri | grep -q '^-rw------- .*2020' || fail "mode or date: $("$CLOUDFS" ls -l web:1:cri)"
before=$(asked)
build web:1 >id2
same_files id id2
eq "$(asked)" "$before"
# --no-cache asks again, and what has not changed does not come again.
build web:1 --no-cache >id2
same_files id id2
eq "$(grep -c same asked)" 3
echo changed >web/kubectl
build web:2 >/dev/null
has web:2 tools small
build web:2 --no-cache >/dev/null
has web:2 tools changed
kubefile 'FROM scratch' "COPY $url/none bin/"
fails_with 1 'Kubefile:2:6: .*status 404' build web:3
kubefile 'FROM scratch' "COPY --checksum=sha256:$(printf '0%.0s' $(seq 64)) $url/kubectl bin/"
fails_with 1 'as --checksum says' build web:3
kubefile 'FROM scratch' "COPY $url/ bin/"
fails_with 1 "ends in no file's name" build web:3
kubefile 'FROM scratch' "COPY $url/kubectl?new bin/"
fails_with 1 'is not fetched: --offline' build web:3 --offline

# A repository: what is in it, at a branch, below a directory; as old as its commit.
export GIT_CONFIG_GLOBAL="$work/gitconfig" GIT_CONFIG_NOSYSTEM=1
git config --global user.name A
git config --global user.email a@example.com
git config --global init.defaultBranch main
git init -q repo
mkdir repo/charts
echo one >repo/charts/a
echo top >repo/top
git -C repo add .
GIT_COMMITTER_DATE='@1600000000 +0000' git -C repo commit -q -m one --date '@1600000000 +0000'
git -C repo tag v1
echo two >repo/charts/a
git -C repo commit -q -a -m two
mkdir -p served
git clone -q --bare repo served/apps.git
touch served/apps.git/git-daemon-export-ok
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
git daemon --reuseaddr --listen=127.0.0.1 --port="$port" --base-path="$work/served" "$work/served" 2>/dev/null &
pids="$pids $!"
for _ in $(seq 100); do
    ! git ls-remote "git://127.0.0.1:$port/apps.git" >/dev/null 2>&1 || break
    sleep 0.1
done
kubefile 'FROM scratch' "COPY git://127.0.0.1:$port/apps.git all/" \
    "COPY git://127.0.0.1:$port/apps.git#v1:charts old/"
build git:1 >id
has git:1 all/charts/a two
has git:1 old/a one
eq "$("$CLOUDFS" ls git:1:all | tr '\n' ' ')" 'charts top '
"$CLOUDFS" ls -l git:1:old | grep -q 2020 || fail "not as old as its commit"
build git:1 --no-cache >id2
same_files id id2
kubefile 'FROM scratch' "COPY git://127.0.0.1:$port/apps.git#none all/"
fails_with 1 'Kubefile:2:6: .*git fetch: ' build git:2
stop
pids=
kubefile 'FROM scratch' "COPY git://127.0.0.1:$port/apps.git all/" \
    "COPY git://127.0.0.1:$port/apps.git#v1:charts old/"
build git:1 >id2
same_files id id2
[ -z "$(find "$CLOUDFS_ROOT/tmp" -name 'git-*')" ] || fail "git leaves something in tmp/"

# Plugin files: what is wrong is told with its line. A base's own are its matter.
plugin() { printf 'kind: %s\nspec:\n  type: %s\n  action: %s\n  on: %s\n' "$@" >ctx/shell.yaml; }
kubefile 'FROM scratch' 'COPY shell.yaml plugins'
plugin Plugin SHELL 'PreInit|PostInstall' master
build plugin:1 >/dev/null
for row in 'Plug SHELL PreInit master:1:.*no Plugin' 'Plugin SHEL PreInit master:3:.*SHEL' \
    'Plugin SHELL PreIni master:4:.*PreIni' 'Plugin TAINT PostJoin nobody:5:.*nobody'; do
    # shellcheck disable=SC2086 # four words
    plugin ${row%%:*}
    fails_with 1 "plugins/shell.yaml:${row#*:}" build plugin:2
done
printf 'kind: Plugin\nspec: {type: LABEL}\n' >ctx/shell.yaml
fails_with 1 'plugins/shell.yaml:1: the Plugin has no spec.action' build plugin:2
printf 'kind: [\n' >ctx/shell.yaml
fails_with 1 'plugins/shell.yaml:[12]: this is no YAML' build plugin:2
plugin Plugin LABEL PreInit 192.168.0.1-192.168.0.9,10.0.0.1
echo wrong >ctx/other
kubefile 'FROM plugin:1' 'COPY other etc/'
build plugin:3 >/dev/null

# Names that nothing reads.
mkdir -p ctx/image ctx/deep/plugins/sub
echo tar >ctx/image/a.tar
echo 'version: 0.1' >ctx/registry_config.yaml
cp ctx/shell.yaml ctx/deep/plugins/sub/
kubefile 'FROM scratch' 'COPY image .' 'COPY registry_config.yaml etc/' 'COPY deep/. .' 'COPY other plugin/'
"$CLOUDFS" build --no-cache-images -t trap:1 ctx 2>said >/dev/null
for text in 'image: .*copy it to images' 'etc/registry_config.yaml: .*etc/registry_config.yml' \
    'plugin: .*copy it to plugins' 'plugins/sub/shell.yaml: only files in plugins/'; do
    grep -q "warning: $text" said || fail "no warning '$text': $(cat said)"
done
kubefile 'FROM trap:1' 'COPY other etc/'
"$CLOUDFS" build --no-cache-images -t trap:2 ctx 2>said >/dev/null
eq "$(grep -c warning said || true)" 0

# Metadata is kept, and gets the kubeVersion of the charts.
mkdir -p ctx/web/templates
printf 'apiVersion: v2\nname: web\nversion: 1.0.0\nkubeVersion: ">=1.19"\n' >ctx/web/Chart.yaml
printf '{"version":"v1.19.8","arch":"amd64","odd":[1]}\n' >ctx/Metadata
kubefile 'FROM scratch' 'COPY Metadata .' 'COPY web charts'
build meta:1 >id
has meta:1 Metadata '{"version":"v1.19.8","arch":"amd64","odd":[1],"kubeVersion":">=1.19"}'
build meta:1 >id2
same_files id id2
kubefile 'FROM meta:1' 'COPY other etc/'
build meta:2 >/dev/null
eq "$("$CLOUDFS" history meta:2 | grep -c 'cloudfs metadata')" 1
kubefile 'FROM scratch' 'COPY web charts'
build meta:3 >/dev/null
fails_with 1 Metadata "$CLOUDFS" cat meta:3:Metadata
