#!/bin/bash
# Prepares a node: the container runtime first, then what Kubernetes needs.
# usage: init.sh [STORAGE [REGISTRY_DOMAIN [REGISTRY_PORT]]]
set -eu
cd "$(dirname "$0")"

storage=${1:-/var/lib/docker}
domain=${2:-sea.hub}
port=${3:-5000}

bash docker.sh "$storage" "$domain" "$port"
bash init-kube.sh
