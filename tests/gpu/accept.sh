#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Accept feedgpu on a machine with a GPU: everything that a machine without one
# cannot prove. Needs a Linux with an NVIDIA driver, and nothing from any
# package registry.
#
#     tests/gpu/accept.sh [--prebuilt DIR | --deps DIR] [--out DIR]
#                         [--device cuda:N] [--samples N]
#
#     --prebuilt DIR  programs that tests/gpu/pack.sh made on another machine,
#                     or a build folder; without it and --deps, this script's
#                     own folder if it holds bin/, else a build of this tree
#     --deps DIR      build this tree with the libraries and headers in DIR
#                     (DIR/include, DIR/lib, DIR/lib/pkgconfig)
#     --out DIR       report.md and the logs (default: ./feedgpu-accept)
#     --device cuda:N which GPU (default: cuda:0); "emulated" tries out this
#                     script itself on a machine without one
#     --samples N     per measurement, at least 5 (default: 7)
#
# It runs the conformance suite on cuda, the HtoD path under compute-sanitizer
# if that is there, compares every delivered byte with its source, measures the
# link alone, the loader's HtoD and its overlap with compute, and compares the
# idle time that `feedgpu run` reports with the program's own CUDA events.
#
# Exit status: 0 all passed, 1 something failed, 2 usage, 77 no GPU.
set -u

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
prebuilt=
deps=
out=feedgpu-accept
device=cuda:0
samples=7
passed=0
failed=0
skipped=0

die()
{
    printf 'accept.sh: %s\n' "$1" >&2
    exit "${2:-1}"
}

usage()
{
    sed -n '3,/^set -u/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"
}

parse_options()
{
    while [ $# -gt 0 ]; do
        case $1 in
        --help | -h)
            usage
            exit 0
            ;;
        --prebuilt | --deps | --out | --device | --samples)
            [ $# -ge 2 ] || die "$1: got nothing, wanted a value" 2
            printf -v "${1#--}" '%s' "$2"
            shift 2
            ;;
        *)
            die "option: got \"$1\" (see --help)" 2
            ;;
        esac
    done
    if [ -n "$prebuilt" ] && [ -n "$deps" ]; then
        die "--prebuilt and --deps: got both, wanted one" 2
    fi
    if ! [ "$samples" -ge 5 ] 2>/dev/null; then
        die "--samples: got \"$samples\", wanted at least 5" 2
    fi
}

require_gpu()
{
    if [ "$device" = "${device#cuda}" ]; then
        printf 'no GPU wanted: only trying out this script on %s\n' "$device"
    elif [ ! -e /dev/nvidiactl ] && [ ! -e /dev/dxg ] &&
        ! nvidia-smi -L >/dev/null 2>&1; then
        printf 'no GPU: skipped (no /dev/nvidiactl, no /dev/dxg, and %s)\n' \
            'nvidia-smi finds none'
        exit 77
    fi
}

# Build the tree this script is in. Static libraries are preferred, so that a
# folder of carried ones is enough.
build()
{
    local source log=$out/build.log
    local options=(-DCMAKE_BUILD_TYPE=Release -DFEEDGPU_CUDA=ON
        -DFEEDGPU_EXAMPLES=OFF)

    source=$(cd "$here/../.." && pwd)
    if [ -n "$deps" ]; then
        deps=$(cd "$deps" && pwd) || die "--deps: no such folder"
        PKG_CONFIG_PATH=$deps/lib/pkgconfig:${PKG_CONFIG_PATH-}
        export PKG_CONFIG_PATH
        options+=(-DCMAKE_PREFIX_PATH="$deps"
            -DCMAKE_PROJECT_INCLUDE="$here/static.cmake")
    fi
    printf 'building (log: %s)\n' "$log"
    prebuilt=$work/build
    {
        cmake -S "$source" -B "$prebuilt" "${options[@]}" &&
            cmake --build "$prebuilt" -j "$(nproc)" --target \
                test_device gpu_verify gpu_bandwidth gpu_overlap gpu_idle \
                feedgpu_tool feedgpu_preload feedgpu_cupti
    } >"$log" 2>&1 || {
        tail -n 20 "$log" >&2
        die "build failed; see $log"
    }
}

