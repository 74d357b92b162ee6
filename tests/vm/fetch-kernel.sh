#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Unpack a kernel for the guests into build/vm-kernel. Nothing is installed, and
# this machine's own boot loader is left alone. For Debian.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
target=${FEEDGPU_VM_KERNELS:-$root/build/vm-kernel}
export PATH=$PATH:/sbin:/usr/sbin

if compgen -G "$target/boot/vmlinuz-*-amd64" >/dev/null; then
    exit 0
fi
package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null |
    awk '/Depends: linux-image-/ { print $2; exit }')
[ -n "$package" ] || { echo "no linux-image-cloud-amd64 here" >&2 && exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
(cd "$work" && apt-get -qq download "$package")
mkdir -p "$target"
dpkg-deb -x "$work"/*.deb "$target"
depmod -b "$target" "${package#linux-image-}"
