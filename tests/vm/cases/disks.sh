#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Six disks with the same file: 0 with sectors of 512 bytes, 1 of 4096, 2 with
# a range that cannot be read, 3 slow, 4 and 5 to be pulled out. Every read
# error names file and offset; what is read is the same bytes everywhere.
# shellcheck disable=SC2034,SC2154 # bench of lib.sh uses and sets them
# shellcheck source=tests/vm/cases/lib.sh
. /w/cases/lib.sh
prefix=''

# The ids and checksums of an epoch of disk $1, with options.
ids()
{
    disk=$1
    shift
    $prefix feedgpu cat --ids --record-bytes 65536 --batch-size 16 \
        --shuffle block "$@" "/disk$disk/data.bin" 2>/tmp/err
}

begin sectors_of_512_and_4096_bytes_give_the_same
ids 0 --direct on >/tmp/ids0
ids 1 --direct on >/tmp/ids1
expect not empty -- [ "$(wc -l </tmp/ids0)" -eq 512 ]
expect the same -- cmp -s /tmp/ids0 /tmp/ids1
bench --direct on /disk1/data.bin
expect direct -- is direct on
# Records that begin at no multiple of 4096 bytes.
for way in on off; do
    feedgpu cat --ids --record-bytes 2048 --direct $way /disk1/data.bin \
        >/tmp/odd$way 2>/tmp/err
done
mv /tmp/oddon /tmp/odd0
mv /tmp/oddoff /tmp/odd1
expect some -- [ "$(wc -l </tmp/odd0)" -eq 16384 ]
expect odd records too -- cmp -s /tmp/odd0 /tmp/odd1
end

begin io_uring_forbidden_reads_the_same
for error in 1 38; do
    prefix="deny io_uring_setup $error"
    ids 0 --direct on >/tmp/out
    expect the same -- cmp -s /tmp/ids0 /tmp/out
    bench --direct on /disk0/data.bin
    expect pread -- is engine pread
done
prefix=''
end

begin unreadable_range_fails_and_names_the_place
for direct in on off; do
    bench --direct $direct /disk2/data.bin
    expect status -- [ "$status" -eq 1 ]
    expect the place -- grep -q 'data.bin: offset [0-9]*: read: ' /tmp/err
    expect one line -- [ "$(wc -l </tmp/err)" -eq 1 ]
done
end

begin unreadable_range_skipped_or_substituted
# The range is one record's, but the kernel merges neighbouring reads, and all
# of a merged command fails: more records than one may be lost.
bench --direct on --read-bytes 65536 --on-bad-sample skip /disk2/data.bin
expect it ran -- [ "$status" -eq 0 ]
bad=$(value bad_samples)
expect some are bad -- [ "$bad" -ge 1 ]
expect few are bad -- [ "$bad" -le 16 ]
expect the rest -- is samples $((512 - bad))
bench --direct on --read-bytes 65536 --on-bad-sample substitute \
    /disk2/data.bin
expect substituted -- [ "$status" -eq 0 ]
expect counted too -- [ "$(value bad_samples)" -ge 1 ]
expect all samples -- is samples 512
end

begin slow_disk_is_waited_for
bench --direct on --compute-ms 1 /disk3/data.bin
expect it ran -- [ "$status" -eq 0 ]
value storage_device >/tmp/share
expect storage is the reason -- \
    awk '{ exit !($1 > 0.5) }' /tmp/share
end

# Pull disk $1 out by $2 in the middle of endless epochs.
pull()
{
    rm -f /tmp/rc
    (
        rc=0
        feedgpu bench --record-bytes 65536 --batch-size 16 --epochs 0 \
            --direct on --json "/disk$1/data.bin" >/tmp/all 2>/tmp/err || rc=$?
        echo $rc >/tmp/rc
    ) &
    sleep 2
    expect it was running -- [ ! -e /tmp/rc ]
    sh -c "$2" >/tmp/out 2>&1
    waited=0
    while [ ! -e /tmp/rc ] && [ $waited -lt 60 ]; do
        sleep 1
        waited=$((waited + 1))
    done
    expect it ends -- [ -e /tmp/rc ]
    expect status 1 -- grep -qx 1 /tmp/rc
    expect the place -- grep -q 'data.bin: offset [0-9]*: read: ' /tmp/err
    expect one line -- [ "$(wc -l </tmp/err)" -eq 1 ]
}

begin disk_unplugged_in_mid_epoch
pull 4 'vmctl device_del disk4'
end

begin disk_removed_in_mid_epoch
pull 5 "echo 1 >/sys/bus/pci/devices/$NUMA_VM_DISK5_BDF/remove"
end

finish