find_programs()
{
    if [ -z "$prebuilt" ] && [ -z "$deps" ] && [ -d "$here/bin" ]; then
        prebuilt=$here
    fi
    if [ -z "$prebuilt" ]; then
        build
    fi
    prebuilt=$(cd "$prebuilt" && pwd) || die "--prebuilt: no such folder"
    PATH=$prebuilt/bin:$prebuilt/tests/gpu:$prebuilt/tests/conformance:$PATH
    for program in test_device gpu_verify gpu_bandwidth gpu_overlap \
        gpu_idle; do
        command -v "$program" >/dev/null ||
            die "$prebuilt: got no program $program (make it with pack.sh)"
    done
}

# check NAME COMMAND...: run it, keep its output in a log, count it.
check()
{
    local name=$1 log status=0
    shift

    log=$out/$(printf '%s' "$name" | tr -c 'a-zA-Z0-9\n' '-').log
    "$@" >"$log" 2>&1 || status=$?
    case $status in
    0)
        passed=$((passed + 1))
        row "$name" passed "$(tail -n 1 "$log")"
        ;;
    77)
        skipped=$((skipped + 1))
        row "$name" skipped "$(tail -n 1 "$log")"
        ;;
    *)
        failed=$((failed + 1))
        row "$name" "FAILED ($status)" "$(tail -n 1 "$log")"
        ;;
    esac
    return "$status"
}

row()
{
    printf '| %s | %s | %.160s |\n' "$1" "$2" "${3//|/ }" >>"$work/checks"
    printf '%-44s %s\n' "$1" "$2"
}

# measure COMMAND...: its output is rows of the table.
measure()
{
    if "$@" >"$work/rows" 2>"$work/why"; then
        cat "$work/rows" >>"$work/measures"
        cat "$work/rows"
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        row "$*" FAILED "$(tail -n 1 "$work/why")"
    fi
}

# The conformance suite decides whether there is a GPU that works.
conformance()
{
    local status=0

    check "conformance suite on $device" test_device "$device" || status=$?
    if [ $status -eq 77 ]; then
        printf 'no GPU: skipped (%s)\n' \
            "$(grep -h skipped "$out"/conformance-*.log)"
        exit 77
    fi
}

# Bytes that no pattern can stand in for; sizes that are and are not aligned.
make_data()
{
    if ! { head -c $((150528 * 2048)) /dev/urandom >"$work/records" &&
        head -c $((512 * 8192)) /dev/urandom >"$work/small" &&
        truncate -s $((150528 * 32768)) "$work/sparse"; }; then
        die "$work: cannot write 320 MiB of test data"
    fi
}

compare_bytes()
{
    check "every byte, records of 150528" \
        gpu_verify "$device" "$work/records" 150528 150528 256 none 3
    check "every byte, shuffled" \
        gpu_verify "$device" "$work/records" 150528 150528 250 block 3
    check "every byte, overlapping windows of 2049" \
        gpu_verify "$device" "$work/small" 4096 512 100 block 3
}

sanitize()
{
    local tool

    for tool in memcheck racecheck initcheck; do
        if ! command -v compute-sanitizer >/dev/null; then
            skipped=$((skipped + 1))
            row "compute-sanitizer $tool" skipped "it is not installed"
            continue
        fi
        check "compute-sanitizer $tool, HtoD path" compute-sanitizer \
            --tool "$tool" --error-exitcode 9 \
            gpu_verify "$device" "$work/small" 4096 4096 64 block 2
    done
}

measure_all()
{
    measure gpu_bandwidth "$device" "$samples"
    measure gpu_overlap "$device" "$work/sparse" 150528 256 null "$samples"
    measure gpu_overlap "$device" "$work/records" 150528 256 auto "$samples"
    if command -v feedgpu >/dev/null; then
        check "feedgpu bench, compute 20 ms" feedgpu bench "$work/records" \
            --format raw --record-bytes 150528 --batch-size 256 --epochs 20 \
            --device "$device" --compute-ms 20 --json
    fi
}

