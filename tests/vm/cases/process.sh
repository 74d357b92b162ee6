#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # lib.sh sets them
# Two nodes of two CPUs. Running programs are shown and put on a node; what
# happened is asked of the guest's own /proc, not of feedgpu.
# shellcheck source=tests/vm/cases/lib.sh
. /w/cases/lib.sh
nodes=/sys/devices/system/node

# topo OPTION...: output in /tmp/out, status in $status.
topo()
{
    status=0
    feedgpu topo "$@" >/tmp/out 2>/tmp/err || status=$?
}

# hold ARGUMENT...: start it, with an optional $prefix; its number is $pid.
prefix=''
start()
{
    : >/tmp/held
    # shellcheck disable=SC2086 # words on purpose
    $prefix hold "$@" >/tmp/held &
    pid=$!
    waited=0
    while ! grep -q holding /tmp/held && [ $waited -lt 40 ]; do
        usleep 500000
        waited=$((waited + 1))
    done
    expect it started -- grep -q holding /tmp/held
}

stop()
{
    kill -9 "$pid"
    wait "$pid" 2>/dev/null
}

# All threads of the process run on CPUs $1; io_uring's workers are passed over.
threads_on()
{
    seen=0
    for task in /proc/"$pid"/task/*; do
        list=$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' \
            "$task/status" 2>/dev/null) || continue
        [ -n "$list" ] || continue # it has ended
        case $(cat "$task/comm" 2>/dev/null) in
        iou-*) continue ;;
        esac
        [ "$list" = "$1" ] || return 1
        seen=$((seen + 1))
    done
    [ $seen -gt 0 ]
}

# MiB of the process on node $1, by numa_maps.
mib_on()
{
    awk -v node="N$1" '{
        kib = 4
        for (i = 1; i <= NF; i++)
            if (split($i, w, "=") == 2 && w[1] == "kernelpagesize_kB")
                kib = w[2]
        for (i = 1; i <= NF; i++)
            if (split($i, w, "=") == 2 && w[1] == node)
                sum += w[2] * kib
    } END { printf "%d\n", sum / 1024 }' "/proc/$pid/numa_maps"
}

one_line()
{
    [ "$status" -eq "$1" ] && [ "$(wc -l </tmp/err)" -eq 1 ]
}

begin a_running_program_is_shown
start 0 64 4
topo --pid $pid --json
expect it ran -- [ "$status" -eq 0 ]
expect four threads -- says '"thread_count":4,"cpus":"0-3","nodes":"0-1"'
expect memory -- says '"memory":\[{"node":0,"bytes":[0-9]\{8,\}},{"node":1,'
expect verdict -- says 'most of its memory is on node 0'
expect command -- says "feedgpu topo --apply --pid $pid --node 0\""
topo --pid $pid --node 1
expect the other node -- \
    says "^change *feedgpu topo --apply --pid $pid --node 1 --migrate\$"
stop
end

begin gpu_open_without_the_driver_is_unknown
touch /dev/nvidia0
start 0 1 1 3</dev/nvidia0
topo --pid $pid
expect unknown -- says 'GPUs open unknown: /proc/driver/nvidia/gpus: open: No'
stop
rm /dev/nvidia0
end

begin apply_moves_the_threads
start 0 64 8
expect anywhere before -- threads_on 0-3
topo --apply --yes --pid $pid --node 1
expect it ran -- [ "$status" -eq 0 ]
expect the kernel says node 1 -- threads_on 2-3
expect memory stays -- [ "$(mib_on 0)" -ge 64 ]
expect it says so -- says '^set *8 threads to node 1$'
expect before and after -- [ "$(grep -c '  0-3$\|  2-3$' /tmp/out)" -eq 2 ]
topo --apply --yes --pid $pid --node 0
expect and back -- threads_on 0-1
stop
end

begin migrate_moves_the_memory
start 0 64 2
topo --apply --yes --migrate --pid $pid --node 1 --json
expect it ran -- [ "$status" -eq 0 ]
expect the kernel says node 1 -- [ "$(mib_on 1)" -ge 64 ]
expect and no more node 0 -- [ "$(mib_on 0)" -le 4 ]
expect threads too -- threads_on 2-3
expect three objects -- \
    [ "$(grep -c '"kind":"\(process\|moved\)"' /tmp/out)" -eq 3 ]
topo --pid $pid
expect most is there -- says 'its threads run on node 1$'
expect nothing to change -- says 'ok: nothing to change'
stop
end

# N huge pages for each node.
reserve()
{
    for folder in "$nodes"/node[01]/hugepages/hugepages-2048kB; do
        echo "$1" >"$folder/nr_hugepages"
    done
}

begin migrate_moves_huge_pages
reserve 32
start 0 64 1 huge
topo --pid $pid --json
expect counted in their own size -- says '"node":0,"bytes":6[0-9]\{7\}}'
topo --apply --yes --migrate --pid $pid --node 1
expect it ran -- [ "$status" -eq 0 ]
expect the kernel says node 1 -- [ "$(mib_on 1)" -ge 64 ]
stop
reserve 0
end

begin full_node_leaves_pages_and_says_so
fill 1 24 >/tmp/filled &
filler=$!
waited=0
while ! grep -q filled /tmp/filled && [ $waited -lt 40 ]; do
    usleep 500000
    waited=$((waited + 1))
done
start 0 128 1
topo --pid $pid --node 1
expect only so much -- says 'node 1 has only'
topo --apply --yes --migrate --pid $pid --node 1 --json
expect not all -- [ "$(mib_on 0)" -ge 32 ]
expect it failed -- one_line 1
expect said -- says 'node is full; some of it was moved'
expect and shown -- says '"when":"after".*"cpus":"2-3"'
expect nobody killed -- nobody_was_killed
stop
kill $filler
wait $filler 2>/dev/null
end

begin threads_that_start_meanwhile
start 0 1 9 churn
for node in 1 0 1; do
    topo --apply --yes --pid $pid --node $node
    expect it ran -- [ "$status" -eq 0 ]
    for _ in 1 2 3; do
        expect all of them -- threads_on $((2 * node))-$((2 * node + 1))
    done
done
stop
end

begin pinned_to_a_core_gets_the_whole_node
prefix='taskset 2'
start 0 1 3
prefix=''
expect one core before -- threads_on 1
topo --apply --yes --pid $pid --node 0
expect both cores -- threads_on 0-1
stop
end

begin io_uring_workers_are_no_obstacle
head -c 33554432 /dev/urandom >/tmp/data.bin
feedgpu bench --record-bytes 65536 --batch-size 16 --threads 2 --epochs 0 \
    --shuffle block --io uring --direct off --numa-node none /tmp/data.bin \
    >/dev/null 2>&1 &
pid=$!
sleep 3
topo --apply --yes --pid $pid --node 1
expect it ran -- [ "$status" -eq 0 ]
expect its own threads -- threads_on 2-3
workers=$(grep -l '^Name:[[:space:]]*iou-wrk' /proc/$pid/task/*/status | wc -l)
expect some workers -- [ "$workers" -gt 0 ]
stop
rm /tmp/data.bin
end

