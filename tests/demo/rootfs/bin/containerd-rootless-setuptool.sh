#!/bin/sh
# A stand-in: checks what a rootless containerd needs, and changes nothing.
set -eu
case "${1:-check}" in
check)
	for need in newuidmap newgidmap; do
		command -v "$need" >/dev/null || echo "missing: $need"
	done
	[ -f /etc/subuid ] || echo "missing: /etc/subuid"
	;;
*)
	echo "usage: ${0##*/} [check]" >&2
	exit 2
	;;
esac
