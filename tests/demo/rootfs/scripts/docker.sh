#!/bin/bash
# Installs docker from cri/docker.tar.gz and points it at the cluster's registry.
# usage: docker.sh STORAGE REGISTRY_DOMAIN REGISTRY_PORT
set -eu
cd "$(dirname "$0")"

storage=${1:-/var/lib/docker}
domain=${2:-sea.hub}
port=${3:-5000}

# Where a distribution keeps the units of what is not a package.
unit_dir() {
	local id=
	if [ -r /etc/os-release ]; then
		# shellcheck disable=SC1091
		id=$(. /etc/os-release && echo "$ID")
	fi
	case "$id" in
	debian | ubuntu | kylin) echo /lib/systemd/system ;;
	*) echo /usr/lib/systemd/system ;;
	esac
}

install_docker() {
	tar -xzf ../cri/docker.tar.gz -C /usr/bin --strip-components=1
	install -m 0644 ../etc/docker.service "$(unit_dir)/docker.service"
}

configure_docker() {
	mkdir -p /etc/docker "$storage"
	sed -e "s|sea.hub:5000|$domain:$port|g" \
		-e "s|\"data-root\": \"[^\"]*\"|\"data-root\": \"$storage\"|" \
		../etc/daemon.json >/etc/docker/daemon.json
}

start_docker() {
	systemctl daemon-reload
	systemctl enable docker.service
	systemctl restart docker.service
	docker version
}

if command -v dockerd >/dev/null && systemctl is-active --quiet docker; then
	echo "docker is running here already, only its settings are replaced"
else
	install_docker
fi
configure_docker
start_docker
