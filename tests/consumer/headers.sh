#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# headers.sh INCLUDE CC CXX: compile each public header alone, pedantically,
# in every standard that it promises. A .hpp is C++ only.
set -eu
include=$1 cc=$2 cxx=$3
status=0

# alone COMPILER LANGUAGE STANDARD HEADER
alone() {
    "$1" -x "$2" -std="$3" -I"$include" -fsyntax-only -Wall -Wextra \
        -Wpedantic -Wundef -Wshadow -Werror - <<END || status=1
#include <feedgpu/$4>
#include <feedgpu/$4>
extern int not_empty;
END
}

for path in "$include"/feedgpu/*; do
    header=${path##*/}
    case $header in
    *.h)
        alone "$cc" c c11 "$header"
        alone "$cc" c c17 "$header"
        ;;
    esac
    alone "$cxx" c++ c++17 "$header"
    alone "$cxx" c++ c++20 "$header"
done
exit $status
