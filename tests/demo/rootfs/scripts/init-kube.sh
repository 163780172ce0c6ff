#!/bin/bash
# Makes a node ready for kubeadm: kernel modules, sysctl, no swap, programs, units.
set -eu
cd "$(dirname "$0")"

load_modules() {
	local m
	for m in br_netfilter bridge ip_vs ip_vs_rr ip_vs_sh ip_vs_wrr; do
		modprobe -- "$m"
	done
	# Renamed in Linux 4.19.
	modprobe -- nf_conntrack || modprobe -- nf_conntrack_ipv4
}

set_sysctl() {
	cat >/etc/sysctl.d/k8s.conf <<-EOF
		net.bridge.bridge-nf-call-ip6tables = 1
		net.bridge.bridge-nf-call-iptables = 1
		net.ipv4.conf.all.rp_filter = 0
		net.ipv4.ip_forward = 1
	EOF
	sysctl --quiet --system
}

no_swap() {
	swapoff --all
	sed -i '/^[^#].*[[:space:]]swap[[:space:]]/ s/^/#/' /etc/fstab
}

no_firewall() {
	local unit
	for unit in firewalld ufw; do
		if systemctl is-active --quiet "$unit"; then
			systemctl disable --now "$unit"
		fi
	done
	if command -v setenforce >/dev/null; then
		setenforce 0 || true
	fi
}

install_programs() {
	chmod 0755 ../bin/*
	cp ../bin/* /usr/bin/
	install -m 0755 kubelet-pre-start.sh /usr/bin/kubelet-pre-start.sh
}

install_units() {
	local dropin=/etc/systemd/system/kubelet.service.d
	mkdir -p "$dropin"
	install -m 0644 ../etc/kubelet.service /etc/systemd/system/kubelet.service
	install -m 0644 ../etc/10-kubeadm.conf "$dropin/10-kubeadm.conf"
	mkdir -p /etc/kubernetes /var/log/kubernetes
	install -m 0644 ../statics/audit-policy.yml /etc/kubernetes/audit-policy.yml
	systemctl daemon-reload
	systemctl enable kubelet.service
}

load_modules
set_sysctl
no_swap
no_firewall
install_programs
install_units