# What `feedgpu run` says of a program that times itself: within 2 points.
idle_under_run()
{
    local report=$work/run.json own theirs note

    case $device in
    cuda:*) ;;
    *)
        printf 'skipped: %s has no kernels to be recorded\n' "$device"
        return 77
        ;;
    esac
    if ! command -v feedgpu >/dev/null; then
        printf 'skipped: no feedgpu among the programs\n'
        return 77
    fi
    feedgpu run --report json --report-file "$report" -- \
        gpu_idle "$device" "$work/sparse" >"$work/idle" || return
    own=$(sed -n 's/^idle //p' "$work/idle")
    theirs=$(sed -n 's/.*"au":\([0-9.e-]*\),.*/\1/p' "$report")
    note=$(sed -n 's/.*"recorders":\[{[^]]*"note":"\([^"]*\)".*/\1/p;
        s/.*"gpu_why":"\([^"]*\)".*/\1/p' "$report")
    if [ -z "$theirs" ]; then
        printf 'skipped: not recorded: %s\n' "${note:-no reason given}"
        return 77
    fi
    awk -v own="$own" -v au="$theirs" 'BEGIN {
        off = 1 - au - own
        printf "idle %.2f %% by feedgpu run, %.2f %% by CUDA events\n",
            100 * (1 - au), 100 * own
        exit off > 0.02 || off < -0.02
    }'
}

# One field of nvidia-smi's query, or "unknown".
smi()
{
    nvidia-smi --id="${device#cuda:}" --query-gpu="$1" \
        --format=csv,noheader 2>/dev/null | head -n 1 | grep . ||
        printf 'unknown\n'
}

version()
{
    cat "$prebuilt/VERSION" 2>/dev/null ||
        git -C "$here" describe --always --dirty 2>/dev/null ||
        printf 'unknown\n'
}

report()
{
    if [ "$device" = "${device#cuda}" ]; then
        printf '# Not a GPU result: the script tried out on %s\n\n' "$device"
    else
        printf '# feedgpu on %s\n\n' "$(smi name)"
    fi
    printf -- '- device: %s, %s, %s\n' "$(smi name)" "$device" \
        "$(smi pci.bus_id)"
    printf -- '- as feedgpu sees it: %s\n' \
        "$(sed -n 's/^device //p' "$out"/conformance-*.log | head -n 1)"
    printf -- '- driver: %s\n' "$(smi driver_version)"
    printf -- '- link: PCIe Gen%s x%s\n' "$(smi pcie.link.gen.max)" \
        "$(smi pcie.link.width.max)"
    printf -- '- CPU: %s, %s threads\n' \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
        "$(nproc)"
    printf -- '- kernel: %s\n' "$(uname -r)"
    printf -- '- feedgpu: %s\n' "$(version)"
    printf -- '- date: %s\n' "$(date -u '+%Y-%m-%d %H:%M UTC')"
    printf '\n| check | result | last line |\n|---|---|---|\n'
    cat "$work/checks"
    printf '\n| measured | median | unit | samples | least | most |\n'
    printf '|---|---:|---|---:|---:|---:|\n'
    cat "$work/measures"
}

parse_options "$@"
require_gpu
mkdir -p "$out" || die "--out: cannot make $out"
out=$(cd "$out" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/feedgpu-accept.XXXXXX") ||
    die "no room for temporary files"
trap 'rm -rf "$work"' EXIT
: >"$work/checks"
: >"$work/measures"
find_programs
conformance
make_data
compare_bytes
sanitize
measure_all
check "idle time under feedgpu run" idle_under_run
report >"$out/report.md"
printf '\n%s passed, %s failed, %s skipped; report: %s\n' \
    "$passed" "$failed" "$skipped" "$out/report.md"
[ "$failed" -eq 0 ]
