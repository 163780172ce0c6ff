#!/bin/bash
# Starts the cluster's own registry on this node, from images/ and registry/.
# usage: init-registry.sh [PORT [VOLUME]]
set -eu
cd "$(dirname "$0")"
rootfs=$(cd .. && pwd)

name=sealer-registry
port=${1:-5000}
volume=${2:-$rootfs/registry}
config=$rootfs/etc/registry_config.yml
htpasswd=$rootfs/etc/registry_htpasswd

load_images() {
	local file
	for file in "$rootfs"/images/*; do
		[ -f "$file" ] || continue
		docker load --quiet --input "$file"
	done
}

registry_options() {
	echo --detach --restart=always --net=host --name "$name"
	echo --volume "$rootfs/certs:/certs" --volume "$volume:/var/lib/registry"
	echo --env REGISTRY_HTTP_TLS_CERTIFICATE=/certs/sea.hub.crt
	echo --env REGISTRY_HTTP_TLS_KEY=/certs/sea.hub.key
	if [ -f "$config" ]; then
		sed -i "s/5000/$port/g" "$config"
		echo --volume "$config:/etc/docker/registry/config.yml"
	fi
	if [ -f "$htpasswd" ]; then
		echo --volume "$htpasswd:/htpasswd"
		echo --env REGISTRY_AUTH=htpasswd --env REGISTRY_AUTH_HTPASSWD_PATH=/htpasswd
		echo --env REGISTRY_AUTH_HTPASSWD_REALM=cluster
	fi
}

wait_for_registry() {
	local i
	for ((i = 0; i < 30; i++)); do
		if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
			return 0
		fi
		sleep 1
	done
	echo "init-registry: no answer on port $port after 30 seconds" >&2
	docker logs --tail 20 "$name" >&2
	return 1
}

load_images
if docker inspect "$name" >/dev/null 2>&1; then
	docker rm --force "$name"
fi
mkdir -p "$volume"
# The options hold no spaces of their own: split them on purpose.
# shellcheck disable=SC2046
docker run $(registry_options) registry:2.7.1
wait_for_registry
