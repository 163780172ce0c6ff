#!/bin/sh
# A stand-in: says how containerd would be started in a user namespace.
set -eu
: "${XDG_RUNTIME_DIR:=/run/user/$(id -u)}"
state="$XDG_RUNTIME_DIR/containerd-rootless"
echo "would start containerd with its state in $state"
