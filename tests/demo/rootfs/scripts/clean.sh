#!/bin/bash
# Undoes init.sh: the cluster's registry, Kubernetes, then docker.
# usage: clean.sh [STORAGE]
set -u
cd "$(dirname "$0")" || exit 1

if command -v docker >/dev/null && docker inspect sealer-registry >/dev/null 2>&1; then
	docker rm --force sealer-registry
fi
bash clean-kube.sh
bash clean-docker.sh "${1:-/var/lib/docker}"
