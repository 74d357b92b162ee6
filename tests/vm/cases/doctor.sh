#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Two nodes; a graphics card on node 1; disk0 on node 1, disk1 on node 0. What
# does `feedgpu doctor` say of a real kernel, and of what is done to it?
# shellcheck source=tests/vm/cases/lib.sh
. /w/cases/lib.sh
prefix=''

# doctor OPTION...: all findings are in /tmp/all.
doctor()
{
    status=0
    # shellcheck disable=SC2086 # words on purpose
    $prefix feedgpu doctor --json "$@" >/tmp/all 2>/tmp/err || status=$?
    tail -n 1 /tmp/all >/tmp/out
}

# told CHECK STATUS [WORDS]: there is such a finding, with these words in it.
told()
{
    grep "\"check\":\"$1\"" /tmp/all | grep "\"status\":\"$2\"" |
        grep -q -e "${3:-.}" && return
    grep "\"check\":\"$1\"" /tmp/all | head -n 2 >/tmp/out
    return 1
}

# The kernel numbers disks in the order in which it finds them.
name_of()
{
    number=$(awk -v at="$1" '$5 == at { print $3 }' /proc/self/mountinfo)
    basename "$(readlink -f "/sys/dev/block/$number")"
}
disk0=$(name_of /disk0)
disk1=$(name_of /disk1)

begin the_gpus_disk_is_well
doctor /disk0/data.bin
expect GPU -- told gpu-present INFO 'no driver'
expect home -- told device-node PASS 'gpu on node 1'
expect near -- told path-node PASS 'on node 1'
expect file system -- told path-file-system PASS '"/disk0".*"ext4"'
expect disk -- told path-disks PASS "\"$disk0\""
expect direct -- told path-direct PASS 'multiples of 512'
expect kind -- told disk-kind PASS "$disk0"
expect scheduler -- told disk-scheduler PASS none
expect requests -- told disk-requests PASS KiB
expect depth -- told disk-depth PASS
expect queues -- told nvme-queues PASS 'queues for 4 CPUs'
expect link -- told nvme-link PASS 'GB/s'
expect only its own disk -- sh -c "! grep -q $disk1 /tmp/all"
expect ring -- told io-uring PASS
expect nodes -- told process-node PASS
expect virtual -- told virtual INFO
expect counts -- sh -c 'tail -n 1 /tmp/all | grep -q "\"type\":\"doctor\""'
end

begin disk_on_the_other_node_warns
doctor /disk1/data.bin
expect status -- [ "$status" -eq 1 ]
expect far -- told path-node WARN "$disk1 is on node 0, the GPU on node 1"
end

begin files_on_two_disks_are_both_looked_at
printf '/disk0/data.bin\n/disk1/data.bin\n' >/tmp/list
doctor @/tmp/list
expect both -- told path-disks PASS "\"$disk1\""
expect both queues -- told disk-kind PASS "$disk1"
expect near -- told path-node PASS "$disk0"
expect far -- told path-node WARN "$disk1"
end

begin tmpfs_is_no_disk
head -c 4096 /dev/zero >/tmp/file
doctor /tmp/file
expect memory -- told path-file-system INFO 'in memory'
expect no disk -- told path-disks N/A 'none below a file system'
expect no queue -- told disk-kind N/A
end

begin page_cache_cold_and_warm
echo 3 >/proc/sys/vm/drop_caches
doctor /disk0/data.bin
expect cold -- told path-cached PASS '0 % is'
cat /disk0/data.bin >/dev/null
doctor /disk0/data.bin
expect warm -- told path-cached WARN '100 % is'
expect fits -- told path-memory WARN 'hides all of'
end

begin io_uring_forbidden_warns
prefix='deny io_uring_setup 1'
doctor
expect EPERM -- told io-uring WARN seccomp
expect filter -- told seccomp INFO
expect no features -- told io-uring-features N/A
prefix='deny io_uring_setup 38'
doctor
expect ENOSYS -- told io-uring WARN 'use a kernel with io_uring'
prefix=''
if [ -e /proc/sys/kernel/io_uring_disabled ]; then
    echo 2 >/proc/sys/kernel/io_uring_disabled
    doctor
    echo 0 >/proc/sys/kernel/io_uring_disabled
    expect sysctl -- told io-uring WARN 'sysctl kernel.io_uring_disabled=0'
fi
end

begin nobody_sees_less_and_may_less
prefix='as_nobody_64k'
doctor /disk0/data.bin
expect memlock -- told memlock WARN '64 KiB'
expect log -- told pcie-log UNKNOWN
expect registers -- told acs UNKNOWN
prefix=''
doctor
expect registers as root -- sh -c '! grep "\"acs\"" /tmp/all | grep UNKNOWN'
end

