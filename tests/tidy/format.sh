#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# format.sh ROOT: what clang-format 14 would change. Other versions differ in
# details, so only that one is asked.
set -eu
root=$1

format=$(command -v clang-format-14 || command -v clang-format || :)
case $([ -z "$format" ] || "$format" --version) in
*"version 14."*) ;;
*)
    echo "clang-format 14 is not installed"
    exit 77
    ;;
esac
cd "$root"
find include runtime io gpu tools examples tests -type f \
    \( -name '*.[ch]' -o -name '*.hpp' -o -name '*.cc' -o -name '*.cu' \) |
    sort | xargs "$format" --dry-run --Werror
