#!/bin/bash
# Takes Kubernetes off a node.
set -u

systemctl disable --now kubelet.service
rm -rf /etc/systemd/system/kubelet.service /etc/systemd/system/kubelet.service.d
systemctl daemon-reload

if command -v ipvsadm >/dev/null; then
	ipvsadm --clear
fi
rm -f /etc/sysctl.d/k8s.conf
rm -rf /etc/kubernetes /etc/cni /opt/cni /var/lib/kubelet /var/lib/etcd /var/log/kubernetes

cd "$(dirname "$0")/../bin" || exit 1
for program in *; do
	rm -f "/usr/bin/$program"
done
rm -f /usr/bin/kubelet-pre-start.sh
