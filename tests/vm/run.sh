#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh GROUP FEEDGPU PROBES: boot one machine and run a group of cases in it.
# PROBES is the folder of deny, fill, hold and slow. Exit status 77: skipped.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
group=$1
feedgpu=$2
probes=$3

skip()
{
    echo "$1"
    exit 77
}

for program in qemu-system-x86_64 busybox cpio modprobe mke2fs; do
    PATH=$PATH:/sbin:/usr/sbin command -v "$program" >/dev/null ||
        skip "no $program: the virtual machines are left out"
done
export PATH=$PATH:/sbin:/usr/sbin
# The newest kernel that fetch-kernel.sh has unpacked, or that is installed.
fetched=${FEEDGPU_VM_KERNELS:-$here/../../build/vm-kernel}
kernel=$(compgen -G "$fetched/boot/vmlinuz-*-amd64" | sort -V | tail -n 1) ||
    kernel=$(compgen -G '/boot/vmlinuz-*-cloud-amd64' | sort -V | tail -n 1) ||
    skip "no kernel for the guest: tests/vm/fetch-kernel.sh gets one"
[ -r "$kernel" ] || skip "$kernel: not readable"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/data"
head -c $((32 << 20)) /dev/urandom >"$work/data/data.bin"
options+=(-c "$feedgpu:/w/feedgpu" -c "$probes/deny" -c "$probes/fill"
    -c "$probes/hold" -c "$probes/slow")
options+=(-k "$kernel" -c "$here/cases" -c "$here/cases/in_group"
    -c "$here/cases/as_nobody_64k" -t 200)

disk()
{
    options+=(--nvme "$1:${3:-64M}:$work/$2")
}

case $group in
placement)
    disk 1 data
    disk 0 data
    options+=(--pci 1:256M --pci 0 --pci none)
    ;;
nodes)
    options+=(-n 4 -m "768M,512M,512M,0" -p "2,1,0,1")
    options+=(-d 0:1:12 -d 2:3:12 -d 0:2:32 -d 1:3:17)
    disk 1 data
    options+=(--pci 1 --pci 2 --pci 3)
    ;;
disks)
    disk 1 data
    disk 0 data
    options+=(--nvme-device
        "logical_block_size=4096,physical_block_size=4096")
    disk 1 data
    options+=(--eio '/data.bin@4194304+65536')
    disk 1 data
    options+=(--nvme-drive throttling.bps-read=16777216)
    disk 1 data
    disk 1 data
    # A disk that is gone with reads under way is given up after this long.
    options+=(--pci 1 -a nvme_core.io_timeout=5)
    ;;
process) ;; # two nodes, no devices
doctor)
    disk 1 data
    disk 0 data
    # It is of the class of a graphics card, and has no driver.
    options+=(--pci 1 --pci-model "ati-vga,romfile=")
    ;;
run)
    disk 1 data
    disk 0 data
    options+=(-c "$(dirname "$feedgpu")/../lib/libfeedgpu-preload.so:/w/")
    ;;
*)
    echo "run.sh: $group: no such group" >&2
    exit 2
    ;;
esac

status=0
"$here/numa-vm" "${options[@]}" -- sh "/w/cases/$group.sh" |
    tee "$work/log" || status=$?
tail -n 1 "$work/log" | grep -q '^done [1-9]' || status=1
if grep -q '^not ok' "$work/log"; then
    status=1
fi
exit "$status"
