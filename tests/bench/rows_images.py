#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Container images: cloudfs scan on manifests, cloudfs cache beside a loop of skopeo copy. Prints a table.
usage: rows_images.py [--files N] [--images N] [--mb SIZE]      (CLOUDFS: the command; default build/cloudfs)
Data: N manifests of 100 KB (default 10,000, 1 GB), put together from workloads with what such have:
probes, variables, arguments, scripts, configuration; N images (20) of SIZE MB (30) of noise at a docker-registry on
loopback, whose files are in memory. Everything lies below TMPDIR, and is removed at the end."""
import argparse
import os
import random
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLOUDFS = os.environ.get("CLOUDFS", TOP + "/build/cloudfs")


def timed(*argv, runs=1, before=lambda: None):
    """Median of wall and CPU seconds, and the last run's output."""
    walls, cpus, out = [], [], ""
    for _ in range(runs):
        before()
        start, used = time.time(), os.times()
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode:
            sys.exit("%s: %s" % (" ".join(argv), done.stderr[-500:]))
        now = os.times()
        walls.append(time.time() - start)
        cpus.append(now.children_user + now.children_system - used.children_user - used.children_system)
        out = done.stdout
    return statistics.median(walls), statistics.median(cpus), out


def start_registry(work):
    s = socket.socket()
    s.bind(("127.0.0.1", 0))
    port = s.getsockname()[1]
    s.close()
    with open(work + "/registry.yml", "w") as f:
        f.write("version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: %s/registry}\n"
                "http: {addr: '127.0.0.1:%d'}\n" % (work, port))
    with open(work + "/log", "w") as log:
        daemon = subprocess.Popen(["docker-registry", "serve", work + "/registry.yml"], stdout=log, stderr=log)
    for _ in range(100):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            break
        except OSError:
            time.sleep(0.1)
    return daemon, "127.0.0.1:%d" % port

DOCUMENT = """---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: app-{n}
  namespace: team-{team}
  labels: {{app: app-{n}, tier: "{team}"}}
  annotations:
    prometheus.io/scrape: "true" # for the team's own
spec:
  replicas: {team}
  selector:
    matchLabels:
      app: app-{n}
  template:
    spec:
      serviceAccountName: app-{n}
      containers:
      - name: main
        image: registry.example.com/team-{team}/app-{n}:v1.{team}
        args: ["--listen=:8080", "--sidecar-image=quay.io/side/car-{team}:2"]
        command:
        - /bin/sh
        - -c
        - |
          set -e
          for part in a b c; do
            echo "starting $part of app-{n}"
          done
          exec /app
        env:
        - name: LOG_LEVEL
          value: info
        - name: POD
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
        readinessProbe:
          httpGet:
            path: /healthz
            port: 8080
          initialDelaySeconds: 5
        resources:
          limits: {{cpu: 500m, memory: 512Mi}}
          requests:
            cpu: 100m
            memory: 128Mi
        volumeMounts:
        - mountPath: /etc/app
          name: config
      volumes:
      - name: config
        configMap:
          name: app-{n}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: app-{n}
data:
  app.conf: |
    # what the application reads
    [server]
    port = 8080
    threads = {team}
    [log]
    level = info
"""


def make_manifests(work, files):
    os.makedirs(work + "/rootfs/manifests")
    n = 0
    for i in range(files):
        with open(work + "/rootfs/manifests/%05d.yaml" % i, "w") as f:
            while f.tell() < 100_000:
                f.write(DOCUMENT.format(n=n % 500, team=n % 7 + 1))
                n += 1


def scan(work, files):
    make_manifests(work, files)
    size = sum(os.path.getsize(work + "/rootfs/manifests/" + n) for n in os.listdir(work + "/rootfs/manifests"))
    command = ["taskset", "-c", "0", CLOUDFS, "--root", work + "/store", "scan", "-q", work + "/rootfs"]
    wall, cpu, out = timed(*command, runs=3)
    print("| scan of %d manifests, %.2f GB, one core | %.2f s, %.2f s of CPU | %.0f MB/s, %d images |" %
          (files, size / 1e9, wall, cpu, size / cpu / 1e6, len(out.split())))
    shutil.rmtree(work + "/rootfs/manifests")
    os.makedirs(work + "/rootfs/manifests")
    with open(work + "/rootfs/manifests/large.yaml", "w") as f:
        f.write("apiVersion: v1\nkind: List\nitems:\n")
        while f.tell() < 100_000_000:
            f.write("- apiVersion: v1\n  kind: Pod\n  spec: {containers: [{image: a/b:%d}]}\n" % (f.tell() % 300))
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    wall, cpu, _ = timed(*command)
    peak = max(before, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
    print("| scan of one document of 100 MB | %.2f s of CPU | at most %d MB of memory |" % (cpu, peak // 1024))
    shutil.rmtree(work + "/rootfs")


def make_images(work, host, images, mb):
    os.makedirs(work + "/rootfs/manifests")
    with open(work + "/rootfs/manifests/imageList", "w") as f:
        for i in range(images):
            os.makedirs(work + "/one")
            with open(work + "/one/data", "wb") as data:
                data.write(random.randbytes(mb << 20))
            for argv in (["import", work + "/one", "-t", "i%d:1" % i],
                         ["push", "--compression", "gzip", "--tls-verify=false", "i%d:1" % i, "%s/i/%d:1" % (host, i)]):
                done = subprocess.run([CLOUDFS, "--root", work + "/made"] + argv, capture_output=True, text=True)
                if done.returncode:
                    sys.exit(done.stderr)
            shutil.rmtree(work + "/one")
            f.write("%s/i/%d:1\n" % (host, i))
    shutil.rmtree(work + "/made")


def cache(work, host, images, mb):
    make_images(work, host, images, mb)

    def fresh():
        for name in ("store", "peer"):
            shutil.rmtree(work + "/" + name, ignore_errors=True)
        subprocess.run([CLOUDFS, "--root", work + "/store", "import", work + "/rootfs", "-t", "k:1"],
                       capture_output=True, check=True)
        os.makedirs(work + "/peer")

    loop = "for i in $(seq 0 %d); do skopeo copy -q --src-tls-verify=false docker://%s/i/$i:1 dir:%s/peer/$i; done"
    peer, peer_cpu, _ = timed("sh", "-c", loop % (images - 1, host, work), runs=3, before=fresh)
    own, own_cpu, _ = timed(CLOUDFS, "--root", work + "/store", "cache", "--tls-verify=false", "k:1", runs=3,
                            before=fresh)
    again, _, _ = timed(CLOUDFS, "--root", work + "/store", "cache", "--tls-verify=false", "k:1", runs=5)
    print("| cache of %d images of %d MB | %.2f s, %.2f s of CPU | skopeo copy, a loop: %.2f s, %.2f s of CPU (%.1f times) |"
          % (images, mb, own, own_cpu, peer, peer_cpu, peer / own))
    print("| the same again | %.0f ms | no request |" % (again * 1000))


def main():
    options = argparse.ArgumentParser(usage=__doc__)
    options.add_argument("--files", type=int, default=10000)
    options.add_argument("--images", type=int, default=20)
    options.add_argument("--mb", type=int, default=30)
    args = options.parse_args()
    with tempfile.TemporaryDirectory() as work:
        print("| work | cloudfs | |\n|---|---|---|")
        if args.files:
            scan(work, args.files)
        if args.images:
            daemon, host = start_registry(work)
            try:
                cache(work, host, args.images, args.mb)
            finally:
                daemon.kill()


if __name__ == "__main__":
    main()
