# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
# A part of numa-vm: disks and stand-in devices on their nodes.

# Devices.  Each gets a root port of its own (so it can be unplugged), at a slot
# that we choose, so that the guest finds it by its place in sysfs.
declare -A next_slot=() have_bridge=()
chassis=0
port=''      # the bus that place() made
port_path='' # and its directory below /sys/devices in the guest

place() { # place NODE : make a root port on NODE
    local node=$1 bus=pcie.0 nr=0 slot
    if [ "$node" != none ]; then
        [[ $node =~ ^[0-7]$ && $node -lt $nodes ]] ||
            die "$E_USAGE" "no node $node for a device:" \
                "want 0 to $((nodes - 1)), or \"none\""
        bus=pxb$node nr=$((24 * (node + 1)))
        if [ -z "${have_bridge[$node]-}" ]; then
            addr=$(printf 0x%x $((8 + node)))
            qemu+=(-device "pxb-pcie,id=$bus,bus_nr=$nr,numa_node=$node")
            qemu[-1]+=",bus=pcie.0,addr=$addr"
            have_bridge[$node]=1
        fi
    fi
    slot=${next_slot[$node]-1}
    [ "$node" != none ] || slot=${next_slot[$node]-16}
    next_slot[$node]=$((slot + 1))
    ((++chassis))
    port=rp$chassis
    addr=$(printf 0x%x "$slot")
    qemu+=(-device "pcie-root-port,id=$port,bus=$bus,addr=$addr")
    qemu[-1]+=",chassis=$chassis"
    port_path=$(printf 'pci0000:%02x/0000:%02x:%02x.0' "$nr" "$nr" "$slot")
}

eio_sectors() { # eio_sectors IMAGE SPEC : the 512-byte sectors that SPEC means
    local image=$1 spec=$2 file first last
    if [[ $spec =~ ^([0-9]+)\+([1-9][0-9]*)$ ]]; then
        seq "${BASH_REMATCH[1]}" $((BASH_REMATCH[1] + BASH_REMATCH[2] - 1))
    elif [[ $spec =~ ^(.+)@([0-9]+)\+([1-9][0-9]*)$ ]]; then
        # Ask debugfs where on the disk each 4 KiB block of the file lies.
        file=${BASH_REMATCH[1]}
        first=$((BASH_REMATCH[2] / 512))
        last=$(((BASH_REMATCH[2] + BASH_REMATCH[3] - 1) / 512))
        seq -f "bmap \"$file\" %.0f" $((first / 8)) $((last / 8)) |
            debugfs -f - "$image" 2>/dev/null | grep -x '[0-9]*' |
            awk -v first="$first" -v last="$last" '
                { block[NR - 1 + int(first / 8)] = $1 }
                END { for (s = first; s <= last; s++) {
                    if (!block[int(s / 8)]) exit 1
                    print block[int(s / 8)] * 8 + s % 8
                } }'
    else
        return 1
    fi
}

eio_rules() { # eio_rules IMAGE SPECS : blkdebug rules, one for each sector
    local image=$1 spec once sectors sector
    while read -r spec; do
        once=off
        [[ $spec != *:once ]] || { once=on; spec=${spec%:once}; }
        sectors=$(eio_sectors "$image" "$spec") ||
            die "$E_USAGE" "--eio $spec: want FIRST+COUNT, or" \
                "PATH@OFFSET+LENGTH within a file of the image"
        while read -r sector; do
            printf '%s\n' '[inject-error]' 'event = "read_aio"' \
                'iotype = "read"' 'errno = "5"' "once = \"$once\"" \
                "sector = \"$sector\"" ""
        done <<<"$sectors"
    done <<<"$2"
}

# The guest learns about its devices from this table: KIND INDEX PATH.
: >"$root/etc/devices"

for i in ${disk_node[@]+"${!disk_node[@]}"}; do
    image=${disk_file[i]}
    if [ -z "$image" ] || [ -d "$image" ] || [ ! -e "$image" ]; then
        fill=()
        [ ! -d "$image" ] || fill=(-d "$image")
        [ -n "$image" ] && [ ! -d "$image" ] || image=$work/disk$i.img
        truncate -s "${disk_size[i]}" "$image" 2>/dev/null ||
            die "$E_USAGE" \
                "--nvme: cannot make $image with size ${disk_size[i]}"
        mke2fs -q -F -t ext4 -b 4096 -m 0 ${fill+"${fill[@]}"} "$image" >&2 ||
            die "$E_SETUP" "mke2fs failed on disk $i (${disk_size[i]})"
    fi
    : >"$work/eio$i"
    [ -z "${disk_eio[i]}" ] ||
        eio_rules "$image" "${disk_eio[i]}" >"$work/eio$i"
    # blkdebug also without rules, so that vmctl can hold requests up.
    source=file.driver=blkdebug,file.config=$work/eio$i
    source+=,file.image.driver=file,file.image.filename=${image//,/,,}
    place "${disk_node[i]}"
    qemu+=(-drive "if=none,id=disk$i,format=raw,$source${disk_drive[i]}")
    if [ -n "${disk_multi[i]}" ]; then
        qemu+=(-device "nvme-subsys,id=sub$i"
            -device "nvme,id=disk$i,subsys=sub$i,serial=disk$i,bus=$port"
            -device "nvme-ns,drive=disk$i,bus=disk$i${disk_device[i]}")
    else
        qemu+=(-device "nvme,id=disk$i,drive=disk$i,serial=disk$i,bus=$port")
        qemu[-1]+=${disk_device[i]}
    fi
    printf 'disk %s %s\n' "$i" "$port_path" >>"$root/etc/devices"
done
for i in ${pci_node[@]+"${!pci_node[@]}"}; do
    place "${pci_node[i]}"
    qemu+=(-device "${pci_model[i]},id=pci$i,bus=$port")
    qemu[-1]+=${pci_bar[i]:+,membar=${pci_bar[i]}}
    printf 'pci %s %s\n' "$i" "$port_path" >>"$root/etc/devices"
done
