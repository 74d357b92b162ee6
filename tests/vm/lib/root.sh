# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
# A part of numa-vm: the guest's root file system, and what runs in it.

# --- root file system --------------------------------------------------------

declare -A lib_dirs=()

carry_libs() { # carry_libs FILE : if FILE is ELF, the shared libraries it names
    local file=$1 magic lib missing
    IFS= read -r -n 4 magic <"$file" 2>/dev/null || true
    [ "${magic-}" = $'\x7fELF' ] || return 0
    ldd "$file" >"$work/ldd" 2>/dev/null || return 0 # static, or not for us
    missing=$(awk '/not found/ { print $1 }' "$work/ldd")
    [ -z "$missing" ] ||
        die "$E_SETUP" "$file needs a shared library that is not here:" \
            "${missing//$'\n'/ }"
    while read -r lib; do
        lib_dirs[${lib%/*}]=1
        [ -e "$root$lib" ] && continue
        mkdir -p "$root${lib%/*}"
        cp -L "$lib" "$root$lib"
    done < <(awk '$2 == "=>" && $3 ~ /^\// { print $3 }
        $1 ~ /^\// { print $1 }' "$work/ldd")
}

carry() { # carry SRC DST : a file or directory, with libraries
    local src=$1 dst=$2 file
    [ -e "$src" ] || die "$E_SETUP" "--copy $src: no such file"
    [[ $dst != */ ]] || dst+=$(basename "$src")
    mkdir -p "$root$(dirname "$dst")"
    if [ -d "$src" ]; then
        mkdir -p "$root$dst"
        cp -R --preserve=mode,timestamps,links "$src/." "$root$dst"
    else
        cp -L --preserve=mode,timestamps "$src" "$root$dst"
    fi
    while IFS= read -r -d '' file; do
        carry_libs "$file"
    done < <(find -H "$src" -type f -size +3c \
        \( -perm /111 -o -name '*.so*' \) -print0)
}

mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,dev,proc,sys,tmp,run,root,etc,w}
carry "$(command -v busybox)" /bin/busybox
for applet in $("$root/bin/busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$root/bin/$applet"
done
printf '%s\n' root:x:0:0:root:/root:/bin/sh \
    nobody:x:65534:65534:nobody:/tmp:/bin/sh >"$root/etc/passwd"
printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"

for spec in ${copies+"${copies[@]}"}; do
    case $spec in
    *:*) carry "${spec%:*}" "${spec##*:}" ;;
    *) carry "$spec" "/w/$(basename "$spec")" ;;
    esac
done

# Kernel modules, in load order.  NVMe and ext4 are wanted whenever there is a
# disk; for a kernel that has them built in modprobe names no file.
[ ${#disk_node[@]} -eq 0 ] || modules=(nvme ext4 ${modules+"${modules[@]}"})
# They are looked for beside the kernel: X/lib/modules for X/boot/vmlinuz-*.
release=$(basename "$kernel")
release=${release#vmlinuz-}
system=$(dirname "$(dirname "$(realpath "$kernel")")")
mkdir "$root/modules"
: >"$root/modules/order"
for module in ${modules+"${modules[@]}"}; do
    deps=$(modprobe -d "$system" -S "$release" --show-depends "$module" 2>&1) ||
        die "$E_SETUP" "kernel module $module of $release: $deps"
    while read -r verb file _; do
        [ "$verb" = insmod ] || continue
        name=$(basename "$file")
        name=${name%.xz}
        grep -qxF "$name" "$root/modules/order" && continue
        case $file in
        *.xz) need xz xz-utils; xz -dc "$file" >"$root/modules/$name" ;;
        *) cp "$file" "$root/modules/$name" ;;
        esac
        printf '%s\n' "$name" >>"$root/modules/order"
    done <<<"$deps"
done
