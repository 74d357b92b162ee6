#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Four nodes of uneven distances; pci0 is on node 1, pci1 on one without CPUs,
# pci2 on one without memory, which is near (12) to the one without CPUs. The
# kernel numbers nodes with CPUs first.
# shellcheck disable=SC2034,SC2154 # bench of lib.sh uses and sets them
# shellcheck source=tests/vm/cases/lib.sh
. /w/cases/lib.sh
prefix=''
data=/disk0/data.bin
memory=$NUMA_VM_PCI1_NODE
cpus=$NUMA_VM_PCI2_NODE

begin four_nodes_uneven_distances
bench --device "emulated:h100,bus=$NUMA_VM_PCI0_BDF" $data
expect all on node 1 -- all_at_home 1
end

begin memory_node_without_cpus
bench --device "emulated:h100,bus=$NUMA_VM_PCI1_BDF" $data
expect all on it -- all_at_home "$memory"
expect preferred -- is policy preferred
expect said -- says "node $memory: has no CPUs, threads stay where they are"
prefix='deny mbind 1'
bench --device "emulated:h100,bus=$NUMA_VM_PCI1_BDF" $data
expect it ran -- [ "$status" -eq 0 ]
expect no claim -- is policy none
prefix=''
end

begin cpu_node_without_memory
bench --device "emulated:h100,bus=$NUMA_VM_PCI2_BDF" $data
expect it ran -- [ "$status" -eq 0 ]
expect it is home -- is home_node "$cpus"
expect the nearest has it -- says "\"elsewhere\":\\[{\"node\":$memory,"
expect said -- says "node $cpus: has no memory, memory on node $memory"
expect threads are there -- is cpus 3
bench --device "emulated:h100,bus=$NUMA_VM_PCI2_BDF" --numa-strict $data
expect strict refuses -- [ "$status" -eq 1 ]
expect strict says -- says "node $cpus: no memory that this process may use"
end

begin measure_leaves_out_what_is_not_there
measure
expect it ran -- [ "$status" -le 2 ]
expect nine pairs -- \
    [ "$(lines '"what":"memory"' '"bytes_per_s":[0-9]')" -eq 9 ]
expect no CPUs there -- [ "$(lines "\"cpu_node\":$memory,")" -eq 0 ]
expect no memory there -- [ "$(lines "\"memory_node\":$cpus,")" -eq 0 ]
expect all pages there -- all_pages_proven
expect no GPU is said -- [ "$(lines 'measured-copy' '"status":"N/A"')" -eq 1 ]
end

finish
