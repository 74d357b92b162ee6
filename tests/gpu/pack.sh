#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# On a machine with the CUDA toolkit: prepare a folder to carry to a machine
# with a GPU, where its accept.sh needs nothing but the driver and a C library
# that is not older than this machine's.
#
#     tests/gpu/pack.sh DIR
#
#     DIR/accept.sh       run this over there
#     DIR/bin/            the programs, static as far as the libraries allow
#     DIR/lib/            the libraries that have no static version here
#     DIR/VERSION         what it was made from
set -eu

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$(cd "$here/../.." && pwd)
programs=(test_device gpu_verify gpu_bandwidth gpu_overlap gpu_idle)

if [ $# -ne 1 ] || [ "${1#-}" != "$1" ]; then
    printf 'usage: tests/gpu/pack.sh DIR\n' >&2
    exit 2
fi
mkdir -p "$1/bin" "$1/lib"
folder=$(cd "$1" && pwd)
build=$(mktemp -d "${TMPDIR:-/tmp}/feedgpu-pack.XXXXXX")
trap 'rm -rf "$build"' EXIT

cmake -S "$source" -B "$build" -DCMAKE_BUILD_TYPE=Release -DFEEDGPU_CUDA=ON \
    -DFEEDGPU_XXH_DISPATCH=OFF \
    -DFEEDGPU_EXAMPLES=OFF -DCMAKE_PROJECT_INCLUDE="$here/static.cmake" \
    >"$build/configure.log" || {
    tail -n 20 "$build/configure.log" >&2
    exit 1
}
cmake --build "$build" -j "$(nproc)" --target "${programs[@]}" feedgpu_tool \
    feedgpu_preload feedgpu_cupti

for program in "${programs[@]}"; do
    find "$build/tests" -name "$program" -type f -exec cp {} "$folder/bin/" \;
done
cp "$build/bin/feedgpu" "$folder/bin/"
cp "$build"/lib/libfeedgpu-*.so "$folder/lib/"
cp "$here/accept.sh" "$folder/"

# What is still shared and not part of the C library comes along.
ldd "$folder"/bin/* | awk '$2 == "=>" && $3 ~ /^\// { print $3 }' | sort -u |
    while read -r library; do
        case ${library##*/} in
        libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.*) ;;
        *) cp -L "$library" "$folder/lib/" ;;
        esac
    done
{
    git -C "$source" describe --always --dirty 2>/dev/null || echo unknown
} >"$folder/VERSION"
printf '%s: ready; on the GPU machine run accept.sh in it\n' "$folder"
