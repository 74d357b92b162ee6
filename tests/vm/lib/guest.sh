# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2154,SC2034
# A part of numa-vm: the guest command, packed.

# --- what runs in the guest --------------------------------------------------

libs=$(IFS=:; printf '%s' "${!lib_dirs[*]}")
{
    printf '#!/bin/sh\n'
    for spec in ${envs+"${envs[@]}"}; do
        printf 'export %s\n' "$(quote "$spec")"
    done
    # The guest has no ld.so.cache, which may be how the host found a library.
    [ -z "$libs" ] || printf 'export LD_LIBRARY_PATH=%s\n' "$(quote "$libs")"
    printf 'cd /w\nexec %s\n' "$(quote "$@")"
} >"$root/command"


cp "$here/guest/init" "$root/init"
cp "$here/guest/vmctl" "$root/bin/vmctl"
chmod +x "$root/init" "$root/command" "$root/bin/vmctl"

# Not compressed: unpacking would cost the emulated CPU more than reading.
(cd "$root" && find . -print0 | cpio -0 -o -H newc -R 0:0 --quiet) \
    >"$work/initrd"
initrd_mib=$(($(stat -c %s "$work/initrd") >> 20))
first_mib=$(($(numfmt --from=iec "$(item "$mem" 0)") >> 20))
((2 * initrd_mib + 128 < first_mib)) ||
    die "$E_SETUP" "$initrd_mib MiB to carry do not fit a node 0 of" \
        "$first_mib MiB: raise --mem, or put data on a disk" \
        "(--nvme NODE:SIZE:DIRECTORY)"
