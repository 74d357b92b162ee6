#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Install what the tests need, build, run every test. The last line is
# "N passed, N failed, N skipped"; the exit status is 0 if nothing failed.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=tools/packages.sh
. "$root/tools/packages.sh"

usage()
{
    cat <<'END'
usage: tests/run.sh [OPTION]... [-- CMAKE_ARGUMENT...]

Installs the packages that the tests need (Debian 12, Ubuntu 24.04; as root or
with sudo), builds feedgpu and runs every test. Ends with a line
"N passed, N failed, N skipped".

  --preset NAME      configuration of CMakePresets.json (default: release)
  --build-dir DIR    where to build (default: build/NAME)
  --jobs N           compile and test so many at once (default: all CPUs)
  --only REGEX       only tests whose name matches
  --label REGEX      only tests with a matching label
  --no-label REGEX   no tests with a matching label
  --no-install       install nothing
  --help             this text

Arguments after -- go to cmake, for example -- -DFEEDGPU_CUDA=OFF
END
}

usage_error()
{
    printf 'run.sh: %s (run.sh --help lists the options)\n' "$1" >&2
    exit 2
}

preset=release
build=
jobs=$(nproc)
install=yes
choice=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    case $1 in
    --preset | --build-dir | --jobs | --only | --label | --no-label)
        [ $# -ge 2 ] || usage_error "$1: a value must follow"
        ;;
    esac
    case $1 in
    --preset) preset=$2 && shift ;;
    --build-dir) build=$(realpath -m -- "$2") && shift ;;
    --jobs) jobs=$2 && shift ;;
    --only) choice+=(-R "$2") && shift ;;
    --label) choice+=(-L "$2") && shift ;;
    --no-label) choice+=(-LE "$2") && shift ;;
    --no-install) install=no ;;
    --help) usage && exit 0 ;;
    *) usage_error "$1: unknown option" ;;
    esac
    shift
done
[ $# -eq 0 ] || shift
build=${build:-$root/build/$preset}
log=$build/run.log

# The build did not get to the tests: that is one failure.
stop()
{
    echo "run.sh: $1" >&2
    echo "0 passed, 1 failed, 0 skipped"
    exit 1
}

# Say why each skipped test was skipped: the last line that it printed.
print_skips()
{
    awk -v skipped="$1" '
        BEGIN { count = split(skipped, names, " ")
                for (i = 1; i <= count; i++) wanted[names[i]] = 1 }
        /^[0-9]+\/[0-9]+ Test: / { name = $3; last = ""; output = 0 }
        /^Output:$/ { output = 1; next }
        /^<end of output>$/ {
            if (name in wanted)
                print "skipped: " name ": " (last ? last : "no reason given")
            output = 0 }
        output && /[^-]/ { last = $0 }
    ' "$build/Testing/Temporary/LastTest.log"
}

need_build_packages
need_module cmocka libcmocka-dev
need_module fuse3 libfuse3-dev
need_command fusermount3 fuse3
need_command python3 python3
need_command nm binutils
if [ "$install" = yes ]; then
    install_needed
fi

mkdir -p "$build"
cd "$root"
cmake --preset "$preset" -B "$build" "$@" >"$log" 2>&1 ||
    { tail -n 40 "$log" && stop "configuring failed (all of it: $log)"; }
cmake --build "$build" --parallel "$jobs" >>"$log" 2>&1 ||
    { grep -E -A 15 'FAILED:|error:|undefined' "$log" | head -n 60 &&
        stop "the build failed (all of it: $log)"; }

result=0
ctest --test-dir "$build" --parallel "$jobs" --output-on-failure \
    --no-tests=error "${choice[@]}" 2>&1 | tee "$build/ctest.log" |
    sed -u -n '/^ *[0-9]*\/[0-9]* Test *#/,$p' || result=1

# ctest's own sum leaves skipped tests out, so count its lines.
counts=$(awk '
    /^ *[0-9]+\/[0-9]+ Test +#[0-9]+: / {
        if (/ Passed +[0-9.]+ sec/) passed++
        else if (/\*\*\*(Skipped|Not Run \(Disabled\))/) {
            skipped++
            sub(/.* Test +#[0-9]+: /, ""); names = names " " $1 }
        else failed++
    }
    END { print passed + 0, failed + 0, skipped + 0, names }
' "$build/ctest.log")
read -r passed failed skipped names <<<"$counts"
if [ "$result" -ne 0 ] && [ "$failed" -eq 0 ]; then
    cat "$build/ctest.log"
    failed=1
fi
print_skips "$names"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
