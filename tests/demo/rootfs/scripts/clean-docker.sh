#!/bin/bash
# Takes docker off a node, with everything that it stored.
# usage: clean-docker.sh [STORAGE]
set -u
storage=${1:-/var/lib/docker}

systemctl disable --now docker.service
rm -f /lib/systemd/system/docker.service /usr/lib/systemd/system/docker.service
systemctl daemon-reload

for program in containerd containerd-shim containerd-shim-runc-v2 ctr docker docker-init \
	docker-proxy dockerd runc; do
	rm -f "/usr/bin/$program"
done
rm -rf /etc/docker "${storage:?}" /var/run/docker.sock