begin kernel_log_names_the_bridge
gpu=$(sed -n 's/.*"check":"gpu-present","subject":"\([^"]*\).*/\1/p' /tmp/all)
told pcie-log PASS || faults="$faults; nothing at first"
echo "pci $gpu: 31.504 Gb/s available PCIe bandwidth, limited by 8.0 GT/s" \
    "PCIe x4 link at 0000:18:14.0 (capable of 126.016 Gb/s with 16.0 GT/s" \
    "PCIe x8 link)" >/dev/kmsg
doctor
expect it is read -- told pcie-log WARN '0000:18:14.0 let this gpu have 32 of'
end

begin tuned_queue_warns
queue=/sys/block/$disk0/queue
# Not each kernel has it built in.
if grep -q mq-deadline $queue/scheduler; then
    echo mq-deadline >$queue/scheduler
fi
echo 64 >$queue/max_sectors_kb
doctor
if grep -q mq-deadline $queue/scheduler; then
    expect scheduler -- told disk-scheduler WARN mq-deadline
fi
expect requests -- told disk-requests WARN 'up to 64 KiB'
echo none >$queue/scheduler
echo 512 >$queue/max_sectors_kb
end

begin switches_of_nodes_warn
echo 1 >/proc/sys/kernel/numa_balancing
echo 1 >/proc/sys/vm/zone_reclaim_mode
echo 1000 >/proc/sys/vm/max_map_count
echo never >/sys/kernel/mm/transparent_hugepage/enabled
doctor
expect balancing -- told numa-balancing WARN 'echo 0 >'
expect reclaim -- told zone-reclaim WARN 'echo 0 >'
expect maps -- told max-map-count WARN
expect thp -- told thp INFO never
echo 0 >/proc/sys/kernel/numa_balancing
echo 0 >/proc/sys/vm/zone_reclaim_mode
echo 65530 >/proc/sys/vm/max_map_count
echo madvise >/sys/kernel/mm/transparent_hugepage/enabled
end

begin small_shm_warns
mkdir -p /dev/shm
mount -t tmpfs -o size=16M none /dev/shm
doctor
expect small -- told shm WARN '16 MiB'
umount /dev/shm
while umount /dev/shm 2>/dev/null; do :; done
rmdir /dev/shm
doctor
expect none -- told shm UNKNOWN 'no /dev/shm'
end

begin limits_of_parents_bind
echo '+cpu +memory +cpuset' >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/outer
echo '+cpu +memory +cpuset' >/sys/fs/cgroup/outer/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/outer/inner
echo 150000 100000 >/sys/fs/cgroup/outer/cpu.max
echo 48M >/sys/fs/cgroup/outer/memory.max
echo 512M >/sys/fs/cgroup/outer/inner/memory.high
prefix='in_group outer/inner'
doctor
expect quota -- told cpu-quota WARN '1.5 CPUs for 4 threads'
expect where -- told cpu-quota WARN /sys/fs/cgroup/outer/cpu.max
expect limit -- told memory-limit FAIL '48 MiB'
expect high -- told memory-high WARN '512 MiB'
expect status -- [ "$status" -eq 2 ]
prefix=''
doctor
expect no quota outside -- told cpu-quota PASS 'no quota'
expect no limit outside -- told memory-limit PASS 'no limit'
end

begin node_not_allowed_says_who_forbids
echo 0-1 >/sys/fs/cgroup/outer/cpuset.cpus
echo 0 >/sys/fs/cgroup/outer/cpuset.mems
echo max >/sys/fs/cgroup/outer/memory.max
prefix='in_group outer/inner'
doctor
expect cpuset -- told process-node WARN 'cpuset: cpus 2-3, mems 1'
prefix='taskset 3'
doctor
expect affinity -- told process-node WARN 'numactl --cpunodebind=1'
prefix=''
end

begin full_node_warns
: >/tmp/filled
fill 1 24 >/tmp/filled &
pid=$!
waited=0
while ! grep -q filled /tmp/filled && [ $waited -lt 20 ]; do
    sleep 1
    waited=$((waited + 1))
done
doctor
expect little free -- told node-memory WARN 'free on its node 1'
kill $pid
wait $pid 2>/dev/null
end

begin more_rights_than_the_user_warn
cp "$(command -v feedgpu)" /disk0/setuid
chmod 4755 /disk0/setuid
status=0
as_nobody_64k /disk0/setuid doctor --json >/tmp/all 2>/tmp/err || status=$?
expect setuid -- told preload WARN 'more rights'
rm /disk0/setuid
LD_PRELOAD=/none.so doctor
expect set -- told preload INFO 'LD_PRELOAD=/none.so'
end

finish
