#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck disable=SC2154 # lib.sh sets them
# Two nodes of two CPUs, disk0 on node 1, disk1 on node 0. `feedgpu run` finds
# the node and puts its memory and the program there; where they are is asked
# of the guest's own /proc.
# shellcheck source=tests/vm/cases/lib.sh
. /w/cases/lib.sh
export FEEDGPU_PRELOAD_LIB=/w/libfeedgpu-preload.so
prefix=''

# run OPTION... -- COMMAND: stdout in /tmp/all, the JSON report in /tmp/out.
run()
{
    status=0
    # shellcheck disable=SC2086 # words on purpose
    $prefix feedgpu run --report json --report-file /tmp/out "$@" \
        >/tmp/all 2>/tmp/err || status=$?
}

# The program said that it may run on CPUs $1.
cpus_are()
{
    grep -qx "Cpus_allowed_list:[[:space:]]*$1" /tmp/all
}

# The program is where it was put, and its memory is preferably on node $1.
memory_prefers()
{
    grep -q " prefer:$1 " /tmp/all
}

look='cat /proc/self/status /proc/self/numa_maps'

begin bind_puts_the_program_on_the_node
run --bind --numa-node 1 -- sh -c "$look"
expect it ran -- [ "$status" -eq 0 ]
expect CPUs -- cpus_are 2-3
expect memory -- memory_prefers 1
expect bound -- is bound true
expect not undone -- is undone false
run --bind --numa-node 0 -- sh -c "$look"
expect the CPUs of node 0 -- cpus_are 0-1
expect its memory -- memory_prefers 0
end

begin without_bind_the_program_stays_where_it_was
run --numa-node 1 -- sh -c "$look"
expect all CPUs -- cpus_are 0-3
expect no policy -- grep -q ' default ' /tmp/all
end

begin without_a_gpu_it_is_the_node_of_the_disk
run --bind --data-root /disk0 -- sh -c "$look"
expect node 1 -- cpus_are 2-3
run --bind --data '/disk1/*.bin' -- sh -c "$look"
expect node 0 -- cpus_are 0-1
cd /disk0 || exit
run --bind -- sh -c "$look"
cd / || exit
expect the current folder -- cpus_are 2-3
end

begin memory_of_the_feeder_lies_on_the_node
echo 3 >/proc/sys/vm/drop_caches
run --numa-node 1 -- slow /disk0/data.bin 5
expect it ran -- [ "$status" -eq 0 ]
expect node 1 -- is home_node 1
expect pages -- [ "$(value pages)" -gt 0 ]
expect all there -- [ "$(value pages)" = "$(value pages_on_home_node)" ]
end

begin program_that_moves_away_is_said
run --bind --numa-node 1 -- taskset f true
expect it ran -- [ "$status" -eq 0 ]
expect undone -- is undone true
run --bind --numa-node 1 -- taskset 8 true
expect one CPU of the node is fine -- is undone false
end

begin forbidden_memory_policy_keeps_the_cpus
prefix='deny set_mempolicy 1'
run --bind --numa-node 1 -- sh -c "$look"
prefix=''
expect it ran -- [ "$status" -eq 0 ]
expect CPUs -- cpus_are 2-3
expect said -- says 'set_mempolicy: Operation not permitted'
end

begin node_without_allowed_cpus_binds_nothing
prefix='taskset 3'
run --bind --numa-node 1 -- sh -c "$look"
prefix=''
expect it ran -- [ "$status" -eq 0 ]
expect the CPUs it had -- cpus_are 0-1
expect said -- says "not bound: none of the node's CPUs may be used here"
end

begin fed_bytes_are_the_same
echo 3 >/proc/sys/vm/drop_caches
run --data-root /disk0 -- slow /disk0/data.bin 5
expect it was fed -- [ "$(value kept_bytes)" -gt 0 ]
expect the same -- cmp -s /disk0/data.bin /tmp/all
end

finish
