# Gives a kubeadm.yml another pod network, and a name for the API server.
/^  podSubnet:/ { sub(/[0-9.]+\/[0-9]+/, "172.20.0.0/14") }
/^apiServer:/   { print; print "  certSANs:"; print "    - apiserver.example.com"; next }
{ print }
