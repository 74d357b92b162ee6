#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2034,SC2154 # bench of lib.sh uses and sets them
# Two nodes; stand-ins pci0 on node 1, pci1 on node 0, pci2 on none; disk0 on
# node 1, disk1 on node 0. Where do memory and threads go?
# shellcheck source=tests/vm/cases/lib.sh
. /w/cases/lib.sh
# shellcheck disable=SC2034 # bench uses it
prefix=''
gpu1=emulated:h100,bus=$NUMA_VM_PCI0_BDF
gpu0=emulated:h100,bus=$NUMA_VM_PCI1_BDF
unknown=emulated:h100,bus=$NUMA_VM_PCI2_BDF
data=/disk0/data.bin
node=/sys/devices/system/node
huge=hugepages/hugepages-2048kB/nr_hugepages

begin home_is_the_device_node
bench --device "$gpu1" $data
expect all on node 1 -- all_at_home 1
expect by move_pages -- is verified_by move_pages
expect by sysfs -- is home_source sysfs
expect preferred -- is policy preferred
expect threads on node 1 -- is cpus 2-3
expect no note -- is note ''
end

begin home_of_the_other_device_is_the_other_node
bench --device "$gpu0" $data
expect all on node 0 -- all_at_home 0
expect the disk is said -- says 'is on node 1: reads cross to node 0'
end

begin disk_on_the_other_node_is_said
bench --device "$gpu1" /disk1/data.bin
expect all on node 1 -- all_at_home 1
expect said -- says 'is on node 0: reads cross to node 1'
expect storage_node -- is storage_node 0
end

begin numa_node_minus_one_is_unknown_and_said
bench --device "$unknown" $data
expect it ran -- [ "$status" -eq 0 ]
expect unknown -- is home_node -1
expect said -- says 'home node unknown'
bench --device "$unknown" --numa-strict $data
expect strict refuses -- [ "$status" -eq 1 ]
expect strict says -- says 'home node: unknown, and placement is strict'
bench --device "$unknown" --numa-node 1 $data
expect override -- all_at_home 1
end

begin strict_binds
bench --device "$gpu1" --numa-strict $data
expect all on node 1 -- all_at_home 1
expect bind -- is policy bind
end

begin wrong_nodes_and_bus_ids_are_one_line
bench --numa-node 7 $data
expect node -- [ "$status" -eq 1 ] && expect said -- says 'numa_node: got 7'
bench --device emulated:bus=0000:77:00.0 $data
expect device -- says '0000:77:00.0: no such device'
expect status -- [ "$status" -eq 1 ]
end

begin hugetlb_pages_come_from_the_home_node
echo 64 >$node/node1/$huge
bench --device "$gpu1" $data
expect all on node 1 -- all_at_home 1
expect hugetlb -- is page_kind hugetlb
echo 0 >$node/node1/$huge
echo 64 >$node/node0/$huge
bench --device "$gpu1" $data
expect all on node 1 again -- all_at_home 1
expect not the other node -- is page_kind thp
echo 0 >$node/node0/$huge
end

for calls in mbind move_pages get_mempolicy set_mempolicy; do
    begin "denied_$calls"
    prefix="deny $calls 1"
    bench --device "$gpu1" $data
    expect all on node 1 -- all_at_home 1
    end
done

begin denied_as_in_a_container
prefix='deny mbind,move_pages,get_mempolicy,set_mempolicy,io_uring_setup 1'
bench --device "$gpu1" $data
expect all on node 1 -- all_at_home 1
expect first touch -- is policy 'first touch'
expect by numa_maps -- is verified_by numa_maps
expect pread -- is engine pread
expect said -- says 'mbind: Operation not permitted'
prefix='deny mbind,move_pages 38'
bench --device "$gpu1" $data
expect ENOSYS too -- all_at_home 1
prefix=''
end

begin cpuset_without_the_home_node
echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/only0
echo 0 >/sys/fs/cgroup/only0/cpuset.mems
echo 0-1 >/sys/fs/cgroup/only0/cpuset.cpus
prefix='in_group only0'
bench --device "$gpu1" $data
expect it ran -- [ "$status" -eq 0 ]
expect home stays -- is home_node 1
expect none there -- is pages_on_home_node 0
expect elsewhere -- says '"elsewhere":\[{"node":0'
expect said -- says 'its memory is not allowed, memory on node 0'
expect threads said -- says 'its CPUs are not allowed'
bench --device "$gpu1" --numa-strict $data
expect strict refuses -- [ "$status" -eq 1 ]
expect strict says -- says 'no memory that this process may use'
prefix=''
end

begin memlock_64k_as_nobody
prefix='as_nobody_64k'
bench --device "$gpu1" $data
expect all on node 1 -- all_at_home 1
expect uring -- is engine uring
expect not registered -- says 'memlock\|RLIMIT_MEMLOCK\|ulimit -l'
prefix=''
end

begin taskset_stays
prefix='taskset 8'
bench --device "$gpu1" $data
expect all on node 1 -- all_at_home 1
expect one CPU -- is cpus 3
prefix='taskset 3'
bench --device "$gpu1" $data
expect memory on node 1 -- all_at_home 1
expect threads where allowed -- says 'its CPUs are not allowed'
prefix=''
end