begin cpuset_that_forbids_the_node
echo +cpuset >/sys/fs/cgroup/cgroup.subtree_control
mkdir -p /sys/fs/cgroup/only0 /sys/fs/cgroup/most
echo 0 >/sys/fs/cgroup/only0/cpuset.mems
echo 0-1 >/sys/fs/cgroup/only0/cpuset.cpus
echo 0-2 >/sys/fs/cgroup/most/cpuset.cpus
echo 0 >/sys/fs/cgroup/most/cpuset.mems
prefix='in_group only0'
start 0 16 2
topo --apply --yes --pid $pid --node 1
expect refused -- one_line 1
expect says why -- \
    says "node 1: its cpuset allows CPUs 0-1, none of the node's 2-3"
expect untouched -- threads_on 0-1
topo --pid $pid --node 1
expect the verdict too -- says 'cannot be changed'
stop
prefix='in_group most'
start 0 16 2
topo --apply --yes --migrate --pid $pid --node 1
expect memory refused -- one_line 1
expect says memory -- says 'its cpuset allows memory on nodes 0 only'
expect threads untouched -- threads_on 0-2
topo --apply --yes --pid $pid --node 1
expect threads alone -- [ "$status" -eq 0 ]
expect what is allowed -- threads_on 2
prefix=''
stop
end

begin another_users_process_is_one_line
start 0 16 2
prefix='as_nobody_64k'
status=0
as_nobody_64k feedgpu topo --apply --yes --pid $pid --node 1 \
    >/tmp/out 2>/tmp/err || status=$?
expect refused -- one_line 1
expect says why -- says 'Operation not permitted (likely cause: another user'
expect untouched -- threads_on 0-3
as_nobody_64k feedgpu topo --pid $pid >/tmp/out 2>/tmp/err
expect shown as far as may be -- says '2  0-1 *hold'
expect memory unknown -- says 'memory *unknown: .*Permission denied'
expect GPUs unknown -- says 'GPUs open unknown: .*Permission denied'
prefix=''
stop
end

begin denied_migrate_pages
start 0 16 2
for error in 1 38; do
    status=0
    deny migrate_pages $error feedgpu topo --apply --yes --migrate --pid $pid \
        --node 1 >/tmp/out 2>/tmp/err || status=$?
    expect one line -- one_line 1
    expect how far it came -- \
        says 'migrate memory to node 1, 2 threads are there'
done
stop
end

begin what_is_no_program_is_one_line
start 0 1 2
topo --apply --yes --pid $pid --node 7
expect no node -- one_line 1 && expect said -- says 'node 7: no such node'
thread=$(ls /proc/$pid/task | tail -n 1)
topo --pid "$thread"
expect a thread -- one_line 1
expect its process -- says "is a thread, wanted its process: $pid"
stop
topo --pid $pid
expect gone -- one_line 1 && expect said -- says 'no such process'
topo --apply --yes --pid 2 --node 1
expect kthreadd -- one_line 1 && expect said -- says "kernel's own thread"
sh -c 'sleep 0 & echo $! >/tmp/zombie; exec sleep 60' &
pid=$!
sleep 2
topo --apply --yes --pid "$(cat /tmp/zombie)" --node 1
expect a zombie -- one_line 1 && expect said -- says 'zombie'
stop
end

finish
