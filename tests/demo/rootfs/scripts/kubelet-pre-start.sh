#!/bin/bash
# Runs before each start of the kubelet: things that do not survive a reboot.
set -u

load_modules() {
	local m
	for m in br_netfilter ip_vs ip_vs_rr ip_vs_sh ip_vs_wrr; do
		modprobe -- "$m" || echo "kubelet-pre-start: no module $m" >&2
	done
	modprobe -- nf_conntrack 2>/dev/null || modprobe -- nf_conntrack_ipv4
}

# The kubelet refuses to start with swap on.
no_swap() {
	if [ "$(wc -l </proc/swaps)" -gt 1 ]; then
		swapoff --all
	fi
}

network() {
	local f
	for f in /proc/sys/net/bridge/bridge-nf-call-iptables \
		/proc/sys/net/bridge/bridge-nf-call-ip6tables \
		/proc/sys/net/ipv4/ip_forward; do
		[ -w "$f" ] && echo 1 >"$f"
	done
}

load_modules
no_swap
network
exit 0