# Threads of process $1 whose name matches $2 run on CPUs $3 only.
threads_on()
{
    seen=0
    for task in /proc/"$1"/task/*; do
        # shellcheck disable=SC2254 # a pattern is wanted
        case $(cat "$task/comm") in
        $2) ;;
        *) continue ;;
        esac
        seen=$((seen + 1))
        grep -q "^Cpus_allowed_list:[[:space:]]*$3\$" "$task/status" ||
            return 1
    done
    [ "$seen" -gt 0 ]
}

begin threads_and_workers_are_on_the_node
cp $data /tmp/data.bin
feedgpu bench --record-bytes 65536 --batch-size 16 --threads 2 --epochs 0 \
    --shuffle block --device "$gpu1" --io uring --direct off /tmp/data.bin \
    >/dev/null 2>&1 &
pid=$!
sleep 3
expect fg-read -- threads_on $pid fg-read 2-3
expect fg-work -- threads_on $pid fg-work 2-3
expect fg-copy -- threads_on $pid fg-copy 2-3
expect io-wq -- threads_on $pid 'iou-wrk-*' 2-3
expect main is left alone -- threads_on $pid feedgpu 0-3
grep 'prefer' /proc/$pid/numa_maps >/tmp/out
expect the kernel says node 1 -- grep -q ' N1=' /tmp/out
expect the kernel says nothing else -- sh -c '! grep -q " N0=" /tmp/out'
kill -INT $pid
wait $pid 2>/dev/null
rm /tmp/data.bin
end

begin measure_covers_all_pairs_of_nodes
measure --device "$gpu1" $data
expect it ran -- [ "$status" -le 2 ]
for cpus in 0 1; do
    for memory in 0 1; do
        expect "memory $memory by CPUs $cpus" -- \
            [ "$(lines '"what":"memory"' "\"cpu_node\":$cpus" \
                "\"memory_node\":$memory" '"verified_by":"move_pages"' \
                '"threads":2')" -eq 1 ]
    done
    expect "copies from $cpus" -- \
        [ "$(lines '"what":"copy"' "\"memory_node\":$cpus" \
            '"home_node":1' '"bytes_per_s":[0-9]')" -eq 1 ]
done
expect all pages there -- all_pages_proven
expect the disk -- [ "$(lines '"what":"disk"' '"direct":true')" -eq 2 ]
prefix='deny mbind,move_pages 1'
measure --device "$gpu1"
expect counted by numa_maps -- \
    [ "$(lines '"what":"memory"' '"verified_by":"numa_maps"')" -eq 4 ]
expect all pages there still -- all_pages_proven
prefix='taskset 3'
measure --device "$gpu1"
expect node 1 refused -- \
    [ "$(lines 'CPUs of node 1: none is allowed')" -ge 2 ]
prefix=''
end

# Take node 1's CPUs and as much of its memory as goes away from under a run;
# what is pinned for reads cannot. Blocks that went are counted in $gone.
take_node_away()
{
    gone=0
    for cpu in 2 3; do
        echo 0 >/sys/devices/system/cpu/cpu$cpu/online
    done
    for block in /sys/devices/system/node/node1/memory*/state; do
        # The kernel tries for ever where pages are pinned.
        timeout 2 sh -c "echo offline >$block" 2>/dev/null &&
            gone=$((gone + 1))
    done
}

give_node_back()
{
    for block in /sys/devices/system/node/node1/memory*/state; do
        echo online >"$block" 2>/dev/null
    done
    for cpu in 2 3; do
        echo 1 >/sys/devices/system/cpu/cpu$cpu/online
    done
}

begin node_taken_away_in_mid_run
feedgpu cat --record-bytes 65536 $data | md5sum >/tmp/wanted
for io in uring pread; do
    # shellcheck disable=SC2086 # words on purpose
    feedgpu bench --json --record-bytes 65536 --batch-size 16 --threads 2 \
        --device "$gpu1" --io $io --epochs 0 $data >/tmp/all 2>/tmp/err &
    pid=$!
    sleep 3
    take_node_away
    echo "$io: $gone blocks gone" >>/tmp/gone
    feedgpu cat --record-bytes 65536 --io $io $data | md5sum >/tmp/seen
    expect the same bytes -- cmp -s /tmp/wanted /tmp/seen
    kill $pid
    wait $pid
    tail -n 1 /tmp/all >/tmp/out
    expect it went on -- is interrupted true
    expect nothing was bad -- is bad_samples 0
    give_node_back
done
expect memory did go -- grep -q ': [1-9]' /tmp/gone
end

begin full_home_node_spills_and_says_so
fill 1 24 >/tmp/filled &
pid=$!
waited=0
while ! grep -q filled /tmp/filled && [ $waited -lt 20 ]; do
    sleep 1
    waited=$((waited + 1))
done
bench --device "$gpu1" --slots 64 $data
expect it ran -- [ "$status" -eq 0 ]
expect fewer at home -- \
    [ "$(value pages_on_home_node)" -lt "$(value pages)" ]
expect where -- says '"elsewhere":\[{"node":0'
bench --device "$gpu1" --slots 64 --numa-strict $data
expect strict refuses -- [ "$status" -eq 1 ]
expect strict says -- says 'MiB free, wanted .* MiB and some to spare'
expect nobody killed -- nobody_was_killed
kill $pid
wait $pid 2>/dev/null
end

finish
