#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From a fresh machine to a starvation report: install what the build needs,
# build feedgpu, make a dataset out of the text files that every machine has,
# and measure how well a training run on it would be fed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

usage()
{
    cat <<'END'
usage: tools/quickstart.sh [--build-dir DIR] [-- BENCH_OPTION...]

Installs the packages that feedgpu needs (Debian 12, Ubuntu 24.04; as root or
with sudo), builds a release, packs text files of this machine into a
byte-token language-model dataset, and runs `feedgpu bench` on it, on the GPU
if there is one, else on the emulated accelerator. A second run starts at once.

Options after -- go to `feedgpu bench`, after the ones used here.
END
}

build=$root/build/quickstart
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case $1 in
    --build-dir)
        [ $# -ge 2 ] || { usage >&2 && exit 2; }
        build=$(realpath -m -- "$2")
        shift
        ;;
    --help | -h) usage && exit 0 ;;
    *) usage >&2 && exit 2 ;;
    esac
    shift
done
[ $# -eq 0 ] || shift

feedgpu=$build/bin/feedgpu
data=$build/data
shards=$data/shards
text_bytes_max=$((256 * 1024 * 1024))
text_names='adoc|awk|bash|c|cc|cmake|cpp|css|csv|h|hh|hpp|html?|ini|js|json'
text_names+='|lua|m4|md|pl|pm|po|pod|py|rb|rst|rules|sh|sql|tcl|texi|toml|ts'
text_names+='|txt|vim|xml|xsd|xsl|ya?ml'

# A window is one training sample of 2048 tokens and the token that follows
# the last; the next window starts with that token.
window_bytes=2049
stride_bytes=2048

# build_release: logs to a file and shows it only when something goes wrong.
build_release()
{
    local log=$build/quickstart.log

    mkdir -p "$build"
    if ! cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release \
        -DFEEDGPU_TESTS=OFF -DFEEDGPU_EXAMPLES=OFF >"$log" 2>&1 ||
        ! cmake --build "$build" --target feedgpu_tool >>"$log" 2>&1; then
        tail -n 40 "$log"
        echo "quickstart.sh: the build failed (all of it: $log)" >&2
        exit 1
    fi
}

# list_texts: the paths of this machine's text files, in one fixed order, as
# many as fit. Told by their names: looking into each would take minutes.
list_texts()
{
    find /usr/include /usr/lib /usr/share /usr/src -xdev -type f -readable \
        -size +0 ! -name $'*\n*' -regextype posix-extended \
        -regex ".*\\.($text_names)" \
        -printf '%s\t%p\n' 2>/dev/null |
        LC_ALL=C sort -t $'\t' -k 2 |
        awk -F '\t' -v max="$text_bytes_max" '
            sum + $1 <= max { sum += $1; print $2 }'
}

pack_dataset()
{
    if [ -e "$data/done" ]; then
        return 0
    fi
    rm -rf "$data"
    mkdir -p "$data"
    list_texts >"$data/texts"
    if ! [ -s "$data/texts" ]; then
        echo "quickstart.sh: no text files under /usr to pack" >&2
        exit 1
    fi
    "$feedgpu" pack -o "$shards" --join --record-bytes "$window_bytes" \
        --stride-bytes "$stride_bytes" "@$data/texts"
    touch "$data/done"
}

step()
{
    printf '\n== %s\n' "$*"
}

need_build_packages
install_needed
step "building a release in $build"
build_release
step "packing this machine's text files into $shards"
pack_dataset
"$feedgpu" info "$shards"

# 256 windows are a step of half a million tokens. 10 ms for it stands for a
# hungry model: most are slower, and easier to feed.
bench=("$feedgpu" bench --batch-size 256 --epochs 3 --shuffle block
    --compute-ms 10 "$@" "$shards")
step "${bench[*]}"
"${bench[@]}"

step "next"
cat <<END
Your own data:   $feedgpu bench --record-bytes N FILES...
All commands:    $feedgpu --help
The tests:       $root/tests/run.sh
END
