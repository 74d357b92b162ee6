#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# symbols_self_test.sh CC NM WORK: symbols.sh must find what it is there for.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
cc=$1 nm=$2 work=$3

rm -rf "$work"
mkdir -p "$work/include/feedgpu"
cat >"$work/include/feedgpu/x.h" <<'END'
#define FG_EXPORT __attribute__((visibility("default")))
FG_EXPORT int fg_one(void);
FG_EXPORT const char
    *fg_two(int a,
            int b);
END

# expect TEXT SOURCE: symbols.sh says TEXT about a library of SOURCE.
expect() {
    printf '%s\n' "$2" |
        "$cc" -shared -fPIC -x c - -o "$work/lib.so"
    said=$("$here/symbols.sh" "$work/lib.so" "$work/include" "$nm" 2>&1) || :
    if [ "$said" != "$1" ]; then
        printf 'got:    %s\nwanted: %s\n' "$said" "$1" >&2
        exit 1
    fi
}

expect "" "int fg_one(void){return 1;} int fg_two(void){return 2;}"
expect "symbols: fg_two: in a public header, but not exported" \
    "int fg_one(void){return 1;}"
expect "symbols: fgi_x: exported, but in no public header" \
    "int fg_one(void){return 1;} int fg_two(void){return 2;} int fgi_x;"
