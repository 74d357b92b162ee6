#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Copy what `feedgpu topo` and `feedgpu doctor` read of this machine into a
# folder, for --sysroot on another one. Plain sh and find: the machine needs
# nothing installed, busybox will do. Nothing is written but the folder.
set -eu

usage()
{
    cat <<'END_OF_USAGE'
usage: copy-sysroot.sh [--pid PID] FOLDER

Copies the parts of /sys and /proc that `feedgpu topo` and `feedgpu doctor`
read into FOLDER, which must not exist yet. Then, there or elsewhere:

    feedgpu topo --sysroot FOLDER
    tar czf machine.tar.gz FOLDER

  --pid PID   also that process, for `feedgpu topo --pid PID`

As root more can be read, the PCI configuration space for example. The copy
tells what hangs where, the kernel's settings and command line, mounts, and
limits; no data and no serial numbers.
END_OF_USAGE
}

fail()
{
    echo "copy-sysroot.sh: $1" >&2
    exit "$2"
}

pid=
case ${1:-} in
--help | -h) usage && exit 0 ;;
--pid)
    pid=${2:-}
    case $pid in
    '' | *[!0-9]*) fail "--pid: got '$pid', wanted a number" 2 ;;
    esac
    [ -d "/proc/$pid" ] || fail "/proc/$pid: no such process" 1
    shift 2
    ;;
-*) fail "$1: unknown option (--help lists them)" 2 ;;
esac
[ $# -eq 1 ] || fail "wanted one FOLDER (--help says more)" 2
to=$1
[ ! -e "$to" ] || fail "$to: exists already" 1
mkdir "$to"
files=0

# copy PATH: a file's text or a link; what cannot be read is left out.
copy()
{
    case $1 in
    */*) mkdir -p "$to${1%/*}" ;;
    esac
    if [ -L "$1" ]; then
        [ -L "$to$1" ] || ln -s "$(readlink "$1")" "$to$1"
        # A link says most by its target's name, so that has to be there.
        case $1 in
        /sys/*) mkdir -p "$to$(readlink -f "$1")" ;;
        esac
    elif [ -f "$1" ] && [ ! -e "$to$1" ]; then
        # Sysfs says 4096 bytes of every file: only reading tells.
        if head -c 1048576 "$1" >"$to$1" 2>/dev/null; then
            files=$((files + 1))
        else
            rm -f "$to$1"
        fi
    elif [ -d "$1" ]; then
        mkdir -p "$to$1"
    fi
}

# copy_found FIND-ARGUMENTS...: all that find prints.
copy_found()
{
    find "$@" -print 2>/dev/null >"$to/.found" || :
    while IFS= read -r path; do
        copy "$path"
    done <"$to/.found"
}

for path in /proc/meminfo /proc/cmdline /proc/cpuinfo /proc/version \
    /proc/pressure/cpu /proc/pressure/io /proc/pressure/memory \
    /proc/sys/kernel/io_uring_disabled /proc/sys/kernel/io_uring_group \
    /proc/sys/kernel/numa_balancing /proc/sys/vm/zone_reclaim_mode \
    /proc/sys/vm/max_map_count /proc/sys/vm/nr_hugepages \
    /proc/self/status /proc/self/limits /proc/self/cgroup \
    /proc/self/mountinfo /sys/class/dmi/id/sys_vendor \
    /sys/class/dmi/id/product_name /sys/hypervisor/type \
    /sys/module/nvme/parameters/poll_queues; do
    copy "$path"
done
copy_found /proc/driver/nvidia -type f
copy_found /proc/driver/nvidia-fs -maxdepth 1 -type f

# NUMA nodes and CPUs; the nodes' links to CPUs and memory blocks are not read.
copy_found /sys/devices/system/node ! -type l \
    \( -name online -o -name possible -o -name 'has_*' -o -name cpulist \
    -o -name distance -o -name meminfo -o -name '*_hugepages' \)
copy_found /sys/devices/system/cpu \( -name online -o -name present \
    -o -name scaling_governor -o -name scaling_driver \) -type f
copy_found /sys/devices/system/cpu -maxdepth 2 -path '*_pstate/status'
copy_found /sys/kernel/mm/transparent_hugepage -type f
copy_found /sys/class/iommu -type l
copy_found /sys/kernel/iommu_groups -maxdepth 2 -name type

# This process's control groups, up to the root.
group=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null || :)
while [ -n "$group" ]; do
    for name in cpu.max memory.max memory.high memory.current \
        cpuset.cpus.effective cpuset.mems.effective; do
        copy "/sys/fs/cgroup$group/$name"
    done
    group=${group%/*}
done

# PCI: devices and the bridges above them, what hangs below, block devices.
copy_found /sys/bus/pci/devices -type l
copy_found /sys/class/block /sys/block /sys/dev/block -type l
copy_found /sys/devices \( -name system -o -name power -o -name 'cpu*' \) \
    -prune -o \( -path '*/pci*' -o -path '*/virtual/*' -o -path '*/platform/*' \
    \) \( \
    -name class -o -name vendor -o -name device -o -name numa_node \
    -o -name local_cpus -o -name local_cpulist -o -name driver \
    -o -name 'current_link_*' -o -name 'max_link_*' -o -name config \
    -o -name size -o -name dev -o -name partition -o -name iommu_group \
    -o -path '*/slaves/*' -o -path '*/queue/*' -o -path '*/mq/*' \
    -o -path '*/nvme-subsystem/*' -type l -o -path '*/nvme/nvme*' -type d \
    -o -path '*/net/*' -prune -o -path '*/infiniband/*' -prune \)

if [ -n "$pid" ]; then
    for name in status comm cmdline stat cgroup numa_maps; do
        copy "/proc/$pid/$name"
    done
    copy_found "/proc/$pid/fd" -type l
    copy_found "/proc/$pid/task" \( -name status -o -name comm \) -type f
fi

rm -f "$to/.found"
echo "$to: $files files; feedgpu topo --sysroot $to" >&2
