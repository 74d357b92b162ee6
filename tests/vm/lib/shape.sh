# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
# A part of numa-vm: nodes, memory, CPUs, distances.

# --- the machine -------------------------------------------------------------

# With the TSC for a clock a look at it costs 0.1 us, not 1.8.  The switch to it
# patches the kernel's busiest code, though: not with parallel threads.
clock=' tsc=reliable' threads=single
[ "$parallel" = 0 ] || clock='' threads=multi
qemu=(
    -accel "tcg,thread=$threads" -machine q35 -cpu 'max,cx16=off'
    -nodefaults -no-user-config -display none -vga none -no-reboot
    -kernel "$kernel" -initrd "$work/initrd" -pidfile "$work/pid"
    -chardev "file,id=log,path=$work/console.log"
    -chardev 'stdio,id=out,signal=off'
    -chardev "file,id=status,path=$work/status"
    -chardev "pipe,id=ctl,path=$work/ctl"
    -chardev "pipe,id=mon,path=$work/mon" -mon 'chardev=mon,mode=control'
    -device 'isa-serial,chardev=log,index=0'
    -device 'isa-serial,chardev=out,index=1'
    -device 'isa-serial,chardev=status,index=2'
    -device 'isa-serial,chardev=ctl,index=3'
    # Here the caller's can replace what stands above (-cpu) and be used below.
    ${qemu_extra+"${qemu_extra[@]}"}
)

item() { # item LIST INDEX : that item of a comma list, the last one repeated
    local -a list
    IFS=, read -r -a list <<<"$1"
    printf '%s' "${list[$2]-${list[-1]}}"
}

# Nodes: memory, CPUs, distances.  Every CPU is a socket, which fits any shape.
total_mem=0 total_cpus=0
for ((n = 0; n < nodes; n++)); do
    bytes=$(numfmt --from=iec "$(item "$mem" "$n")" 2>/dev/null) ||
        die "$E_USAGE" "--mem $mem: want sizes like 768M or 1G"
    count=$(item "$cpus" "$n")
    [[ $count =~ ^[0-9]+$ ]] || die "$E_USAGE" "--cpus $cpus: want numbers"
    node=node,nodeid=$n
    if ((bytes > 0)); then
        qemu+=(-object "memory-backend-ram,id=mem$n,size=$bytes")
        node+=,memdev=mem$n
    fi
    ((count == 0)) || node+=,cpus=$total_cpus-$((total_cpus + count - 1))
    qemu+=(-numa "$node")
    ((total_mem += bytes, total_cpus += count)) || true
done
qemu+=(-m "$((total_mem >> 20))M"
    -smp "$total_cpus,sockets=$total_cpus,cores=1")

declare -A distance=()
for spec in ${dists+"${dists[@]}"}; do
    [[ $spec =~ ^([0-9]):([0-9]):([0-9]+)$ ]] ||
        die "$E_USAGE" "--dist $spec: want A:B:VALUE"
    distance[${BASH_REMATCH[1]}:${BASH_REMATCH[2]}]=${BASH_REMATCH[3]}
    distance[${BASH_REMATCH[2]}:${BASH_REMATCH[1]}]=${BASH_REMATCH[3]}
done
for ((a = 0; a < nodes; a++)); do
    for ((b = 0; b < nodes; b++)); do
        ((a == b)) ||
            qemu+=(-numa "dist,src=$a,dst=$b,val=${distance[$a:$b]-21}")
    done
done
